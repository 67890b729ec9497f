/// This header computes estimates and their standard errors.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <Eigen/Core>

#include <diamond/core/scalar.hpp>

namespace mnist {

using diamond::index_t;

/// This type holds an estimate and its standard error.
struct estimate {
    double value = NAN, standard_error = NAN;
};

/// Returns the variance of a statistic by the jackknife: (G - 1)/G sum_g (v_g - mean)^2, where v_g is what it
/// is without group g of G.
template <class Without>
double jackknife_variance(index_t groups, const Without& without) {
    Eigen::ArrayXd values(groups);
    for (index_t g = 0; g < groups; ++g) values[g] = without(g);
    const auto all = static_cast<double>(groups);
    return (all - 1.0) / all * (values - values.mean()).square().sum();
}

/// Returns sum x/sum y and its error by the delta method, for pairs (x_j, y_j) that are independent.
inline estimate ratio_of(const std::vector<double>& x, const std::vector<double>& y) {
    double above = 0.0, below = 0.0, squares = 0.0;
    for (std::size_t j = 0; j < x.size(); ++j) {
        above += x[j];
        below += y[j];
    }
    const double ratio = above / below, n = static_cast<double>(x.size());
    for (std::size_t j = 0; j < x.size(); ++j) squares += diamond::square(x[j] - ratio * y[j]);
    return {ratio, std::sqrt(squares * n / (n - 1.0)) / below};
}

} // namespace mnist
