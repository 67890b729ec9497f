// expect: an inner divergence needs a divergence of likelihood/divergence.hpp, or one called like them
#include <diamond/likelihood/inner_divergence.hpp>

#include <support/archetypes.hpp>

struct broken {
    using field_type             = archetypes::differentiable_velocity_field;
    using batch_type             = archetypes::batch;
    static constexpr bool random = false;
    diamond::cost spent() const;
    field_type field() const;
    void operator()(archetypes::const_view, diamond::time_view, diamond::no_condition, double*); // no stream to draw from
};

static_assert(sizeof(diamond::inner_divergence<archetypes::schedule, broken>) > 0);
