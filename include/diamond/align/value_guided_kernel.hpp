/// Transitions guided by the gradient of a value, whatever the value is of.
#pragma once

#include <cmath>
#include <type_traits>
#include <utility>

#include <diamond/align/guided_noise.hpp>
#include <diamond/concepts/reward.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

namespace detail {
/// What brings a vector of this squared norm, times `factor`, into the trust region.
DIAMOND_HD inline double clip_to(double square_norm, double factor, double trust) {
    const double norm = std::fabs(factor) * std::sqrt(square_norm);
    return norm > trust ? factor * (trust / norm) : factor;
}
/// eps + scale g
template <class ConstView, class View, class Row>
struct shift_noise {
    ConstView noise, gradient;
    Row scale;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        out(i, j) = static_cast<typename View::value_type>(static_cast<double>(noise(i, j)) +
                                                           scale[j] * static_cast<double>(gradient(i, j)));
    }
};
} // namespace detail

/// Options of value_guided_kernel.
struct value_guided_kernel_options {
    /// v > 0: the variance of a coordinate of the data, by which early_stop_kernel guesses what its noise
    /// does; a kernel of a posterior draw knows it.
    double variance = 1.0;
    double trust = 1.0; ///< the largest norm of the shift of the noise, at least 0
};

/// A steerable kernel whose last noise e ~ N(g, I) is shifted by the gradient of a value at the transition's
/// centre a: g = b grad V_t'(a), with the kernel's noise_deviation b, shortened to the trust region |g| <=
/// trust.
///
/// The log ratio is -g . eps - |g|^2/2, with the eps = e - g that was drawn. It is the guide of least
/// variance to first order, where V is linear in e. Whatever value and b are worth, the draws stand for the
/// kernel's: Z-hat remains unbiased. Where b(t') = 0, as at t' = 1 of the linear schedule, and at t' = 1
/// where the reward has no gradient, the draw is the kernel's own.
///
/// Cost a particle: the kernel's centre, one guidance of the value, and the kernel's steered draw. See
/// (eq. shifted-proposal).
template <class Kernel, class Value>
class value_guided_kernel {
    static_assert(diagnose_steerable_kernel<Kernel>());
    static_assert(diagnose_value_estimator_with_gradient<Value>());

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes the kernel and the value. @throws std::invalid_argument for dimensions that differ, a variance
    /// that is not positive and finite, a trust region that is negative or NaN, and a schedule that breaks
    /// its promises (check_schedule).
    value_guided_kernel(Kernel kernel, Value value, value_guided_kernel_options options = {})
        : kernel_(std::move(kernel)), value_(std::move(value)), options_(options) {
        check_schedule(kernel_.schedule());
        detail::require_data_variance(options_.variance);
        require(options_.trust >= 0.0, [&] {
            return "a guided kernel's trust is " + digits_of(options_.trust) +
                   ": a norm of the shift is needed, at least 0";
        });
        require(static_cast<index_t>(value_.dimension()) == dimension(), [&] {
            return "value_guided_kernel: the kernel has dimension " + digits_of(dimension()) +
                   ", the value " + digits_of(static_cast<index_t>(value_.dimension()));
        });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(kernel_.dimension()); }
    [[nodiscard]] cost spent() const { return cost(kernel_.spent()) + cost(value_.spent()); }
    [[nodiscard]] bool exact() const { return kernel_.exact(); }
    /// The kernel that the draws stand for.
    [[nodiscard]] const Kernel& kernel() const { return kernel_; }

    /// Draws x_t' given x, both d x N, into out, and writes the logs of the ratios, N numbers.
    /// @throws as the kernel and the value do.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream,
                    view out, row_t<batch_type> log_ratio) {
        if (!guides(span)) {
            require_columns("value_guided_kernel", log_ratio, x.columns());
            kernel_(x, span, condition, stream, out);
            return assign(log_ratio, 0.0);
        }
        for (auto* batch : {&centre_, &steered_}) batch->resize(x.context(), x.rows(), x.columns());
        draw_with_noise(x, span, condition, stream, steered_.mutable_view(), centre_.mutable_view(), out,
                        log_ratio);
    }
    /// Draws as operator() does, and writes the noise e and the centre of which the kernel makes the draw,
    /// all d x N; where there is nothing to guide, e is N(0, I) and the ratio 1. @throws as operator() does.
    void draw_with_noise(const_view x, interval span, const condition_type& condition, noise_stream stream,
                         view noise, view centre, view out, row_t<batch_type> log_ratio) {
        require_columns("value_guided_kernel", log_ratio, x.columns());
        const auto& context = x.context();
        const index_t n = x.columns();
        draw_normal(stream.with(purpose::guided_noise), noise);
        kernel_.centre(x, span, condition, stream, centre);
        if (!guides(span)) {
            kernel_.steered(x, span, condition, noise, centre, out);
            return assign(log_ratio, 0.0);
        }
        for (auto* batch : {&gradient_, &noise_}) batch->resize(context, x.rows(), n);
        scale_.resize(context, 1, n);
        assign(noise_, noise);
        // Draws of its own, which no draw of the run shares.
        value_.guidance(centre, span.to, detail::condition_for<Value>(condition), stream.with(purpose::guide),
                        gradient_.mutable_view());
        const auto scale = row(scale_);
        assign(scale, column_sums(square(gradient_)));
        assign(scale, elementwise<detail::clip_to>(scale,
                                                   kernel_.noise_deviation(span, options_.variance) /
                                                       guidance_factor(kernel_.schedule(), span.to),
                                                   options_.trust));
        context.for_each(
            x.rows(), n,
            detail::shift_noise<const_view, view, row_view<double, backend_of_t<batch_type>>>{
                .noise = noise_.read(), .gradient = gradient_.read(), .scale = scale, .out = noise});
        kernel_.steered(x, span, condition, noise, centre, out);
        detail::write_noise_ratio(noise_.read(), const_view(noise), 0.0, log_ratio);
    }

private:
    /// Says whether the noise can be shifted: at t' = 1 the value is the reward, which may have no gradient.
    [[nodiscard]] bool guides(interval span) const {
        const bool has_gradient = span.to < 1.0 ||
                                  differentiable_reward<reward_type, batch_type, condition_type>;
        return has_gradient && kernel_.noise_deviation(span, options_.variance) > 0.0 &&
               guidance_factor(kernel_.schedule(), span.to) > 0.0;
    }

    using reward_type = std::remove_cvref_t<decltype(std::declval<Value&>().reward())>;
    using buffer = scratch<typename batch_type::value_type, backend_of_t<batch_type>>;

    Kernel kernel_;
    Value value_;
    value_guided_kernel_options options_;
    buffer centre_, gradient_, noise_, steered_;
    scratch<double, backend_of_t<batch_type>> scale_;
};

} // namespace diamond
