/// This header provides numbers for tests: draws with a fixed seed from the generator of the standard
/// library, which shares nothing with that of diamond, and distances in units in the last place.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <diamond/core/scalar.hpp>

namespace numbers {

using diamond::index_t;

template <class Real>
std::vector<Real> normals(index_t count, unsigned seed) {
    std::mt19937_64 generator(seed);
    std::normal_distribution<double> normal;
    std::vector<Real> result(static_cast<std::size_t>(count));
    for (Real& x : result) x = static_cast<Real>(normal(generator));
    return result;
}

/// These functions return x + h direction, and x + h in all entries.
inline std::vector<double> moved(std::vector<double> x, double h, const std::vector<double>& direction) {
    for (std::size_t k = 0; k < x.size(); ++k) x[k] += h * direction[k];
    return x;
}
inline std::vector<double> moved(std::vector<double> x, double h) {
    for (double& entry : x) entry += h;
    return x;
}
inline double pairing(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
    return sum;
}

/// Returns whether the bits are equal: 0 differs from -0, and a NaN equals itself.
template <class Real>
bool same_bits(const std::vector<Real>& a, const std::vector<Real>& b) {
    using word = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](Real x, Real y) {
               return std::bit_cast<word>(x) == std::bit_cast<word>(y);
           });
}

/// Returns whether the numbers are equal up to `tolerance` times one more than the largest of them.
template <class Real>
bool close(const std::vector<Real>& a, const std::vector<Real>& b, double tolerance) {
    double largest = 0.0;
    for (const Real x : a) largest = std::max(largest, std::abs(static_cast<double>(x)));
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [&](Real x, Real y) {
               return std::abs(static_cast<double>(x) - static_cast<double>(y)) <=
                      tolerance * (1.0 + largest);
           });
}

/// Returns |x - exact| in units in the last place of Real at `exact`.
template <class Real>
double ulps(Real x, long double exact) {
    const Real near = std::abs(static_cast<Real>(exact));
    const auto unit = static_cast<long double>(std::nextafter(near, std::numeric_limits<Real>::infinity())) -
                      static_cast<long double>(near);
    return static_cast<double>(std::abs(static_cast<long double>(x) - exact) / unit);
}

/// Returns element k of a host vector, for tests that are written with signed indices.
template <class Vector>
auto& at(Vector& v, index_t k) {
    return v.at(static_cast<std::size_t>(k));
}

} // namespace numbers
