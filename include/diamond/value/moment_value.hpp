/// The value of a Gaussian measurement by the moments of what is measured. (eq. moment-value),
/// (eq. moment-gradient).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/reward/gaussian_measurement.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

namespace detail {
/// Writes to out(i, j) the mean of h(i, m) over the draws m of particle j.
template <class ConstView, class NumbersView>
struct mean_of_draws {
    ConstView h; ///< m x (N M)
    index_t samples;
    NumbersView out; ///< m x N
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        double sum = 0.0;
        for (index_t m = j * samples; m < (j + 1) * samples; ++m) sum += static_cast<double>(h(i, m));
        out(i, j) = sum / static_cast<double>(samples);
    }
};
/// Writes to out(k, i) the deviation of h(i, first + k) from the mean of its particle.
template <class ConstView, class ConstNumbers, class NumbersView>
struct deviation_of_draw {
    ConstView h;
    ConstNumbers mean; ///< m x N
    index_t samples, first;
    NumbersView out;
    DIAMOND_HD void operator()(index_t k, index_t i) const {
        out(k, i) = static_cast<double>(h(i, first + k)) - mean(i, (first + k) / samples);
    }
};
/// The term i of (deviation of draw m) . u, for column_sums over i.
template <class ConstView, class ConstNumbers>
struct deviation_along {
    ConstView h;
    ConstNumbers mean, u; ///< m x N
    index_t samples;
    DIAMOND_HD double operator()(index_t i, index_t m) const {
        const index_t j = m / samples;
        return (static_cast<double>(h(i, m)) - mean(i, j)) * u(i, j);
    }
};
/// Writes to out(i, j) factor times the sum of w_m z(i, m) over the draws m of particle j, less those of
/// their first, which add nothing where the w of a particle add up to 0.
template <class View, class ConstView, class Row>
struct weighted_deviation {
    ConstView z; ///< d x (N M)
    Row w;
    double factor;
    index_t samples;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double first = static_cast<double>(z(i, j * samples));
        double sum = 0.0;
        for (index_t m = j * samples; m < (j + 1) * samples; ++m)
            sum += w[m] * (static_cast<double>(z(i, m)) - first);
        out(i, j) = static_cast<typename View::value_type>(factor * sum);
    }
};
/// -rho^2/(2 (v + s^2)) - log(1 + v/s^2)/2 of one direction of the measurement, v >= 0 up to rounding.
DIAMOND_HD inline double moment_term(double rho, double v, double noise) {
    const double spread = std::fmax(v, 0.0);
    return -0.5 * (rho * rho / (spread + noise) + std::log1p(spread / noise));
}
/// rho/(v + s^2).
DIAMOND_HD inline double over_variance(double rho, double v, double noise) {
    return rho / (std::fmax(v, 0.0) + noise);
}
} // namespace detail

/// Options of moment_value.
struct moment_value_options {
    index_t samples = 4; ///< M, the number of posterior draws a particle, at least 2 and at most 2^24
    /// Draws pairs with opposite noise, whose mean is exact where a draw is affine in its noise; M must then
    /// be even.
    bool antithetic = true;
    bool fixed_noise = false; ///< draws with the same noise at every step
};

/// The value of a gaussian_measurement_reward r(z) = -|y - A(z)|^2/(2 s^2) by the moments of h = A(z) under
/// the posterior: with m the mean of a particle's M draws of h, and C the covariance of h within particles,
/// pooled over all particles of the call,
///
///   V = -(y - m)^T (C + s^2 I)^{-1} (y - m)/2 - log det(I + C/s^2)/2.
///
/// It is V itself where h given x_t is Gaussian with the same covariance for every x_t, as of Gaussian data,
/// up to the error of m and C; there antithetic draws of an affine map know m exactly. Elsewhere it is a
/// guess, as every estimate by few draws is, whose spread does not grow with the peak of r: where s is small
/// the log mean of exp r over few draws is noise of many nats, and runs of SMC by it are far from Z. As any
/// finite value it leaves Z-hat unbiased, if no move is accepted by it. Since C is pooled, a particle's value
/// depends on the others of the call, and those of all conditions count alike.
///
/// Its guidance needs no derivative: b grad V = (alpha' - alpha sigma'/sigma) Cov(z, h) (C + s^2 I)^{-1} (y -
/// m), with Cov from the particle's own draws. At t = 1 it is b(1) grad r, for which the measurement must be
/// differentiable where b(1) is not 0.
///
/// It has no standard error and no effective number of samples: NaN where they are asked for. Cost a
/// particle: M posterior draws and M evaluations of the measurement, which count as rewards; a call also
/// takes one eigendecomposition of an m x m matrix, m the number of outputs. Source: (eq. moment-value); the
/// Gaussian approximation is that of 2310.06721, here as a potential of SMC.
template <class Sampler, class Measurement>
class moment_value {
    static_assert(diagnose_posterior_sampler<Sampler>());
    static_assert(diagnose_condition<condition_of_t<Sampler>, backend_of_t<typename Sampler::batch_type>>());

public:
    using batch_type = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using reward_type = gaussian_measurement_reward<Measurement>; ///< the reward whose value it is
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    static_assert(diagnose_reward<reward_type, batch_type, condition_type>());

    /// @throws std::invalid_argument unless 2 <= samples <= 2^24, even where antithetic, for a measurement of
    /// another dimension than the sampler's, and for a schedule that breaks its promises (check_schedule).
    moment_value(Sampler sampler, reward_type reward, moment_value_options options = {})
        : sampler_(std::move(sampler)),
          measurement_(reward.measurement()),
          reward_(std::move(reward)),
          options_(options) {
        detail::require_samples("a moment value", options);
        require(options.samples >= 2,
                "a moment value of 1 sample a particle has no covariance: samples >= 2 is "
                "needed");
        require(reward_.reward().dimension() == dimension(), [&] {
            return "a moment value: the measurement has dimension " +
                   digits_of(reward_.reward().dimension()) + ", the posterior sampler " +
                   digits_of(dimension());
        });
        check_schedule(sampler_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    /// The reward, which drivers evaluate at t = 1.
    [[nodiscard]] reward_type& reward() { return reward_.reward(); }
    [[nodiscard]] cost spent() const {
        cost total = sampler_.spent();
        total.reward += reward_.calls() + measured_columns_;
        return total;
    }

    /// Writes values.value[j] = V_t(x_j), d x N particles, t in [0, 1]; at t = 1 it is r(x_j) itself; the
    /// spreads that are asked for are NaN.
    /// @throws numeric_error naming the step and the particle where a draw's measurement is not finite.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("moment_value", t);
        detail::write_no_spread(values);
        if (t >= 1.0) return reward_(x, condition, stream.step, 1, values.value);
        if (x.columns() == 0) return;
        measure(x, t, condition, stream);
        assign(values.value,
               column_sums(elementwise<detail::moment_term>(rotated_, each_column(spectrum_), noise())));
    }

    /// Writes out = b(t) grad V_t(x), d x N, t in [0, 1], C held fixed.
    /// @throws as operator() does; std::invalid_argument at t = 1 for a measurement without vjp where b(1) is
    /// not 0.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out) {
        require_time("moment_value::guidance", t);
        require_same_shape("moment_value::guidance", x, const_view(out));
        if (t >= 1.0)
            return detail::write_final_guidance(sampler_.schedule(), reward_, x, condition, stream.step, out);
        if (x.columns() == 0) return;
        measure(x, t, condition, stream);
        const auto& context = x.context();
        assign(rotated_, elementwise<detail::over_variance>(rotated_, each_column(spectrum_), noise()));
        context.product(transpose::no, covariance_.read(), rotated_.read(), residual_.mutable_view());
        weights_.resize(context, 1, draws_.columns());
        context.column_sums(measured_.rows(), draws_.columns(),
                            detail::deviation_along<const_view, const_numbers>{.h = measured_.read(),
                                                                               .mean = mean_.read(),
                                                                               .u = residual_.read(),
                                                                               .samples = options_.samples},
                            weights_.data());
        context.for_each(out.rows(), out.columns(),
                         detail::weighted_deviation<view, const_view, row_view<const double, context_type>>{
                             .z = draws_.read(),
                             .w = row(weights_.read()),
                             .factor = mean_shift_factor(sampler_.schedule(), t) / freedom(),
                             .samples = options_.samples,
                             .out = out});
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using numbers_view = batch_view<double, context_type>;
    using const_numbers = batch_view<const double, context_type>;

    [[nodiscard]] double noise() const { return 1.0 / reward_.reward().precision(); } ///< s^2
    /// By what the squared deviations of a particle's draws are divided: of pairs the mean is known.
    [[nodiscard]] double freedom() const {
        return static_cast<double>(options_.antithetic ? options_.samples : options_.samples - 1);
    }

    /// Draws, measures them, and writes mean_, m x N; the eigenvalues of C to spectrum_, its eigenvectors to
    /// covariance_; and U^T (y - m) to rotated_, m x N.
    void measure(const_view x, double t, const condition_type& condition, noise_stream stream) {
        const auto& context = x.context();
        const index_t n = x.columns(), samples = options_.samples;
        const index_t columns = extent_product("a moment value's particles and samples", n, samples);
        const auto outputs = static_cast<index_t>(measurement_.outputs());
        draws_.resize(context, x.rows(), columns);
        sampler_(x, t, condition, detail::value_stream(stream, options_), draws_);
        measured_.resize(context, outputs, columns);
        measurement_(draws_.read(), measured_.mutable_view());
        measured_columns_ += columns;
        detail::require_finite_columns(
            measured_.read(), deferred_error{.what = "the measurement of a posterior draw is NaN or infinite",
                                             .step = static_cast<index_t>(stream.step),
                                             .samples = samples});
        for (auto* buffer : {&mean_, &residual_, &rotated_}) buffer->resize(context, outputs, n);
        context.for_each(outputs, n,
                         detail::mean_of_draws<const_view, numbers_view>{
                             .h = measured_.read(), .samples = samples, .out = mean_.mutable_view()});
        pool(context);
        spectrum_.resize(context, outputs, 1);
        context.symmetric_eigen(covariance_.mutable_view(), spectrum_.data());
        assign(residual_, each_column(reward_.reward().seen(context)) - mean_);
        context.product(transpose::yes, covariance_.read(), residual_.read(), rotated_.mutable_view());
    }
    /// Writes C, m x m, in blocks of draws that take little memory beside the draws.
    void pool(const context_type& context) {
        constexpr index_t block = 4096;
        const index_t outputs = measured_.rows(), columns = measured_.columns();
        covariance_.resize(context, outputs, outputs);
        part_.resize(context, outputs, outputs);
        set_to_zero(covariance_.mutable_view());
        const double scale = 1.0 / (freedom() * static_cast<double>(mean_.columns()));
        for (index_t first = 0; first < columns; first += block) {
            const index_t count = std::min(block, columns - first);
            deviations_.resize(context, count, outputs);
            context.for_each(count, outputs,
                             detail::deviation_of_draw<const_view, const_numbers, numbers_view>{
                                 .h = measured_.read(),
                                 .mean = mean_.read(),
                                 .samples = options_.samples,
                                 .first = first,
                                 .out = deviations_.mutable_view()});
            context.product(transpose::yes, deviations_.read(), deviations_.read(), part_.mutable_view());
            assign(covariance_, covariance_ + scale * part_);
        }
    }

    Sampler sampler_;
    Measurement measurement_;
    reward_caller<reward_type, batch_type, condition_type> reward_;
    moment_value_options options_;
    std::int64_t measured_columns_ = 0;
    scratch<real, context_type> draws_, measured_;
    scratch<double, context_type> mean_, residual_, rotated_, spectrum_, covariance_, part_, deviations_,
        weights_;
};

} // namespace diamond
