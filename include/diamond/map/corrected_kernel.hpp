/// Transitions that correct themselves: importance weights by their own density and the marginals'. Section 8.
#pragma once

#include <cmath>
#include <type_traits>
#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/map/detail/correction.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/noising.hpp>

namespace diamond {

namespace detail {
/// after + likelihood - before - log q; a particle that weighs nothing already stays so.
struct correct_transition_weight {
    const double *before, *after, *likelihood;
    double*       log_weight; // log q before
    DIAMOND_HD void operator()(index_t j) const { log_weight[j] = before[j] == -infinity ? -infinity : after[j] + likelihood[j] - before[j] - log_weight[j]; }
};
} // namespace detail

/// x_t' ~ q(. | x_t) with
///   log w = log p_t'(x_t') + log N(x_t; a x_t', (sigma(t)^2 - a^2 sigma(t')^2) I) - log p_t(x_t) - log q(x_t' | x_t),   a = alpha(t)/alpha(t').
///
/// By these weights a chain follows the noising of p_1 as `Density` knows it, run backwards, whatever the kernel that drew it, as long as it draws wherever that has
/// mass and its log q is its own, which it says by exact_density(). Each particle carries its log p_t. Of densities that are nowhere 0 along its paths only p_1
/// bears on the law of the end and on Z, for between p_0 and it they cancel; the others set how much the weights vary. A p_1 that is off by a factor multiplies Z
/// by it. Models weighted_transition_kernel. Cost: one draw with density and one density a step.
template <class Kernel, class Density>
class corrected_kernel {
    static_assert(diagnose_transition_kernel_with_density<Kernel>() && diagnose_marginal_density<Density>());
    static_assert(std::is_same_v<typename Kernel::batch_type, typename Density::batch_type>, "transitions and the density that corrects them must be of the same batch type");
    static_assert(std::is_same_v<condition_of_t<Kernel>, condition_of_t<Density>>, "transitions and the density that corrects them must take the same condition");
    static consteval bool schedules_agree() {
        if constexpr (detail::names_schedule<Kernel>)
            return detail::same_schedule<Kernel, Density>;
        else
            return true; // a kernel need not say
    }
    static_assert(schedules_agree(), "transitions and the density that corrects them must have the same noise schedule: rescheduled_density reads one by another's");

public:
    using batch_type     = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// @throws std::invalid_argument where their dimensions differ.
    corrected_kernel(Kernel kernel, Density density) : kernel_(std::move(kernel)), density_(std::move(density)) {
        detail::require_density_of("transition kernel", kernel_, density_);
        check_schedule(density_.schedule());
    }

    [[nodiscard]] index_t       dimension() const { return static_cast<index_t>(kernel_.dimension()); }
    [[nodiscard]] auto          schedule() const { return density_.schedule(); }
    [[nodiscard]] cost          spent() const { return cost(kernel_.spent()) + cost(density_.spent()); }
    [[nodiscard]] bool          exact() const { return density_.exact() && exact_density(); }
    [[nodiscard]] bool          exact_density() const { return detail::knows_own_density(kernel_); }
    [[nodiscard]] const Kernel& kernel() const { return kernel_; }

    /// log_density[j] = log N(x_0_j; 0, I).
    void begin(const_view x_0, const condition_type&, double* log_density) {
        x_0.context().column_sums(x_0.rows(), x_0.columns(), detail::base_density_term<real>{x_0.data(), x_0.rows(), 1.0}, log_density);
    }
    /// Draws out, d x N, with its weights; log_density are log p_t of x, next_log_density log p_t' of out.
    /// @throws numeric_error naming step and particle where a weight is NaN or +inf.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream, view out, const double* log_density, double* next_log_density, double* log_weight) {
        const auto&       context = x.context();
        require_transition(span);
        const noising back = noising_at(density_.schedule(), span);
        likelihood_.resize(context, 1, x.columns());
        kernel_.draw_with_density(x, span, condition, stream, out, log_weight);
        density_(out, span.to, condition, next_log_density);
        context.column_sums(x.rows(), x.columns(), detail::transition_density_term<real>{x.data(), out.data(), back.scale, back.spread, x.rows(), 1}, likelihood_.data());
        context.for_each(x.columns(), detail::correct_transition_weight{log_density, next_log_density, likelihood_.data(), log_weight});
        context.forbid(x.columns(), detail::not_a_weight{log_weight}, deferred_error{.what = detail::bad_correction, .step = static_cast<index_t>(stream.step), .values = log_weight});
    }

private:
    using real = typename batch_type::value_type;

    Kernel                                    kernel_;
    Density                                   density_;
    scratch<double, backend_of_t<batch_type>> likelihood_;
};

} // namespace diamond
