#include <support/archetypes.hpp>

using diamond::posterior_sampler, diamond::differentiable_posterior_sampler;

static_assert(posterior_sampler<archetypes::posterior_sampler> && diamond::diagnose_posterior_sampler<archetypes::posterior_sampler>());
static_assert(!differentiable_posterior_sampler<archetypes::posterior_sampler>);
static_assert(differentiable_posterior_sampler<archetypes::differentiable_posterior_sampler>);
static_assert(diamond::diagnose_differentiable_posterior_sampler<archetypes::differentiable_posterior_sampler>());

struct without_schedule : archetypes::posterior_sampler {
    void schedule() const = delete;
};
struct without_call : archetypes::posterior_sampler {
    void operator()() = delete;
};
struct without_cost : archetypes::posterior_sampler {
    void spent() const = delete;
};
struct silent : archetypes::posterior_sampler {
    bool exact() const = delete;
};
struct vague : archetypes::posterior_sampler {
    double exact() const; // a bool is a claim, a number is not
};
static_assert(!posterior_sampler<without_schedule> && !posterior_sampler<without_call> && !posterior_sampler<without_cost>);
static_assert(!posterior_sampler<silent> && !posterior_sampler<vague>);
static_assert(!posterior_sampler<archetypes::uncopyable<archetypes::posterior_sampler>>);
static_assert(!posterior_sampler<archetypes::transition_kernel> && !posterior_sampler<int>);
