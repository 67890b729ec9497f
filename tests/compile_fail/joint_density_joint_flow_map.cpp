// expect: a joint flow map needs schedule() const, the noise schedule of its times
#include <diamond/likelihood/joint_density.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::joint_density<archetypes::flow_map>) > 0);
