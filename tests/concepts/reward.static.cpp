#include <functional>
#include <type_traits>

#include <support/archetypes.hpp>

using archetypes::batch, diamond::labels;
using diamond::reward, diamond::differentiable_reward, diamond::reward_with_quadratic_form;

static_assert(reward<archetypes::pointwise_reward, batch> && reward<archetypes::batchwise_reward, batch>);
static_assert(diamond::diagnose_reward<archetypes::pointwise_reward, batch>());
// A reward without a condition serves under any; one with a condition serves under its own.
static_assert(reward<archetypes::batchwise_reward, batch, labels> &&
              reward<archetypes::conditional_reward, batch, labels>);
static_assert(!reward<archetypes::conditional_reward, batch>);

static_assert(differentiable_reward<archetypes::differentiable_reward, batch>);
static_assert(diamond::diagnose_differentiable_reward<archetypes::differentiable_reward, batch>());
static_assert(!differentiable_reward<archetypes::batchwise_reward, batch>);
static_assert(reward_with_quadratic_form<archetypes::reward_with_quadratic_form>);
static_assert(!reward_with_quadratic_form<archetypes::batchwise_reward>);

// A lambda is a reward, const or mutable, pointwise, batchwise or conditional.
constexpr auto pointwise = [](const auto& column) { return column[0]; };
constexpr auto integer = [](const auto& column) { return column[0] > 0 ? 1 : 0; };
constexpr auto batchwise = [](auto, diamond::row_t<batch>) {};
constexpr auto conditional = [](auto, labels, diamond::row_t<batch>) {};
constexpr auto counting = [calls = 0](const auto&) mutable { return static_cast<double>(++calls); };
static_assert(reward<decltype(pointwise), batch> && reward<decltype(integer), batch> &&
              reward<decltype(batchwise), batch>);
static_assert(reward<decltype(conditional), batch, labels> && !reward<decltype(conditional), batch>);
static_assert(reward<std::remove_const_t<decltype(counting)>, batch> && !reward<decltype(counting), batch>);

// Particle types do not mix.
static_assert(!reward<archetypes::pointwise_reward, diamond::rebind_t<batch, float>>);
static_assert(!reward<archetypes::batchwise_reward, diamond::rebind_t<batch, float>>);

// A bool is none, by whatever name; a number that counts is one.
constexpr auto truth = [](const auto& column) { return column[0] > 0; };
constexpr auto constant = [](const auto&) { return std::true_type{}; };
static_assert(!reward<decltype(truth), batch> && !reward<decltype(constant), batch>);
static_assert(!reward<std::reference_wrapper<const decltype(truth)>, batch>);

// std::ref of a reward is the same reward, with its gradient, copyable or not.
static_assert(reward<std::reference_wrapper<archetypes::uncopyable<archetypes::pointwise_reward>>, batch>);
static_assert(diamond::diagnose_reward<
              std::reference_wrapper<archetypes::uncopyable<archetypes::pointwise_reward>>, batch>());
static_assert(differentiable_reward<std::reference_wrapper<archetypes::differentiable_reward>, batch>);
static_assert(!differentiable_reward<std::reference_wrapper<archetypes::batchwise_reward>, batch>);

struct textual {
    const char* operator()(diamond::column_view<const double>) const;
};
struct float_values {
    void operator()(archetypes::const_view, float*) const; // values are double always
};
struct half_gradient : archetypes::batchwise_reward {
    void gradient(archetypes::const_view) const;
};
static_assert(!reward<textual, batch> && !reward<float_values, batch> && !reward<int, batch>);
static_assert(!differentiable_reward<half_gradient, batch>);
