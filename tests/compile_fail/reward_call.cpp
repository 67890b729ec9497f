// expect: a reward is callable as double r(column), or as void r(const_view z, double* values), or as void r(z, condition, double* values)
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

struct broken {
    float operator()(float) const; // a number is not a sample
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
