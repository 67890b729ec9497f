// expect: a back end's context needs allocate<T>(n), deallocate(p, n), to_host, from_host and copy (pointer, count, pointer), all const, and static constexpr bool host_memory
#include <diamond/reward/linear.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::basic_context<broken> {
    void from_host() const = delete;
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
