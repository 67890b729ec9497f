/// This header compares numbers image by image.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace studies {

/// This type says what numbers are, and how they differ from others of the same images.
struct comparison {
    double mean = NAN, standard_error = NAN; ///< of the numbers
    double difference = NAN;                 ///< their mean minus that of the others
    double difference_error = NAN;           ///< its standard error, of the differences image by image
    double root_mean_square = NAN;           ///< of the differences
    double correlation = NAN;                ///< over the images
};

/// Compares numbers with others of the same images. What one image does not tell is NaN for one image.
inline comparison compare(std::span<const double> values, std::span<const double> reference) {
    diamond::require(!values.empty() && values.size() == reference.size(), [&] {
        return std::to_string(values.size()) + " numbers cannot be compared with " +
               std::to_string(reference.size()) + ": as many are needed, and at least one";
    });
    const auto n = static_cast<double>(values.size());
    double mean = 0.0, mean_r = 0.0, xx = 0.0, yy = 0.0, xy = 0.0, dd = 0.0, squares = 0.0;
    for (std::size_t j = 0; j < values.size(); ++j) {
        mean += values[j] / n;
        mean_r += reference[j] / n;
    }
    const double difference = mean - mean_r;
    for (std::size_t j = 0; j < values.size(); ++j) {
        xx += diamond::square(values[j] - mean);
        yy += diamond::square(reference[j] - mean_r);
        xy += (values[j] - mean) * (reference[j] - mean_r);
        dd += diamond::square(values[j] - reference[j] - difference);
        squares += diamond::square(values[j] - reference[j]) / n;
    }
    return {.mean = mean,
            .standard_error = std::sqrt(xx / n / (n - 1.0)),
            .difference = difference,
            .difference_error = std::sqrt(dd / n / (n - 1.0)),
            .root_mean_square = std::sqrt(squares),
            .correlation = xy / std::sqrt(xx * yy)};
}

} // namespace studies
