// expect: a back end's context needs lanes(n, body), concurrency(), dense_block_columns() and prepare_product<T>, const
#include <diamond/reward/linear.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::basic_context<broken> {
    void lanes() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
