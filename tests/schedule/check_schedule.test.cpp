/// What a schedule promises, held against what it does: each wrong one is refused by a sentence with its
/// numbers.
#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

#include "support/powers.hpp"

namespace schedule_check_schedule_test {

using diamond::check_schedule, diamond::infinity, diamond::pi, diamond::square;

namespace {
using function = std::function<double(double)>;

/// The linear schedule, of which each test spoils a part.
struct schedule {
    function alpha = [](double t) { return t; };
    function sigma = [](double t) { return 1.0 - t; };
    function d_alpha = [](double) { return 1.0; };
    function d_sigma = [](double) { return -1.0; };
};
struct schedule_with_product : schedule {
    function sigma_d_sigma = [](double t) { return t - 1.0; };
};
struct schedule_with_time : schedule {
    std::function<double(double, double)> time_at = [](double a, double s) { return a / (a + s); };
};

template <class Schedule>
std::string sentence(const Schedule& schedule) {
    try {
        check_schedule(schedule);
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "accepted";
}
/// The sentence holds every part.
template <class Schedule>
void refused(const Schedule& schedule, const std::vector<std::string>& parts) {
    const std::string said = sentence(schedule);
    CAPTURE(said);
    for (const auto& part : parts) {
        CAPTURE(part);
        CHECK(said.find(part) != std::string::npos);
    }
}
template <class Schedule>
void accepted(const Schedule& schedule) {
    CHECK(sentence(schedule) == "accepted");
}

/// alpha and sigma of DDPM's discrete table, interpolated linearly, of which a network of its steps knows the
/// corners alone.
struct table {
    std::vector<double> alphas; ///< from noise to data

    explicit table(double first, double last, int steps = 1000) {
        double product = 1.0;
        alphas.push_back(1.0);
        for (int k = 0; k < steps; ++k) {
            product *= 1.0 - (first + (last - first) * k / (steps - 1));
            alphas.insert(alphas.begin(), std::sqrt(product));
        }
    }
    double alpha(double t) const {
        const double at = t * static_cast<double>(alphas.size() - 1),
                     k = std::min(std::floor(at), static_cast<double>(alphas.size() - 2));
        const auto i = static_cast<std::size_t>(k);
        return alphas[i] + (at - k) * (alphas[i + 1] - alphas[i]);
    }
    double d_alpha(double t) const {
        const double cells = static_cast<double>(alphas.size() - 1);
        const auto i = static_cast<std::size_t>(std::min(std::floor(t * cells), cells - 1.0));
        return cells * (alphas[i + 1] - alphas[i]);
    }
    double sigma(double t) const { return std::sqrt(1.0 - square(alpha(t))); }
    double d_sigma(double t) const { return sigma_d_sigma(t) / sigma(t); }
    double sigma_d_sigma(double t) const { return -alpha(t) * d_alpha(t); }
};
} // namespace

TEST_CASE("schedules that keep their promises pass: the stock ones, tables, powers, and plain formulas of "
          "unit norm") {
    accepted(diamond::linear_schedule{});
    accepted(diamond::trigonometric_schedule{});
    accepted(diamond::variance_preserving_schedule{});
    accepted(diamond::variance_preserving_schedule{0.85, 12.0}); // alpha(0) = 0.040
    for (const double offset : {0.0, 0.008, 0.2, 1.0}) accepted(diamond::cosine_schedule{offset});
    accepted(table(1e-4, 0.02));
    accepted(table(1e-4, 0.02, 2000));
    for (const double power : {1.0, 1.2, 2.0, 3.0}) {
        accepted(powers::power_schedule{power});
        accepted(powers::unit_power_schedule{power});
    }
    accepted(schedule{});
    accepted(schedule_with_product{});
    accepted(schedule_with_time{});
    // sigma(1) is 6e-17 here, and 1 - alpha^2 loses half its digits near data.
    accepted(schedule{[](double t) { return std::sin(0.5 * pi * t); },
                      [](double t) { return std::cos(0.5 * pi * t); },
                      [](double t) { return 0.5 * pi * std::cos(0.5 * pi * t); },
                      [](double t) { return -0.5 * pi * std::sin(0.5 * pi * t); }});
    const auto root = [](double t) { return std::sqrt(1.0 - square(t)); };
    accepted(schedule_with_product{{[](double t) { return t; }, root, [](double) { return 1.0; },
                                    [root](double t) { return -t / root(t); }},
                                   [](double t) { return -t; }});
}

TEST_CASE("the ends: x_0 is N(0, I), x_1 the data") {
    // DDPM's betas as rates of the continuous schedule
    refused(diamond::variance_preserving_schedule{1e-4, 0.02},
            {"alpha(0) = 0.99498", "at most 0.07", "rates of 0.1 to 20"});
    refused(diamond::variance_preserving_schedule{0.1, 5.0}, {"alpha(0) = 0.2794", "alpha(0) must be 0"});
    refused(table(1e-4, 0.02, 100), {"alpha(0) must be 0", "cut short?"});
    // variance exploding
    refused(schedule{[](double) { return 1.0; }, [](double t) { return 80.0 * (1.0 - t); },
                     [](double) { return 0.0; }, [](double) { return -80.0; }},
            {"sigma(0) = 80", "variance explodes", "hypot(alpha, sigma)"});
    // constants
    refused(schedule{.alpha = [](double t) { return 0.9 * t; }, .d_alpha = [](double) { return 0.9; }},
            {"alpha(1) = 0.9,", "alpha(1) must be 1"});
    refused(schedule{.sigma = [](double t) { return 1.0 - 0.9 * t; }, .d_sigma = [](double) { return -0.9; }},
            {"sigma(1) = 0.09999999999999998", "sigma(1) must be 0"});
    refused(
        schedule{.sigma = [](double t) { return 2.0 * (1.0 - t); }, .d_sigma = [](double) { return -2.0; }},
        {"sigma(0) = 2,", "sigma(0) must be 1"});
    refused(schedule{.alpha = [](double t) { return 0.1 + 0.9 * t; }, .d_alpha = [](double) { return 0.9; }},
            {"alpha(0) = 0.1,", "alpha(0) must be 0"});
    refused(schedule{.alpha = [](double t) { return 1.1 * t - 0.1; }, .d_alpha = [](double) { return 1.1; }},
            {"alpha(0) = -0.1,", "alpha(0) must be 0"});
    // time the other way, in [0, 1] and in steps
    refused(schedule{[](double t) { return 1.0 - t; }, [](double t) { return t; },
                     [](double) { return -1.0; }, [](double) { return 1.0; }},
            {"alpha(0) = 1, sigma(0) = 0, alpha(1) = 0, sigma(1) = 1", "runs from data to noise",
             "give the network 1 - t"});
    refused(schedule{[](double k) { return 1.0 - k / 1000.0; }, [](double k) { return k / 1000.0; },
                     [](double) { return -1e-3; }, [](double) { return 1e-3; }},
            {"alpha(1) = 0.999", "runs from data to noise"});
    refused(schedule{[](double k) { return k / 999.0; }, [](double k) { return 1.0 - k / 999.0; },
                     [](double) { return 1.0 / 999.0; }, [](double) { return -1.0 / 999.0; }},
            {"sigma(1) = 0.998998998998999", "sigma(1) must be 0"});
}

TEST_CASE("between the ends: positive, finite, alpha/sigma growing") {
    refused(schedule{.alpha = [](double t) { return t == 0.5 ? NAN : t; }},
            {"alpha(0.5) = nan", "positive and finite"});
    refused(schedule{.alpha = [](double) { return NAN; }}, {"alpha(0) = nan", "must be finite"});
    refused(schedule{.sigma = [](double t) { return t == 0.0 ? infinity : 1.0 - t; }},
            {"sigma(0) = inf", "must be finite"});
    refused(schedule{.sigma = [](double t) { return t < 0.8 ? 1.0 - t / 0.8 : 0.0; },
                     .d_sigma = [](double) { return -1.25; }},
            {"sigma(0.875) = 0", "positive and finite"});
    refused(schedule{.alpha = [](double t) { return t + 0.3 * std::sin(2.0 * pi * t); },
                     .d_alpha = [](double t) { return 1.0 + 0.6 * pi * std::cos(2.0 * pi * t); }},
            {"alpha(0.375) = 0.587", "alpha(0.5) = 0.5", "alpha must grow"});
    // alpha/sigma that rests
    refused(
        schedule{.alpha = [](double t) { return t < 0.5 ? t
                                              : t < 0.8 ? 0.5
                                                        : 0.5 + 2.5 * (t - 0.8); },
                 .sigma = [](double t) { return t < 0.5 ? 1.0 - t
                                              : t < 0.8 ? 0.5
                                                        : 2.5 * (1.0 - t); },
                 .d_alpha = [](double t) { return t < 0.5 ? 1.0
                                                : t < 0.8 ? 0.0
                                                          : 2.5; },
                 .d_sigma = [](double t) { return t < 0.5 ? -1.0
                                                : t < 0.8 ? 0.0
                                                          : -2.5; }},
        {"alpha(0.5) = 0.5, alpha(0.625) = 0.5, sigma(0.5) = 0.5, sigma(0.625) = 0.5", "alpha/sigma grow"});
}

TEST_CASE("derivatives are those of alpha and sigma, in the time of the schedule") {
    refused(schedule{.d_sigma = [](double) { return 1.0; }},
            {"d_sigma(0.0009765625) = 1", "differences of sigma there give -", "its sign is turned round"});
    refused(schedule{.d_alpha = [](double) { return -1.0; }},
            {"d_alpha(0.0009765625) = -1", "its sign is turned round"});
    refused(schedule{.d_alpha = [](double) { return 1e-3; }, .d_sigma = [](double) { return -1e-3; }},
            {"d_alpha(0.0009765625) = 0.001", "not to a step or another time"});
    refused(schedule{.d_alpha = [](double) { return 1.01; }}, {"d_alpha(0.0009765625) = 1.01"});
    refused(schedule{.d_sigma = [](double t) { return t < 0.6 ? -1.0 : -0.5; }}, {"d_sigma(0.625) = -0.5"});
    refused(schedule{.d_sigma = [](double t) { return t == 0.75 ? NAN : -1.0; }}, {"d_sigma(0.75) = nan"});
    refused(schedule{.d_alpha = [](double t) { return t == 0.0 ? infinity : 1.0; }},
            {"d_alpha(0) = inf", "must be finite"});
    refused(schedule{.d_sigma = [](double t) { return t == 0.0 ? NAN : -1.0; }},
            {"d_sigma(0) = nan", "must be finite"});
    refused(schedule{.d_sigma = [](double t) { return t == 1.0 ? NAN : -1.0; }},
            {"d_sigma(1) = nan", "or -inf"});
    refused(schedule{.d_sigma = [](double t) { return t == 1.0 ? -infinity : -1.0; }},
            {"d_sigma(1) = -inf", "needs double sigma_d_sigma"});
}

TEST_CASE("what a schedule need not give is right where it gives it") {
    refused(schedule_with_product{{}, [](double t) { return 1.0 - t; }},
            {"sigma_d_sigma(0.0009765625) = 0.9990234375", "which is -0.9990234375"});
    refused(schedule_with_product{{}, [](double t) { return t < 1.0 ? t - 1.0 : -1.0; }},
            {"sigma_d_sigma(1) = -1", "the limit"});
    refused(schedule_with_product{{}, [](double t) { return t < 1.0 ? t - 1.0 : NAN; }},
            {"sigma_d_sigma(1) = nan", "the limit"});
    refused(schedule_with_time{{}, [](double a, double) { return a; }},
            {"time_at(0.000244140625, 0.249755859375) = 0.000244140625", "t = 0.0009765625", "any norm"});
    refused(schedule_with_time{{}, [](double a, double s) { return s / (a + s); }}, {"t = 0.0009765625"});
    refused(schedule_with_time{{}, [](double, double) { return NAN; }}, {"= nan"});
}

TEST_CASE("a check costs microseconds") {
    using clock = std::chrono::steady_clock;
    constexpr int n = 1000;
    double best = infinity; // of ten rounds: the machine may be busy
    for (int round = 0; round < 10; ++round) {
        const auto start = clock::now();
        for (int k = 0; k < n; ++k) check_schedule(diamond::cosine_schedule{0.008 + 1e-6 * k});
        best = std::min(best, std::chrono::duration<double>(clock::now() - start).count() / n);
    }
    MESSAGE("a check of the cosine schedule takes " << 1e6 * best << " microseconds");
    CHECK(best < 1e-3);
}

} // namespace schedule_check_schedule_test
