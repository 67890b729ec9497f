#include <support/archetypes.hpp>

using diamond::transition_kernel;

static_assert(transition_kernel<archetypes::transition_kernel> &&
              diamond::diagnose_transition_kernel<archetypes::transition_kernel>());

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

using diamond::transition_kernel_with_density, diamond::weighted_transition_kernel;

static_assert(transition_kernel_with_density<archetypes::transition_kernel_with_density> &&
              diamond::diagnose_transition_kernel_with_density<archetypes::transition_kernel_with_density>());
static_assert(!transition_kernel_with_density<archetypes::transition_kernel>);
struct with_another : archetypes::transition_kernel_with_density {
    void draw_with_density(archetypes::const_view, diamond::interval, diamond::no_condition, archetypes::view,
                           archetypes::row); // whence its randomness?
};
static_assert(!transition_kernel_with_density<with_another>);

// A kernel with weights is no kernel: who carries no weights would take its draws as they come.
static_assert(weighted_transition_kernel<archetypes::weighted_transition_kernel> &&
              diamond::diagnose_weighted_transition_kernel<archetypes::weighted_transition_kernel>());
static_assert(!transition_kernel<archetypes::weighted_transition_kernel> &&
              !weighted_transition_kernel<archetypes::transition_kernel>);
static_assert(diamond::diagnose_any_transition_kernel<archetypes::transition_kernel>() &&
              diamond::diagnose_any_transition_kernel<archetypes::weighted_transition_kernel>());
struct without_begin : archetypes::weighted_transition_kernel {
    void begin() = delete;
};
struct without_kernel : archetypes::weighted_transition_kernel {
    void kernel() const = delete;
};
struct of_weighted : archetypes::weighted_transition_kernel {
    archetypes::weighted_transition_kernel kernel() const;
};
struct forgetful : archetypes::weighted_transition_kernel {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, diamond::noise_stream,
                    archetypes::view, archetypes::row);
};
static_assert(!weighted_transition_kernel<without_begin> && !weighted_transition_kernel<without_kernel> &&
              !weighted_transition_kernel<of_weighted> && !weighted_transition_kernel<forgetful>);
static_assert(!weighted_transition_kernel<archetypes::uncopyable<archetypes::weighted_transition_kernel>>);

static_assert(diamond::steerable_kernel<archetypes::steerable_kernel>);
static_assert(!diamond::steerable_kernel<archetypes::transition_kernel>);
static_assert(diamond::guided_kernel<archetypes::guided_kernel>);
static_assert(!diamond::guided_kernel<archetypes::transition_kernel>);
static_assert(!diamond::guided_kernel<archetypes::weighted_transition_kernel>);
static_assert(!diamond::transition_kernel<archetypes::guided_kernel>);
