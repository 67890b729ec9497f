/// The law of the study: images of two blobs on 8 x 8 pixels, with its exact posteriors.
#pragma once

#include <cmath>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

namespace blobs {

using diamond::index_t, diamond::linear_schedule;
using batch = diamond::eigen::batch<float>;
using context = diamond::eigen::context;
using law = diamond::gaussian_mixture<batch, linear_schedule>;

inline constexpr index_t side = 8, pixels = side * side;
inline constexpr double blob_radius = 1.0; ///< deviation of a blob's brightness, in pixels
inline constexpr double pixel_noise = 0.1; ///< deviation of each pixel about the sum of its blobs

/// The images exp(-|p - a|^2/2) + exp(-|p - b|^2/2) with noise, for a and b on the grid of pixels, each pair
/// of places as likely as another: a mixture of 64 65/2 Gaussians.
[[nodiscard]] inline law two_blobs(const context& where) {
    std::vector<double> means, weights;
    const auto brightness = [](index_t pixel, index_t centre) {
        const auto square = [](index_t difference) { return static_cast<double>(difference * difference); };
        return std::exp(-(square(pixel % side - centre % side) + square(pixel / side - centre / side)) /
                        (2.0 * blob_radius * blob_radius));
    };
    for (index_t a = 0; a < pixels; ++a)
        for (index_t b = 0; b <= a; ++b) {
            for (index_t p = 0; p < pixels; ++p) means.push_back(brightness(p, a) + brightness(p, b));
            weights.push_back(a == b ? 1.0 : 2.0);
        }
    std::vector<double> variances(weights.size(), pixel_noise * pixel_noise);
    return {where, {}, std::move(weights), std::move(means), std::move(variances)};
}

} // namespace blobs
