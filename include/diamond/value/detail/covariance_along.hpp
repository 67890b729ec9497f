/// The covariance of a particle's draws with a number of each, from which guidance by moments is made.
/// (eq. moment-gradient), (eq. cumulant-gradient).
#pragma once

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// Writes to out(i, j) factor Cov(z_i, q) of particle j by its draws z and a number q of each, which adds up
/// to 0 over a particle's, so that a common shift of z adds nothing. The covariance is unbiased: of
/// independent draws over M - 1; of P pairs that of half the differences over P, and that of the means over P
/// - 1.
template <class View, class ConstView, class Row>
struct covariance_along {
    ConstView z; ///< d x (N M)
    Row q;
    double factor;
    index_t samples;
    bool pairs;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t begin = j * samples;
        const double shift = static_cast<double>(z(i, begin)), count = static_cast<double>(samples / 2);
        double sum = 0.0;
        if (pairs) {
            for (index_t m = begin; m < begin + samples; m += 2) {
                const double a = static_cast<double>(z(i, m)) - shift,
                             b = static_cast<double>(z(i, m + 1)) - shift;
                sum += (q[m] - q[m + 1]) * (a - b) / (4.0 * count) +
                       (q[m] + q[m + 1]) * (a + b) / (4.0 * (count - 1.0));
            }
        } else {
            for (index_t m = begin; m < begin + samples; ++m)
                sum += q[m] * (static_cast<double>(z(i, m)) - shift) / static_cast<double>(samples - 1);
        }
        out(i, j) = static_cast<typename View::value_type>(factor * sum);
    }
};

} // namespace diamond::detail
