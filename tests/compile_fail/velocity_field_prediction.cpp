// expect: a velocity field that says what it predicts needs denoiser (or noise) (x, t, condition, workspace, out) const, which gives it
#include <diamond/schedule/readings.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::velocity_field {
    static constexpr auto predicts = diamond::prediction::denoiser;
};

static_assert(sizeof(diamond::readings<archetypes::schedule, broken>) > 0);
