// expect: a differentiable velocity field needs vjp and jvp (x, t, condition, direction, workspace, out) const beside operator()
#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_velocity_field {
    void jvp() const = delete;
};

static_assert(diamond::diagnose_differentiable_velocity_field<broken>());
