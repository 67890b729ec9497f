// expect: a weighted transition kernel needs kernel() const, the transition kernel whose draws it weighs
#include <diamond/align/smc.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::weighted_transition_kernel {
    void kernel() const = delete; // by what would the pilot draw?
};

static_assert(sizeof(diamond::smc<broken, archetypes::value_estimator, archetypes::resampler>) > 0);
