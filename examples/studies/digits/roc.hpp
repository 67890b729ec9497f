/// This header measures how well a score separates two kinds: the area under its ROC curve, with DeLong's
/// standard error.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace digits {

/// The area under the ROC curve is the share of pairs in which the changed image scores above the unchanged
/// one, where ties count half.
struct roc {
    double area = NAN;
    /// The influence of each pair of an image and what it was changed into; the influences sum to 0.
    std::vector<double> influence = {};
};

/// Returns the area for pairs j of an image and what was made of it, by [DeLong, DeLong and Clarke-Pearson
/// 1988] in the form for such pairs [Obuchowski 1997]: an image and its changed one are not independent, so
/// their placements are added before the variance is taken.
/// @throws std::invalid_argument unless there are as many of one kind as of the other, and at least two.
inline roc roc_of(const std::vector<double>& unchanged, const std::vector<double>& changed) {
    diamond::require(unchanged.size() == changed.size() && changed.size() >= 2, [&] {
        return "an ROC curve of " + std::to_string(unchanged.size()) + " images and " +
               std::to_string(changed.size()) + " changed ones: as many of both are needed, two at least";
    });
    const auto n = static_cast<double>(changed.size());
    // Placements say how many of the others lie on the right side, where ties count half. Counts are exact,
    // so that an area of 1 is 1.
    const auto below = [](const std::vector<double>& sorted, double x) {
        const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), x);
        return static_cast<double>(first - sorted.begin()) + 0.5 * static_cast<double>(last - first);
    };
    auto low = unchanged, high = changed;
    std::ranges::sort(low);
    std::ranges::sort(high);
    roc result{.area = NAN, .influence = std::vector<double>(changed.size())};
    double pairs = 0.0;
    for (std::size_t j = 0; j < changed.size(); ++j) {
        const double of_changed = below(low, changed[j]);
        pairs += of_changed;
        result.influence[j] = (of_changed + n - below(high, unchanged[j])) / n;
    }
    result.area = pairs / (n * n);
    for (double& share : result.influence) share -= 2.0 * result.area;
    return result;
}

/// Returns the standard error of an area, or of the difference of two areas on the same images. There is none
/// where nothing varies, for instance where the area is 1.
inline std::optional<double> standard_error(const roc& one, const roc* minus = nullptr) {
    const auto n = static_cast<double>(one.influence.size());
    double sum = 0.0;
    for (std::size_t j = 0; j < one.influence.size(); ++j)
        sum += diamond::square(one.influence[j] - (minus ? minus->influence[j] : 0.0));
    return sum > 0.0 ? std::optional(std::sqrt(sum / n / (n - 1.0))) : std::nullopt;
}

} // namespace digits
