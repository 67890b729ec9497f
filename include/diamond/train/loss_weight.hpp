/// How much each column's loss counts: by its own size, or as a small network learns it.
#pragma once

#include <cmath>

#include <diamond/core/interval.hpp>
#include <diamond/nn/mlp.hpp>
#include <diamond/train/option_checks.hpp>

namespace diamond {

/// (loss + c)^-power, held fixed. It is for targets that are not random: with random ones, dividing an error by its own size moves the minimum
/// from the mean towards a median. The diagonal loss of a training without a teacher is therefore left as it is. Off the diagonal random targets
/// have a power of their own: [MF] has 1, without which MeanFlow's targets, made of the network's own derivatives, run away; it costs that bias.
struct adaptive_weight {
    double power = 0.5, c = 1e-3, random_power = 0.0;

    /// @throws std::invalid_argument with the name and number of what is out of range.
    void check() const {
        detail::require_not_negative("weighting.power", power);
        detail::require_positive("weighting.c", c);
        detail::require_not_negative("weighting.random_power", random_power);
    }
    [[nodiscard]] std::string text() const { return "adaptive_weight of " + digits_of(power) + ", " + digits_of(c) + ", " + digits_of(random_power); }
};

/// What a loss's targets are, as far as its weighting cares.
enum class target_kind { determined, random_on_diagonal, random_off_diagonal };

/// exp(-w(t, s, r)) loss + w(t, s, r), w a small MLP of the times that is trained along: at its minimum exp(w) is the loss to be expected at
/// those times, so that each counts by its ratio to that. [FM]
struct learned_weight {
    index_t width = 32;

    /// @throws std::invalid_argument unless the width is 1 or more.
    void check() const { detail::require_count("weighting.width", width, 1); }
    [[nodiscard]] std::string text() const { return "learned_weight of width " + digits_of(width); }
};

namespace detail {

struct adaptive_multiple {
    adaptive_weight weight;
    const double* loss;
    double* multiple;
    DIAMOND_HD void operator()(index_t j) const { multiple[j] = weight.power == 0.0 ? 1.0 : std::pow(loss[j] + weight.c, -weight.power); }
};
template <class Real>
struct weight_inputs {
    time_view t, s, r;
    Real* inputs;
    DIAMOND_HD void operator()(index_t j) const {
        const double time[3] = {t[j], s[j], r[j]};
        for (int k = 0; k < 3; ++k) {
            inputs[9 * j + 3 * k]     = static_cast<Real>(2.0 * time[k] - 1.0);
            inputs[9 * j + 3 * k + 1] = static_cast<Real>(std::sin(pi * time[k]));
            inputs[9 * j + 3 * k + 2] = static_cast<Real>(std::cos(pi * time[k]));
        }
    }
};
/// exp(-w), and in place of w its cotangent, scale (1 - exp(-w) loss).
template <class Real>
struct learned_multiple {
    const double* loss;
    double scale;
    Real* w;
    double* multiple;
    DIAMOND_HD void operator()(index_t j) const {
        multiple[j] = std::exp(-static_cast<double>(w[j]));
        w[j]        = static_cast<Real>(scale * (1.0 - multiple[j] * loss[j]));
    }
};

/// Calls for the columns' multiples; of the parameters behind the network's a weighting may own some.
template <class Batch, class Weighting>
class loss_weighting;

template <class Batch>
class loss_weighting<Batch, adaptive_weight> {
public:
    using real = typename Batch::value_type;
    explicit loss_weighting(adaptive_weight weight) : weight_(weight) {}
    [[nodiscard]] static index_t parameters() { return 0; }
    static void initialise(philox, view_t<Batch>) {}
    /// multiple[j] of loss[j], columns' mean losses.
    void operator()(const backend_of_t<Batch>& context, const real*, real*, time_view, time_view, time_view, index_t columns, double, target_kind kind, const double* loss, double* multiple) {
        const double power = kind == target_kind::determined ? weight_.power : kind == target_kind::random_off_diagonal ? weight_.random_power : 0.0;
        context.for_each(columns, adaptive_multiple{{power, weight_.c}, loss, multiple});
    }

private:
    adaptive_weight weight_;
};

template <class Batch>
class loss_weighting<Batch, learned_weight> {
public:
    using real = typename Batch::value_type;
    explicit loss_weighting(learned_weight weight) : stack_(mlp_layers(9, 1, {.width = weight.width, .blocks = 1})) {}
    [[nodiscard]] index_t parameters() const { return stack_.parameters(); }
    void initialise(philox rng, view_t<Batch> theta) const { diamond::initialise(stack_, rng.split(1), theta); }
    void operator()(const backend_of_t<Batch>& context, const real* theta, real* gradient, time_view t, time_view s, time_view r, index_t columns, double scale, target_kind, const double* loss,
                    double* multiple) {
        inputs_.resize(context, 9, columns);
        w_.resize(context, 1, columns);
        context.for_each(columns, weight_inputs<real>{t, s, r, inputs_.data()});
        stack_.record(context, theta, {inputs_.data()}, columns, {w_.data()}, space_);
        context.for_each(columns, learned_multiple<real>{loss, scale, w_.data(), multiple});
        stack_.backward(context, theta, space_, {w_.data()}, {nullptr}, gradient);
    }

private:
    dense_stack<Batch> stack_;
    typename dense_stack<Batch>::workspace space_;
    scratch<real, backend_of_t<Batch>> inputs_, w_;
};

} // namespace detail
} // namespace diamond
