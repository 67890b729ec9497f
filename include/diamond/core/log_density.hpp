/// Gaussian log-densities are written here coordinate by coordinate: column_sums of them are the
/// log-densities of particles.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// Returns log N(x; 0, s^2) of one coordinate x, with s the deviation, s > 0.
DIAMOND_HD inline double log_normal_density(double x, double deviation) {
    return -0.5 * square(x / deviation) - std::log(deviation) - 0.5 * std::log(2.0 * pi);
}

/// Returns the share of coordinate i in log N(x; scale z, s^2 I), with s the deviation: x is d x N, z is d x
/// (N M), and column m of z belongs to column m / M of x, with M = samples.
template <class View>
struct transition_density_term {
    View x, z;
    double scale, deviation;
    index_t samples;
    DIAMOND_HD double operator()(index_t i, index_t m) const {
        const double miss = static_cast<double>(x(i, m / samples)) - scale * static_cast<double>(z(i, m));
        return log_normal_density(miss, deviation);
    }
};

} // namespace diamond::detail
