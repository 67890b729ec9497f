/// Shares of Gaussian log-densities, and sums of log-densities a column: what densities of maps and kernels are made of.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// A coordinate's share of log N(x; 0, s^2 I).
template <class Real>
struct base_density_term {
    const Real* x;
    index_t     rows;
    double      deviation;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        return -0.5 * square(static_cast<double>(x[i + rows * j]) / deviation) - std::log(deviation) - 0.5 * std::log(2.0 * pi);
    }
};
/// A coordinate's share of log N(x; scale z, s^2 I), column m of z belonging to column m / samples of x.
template <class Real>
struct transition_density_term {
    const Real *x, *z;
    double      scale, deviation;
    index_t     rows, samples;
    DIAMOND_HD double operator()(index_t i, index_t m) const {
        const double miss = static_cast<double>(x[i + rows * (m / samples)]) - scale * static_cast<double>(z[i + rows * m]);
        return -0.5 * square(miss / deviation) - std::log(deviation) - 0.5 * std::log(2.0 * pi);
    }
};
/// total += scale term, or begins with it.
struct add_scaled_number {
    double        scale;
    const double* term;
    bool          first;
    double*       total;
    DIAMOND_HD void operator()(index_t j) const { total[j] = (first ? 0.0 : total[j]) + scale * term[j]; }
};
struct add_constant {
    double  constant;
    double* total;
    DIAMOND_HD void operator()(index_t j) const { total[j] += constant; }
};
struct fill_number {
    double  value;
    double* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = value; }
};

} // namespace diamond::detail
