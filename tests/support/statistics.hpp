/// This header computes means, covariances and standard errors of samples, in double on the host, and the
/// bounds of random tests.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <diamond/core/batch.hpp>

namespace statistics {

using diamond::index_t;

/// This type holds samples as the columns of a d x N matrix.
struct samples {
    index_t rows = 0, columns = 0;
    std::vector<double> values;

    samples(index_t d, index_t n, std::vector<double> numbers)
        : rows(d), columns(n), values(std::move(numbers)) {}
    template <class Real, class Context>
    explicit samples(const diamond::owning_batch<Real, Context>& batch)
        : rows(batch.rows()), columns(batch.columns()) {
        const auto host = diamond::to_host(batch);
        values.assign(host.begin(), host.end());
    }
    [[nodiscard]] double operator()(index_t i, index_t j) const {
        return values[static_cast<std::size_t>(i + rows * j)];
    }
};

/// An estimate is an average with its standard error.
struct estimate {
    double value = 0.0, standard_error = 0.0;
};

/// Returns the average of f(j) over j < n and its standard error, the square root of the sample variance over
/// n.
template <class F>
[[nodiscard]] estimate average(index_t n, const F& f) {
    double mean = 0.0, squares = 0.0; // Welford's recursion
    for (index_t j = 0; j < n; ++j) {
        const double value = f(j), before = value - mean;
        mean += before / static_cast<double>(j + 1);
        squares += before * (value - mean);
    }
    return {mean, std::sqrt(squares / static_cast<double>(n - 1) / static_cast<double>(n))};
}
[[nodiscard]] inline estimate average(const std::vector<double>& values) {
    return average(static_cast<index_t>(values.size()),
                   [&](index_t j) { return values[static_cast<std::size_t>(j)]; });
}
[[nodiscard]] inline estimate mean(const samples& x, index_t i) {
    return average(x.columns, [&](index_t j) { return x(i, j); });
}
/// Returns E[(x_i - m_i)(x_k - m_k)] about a known mean m.
[[nodiscard]] inline estimate covariance(const samples& x, index_t i, index_t k, double mean_i,
                                         double mean_k) {
    return average(x.columns, [&](index_t j) { return (x(i, j) - mean_i) * (x(k, j) - mean_k); });
}

/// Returns whether the truth lies within `bound` standard errors. `floor` allows for rounding where the
/// standard error is 0. For normal estimates, a single test at 4.5 fails by chance once in 147,000.
[[nodiscard]] inline bool within(double value, double truth, double standard_error, double bound = 4.5,
                                 double floor = 1e-12) {
    return std::abs(value - truth) <= bound * standard_error + floor;
}
[[nodiscard]] inline bool within(const estimate& e, double truth, double bound = 4.5, double floor = 1e-12) {
    return within(e.value, truth, e.standard_error, bound, floor);
}

/// Returns the largest |a - b| / (1 + |b|).
template <class A, class B>
[[nodiscard]] double largest_error(const A& a, const B& b) {
    double largest = a.size() == b.size() ? 0.0 : diamond::infinity;
    std::size_t i = 0;
    for (auto other = b.begin(); other != b.end() && i < a.size(); ++other, ++i) {
        const double error = std::abs(static_cast<double>(a[i]) - static_cast<double>(*other)) /
                             (1.0 + std::abs(static_cast<double>(*other)));
        if (!(error <= largest)) largest = error; // so that a NaN is seen
    }
    return largest;
}

} // namespace statistics
