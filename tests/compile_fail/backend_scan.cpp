// expect: a back end's context needs scan_sum of std::uint64_t and scan_max of std::int32_t (in, n, out), const
#include <diamond/reward/linear.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::basic_context<broken> {
    void scan_max() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
