/// The weights of a training's errors: those of each coordinate and column, and the multiple with which each
/// column's loss counts, either by its own size or as a small network learns it.
#pragma once

#include <cmath>
#include <concepts>
#include <string>

#include <diamond/core/expression.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/nn/mlp.hpp>
#include <diamond/train/option_checks.hpp>

namespace diamond {

/// What the targets of a loss are, as far as its weighting depends on it.
enum class target_kind { determined, random_on_diagonal, random_off_diagonal };

/// What a weighting reads: the times of n columns, and the loss of each.
template <class Context>
struct column_losses {
    time_view t, s, r;                    ///< The outer time, and the inner times from s to r.
    row_view<const double, Context> loss; ///< The loss of each column, in the back end's memory.
    double scale;                         ///< the factor of sum_j multiple_j loss_j in what is minimised
    /// Whether the targets are functions of the states, or random given them.
    target_kind targets;
};

namespace detail {
template <class Batch>
class adaptive_weighting;
template <class Batch>
class learned_weighting;
template <class Batch>
using column_losses_of = column_losses<backend_of_t<Batch>>;
} // namespace detail

/// Loss weighting: a policy of diamond_trainer that gives the multiple with which the loss of each column
/// counts.
///
/// A type W models `loss_weighting` for batches of type Batch if A = W::template on<Batch> is a type with
///   1. A(weighting), for a W;
///   2. a.parameters(), the number of parameters that it learns: they stand behind the network's in the
///      state of a training;
///   3. a.initialise(rng, theta), const, which writes their start into a view of a.parameters() rows and
///      one column;
///   4. a(column_losses, const Real* theta, Real* gradient, row multiple), which writes the multiple of
///      each column and adds the gradient of its own part of the loss. theta and gradient are null or
///      unread if there are no parameters.
/// W may have check() const, which throws std::invalid_argument for members out of range, and text() const,
/// which names it in the identity of a training. Models: adaptive_weight, learned_weight.
template <class W, class Batch>
concept loss_weighting = std::copy_constructible<W> &&
                         requires(typename W::template on<Batch> a, const typename W::template on<Batch> b,
                                  philox rng, view_t<Batch> theta, typename Batch::value_type* numbers,
                                  const detail::column_losses_of<Batch>& losses,
                                  row_view<double, backend_of_t<Batch>> multiple) {
                             requires std::constructible_from<typename W::template on<Batch>, const W&>;
                             { b.parameters() } -> std::convertible_to<index_t>;
                             b.initialise(rng, theta);
                             a(losses, numbers, numbers, multiple);
                         };

/// The multiple (loss + c)^-power, held fixed.
///
/// It is meant for targets that are not random: with random ones, dividing an error by its own size moves the
/// minimum from the mean towards a median. The diagonal loss of a training without a teacher therefore has
/// the multiple 1. Off the diagonal, random targets have the power `random_power`: [MF] uses 1, without which
/// the targets of MeanFlow, made of the network's own derivatives, diverge, at the price of that bias.
struct adaptive_weight {
    double power = 0.5, c = 1e-3, random_power = 0.0; ///< at least 0; above 0; at least 0

    template <class Batch>
    using on = detail::adaptive_weighting<Batch>;

    /// @throws std::invalid_argument with the name and the number of the first member that is out of range.
    void check() const {
        detail::require_not_negative("weighting.power", power);
        detail::require_positive("weighting.c", c);
        detail::require_not_negative("weighting.random_power", random_power);
    }
    [[nodiscard]] std::string text() const {
        return "adaptive_weight of " + digits_of(power) + ", " + digits_of(c) + ", " +
               digits_of(random_power);
    }
};

/// The multiple exp(-w) of the loss exp(-w(t, s, r)) loss + w(t, s, r), where w is a small MLP of the times
/// that is trained along. At its minimum exp(w) is the expected loss at these times, so that each loss counts
/// relative to that. [FM]
struct learned_weight {
    index_t width = 32; ///< of the MLP, at least 1

    template <class Batch>
    using on = detail::learned_weighting<Batch>;

    /// @throws std::invalid_argument with the number unless the width is at least 1.
    void check() const { detail::require_count("weighting.width", width, 1); }
    [[nodiscard]] std::string text() const { return "learned_weight of width " + digits_of(width); }
};

namespace detail {

/// The weight of a velocity's coordinate i in column j, given the posterior variance pv = spread(i, t).
///
/// On the diagonal, or for other random targets, it is S^2/(pv + floor), S^2 = s^2 pv + (1 - s)^2: the target
/// z - eps' has the variance pv/S^2 given (xbar_s, x_t) for Gaussian data, and its noise then has unit size
/// at all times. Else it is 1/(pv + floor), which measures errors in units of the posterior's deviation.
template <class Spread>
struct posterior_weight {
    Spread spread;
    time_view t, s;
    double floor;
    bool diagonal;
    [[nodiscard]] DIAMOND_HD double at(index_t i, index_t j) const {
        const double pv = spread(i, t[j]), time = s[j];
        return (diagonal ? time * time * pv + (1.0 - time) * (1.0 - time) : 1.0) / (pv + floor);
    }
};
/// The weight of the divergence's row, 1/spread(s, r).
template <class Spread>
struct divergence_weight {
    Spread spread;
    time_view s, r;
    [[nodiscard]] DIAMOND_HD double at(index_t, index_t j) const { return 1.0 / spread(s[j], r[j]); }
};

/// The errors v + (to - from) v' - target, or v - target, in batches of one shape.
template <class Batch>
struct loss_errors {
    const_view_t<Batch> v, v_dot, target;
    bool moving; ///< the error has the term of v'
    time_view from, to;
};
/// w error^2 of row first + i.
template <class Batch, class Weight>
struct weighted_square {
    Weight weight;
    loss_errors<Batch> of;
    index_t first;
    [[nodiscard]] DIAMOND_HD double error(index_t i, index_t j) const {
        const double value = static_cast<double>(of.v(first + i, j)) -
                             static_cast<double>(of.target(first + i, j));
        return of.moving ? value + (of.to[j] - of.from[j]) * static_cast<double>(of.v_dot(first + i, j))
                         : value;
    }
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        const double e = error(i, j);
        return weight.at(i, j) * e * e;
    }
};
/// Writes the cotangents of v and v' of scale sum_j multiple_j mean_i w_i error_i^2 in place of v and v',
/// rows first ... first + rows - 1. The cotangent of v' is 0 if its gradient is stopped.
template <class Batch, class Weight>
struct loss_cotangent {
    using real = typename Batch::value_type;
    weighted_square<Batch, Weight> term;
    row_view<const double, backend_of_t<Batch>> multiple;
    double scale;
    index_t rows;
    bool stopped;
    view_t<Batch> v, v_dot;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double k = 2.0 * scale * multiple[j] * term.weight.at(i, j) * term.error(i, j) /
                         static_cast<double>(rows);
        v(term.first + i, j) = static_cast<real>(k);
        if (term.of.moving)
            v_dot(term.first + i,
                  j) = static_cast<real>(stopped ? 0.0 : k * (term.of.to[j] - term.of.from[j]));
    }
};

DIAMOND_HD inline double to_power(double x, double power) { return std::pow(x, power); }

/// The multiples of an adaptive_weight, without parameters.
template <class Batch>
class adaptive_weighting {
public:
    using real = typename Batch::value_type;
    explicit adaptive_weighting(adaptive_weight weight) : weight_(weight) {}
    [[nodiscard]] static index_t parameters() { return 0; }
    static void initialise(philox, view_t<Batch>) {}
    void operator()(const column_losses_of<Batch>& of, const real*, real*,
                    row_view<double, backend_of_t<Batch>> multiple) const {
        const double power = of.targets == target_kind::determined          ? weight_.power
                           : of.targets == target_kind::random_off_diagonal ? weight_.random_power
                                                                            : 0.0;
        if (power == 0.0)
            assign(multiple, 1.0);
        else
            assign(multiple, elementwise<to_power>(of.loss + weight_.c, -power));
    }

private:
    adaptive_weight weight_;
};

/// Writes the nine inputs of a learned weight: 2 time - 1, sin(pi time) and cos(pi time) of t, s and r.
template <class Batch>
struct weight_inputs {
    time_view t, s, r;
    view_t<Batch> inputs;
    DIAMOND_HD void operator()(index_t j) const {
        using real = typename Batch::value_type;
        const double time[3] = {t[j], s[j], r[j]};
        for (index_t k = 0; k < 3; ++k) {
            inputs(3 * k, j) = static_cast<real>(2.0 * time[k] - 1.0);
            inputs(3 * k + 1, j) = static_cast<real>(std::sin(pi * time[k]));
            inputs(3 * k + 2, j) = static_cast<real>(std::cos(pi * time[k]));
        }
    }
};

/// The multiples of a learned_weight, with the parameters of its MLP.
template <class Batch>
class learned_weighting {
public:
    using real = typename Batch::value_type;
    explicit learned_weighting(learned_weight weight)
        : stack_(mlp_layers(inputs, 1, {.width = weight.width, .blocks = 1})) {}
    [[nodiscard]] index_t parameters() const { return stack_.parameters(); }
    void initialise(philox rng, view_t<Batch> theta) const {
        diamond::initialise(stack_, rng.split(1), theta);
    }
    void operator()(const column_losses_of<Batch>& of, const real* theta, real* gradient,
                    row_view<double, backend_of_t<Batch>> multiple) {
        const auto& context = multiple.context();
        const index_t n = multiple.columns();
        inputs_.resize(context, inputs, n);
        w_.resize(context, 1, n);
        context.for_each(n, weight_inputs<Batch>{.t = of.t, .s = of.s, .r = of.r, .inputs = inputs_});
        stack_.record(context, theta, {inputs_.data()}, n, {w_.data()}, space_);
        assign(multiple, exp(-row(w_)));
        assign(row(w_), of.scale * (1.0 - multiple * of.loss)); // the cotangent of w
        stack_.backward(context, theta, space_, {w_.data()}, {nullptr}, gradient);
    }

private:
    static constexpr index_t inputs = 9;
    dense_stack<Batch> stack_;
    typename dense_stack<Batch>::workspace space_;
    scratch<real, backend_of_t<Batch>> inputs_, w_;
};

} // namespace detail
} // namespace diamond
