// expect: a differentiable flow map needs vjp(const_view x, interval, const condition&, const_view cotangent, view out)
#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_flow_map {
    void vjp() = delete;
};

static_assert(diamond::diagnose_differentiable_flow_map<broken>());
