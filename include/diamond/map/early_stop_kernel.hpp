/// A transition from one evaluation of a Diamond map, stopped at the inner time whose information is that of
/// t'.
#pragma once

#include <cmath>
#include <utility>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/glass/correlation.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/noising.hpp>

namespace diamond {

/// The inner time r* at which to stop, and the weights in x_t' = outer x_t + inner xbar_{r*} = alpha(t')
/// S(x_t, xbar_{r*}).
struct early_stop {
    double inner_time, outer, inner; ///< r*, and the weights of x_t and of the inner state.
};

namespace detail {
/// The largest rounding error of 1 - r*, relative to it, with which the double nearest r* is used.
inline constexpr double stop_rounding = 0x1p-42;

/// The stop where no double is near enough to r*. It is at the next double after r*, where xbar has a little
/// more information than x_t' may have, and puts so much more weight on x_t that the marginals are kept all
/// the same:
///   outer alpha + inner abar = alpha',   outer^2 sigma^2 + inner^2 sbar^2 = sigma'^2.
/// With outer sigma = sigma' cos phi and inner sbar = sigma' sin phi the left side of the first equation is
/// largest at the phi of S, and the root below that one is taken.
template <class InnerSchedule>
[[nodiscard]] early_stop stop_after(const InnerSchedule& inner, instant sought, noise_level from,
                                    noise_level to) {
    const double near = 1.0 - sought.rest;
    double after = sought.t <= 0.0          ? least_normal
                 : 1.0 - near > sought.rest ? std::nextafter(near, 1.0)
                                            : near;
    noise_level at = level_at(inner, after);
    const auto most_of = [&] {
        return to.alpha * from.sigma * at.sigma /
               (to.sigma * std::hypot(from.alpha * at.sigma, at.alpha * from.sigma));
    };
    // The search of time_at may stop one double early for a schedule of doubles, where xbar has less
    // information than x_t' needs.
    if (after >= 0.5 && most_of() > 1.0 + stop_rounding) {
        after = std::nextafter(after, 1.0);
        at = level_at(inner, after);
    }
    const double known = from.alpha * at.sigma, drawn = at.alpha * from.sigma;
    const double most = std::fmin(most_of(), 1.0); // above 1 by rounding alone
    const double phi = std::atan2(drawn, known) - std::acos(most);
    const double outer = to.sigma * std::cos(phi) / from.sigma;
    return {after, outer,
            most > 0.5 ? to.sigma * std::sin(phi) / at.sigma : (to.alpha - outer * from.alpha) / at.alpha};
}
} // namespace detail

/// Finds r*, whose inner signal-to-noise ratio is snr(t') - snr(t): the statistic of (x_t, xbar_{r*}) is then
/// that of x_t' alone. For t' = 1, r* = 1. [DM]
///
/// The inner time is a double, and 1 - inner_time is exact. Near 1, and below the range of an inner schedule
/// with alpha(0) > 0, no double is near enough to r*. The stop is then just after r*, with weights that keep
/// the marginals exactly, while the noise that x_t' keeps of x_t differs from that of DDPM's transition by at
/// most sigma(t') sqrt(2^-53/(1 - r*)). @throws std::invalid_argument with both numbers unless 0 <= t < t' <=
/// 1.
template <class Schedule, class InnerSchedule>
[[nodiscard]] early_stop early_stop_at(const Schedule& schedule, const InnerSchedule& inner, interval span) {
    require_transition(span);
    if (span.to == 1.0) return {1.0, 0.0, 1.0};
    const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
    const double signal = std::sqrt(snr_gain(schedule, span)), noise = from.sigma * to.sigma;
    const instant r = time_at(inner, signal, noise);
    if (r.t <= 0.0 || std::abs(detail::lateness(r)) > detail::stop_rounding * r.rest)
        return detail::stop_after(inner, r, from, to);
    // alpha' S = (alpha/sigma^2 x_t + abar/sbar^2 xbar) sigma'^2/alpha'; the inner ratio is exact even if r
    // is rounded.
    const double to_noise = square(to.sigma) / to.alpha;
    return {r.t, to_noise * from.alpha / square(from.sigma),
            to_noise * signal / (noise * level_at(inner, r.t).sigma)};
}

/// x_t' = alpha(t') S(x_t, X_{0,r*}(xbar_0 | x_t, t)) = outer x_t + inner xbar_{r*}, which is DDPM's
/// transition if the map is exact.
///
/// Models transition_kernel and, where the map has a divergence, transition_kernel_with_density with
///   log q(x_t' | x_t) = log N(xbar_0; 0, I) - r* m(xbar_0, x_t, t, 0, r*) - d log inner.
/// Cost: one call of the map, with the density or without. [DM], (eq. early-stop-kernel),
/// (eq. early-stop-density).
template <class Map>
class early_stop_kernel {
    static_assert(diagnose_diamond_map<Map>());

public:
    using batch_type = typename Map::batch_type;
    using condition_type = condition_of_t<Map>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    /// xbar_0 is all its noise: steered() reads no centre.
    static constexpr bool one_noise = true;
    /// With an exact map it is DDPM's transition.
    static constexpr bool reverses_noising = true;

    /// Takes the Diamond map, which is stopped at r*. @throws std::invalid_argument where one of its
    /// schedules is none, see check_schedule.
    explicit early_stop_kernel(Map map) : map_(std::move(map)) {
        check_schedule(map_.schedule());
        check_schedule(map_.inner_schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] cost spent() const { return map_.spent(); }
    [[nodiscard]] auto schedule() const { return map_.schedule(); }
    [[nodiscard]] bool exact() const { return detail::is_exact(map_); }
    /// Says whether log q is the density of the draws, by the map's m.
    [[nodiscard]] bool exact_density() const { return detail::knows_own_density(map_); }

    /// Draws x_t' given x, both d x N, into out.
    /// @throws std::invalid_argument if shapes differ, and unless 0 <= t < t' <= 1.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream,
                    view out) {
        require_apart("early_stop_kernel", x, const_view(out));
        const early_stop stop = prepare(x, span, out);
        draw_normal(stream, noise_.mutable_view());
        map_(noise_, interval{0.0, stop.inner_time}, x, time_view(span.from), condition, out);
        assign(out, stop.outer * x + stop.inner * out);
    }

    /// Writes the transition whose xbar_0 is 0, d x N. @throws std::invalid_argument as operator() does.
    void centre(const_view x, interval span, const condition_type& condition, noise_stream, view out) {
        prepare(x, span, out);
        set_to_zero(noise_.mutable_view());
        steered(x, span, condition, noise_, x, out);
    }
    /// Writes the transition whose xbar_0 is `noise`, d x N. @throws std::invalid_argument as operator()
    /// does. Cost: one call of the map.
    void steered(const_view x, interval span, const condition_type& condition, const_view noise, const_view,
                 view out) {
        require_same_shape("early_stop_kernel", x, noise);
        require_same_shape("early_stop_kernel", x, const_view(out));
        require_apart("early_stop_kernel", x, const_view(out));
        require_apart("early_stop_kernel", noise, const_view(out));
        const early_stop stop = early_stop_at(map_.schedule(), map_.inner_schedule(), span);
        map_(noise, interval{0.0, stop.inner_time}, x, time_view(span.from), condition, out);
        assign(out, stop.outer * x + stop.inner * out);
    }
    /// The deviation of x_t' given x_t where the data are N(., variance I): sqrt(sbar^2 + abar^2 c), c =
    /// variance sigma^2/(sigma^2 + alpha^2 variance), with the coefficients of DDPM's transition.
    [[nodiscard]] double noise_deviation(interval span, double variance) const {
        const auto schedule = map_.schedule();
        const kernel_coefficients kernel = kernel_at(schedule, span, ddpm_correlation{});
        const noise_level level = level_at(schedule, span.from);
        const double left = square(level.sigma), known = square(level.alpha) * variance;
        return std::sqrt(square(kernel.sbar) + square(kernel.abar) * (variance * left / (left + known)));
    }

    /// Makes the draws of operator() and log_density[j] = log q(out_j | x_j), N numbers in the memory of the
    /// batch, from their noise.
    void draw_with_density(const_view x, interval span, const condition_type& condition, noise_stream stream,
                           view out, row_t<batch_type> log_density)
        requires diamond_map_with_divergence<Map>
    {
        require_apart("early_stop_kernel", x, const_view(out));
        const early_stop stop = prepare(x, span, out);
        draw_normal(stream, noise_.mutable_view());
        map_(noise_, interval{0.0, stop.inner_time}, x, time_view(span.from), condition, out,
             row(divergence_));
        assign(out, stop.outer * x + stop.inner * out);
        write_density(noise_, stop, log_density);
    }
    /// log_density[j] = log q(next_j | x_j) of given x_t', d x N, by the way back to their noise;
    /// diamond_map_posterior::log_density says how the two ways differ. Cost: one call of the map.
    void log_density(const_view x, interval span, const condition_type& condition, const_view next,
                     row_t<batch_type> log_density)
        requires diamond_map_with_divergence<Map>
    {
        const early_stop stop = prepare(x, span, next);
        stopped_.resize(x.context(), x.rows(), x.columns());
        assign(stopped_, -stop.outer / stop.inner * x + next / stop.inner);
        map_(stopped_, interval{stop.inner_time, 0.0}, x, time_view(span.from), condition,
             noise_.mutable_view(), row(divergence_));
        write_density(noise_, stop, log_density);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    early_stop prepare(const_view x, interval span, const_view next) {
        require_same_shape("early_stop_kernel", x, next);
        noise_.resize(x.context(), x.rows(), x.columns());
        if constexpr (diamond_map_with_divergence<Map>) divergence_.resize(x.context(), 1, x.columns());
        return early_stop_at(map_.schedule(), map_.inner_schedule(), span);
    }
    void write_density(const_view noise, const early_stop& stop, row_t<batch_type> log_density) {
        const auto d = static_cast<double>(noise.rows());
        assign(log_density, column_sums(elementwise<detail::log_normal_density>(noise, 1.0)));
        assign(log_density, log_density - stop.inner_time * row(divergence_) - d * std::log(stop.inner));
    }

    Map map_;
    scratch<real, context_type> noise_, stopped_;
    scratch<double, context_type> divergence_;
};

} // namespace diamond
