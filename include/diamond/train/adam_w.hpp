/// AdamW with clipping, and how its rate goes up and down.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/errors.hpp>

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
};

struct adam_w_options {
    double beta_1 = 0.9, beta_2 = 0.99;
    double epsilon      = 1e-8;
    double weight_decay = 0.0; ///< decoupled: theta -= rate * weight_decay * theta
    double clip         = 1.0; ///< the most that the gradient's norm may be; larger ones are scaled down
};

namespace detail {
template <class Real>
struct squared_gradient {
    const Real* x;
    DIAMOND_HD double operator()(index_t i) const { return static_cast<double>(x[i]) * static_cast<double>(x[i]); }
};
template <class Real>
struct adam_w_update {
    Real *theta, *mean, *variance;
    const Real* gradient;
    Real scale, beta_1, beta_2, rate, correction, epsilon, decay;
    DIAMOND_HD void operator()(index_t i) const {
        const Real g = scale * gradient[i];
        mean[i]      = beta_1 * mean[i] + (Real{1} - beta_1) * g;
        variance[i]  = beta_2 * variance[i] + (Real{1} - beta_2) * g * g;
        theta[i] -= rate * mean[i] / (std::sqrt(variance[i] * correction) + epsilon) + decay * theta[i];
    }
};
template <class Real>
struct average_update {
    Real* average;
    const Real* theta;
    Real keep;
    DIAMOND_HD void operator()(index_t i) const { average[i] = keep * average[i] + (Real{1} - keep) * theta[i]; }
};
} // namespace detail

/// One step of AdamW; `k` counts from 0. Returns the norm of the gradient before clipping; a norm that is not finite changes nothing.
template <class Batch>
double adam_w(const adam_w_options& options, double rate, index_t k, view_t<Batch> theta, view_t<Batch> mean, view_t<Batch> variance, const_view_t<Batch> gradient) {
    using real          = typename Batch::value_type;
    const auto& context = theta.context();
    const double norm   = std::sqrt(context.sum(gradient.size(), detail::squared_gradient<real>{gradient.data()}));
    if (!std::isfinite(norm)) return norm;
    const double scale = options.clip > 0.0 && norm > options.clip ? options.clip / norm : 1.0;
    const double bias_1 = 1.0 - std::pow(options.beta_1, static_cast<double>(k + 1)), bias_2 = 1.0 - std::pow(options.beta_2, static_cast<double>(k + 1));
    const auto r = [](double x) { return static_cast<real>(x); };
    context.for_each(theta.size(), detail::adam_w_update<real>{theta.data(), mean.data(), variance.data(), gradient.data(), r(scale), r(options.beta_1),
                                                               r(options.beta_2), r(rate / bias_1), r(1.0 / bias_2), r(options.epsilon), r(rate * options.weight_decay)});
    return norm;
}

/// average = keep average + (1 - keep) theta, keep <= (1 + k)/(10 + k), so that a young average forgets its start.
template <class Batch>
void moving_average(double keep, index_t k, view_t<Batch> average, const_view_t<Batch> theta) {
    using real       = typename Batch::value_type;
    const double now = std::min(keep, static_cast<double>(1 + k) / static_cast<double>(10 + k));
    theta.context().for_each(theta.size(), detail::average_update<real>{average.data(), theta.data(), static_cast<real>(now)});
}

} // namespace diamond
