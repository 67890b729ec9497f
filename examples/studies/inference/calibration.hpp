/// This header checks the calibration of learned posteriors by ranks (simulation-based calibration: S. Talts,
/// M. Betancourt, D. Simpson, A. Vehtari, A. Gelman, arXiv 1804.06788).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "posterior.hpp"

namespace inference {

/// The ranks of true parameters among posterior draws, coordinate by coordinate.
struct calibration {
    static constexpr index_t draws = 99, bins = 10; ///< a rank is 0 ... 99, ten of them a bin

    index_t problems = 0;
    std::vector<std::array<double, bins>> counts; ///< by coordinate
    std::vector<double> p_values;                 ///< of a chi-squared test of even counts, by coordinate

    /// Says whether no coordinate's test rejects at `level`, divided by their number.
    [[nodiscard]] bool uniform(double level) const {
        for (const double p : p_values)
            if (!(p >= level / static_cast<double>(p_values.size()))) return false;
        return true;
    }
    [[nodiscard]] double least() const { return *std::min_element(p_values.begin(), p_values.end()); }
};

/// Returns the chance that a chi-squared number of 9 degrees of freedom is above x.
inline double chi_squared_tail(double x) {
    static_assert(calibration::bins == 10);
    return std::erfc(std::sqrt(0.5 * x)) + std::exp(-0.5 * x) * std::sqrt(2.0 * x / diamond::pi) *
                                               (1.0 + x / 3.0 + x * x / 15.0 + x * x * x / 105.0);
}

/// Draws parameters from the prior and an observation of each, and 99 draws of each posterior by k jumps of
/// the network, all in one call: each observation is its columns' condition.
template <inference_task Task, class Network>
calibration calibrate(const context& where, const Network& network, index_t problems, index_t k,
                      diamond::philox rng) {
    constexpr index_t d = Task::parameters, each = calibration::draws;
    const simulations truth = simulate_many<Task>(rng.split(0), problems);
    std::vector<float> repeated;
    for (index_t j = 0; j < problems * each; ++j) {
        const auto x = truth.x.begin() + j / each * Task::numbers;
        repeated.insert(repeated.end(), x, x + Task::numbers);
    }
    const auto given = diamond::from_host<float>(where, Task::numbers, problems * each, repeated);
    const auto z = draw(where, network, diamond::condition_vectors<batch>(given.read()), problems * each, k,
                        rng.split(1).stream(diamond::purpose::user))
                       .z;
    calibration result;
    result.problems = problems;
    const double expected = static_cast<double>(problems) / calibration::bins;
    for (index_t i = 0; i < d; ++i) {
        auto& counts = result.counts.emplace_back();
        for (index_t j = 0; j < problems; ++j) {
            const float own = truth.z[static_cast<std::size_t>(i + d * j)];
            index_t rank = 0;
            for (index_t m = 0; m < each; ++m)
                rank += z[static_cast<std::size_t>(i + d * (j * each + m))] < own;
            counts[static_cast<std::size_t>(rank * calibration::bins / (each + 1))] += 1.0;
        }
        double statistic = 0.0;
        for (const double count : counts) statistic += diamond::square(count - expected) / expected;
        result.p_values.push_back(chi_squared_tail(statistic));
    }
    return result;
}

} // namespace inference
