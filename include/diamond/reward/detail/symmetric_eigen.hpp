/// Eigendecompositions of symmetric matrices of parameters are computed by the back end and kept on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/reward/detail/cholesky.hpp>

namespace diamond::detail {

/// Returns the product a b of two d x d matrices, column by column, on the host. Blocks of a stay in the
/// cache.
[[nodiscard]] inline std::vector<double> multiply(const std::vector<double>& a, const std::vector<double>& b,
                                                  index_t d) {
    constexpr index_t block = 64; // columns of a
    std::vector<double> product(a.size());
    for (index_t first = 0; first < d; first += block)
        for (index_t j = 0; j < d; ++j)
            for (index_t k = first; k < std::min(first + block, d); ++k) {
                const double factor = b[static_cast<std::size_t>(k + d * j)];
                const double* const from = a.data() + d * k;
                double* const to = product.data() + d * j;
                for (index_t i = 0; i < d; ++i) to[i] += from[i] * factor;
            }
    return product;
}

/// This is the decomposition A = U diag(values) U^T of a symmetric d x d matrix. The values ascend, and each
/// is accurate to the rounding of the largest. The first entry of a column of U that is near the column's
/// largest is positive, so that back ends agree on signs.
struct symmetric_eigen {
    index_t d;
    std::vector<double> vectors, values; ///< U, d x d, column by column, and d eigenvalues

    /// Decomposes (a + a^T)/2, a d x d, column by column. It waits for the context. @throws
    /// std::invalid_argument unless the entries are finite.
    template <class Context>
    symmetric_eigen(const Context& context, std::vector<double> a, index_t dimension) : d(dimension) {
        for (index_t j = 0; j < d; ++j)
            for (index_t i = 0; i <= j; ++i) {
                double &upper = a[at(i, j)], &lower = a[at(j, i)];
                upper = lower = 0.5 * upper + 0.5 * lower;
                require(std::isfinite(upper), [&] {
                    return "a symmetric matrix has the entry (" + digits_of(i) + ", " + digits_of(j) +
                           ") = " + digits_of(upper);
                });
            }
        auto matrix = from_host<double>(context, d, d, a);
        auto found = owning_batch<double, Context>(context, d, 1);
        context.symmetric_eigen(matrix.mutable_view(), found.data());
        vectors = to_host(matrix);
        values = to_host(found);
        for (index_t k = 0; k < d; ++k) choose_sign(vectors.data() + d * k);
    }

    /// Returns U diag(f) U^T, d x d, for d numbers f.
    [[nodiscard]] std::vector<double> compose(const std::vector<double>& f) const {
        std::vector<double> scaled(vectors.size()); // diag(f) U^T
        for (index_t j = 0; j < d; ++j)
            for (index_t k = 0; k < d; ++k)
                scaled[at(k, j)] = f[static_cast<std::size_t>(k)] * vectors[at(j, k)];
        return multiply(vectors, scaled, d);
    }
    /// Returns U^T x for d numbers x.
    [[nodiscard]] std::vector<double> rotated(const std::vector<double>& x) const {
        std::vector<double> y(static_cast<std::size_t>(d));
        for (index_t k = 0; k < d; ++k)
            for (index_t i = 0; i < d; ++i)
                y[static_cast<std::size_t>(k)] += vectors[at(i, k)] * x[static_cast<std::size_t>(i)];
        return y;
    }

protected:
    [[nodiscard]] std::size_t at(index_t i, index_t j) const { return static_cast<std::size_t>(i + d * j); }

    /// Multiplies a column of U by -1 where the first entry near its largest is negative.
    void choose_sign(double* column) const {
        constexpr double near = 0.9; // entries that are equal but for their rounding all count as the largest
        double largest = 0.0;
        for (index_t i = 0; i < d; ++i) largest = std::max(largest, std::abs(column[i]));
        const double* const first = std::find_if(column, column + d,
                                                 [&](double x) { return std::abs(x) >= near * largest; });
        if (first != column + d && *first < 0.0)
            std::transform(column, column + d, column, [](double x) { return -x; });
    }
};

/// This is the decomposition of a covariance, whose coordinates may be in any units: an eigenvalue far below
/// the largest has all its digits, too.
struct covariance_eigen : symmetric_eigen {
    /// @throws std::invalid_argument unless the covariance is d x d, finite, symmetric to rounding and
    /// positive definite.
    template <class Context>
    covariance_eigen(const Context& context, const std::vector<double>& c, index_t dimension)
        : symmetric_eigen(context, checked(c, dimension), dimension) {
        // This is a share of the largest eigenvalue, to whose rounding the back end knows all of them.
        constexpr double half_the_digits = 0x1p-26;
        if (d == 0) return;
        const double least = values.front(), largest = values.back();
        require(least > -half_the_digits * largest, [&] {
            return "a covariance must be positive definite: its smallest eigenvalue is " + digits_of(least);
        });
        if (least < half_the_digits * largest) resolve(context, c);
    }

private:
    /// Returns c. @throws std::invalid_argument as the constructor does, but for a matrix that is not
    /// definite.
    static std::vector<double> checked(const std::vector<double>& c, index_t d) {
        require(static_cast<index_t>(c.size()) == d * d, [&] {
            return "a covariance of " + digits_of(c.size()) + " numbers for dimension " + digits_of(d) +
                   ": d x d are needed";
        });
        // It is relative to the two deviations, so that input in single precision passes.
        constexpr double symmetric = 1e-8;
        const auto entry = [&](index_t i, index_t j) { return c[static_cast<std::size_t>(i + d * j)]; };
        for (index_t j = 0; j < d; ++j)
            require(entry(j, j) >= least_normal && entry(j, j) < infinity, [&] {
                return "a covariance must be positive definite and finite: the variance of coordinate " +
                       digits_of(j) + " is " + digits_of(entry(j, j));
            });
        for (index_t j = 0; j < d; ++j)
            for (index_t i = 0; i < j; ++i)
                require(std::abs(entry(i, j) - entry(j, i)) <=
                            symmetric * std::sqrt(entry(i, i)) * std::sqrt(entry(j, j)),
                        [&] {
                            return "a covariance must be symmetric: entries (" + digits_of(i) + ", " +
                                   digits_of(j) + ") are " + digits_of(entry(i, j)) + " and " +
                                   digits_of(entry(j, i));
                        });
        return c;
    }
    /// Rotates the columns of L, C = L L^T, until they are orthogonal (one-sided Jacobi, Veselic and Hari
    /// 1989). They are then the eigenvectors times their deviations, with all the digits that the entries of
    /// C determine. The coordinates are taken from the largest variance to the least, so that small entries
    /// of a vector, which are multiplied with large coordinates, have all their digits, too. L is first
    /// multiplied by the back end's eigenvectors of L^T L, which leave only what is below the rounding of the
    /// largest: two or three sweeps of 2 d^3 multiplications on one thread in place of ten.
    template <class Context>
    void resolve(const Context& context, const std::vector<double>& c) {
        const auto largest_first = [&](auto size) {
            std::vector<index_t> order(static_cast<std::size_t>(d));
            std::iota(order.begin(), order.end(), index_t{0});
            std::stable_sort(order.begin(), order.end(),
                             [&](index_t i, index_t j) { return size(i) > size(j); });
            return order;
        };
        const auto rows = largest_first([&](index_t i) { return c[at(i, i)]; });
        std::vector<double> sorted(c.size());
        for (index_t j = 0; j < d; ++j)
            for (index_t i = 0; i < d; ++i)
                sorted[at(i, j)] = c[at(rows[static_cast<std::size_t>(i)],
                                        rows[static_cast<std::size_t>(j)])];
        cholesky factored("a covariance, coordinates by falling variance,", std::move(sorted), d,
                          pivot_unit::own);
        std::vector<double> l = nearly_orthogonal(context, std::move(factored).factor());
        constexpr int most_sweeps = 60; // convergence is quadratic, and a few are enough
        for (int sweep = 0; sweep < most_sweeps && make_orthogonal(l); ++sweep) {
        }
        const auto columns = largest_first([&](index_t k) { return dot(&l[at(0, k)], &l[at(0, k)]).sum; });
        for (index_t k = 0; k < d; ++k) {
            const double* const from = &l[at(0, columns[static_cast<std::size_t>(d - 1 - k)])];
            const double variance = dot(from, from).sum;
            values[static_cast<std::size_t>(k)] = variance;
            for (index_t i = 0; i < d; ++i)
                vectors[at(rows[static_cast<std::size_t>(i)], k)] = from[i] / std::sqrt(variance);
            choose_sign(&vectors[at(0, k)]);
        }
    }
    /// Returns L V, V the back end's eigenvectors of L^T L. The error of a row of the product is no more than
    /// the rounding of the row's length.
    template <class Context>
    [[nodiscard]] std::vector<double> nearly_orthogonal(const Context& context,
                                                        const std::vector<double>& l) const {
        const auto factor = from_host<double>(context, d, d, l);
        owning_batch<double, Context> gram(context, d, d), found(context, d, 1), product(context, d, d);
        context.product(transpose::yes, factor.read(), factor.read(), gram.mutable_view());
        context.symmetric_eigen(gram.mutable_view(), found.data());
        context.product(transpose::no, factor.read(), gram.read(), product.mutable_view());
        return to_host(product);
    }
    /// Rotates each pair of columns that is not orthogonal, and returns true if there was one.
    bool make_orthogonal(std::vector<double>& l) const {
        // This is the rounding of a sum, relative to the sizes of its terms.
        const double rounding = 0x1p-50 * std::sqrt(static_cast<double>(d));
        bool any = false;
        for (index_t q = 1; q < d; ++q)
            for (index_t p = 0; p < q; ++p) {
                double *const x = &l[at(0, p)], *const y = &l[at(0, q)];
                const auto xy = dot(x, y);
                if (std::abs(xy.sum) <= rounding * xy.size) continue;
                any = true;
                const double theta = 0.5 * (dot(y, y).sum - dot(x, x).sum) / xy.sum;
                const double tangent = (theta >= 0.0 ? 1.0 : -1.0) /
                                       (std::abs(theta) + std::hypot(theta, 1.0));
                const double cosine = 1.0 / std::hypot(tangent, 1.0), sine = tangent * cosine;
                for (index_t i = 0; i < d; ++i) {
                    const double old = x[i];
                    x[i] = cosine * old - sine * y[i];
                    y[i] = sine * old + cosine * y[i];
                }
            }
        return any;
    }
    /// These are a sum, and the sum of its terms' absolute values.
    struct sum_of_products {
        double sum, size;
    };
    /// Returns x . y of two columns of d numbers.
    [[nodiscard]] sum_of_products dot(const double* x, const double* y) const {
        constexpr index_t lanes = 8; // so that the loop vectorises
        double sum[lanes] = {}, size[lanes] = {};
        const auto add = [&](index_t k, double term) {
            sum[k] += term;
            size[k] += std::abs(term);
        };
        index_t i = 0;
        for (; i + lanes <= d; i += lanes)
            for (index_t k = 0; k < lanes; ++k) add(k, x[i + k] * y[i + k]);
        for (index_t k = 0; i + k < d; ++k) add(k, x[i + k] * y[i + k]);
        return {std::accumulate(sum, sum + lanes, 0.0), std::accumulate(size, size + lanes, 0.0)};
    }
};

} // namespace diamond::detail
