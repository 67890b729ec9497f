// expect: a weighted transition kernel needs operator()(const_view x, interval, const condition&, noise_stream, view out, const double* log_density, double* next_log_density, double* log_weight)
#include <diamond/concepts/transition_kernel.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::weighted_transition_kernel {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, diamond::noise_stream, archetypes::view, double*); // log p_t is lost
};

static_assert(diamond::diagnose_weighted_transition_kernel<broken>());
