// expect: a resampler needs log_z_error method() const: how the error of log Z is estimated with it
#include <support/archetypes.hpp>

struct broken : archetypes::resampler {
    void method() const = delete;
};

static_assert(diamond::diagnose_resampler<broken, archetypes::context>());
