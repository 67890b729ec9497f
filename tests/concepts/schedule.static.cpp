#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/schedule.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

#include <support/archetypes.hpp>

using diamond::schedule;

static_assert(schedule<archetypes::schedule>);
static_assert(schedule<diamond::linear_schedule> && schedule<diamond::trigonometric_schedule>);
static_assert(schedule<diamond::variance_preserving_schedule> && schedule<diamond::cosine_schedule>);
static_assert(diamond::diagnose_schedule<archetypes::schedule>());

// The stock ones take an instant, with 1 - t beside t; one of doubles, or a generic one, is not taken for
// such.
struct generic_schedule : archetypes::schedule {
    double sigma(auto t) const { return 1.0 - t; }
};
template <class S>
constexpr bool reads_instants = diamond::detail::reads_instants<S>;
static_assert(reads_instants<diamond::linear_schedule> && reads_instants<diamond::trigonometric_schedule>);
static_assert(reads_instants<diamond::variance_preserving_schedule> &&
              reads_instants<diamond::cosine_schedule>);
static_assert(!reads_instants<archetypes::schedule> && !reads_instants<generic_schedule> &&
              schedule<generic_schedule>);

// Ten lines are a schedule.
struct users_schedule {
    double alpha(double t) const { return t * t; }
    double sigma(double t) const { return 1 - t; }
    double d_alpha(double t) const { return 2 * t; }
    double d_sigma(double) const { return -1; }
};
static_assert(schedule<users_schedule>);
static_assert(requires(users_schedule s) { diamond::time_at(s, 1.0, 1.0); });

struct without_alpha : archetypes::schedule {
    double alpha(double) const = delete;
};
struct without_sigma : archetypes::schedule {
    double sigma(double) const = delete;
};
struct without_derivative : archetypes::schedule {
    double d_sigma(double) const = delete;
};
struct mutable_schedule : archetypes::schedule {
    double alpha(double);
};
static_assert(!schedule<without_alpha> && !schedule<without_sigma> && !schedule<without_derivative> &&
              !schedule<mutable_schedule>);
static_assert(!schedule<archetypes::uncopyable<archetypes::schedule>> && !schedule<int>);
