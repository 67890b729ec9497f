#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/glass/sufficient_statistic.hpp>

#include "support/any_schedule.hpp"
#include "support/small_matrix.hpp"

namespace glass_sufficient_statistic_test {

using diamond::interval;
using diamond::kernel_coefficients;
using schedules::any;

namespace {

constexpr double some_times[] = {0.0, 1e-3, 0.2, 0.5, 0.9, 1.0 - 1e-6};

/// An inner schedule with a user's manners: no time_at.
struct quadratic_inner {
    double alpha(double s) const { return s * s; }
    double sigma(double s) const { return (1.0 - s) * (1.0 + s); }
    double d_alpha(double s) const { return 2.0 * s; }
    double d_sigma(double s) const { return -2.0 * s; }
};

} // namespace

TEST_CASE("a kernel's coefficients keep the marginals, whatever the correlation") {
    for (const auto kind : schedules::every_kind)
        for (const double from : some_times)
            for (const double to : {0.25, 0.7, 1.0}) {
                if (to <= from) continue;
                const any schedule{kind};
                CAPTURE(schedule.name());
                CAPTURE(from);
                CAPTURE(to);
                const auto here = diamond::level_at(schedule, from), there = diamond::level_at(schedule, to);
                for (const double rho : {-1.0, -0.4, 0.0, 0.6, 1.0, 2.0}) {
                    const kernel_coefficients k = rho > 1.0
                                                    ? diamond::kernel_at(schedule, {from, to},
                                                                         diamond::ddpm_correlation{})
                                                    : diamond::kernel_at(schedule, {from, to},
                                                                         diamond::constant_correlation(rho));
                    // z's coefficient and the noise's variance after the step
                    CHECK(k.abar + k.gamma * here.alpha == doctest::Approx(there.alpha).epsilon(1e-13));
                    CHECK(diamond::square(k.gamma * here.sigma) + diamond::square(k.sbar) ==
                          doctest::Approx(diamond::square(there.sigma)).epsilon(1e-12));
                    if (rho <= 1.0)
                        CHECK(k.gamma * here.sigma == doctest::Approx(rho * there.sigma).epsilon(1e-14));
                    // DDPM's x_t follows from x_t' alone: gamma x_t and abar z combine to the bridge,
                    // Cov(x_t, x_t') = alpha/alpha' Var x_t'.
                    if (rho > 1.0)
                        CHECK(k.gamma * diamond::square(here.sigma) * there.alpha ==
                              doctest::Approx(here.alpha * diamond::square(there.sigma)).epsilon(1e-12));
                }
            }
    const auto posterior = diamond::kernel_at(diamond::linear_schedule{}, {0.3, 1.0},
                                              diamond::constant_correlation(0.8));
    CHECK(posterior.gamma == diamond::posterior_kernel_coefficients.gamma);
    CHECK(posterior.abar == diamond::posterior_kernel_coefficients.abar);
    CHECK(posterior.sbar == diamond::posterior_kernel_coefficients.sbar);
}

TEST_CASE("correlations and intervals out of range are refused, with their numbers") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_WITH_AS(diamond::constant_correlation(1.5), doctest::Contains("1.5"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::constant_correlation(-1.0000001), doctest::Contains("[-1, 1]"),
                         std::invalid_argument);
    CHECK_THROWS_AS(diamond::constant_correlation{nan}, std::invalid_argument);
    const auto kernel = [](double from, double to) {
        return diamond::kernel_at(diamond::linear_schedule{}, {from, to}, diamond::ddpm_correlation{});
    };
    CHECK_THROWS_WITH_AS(kernel(0.5, 0.5), doctest::Contains("0.5"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(kernel(0.7, 0.2), doctest::Contains("0.7"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(kernel(-0.1, 0.2), doctest::Contains("-0.1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(kernel(0.1, 1.2), doctest::Contains("1.2"), std::invalid_argument);
    CHECK_THROWS_AS(kernel(nan, 0.2), std::invalid_argument);
    CHECK_THROWS_AS(kernel(0.2, nan), std::invalid_argument);
}

TEST_CASE("the inner level runs from pure noise to the kernel's coefficients, with its derivatives") {
    const kernel_coefficients kernel{0.3, 0.6, 0.25};
    const auto check = [&](const auto& inner) {
        const auto start = diamond::inner_level_at(inner, 0.0, kernel),
                   end = diamond::inner_level_at(inner, 1.0, kernel);
        CHECK(start.abar == 0.0);
        CHECK(start.sbar == 1.0);
        CHECK(end.abar == kernel.abar);
        CHECK(end.sbar == kernel.sbar);
        for (const double s : {0.1, 0.5, 0.9}) {
            constexpr double h = 1e-6;
            const auto level = diamond::inner_level_at(inner, s, kernel),
                       above = diamond::inner_level_at(inner, s + h, kernel),
                       below = diamond::inner_level_at(inner, s - h, kernel);
            // truncation h^2, rounding 1e-16/h
            CHECK(level.d_abar == doctest::Approx((above.abar - below.abar) / (2 * h)).epsilon(1e-8));
            CHECK(level.d_sbar == doctest::Approx((above.sbar - below.sbar) / (2 * h)).epsilon(1e-8));
        }
    };
    for (const auto kind : schedules::every_kind) check(any{kind});
    check(quadratic_inner{});
    const auto linear = diamond::inner_level_at(diamond::linear_schedule{}, 0.3, kernel);
    CHECK(linear.abar == doctest::Approx(0.3 * 0.6));
    CHECK(linear.sbar == doctest::Approx(0.7 + 0.3 * 0.25));
}

TEST_CASE("the statistic is the least-squares estimate of z from the pair, read where the ratios add up") {
    // z from x_t = alpha z + sigma eps and y = abar z + sbar eps': S = (w_1 x_t/alpha + w_2 y/abar)/(w_1 +
    // w_2), Var S = 1/lambda.
    using small::number;
    for (const auto kind : schedules::every_kind)
        for (const double t : some_times)
            for (const double abar : {0.0, 1e-4, 0.3, 0.97})
                for (const double sbar : {1.0, 0.4, 1e-3, 0.0}) {
                    const any schedule{kind};
                    CAPTURE(schedule.name());
                    CAPTURE(t);
                    CAPTURE(abar);
                    CAPTURE(sbar);
                    const auto outer = diamond::level_at(schedule, t);
                    const auto found = diamond::sufficient_statistic_at(
                        schedule, outer, diamond::inner_level{abar, sbar, 1.0, -1.0});
                    CHECK(std::isfinite(found.time));
                    CHECK(found.time >= 0.0);
                    CHECK(found.time <= 1.0);
                    const auto read = diamond::level_at(schedule, found.time);
                    if (sbar == 0.0 && abar == 0.0) continue; // no observation
                    if (sbar == 0.0) {                        // y tells z: t* = 1, x* = y/abar
                        CHECK(found.time == 1.0);
                        CHECK(found.from_outer == 0.0);
                        CHECK(found.from_inner == doctest::Approx(1.0 / abar).epsilon(1e-13));
                        continue;
                    }
                    const number alpha = outer.alpha, sigma = outer.sigma, a = abar, b = sbar;
                    const number lambda = alpha * alpha / (sigma * sigma) + a * a / (b * b);
                    if (lambda == 0) { // pure noise is read as it is
                        CHECK(found.time == 0.0);
                        CHECK(found.from_outer == 0.0);
                        CHECK(found.from_inner == 1.0);
                        continue;
                    }
                    if (found.time > 0.0) {
                        // 1 - t* is resolved to an ulp of 1 only (cosine's, by an arc cosine, to 80), which
                        // near t* = 1 is the ratio's error.
                        const double slack = 1e-10 + (kind == schedules::kind::cosine ? 4e-14 : 4e-16) /
                                                         (1.0 - found.time);
                        CHECK(read.snr() == doctest::Approx(static_cast<double>(lambda)).epsilon(slack));
                        const double from_outer = static_cast<double>(read.alpha * (alpha / (sigma * sigma)) /
                                                                      lambda);
                        const double from_inner = static_cast<double>(read.alpha * (a / (b * b)) / lambda);
                        CHECK(found.from_outer == doctest::Approx(from_outer).epsilon(slack));
                        CHECK(found.from_inner == doctest::Approx(from_inner).epsilon(slack));
                    }
                    // Clamped or not, x* has the noise of a pair of unit norm: alpha*^2 + sigma*^2 over
                    // alpha^2 + sigma^2 of the statistic.
                    const number h2 = alpha * alpha * b * b + a * a * sigma * sigma;
                    const number noise_after = (number{found.from_outer} * sigma) *
                                                   (number{found.from_outer} * sigma) +
                                               (number{found.from_inner} * b) *
                                                   (number{found.from_inner} * b);
                    const number unit = (read.alpha * read.alpha + read.sigma * read.sigma) /
                                        (h2 + sigma * sigma * b * b);
                    CHECK(static_cast<double>(noise_after) ==
                          doctest::Approx(static_cast<double>(unit * sigma * sigma * b * b)).epsilon(1e-12));
                }
}

TEST_CASE("at t = 1 the posterior is x_t, and at t = s = 1 the sample") {
    for (const auto kind : schedules::every_kind) {
        const any schedule{kind};
        const auto clean = diamond::level_at(schedule, 1.0);
        const auto found = diamond::sufficient_statistic_at(schedule, clean,
                                                            diamond::inner_level{0.4, 0.6, 1.0, -1.0});
        CHECK(found.time == 1.0);
        CHECK(found.from_outer == doctest::Approx(1.0).epsilon(1e-15));
        CHECK(found.from_inner == 0.0);
        const auto both = diamond::sufficient_statistic_at(schedule, clean,
                                                           diamond::inner_level{1.0, 0.0, 1.0, -1.0});
        CHECK(both.time == 1.0);
        CHECK(both.from_inner == 1.0);
    }
}

} // namespace glass_sufficient_statistic_test
