/// Transitions guided towards a measurement by the full Gaussian proposal in their last noise.
#pragma once

#include <cmath>
#include <memory>
#include <type_traits>
#include <utility>

#include <diamond/align/guided_noise.hpp>
#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/singular_vectors.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/readings.hpp>

namespace diamond {

namespace detail {

/// The Gaussian proposal of a last noise e along the right singular vectors of the measurement,
/// (eq. measurement-proposal): precision 1 + h_i and slope g_i (U^T (y - A D))_i.
struct measurement_proposal {
    double slope;    ///< b J
    double variance; ///< c, of the data given x_t'
    double noise;    ///< s^2

    /// h_i, for the singular value s_i.
    [[nodiscard]] DIAMOND_HD double precision(double value) const {
        return square(slope * value) / (variance * square(value) + noise);
    }
    /// g_i
    [[nodiscard]] DIAMOND_HD double gain(double value) const {
        return slope * value / (variance * square(value) + noise);
    }
};
/// Replaces the part p_i = (V^T eps)_i by e_i - p_i, where e_i = g_i q_i/(1 + h_i) + p_i/sqrt(1 + h_i).
template <class ConstNumbers, class ConstView, class View>
struct steer_along {
    measurement_proposal by;
    ConstNumbers value; ///< s, k x 1
    ConstView miss;     ///< q = U^T (y - A D), k x N
    View along;         ///< p, k x N
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double s = value(i, 0), precision = 1.0 + by.precision(s), p = static_cast<double>(along(i, j));
        const double to = by.gain(s) * static_cast<double>(miss(i, j)) / precision + p / std::sqrt(precision);
        along(i, j) = static_cast<typename View::value_type>(to - p);
    }
};

} // namespace detail

/// Options of measurement_guided_kernel.
struct measurement_guided_kernel_options {
    /// v > 0: the variance of a coordinate of the data, by which the guide guesses what x_t' says of them. Of
    /// a law of well separated parts the variance of one part serves best. No v biases Z-hat, but one far too
    /// small makes a run err by more than it says: rather too large.
    double variance = 1.0;
};

/// A steerable kernel whose last noise e is drawn from the posterior of e given a measurement y = A(z) + s
/// eps, for data that are Gaussian given x_t'.
///
/// With x_t' = a + b e near the centre a, data given x_t' distributed as N(D(x_t'), c I), J = c
/// alpha(t')/sigma(t')^2 and Q = c A A^T + s^2 I, the proposal is e ~ N((I + H)^{-1} grad, (I + H)^{-1}),
///   grad = b J A^T Q^{-1} (y - A D(a)),   H = b^2 J^2 A^T Q^{-1} A,
/// taken apart along the singular vectors of A; b is the kernel's noise_deviation, c = v sigma^2/(sigma^2 +
/// alpha^2 v). The log ratio is (|eps|^2 - |e|^2 - log det(I + H))/2, with the eps that e was made of.
/// Whatever v, D and the linear guess are worth, the draws stand for the kernel's: Z-hat remains unbiased.
///
/// Cost a particle: the kernel's centre, one evaluation of the field's denoiser, and the kernel's steered
/// draw, so 2 evaluations for a kernel of a posterior draw (1 at t' = 1, where eps' does not count) and 3 for
/// early_stop_kernel; and 3 products with d x k and m x k matrices. See (eq. measurement-proposal).
template <class Kernel, class Field, class Measurement>
class measurement_guided_kernel {
    static_assert(diagnose_steerable_kernel<Kernel>());
    static_assert(diagnose_velocity_field<Field>());

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    using reward_type = gaussian_measurement_reward<Measurement>; ///< the reward of the measurement

    /// Takes the kernel, the velocity field of the model whose denoiser is D, and the reward that knows A, y
    /// and s. @throws std::invalid_argument for dimensions that differ, for a measurement that is not affine,
    /// and for a variance that is not positive and finite.
    measurement_guided_kernel(const backend_of_t<batch_type>& context, Kernel kernel, Field field,
                              reward_type reward, measurement_guided_kernel_options options = {})
        : kernel_(std::move(kernel)),
          readings_(kernel_.schedule(), std::move(field)),
          measurement_(reward.measurement()),
          reward_(std::move(reward)),
          variance_(options.variance),
          singular_(singular_vectors_of(context, measurement_)) {
        detail::require_data_variance(variance_);
        require(reward_.dimension() == dimension() && readings_.dimension() == dimension(), [&] {
            return "measurement_guided_kernel: the kernel has dimension " + digits_of(dimension()) +
                   ", the measurement " + digits_of(reward_.dimension()) + ", the field " +
                   digits_of(readings_.dimension());
        });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(kernel_.dimension()); }
    [[nodiscard]] cost spent() const { return cost(kernel_.spent()) + readings_.spent(); }
    [[nodiscard]] bool exact() const { return kernel_.exact(); }
    /// The kernel that the draws stand for.
    [[nodiscard]] const Kernel& kernel() const { return kernel_; }

    /// Draws x_t' given x, both d x N, into out, and writes the logs of the ratios, N numbers.
    /// @throws as the kernel does.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream,
                    view out, row_t<batch_type> log_ratio) {
        if (kernel_.noise_deviation(span, variance_) == 0.0) { // there is nothing to guide
            require_columns("measurement_guided_kernel", log_ratio, x.columns());
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
                         view steered, view centre, view out, row_t<batch_type> log_ratio) {
        require_columns("measurement_guided_kernel", log_ratio, x.columns());
        const auto& context = x.context();
        const index_t d = x.rows(), n = x.columns();
        const double b = kernel_.noise_deviation(span, variance_);
        draw_normal(stream.with(purpose::guided_noise), steered);
        kernel_.centre(x, span, condition, stream, centre);
        if (b == 0.0) {
            kernel_.steered(x, span, condition, steered, centre, out);
            return assign(log_ratio, 0.0);
        }
        for (auto* batch : {&denoised_, &noise_}) batch->resize(context, d, n);
        assign(noise_, steered);
        const noise_level to = level_at(kernel_.schedule(), span.to);
        const double left = square(to.sigma), total = left + square(to.alpha) * variance_;
        const detail::measurement_proposal proposal{.slope = b * variance_ * to.alpha / total,
                                                    .variance = posterior_variance(to, variance_),
                                                    .noise = 1.0 / reward_.precision()};
        readings_.denoiser(centre, time_view(span.to), condition, denoised_.mutable_view());

        const auto outputs = static_cast<index_t>(measurement_.outputs());
        measured_.resize(context, outputs, n);
        measurement_(denoised_.read(), measured_.mutable_view());
        assign(measured_, each_column(reward_.seen(context)) - measured_);
        const index_t rank = singular_.rank();
        for (auto* batch : {&miss_, &along_}) batch->resize(context, rank, n);
        singular_.left().parts(measured_.read(), miss_.mutable_view());
        singular_.right().parts(noise_.read(), along_.mutable_view());
        using numbers_view = const_view_t<rebind_t<batch_type, double>>;
        context.for_each(
            rank, n,
            detail::steer_along<numbers_view, const_view, view>{.by = proposal,
                                                                .value = singular_.values_on(context),
                                                                .miss = miss_.read(),
                                                                .along = along_.mutable_view()});
        singular_.right().compose(along_.read(), steered);
        assign(steered, noise_ + steered);

        kernel_.steered(x, span, condition, steered, centre, out);
        // Of I + V diag(1/sqrt(1 + h) - 1) V^T, with the columns of V as long as they have been rounded to.
        double log_determinant = 0.0;
        for (std::size_t i = 0; i < singular_.values().size(); ++i) {
            const double narrower = 1.0 / std::sqrt(1.0 + proposal.precision(singular_.values()[i]));
            log_determinant += std::log1p((narrower - 1.0) * singular_.squared_lengths()[i]);
        }
        detail::write_noise_ratio(noise_.read(), const_view(steered), log_determinant, log_ratio);
    }

private:
    using schedule_type = std::remove_cvref_t<decltype(std::declval<const Kernel&>().schedule())>;
    using buffer = scratch<typename batch_type::value_type, backend_of_t<batch_type>>;

    Kernel kernel_;
    readings<schedule_type, Field> readings_;
    Measurement measurement_;
    reward_type reward_;
    double variance_;
    singular_vectors<batch_type> singular_;
    buffer centre_, denoised_, noise_, steered_, measured_, miss_, along_;
};

} // namespace diamond
