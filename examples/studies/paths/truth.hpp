/// This header finds by brute force what every method should have found: feasible paths among millions of
/// draws of the same chain without weights.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../shared/progress_line.hpp"
#include "scene.hpp"
#include "training.hpp"

namespace paths {

/// What brute force says of one problem.
struct truth {
    index_t draws = 0, feasible = 0;
    std::vector<double> mean = std::vector<double>(dimension, 0.0); ///< of the feasible paths
    double variance = 0.0;   ///< of the feasible paths, summed over the coordinates
    std::vector<float> some; ///< a few feasible paths, one behind the other
    [[nodiscard]] double log_z() const {
        return std::log(static_cast<double>(feasible) / static_cast<double>(draws));
    }
    [[nodiscard]] double standard_error() const {
        return std::sqrt(1.0 / static_cast<double>(feasible) - 1.0 / static_cast<double>(draws));
    }
    /// Returns the error of the mean of n draws, the root of its mean square.
    [[nodiscard]] double floor(index_t n) const { return std::sqrt(variance / static_cast<double>(n)); }
};

/// Draws paths by the chain of the learned map in so many steps, and counts those that each problem allows.
/// @throws std::runtime_error where a problem allows fewer than ten of them.
inline std::vector<truth> brute_force(const context& where, const network& net,
                                      const std::vector<problem>& problems, index_t steps, index_t draws,
                                      philox rng) {
    constexpr index_t block = 65'536;
    constexpr std::size_t shown = 64;
    std::vector<truth> found(problems.size());
    std::vector<std::vector<double>> squares(problems.size(), std::vector<double>(dimension, 0.0));
    const studies::progress_line progress;
    diamond::chain run(diamond::early_stop_kernel{diamond::network_diamond_map{net}},
                       {.particles = block, .steps = steps});
    for (index_t drawn = 0, b = 0; drawn < draws; drawn += block, ++b) {
        progress.show("brute force in " + std::to_string(steps) + " steps: " + std::to_string(drawn) +
                      " of " + std::to_string(draws) + " paths");
        const auto paths = run(where, rng.split(static_cast<std::uint64_t>(b))).particles;
        for (std::size_t k = 0; k < problems.size(); ++k) {
            const constraint allowed{problems[k].of};
            truth& of = found[k];
            of.draws += block;
            for (index_t j = 0; j < block; ++j) {
                const auto path = paths.read().column(j);
                if (allowed(path) < 0.0) continue;
                ++of.feasible;
                for (index_t i = 0; i < dimension; ++i) {
                    const double x = static_cast<double>(path[i]);
                    of.mean[static_cast<std::size_t>(i)] += x;
                    squares[k][static_cast<std::size_t>(i)] += square(x);
                }
                if (of.some.size() < shown * dimension)
                    of.some.insert(of.some.end(), path.begin(), path.end());
            }
        }
    }
    progress.finish("brute force in " + std::to_string(steps) + " steps: " + std::to_string(found[0].draws) +
                    " paths");
    for (std::size_t k = 0; k < problems.size(); ++k) {
        truth& of = found[k];
        if (of.feasible < 10)
            throw std::runtime_error(problems[k].name + ": brute force of " + std::to_string(of.draws) +
                                     " paths found " + std::to_string(of.feasible) +
                                     " feasible ones, at least 10 are needed: take more --truth");
        const auto n = static_cast<double>(of.feasible);
        for (std::size_t i = 0; i < of.mean.size(); ++i) {
            of.mean[i] /= n;
            of.variance += std::max(squares[k][i] / n - square(of.mean[i]), 0.0);
        }
    }
    return found;
}

} // namespace paths
