// expect: this reward would write its column
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

struct broken {
    double operator()(diamond::column_view<double>) const;
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
