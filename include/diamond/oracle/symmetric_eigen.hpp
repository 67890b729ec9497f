/// Eigendecomposition of a symmetric matrix of parameters: the back end's, with its numbers on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// a b, d x d each, column by column, on the host: blocks of a stay in the cache.
[[nodiscard]] inline std::vector<double> multiply(const std::vector<double>& a, const std::vector<double>& b, index_t d) {
    constexpr index_t   block = 64; // columns of a
    std::vector<double> product(a.size());
    for (index_t first = 0; first < d; first += block)
        for (index_t j = 0; j < d; ++j)
            for (index_t k = first; k < std::min(first + block, d); ++k) {
                const double        factor = b[static_cast<std::size_t>(k + d * j)];
                const double* const from   = a.data() + d * k;
                double* const       to     = product.data() + d * j;
                for (index_t i = 0; i < d; ++i) to[i] += from[i] * factor;
            }
    return product;
}

/// A = U diag(values) U^T, A d x d column by column; values ascend, each to rounding of the largest. Of each column of U the first entry
/// near its largest is positive, so that back ends agree on signs.
struct symmetric_eigen {
    index_t             d;
    std::vector<double> vectors, values;

    /// @throws std::invalid_argument unless A is d x d, finite and symmetric to rounding.
    template <class Context>
    symmetric_eigen(const Context& context, std::vector<double> a, index_t dimension) : d(dimension) {
        require(static_cast<index_t>(a.size()) == d * d,
                [&] { return "a covariance of " + digits_of(a.size()) + " numbers for dimension " + digits_of(d) + ": d x d are needed"; });
        constexpr double symmetric = 1e-8; // of the largest entry: single precision input passes
        double           largest   = 0.0;
        for (const double value : a) {
            require(std::isfinite(value), "a covariance's entries must be finite");
            largest = std::max(largest, std::abs(value));
        }
        for (index_t j = 0; j < d; ++j)
            for (index_t i = 0; i < j; ++i) {
                double &upper = a[at(i, j)], &lower = a[at(j, i)];
                require(std::abs(upper - lower) <= symmetric * largest, [&] {
                    return "a covariance must be symmetric: entries (" + digits_of(i) + ", " + digits_of(j) + ") are " + digits_of(upper) +
                           " and " + digits_of(lower);
                });
                upper = lower = 0.5 * (upper + lower);
            }
        auto matrix = from_host<double>(context, d, d, a);
        auto found  = owning_batch<double, Context>(context, d, 1);
        context.symmetric_eigen(matrix.mutable_view(), found.data());
        vectors = to_host(matrix);
        values  = to_host(found);
        for (index_t k = 0; k < d; ++k) choose_sign(vectors.data() + d * k);
    }

    /// U diag(f) U^T, d x d.
    [[nodiscard]] std::vector<double> compose(const std::vector<double>& f) const {
        std::vector<double> scaled(vectors.size()); // diag(f) U^T
        for (index_t j = 0; j < d; ++j)
            for (index_t k = 0; k < d; ++k) scaled[at(k, j)] = f[static_cast<std::size_t>(k)] * vectors[at(j, k)];
        return multiply(vectors, scaled, d);
    }
    /// U^T x.
    [[nodiscard]] std::vector<double> rotated(const std::vector<double>& x) const {
        std::vector<double> y(static_cast<std::size_t>(d));
        for (index_t k = 0; k < d; ++k)
            for (index_t i = 0; i < d; ++i) y[static_cast<std::size_t>(k)] += vectors[at(i, k)] * x[static_cast<std::size_t>(i)];
        return y;
    }

private:
    [[nodiscard]] std::size_t at(index_t i, index_t j) const { return static_cast<std::size_t>(i + d * j); }

    void choose_sign(double* column) const {
        constexpr double near    = 0.9; // equal entries differ by their rounding, which must not choose
        double           largest = 0.0;
        for (index_t i = 0; i < d; ++i) largest = std::max(largest, std::abs(column[i]));
        const double* const first = std::find_if(column, column + d, [&](double x) { return std::abs(x) >= near * largest; });
        if (first != column + d && *first < 0.0) std::transform(column, column + d, column, [](double x) { return -x; });
    }
};

} // namespace diamond::detail
