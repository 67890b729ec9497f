// expect: a differentiable joint flow map needs vjp(const_view x, interval, const condition&, const_view cotangent, const double* divergence_cotangent, view out), either cotangent null for zero
#include <diamond/likelihood/objective.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_joint_flow_map {
    void vjp() = delete;
};

static_assert(sizeof(diamond::negative_log_likelihood<broken>) > 0);
