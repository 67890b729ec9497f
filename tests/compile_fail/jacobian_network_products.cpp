// expect: a jacobian_network needs a differentiable Diamond network: one with vjp and jvp
#include <diamond/likelihood/jacobian_network.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::differentiable_diamond_network {
    void jvp() const = delete;
};

static_assert(sizeof(diamond::jacobian_network<broken>) > 0);
