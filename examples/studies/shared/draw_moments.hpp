/// This header computes what draws from a posterior say about its mean and spread.
#pragma once

#include <diamond/core/scalar.hpp>

namespace studies {

using diamond::index_t;

/// This type holds sums over the coordinates of a point: of the squared error of the mean of its draws, with
/// the Monte Carlo part subtracted, and of the variances of the draws.
struct draw_moments {
    double error = 0.0, variance = 0.0;

    draw_moments& operator+=(const draw_moments& other) {
        error += other.error;
        variance += other.variance;
        return *this;
    }
};
/// Returns them for M draws z, rows x M, of which `mean` is the true mean, rows numbers.
inline draw_moments moments_of_draws(const float* z, const float* mean, index_t rows, index_t m) {
    draw_moments sums;
    const auto count = static_cast<double>(m);
    for (index_t i = 0; i < rows; ++i) {
        double sum = 0.0, squares = 0.0;
        for (index_t k = 0; k < m; ++k) {
            const auto value = static_cast<double>(z[i + rows * k]);
            sum += value;
            squares += value * value;
        }
        const double found = sum / count, variance = (squares - sum * found) / (count - 1.0);
        sums.variance += variance;
        sums.error += diamond::square(found - static_cast<double>(mean[i])) - variance / count;
    }
    return sums;
}

} // namespace studies
