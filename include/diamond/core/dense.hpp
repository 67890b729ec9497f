/// The vocabulary of dense networks that back ends and nn/ share: layers, and activations with their first two derivatives.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

enum class activation { identity, silu, gelu };

/// h <- f(W h + b), plus h where the layer is residual. In a stack's parameters stand W, outputs x inputs, column-major, and then b, from `offset` on.
struct dense_layer {
    index_t inputs = 0, outputs = 0;
    activation kind = activation::identity;
    bool residual   = false;
    index_t offset  = 0;

    [[nodiscard]] constexpr index_t bias() const { return offset + inputs * outputs; }
    [[nodiscard]] constexpr index_t end() const { return bias() + outputs; }
};

/// f(a), f'(a) and f''(a).
template <class Real>
struct activated {
    Real value, slope, curvature;
};

/// SiLU a/(1 + exp(-a)); GELU a Phi(a), Phi the normal distribution function.
template <class Real>
[[nodiscard]] DIAMOND_HD activated<Real> activate(activation kind, Real a) {
    if (kind == activation::silu) {
        const Real share = Real{1} / (Real{1} + std::exp(-a)), rest = Real{1} - share;
        return {a * share, share * (Real{1} + a * rest), share * rest * (Real{2} + a * (Real{1} - 2 * share))};
    }
    if (kind == activation::gelu) {
        const Real phi = static_cast<Real>(0.5) * std::erfc(-a * static_cast<Real>(0.70710678118654752440));
        const Real pdf = static_cast<Real>(0.39894228040143267794) * std::exp(static_cast<Real>(-0.5) * a * a);
        return {a * phi, phi + a * pdf, pdf * (Real{2} - a * a)};
    }
    return {a, Real{1}, Real{0}};
}

} // namespace diamond
