// expect: a back end's context needs fill_normal(diamond::noise_stream, view), const
#include <diamond/reward/linear.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::basic_context<broken> {
    void fill_normal() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
