/// This header computes with small dense matrices in long double, for references that share nothing with the
/// library.
#pragma once

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <utility>
#include <vector>

namespace small {

using number = long double;

struct matrix {
    std::size_t rows = 0, columns = 0;
    std::vector<number> entries; ///< column by column

    matrix() = default;
    matrix(std::size_t r, std::size_t c) : rows(r), columns(c), entries(r * c) {}
    matrix(std::size_t r, std::size_t c, const std::vector<double>& values)
        : rows(r), columns(c), entries(values.begin(), values.end()) {}

    number& operator()(std::size_t i, std::size_t j) { return entries[i + rows * j]; }
    const number& operator()(std::size_t i, std::size_t j) const { return entries[i + rows * j]; }

    static matrix identity(std::size_t d, number scale = 1) {
        matrix one(d, d);
        for (std::size_t i = 0; i < d; ++i) one(i, i) = scale;
        return one;
    }
    [[nodiscard]] matrix transposed() const {
        matrix t(columns, rows);
        for (std::size_t j = 0; j < columns; ++j)
            for (std::size_t i = 0; i < rows; ++i) t(j, i) = (*this)(i, j);
        return t;
    }
};

inline matrix operator+(matrix a, const matrix& b) {
    for (std::size_t k = 0; k < a.entries.size(); ++k) a.entries[k] += b.entries[k];
    return a;
}
inline matrix operator*(number c, matrix a) {
    for (number& entry : a.entries) entry *= c;
    return a;
}
inline matrix operator-(matrix a, const matrix& b) { return std::move(a) + number{-1} * b; }
inline matrix operator*(const matrix& a, const matrix& b) {
    matrix product(a.rows, b.columns);
    for (std::size_t j = 0; j < b.columns; ++j)
        for (std::size_t k = 0; k < a.columns; ++k)
            for (std::size_t i = 0; i < a.rows; ++i) product(i, j) += a(i, k) * b(k, j);
    return product;
}

/// Returns the largest |entry|.
inline double size(const matrix& a) {
    number largest = 0;
    for (const number entry : a.entries)
        if (!(std::abs(entry) <= largest)) largest = std::abs(entry); // so that a NaN is seen
    return static_cast<double>(largest);
}

/// Returns x with a x = b, and log |det a|, by elimination with row pivots.
struct solution {
    matrix x;
    number log_determinant = 0;
};
inline solution solve(matrix a, matrix b) {
    solution result;
    for (std::size_t k = 0; k < a.rows; ++k) {
        std::size_t pivot = k;
        for (std::size_t i = k + 1; i < a.rows; ++i)
            if (std::abs(a(i, k)) > std::abs(a(pivot, k))) pivot = i;
        for (std::size_t j = 0; j < a.columns; ++j) std::swap(a(k, j), a(pivot, j));
        for (std::size_t j = 0; j < b.columns; ++j) std::swap(b(k, j), b(pivot, j));
        result.log_determinant += std::log(std::abs(a(k, k)));
        for (std::size_t i = k + 1; i < a.rows; ++i) {
            const number factor = a(i, k) / a(k, k);
            for (std::size_t j = k; j < a.columns; ++j) a(i, j) -= factor * a(k, j);
            for (std::size_t j = 0; j < b.columns; ++j) b(i, j) -= factor * b(k, j);
        }
    }
    for (std::size_t j = 0; j < b.columns; ++j)
        for (std::size_t k = a.rows; k-- > 0;) {
            for (std::size_t i = k + 1; i < a.rows; ++i) b(k, j) -= a(k, i) * b(i, j);
            b(k, j) /= a(k, k);
        }
    result.x = std::move(b);
    return result;
}

} // namespace small
