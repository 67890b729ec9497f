/// AdamW with clipped gradients, its learning rate, and the moving average of the parameters.
///
/// Source: I. Loshchilov, F. Hutter: Decoupled weight decay regularization, ICLR 2019.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/train/option_checks.hpp>

namespace diamond {

/// A learning rate that rises linearly over the first `warm_up` steps and falls to 0 by a cosine over the
/// last share `decay` of all steps.
struct learning_rate {
    double peak = 1e-3;    ///< the largest rate, finite and at least 0
    index_t warm_up = 200; ///< at least 0
    double decay = 1.0;    ///< in [0, 1]

    /// Returns the rate of step k = 0, 1, ... of `steps`.
    [[nodiscard]] double at(index_t k, index_t steps) const {
        const double up = warm_up > 0
                            ? std::min(1.0, static_cast<double>(k + 1) / static_cast<double>(warm_up))
                            : 1.0;
        const double start = (1.0 - decay) * static_cast<double>(steps),
                     length = decay * static_cast<double>(steps);
        const double share = length > 0.0 ? std::clamp((static_cast<double>(k) - start) / length, 0.0, 1.0)
                                          : 0.0;
        return peak * up * 0.5 * (1.0 + std::cos(pi * share));
    }
    /// @throws std::invalid_argument with the name and the number of the first member that is out of range.
    void check() const {
        detail::require_not_negative("rate.peak", peak);
        detail::require_count("rate.warm_up", warm_up, 0);
        detail::require_share("rate.decay", decay);
    }
    [[nodiscard]] std::string text() const {
        return digits_of(peak) + ", " + digits_of(warm_up) + ", " + digits_of(decay);
    }
};

/// The numbers of AdamW: decay of its moments, epsilon, weight decay and clipping.
struct adam_w_options {
    double beta_1 = 0.9, beta_2 = 0.99; ///< in [0, 1)
    double epsilon = 1e-8;              ///< at least least_epsilon
    double weight_decay = 0.0;          ///< decoupled: theta -= rate * weight_decay * theta; at least 0
    double clip = 1.0; ///< larger gradients are scaled down to this norm; 0 and infinity switch clipping off

    /// The least epsilon: it is not 0 in float, and so in no number type of a batch.
    static constexpr double least_epsilon = std::numeric_limits<float>::min();

    /// @throws std::invalid_argument with the name and the number of the first member that is out of range.
    void check() const {
        for (const auto& [name, beta] :
             {std::pair{"optimiser.beta_1", beta_1}, std::pair{"optimiser.beta_2", beta_2}})
            require(beta >= 0.0 && beta < 1.0, [name = name, beta = beta] {
                return std::string(name) + " is " + digits_of(beta) + ": it lies in [0, 1), without its end";
            });
        require(epsilon >= least_epsilon && epsilon < infinity, [&] {
            return "optimiser.epsilon is " + digits_of(epsilon) + ": it must be finite and at least " +
                   digits_of(least_epsilon);
        });
        detail::require_not_negative("optimiser.weight_decay", weight_decay);
        require(clip >= 0.0,
                [&] { return "optimiser.clip is " + digits_of(clip) + ": it must not be negative"; });
    }
    [[nodiscard]] std::string text() const {
        return digits_of(beta_1) + ", " + digits_of(beta_2) + ", " + digits_of(epsilon) + ", " +
               digits_of(weight_decay) + ", " + digits_of(clip);
    }
};

/// The norm of a gradient and the factor that clipping multiplies the gradient by, in the back end's memory.
/// The factor is NaN if the norm is not finite.
struct clipped_norm {
    double norm = 0.0, scale = 1.0; ///< The Euclidean norm before clipping, and the factor, at most 1.
};

/// The parameters and the two moments that AdamW keeps of their gradient: views of one size.
template <class Batch>
struct adam_w_state {
    /// The parameters, and the moving averages of their gradient and of its square.
    view_t<Batch> theta, mean, variance;
};
/// The number of a step, k = 0, 1, ..., and its learning rate.
struct adam_w_step {
    index_t k;   ///< the number of the step, from 0
    double rate; ///< the learning rate of the step, at least 0
};

namespace detail {
DIAMOND_HD constexpr double clipping_factor(double norm, double clip) {
    return !(norm < infinity) ? not_a_number : clip > 0.0 && norm > clip ? clip / norm : 1.0;
}
/// AdamW's update of the moments and of theta; nothing changes if the gradient's norm is not finite.
template <class Batch>
struct adam_w_update {
    using real = typename Batch::value_type;
    adam_w_state<Batch> state;
    const_view_t<Batch> gradient;
    const clipped_norm* norm;
    real beta_1, beta_2, rate, correction, epsilon, decay;
    DIAMOND_HD void operator()(index_t i) const {
        if (norm->scale != norm->scale) return;
        real &theta = state.theta[i], &mean = state.mean[i], &variance = state.variance[i];
        const real g = static_cast<real>(norm->scale) * gradient[i];
        mean = beta_1 * mean + (real{1} - beta_1) * g;
        variance = beta_2 * variance + (real{1} - beta_2) * g * g;
        theta -= rate * mean / (std::sqrt(variance * correction) + epsilon) + decay * theta;
    }
};
} // namespace detail

/// Takes one step of AdamW, and writes the norm of the gradient before clipping and the factor of clipping to
/// *norm, in the back end's memory. A gradient whose norm is not finite changes nothing else.
/// @throws std::invalid_argument for options out of range.
template <class Batch>
void adam_w(const adam_w_options& options, const adam_w_step& step, const adam_w_state<Batch>& state,
            const_view_t<Batch> gradient, clipped_norm* norm) {
    using real = typename Batch::value_type;
    const auto& context = state.theta.context();
    options.check();
    context.sum(gradient.size(), square(row(context, gradient.size(), gradient.data())), &norm->norm);
    const auto length = row(context, 1, &norm->norm);
    assign(length, sqrt(length));
    assign(row(context, 1, &norm->scale), elementwise<detail::clipping_factor>(length, options.clip));
    const double bias_1 = 1.0 - std::pow(options.beta_1, static_cast<double>(step.k + 1));
    const double bias_2 = 1.0 - std::pow(options.beta_2, static_cast<double>(step.k + 1));
    context.for_each(state.theta.size(), detail::adam_w_update<Batch>{
                                             .state = state,
                                             .gradient = gradient,
                                             .norm = norm,
                                             .beta_1 = static_cast<real>(options.beta_1),
                                             .beta_2 = static_cast<real>(options.beta_2),
                                             .rate = static_cast<real>(step.rate / bias_1),
                                             .correction = static_cast<real>(1.0 / bias_2),
                                             .epsilon = static_cast<real>(options.epsilon),
                                             .decay = static_cast<real>(step.rate * options.weight_decay)});
}

/// average = decay average + (1 - decay) theta after step k = 0, 1, ... The decay is at most (1 + k)/(10 +
/// k), so that a young average forgets its start.
template <class Batch>
void moving_average(double decay, index_t k, view_t<Batch> average, const_view_t<Batch> theta) {
    using real = typename Batch::value_type;
    const auto now = static_cast<real>(
        std::min(decay, static_cast<double>(1 + k) / static_cast<double>(10 + k)));
    assign(average, static_cast<double>(now) * average + static_cast<double>(real{1} - now) * theta);
}

} // namespace diamond
