/// How training draws its times. A sampler is a functor of uniforms, so that it runs where the batch is.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/train/option_checks.hpp>

namespace diamond {

// Each checks itself before a training starts: @throws std::invalid_argument with the name and number of what is out of range.

/// t = 0 with probability `at_zero`, else uniform in (0, 1).
struct uniform_time {
    double at_zero = 0.1;
    [[nodiscard]] DIAMOND_HD double operator()(double choice, double u) const { return choice < at_zero ? 0.0 : u; }
    void check() const { detail::require_share("uniform_time: at_zero", at_zero); }
    [[nodiscard]] std::string text() const { return "uniform_time of " + digits_of(at_zero); }
};

/// t = 0 with probability `at_zero`, else 1/(1 + exp(-(mean + deviation n))), n normal (by the tails of u: 4 digits).
struct logit_normal_time {
    double at_zero = 0.1, mean = 0.0, deviation = 1.0;
    [[nodiscard]] DIAMOND_HD double operator()(double choice, double u) const {
        if (choice < at_zero) return 0.0;
        // Abramowitz and Stegun 26.2.23: within 4.5e-4 of the normal quantile
        const double tail = u < 0.5 ? u : 1.0 - u, q = std::sqrt(-2.0 * std::log(tail));
        const double n = q - (2.515517 + q * (0.802853 + q * 0.010328)) / (1.0 + q * (1.432788 + q * (0.189269 + q * 0.001308)));
        return 1.0 / (1.0 + std::exp(-(mean + deviation * (u < 0.5 ? -n : n))));
    }
    void check() const {
        detail::require_share("logit_normal_time: at_zero", at_zero);
        require(std::isfinite(mean), [&] { return "logit_normal_time: mean is " + digits_of(mean) + ": it must be finite"; });
        detail::require_not_negative("logit_normal_time: deviation", deviation);
    }
    [[nodiscard]] std::string text() const {
        return "logit_normal_time of " + digits_of(at_zero) + ", " + digits_of(mean) + ", " + digits_of(deviation);
    }
};

struct time_pair {
    double from, to;
};

/// s <= r, uniform in the triangle; s = 0, where every draw starts, with probability `at_zero`, and then r = 1 with probability `at_one`.
struct triangle_pair {
    double at_zero = 0.5, at_one = 0.1;
    [[nodiscard]] DIAMOND_HD time_pair operator()(double choice, double u, double w) const {
        if (choice < at_zero) return {0.0, choice < at_one * at_zero ? 1.0 : u};
        return u < w ? time_pair{u, w} : time_pair{w, u};
    }
    void check() const {
        detail::require_share("triangle_pair: at_zero", at_zero);
        detail::require_share("triangle_pair: at_one", at_one);
    }
    [[nodiscard]] std::string text() const { return "triangle_pair of " + digits_of(at_zero) + ", " + digits_of(at_one); }
};

/// s and r independent and uniform: both directions, for densities and inversion.
struct square_pair {
    double at_zero = 0.2;
    [[nodiscard]] DIAMOND_HD time_pair operator()(double choice, double u, double w) const { return {choice < at_zero ? 0.0 : u, w}; }
    void check() const { detail::require_share("square_pair: at_zero", at_zero); }
    [[nodiscard]] std::string text() const { return "square_pair of " + digits_of(at_zero); }
};

/// Both directions, with the ends where samples and densities start: s is 0 or 1, each with probability `at_end`, and r the other end with
/// probability `whole` of that; else both uniform.
struct both_ways_pair {
    double at_end = 0.25, whole = 0.2;
    [[nodiscard]] DIAMOND_HD time_pair operator()(double choice, double u, double w) const {
        const bool first = choice < at_end;
        if (!first && choice >= 2.0 * at_end) return {u, w};
        const double end = first ? 0.0 : 1.0;
        return {end, u < whole ? 1.0 - end : w};
    }
    void check() const {
        detail::require_share("both_ways_pair: at_end", at_end, 0.5);
        detail::require_share("both_ways_pair: whole", whole);
    }
    [[nodiscard]] std::string text() const { return "both_ways_pair of " + digits_of(at_end) + ", " + digits_of(whole); }
};

} // namespace diamond
