#include <support/archetypes.hpp>

using diamond::transition_kernel;

static_assert(transition_kernel<archetypes::transition_kernel> && diamond::diagnose_transition_kernel<archetypes::transition_kernel>());

struct without_dimension : archetypes::transition_kernel {
    int dimension() const = delete;
};
struct without_call : archetypes::transition_kernel {
    void operator()() = delete;
};
struct without_cost : archetypes::transition_kernel {
    void spent() const = delete;
};
struct silent : archetypes::transition_kernel {
    bool exact() const = delete;
};
static_assert(!transition_kernel<without_dimension> && !transition_kernel<without_call>);
static_assert(!transition_kernel<without_cost> && !transition_kernel<silent>);
static_assert(!transition_kernel<archetypes::uncopyable<archetypes::transition_kernel>>);
static_assert(!transition_kernel<archetypes::posterior_sampler> && !transition_kernel<int>);
