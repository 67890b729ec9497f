// expect: a joint Diamond map needs operator()(const_view xbar, interval inner, const_view x_t, time_view t, const condition&, view out, double* divergence) that writes X_{s,r} into out and the mean divergence of the inner flow into divergence
#include <diamond/concepts/joint_diamond_map.hpp>

#include <support/archetypes.hpp>

static_assert(diamond::diagnose_joint_diamond_map<archetypes::diamond_map>());
