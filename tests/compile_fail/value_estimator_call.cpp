// expect: a value estimator needs operator()(const_view x, double t, const condition&, noise_stream, value_batch)
#include <diamond/align/search.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::value_estimator {
    void operator()(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream, double*); // not a value_batch
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
