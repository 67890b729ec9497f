/// This header finds by brute force what every method should have found: feasible paths among millions of
/// draws of the same chain, by the same times, without weights.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../shared/progress_line.hpp"
#include "scene.hpp"
#include "training.hpp"

namespace paths {

/// The number of paths that are drawn at once.
inline constexpr index_t block = 65'536;

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
    /// Returns the error of the mean of n allowed paths, the root of its mean square; that of the truth
    /// itself is floor(feasible).
    [[nodiscard]] double floor(index_t n) const { return std::sqrt(variance / static_cast<double>(n)); }
};

/// Counts the paths that each problem allows among `draws` of a law, and returns a truth for each problem.
/// `draw(b)` gives the b-th block of 65,536 paths; `name` says whose they are.
/// @throws std::runtime_error where a problem allows fewer than ten of them.
template <class Draw>
std::vector<truth> brute_force(const std::string& name, const std::vector<problem>& problems, index_t draws,
                               const Draw& draw) {
    constexpr std::size_t shown = 64;
    std::vector<truth> found(problems.size());
    std::vector<std::vector<double>> squares(problems.size(), std::vector<double>(dimension, 0.0));
    const studies::progress_line progress;
    for (index_t drawn = 0, b = 0; drawn < draws; drawn += block, ++b) {
        progress.show("brute force, " + name + ": " + std::to_string(drawn) + " of " + std::to_string(draws) +
                      " paths");
        const batch paths = draw(static_cast<std::uint64_t>(b));
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
    progress.finish("brute force, " + name + ": " + std::to_string(found[0].draws) + " paths");
    for (std::size_t k = 0; k < problems.size(); ++k) {
        truth& of = found[k];
        if (of.feasible < 10)
            throw std::runtime_error(problems[k].name + ", " + name + ": brute force of " +
                                     std::to_string(of.draws) + " paths found " +
                                     std::to_string(of.feasible) +
                                     " feasible ones, at least 10 are needed: take more --truth");
        const auto n = static_cast<double>(of.feasible);
        for (std::size_t i = 0; i < of.mean.size(); ++i) {
            of.mean[i] /= n;
            of.variance += std::max(squares[k][i] / n - square(of.mean[i]), 0.0);
        }
    }
    return found;
}

/// Does so for the chain of the learned map on a grid of times.
inline std::vector<truth> brute_force(const std::string& name, const context& where, const network& net,
                                      const std::vector<problem>& problems, const std::vector<double>& times,
                                      index_t draws, philox rng) {
    diamond::chain run(diamond::early_stop_kernel{diamond::network_diamond_map{net}},
                       {.particles = block, .times = times});
    return brute_force(name, problems, draws,
                       [&](std::uint64_t b) { return std::move(run(where, rng.split(b)).particles); });
}

} // namespace paths
