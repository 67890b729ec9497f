/// The schedules: coefficients, derivatives, ends, and the time of a ratio.
#include <cmath>

#include <doctest/doctest.h>

#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/schedule.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

using diamond::infinity, diamond::pi, diamond::square;

namespace {
/// Ten lines are a schedule: time_at is found by Newton's method.
struct users_schedule {
    double alpha(double t) const { return t * t; }
    double sigma(double t) const { return 1.0 - t * t * t; }
    double d_alpha(double t) const { return 2.0 * t; }
    double d_sigma(double t) const { return -3.0 * t * t; }
};
/// A schedule without its closed time_at.
template <class Schedule>
struct without_time_at {
    Schedule own;
    double alpha(double t) const { return own.alpha(t); }
    double sigma(double t) const { return own.sigma(t); }
    double d_alpha(double t) const { return own.d_alpha(t); }
    double d_sigma(double t) const { return own.d_sigma(t); }
};
using without_time_at_linear = without_time_at<diamond::linear_schedule>;
using without_time_at_vp = without_time_at<diamond::variance_preserving_schedule>;
using without_time_at_cosine = without_time_at<diamond::cosine_schedule>;

constexpr double inner_times[] = {1e-9, 1e-6, 1e-3, 0.01,  0.1,        0.25,      0.5,
                                  0.75, 0.9,  0.99, 0.999, 1.0 - 1e-6, 1.0 - 1e-9};
/// alpha^2 + sigma^2 = 1.
template <class Schedule>
constexpr bool unit_norm = !std::is_same_v<Schedule, diamond::linear_schedule> &&
                           !std::is_same_v<Schedule, users_schedule> &&
                           !std::is_same_v<Schedule, without_time_at_linear>;
} // namespace

#define CLOSED_SCHEDULES                                                                                     \
    diamond::linear_schedule, diamond::trigonometric_schedule, diamond::variance_preserving_schedule,        \
        diamond::cosine_schedule
#define SCHEDULES                                                                                            \
    CLOSED_SCHEDULES, users_schedule, without_time_at_linear, without_time_at_vp, without_time_at_cosine
TYPE_TO_STRING(diamond::linear_schedule);
TYPE_TO_STRING(diamond::trigonometric_schedule);
TYPE_TO_STRING(diamond::variance_preserving_schedule);
TYPE_TO_STRING(diamond::cosine_schedule);
TYPE_TO_STRING(users_schedule);
TYPE_TO_STRING(without_time_at_linear);
TYPE_TO_STRING(without_time_at_vp);
TYPE_TO_STRING(without_time_at_cosine);

TEST_CASE_TEMPLATE("a schedule runs from noise to data", schedule, SCHEDULES) {
    static_assert(diamond::schedule<schedule>);
    const schedule s{};
    CHECK(s.alpha(0.0) < 0.0067); // exactly 0 but for the variance preserving
    CHECK(s.sigma(0.0) == doctest::Approx(1.0).epsilon(3e-5));
    CHECK(s.alpha(1.0) == 1.0);
    CHECK(s.sigma(1.0) == 0.0);
    if (s.alpha(0.0) != 0.0) CHECK(s.alpha(0.0) == doctest::Approx(0.0065715).epsilon(1e-4));
    if constexpr (unit_norm<schedule>)
        for (const double t : inner_times)
            CHECK(square(s.alpha(t)) + square(s.sigma(t)) == doctest::Approx(1.0).epsilon(1e-14));
}

TEST_CASE_TEMPLATE("pure noise and data by definition", schedule, SCHEDULES) {
    const schedule s{};
    for (const double t : {0.0, -0.0}) {
        CHECK(diamond::level_at(s, t).alpha == 0.0);
        CHECK(diamond::level_at(s, t).sigma == 1.0);
        CHECK(diamond::level_at(s, t).snr() == 0.0);
    }
    CHECK(diamond::level_at(s, 1.0).alpha == 1.0);
    CHECK(diamond::level_at(s, 1.0).sigma == 0.0);
    CHECK(diamond::level_at(s, 1.0).snr() == infinity);
    CHECK(diamond::level_at(s, 0.3).alpha == doctest::Approx(s.alpha(0.3)).epsilon(1e-15));
    CHECK(diamond::level_at(s, 0.3).sigma == doctest::Approx(s.sigma(0.3)).epsilon(1e-15));
}

TEST_CASE_TEMPLATE("derivatives, by differences", schedule, SCHEDULES) {
    const schedule s{};
    constexpr double h = 1e-5;
    for (double t = 0.02; t < 0.99; t += 0.0137) {
        CAPTURE(t);
        // Central differences err by h^2/6 times the third derivative, which grows like (1 - t)^-5/2 for a
        // root at t = 1, and by 1e-16/h.
        const double slack = 1e-8 + square(h) * std::pow(1.0 - t, -2.5);
        CHECK(std::abs((s.alpha(t + h) - s.alpha(t - h)) / (2.0 * h) - s.d_alpha(t)) < slack * 10.0);
        CHECK(std::abs((s.sigma(t + h) - s.sigma(t - h)) / (2.0 * h) - s.d_sigma(t)) < slack * 10.0);
        CHECK(diamond::sigma_d_sigma(s, t) == doctest::Approx(s.sigma(t) * s.d_sigma(t)).epsilon(1e-13));
    }
}

TEST_CASE_TEMPLATE("sigma sigma' and b are finite at the data", schedule, CLOSED_SCHEDULES, users_schedule) {
    const schedule s{};
    const double product = diamond::sigma_d_sigma(s, 1.0), before = diamond::sigma_d_sigma(s, 1.0 - 1e-7);
    CHECK(std::isfinite(product));
    CHECK(std::abs(product - before) < 1e-4);
    CHECK(diamond::guidance_factor(s, 1.0) == doctest::Approx(-product).epsilon(1e-15));
    if constexpr (unit_norm<schedule>)
        CHECK(product == doctest::Approx(-s.d_alpha(1.0)).epsilon(1e-15)); // - alpha alpha'
}

TEST_CASE_TEMPLATE("the signal-to-noise ratio grows", schedule, SCHEDULES) {
    const schedule s{};
    double last = -1.0;
    for (int k = 0; k <= 1000; ++k) {
        const double snr = diamond::level_at(s, k / 1000.0).snr();
        CHECK(snr > last);
        last = snr;
    }
    CHECK(last == infinity);
}

TEST_CASE_TEMPLATE("time_at undoes the schedule", schedule, SCHEDULES) {
    const schedule s{};
    for (const double t : inner_times)
        for (const double scale : {1.0, 1e-3, 1e150}) {
            CAPTURE(t);
            CAPTURE(scale);
            // A schedule with alpha(0) > 0 knows small times only to the last bits of alpha.
            CHECK(std::abs(diamond::time_at(s, scale * s.alpha(t), scale * s.sigma(t)) - t) < 1e-14);
        }
    // Relative accuracy where t is small and alpha is proportional to it, or to its square.
    if (s.alpha(0.0) == 0.0)
        for (const double t : {1e-12, 1e-9, 1e-6, 1e-3})
            CHECK(diamond::time_at(s, s.alpha(t), s.sigma(t)) ==
                  doctest::Approx(t).epsilon(1e-13).scale(0.0));
}

TEST_CASE("cosine near the data: sigma and time_at to the last bits") {
    // Held against long double, whose sine has 11 bits more, on the schedule of the double that k was rounded
    // to.
    const diamond::cosine_schedule s;
    const long double k = 0.5 * pi / 1.008;
    for (double rest = 1e-15; rest < 1.0; rest *= 1.31) {
        const double t = 1.0 - rest;
        const long double u = 1.0L - static_cast<long double>(t), sine = std::sin(k);
        const long double sigma = std::sqrt(std::sin(k * (1.0L + static_cast<long double>(t))) *
                                            std::sin(k * u)) /
                                  sine;
        const long double alpha = std::sin(k * static_cast<long double>(t)) / sine;
        CAPTURE(rest);
        CHECK(std::abs(static_cast<double>(static_cast<long double>(s.sigma(t)) / sigma - 1.0L)) <
              4 * 0x1p-53);
        CHECK(std::abs(diamond::time_at(s, static_cast<double>(alpha), static_cast<double>(sigma)) - t) <
              4 * 0x1p-53);
        CHECK(std::abs(diamond::time_at(s, s.alpha(t), s.sigma(t)) - t) < 4 * 0x1p-53);
    }
}

TEST_CASE_TEMPLATE("time_at between the schedule's ends and beyond them", schedule, SCHEDULES) {
    const schedule s{};
    CHECK(diamond::time_at(s, 0.0, 1.0) == 0.0);
    CHECK(diamond::time_at(s, 0.0, 1e-300) == 0.0);
    CHECK(diamond::time_at(s, 1.0, 0.0) == 1.0);
    CHECK(diamond::time_at(s, 1e-300, 0.0) == 1.0);
    double last = 0.0;
    // the pair itself over- and underflows nowhere
    for (double log_ratio = -600.0; log_ratio <= 600.0; log_ratio += 0.5) {
        const double t = diamond::time_at(s, std::exp(0.5 * log_ratio), std::exp(-0.5 * log_ratio));
        CHECK((t >= last * (1.0 - 1e-15) && t <= 1.0)); // to the last bit
        last = t;
    }
    CHECK(last == 1.0);
    if (s.alpha(0.0) > 0.0) {
        CHECK(diamond::time_at(s, 0.5 * s.alpha(0.0), s.sigma(0.0)) == 0.0);
        CHECK(diamond::time_at(s, 1.001 * s.alpha(0.0), s.sigma(0.0)) > 0.0);
        CHECK(diamond::time_at(s, 1e-300, 1e300) == 0.0);
    }
}

TEST_CASE("Newton's time_at agrees with the closed ones") {
    const auto check = [](const auto& closed) {
        const without_time_at<std::decay_t<decltype(closed)>> searched{closed};
        for (double log_ratio = -4.5; log_ratio < 12.0; log_ratio += 0.0731) {
            const double a = std::exp(log_ratio);
            CHECK(std::abs(diamond::time_at(closed, a, 1.0) - diamond::time_at(searched, a, 1.0)) < 1e-14);
        }
    };
    check(diamond::linear_schedule{});
    check(diamond::trigonometric_schedule{});
    check(diamond::variance_preserving_schedule{});
    check(diamond::cosine_schedule{});
}

TEST_CASE("b(t) by hand") {
    for (double t = 0.05; t < 1.0; t += 0.05) {
        CAPTURE(t);
        // (1 - t)/t; (pi/2) cot(pi t/2); and alpha'/alpha on a schedule of unit norm.
        CHECK(diamond::guidance_factor(diamond::linear_schedule{}, t) ==
              doctest::Approx((1.0 - t) / t).epsilon(1e-13));
        CHECK(diamond::guidance_factor(diamond::trigonometric_schedule{}, t) ==
              doctest::Approx(0.5 * pi / std::tan(0.5 * pi * t)).epsilon(1e-13));
        CHECK(diamond::guidance_factor(diamond::variance_preserving_schedule{}, t) ==
              doctest::Approx(0.5 * (0.1 + (1.0 - t) * 19.9)).epsilon(1e-13));
        const double k = 0.5 * pi / 1.008;
        CHECK(diamond::guidance_factor(diamond::cosine_schedule{}, t) ==
              doctest::Approx(k / std::tan(k * t)).epsilon(1e-13));
    }
}

TEST_CASE("the schedules by hand") {
    const double t = 0.3, tau = 0.7;
    CHECK(diamond::linear_schedule{}.alpha(t) == 0.3);
    CHECK(diamond::linear_schedule{}.sigma(t) == 0.7);
    CHECK(diamond::trigonometric_schedule{}.alpha(t) == doctest::Approx(std::sin(0.15 * pi)).epsilon(1e-15));
    CHECK(diamond::trigonometric_schedule{}.sigma(t) == doctest::Approx(std::cos(0.15 * pi)).epsilon(1e-15));
    CHECK(diamond::variance_preserving_schedule{}.alpha(t) ==
          doctest::Approx(std::exp(-square(tau) * 19.9 / 4.0 - tau * 0.05)).epsilon(1e-15));
    const auto f = [](double u) { return square(std::cos(0.5 * pi * (u + 0.008) / 1.008)); };
    CHECK(diamond::cosine_schedule{}.alpha(t) == doctest::Approx(std::sqrt(f(tau) / f(0.0))).epsilon(1e-15));
    // Other constants than the usual ones.
    CHECK(diamond::cosine_schedule{.offset = 0.1}.alpha(1.0) == 1.0);
    CHECK(diamond::variance_preserving_schedule{.rate_first = 1.0, .rate_last = 1.0}.alpha(t) ==
          doctest::Approx(std::exp(-0.5 * tau)).epsilon(1e-15));
    CHECK(diamond::variance_preserving_schedule{.rate_first = 1.0, .rate_last = 1.0}.time_at(
              std::exp(-0.35), std::sqrt(-std::expm1(-0.7))) == doctest::Approx(t).epsilon(1e-14));
}
