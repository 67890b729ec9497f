// expect: a back end's context needs softmax(view, double* log_sums) and log_sum_exp(const_view, double* out), const
#include <diamond/reward/linear.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::basic_context<broken> {
    void log_sum_exp() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
