/// The singular vectors of an affine measurement, found from its values.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/reward/detail/symmetric_eigen.hpp>

namespace diamond::detail {

/// An affine measurement A(z) = W z + A(0) by its singular vectors, W = U diag(s) V^T, of which those are
/// kept whose s is not 0 to rounding: k <= m of them.
template <class Batch>
struct singular_measurement {
    Batch left;                     ///< U, m x k
    Batch right;                    ///< V, d x k
    rebind_t<Batch, double> values; ///< s, k x 1
    std::vector<double> on_host;    ///< s, k numbers
    std::vector<double> norms;      ///< |v_i|^2 of the columns of V as they are rounded, k numbers
};
/// Finds the singular vectors of a measurement from its values at 0 and the unit vectors. Cost: d + 2
/// evaluations of the measurement, m^2 d operations and d (d + 2) numbers on the host, and the eigenvectors
/// of an m x m matrix. @throws std::invalid_argument for a measurement that is not affine, as far as these
/// points tell.
template <class Measurement, class Context>
[[nodiscard]] auto singular_vectors_of(const Context& context, Measurement measurement) {
    using batch_type = typename Measurement::batch_type;
    using real = typename batch_type::value_type;
    const auto d = static_cast<index_t>(measurement.dimension()),
               m = static_cast<index_t>(measurement.outputs());
    const auto size = [](index_t rows, index_t columns) { return static_cast<std::size_t>(rows * columns); };
    // The columns are the unit vectors, 0, and -2 times the sum of unit vectors.
    std::vector<real> points(size(d, d + 2));
    for (index_t i = 0; i < d; ++i) {
        points[static_cast<std::size_t>(i + d * i)] = real{1};
        points[static_cast<std::size_t>(i + d * (d + 1))] = real{-2};
    }
    const auto z = from_host<real>(context, d, d + 2, points);
    batch_type seen(context, m, d + 2);
    measurement(z.read(), seen.mutable_view());
    const auto numbers = to_host(seen);
    const auto measured = [&](index_t k, index_t j) {
        return static_cast<double>(numbers[static_cast<std::size_t>(k + m * j)]);
    };
    std::vector<double> w(size(m, d)), gram(size(m, m));
    double scale = 0.0, miss = 0.0;
    for (index_t k = 0; k < m; ++k) {
        double total = 0.0, size_of_row = 0.0;
        for (index_t i = 0; i < d; ++i) {
            const double entry = measured(k, i) - measured(k, d);
            w[static_cast<std::size_t>(k + m * i)] = entry;
            total += entry;
            size_of_row += std::abs(entry);
        }
        scale = std::max(scale, 2.0 * size_of_row + std::abs(measured(k, d)));
        miss = std::max(miss, std::abs(measured(k, d + 1) - measured(k, d) + 2.0 * total));
    }
    require(
        std::isfinite(scale) &&
            miss <= 64.0 * static_cast<double>(std::numeric_limits<real>::epsilon()) * scale,
        "a measurement by its singular vectors must be affine, A(z) = W z + b, and finite: take moment_value "
        "for its value, and guide with value_guided_kernel");
    for (index_t i = 0; i < d; ++i)
        for (index_t b = 0; b < m; ++b)
            for (index_t a = 0; a < m; ++a)
                gram[static_cast<std::size_t>(a + m * b)] += w[static_cast<std::size_t>(a + m * i)] *
                                                             w[static_cast<std::size_t>(b + m * i)];
    const symmetric_eigen eigen(context, gram, m);
    const double least = 16.0 * static_cast<double>(m) * std::numeric_limits<double>::epsilon() *
                         eigen.values.back();
    std::vector<real> left, right;
    std::vector<double> values, norms;
    for (index_t k = 0; k < m; ++k) {
        const double square_of_value = eigen.values[static_cast<std::size_t>(k)];
        if (!(square_of_value > least)) continue;
        const double value = std::sqrt(square_of_value);
        values.push_back(value);
        const double* const u = eigen.vectors.data() + m * k;
        for (index_t a = 0; a < m; ++a) left.push_back(static_cast<real>(u[a]));
        double norm = 0.0;
        for (index_t i = 0; i < d; ++i) {
            double sum = 0.0;
            for (index_t a = 0; a < m; ++a) sum += w[static_cast<std::size_t>(a + m * i)] * u[a];
            right.push_back(static_cast<real>(sum / value));
            norm += square(static_cast<double>(right.back()));
        }
        norms.push_back(norm);
    }
    require(!values.empty(), "a measurement by its singular vectors must not be constant");
    const auto k = static_cast<index_t>(values.size());
    return singular_measurement<batch_type>{.left = from_host<real>(context, m, k, left),
                                            .right = from_host<real>(context, d, k, right),
                                            .values = from_host<double>(context, k, 1, values),
                                            .on_host = values,
                                            .norms = norms};
}

} // namespace diamond::detail
