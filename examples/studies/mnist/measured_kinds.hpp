/// This header says what is seen of an image: a part of it, or a smaller image.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <diamond/calibration/posterior_summary.hpp>
#include <diamond/measurement/any_measurement.hpp>
#include <diamond/measurement/down_sampling_measurement.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>

#include "classifier.hpp"

namespace mnist {

using measurement = diamond::any_measurement<batch>;
using measurement_reward = diamond::gaussian_measurement_reward<measurement>;

/// A kind of measurement: what is seen, which pixels are not, and regions of which means are judged.
struct measured_kind {
    std::string name, title;
    measurement of;
    std::vector<index_t> seen = {};    ///< the pixels of a mask; empty of means of blocks
    std::vector<index_t> unknown = {}; ///< pixels
    std::vector<std::vector<index_t>> regions = {};
};

/// Returns the pixels of a rectangle.
inline std::vector<index_t> rectangle(index_t left, index_t top, index_t width, index_t height) {
    std::vector<index_t> result;
    for (index_t y = top; y < top + height; ++y)
        for (index_t x = left; x < left + width; ++x) result.push_back(x + side * y);
    return result;
}
/// Returns the blocks of so many pixels each way of a rectangle, which they divide.
inline std::vector<std::vector<index_t>> blocks_of(index_t left, index_t top, index_t width, index_t height,
                                                   index_t block) {
    std::vector<std::vector<index_t>> result;
    for (index_t y = top; y < top + height; y += block)
        for (index_t x = left; x < left + width; x += block) result.push_back(rectangle(x, y, block, block));
    return result;
}
/// Returns the other pixels of an image.
inline std::vector<index_t> others(const std::vector<index_t>& than) {
    std::vector<index_t> result;
    for (index_t i = 0; i < pixels; ++i)
        if (std::ranges::find(than, i) == than.end()) result.push_back(i);
    return result;
}

inline std::vector<std::string> kind_names() { return {"middle", "lower", "small"}; }

/// Returns the kinds of measurement by their names.
inline std::vector<measured_kind> measured_kinds(const context& on) {
    const auto masked = [&](std::string name, std::string title, std::vector<index_t> unknown,
                            std::vector<std::vector<index_t>> regions) {
        auto seen = others(unknown);
        const diamond::mask_measurement<batch> mask{on, pixels, seen};
        return measured_kind{std::move(name), std::move(title),   mask,
                             std::move(seen), std::move(unknown), std::move(regions)};
    };
    constexpr index_t hole = 12, first = (side - hole) / 2, factor = 4;
    return {masked("middle", "The middle of 12 x 12 pixels unknown", rectangle(first, first, hole, hole),
                   blocks_of(first, first, hole, hole, 4)),
            masked("lower", "The lower half unknown", rectangle(0, side / 2, side, side / 2),
                   blocks_of(0, side / 2, side, side / 2, 7)),
            {"small",
             "Means of blocks of 4 x 4 pixels seen",
             diamond::down_sampling_measurement<batch>{shape, factor},
             {},
             rectangle(0, 0, side, side),
             blocks_of(0, 0, side, side, 2)}};
}

/// Returns rows of samples, or means of rows, as samples of their own.
inline diamond::weighted_samples means_of(const diamond::weighted_samples& of,
                                          const std::vector<std::vector<index_t>>& regions) {
    diamond::weighted_samples result{.dimension = static_cast<index_t>(regions.size()),
                                     .weights = of.weights};
    for (index_t j = 0; j < of.count(); ++j)
        for (const auto& region : regions) {
            double sum = 0.0;
            for (const index_t i : region) sum += of(i, j);
            result.values.push_back(sum / static_cast<double>(region.size()));
        }
    return result;
}
inline std::vector<std::vector<index_t>> each_alone(const std::vector<index_t>& rows) {
    std::vector<std::vector<index_t>> result;
    for (const index_t i : rows) result.push_back({i});
    return result;
}

} // namespace mnist
