#include <support/archetypes.hpp>

using diamond::posterior_sampler, diamond::differentiable_posterior_sampler;

static_assert(posterior_sampler<archetypes::posterior_sampler> &&
              diamond::diagnose_posterior_sampler<archetypes::posterior_sampler>());
static_assert(!differentiable_posterior_sampler<archetypes::posterior_sampler>);
static_assert(differentiable_posterior_sampler<archetypes::differentiable_posterior_sampler>);
static_assert(
    diamond::diagnose_differentiable_posterior_sampler<archetypes::differentiable_posterior_sampler>());

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
static_assert(!posterior_sampler<without_schedule> && !posterior_sampler<without_call> &&
              !posterior_sampler<without_cost>);
static_assert(!posterior_sampler<silent> && !posterior_sampler<vague>);
static_assert(!posterior_sampler<archetypes::uncopyable<archetypes::posterior_sampler>>);
static_assert(!posterior_sampler<archetypes::transition_kernel> && !posterior_sampler<int>);

using diamond::posterior_sampler_with_density, diamond::weighted_posterior_sampler;

static_assert(posterior_sampler_with_density<archetypes::posterior_sampler_with_density> &&
              diamond::diagnose_posterior_sampler_with_density<archetypes::posterior_sampler_with_density>());
static_assert(!posterior_sampler_with_density<archetypes::posterior_sampler>);
struct with_another : archetypes::posterior_sampler_with_density {
    void draw_with_density(archetypes::const_view, double, diamond::no_condition, archetypes::view,
                           archetypes::row); // whence its randomness?
};
static_assert(!posterior_sampler_with_density<with_another>);

// Draws with weights are no draws: who does not ask for the weights would take them as they come.
static_assert(weighted_posterior_sampler<archetypes::weighted_posterior_sampler> &&
              diamond::diagnose_weighted_posterior_sampler<archetypes::weighted_posterior_sampler>());
static_assert(!posterior_sampler<archetypes::weighted_posterior_sampler> &&
              !weighted_posterior_sampler<archetypes::posterior_sampler>);
static_assert(diamond::diagnose_any_posterior_sampler<archetypes::posterior_sampler>() &&
              diamond::diagnose_any_posterior_sampler<archetypes::weighted_posterior_sampler>());
struct weighted_and_silent : archetypes::weighted_posterior_sampler {
    void exact() const = delete;
};
static_assert(!weighted_posterior_sampler<weighted_and_silent>);
static_assert(!weighted_posterior_sampler<archetypes::uncopyable<archetypes::weighted_posterior_sampler>>);
