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
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/value/detail/covariance_along.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

namespace detail {
/// Writes to out(i, j) the mean of h(i, m) over the draws m of particle j.
template <class ConstView, class NumbersView>
struct mean_of_draws {
    ConstView h; ///< k x (N M)
    index_t samples;
    NumbersView out; ///< k x N
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        double sum = 0.0;
        for (index_t m = j * samples; m < (j + 1) * samples; ++m) sum += static_cast<double>(h(i, m));
        out(i, j) = sum / static_cast<double>(samples);
    }
};
/// Writes to out(c, i) what draw first + c adds to the covariance of h: of its rows' products the sum over
/// the draws of a particle is an unbiased estimate. Independent draws give their deviations from the mean,
/// over sqrt(M - 1). Of a pair the first gives half the difference of the two, over sqrt(P), P = M/2, and the
/// second the deviation of the pair's mean, over sqrt(P - 1): it is 0 where a draw is affine in its noise.
template <class ConstView, class ConstNumbers, class NumbersView>
struct deviation_of_draw {
    ConstView h;
    ConstNumbers mean; ///< k x N
    index_t samples, first;
    bool pairs;
    NumbersView out;
    DIAMOND_HD void operator()(index_t c, index_t i) const {
        const index_t m = first + c;
        const double own = static_cast<double>(h(i, m)) - mean(i, m / samples);
        if (!pairs) {
            out(c, i) = own / std::sqrt(static_cast<double>(samples - 1));
            return;
        }
        const index_t partner = m % 2 == 0 ? m + 1 : m - 1;
        const double other = static_cast<double>(h(i, partner)) - mean(i, m / samples),
                     count = static_cast<double>(samples / 2);
        out(c, i) = m % 2 == 0 ? 0.5 * (own - other) / std::sqrt(count)
                               : 0.5 * (own + other) / std::sqrt(count - 1.0);
    }
};
/// The term i of (deviation of draw m) . u, for column_sums over i.
template <class ConstView, class ConstNumbers>
struct deviation_along {
    ConstView h;
    ConstNumbers mean, u; ///< k x N
    index_t samples;
    DIAMOND_HD double operator()(index_t i, index_t m) const {
        const index_t j = m / samples;
        return (static_cast<double>(h(i, m)) - mean(i, j)) * u(i, j);
    }
};
/// The Cholesky factor L of C + s^2 I in place, in the lower triangle, and log det(I + C/s^2), by one thread:
/// C is small beside the particles. A pivot is s^2 or more but for rounding.
template <class NumbersView, class Row>
struct factorise {
    NumbersView c; ///< k x k
    double noise;  ///< s^2
    Row log_determinant;
    DIAMOND_HD void operator()(index_t) const {
        double sum = 0.0;
        for (index_t j = 0; j < c.rows(); ++j) {
            double pivot = c(j, j) + noise;
            for (index_t l = 0; l < j; ++l) pivot -= c(j, l) * c(j, l);
            if (pivot < noise) pivot = noise; // and a NaN stays one
            sum += std::log(pivot / noise);
            c(j, j) = std::sqrt(pivot);
            for (index_t i = j + 1; i < c.rows(); ++i) {
                double entry = c(i, j);
                for (index_t l = 0; l < j; ++l) entry -= c(i, l) * c(j, l);
                c(i, j) = entry / c(j, j);
            }
        }
        log_determinant[0] = sum;
    }
};
/// Replaces column j of x by L^{-1} x, or by L^{-T} x where `transposed`.
template <class ConstNumbers, class NumbersView>
struct solve_triangle {
    static constexpr index_t relative_cost = 64;
    ConstNumbers l;
    bool transposed;
    NumbersView x; ///< k x N
    DIAMOND_HD void operator()(index_t j) const {
        const index_t k = l.rows();
        for (index_t step = 0; step < k; ++step) {
            const index_t i = transposed ? k - 1 - step : step;
            double sum = x(i, j);
            for (index_t other = 0; other < step; ++other) {
                const index_t m = transposed ? k - 1 - other : other;
                sum -= (transposed ? l(m, i) : l(i, m)) * x(m, j);
            }
            x(i, j) = sum / l(i, i);
        }
    }
};
} // namespace detail

/// Options of moment_value.
struct moment_value_options {
    index_t samples = 4; ///< M, the number of posterior draws a particle, at least 2 and at most 2^24
    /// Draws pairs with opposite noise, whose mean is exact where a draw is affine in its noise; M must then
    /// be even, and at least 4.
    bool antithetic = true;
    bool fixed_noise = false; ///< draws with the same noise at every step
};

/// The value of a gaussian_measurement_reward r(z) = -|y - A(z)|^2/(2 s^2) by the moments of h = A(z) under
/// the posterior: with mu the mean of a particle's M draws of h, and C, k x k, the covariance of h within
/// particles, pooled over all particles of the call,
///
///   V = -(y - mu)^T (C + s^2 I)^{-1} (y - mu)/2 - log det(I + C/s^2)/2.
///
/// It is V itself where h given x_t is Gaussian with the same covariance for every x_t, as of Gaussian data,
/// up to the error of mu and C; there antithetic draws of an affine map know mu exactly. Elsewhere it is a
/// guess, as every estimate by few draws is, whose spread does not grow with the peak of r: where s is small
/// the log mean of exp r over few draws is noise of many nats, and runs of SMC by it are far from Z. As any
/// finite value it leaves Z-hat unbiased, if no move is accepted by it. Since C is pooled, a particle's value
/// depends on the others of the call, and those of all conditions count alike.
///
/// Its guidance needs no derivative: b grad V = (alpha' - alpha sigma'/sigma) Cov(z, h) (C + s^2 I)^{-1}
/// (y - mu), with Cov from the particle's own draws. At t = 1 it is b(1) grad r, for which the measurement
/// must be differentiable where b(1) is not 0.
///
/// Where s is small the times of a run must come near the data: V changes most where sigma/alpha is about s.
/// It has no standard error and no effective number of samples: NaN where they are asked for. Cost a
/// particle: M posterior draws and M evaluations of the measurement, which count as rewards, and k^2
/// operations; a call also takes one Cholesky factorisation of C + s^2 I. Source: (eq. moment-value); the
/// Gaussian approximation is that of arXiv 2310.06721, here as a potential of SMC.
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

    /// @throws std::invalid_argument unless 2 <= samples <= 2^24, even and at least 4 where antithetic, for a
    /// measurement of another dimension than the sampler's, and for a schedule that breaks its promises
    /// (check_schedule).
    moment_value(Sampler sampler, reward_type reward, moment_value_options options = {})
        : sampler_(std::move(sampler)),
          measurement_(reward.measurement()),
          reward_(std::move(reward)),
          options_(options) {
        detail::require_samples("a moment value", options);
        require(options.samples >= (options.antithetic ? 4 : 2), [&] {
            return "a moment value of " + digits_of(options.samples) + " samples a particle" +
                   (options.antithetic ? " in antithetic pairs" : "") +
                   " has no covariance: at least 2 are needed, and 2 pairs";
        });
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
    /// A particle's value depends on the others of the call.
    [[nodiscard]] bool fresh() const { return false; }
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
        require_columns("moment_value", values, x.columns());
        detail::write_no_spread(values);
        if (t >= 1.0) return reward_(x, condition, stream.step, 1, values.value);
        if (x.columns() == 0) return;
        measure(x, t, condition, stream);
        assign(values.value, column_sums(-0.5 * square(residual_)));
        assign(values.value, values.value - 0.5 * number_at(log_determinant_.data()));
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
        solve(true);
        weights_.resize(context, 1, draws_.columns());
        context.column_sums(measured_.rows(), draws_.columns(),
                            detail::deviation_along<const_view, const_numbers>{.h = measured_.read(),
                                                                               .mean = mean_.read(),
                                                                               .u = residual_.read(),
                                                                               .samples = options_.samples},
                            weights_.data());
        context.for_each(out.rows(), out.columns(),
                         detail::covariance_along<view, const_view, row_view<const double, context_type>>{
                             .z = draws_.read(),
                             .q = row(weights_.read()),
                             .factor = mean_shift_factor(sampler_.schedule(), t),
                             .samples = options_.samples,
                             .pairs = options_.antithetic,
                             .out = out});
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using numbers_view = batch_view<double, context_type>;
    using const_numbers = batch_view<const double, context_type>;

    [[nodiscard]] double noise() const { return 1.0 / reward_.reward().precision(); } ///< s^2

    /// Draws, measures them, and writes mean_, k x N, the factor L of C + s^2 I to covariance_, and L^{-1} (y
    /// - mu) to residual_, k x N.
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
        mean_.resize(context, outputs, n);
        residual_.resize(context, outputs, n);
        context.for_each(outputs, n,
                         detail::mean_of_draws<const_view, numbers_view>{
                             .h = measured_.read(), .samples = samples, .out = mean_.mutable_view()});
        pool(context);
        log_determinant_.resize(context, 1, 1);
        context.for_each(
            1,
            detail::factorise<numbers_view, row_view<double, context_type>>{
                .c = covariance_.mutable_view(), .noise = noise(), .log_determinant = row(log_determinant_)});
        assign(residual_, each_column(reward_.reward().seen(context)) - mean_);
        solve(false);
    }
    /// Replaces residual_ by L^{-1} residual_, or by L^{-T} residual_.
    void solve(bool transposed) {
        residual_.context().for_each(
            residual_.columns(),
            detail::solve_triangle<const_numbers, numbers_view>{
                .l = covariance_.read(), .transposed = transposed, .x = residual_.mutable_view()});
    }
    /// Writes C, k x k, in blocks of draws that take little memory beside the draws.
    void pool(const context_type& context) {
        constexpr index_t block = 4096;
        const index_t outputs = measured_.rows(), columns = measured_.columns();
        covariance_.resize(context, outputs, outputs);
        part_.resize(context, outputs, outputs);
        set_to_zero(covariance_.mutable_view());
        const double scale = 1.0 / static_cast<double>(mean_.columns());
        for (index_t first = 0; first < columns; first += block) {
            const index_t count = std::min(block, columns - first);
            deviations_.resize(context, count, outputs);
            context.for_each(count, outputs,
                             detail::deviation_of_draw<const_view, const_numbers, numbers_view>{
                                 .h = measured_.read(),
                                 .mean = mean_.read(),
                                 .samples = options_.samples,
                                 .first = first,
                                 .pairs = options_.antithetic,
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
    scratch<double, context_type> mean_, residual_, log_determinant_, covariance_, part_, deviations_,
        weights_;
};

} // namespace diamond
