/// AdamW with clipping, and how its rate goes up and down.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/train/option_checks.hpp>

namespace diamond {

/// The rate rises linearly over `warm_up` steps and falls to 0 by a cosine over the last `decay` share of all steps.
struct learning_rate {
    double peak     = 1e-3;
    index_t warm_up = 200;
    double decay    = 1.0;

    /// Of step k = 0, 1, ... of `steps`.
    [[nodiscard]] double at(index_t k, index_t steps) const {
        const double up    = warm_up > 0 ? std::min(1.0, static_cast<double>(k + 1) / static_cast<double>(warm_up)) : 1.0;
        const double start = (1.0 - decay) * static_cast<double>(steps), length = decay * static_cast<double>(steps);
        const double share = length > 0.0 ? std::clamp((static_cast<double>(k) - start) / length, 0.0, 1.0) : 0.0;
        return peak * up * 0.5 * (1.0 + std::cos(pi * share));
    }
    /// @throws std::invalid_argument with the name and number of what is out of range.
    void check() const {
        detail::require_not_negative("rate.peak", peak);
        detail::require_count("rate.warm_up", warm_up, 0);
        detail::require_share("rate.decay", decay);
    }
    [[nodiscard]] std::string text() const { return digits_of(peak) + ", " + digits_of(warm_up) + ", " + digits_of(decay); }
};

struct adam_w_options {
    double beta_1 = 0.9, beta_2 = 0.99;
    double epsilon      = 1e-8;
    double weight_decay = 0.0; ///< decoupled: theta -= rate * weight_decay * theta
    double clip         = 1.0; ///< the most that the gradient's norm may be, larger ones are scaled down; 0 or infinity: any

    static constexpr double least_epsilon = std::numeric_limits<float>::min(); ///< that no number type of a batch takes for 0

    /// @throws std::invalid_argument with the name and number of what is out of range.
    void check() const {
        for (const auto& [name, beta] : {std::pair{"optimiser.beta_1", beta_1}, std::pair{"optimiser.beta_2", beta_2}})
            require(beta >= 0.0 && beta < 1.0, [name = name, beta = beta] { return std::string(name) + " is " + digits_of(beta) + ": it lies in [0, 1), without its end"; });
        require(epsilon >= least_epsilon && epsilon < infinity,
                [&] { return "optimiser.epsilon is " + digits_of(epsilon) + ": it must be finite and at least " + digits_of(least_epsilon); });
        detail::require_not_negative("optimiser.weight_decay", weight_decay);
        require(clip >= 0.0, [&] { return "optimiser.clip is " + digits_of(clip) + ": it must not be negative"; });
    }
    [[nodiscard]] std::string text() const {
        return digits_of(beta_1) + ", " + digits_of(beta_2) + ", " + digits_of(epsilon) + ", " + digits_of(weight_decay) + ", " + digits_of(clip);
    }
};

/// A gradient's norm and what clipping multiplies it by: NaN where the norm is not finite. It stays in the back end's memory.
struct clipped_norm {
    double norm = 0.0, scale = 1.0;
};

namespace detail {
template <class Real>
struct squared_gradient {
    const Real* x;
    DIAMOND_HD double operator()(index_t i) const { return static_cast<double>(x[i]) * static_cast<double>(x[i]); }
};
struct clip_norm {
    double clip;
    clipped_norm* of;
    DIAMOND_HD void operator()(index_t) const {
        of->norm  = std::sqrt(of->norm);
        of->scale = !(of->norm < infinity) ? NAN : clip > 0.0 && of->norm > clip ? clip / of->norm : 1.0;
    }
};
template <class Real>
struct adam_w_update {
    Real *theta, *mean, *variance;
    const Real* gradient;
    const clipped_norm* norm;
    Real beta_1, beta_2, rate, correction, epsilon, decay;
    DIAMOND_HD void operator()(index_t i) const {
        if (norm->scale != norm->scale) return;
        const Real g = static_cast<Real>(norm->scale) * gradient[i];
        mean[i]      = beta_1 * mean[i] + (Real{1} - beta_1) * g;
        variance[i]  = beta_2 * variance[i] + (Real{1} - beta_2) * g * g;
        theta[i] -= rate * mean[i] / (std::sqrt(variance[i] * correction) + epsilon) + decay * theta[i];
    }
};
template <class Real>
struct average_update {
    Real* average;
    const Real* theta;
    Real decay;
    DIAMOND_HD void operator()(index_t i) const { average[i] = decay * average[i] + (Real{1} - decay) * theta[i]; }
};
} // namespace detail

/// One step of AdamW; `k` counts from 0. *norm gets the norm of the gradient before clipping; one that is not finite changes nothing.
/// @throws std::invalid_argument for options out of range.
template <class Batch>
void adam_w(const adam_w_options& options, double rate, index_t k, view_t<Batch> theta, view_t<Batch> mean, view_t<Batch> variance, const_view_t<Batch> gradient,
            clipped_norm* norm) {
    using real          = typename Batch::value_type;
    const auto& context = theta.context();
    options.check();
    context.sum(gradient.size(), detail::squared_gradient<real>{gradient.data()}, &norm->norm);
    context.for_each(1, detail::clip_norm{options.clip, norm});
    const double bias_1 = 1.0 - std::pow(options.beta_1, static_cast<double>(k + 1)), bias_2 = 1.0 - std::pow(options.beta_2, static_cast<double>(k + 1));
    const auto r = [](double x) { return static_cast<real>(x); };
    context.for_each(theta.size(), detail::adam_w_update<real>{theta.data(), mean.data(), variance.data(), gradient.data(), norm, r(options.beta_1),
                                                               r(options.beta_2), r(rate / bias_1), r(1.0 / bias_2), r(options.epsilon), r(rate * options.weight_decay)});
}

/// average = decay average + (1 - decay) theta, decay <= (1 + k)/(10 + k), so that a young average forgets its start.
template <class Batch>
void moving_average(double decay, index_t k, view_t<Batch> average, const_view_t<Batch> theta) {
    using real       = typename Batch::value_type;
    const double now = std::min(decay, static_cast<double>(1 + k) / static_cast<double>(10 + k));
    theta.context().for_each(theta.size(), detail::average_update<real>{average.data(), theta.data(), static_cast<real>(now)});
}

} // namespace diamond
