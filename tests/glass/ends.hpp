/// What transitions give from a known z, in long double: x_t = alpha z + sigma e, every posterior is the
/// point z, and x_t' must be alpha' z and noise of deviation sigma'. References of the schedules are written
/// here anew, of t and of 1 - t.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <diamond/glass/inner_velocity.hpp>
#include <diamond/map/early_stop_kernel.hpp>

#include "support/any_schedule.hpp"

namespace ends {

using real = long double;
using schedules::kind;
inline constexpr real pi = 3.14159265358979323846264338327950288L;

/// Coefficients of a schedule at t, rest = 1 - t.
struct level {
    real alpha, sigma, d_alpha, d_sigma;
};
inline real vp_half_log(real rest) { return rest * (0.25L * rest * 19.9L + 0.05L); }
inline const real cosine_slope = 0.5 * static_cast<double>(pi) / 1.008; // as the schedule's own double has it

inline level level_of(kind which, real t, real rest) {
    switch (which) {
    case kind::linear:
        return {t, rest, 1.0L, -1.0L};
    case kind::trigonometric: {
        const real a = std::sin(0.5L * pi * t), s = std::sin(0.5L * pi * rest);
        return {a, s, 0.5L * pi * s, -0.5L * pi * a};
    }
    case kind::variance_preserving: {
        const real half = vp_half_log(rest), a = std::exp(-half), s = std::sqrt(-std::expm1(-2.0L * half)),
                   da = 0.5L * (0.1L + 19.9L * rest) * a;
        return {a, s, da, -a * da / s};
    }
    default: {
        const real k = cosine_slope, e = k * rest, a = std::sin(k * t) / std::sin(k);
        const real s = std::sqrt(std::sin(e) *
                                 (2.0L * std::cos(k) * std::sin(k) * std::cos(e) +
                                  (std::sin(k) - std::cos(k)) * (std::sin(k) + std::cos(k)) * std::sin(e))) /
                       std::sin(k);
        const real da = k * std::cos(k * t) / std::sin(k);
        return {a, s, da, -a * da / s};
    }
    }
}
/// As kernels read it: pure noise at 0.
inline level level_of(kind which, double t) {
    if (t <= 0.0) return {0.0L, 1.0L, 0.0L, 0.0L};
    return level_of(which, static_cast<real>(t), 1.0L - static_cast<real>(t));
}
/// alpha' sigma - alpha sigma', nothing cancelled.
inline real cross(kind which, double from, double to) {
    const level a = level_of(which, from), b = level_of(which, to);
    if (from <= 0.0) return b.alpha;
    const real step = static_cast<real>(to) - static_cast<real>(from),
               plus = b.alpha * a.sigma + a.alpha * b.sigma, rest = 1.0L - static_cast<real>(from);
    switch (which) {
    case kind::linear:
        return step;
    case kind::trigonometric:
        return std::sin(0.5L * pi * step);
    case kind::variance_preserving:
        return a.alpha * a.alpha * std::expm1(2.0L * step * (0.25L * 19.9L * (2.0L * rest - step) + 0.05L)) /
               plus;
    default: {
        const real k = cosine_slope, together = static_cast<real>(from) + static_cast<real>(to);
        return std::sin(k * step) * std::sin(k * together) / (std::sin(k) * std::sin(k)) / plus;
    }
    }
}

inline double error(real got, real wanted, real scale) {
    return static_cast<double>(std::abs(got - wanted) / scale);
}
inline double error(real got, real wanted) {
    return got == wanted ? 0.0 : error(got, wanted, std::abs(wanted));
}
/// The larger, a NaN above all.
inline double worse(double a, double b) {
    return std::isnan(a) || std::isnan(b) ? diamond::not_a_number : std::max(a, b);
}

/// x_t' = abar z + gamma x_t + sbar e' from a known z: its mean against alpha', its deviation against sigma'.
inline double marginal_error(kind which, diamond::interval span, const diamond::kernel_coefficients& k) {
    const level from = level_of(which, span.from), to = level_of(which, span.to);
    return worse(error(k.abar + k.gamma * from.alpha, to.alpha),
                 error(std::hypot(k.gamma * from.sigma, static_cast<real>(k.sbar)), to.sigma));
}
/// DDPM's coefficients themselves, each to its own size: gamma = alpha sigma'^2/(sigma^2 alpha'), abar and
/// sbar by the cross product.
inline double ddpm_error(kind which, diamond::interval span, const diamond::kernel_coefficients& k) {
    const level from = level_of(which, span.from), to = level_of(which, span.to);
    const real gain = cross(which, span.from, span.to) * (to.alpha * from.sigma + from.alpha * to.sigma);
    return worse(error(k.gamma, from.alpha * to.sigma * to.sigma / (from.sigma * from.sigma * to.alpha)),
                 worse(error(k.abar, gain / (from.sigma * from.sigma * to.alpha)),
                       error(k.sbar, to.sigma * std::sqrt(gain) / (from.sigma * to.alpha))));
}
/// Early stop: x_t' = outer x_t + inner xbar_r, xbar_r = a_r z + b_r e' as any map that reads r gives it.
inline double early_stop_error(kind which, kind inner, diamond::interval span,
                               const diamond::early_stop& stop) {
    const level from = level_of(which, span.from), to = level_of(which, span.to),
                at = level_of(inner, stop.inner_time);
    return worse(error(stop.outer * from.alpha + stop.inner * at.alpha, to.alpha),
                 error(std::hypot(stop.outer * from.sigma, stop.inner * at.sigma), to.sigma));
}
/// The inner velocity at s from a known z: the network's input must be a noising of z at the network's time,
/// and the velocity that of abar_s z + sbar_s e'. Coefficients of x_t and xbar, which may be close to each
/// other, are right to their own size.
template <class Schedule, class InnerSchedule>
double inner_velocity_error(const Schedule& schedule, const InnerSchedule& inner_schedule, kind which,
                            kind inner, double t, double s, const diamond::kernel_coefficients& kernel) {
    const auto c = diamond::inner_velocity_at(schedule, inner_schedule, t, s, kernel);
    const auto read = diamond::level_at(schedule, c.time); // as a network that knows the schedule has it
    if (c.time.t == 0.0 && schedule.alpha(0.0) > 0.0)
        return 0.0; // below the schedule's range: noise by definition
    const level outer = level_of(which, t);
    const real rest = 1.0L - static_cast<real>(s);
    const level in = level_of(inner, static_cast<real>(s), rest);
    const level begun = s <= 0.0 ? level{0.0L, 1.0L, in.d_alpha, in.d_sigma} : in;
    const real abar = begun.alpha * kernel.abar, sbar = begun.sigma + (1.0L - begun.sigma) * kernel.sbar;
    const real d_abar = begun.d_alpha * kernel.abar,
               d_sbar = begun.d_sigma * (1.0L - static_cast<real>(kernel.sbar));
    // x* in z, e and e'
    const real io = c.input_outer, ii = c.input_inner, gamma = kernel.gamma;
    const real of_z = io * outer.alpha + ii * (abar + gamma * outer.alpha),
               of_e = (io + ii * gamma) * outer.sigma, of_own = ii * sbar;
    double worst = read.alpha > 0.0 ? error(of_z, read.alpha) : 0.0;
    if (read.sigma > 0.0) worst = worse(worst, error(std::hypot(of_e, of_own), read.sigma));
    // u = alpha' z + sigma'/sigma (x* - alpha z), and N with it, at the time whose 1 - t is the level's
    real d_alpha = 0.0L, noise = 0.0L;
    if (c.velocity != 0.0) {
        const real left = c.time.t < 0.5 ? 1.0L - static_cast<real>(c.time.t)
                                         : static_cast<real>(c.time.rest);
        const level there = level_of(which, c.time.t < 0.5 ? static_cast<real>(c.time.t) : 1.0L - left, left);
        worst = worse(worst, worse(error(read.alpha, there.alpha), error(read.sigma, there.sigma)));
        d_alpha = there.d_alpha;
        noise = there.d_sigma / there.sigma;
    }
    const real scale = std::max(std::abs(d_abar), std::abs(d_sbar)), velocity = c.velocity,
               by_outer = c.outer, by_inner = c.inner;
    const real in_z[] = {velocity * d_alpha, by_outer * outer.alpha, by_inner * (abar + gamma * outer.alpha)};
    const real in_e[] = {velocity * noise * of_e, by_outer * outer.sigma, by_inner * gamma * outer.sigma};
    const auto size = [&](const real* terms) {
        return std::abs(terms[0]) + std::abs(terms[1]) + std::abs(terms[2]) + scale;
    };
    worst = worse(worst, error(in_z[0] + in_z[1] + in_z[2], d_abar, size(in_z)));
    worst = worse(worst, error(in_e[0] + in_e[1] + in_e[2], 0.0L, size(in_e)));
    return worse(
        worst, error(velocity * noise * of_own + by_inner * sbar, d_sbar, std::abs(by_inner * sbar) + scale));
}

/// A user's schedule: of doubles alone, and without time_at.
template <class Closed>
struct plain {
    Closed closed{};
    [[nodiscard]] double alpha(double t) const { return closed.alpha(t); }
    [[nodiscard]] double sigma(double t) const { return closed.sigma(t); }
    [[nodiscard]] double d_alpha(double t) const { return closed.d_alpha(t); }
    [[nodiscard]] double d_sigma(double t) const { return closed.d_sigma(t); }
    [[nodiscard]] double sigma_d_sigma(double t) const { return diamond::sigma_d_sigma(closed, t); }
};

/// Steps to the end, 1 - t' = 2^-1 ... 2^-53, from far, from twice as far, and from nearby.
inline std::vector<diamond::interval> steps_to_the_end() {
    std::vector<diamond::interval> steps;
    for (int k = 1; k <= 53; ++k) {
        const double rest = std::ldexp(1.0, -k), to = 1.0 - rest;
        for (const double from : {0.0, 0.01, 0.25, 14.0 / 15.0, 1.0 - 2.0 * rest, 1.0 - 1.5 * rest,
                                  std::nextafter(to, 0.0), to - 1e-12, to - 1e-6, to - 0.1})
            if (from >= 0.0 && from < to) steps.push_back({from, to});
    }
    return steps;
}
/// Times close to each other in the middle, and steps at the beginning.
inline std::vector<diamond::interval> short_steps() {
    std::vector<diamond::interval> steps;
    for (const double from : {1e-9, 1e-3, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99})
        for (const double to : {std::nextafter(from, 1.0), from * (1.0 + 1e-12), from + 1e-12, from + 1e-9,
                                from + 1e-6, from + 1e-3, from + 0.1})
            if (to > from && to <= 1.0) steps.push_back({from, to});
    return steps;
}
inline std::vector<diamond::interval> steps_from_the_beginning() {
    std::vector<diamond::interval> steps;
    for (int k = 1; k <= 200; k += k < 60 ? 1 : 20) {
        const double to = std::ldexp(1.0, -k);
        for (const double from : {0.0, 0.5 * to, 0.999 * to, std::nextafter(to, 0.0)})
            steps.push_back({from, to});
    }
    return steps;
}

} // namespace ends
