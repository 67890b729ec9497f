/// A check that a schedule does what clauses 1 and 2 of concepts/schedule.hpp say. A compiler sees that alpha
/// exists, but not that it ends at 1, and a schedule that breaks a clause would give wrong numbers in
/// silence; so whatever is made with a schedule checks it once.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include <diamond/concepts/schedule.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// The largest alpha(0) that is taken. Time 0 is pure noise by definition: what is left of the data there
/// gives kernels and posteriors an error of alpha(0)^2, and plain ODEs one of alpha(0) times the data's mean.
/// Stable Diffusion's 0.0683 is the largest in wide use; the stock schedules have 0.0066, or 0.
inline constexpr double most_initial_signal = 0.07;

namespace detail {

/// A schedule as plain functions, so that its check is compiled once for all schedules. The last two are null
/// for a schedule without sigma_d_sigma or time_at.
struct schedule_functions {
    const void* schedule;
    double (*alpha_of)(const void*, double);
    double (*sigma_of)(const void*, double);
    double (*d_alpha_of)(const void*, double);
    double (*d_sigma_of)(const void*, double);
    double (*product_of)(const void*, double);
    double (*time_of)(const void*, double, double);

    [[nodiscard]] double alpha(double t) const { return alpha_of(schedule, t); }
    [[nodiscard]] double sigma(double t) const { return sigma_of(schedule, t); }
};
template <class S>
[[nodiscard]] schedule_functions functions_of(const S& schedule) {
    schedule_functions all{
        &schedule,
        [](const void* self, double t) -> double { return static_cast<const S*>(self)->alpha(t); },
        [](const void* self, double t) -> double { return static_cast<const S*>(self)->sigma(t); },
        [](const void* self, double t) -> double { return static_cast<const S*>(self)->d_alpha(t); },
        [](const void* self, double t) -> double { return static_cast<const S*>(self)->d_sigma(t); },
        nullptr,
        nullptr};
    if constexpr (requires { schedule.sigma_d_sigma(0.5); })
        all.product_of = [](const void* self, double t) -> double {
            return static_cast<const S*>(self)->sigma_d_sigma(t);
        };
    if constexpr (requires { schedule.time_at(0.5, 0.5); })
        all.time_of = [](const void* self, double a, double s) -> double {
            return static_cast<const S*>(self)->time_at(a, s);
        };
    return all;
}

/// The inner times that are checked. At 2^-10 from an end a formula with a cancelling 1 - alpha^2 still has
/// its digits.
inline constexpr double checked_times[] = {0x1p-10, 0x1p-5, 0.125, 0.25,         0.375,        0.5,
                                           0.625,   0.75,   0.875, 1.0 - 0x1p-5, 1.0 - 0x1p-10};

/// The relative error that is taken. A wrong sign, unit or constant gives a larger one; rounding and the
/// corner of an interpolated table give a smaller one.
inline constexpr double schedule_tolerance = 1e-3;

/// The error that rounding may leave in alpha(1), and in a sigma(1) that is the root of a difference.
inline constexpr double end_tolerance = 1e-6;

/// The value of a function at t, as messages print it: "alpha(0.5) = 0.25".
struct value_at {
    const char* name;
    double t, value;

    [[nodiscard]] std::string text() const {
        return std::string(name) + "(" + digits_of(t) + ") = " + digits_of(value);
    }
};
/// The beginning of a message: "a schedule with alpha(0) = 0, sigma(0) = 1: ".
[[nodiscard]] inline std::string list_of(std::initializer_list<value_at> values) {
    std::string text = "a schedule with ";
    for (const value_at& value : values) {
        if (&value != values.begin()) text += ", ";
        text += value.text();
    }
    return text + ": ";
}

/// Checks alpha and sigma at both ends.
inline void check_ends(const schedule_functions& s) {
    const value_at alpha_0{"alpha", 0.0, s.alpha(0.0)}, sigma_0{"sigma", 0.0, s.sigma(0.0)};
    const value_at alpha_1{"alpha", 1.0, s.alpha(1.0)}, sigma_1{"sigma", 1.0, s.sigma(1.0)};
    const auto check = [&](bool holds, const char* what) {
        require(holds, [&] { return list_of({alpha_0, sigma_0, alpha_1, sigma_1}) + what; });
    };
    const auto is = [](double value, double wanted) { return std::abs(value - wanted) <= end_tolerance; };

    for (const value_at& end : {alpha_0, sigma_0, alpha_1, sigma_1})
        check(std::isfinite(end.value), "both coefficients must be finite on [0, 1], its ends included");
    check(!(alpha_0.value > alpha_1.value && sigma_0.value < sigma_1.value),
          "its time runs from data to noise, and here from noise, t = 0, to data, t = 1: give it alpha(1 - "
          "t), sigma(1 - t), -d_alpha(1 - t) and -d_sigma(1 - t), and give the network 1 - t");
    check(!(alpha_0.value == alpha_1.value && sigma_0.value > sigma_1.value),
          "its variance explodes, and x_0 must be noise alone: divide alpha and sigma by hypot(alpha, "
          "sigma), and give the network x times that");
    check(is(sigma_1.value, 0.0),
          "sigma(1) must be 0, for x_1 is the data: leave out what noise it keeps there");
    check(is(alpha_1.value, 1.0), "alpha(1) must be 1, for x_1 is the data: divide alpha and d_alpha by "
                                  "alpha(1), and the samples, which are then alpha(1) times the data");
    require(alpha_0.value >= 0.0 && alpha_0.value <= most_initial_signal, [&] {
        return list_of({alpha_0, sigma_0, alpha_1, sigma_1}) + "alpha(0) must be 0, or at most " +
               digits_of(most_initial_signal) +
               ", for x_0 is noise alone: is a discrete rate taken for a continuous one (DDPM's betas of "
               "0.0001 to 0.02 in 1000 steps are rates of 0.1 to 20), or the schedule cut short?";
    });
    // sigma(0) of unit norm is 1 - alpha(0)^2/2.
    check(std::abs(sigma_0.value - 1.0) <= end_tolerance + square(most_initial_signal),
          "sigma(0) must be 1, for x_0 is N(0, I): divide sigma and d_sigma by sigma(0), and the data, too");
}

/// Checks a derivative at t: over one of three steps at least it must lie between the slopes to the left and
/// to the right, so that neither the corner of a table nor the rounding of a short step is an error.
inline void check_derivative(const schedule_functions& s, const char* name,
                             double (*function)(const void*, double),
                             double (*derivative)(const void*, double), double t) {
    constexpr double steps[] = {0x1p-20, 0x1p-13, 0x1p-7}; // in units of the distance to the nearer end
    constexpr double rounding = 0x1p-50;
    const double given = derivative(s.schedule, t), here = function(s.schedule, t);
    double slope = 0.0;
    for (const double step : steps) {
        const double h = step * std::min(t, 1.0 - t);
        const double left = (here - function(s.schedule, t - h)) / h;
        const double right = (function(s.schedule, t + h) - here) / h;
        const double tolerance = schedule_tolerance * std::abs(left + right) / 2.0 +
                                 rounding * std::abs(here) / h;
        slope = 0.5 * (left + right);
        if (given >= std::min(left, right) - tolerance && given <= std::max(left, right) + tolerance) return;
    }
    const bool turned = std::abs(given + slope) <= schedule_tolerance * std::abs(slope);
    throw std::invalid_argument("a schedule with d_" + value_at{name, t, given}.text() + ": differences of " +
                                name + " there give " + digits_of(slope) + ", whose derivative it must be, " +
                                (turned ? "and its sign is turned round"
                                        : "with respect to t in [0, 1] and not to a step or another time"));
}

/// Checks the coefficients, their derivatives, sigma_d_sigma and time_at at the inner times.
inline void check_inside(const schedule_functions& s) {
    value_at alpha_before{"alpha", 0.0, s.alpha(0.0)}, sigma_before{"sigma", 0.0, s.sigma(0.0)};
    for (const double t : checked_times) {
        const value_at alpha{"alpha", t, s.alpha(t)}, sigma{"sigma", t, s.sigma(t)};
        for (const double value : {alpha.value, sigma.value})
            require(value > 0.0 && value < infinity, [&] {
                return list_of({alpha, sigma}) + "both must be positive and finite between t = 0 and t = 1";
            });
        require(alpha.value >= alpha_before.value && sigma.value <= sigma_before.value &&
                    alpha.value * sigma_before.value > alpha_before.value * sigma.value,
                [&] {
                    return list_of({alpha_before, alpha, sigma_before, sigma}) +
                           "alpha must grow, sigma fall, and alpha/sigma grow all the way from noise to data";
                });
        alpha_before = alpha;
        sigma_before = sigma;
        check_derivative(s, "alpha", s.alpha_of, s.d_alpha_of, t);
        check_derivative(s, "sigma", s.sigma_of, s.d_sigma_of, t);
        if (s.product_of) {
            const value_at product{"sigma_d_sigma", t, s.product_of(s.schedule, t)};
            const double wanted = sigma.value * s.d_sigma_of(s.schedule, t);
            require(std::abs(product.value - wanted) <= schedule_tolerance * std::abs(wanted), [&] {
                return list_of({product}) + "it must be the product of sigma and d_sigma, which is " +
                       digits_of(wanted);
            });
        }
        if (s.time_of) {
            constexpr double scale = 0.25; // kernels ask with pairs of any norm
            const double a = scale * alpha.value, b = scale * sigma.value;
            const double found = s.time_of(s.schedule, a, b);
            require(std::abs(found - t) <= schedule_tolerance * std::min(t, 1.0 - t), [&] {
                return "a schedule with time_at(" + digits_of(a) + ", " + digits_of(b) +
                       ") = " + digits_of(found) + ": alpha/sigma is their ratio at t = " + digits_of(t) +
                       ", which it must give for pairs of any norm";
            });
        }
    }
}

/// Checks the derivatives at the ends, where differences tell little, and the limit of sigma_d_sigma at t =
/// 1.
inline void check_slopes_at_ends(const schedule_functions& s) {
    const value_at last{"d_sigma", 1.0, s.d_sigma_of(s.schedule, 1.0)};
    for (const value_at& end : {value_at{"d_alpha", 0.0, s.d_alpha_of(s.schedule, 0.0)},
                                value_at{"d_sigma", 0.0, s.d_sigma_of(s.schedule, 0.0)},
                                value_at{"d_alpha", 1.0, s.d_alpha_of(s.schedule, 1.0)}})
        require(std::isfinite(end.value),
                [&] { return list_of({end}) + "it must be finite, for velocities take it"; });
    require(!std::isnan(last.value), [&] { return list_of({last}) + "it must be a number, or -inf"; });
    if (!s.product_of)
        return require(std::isfinite(last.value), [&] {
            return list_of({last}) + "it then needs double sigma_d_sigma(double t) const, the product sigma "
                                     "d_sigma, finite at t = 1: -alpha d_alpha for a schedule of unit norm";
        });
    // sigma^2 falls to 0 at least linearly: its difference over a short way tells half its slope.
    constexpr double h = 0x1p-20;
    const value_at product{"sigma_d_sigma", 1.0, s.product_of(s.schedule, 1.0)};
    const double wanted = -0.5 * square(s.sigma(1.0 - h)) / h;
    require(std::abs(product.value - wanted) <= schedule_tolerance * (1.0 + std::abs(wanted)), [&] {
        return list_of({product}) +
               "it must be the limit of the product, which is finite: differences of sigma^2/2 give " +
               digits_of(wanted);
    });
}

/// Runs all checks.
inline void check_schedule_functions(const schedule_functions& s) {
    check_ends(s);
    check_inside(s);
    check_slopes_at_ends(s);
}

} // namespace detail

/// Checks what a schedule promises, at both ends and at eleven times between: alpha and sigma run from noise,
/// (0, 1), to data, (1, 0), and alpha/sigma grows; d_alpha and d_sigma are their derivatives, as differences
/// tell; sigma_d_sigma is the product and time_at the inverse of alpha/sigma, where the schedule gives them.
/// Maps, kernels, estimators, networks and oracles call it once, when they are made with a schedule.
/// @throws std::invalid_argument with the time, the numbers, what they must be, and what to do.
/// Cost: about 150 evaluations of the schedule's functions.
template <class Schedule>
void check_schedule(const Schedule& schedule) {
    static_assert(diagnose_schedule<Schedule>());
    detail::check_schedule_functions(detail::functions_of(schedule));
}

namespace detail {
/// Returns the schedule, checked. @throws std::invalid_argument as check_schedule does.
template <class Schedule>
[[nodiscard]] Schedule checked_schedule(Schedule schedule) {
    check_schedule(schedule);
    return schedule;
}
} // namespace detail

} // namespace diamond
