// expect: this reward takes float, and the particles are double: write diamond::column_view<const double>, or `const auto&`
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

struct broken {
    double operator()(diamond::column_view<const float>) const; // the particles are double
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
