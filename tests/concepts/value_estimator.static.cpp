#include <support/archetypes.hpp>

using diamond::value_estimator, diamond::value_estimator_with_gradient;

static_assert(value_estimator<archetypes::value_estimator> &&
              diamond::diagnose_value_estimator<archetypes::value_estimator>());
static_assert(!value_estimator_with_gradient<archetypes::value_estimator>);
static_assert(value_estimator_with_gradient<archetypes::value_estimator_with_gradient>);
static_assert(diamond::diagnose_value_estimator_with_gradient<archetypes::value_estimator_with_gradient>());

struct without_dimension : archetypes::value_estimator {
    int dimension() const = delete;
};
struct without_call : archetypes::value_estimator {
    void operator()() = delete;
};
struct without_reward : archetypes::value_estimator {
    void reward() = delete;
};
struct false_reward : archetypes::value_estimator {
    int reward();
};
struct without_cost : archetypes::value_estimator {
    void spent() const = delete;
};
static_assert(!value_estimator<without_dimension> && !value_estimator<without_call> &&
              !value_estimator<without_cost>);
static_assert(!value_estimator<without_reward> && !value_estimator<false_reward>);
static_assert(!value_estimator<archetypes::uncopyable<archetypes::value_estimator>> && !value_estimator<int>);
