// expect: a joint Diamond map by an ODE solver needs a divergence of likelihood/divergence.hpp, or one called like them
#include <diamond/likelihood/glass_joint_diamond_map.hpp>
#include <diamond/map/solver.hpp>

#include <support/archetypes.hpp>

struct broken {
    using field_type             = archetypes::differentiable_velocity_field;
    using batch_type             = archetypes::batch;
    static constexpr bool random = false;
    diamond::cost spent() const;
    field_type field() const;
    void operator()(archetypes::const_view, diamond::time_view, diamond::no_condition, double*); // no stream to draw from
};

static_assert(sizeof(diamond::glass_joint_diamond_map<archetypes::schedule, broken, diamond::euler>) > 0);
