// expect: a resampler needs log_z_error method() const: how the error of log Z is estimated with it
#include <diamond/align/smc.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::resampler {
    void method() const = delete;
};

static_assert(sizeof(diamond::smc<archetypes::transition_kernel, archetypes::value_estimator, broken>) > 0);
