// expect: a joint flow map needs operator()(const_view x, interval, const condition&, view out, double* divergence) that writes X_{from,to}(x) into out and the mean divergence into divergence
#include <diamond/likelihood/log_likelihood.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::joint_flow_map {
    using flow_map::operator();
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view, float*) = delete; // densities are double
};

static_assert(sizeof(diamond::log_likelihood<broken>) > 0);
