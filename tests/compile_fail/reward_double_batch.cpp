// expect: this reward takes double, and the particles are float: write diamond::column_view<const float>, or `const auto&`
#include <diamond/reward/forbid_non_finite.hpp>

#include <support/archetypes.hpp>

struct broken {
    void operator()(archetypes::const_view, double*) const; // of double
};

static_assert(diamond::diagnose_reward<diamond::forbid_non_finite<broken>, diamond::rebind_t<archetypes::batch, float>>());
