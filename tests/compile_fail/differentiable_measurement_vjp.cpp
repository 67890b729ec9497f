// expect: a differentiable measurement needs vjp(const_view z, const_view cotangent, view out)
#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_measurement {
    void vjp() = delete;
};

static_assert(diamond::diagnose_differentiable_measurement<broken>());
