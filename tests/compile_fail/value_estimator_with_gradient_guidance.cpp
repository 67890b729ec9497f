// expect: guidance needs a value estimator with guidance(const_view x, double t, const condition&, noise_stream, view out), b(t) grad V
#include <diamond/align/guidance.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::value_estimator_with_gradient {
    void guidance() = delete;
};

static_assert(sizeof(diamond::guidance<archetypes::velocity_field, broken>) > 0);
