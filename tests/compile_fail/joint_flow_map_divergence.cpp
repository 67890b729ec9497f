// expect: a joint flow map by an ODE solver needs a divergence of likelihood/divergence.hpp, or one called like them
#include <diamond/likelihood/ode_joint_flow_map.hpp>

#include <support/archetypes.hpp>

struct broken { // it cannot be called
    using field_type = archetypes::differentiable_velocity_field;
    using batch_type = archetypes::batch;
    static constexpr bool random = false;
};

static_assert(sizeof(diamond::ode_joint_flow_map<broken, diamond::euler>) > 0);
