// expect: a value estimator needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/align/search.hpp>

#include <support/archetypes.hpp>

struct broken {
    int dimension() const;
    void operator()(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream, diamond::value_batch);
    archetypes::batchwise_reward& reward();
    diamond::cost spent() const;
};

static_assert(sizeof(diamond::beam<archetypes::transition_kernel, broken>) > 0);
