/// This header turns densities of noisy images into a bound on the bits of their grey levels.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "data_set.hpp"

namespace mnist {

/// Returns the bits of the density N(0, h^2 I) as one for 256 levels on [-1, 1], a pixel: no density of
/// images with that noise takes fewer in the mean.
inline double bits_of_noise(double h) {
    return std::log2(levels / 2.0 * h * std::sqrt(2.0 * std::numbers::pi * std::numbers::e));
}

/// This type bounds the bits of an image's 256 levels k by a density p of the noisy image y, which is uniform
/// in the cells of the levels plus N(0, h^2 I), of density r(y | k). A code that sends y, and then the levels
/// given y by any q(k | y), and gets back the bits by which y was chosen, takes
///   -log2 P(k) <= E_r[-log2 p(y) + log2 r(y | k) - log2 q(k | y)].
/// Here q is Bayes' posterior, pixel by pixel, of levels that have in pixel i the frequencies f_i(k) of the
/// training images: then log r - log q = log m_i(y_i) - log f_i(k_i), where m_i(y) = sum_k f_i(k) r(y | k).
class level_code {
public:
    /// `weight` images' worth of the levels of all pixels are added to each pixel's, so that no level is
    /// impossible.
    level_code(const images& train, double noise, double weight = 2.0)
        : noise_(noise), frequencies_(static_cast<std::size_t>(pixels)) {
        std::array<double, levels> of_all{};
        std::vector<std::array<double, levels>> counts(static_cast<std::size_t>(pixels));
        for (std::size_t e = 0; e < train.grey.size(); ++e) {
            counts[e % static_cast<std::size_t>(pixels)][train.grey[e]] += 1.0;
            of_all[train.grey[e]] += 1.0;
        }
        const auto n = static_cast<double>(train.count());
        for (std::size_t i = 0; i < counts.size(); ++i)
            for (std::size_t k = 0; k < of_all.size(); ++k)
                frequencies_[i][k] = (counts[i][k] + weight * (of_all[k] + 1.0) /
                                                         (n * static_cast<double>(pixels) + levels)) /
                                     (n + weight);
    }

    /// Returns f_i(k).
    [[nodiscard]] double frequency(index_t i, int k) const {
        return frequencies_[static_cast<std::size_t>(i)][static_cast<std::size_t>(k)];
    }
    /// Returns log2 m_i(y).
    [[nodiscard]] double log2_marginal(index_t i, double y) const {
        // Phi at the cells' edges; the cells are 1/128 long.
        const auto below = [&](int edge) {
            return 0.5 * std::erfc((edge / (levels / 2.0) - 1.0 - y) / (noise_ * std::numbers::sqrt2));
        };
        double sum = 0.0, last = below(0);
        for (int k = 0; k < levels; ++k) {
            const double next = below(k + 1);
            sum += frequency(i, k) * (last - next);
            last = next;
        }
        return std::log2(levels / 2.0 * sum);
    }
    /// Returns what is added to -log2 p(y)/784 to bound the bits of a level of this image, of which y is a
    /// draw.
    [[nodiscard]] double operator()(const std::uint8_t* image, const real* y) const {
        double sum = 0.0;
        for (index_t i = 0; i < pixels; ++i)
            sum += log2_marginal(i, static_cast<double>(y[i])) - std::log2(frequency(i, image[i]));
        return sum / static_cast<double>(pixels);
    }

private:
    double noise_;
    std::vector<std::array<double, levels>> frequencies_;
};

} // namespace mnist
