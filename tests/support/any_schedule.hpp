/// This header defines a schedule that is chosen at run time, so that a test instantiates a kernel once and
/// runs it on all schedules.
#pragma once

#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/schedule.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

namespace schedules {

enum class kind { linear, trigonometric, variance_preserving, cosine };
inline constexpr kind every_kind[] = {kind::linear, kind::trigonometric, kind::variance_preserving,
                                      kind::cosine};

struct any {
    kind which = kind::linear;

    [[nodiscard]] DIAMOND_HD double alpha(double t) const {
        return visit([t](const auto& s) { return s.alpha(t); });
    }
    [[nodiscard]] DIAMOND_HD double sigma(double t) const {
        return visit([t](const auto& s) { return s.sigma(t); });
    }
    [[nodiscard]] DIAMOND_HD double d_alpha(double t) const {
        return visit([t](const auto& s) { return s.d_alpha(t); });
    }
    [[nodiscard]] DIAMOND_HD double d_sigma(double t) const {
        return visit([t](const auto& s) { return s.d_sigma(t); });
    }
    [[nodiscard]] DIAMOND_HD double sigma_d_sigma(double t) const {
        return visit([t](const auto& s) { return diamond::sigma_d_sigma(s, t); });
    }
    [[nodiscard]] DIAMOND_HD double time_at(double a, double s) const {
        return visit([a, s](const auto& schedule) { return diamond::time_at(schedule, a, s); });
    }

    [[nodiscard]] const char* name() const {
        switch (which) {
        case kind::linear:
            return "linear";
        case kind::trigonometric:
            return "trigonometric";
        case kind::variance_preserving:
            return "variance preserving";
        default:
            return "cosine";
        }
    }
    /// Returns whether sigma'(1) is -inf. alpha(0) may also be above 0; time 0 is then pure noise by
    /// definition, and results there are exact to 2e-4 only.
    [[nodiscard]] bool infinite_slope() const {
        return which == kind::variance_preserving || which == kind::cosine;
    }
    [[nodiscard]] bool noisy_start() const { return which == kind::variance_preserving; }

private:
    template <class F>
    // If it were inlined, four schedules at every call would dominate the compile time of a test.
    [[gnu::noinline]] DIAMOND_HD double visit(F f) const {
        switch (which) {
        case kind::linear:
            return f(diamond::linear_schedule{});
        case kind::trigonometric:
            return f(diamond::trigonometric_schedule{});
        case kind::variance_preserving:
            return f(diamond::variance_preserving_schedule{});
        default:
            return f(diamond::cosine_schedule{});
        }
    }
};

} // namespace schedules
