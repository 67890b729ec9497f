/// Transitions with importance weights that correct them, from their own density and that of the marginals.
/// See (eq. corrected-kernel-weight).
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/map/detail/correction.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/noising.hpp>

namespace diamond {

namespace detail {
/// The log weight of a transition; it is -inf for a particle whose density was 0 before, which so keeps a
/// weight of 0.
DIAMOND_HD constexpr double transition_log_weight(double before, double after, double likelihood,
                                                  double log_q) {
    return before == -infinity ? -infinity : after + likelihood - before - log_q;
}
} // namespace detail

/// x_t' ~ q(. | x_t) with the importance weight
///   log w = log p_t'(x_t') + log N(x_t; a x_t', (sigma(t)^2 - a^2 sigma(t')^2) I)
///           - log p_t(x_t) - log q(x_t' | x_t),
/// where a = alpha(t)/alpha(t').
///
/// With these weights a chain follows the time reversal of the noising of p_1, the law of data by `Density`.
/// This holds for any kernel that draws wherever that reversal has mass and whose log q is the density of its
/// own draws, as its exact_density() states. Each particle carries its log p_t. If the densities are nowhere
/// 0 along the paths, only p_1 affects the law at the end and Z, because those between p_0 and p_1 cancel;
/// they determine the variance of the weights. A p_1 that is wrong by a constant factor multiplies Z by that
/// factor. Models weighted_transition_kernel. Cost: one draw with density and one density for each step.
template <class Kernel, class Density>
class corrected_kernel {
    static_assert(diagnose_transition_kernel_with_density<Kernel>() && diagnose_marginal_density<Density>());
    static_assert(std::is_same_v<typename Kernel::batch_type, typename Density::batch_type>,
                  "transitions and the density that corrects them must be of the same batch type");
    static_assert(detail::has_condition<condition_of_t<Density>, condition_of_t<Kernel>>,
                  "transitions and the density that corrects them must take the same condition");
    static_assert(detail::agrees_with<Kernel, detail::schedule_of_t<Density>>,
                  "transitions and the density that corrects them must have the same "
                  "noise schedule: rescheduled_density reads one by another's");

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument if their dimensions differ.
    corrected_kernel(Kernel kernel, Density density)
        : kernel_(std::move(kernel)), density_(std::move(density)) {
        detail::require_density_of("transition kernel", kernel_, density_);
        check_schedule(density_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(kernel_.dimension()); }
    [[nodiscard]] auto schedule() const { return density_.schedule(); }
    [[nodiscard]] cost spent() const { return cost(kernel_.spent()) + cost(density_.spent()); }
    [[nodiscard]] bool exact() const { return density_.exact() && exact_density(); }
    /// Says whether the kernel's log q is the density of its own draws.
    [[nodiscard]] bool exact_density() const { return detail::knows_own_density(kernel_); }
    /// The kernel whose draws are corrected.
    [[nodiscard]] const Kernel& kernel() const { return kernel_; }

    /// log_density[j] = log N(x_0_j; 0, I), for x_0, d x N.
    void begin(const_view x_0, const condition_type&, row_t<batch_type> log_density) {
        assign(log_density, column_sums(elementwise<detail::log_normal_density>(x_0, 1.0)));
    }
    /// Draws out, d x N, given x, d x N, with log_weight[j] = log w of column j. log_density[j] = log
    /// p_t(x_j) is read, next_log_density[j] = log p_t'(out_j) is written. @throws std::invalid_argument
    /// unless 0 <= t < t' <= 1; numeric_error naming step and particle if a weight is NaN or +inf.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream,
                    view out, const_row_t<batch_type> log_density, row_t<batch_type> next_log_density,
                    row_t<batch_type> log_weight) {
        const auto& context = x.context();
        const index_t n = x.columns();
        require_transition(span);
        const noising back = noising_at(density_.schedule(), span);
        likelihood_.resize(context, 1, n);
        kernel_.draw_with_density(x, span, condition, stream, out, log_weight);
        density_(out, span.to, detail::condition_within<condition_of_t<Density>>(condition),
                 next_log_density);
        context.column_sums(
            x.rows(), x.columns(),
            detail::transition_density_term<const_view>{
                .x = x, .z = out, .scale = back.scale, .deviation = back.spread, .samples = 1},
            likelihood_.data());
        assign(log_weight, elementwise<detail::transition_log_weight>(log_density, next_log_density,
                                                                      row(likelihood_), log_weight));
        context.forbid(n, elementwise<detail::is_no_log_weight>(log_weight),
                       deferred_error{.what = detail::bad_correction,
                                      .step = static_cast<index_t>(stream.step),
                                      .values = log_weight.data()});
    }

private:
    Kernel kernel_;
    Density density_;
    scratch<double, backend_of_t<batch_type>> likelihood_;
};

} // namespace diamond
