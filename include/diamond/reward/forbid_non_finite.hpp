/// By choice a -inf where a reward fails.
#pragma once

#include <tuple>
#include <utility>

#include <diamond/reward/detail/workspace.hpp>
#include <diamond/reward/evaluate.hpp>

namespace diamond {

namespace detail {
struct forbid_value {
    double* values;
    DIAMOND_HD void operator()(index_t j) const { values[j] = values[j] < infinity ? values[j] : -infinity; } // NaN compares false
};
template <class View>
struct clear_forbidden {
    const double* values;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        if (values[j] == -infinity) out(i, j) = typename View::value_type{0};
    }
};
} // namespace detail

/// r(z), or -inf where r(z) is NaN or +inf: such samples get weight 0 and the run goes on, where samplers would otherwise stop with an
/// error.
template <class Reward>
class forbid_non_finite {
public:
    using parts = std::tuple<Reward>;

    explicit forbid_non_finite(Reward reward) : reward_(std::move(reward)) {}

    /// values[j] = r(z_j | c_j) or -inf, z d x n.
    template <class Real, class Context, class Condition>
    requires reward<Reward, owning_batch<Real, Context>, Condition>
    void operator()(batch_view<const Real, Context> z, const Condition& condition, double* values) {
        evaluate_reward(reward_, z, condition, values);
        z.context().for_each(z.columns(), detail::forbid_value{values});
    }

    /// out = dr/dz, d x n; 0 where the sample is forbidden, so that its weight of 0 meets no NaN. Calls r, too.
    template <class Real, class Context, class Condition>
    requires differentiable_reward<Reward, owning_batch<Real, Context>, Condition>
    void gradient(batch_view<const Real, Context> z, const Condition& condition, batch_view<Real, Context> out) {
        const auto values = values_.template resized<double>(z.context(), 1, z.columns());
        (*this)(z, condition, values.data());
        evaluate_reward_gradient(reward_, z, condition, out);
        z.context().for_each(out.rows(), out.columns(), detail::clear_forbidden<batch_view<Real, Context>>{values.data(), out});
    }

    [[nodiscard]] diamond::quadratic_form quadratic_form() const requires reward_with_quadratic_form<Reward> {
        return reward_.quadratic_form();
    }

private:
    Reward reward_;
    detail::workspace values_;
};

} // namespace diamond
