/// A transition from one evaluation of a Diamond map, stopped at the inner time whose information is that of t'.
#pragma once

#include <cmath>
#include <utility>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/glass/correlation.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/noising.hpp>

namespace diamond {

/// Where to stop, and x_t' = outer x_t + inner xbar_{r*} = alpha(t') S(x_t, xbar_{r*}).
struct early_stop {
    double inner_time, outer, inner;
};

namespace detail {
inline constexpr double stop_rounding = 0x1p-42; ///< of 1 - r*, that its double may leave

/// Where no double says r* well enough: stops at the next one after it, where xbar knows a little more than x_t' may, and puts so much more weight on x_t that
///   outer alpha + inner abar = alpha',   outer^2 sigma^2 + inner^2 sbar^2 = sigma'^2
/// all the same. With outer sigma = sigma' cos phi, inner sbar = sigma' sin phi the left of the first is largest where S has its phi, and the root below that is taken.
template <class InnerSchedule>
[[nodiscard]] early_stop stop_after(const InnerSchedule& inner, instant sought, noise_level from, noise_level to) {
    const double near  = 1.0 - sought.rest;
    double       after = sought.t <= 0.0 ? least_normal : 1.0 - near > sought.rest ? std::nextafter(near, 1.0) : near;
    noise_level  at    = level_at(inner, after);
    const auto   most_of = [&] { return to.alpha * from.sigma * at.sigma / (to.sigma * std::hypot(from.alpha * at.sigma, at.alpha * from.sigma)); };
    // A search by the derivatives of a schedule that knows doubles only may be one of them early, where xbar knows less than x_t' must.
    if (after >= 0.5 && most_of() > 1.0 + stop_rounding) {
        after = std::nextafter(after, 1.0);
        at    = level_at(inner, after);
    }
    const double known = from.alpha * at.sigma, drawn = at.alpha * from.sigma;
    const double most  = std::fmin(most_of(), 1.0); // above 1 by rounding alone
    const double phi   = std::atan2(drawn, known) - std::acos(most);
    const double outer = to.sigma * std::cos(phi) / from.sigma;
    return {after, outer, most > 0.5 ? to.sigma * std::sin(phi) / at.sigma : (to.alpha - outer * from.alpha) / at.alpha};
}
} // namespace detail

/// r* has inner snr equal to snr(t') - snr(t); the statistic of (x_t, xbar_{r*}) is then that of x_t' alone. t' = 1: r* = 1. [DM]
///
/// The inner time is a double, and a map may take it as it is: 1 - inner_time is exact. Near 1, or below the range of an inner schedule whose alpha(0) > 0, r* is no
/// double. There the stop is just after it, and the weights are those with which the marginals are kept all the same, whatever x_t' then keeps of the noise of x_t:
/// within sigma(t') sqrt(2^-53/(1 - r*)) of what DDPM's transition does. @throws std::invalid_argument with both numbers unless 0 <= t < t' <= 1.
template <class Schedule, class InnerSchedule>
[[nodiscard]] early_stop early_stop_at(const Schedule& schedule, const InnerSchedule& inner, interval span) {
    require_transition(span);
    if (span.to == 1.0) return {1.0, 0.0, 1.0};
    const noise_level from = level_at(schedule, span.from), to = level_at(schedule, span.to);
    const double      signal = std::sqrt(snr_gain(schedule, span)), noise = from.sigma * to.sigma;
    const instant     r = time_at(inner, signal, noise);
    if (r.t <= 0.0 || std::abs(detail::lateness(r)) > detail::stop_rounding * r.rest) return detail::stop_after(inner, r, from, to);
    // alpha' S = (alpha/sigma^2 x_t + abar/sbar^2 xbar) sigma'^2/alpha'; the inner ratio is the exact one even where time_at was rounded.
    const double to_noise = square(to.sigma) / to.alpha;
    return {r.t, to_noise * from.alpha / square(from.sigma), to_noise * signal / (noise * level_at(inner, r.t).sigma)};
}

/// x_t' = alpha(t') S(x_t, X_{0,r*}(xbar_0 | x_t, t)) = outer x_t + inner xbar_{r*}: DDPM's transition when the map is exact. Of a Diamond map with divergence
/// also a transition_kernel_with_density,
///   log q(x_t' | x_t) = log N(xbar_0; 0, I) - r* m(xbar_0, x_t, t, 0, r*) - d log inner.
/// Cost: one call of the map, with the density or without. [DM], sections 5 and 8.
template <class Map>
class early_stop_kernel {
    static_assert(diagnose_diamond_map<Map>());

public:
    using batch_type     = typename Map::batch_type;
    using condition_type = condition_of_t<Map>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    explicit early_stop_kernel(Map map) : map_(std::move(map)) {
        check_schedule(map_.schedule());
        check_schedule(map_.inner_schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] cost    spent() const { return map_.spent(); }
    [[nodiscard]] auto    schedule() const { return map_.schedule(); }
    [[nodiscard]] bool    exact() const { return detail::is_exact(map_); }
    [[nodiscard]] bool    exact_density() const { return detail::knows_own_density(map_); }

    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream, view out) {
        const early_stop stop = prepare(x, span, out);
        draw_normal(stream, noise_.mutable_view());
        map_(noise_, interval{0.0, stop.inner_time}, x, time_view(span.from), condition, out);
        assign(out, stop.outer * x + stop.inner * out);
    }

    /// The same draws, and log_density[j] = log q(x_t'_j | x_j), by way of their noise.
    void draw_with_density(const_view x, interval span, const condition_type& condition, noise_stream stream, view out, double* log_density)
        requires diamond_map_with_divergence<Map>
    {
        const early_stop stop = prepare(x, span, out);
        draw_normal(stream, noise_.mutable_view());
        map_(noise_, interval{0.0, stop.inner_time}, x, time_view(span.from), condition, out, divergence_.data());
        assign(out, stop.outer * x + stop.inner * out);
        write_density(noise_, stop, log_density);
    }
    /// log_density[j] = log q(next_j | x_j) of given x_t', by the way back to their noise; diamond_map_posterior::log_density says how the two ways differ.
    void log_density(const_view x, interval span, const condition_type& condition, const_view next, double* log_density)
        requires diamond_map_with_divergence<Map>
    {
        const early_stop stop = prepare(x, span, next);
        stopped_.resize(x.context(), x.rows(), x.columns());
        assign(stopped_, -stop.outer / stop.inner * x + next / stop.inner);
        map_(stopped_, interval{stop.inner_time, 0.0}, x, time_view(span.from), condition, noise_.mutable_view(), divergence_.data());
        write_density(noise_, stop, log_density);
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    early_stop prepare(const_view x, interval span, const_view next) {
        require_same_shape("early_stop_kernel", x, next);
        noise_.resize(x.context(), x.rows(), x.columns());
        if constexpr (diamond_map_with_divergence<Map>) divergence_.resize(x.context(), 1, x.columns());
        return early_stop_at(map_.schedule(), map_.inner_schedule(), span);
    }
    void write_density(const_view noise, const early_stop& stop, double* log_density) {
        const auto& context = noise.context();
        context.column_sums(noise.rows(), noise.columns(), detail::base_density_term<real>{noise.data(), noise.rows(), 1.0}, log_density);
        context.for_each(noise.columns(), detail::add_scaled_number{-stop.inner_time, divergence_.data(), false, log_density});
        context.for_each(noise.columns(), detail::add_constant{-static_cast<double>(noise.rows()) * std::log(stop.inner), log_density});
    }

    Map                           map_;
    scratch<real, context_type>   noise_, stopped_;
    scratch<double, context_type> divergence_;
};
template <class Map>
early_stop_kernel(Map) -> early_stop_kernel<Map>;

} // namespace diamond
