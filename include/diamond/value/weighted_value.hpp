/// Weighted Diamond: V_t(x) from an ordinary flow map, by renoising, looking ahead and weighting. [DM], section 6.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/density/exact_density.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/noising.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/reward_caller.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

struct weighted_value_options {
    index_t               samples = 1;     ///< M, renoised look-aheads a particle
    bool antithetic               = false; ///< renoising in pairs of opposite noise; averaged before any standard error; M must be even
    bool fixed_noise              = false; ///< the same noise at every step
    std::optional<double> kappa   = {};    ///< snr(t)/snr(t_-); default 2 + 1/snr(t), where the spreads match for unit variance
    bool force_small_kappa        = false; ///< allow kappa < 2, where the weights may have infinite variance: ESS and errors then mean nothing
};

/// Where a particle at t is renoised to: x_- = scale x_t + spread eps at time t_-.
struct renoising {
    double time, scale, spread;
};

/// snr(t_-) = snr(t)/kappa as far as a double can say, scale = alpha(t_-)/alpha(t), spread^2 = sigma(t_-)^2 - scale^2 sigma(t)^2. t in (0, 1).
template <class Schedule>
[[nodiscard]] renoising renoising_at(const Schedule& schedule, double t, double kappa) {
    const noise_level here   = level_at(schedule, t);
    const double      sought = time_at(schedule, here.alpha, here.sigma * std::sqrt(kappa));
    const double      time   = sought < t ? sought : std::nextafter(t, 0.0); // any earlier time will do, and this one is a double
    const noising     back   = noising_at(schedule, {time, t});
    return {time, back.scale, back.spread};
}

namespace detail {
/// log N(x_t; alpha z, sigma^2 I) - log N(eps; 0, I), coordinate by coordinate, constants apart.
template <class Real>
struct renoising_weight {
    const Real *x_t, *z, *noise;
    double      alpha, sigma;
    index_t     rows, samples;
    DIAMOND_HD double operator()(index_t i, index_t m) const {
        const double residual = (static_cast<double>(x_t[i + rows * (m / samples)]) - alpha * static_cast<double>(z[i + rows * m])) / sigma;
        return 0.5 * (square(static_cast<double>(noise[i + rows * m])) - square(residual));
    }
};
/// base += constant + density, full = base + r.
struct add_log_terms {
    const double *density, *reward;
    double        constant;
    double *      base, *full;
    DIAMOND_HD void operator()(index_t m) const {
        base[m] += constant + density[m];
        full[m] = base[m] + reward[m];
    }
};
/// At t = 0 the weights are the rewards alone.
struct plain_weights {
    const double* reward;
    double *      base, *full;
    DIAMOND_HD void operator()(index_t m) const {
        base[m] = 0.0;
        full[m] = reward[m];
    }
};
struct log_mean_weight {
    const double* full;
    index_t       samples;
    double*       out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = sum_weights(full + j * samples, samples, false).log_mean(samples); }
};
/// cotangent = p (grad r + alpha/sigma^2 (x_t - alpha z)), in place of grad r.
template <class Real>
struct weighted_cotangent {
    const Real *  x_t, *z;
    const double* p;
    double        alpha, sigma;
    index_t       rows, samples;
    Real*         gradient;
    DIAMOND_HD void operator()(index_t i, index_t m) const {
        const index_t at   = i + rows * m;
        const double  miss = static_cast<double>(x_t[i + rows * (m / samples)]) - alpha * static_cast<double>(z[at]);
        // A weight of 0, a forbidden sample's, switches the gradient off, whatever it is.
        gradient[at] = p[m] == 0.0 ? Real{0} : static_cast<Real>(p[m] * (static_cast<double>(gradient[at]) + alpha / square(sigma) * miss));
    }
};
/// out = factor (sum_m [scale pulled_m + p_m (scale score_m - (x_t - alpha z_m)/sigma^2)] - score_t), out holding score_t before.
template <class Real>
struct weighted_gradient {
    const Real *  x_t, *z, *pulled, *score;
    const double* p;
    double        alpha, sigma, scale, factor;
    index_t       rows, samples;
    Real*         out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        double sum = -static_cast<double>(out[i + rows * j]);
        for (index_t m = j * samples; m < (j + 1) * samples; ++m) {
            const index_t at   = i + rows * m;
            const double  miss = static_cast<double>(x_t[i + rows * j]) - alpha * static_cast<double>(z[at]);
            sum += scale * static_cast<double>(pulled[at]) + p[m] * (scale * static_cast<double>(score[at]) - miss / square(sigma));
        }
        out[i + rows * j] = static_cast<Real>(factor * sum);
    }
};
} // namespace detail

/// V by a flow map and a density of its marginals: flow_density of a flow map with divergence, which gives both, or best_density of a velocity.
///
/// Renoises x_- = a x_t + std eps, looks ahead z = X_{t_-,1}(x_-), and weighs
///   log w = r(z) + log N(x_t; alpha z, sigma^2 I) + log p_{t_-}(x_-) - log N(eps; 0, I) + d log std:
/// with an exact density mean(w) is unbiased for p_t(x_t) exp V_t(x_t), and V = logsumexp(log w) - logsumexp(log w - r) is consistent.
/// Guidance needs the density's score(x, t, condition, out). At t = 0: x_- ~ N(0, I) and w = exp r. At t = 1: V = r. Cost: M calls of map, density and reward a particle.
template <class Density, class Map, class Reward>
class weighted_value {
    static_assert(diagnose_flow_map<Map>());
    static_assert(diagnose_density<Density, Map>());
    static consteval bool schedules_agree() {
        if constexpr (detail::names_schedule<Map>)
            return detail::same_schedule<Map, Density>;
        else
            return true; // a flow map need not say
    }
    static_assert(schedules_agree(), "flow map and density must have the same noise schedule: rescheduled_density reads a density by another's");
    static_assert(diagnose_condition<condition_of_t<Map>, backend_of_t<typename Map::batch_type>>());
    static_assert(diagnose_reward<Reward, typename Map::batch_type, condition_of_t<Map>>());

public:
    using batch_type     = typename Map::batch_type;
    using condition_type = condition_of_t<Map>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// kappa below this has, or may have, weights of infinite variance.
    static constexpr double least_kappa = 2.0;

    /// @throws std::invalid_argument unless samples >= 1, and even where antithetic; for kappa <= 1, and for kappa < 2 unless forced.
    weighted_value(Density density, Map map, Reward reward, weighted_value_options options = {})
        : density_(std::move(density)), map_(std::move(map)), reward_(std::move(reward)), options_(options) {
        require(density_.dimension() == dimension(), [&] {
            return "a weighted value with a density in dimension " + digits_of(density_.dimension()) + " and a map in dimension " + digits_of(dimension());
        });
        detail::require_samples("a weighted value", options);
        check_schedule(density_.schedule());
        if (options.kappa) {
            require(*options.kappa > 1.0, [&] { return "kappa = " + digits_of(*options.kappa) + ": renoising goes back in time, kappa > 1"; });
            require(*options.kappa >= least_kappa || options.force_small_kappa, [&] {
                return "kappa = " + digits_of(*options.kappa) + ": below 2 the weights may have infinite variance; set force_small_kappa to do it all the same";
            });
        }
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    [[nodiscard]] cost    spent() const {
        cost total = map_.spent() + density_.spent();
        total.reward += reward_.calls();
        return total;
    }
    /// kappa at time t.
    [[nodiscard]] double kappa(double t) const { return options_.kappa ? *options_.kappa : 2.0 + 1.0 / level_at(density_.schedule(), t).snr(); }

    /// values.value[j] = V_t(x_j) self-normalised; ess under the weights with the reward, ess_base without.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream, value_batch values) {
        require_time("weighted_value", t);
        if (t >= 1.0) {
            reward_(x, condition, stream.step, 1, values.value);
            x.context().for_each(x.columns(), detail::no_samples{values});
            return;
        }
        look_ahead(x, t, condition, stream);
        soften(x);
        x.context().for_each(x.columns(), detail::summarise_weighted{full_.data(), base_.data(), p_.data(), q_.data(), options_.samples,
                                                                     options_.antithetic, values});
    }

    /// out[j] = log of 1/M sum_i w_i, the estimate of log p_t(x_j) + V_t(x_j); the trapezoid's constant is missing from it. t in (0, 1).
    void log_tilted_density(const_view x, double t, const condition_type& condition, noise_stream stream, double* out) {
        require(t > 0.0 && t < 1.0, [&] { return "the weighted estimate of p_t exp V_t at t = " + digits_of(t) + ": 0 < t < 1 is needed"; });
        look_ahead(x, t, condition, stream);
        x.context().for_each(x.columns(), detail::log_mean_weight{full_.data(), options_.samples, out});
    }

    /// out = b(t) grad V_t(x) by the gradient of section 6; at t = 0 its limit alpha'(0)(D^r - D), at t = 1 b(1) grad r.
    /// @throws std::invalid_argument for one sample at t = 0, whose D^r - D is 0 whatever the reward.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out)
        requires differentiable_flow_map<Map> && differentiable_reward<Reward, batch_type, condition_type> && detail::says_score<Density>
    {
        require_time("weighted_value::guidance", t);
        require_same_shape("weighted_value::guidance", x, const_view(out));
        const auto&    context  = x.context();
        const auto&    schedule = density_.schedule();
        const index_t  samples  = options_.samples;
        if (t >= 1.0) {
            reward_.gradient(x, condition, stream.step, out);
            assign(out, final_guidance_factor(schedule) * out);
            return;
        }
        if (t <= 0.0) detail::require_spread("a weighted value", t, samples);
        const renoising   back = look_ahead(x, t, condition, stream);
        const noise_level here = level_at(schedule, t);
        soften(x);
        if (t <= 0.0) {
            context.for_each(out.rows(), out.columns(),
                             detail::tilted_mean_shift<real>{z_.data(), p_.data(), q_.data(), mean_shift_factor(schedule, 0.0), out.rows(), samples, options_.antithetic, out.data()});
            return;
        }
        const auto repeated = repeated_.repeat(context, condition, x.columns(), samples);
        for (auto* buffer : {&gradient_, &pulled_, &score_}) buffer->resize(context, x.rows(), z_.columns());
        reward_.gradient(z_, repeated, stream.step, gradient_);
        context.for_each(x.rows(), z_.columns(),
                         detail::weighted_cotangent<real>{x.data(), z_.data(), p_.data(), here.alpha, here.sigma, x.rows(), samples, gradient_.data()});
        map_.vjp(renoised_, interval{back.time, 1.0}, repeated, gradient_, pulled_);
        density_.score(renoised_, back.time, repeated, score_);
        density_.score(x, t, condition, out);
        context.for_each(out.rows(), out.columns(),
                         detail::weighted_gradient<real>{x.data(), z_.data(), pulled_.data(), score_.data(), p_.data(), here.alpha, here.sigma, back.scale,
                                                         guidance_factor(schedule, t), x.rows(), samples, out.data()});
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    /// Draws x_-, looks ahead and fills base_ (log w without the reward) and full_ (with it).
    renoising look_ahead(const_view x, double t, const condition_type& condition, noise_stream stream) {
        const auto&   context = x.context();
        const auto&   schedule = density_.schedule();
        const index_t samples = options_.samples, columns = extent_product("a weighted value's particles and samples", x.columns(), samples);
        for (auto* buffer : {&noise_, &renoised_, &z_}) buffer->resize(context, x.rows(), columns);
        for (auto* buffer : {&base_, &full_, &density_values_, &reward_values_}) buffer->resize(context, 1, columns);
        const auto repeated = repeated_.repeat(context, condition, x.columns(), samples);
        draw_normal(detail::value_stream(stream, options_), noise_.mutable_view());

        const bool      from_noise = t <= 0.0;
        const renoising back       = from_noise ? renoising{0.0, 0.0, 1.0} : renoising_at(schedule, t, kappa(t));
        repeat_columns(x, samples, renoised_.mutable_view());
        assign(renoised_, back.scale * renoised_ + back.spread * noise_);
        map_(renoised_, interval{back.time, 1.0}, repeated, z_);
        reward_(z_, repeated, stream.step, samples, reward_values_.data());
        if (from_noise) {
            context.for_each(columns, detail::plain_weights{reward_values_.data(), base_.data(), full_.data()});
            return back;
        }
        const noise_level here = level_at(schedule, t);
        if constexpr (detail::absolute_density<Density, Map>)
            density_(renoised_, back.time, repeated, density_values_.data());
        else
            density_(renoised_, back.time, repeated, x, samples, density_values_.data());
        context.column_sums(x.rows(), columns,
                            detail::renoising_weight<real>{x.data(), z_.data(), noise_.data(), here.alpha, here.sigma, x.rows(), samples}, base_.data());
        // log N(x_t; alpha z, sigma^2 I) - log N(eps; 0, I): the 2 pi cancel
        const double constant = static_cast<double>(x.rows()) * (std::log(back.spread) - std::log(here.sigma));
        context.for_each(columns, detail::add_log_terms{density_values_.data(), reward_values_.data(), constant, base_.data(), full_.data()});
        return back;
    }
    void soften(const_view x) {
        p_.resize(x.context(), 1, full_.columns());
        q_.resize(x.context(), 1, full_.columns());
        x.context().for_each(x.columns(), detail::soft_weights{full_.data(), options_.samples, p_.data()});
        x.context().for_each(x.columns(), detail::soft_weights{base_.data(), options_.samples, q_.data()});
    }

    Density                                           density_;
    Map                                               map_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    weighted_value_options                            options_;
    scratch<real, context_type>                       noise_, renoised_, z_, gradient_, pulled_, score_;
    scratch<double, context_type>                     base_, full_, density_values_, reward_values_, p_, q_;
    condition_store<condition_type, context_type>     repeated_;
};
template <class Density, class Map, class Reward>
weighted_value(Density, Map, Reward) -> weighted_value<Density, Map, Reward>;
template <class Density, class Map, class Reward>
weighted_value(Density, Map, Reward, weighted_value_options) -> weighted_value<Density, Map, Reward>;

} // namespace diamond
