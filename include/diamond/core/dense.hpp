/// This file has dense layers with their norms, and activations with their first two derivatives, which back
/// ends and nn/ share.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// Names an activation function f.
enum class activation { identity, silu, gelu, tanh, relu, leaky_relu };
/// The number of activations that `activation` names.
inline constexpr int activations = 6;

/// The slope of leaky_relu at negative numbers: the default of PyTorch and of the paper that proposed it.
inline constexpr double leaky_relu_slope = 0.01;

/// Names a normalisation of columns: none, LayerNorm or RMSNorm.
enum class normalisation { none, layer, rms };
/// The number of normalisations that `normalisation` names.
inline constexpr int normalisations = 3;

/// The least epsilon of a norm: a float has the square of 1/sqrt(epsilon).
inline constexpr double least_norm_epsilon = 1e-30;

/// Describes a norm of columns: y = g (x - mean)/sqrt(variance + epsilon) + b of LayerNorm, where mean and
/// variance are those of the numbers of the column, or y = g x/sqrt(mean of x^2 + epsilon) of RMSNorm (eq.
/// column-norm). In the parameters of a stack g begins at `offset`, and b follows it.
struct column_norm {
    normalisation kind = normalisation::none; ///< without one, y = x
    double epsilon = 1e-5; ///< what is added to the variance, least_norm_epsilon or more; PyTorch's default
    index_t offset = 0;    ///< the place of g among the parameters of the stack

    /// Returns whether there is one.
    [[nodiscard]] constexpr explicit operator bool() const { return kind != normalisation::none; }
    /// Returns how many parameters it has for columns of so many rows.
    [[nodiscard]] constexpr index_t parameters(index_t rows) const {
        return kind == normalisation::layer ? 2 * rows : kind == normalisation::rms ? rows : 0;
    }
};

/// Describes the layer h <- f(after(W before(h) + b)), plus h where it is residual; `before` and `after` are
/// norms or nothing. In the parameters of a stack, W, outputs x inputs, column-major, begins at `offset`, b
/// follows it, and then what the norms have.
struct dense_layer {
    /// The columns and the rows of W: the rows of h before and after the layer.
    index_t inputs = 0, outputs = 0;
    activation kind = activation::identity; ///< The activation f, applied to each element of W h + b.
    bool residual = false;                  ///< Whether h is added; inputs and outputs are then equal.
    column_norm before = {};                ///< The norm of h before it meets W.
    column_norm after = {};                 ///< The norm of W h + b before it meets f.
    index_t offset = 0;                     ///< The place of W among the parameters of the stack.

    /// Returns the place of b among the parameters.
    [[nodiscard]] constexpr index_t bias() const { return offset + inputs * outputs; }
    /// Returns the place behind b, where the norms' parameters begin: first those of `before`.
    [[nodiscard]] constexpr index_t norms() const { return bias() + outputs; }
    /// Returns the place behind the last parameter of the layer.
    [[nodiscard]] constexpr index_t end() const {
        return norms() + before.parameters(inputs) + after.parameters(outputs);
    }
};

/// Holds the value f(a) of an activation, its derivative f'(a) and its second derivative f''(a).
template <class Real>
struct activated {
    Real value, slope, curvature; ///< f(a), f'(a) and f''(a), in this order.
};

/// Evaluates an activation and its derivatives at a: SiLU is a/(1 + exp(-a)); GELU is a Phi(a), with Phi the
/// normal distribution function; ReLU is max(a, 0), and leaky ReLU is a where a > 0 and leaky_relu_slope a
/// elsewhere. At their corner, 0, these two have the slope of the left, as in PyTorch.
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
        const Real square = a * a < Real(1e4) ? a * a : Real(1e4); // the density is 0 there, and no more
        return {a * phi, phi + a * pdf, pdf * (Real{2} - square)};
    }
    if (kind == activation::tanh) {
        const Real value = std::tanh(a), slope = Real{1} - value * value;
        return {value, slope, Real{-2} * value * slope};
    }
    // A NaN keeps its value.
    if (kind == activation::relu) return {a < Real{0} ? Real{0} : a, Real(a > Real{0}), Real{0}};
    if (kind == activation::leaky_relu) {
        constexpr Real left = static_cast<Real>(leaky_relu_slope);
        return {a < Real{0} ? left * a : a, a > Real{0} ? Real{1} : left, Real{0}};
    }
    return {a, Real{1}, Real{0}};
}

} // namespace diamond
