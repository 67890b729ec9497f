// expect: a joint Diamond network needs joint(diamond_arguments, const condition&, workspace&, view out, double* divergence) const
#include <diamond/likelihood/network_joint_flow_map.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::network_joint_flow_map<archetypes::diamond_network>) > 0);
