/// This file has dense layers, and activations with their first two derivatives, which back ends and nn/
/// share.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// Names an activation function f.
enum class activation { identity, silu, gelu };

/// Describes the layer h <- f(W h + b), plus h where it is residual. In the parameters of a stack, W, outputs
/// x inputs, column-major, begins at `offset`, and b follows it.
struct dense_layer {
    /// The columns and the rows of W: the rows of h before and after the layer.
    index_t inputs = 0, outputs = 0;
    activation kind = activation::identity; ///< The activation f, applied to each element of W h + b.
    bool residual = false;                  ///< Whether h is added; inputs and outputs are then equal.
    index_t offset = 0;                     ///< The place of W among the parameters of the stack.

    /// Returns the place of b among the parameters.
    [[nodiscard]] constexpr index_t bias() const { return offset + inputs * outputs; }
    /// Returns the place behind the last parameter of the layer.
    [[nodiscard]] constexpr index_t end() const { return bias() + outputs; }
};

/// Holds the value f(a) of an activation, its derivative f'(a) and its second derivative f''(a).
template <class Real>
struct activated {
    Real value, slope, curvature; ///< f(a), f'(a) and f''(a), in this order.
};

/// Evaluates an activation and its derivatives at a: SiLU is a/(1 + exp(-a)); GELU is a Phi(a), with Phi the
/// normal distribution function.
template <class Real>
[[nodiscard]] DIAMOND_HD activated<Real> activate(activation kind, Real a) {
    if (kind == activation::silu) {
        const Real share = Real{1} / (Real{1} + std::exp(-a)), rest = Real{1} - share;
        return {a * share, share * (Real{1} + a * rest),
                share * rest * (Real{2} + a * (Real{1} - 2 * share))};
    }
    if (kind == activation::gelu) {
        const Real phi = static_cast<Real>(0.5) * std::erfc(-a * static_cast<Real>(0.70710678118654752440));
        const Real pdf = static_cast<Real>(0.39894228040143267794) *
                         std::exp(static_cast<Real>(-0.5) * a * a);
        return {a * phi, phi + a * pdf, pdf * (Real{2} - a * a)};
    }
    return {a, Real{1}, Real{0}};
}

} // namespace diamond
