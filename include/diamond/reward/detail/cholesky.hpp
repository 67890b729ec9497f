/// Cholesky factorisation of a small symmetric positive definite matrix, on the host and one thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// What a pivot is compared with when a matrix is tested for singularity: a pivot must exceed the rounding
/// error of it.
enum class pivot_unit {
    /// The largest diagonal entry: the coordinates share a unit, and a far smaller variance is rounding
    /// error.
    largest,
    /// The pivot's own diagonal entry: each coordinate may have a unit of its own.
    own
};

/// The factorisation A = L L^T of a symmetric n x n matrix, column-major; only the lower triangle of A is
/// read. Cost: n^3/3 multiplications.
class cholesky {
public:
    /// Factorises `a`, n x n, whose entries are known to a relative error of `known`, or to the rounding of
    /// double where that is more. @throws std::invalid_argument that begins with `what` and names the first
    /// pivot that this does not tell from 0.
    cholesky(const char* what, std::vector<double> a, index_t n, pivot_unit unit = pivot_unit::largest,
             double known = 0.0)
        : l_(std::move(a)), n_(n) {
        // The relative error of a pivot.
        const double rounding = std::max(known,
                                         static_cast<double>(n_) * std::numeric_limits<double>::epsilon());
        std::vector<double> diagonal;
        for (index_t k = 0; k < n_; ++k) diagonal.push_back(at(k, k));
        if (unit == pivot_unit::largest && n_ > 0)
            diagonal.assign(diagonal.size(), *std::max_element(diagonal.begin(), diagonal.end()));
        for (index_t k = 0; k < n_; ++k) {
            const double whole = diagonal[static_cast<std::size_t>(k)];
            require(at(k, k) > rounding * whole && at(k, k) >= least_normal, [&] {
                return std::string(what) + " is singular: pivot " + digits_of(k) + " is " +
                       digits_of(at(k, k)) + " of " + digits_of(whole);
            });
            const double root = at(k, k) = std::sqrt(at(k, k));
            for (index_t i = k + 1; i < n_; ++i) at(i, k) /= root;
            for (index_t j = k + 1; j < n_; ++j)
                for (index_t i = j; i < n_; ++i) at(i, j) -= at(i, k) * at(j, k);
        }
    }

    /// Solves A x = b for a vector of n numbers: b := A^{-1} b.
    void solve(std::span<double> b) const {
        const auto entry = [&](index_t i) -> double& { return b[static_cast<std::size_t>(i)]; };
        for (index_t k = 0; k < n_; ++k) {
            entry(k) /= at(k, k);
            for (index_t i = k + 1; i < n_; ++i) entry(i) -= at(i, k) * entry(k);
        }
        for (index_t k = n_; k-- > 0;) {
            for (index_t i = k + 1; i < n_; ++i) entry(k) -= at(i, k) * entry(i);
            entry(k) /= at(k, k);
        }
    }

    /// The factor L, n x n and column-major, with zeros above its diagonal; it empties this object.
    [[nodiscard]] std::vector<double> factor() && {
        for (index_t j = 0; j < n_; ++j)
            for (index_t i = 0; i < j; ++i) at(i, j) = 0.0;
        return std::move(l_);
    }

private:
    [[nodiscard]] double& at(index_t i, index_t j) { return l_[static_cast<std::size_t>(i + n_ * j)]; }
    [[nodiscard]] const double& at(index_t i, index_t j) const {
        return l_[static_cast<std::size_t>(i + n_ * j)];
    }

    std::vector<double> l_;
    index_t n_;
};

} // namespace diamond::detail
