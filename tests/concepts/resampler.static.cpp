#include <support/archetypes.hpp>

using archetypes::context, diamond::resampler;

static_assert(resampler<archetypes::resampler, context> &&
              diamond::diagnose_resampler<archetypes::resampler, context>());

struct without_call : archetypes::resampler {
    void operator()() const = delete;
};
struct without_method : archetypes::resampler {
    void method() const = delete;
};
struct vague : archetypes::resampler {
    int method() const;
};
static_assert(!resampler<without_call, context> && !resampler<without_method, context> &&
              !resampler<vague, context>);
static_assert(!resampler<archetypes::uncopyable<archetypes::resampler>, context> && !resampler<int, context>);
