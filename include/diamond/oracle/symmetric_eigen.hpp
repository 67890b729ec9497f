/// Eigendecomposition of a symmetric matrix on the host, for parameters.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// A = U diag(values) U^T, A d x d column by column, by cyclic Jacobi rotations: slow, and exact to rounding for every eigenvalue.
struct symmetric_eigen {
    index_t             d;
    std::vector<double> vectors, values;

    /// @throws std::invalid_argument unless A is d x d, finite and symmetric to rounding.
    symmetric_eigen(std::vector<double> a, index_t dimension) : d(dimension) {
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
        vectors.assign(static_cast<std::size_t>(d * d), 0.0);
        for (index_t i = 0; i < d; ++i) vectors[at(i, i)] = 1.0;
        constexpr int most_sweeps = 60; // quadratic convergence: ten are plenty
        for (int sweep = 0; sweep < most_sweeps && rotate_all(a, largest); ++sweep) {}
        for (index_t i = 0; i < d; ++i) values.push_back(a[at(i, i)]);
    }

    /// U diag(f) U^T, d x d.
    [[nodiscard]] std::vector<double> compose(const std::vector<double>& f) const {
        std::vector<double> result(static_cast<std::size_t>(d * d));
        for (index_t k = 0; k < d; ++k)
            for (index_t j = 0; j < d; ++j)
                for (index_t i = 0; i < d; ++i) result[at(i, j)] += vectors[at(i, k)] * f[static_cast<std::size_t>(k)] * vectors[at(j, k)];
        return result;
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

    /// One rotation for each pair; whether any was needed.
    bool rotate_all(std::vector<double>& a, double largest) {
        bool any = false;
        for (index_t q = 1; q < d; ++q)
            for (index_t p = 0; p < q; ++p) {
                const double off = a[at(p, q)];
                if (std::abs(off) <= 1e-300 || std::abs(off) < 0x1p-54 * std::sqrt(std::abs(a[at(p, p)]) * std::abs(a[at(q, q)])) ||
                    std::abs(off) < 0x1p-70 * largest)
                    continue;
                any                 = true;
                const double theta  = 0.5 * (a[at(q, q)] - a[at(p, p)]) / off;
                const double tangent = (theta >= 0.0 ? 1.0 : -1.0) / (std::abs(theta) + std::hypot(theta, 1.0));
                const double cosine = 1.0 / std::hypot(tangent, 1.0), sine = tangent * cosine;
                for (index_t i = 0; i < d; ++i) turn(a[at(i, p)], a[at(i, q)], cosine, sine);
                for (index_t i = 0; i < d; ++i) turn(a[at(p, i)], a[at(q, i)], cosine, sine);
                for (index_t i = 0; i < d; ++i) turn(vectors[at(i, p)], vectors[at(i, q)], cosine, sine);
            }
        return any;
    }
    static void turn(double& x, double& y, double cosine, double sine) {
        const double old = x;
        x                = cosine * old - sine * y;
        y                = sine * old + cosine * y;
    }
};

} // namespace diamond::detail
