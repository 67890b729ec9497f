// expect: a differentiable reward also needs gradient(const_view z, view out) that writes dr/dz into out
#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_reward {
    void gradient() = delete;
};

static_assert(diamond::diagnose_differentiable_reward<broken, archetypes::batch>());
