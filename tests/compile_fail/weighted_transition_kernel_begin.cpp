// expect: a weighted transition kernel needs begin(const_view x_0, const condition&, double* log_density) that writes log p_0(x_0)
#include <diamond/align/smc.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::weighted_transition_kernel {
    void begin() = delete;
};

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
