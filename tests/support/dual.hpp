/// This header defines a number together with its derivative. It checks the forward-mode derivative of a
/// formula that is written once as a template.
#pragma once

#include <cmath>

namespace duals {

struct dual {
    double value = 0.0, tangent = 0.0;
    constexpr dual(double v = 0.0, double t = 0.0) : value(v), tangent(t) {} // NOLINT: a number is a constant
};
inline dual operator+(dual a, dual b) { return {a.value + b.value, a.tangent + b.tangent}; }
inline dual operator-(dual a, dual b) { return {a.value - b.value, a.tangent - b.tangent}; }
inline dual operator-(dual a) { return {-a.value, -a.tangent}; }
inline dual operator*(dual a, dual b) {
    return {a.value * b.value, a.tangent * b.value + a.value * b.tangent};
}
inline dual operator/(dual a, dual b) {
    return {a.value / b.value, (a.tangent - a.value / b.value * b.tangent) / b.value};
}
inline dual exp(dual a) { return {std::exp(a.value), std::exp(a.value) * a.tangent}; }
inline dual sqrt(dual a) { return {std::sqrt(a.value), a.tangent / (2.0 * std::sqrt(a.value))}; }
inline dual sin(dual a) { return {std::sin(a.value), std::cos(a.value) * a.tangent}; }
inline dual cos(dual a) { return {std::cos(a.value), -std::sin(a.value) * a.tangent}; }
inline dual erf(dual a) {
    return {std::erf(a.value),
            2.0 / std::sqrt(3.14159265358979323846) * std::exp(-a.value * a.value) * a.tangent};
}

} // namespace duals
