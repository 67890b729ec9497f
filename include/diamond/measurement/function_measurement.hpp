/// Measurements that a program has as functions: a differentiable one, and a linear operator with its
/// transpose.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

/// The differentiable measurement A: R^d -> R^m of two functions of batches, which write A(z) and the product
/// (dA/dz)^T cotangent. Copies of it copy the functions: let these share what is large.
template <class Batch>
class function_measurement {
public:
    using batch_type = Batch;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using value_function = std::function<void(const_view z, view out)>; ///< d x n to m x n
    /// z d x n, cotangent m x n, out d x n
    using vjp_function = std::function<void(const_view z, const_view cotangent, view out)>;

    /// @param dimension is d, @param outputs is m. @throws std::invalid_argument unless both are at least 1
    /// and both functions are there.
    function_measurement(index_t dimension, index_t outputs, value_function value, vjp_function vjp)
        : dimension_(dimension), outputs_(outputs), value_(std::move(value)), vjp_(std::move(vjp)) {
        require(dimension >= 1 && outputs >= 1, [&] {
            return "function_measurement: from dimension " + digits_of(dimension) + " to " +
                   digits_of(outputs) + ": at least 1 is needed on both sides";
        });
        require(value_ && vjp_,
                "function_measurement: a function of the value and one of the vector-Jacobian product are "
                "needed");
    }

    [[nodiscard]] index_t dimension() const { return dimension_; } ///< d
    [[nodiscard]] index_t outputs() const { return outputs_; }     ///< m

    /// Writes A(z), d x n to m x n. @throws std::invalid_argument for other shapes, and what the function
    /// does.
    void operator()(const_view z, view out) const {
        detail::require_map("function_measurement", dimension_, outputs_, z, out);
        value_(z, out);
    }
    /// Writes (dA/dz)^T cotangent at z, m x n to d x n. @throws std::invalid_argument for other shapes, and
    /// what the function does.
    void vjp(const_view z, const_view cotangent, view out) const {
        detail::require_map("function_measurement", outputs_, dimension_, cotangent, out);
        require_same_shape("function_measurement: vjp", z, const_view(out));
        vjp_(z, cotangent, out);
    }

private:
    index_t dimension_, outputs_;
    value_function value_;
    vjp_function vjp_;
};

/// The linear measurement A(z) = W z of an operator and its transpose, a function of batches each, that no
/// matrix is written down of. Copies of it copy the functions.
template <class Batch>
class operator_measurement {
public:
    using batch_type = Batch;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using function = std::function<void(const_view in, view out)>; ///< of a d x n or an m x n batch

    /// Tries the pair at one point: W of 0 must be 0, and y . (W z) = (W^T y) . z. @param dimension is d,
    /// @param outputs is m, @param apply writes out = W z, @param apply_transpose writes out = W^T y.
    /// @throws std::invalid_argument where this fails, and as function_measurement does.
    operator_measurement(const context_type& context, index_t dimension, index_t outputs, function apply,
                         function apply_transpose)
        : of_(dimension, outputs, std::move(apply),
              apply_transpose ? [transposed = std::move(apply_transpose)](const_view, const_view y,
                                                                          view out) { transposed(y, out); }
                              : typename function_measurement<Batch>::vjp_function{}) {
        // A point of numbers of all sizes and both signs, and 0.
        const auto probe = [&](index_t rows, double first) {
            std::vector<real> numbers(static_cast<std::size_t>(2 * rows));
            for (index_t i = 0; i < rows; ++i)
                numbers[static_cast<std::size_t>(i)] = static_cast<real>(
                    std::sin(first + 0.7 * static_cast<double>(i)));
            return from_host<real>(context, rows, 2, numbers);
        };
        const auto z = probe(dimension, 1.0), y = probe(outputs, 2.0);
        Batch forward(context, outputs, 2), back(context, dimension, 2);
        of_(z.read(), forward.mutable_view());
        of_.vjp(z.read(), y.read(), back.mutable_view());
        const auto one = inner(y, forward), other = inner(back, z);
        const double rounding = 64.0 * static_cast<double>(std::numeric_limits<real>::epsilon());
        require(std::abs(one.sum - other.sum) <= rounding * (one.size + other.size), [&] {
            return "operator_measurement: y . (W z) is " + digits_of(one.sum) + " and (W^T y) . z is " +
                   digits_of(other.sum) + ": the second function must be the transpose of the first";
        });
        require(one.at_zero == 0.0 && other.at_zero == 0.0,
                "operator_measurement: W of 0 must be 0: take affine_measurement or function_measurement for "
                "what is not linear");
    }

    [[nodiscard]] index_t dimension() const { return of_.dimension(); } ///< d
    [[nodiscard]] index_t outputs() const { return of_.outputs(); }     ///< m
    /// Writes out = W z, d x n to m x n. @throws as function_measurement does.
    void operator()(const_view z, view out) const { of_(z, out); }
    /// Writes out = W^T cotangent, m x n to d x n. @throws as function_measurement does.
    void vjp(const_view z, const_view cotangent, view out) const { of_.vjp(z, cotangent, out); }

private:
    using real = typename Batch::value_type;
    /// The inner product of the first columns, the sum of its terms' sizes, and the largest number of the
    /// second columns.
    struct product {
        double sum = 0.0, size = 0.0, at_zero = 0.0;
    };
    static product inner(const Batch& a, const Batch& b) {
        const auto p = to_host(a), q = to_host(b);
        product result;
        const std::size_t n = p.size() / 2;
        for (std::size_t i = 0; i < n; ++i) {
            const double term = static_cast<double>(p[i]) * static_cast<double>(q[i]);
            result.sum += term;
            result.size += std::abs(term);
            for (const double zero : {static_cast<double>(p[n + i]), static_cast<double>(q[n + i])})
                if (zero != 0.0) result.at_zero = zero; // NaN, too
        }
        return result;
    }

    function_measurement<Batch> of_;
};

} // namespace diamond
