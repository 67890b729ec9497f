/// A value that counts in part on the way: annealed potentials.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/expression.hpp>

namespace diamond {

namespace detail {
/// beta V; 0 where beta is 0, of a value of -inf, too.
DIAMOND_HD inline double annealed(double beta, double value) { return beta == 0.0 ? 0.0 : beta * value; }
} // namespace detail

/// The annealed value beta(t) V_t, t < 1, and the reward r at t = 1 (eq. annealed-value).
///
/// Few draws of a peaked reward make values of much noise where t is small. An exponent that begins near 0
/// keeps that noise from choosing particles, and lets the reward come in as the draws see it; V_1 = r is not
/// annealed, and so Z-hat stays unbiased for any exponent.
///
/// `Exponent` is a function double(double) of t in [0, 1), at least 0, such as
/// [](double t) { return t * t; }. Its guidance is beta(t) times that of the value.
///
/// SMC must be told .pilot_particles = 0, or a log_delta on this scale: a pilot knows the reward's.
///
/// Cost: that of `value`.
template <class Value, class Exponent>
class annealed_value {
    static_assert(diagnose_value_estimator<Value>());
    static_assert(
        requires(const Exponent& beta) {
            { beta(0.5) } -> std::convertible_to<double>;
        }, "an annealed value needs an exponent beta(t), a const function of a double that gives a double");

public:
    using batch_type = typename Value::batch_type;
    using condition_type = condition_of_t<Value>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool begins_after_noise = detail::begins_after_noise<Value>; ///< as the value's
    static constexpr bool on_own_scale = true;                                    ///< see value_estimator

    /// Takes the value and the exponent.
    annealed_value(Value value, Exponent exponent)
        : value_(std::move(value)), exponent_(std::move(exponent)) {}

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(value_.dimension()); }
    /// The reward of the value, which drivers evaluate at t = 1.
    [[nodiscard]] auto& reward() { return value_.reward(); }
    /// Says whether a particle's value is its own, as the value within says.
    [[nodiscard]] bool fresh() const { return detail::is_fresh(value_); }
    [[nodiscard]] cost spent() const { return value_.spent(); }

    /// Writes beta(t) V_t(x_j), d x N particles, t in [0, 1], and its standard error; at t = 1 it is r(x_j).
    /// Where beta(t) is 0, so is the value, and the value of -infinity, too.
    /// @throws as the value does; std::invalid_argument for an exponent that is negative or not finite.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        value_(x, t, condition, stream, values);
        if (t >= 1.0) return;
        const double beta = exponent_at(t);
        assign(values.value, elementwise<detail::annealed>(beta, values.value));
        if (values.standard_error) assign(values.standard_error, beta * values.standard_error);
    }
    /// Writes beta(t) b(t) grad V_t(x), d x N; at t = 1 the value's own. @throws as operator() does.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out)
        requires value_estimator_with_gradient<Value>
    {
        value_.guidance(x, t, condition, stream, out);
        if (t < 1.0) assign(out, exponent_at(t) * out);
    }
    /// Begins the value's record of its guidance.
    void begin_guidance()
        requires detail::warns_of_guidance<Value>
    {
        value_.begin_guidance();
    }
    /// Returns what the value warns of in its guidance since begin_guidance().
    [[nodiscard]] std::vector<std::string> guidance_warnings()
        requires detail::warns_of_guidance<Value>
    {
        return value_.guidance_warnings();
    }

private:
    [[nodiscard]] double exponent_at(double t) const {
        const double beta = static_cast<double>(exponent_(t));
        require(beta >= 0.0 && beta < infinity, [&] {
            return "annealed_value: the exponent at t = " + digits_of(t) + " is " + digits_of(beta) +
                   ": it must be a number that is not negative";
        });
        return beta;
    }

    Value value_;
    Exponent exponent_;
};

} // namespace diamond
