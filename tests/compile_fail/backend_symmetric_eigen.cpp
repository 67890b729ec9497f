// expect: a back end's context needs symmetric_eigen(batch_view<double> a, double* values), const
#include <diamond/reward/linear.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::basic_context<broken> {
    void symmetric_eigen() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
