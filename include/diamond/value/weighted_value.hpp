/// Weighted Diamond: an estimate of V_t(x) from an ordinary flow map, by renoising, looking ahead and
/// importance weights. [DM], (eq. renoising) to (eq. weighted-value-error).
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
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/noising.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

/// Options of weighted_value.
struct weighted_value_options {
    index_t samples = 1; ///< M, the number of renoised look-aheads a particle, at most 2^24
    /// Renoises pairs with opposite noise, which are averaged before any standard error; M must then be even.
    bool antithetic = false;
    bool fixed_noise = false; ///< renoises with the same noise at every step
    /// kappa = snr(t)/snr(t_-) > 1. The default is 2 + 1/snr(t), at which the spreads match for data of unit
    /// variance.
    std::optional<double> kappa = {};
    /// Allows kappa < 2, where the weights may have infinite variance, so that ESS and standard errors mean
    /// nothing.
    bool force_small_kappa = false;
};

/// The renoising of a particle at time t to x_- = scale x_t + spread eps at an earlier `time` t_-.
struct renoising {
    double time, scale, spread; ///< t_-, the factor of x_t and the standard deviation of the noise.
};

/// The renoising with snr(t_-) = snr(t)/kappa as far as a double resolves t_-, for t in (0, 1) and kappa > 1:
/// scale = alpha(t_-)/alpha(t) and spread^2 = sigma(t_-)^2 - scale^2 sigma(t)^2.
template <class Schedule>
[[nodiscard]] renoising renoising_at(const Schedule& schedule, double t, double kappa) {
    const noise_level here = level_at(schedule, t);
    const double sought = time_at(schedule, here.alpha, here.sigma * std::sqrt(kappa));
    const double time = sought < t ? sought : std::nextafter(t, 0.0); // the nearest earlier double
    const noising back = noising_at(schedule, {time, t});
    return {time, back.scale, back.spread};
}

namespace detail {
/// Coordinate i of log N(x_t; alpha z, sigma^2 I) - log N(eps; 0, I) without its constants, for sample m,
/// which belongs to particle m / samples.
template <class ConstView>
struct renoising_weight {
    ConstView x_t, z, noise;
    double alpha, sigma;
    index_t samples;
    DIAMOND_HD double operator()(index_t i, index_t m) const {
        const double miss = static_cast<double>(x_t(i, m / samples)) - alpha * static_cast<double>(z(i, m));
        const double residual = miss / sigma;
        return 0.5 * (square(static_cast<double>(noise(i, m))) - square(residual));
    }
};
/// Replaces grad r by the cotangent p (grad r + alpha/sigma^2 (x_t - alpha z)) of sample m. A weight of 0, a
/// forbidden sample's, switches the gradient off, whatever it is.
template <class View, class ConstView, class Row>
struct weighted_cotangent {
    ConstView x_t, z;
    Row p;
    double alpha, sigma;
    index_t samples;
    View gradient;
    DIAMOND_HD void operator()(index_t i, index_t m) const {
        using real = typename View::value_type;
        const double miss = static_cast<double>(x_t(i, m / samples)) - alpha * static_cast<double>(z(i, m));
        const double slope = static_cast<double>(gradient(i, m)) + alpha / square(sigma) * miss;
        gradient(i, m) = p[m] == 0.0 ? real{0} : static_cast<real>(p[m] * slope);
    }
};
/// Replaces score_t, which `out` holds before, by
///   factor (sum_m [scale pulled_m + p_m (scale score_m - (x_t - alpha z_m)/sigma^2)] - score_t).
template <class View, class ConstView, class Row>
struct weighted_gradient {
    ConstView x_t, z, pulled, score;
    Row p;
    double alpha, sigma, scale, factor;
    index_t samples;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        double sum = -static_cast<double>(out(i, j));
        for (index_t m = j * samples; m < (j + 1) * samples; ++m) {
            const double miss = static_cast<double>(x_t(i, j)) - alpha * static_cast<double>(z(i, m));
            sum += scale * static_cast<double>(pulled(i, m)) +
                   p[m] * (scale * static_cast<double>(score(i, m)) - miss / square(sigma));
        }
        out(i, j) = static_cast<typename View::value_type>(factor * sum);
    }
};
} // namespace detail

/// The weighted estimator of V, from a flow map and a density of its marginals: flow_density of a flow map
/// with divergence, which gives both, or best_density of a velocity.
///
/// It renoises x_- = a x_t + std eps, looks ahead z = X_{t_-,1}(x_-), and weighs
///   log w = r(z) + log N(x_t; alpha z, sigma^2 I) + log p_{t_-}(x_-) - log N(eps; 0, I) + d log std.
/// With an exact density mean(w) is unbiased for p_t(x_t) exp V_t(x_t), and V = logsumexp(log w) -
/// logsumexp(log w - r) is consistent. At t = 0, x_- ~ N(0, I) and w = exp r; at t = 1, V = r. Guidance needs
/// the density's score(x, t, condition, out).
///
/// Cost a particle: M evaluations of the map, the density and the reward; guidance: also M vector-Jacobian
/// products of the map, M gradients of the reward and M + 1 scores. Source: [DM].
template <class Density, class Map, class Reward>
class weighted_value {
    static_assert(diagnose_flow_map<Map>());
    static_assert(diagnose_density<Density, Map>());
    static_assert(detail::agrees_with<Map, detail::schedule_of_t<Density>>,
                  "flow map and density must have the same noise schedule: "
                  "rescheduled_density reads a density by another's");
    static_assert(diagnose_condition<condition_of_t<Map>, backend_of_t<typename Map::batch_type>>());
    static_assert(diagnose_reward<Reward, typename Map::batch_type, condition_of_t<Map>>());

public:
    using batch_type = typename Map::batch_type;
    using condition_type = condition_of_t<Map>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// The kappa below which the weights have, or may have, infinite variance.
    static constexpr double least_kappa = 2.0;

    /// @throws std::invalid_argument unless map and density have one dimension and 1 <= samples <= 2^24, even
    /// where antithetic; for kappa <= 1, for kappa < 2 unless forced, and for a schedule that breaks its
    /// promises (check_schedule).
    weighted_value(Density density, Map map, Reward reward, weighted_value_options options = {})
        : density_(std::move(density)), map_(std::move(map)), reward_(std::move(reward)), options_(options) {
        require(density_.dimension() == dimension(), [&] {
            return "a weighted value with a density in dimension " + digits_of(density_.dimension()) +
                   " and a map in dimension " + digits_of(dimension());
        });
        detail::require_samples("a weighted value", options);
        check_schedule(density_.schedule());
        if (options.kappa) {
            require(*options.kappa > 1.0, [&] {
                return "kappa = " + digits_of(*options.kappa) + ": renoising goes back in time, kappa > 1";
            });
            require(*options.kappa >= least_kappa || options.force_small_kappa, [&] {
                return "kappa = " + digits_of(*options.kappa) +
                       ": below 2 the weights may have infinite variance; set force_small_kappa to do it all "
                       "the same";
            });
        }
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    /// Says whether each call draws afresh.
    [[nodiscard]] bool fresh() const { return !options_.fixed_noise; }
    [[nodiscard]] cost spent() const {
        cost total = map_.spent() + density_.spent();
        total.reward += reward_.calls();
        return total;
    }
    /// The kappa that is used at time t in (0, 1).
    [[nodiscard]] double kappa(double t) const {
        return options_.kappa ? *options_.kappa : 2.0 + 1.0 / level_at(density_.schedule(), t).snr();
    }

    /// Writes values.value[j] = V_t(x_j), self-normalised, d x N particles, t in [0, 1]; the field ess is
    /// that of the weights with the reward, ess_base that of the weights without it.
    /// @throws numeric_error naming the step and the particle where a reward is NaN or +inf.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("weighted_value", t);
        require_columns("weighted_value", values, x.columns());
        if (t >= 1.0) {
            reward_(x, condition, stream.step, 1, values.value);
            detail::write_no_spread(values);
            return;
        }
        look_ahead(x, t, condition, stream);
        if (values.standard_error) normalise(x); // nothing else reads p and q
        x.context().for_each(x.columns(),
                             detail::summarise_weighted<context_type>{.full = row(full_.read()),
                                                                      .base = row(base_.read()),
                                                                      .p = row(p_.read()),
                                                                      .q = row(q_.read()),
                                                                      .samples = options_.samples,
                                                                      .pairs = options_.antithetic,
                                                                      .out = values});
    }

    /// Writes out[j] = log(1/M sum_i w_i), an estimate of log p_t(x_j) + V_t(x_j) for t in (0, 1), up to a
    /// constant where the density has one: the trapezoid's misses its own. @throws std::invalid_argument for
    /// other times.
    void log_tilted_density(const_view x, double t, const condition_type& condition, noise_stream stream,
                            row_t<batch_type> out) {
        require(t > 0.0 && t < 1.0, [&] {
            return "the weighted estimate of p_t exp V_t at t = " + digits_of(t) + ": 0 < t < 1 is needed";
        });
        require_columns("weighted_value::log_tilted_density", out, x.columns());
        look_ahead(x, t, condition, stream);
        x.context().for_each(x.columns(),
                             detail::summarise_posterior<context_type>{.rewards = row(full_.read()),
                                                                       .samples = options_.samples,
                                                                       .pairs = false,
                                                                       .out = {.value = out}});
    }

    /// Writes out = b(t) grad V_t(x), d x N, by (eq. weighted-value-gradient), t in [0, 1]; at t = 0 it is
    /// the limit alpha'(0)(D^r - D), at t = 1 b(1) grad r.
    /// @throws std::invalid_argument for one sample at t = 0, whose D^r - D is 0 whatever the reward.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out)
        requires differentiable_flow_map<Map> &&
                 differentiable_reward<Reward, batch_type, condition_type> && detail::says_score<Density>
    {
        require_time("weighted_value::guidance", t);
        require_same_shape("weighted_value::guidance", x, const_view(out));
        const auto& context = x.context();
        const auto& schedule = density_.schedule();
        const index_t samples = options_.samples;
        if (t >= 1.0) return detail::write_final_guidance(schedule, reward_, x, condition, stream.step, out);
        if (t <= 0.0) detail::require_spread("a weighted value", t, samples);
        const renoising back = look_ahead(x, t, condition, stream);
        const noise_level here = level_at(schedule, t);
        normalise(x);
        if (t <= 0.0) {
            context.for_each(out.rows(), out.columns(),
                             detail::tilted_mean_shift<view, const_view, numbers_view>{
                                 .z = z_.read(),
                                 .tilted = row(p_.read()),
                                 .plain = row(q_.read()),
                                 .factor = mean_shift_factor(schedule, 0.0),
                                 .samples = samples,
                                 .unit = detail::unit_of(options_),
                                 .out = out});
            return;
        }
        const auto repeated = repeated_.repeat(context, condition, x.columns(), samples);
        for (auto* buffer : {&gradient_, &pulled_, &score_}) buffer->resize(context, x.rows(), z_.columns());
        reward_.gradient(z_, repeated, stream.step, gradient_);
        context.for_each(
            x.rows(), z_.columns(),
            detail::weighted_cotangent<view, const_view, numbers_view>{.x_t = x,
                                                                       .z = z_.read(),
                                                                       .p = row(p_.read()),
                                                                       .alpha = here.alpha,
                                                                       .sigma = here.sigma,
                                                                       .samples = samples,
                                                                       .gradient = gradient_.mutable_view()});
        map_.vjp(renoised_, interval{back.time, 1.0}, repeated, gradient_, pulled_);
        density_.score(renoised_, back.time, of_density(repeated), score_);
        density_.score(x, t, of_density(condition), out);
        context.for_each(
            out.rows(), out.columns(),
            detail::weighted_gradient<view, const_view, numbers_view>{.x_t = x,
                                                                      .z = z_.read(),
                                                                      .pulled = pulled_.read(),
                                                                      .score = score_.read(),
                                                                      .p = row(p_.read()),
                                                                      .alpha = here.alpha,
                                                                      .sigma = here.sigma,
                                                                      .scale = back.scale,
                                                                      .factor = guidance_factor(schedule, t),
                                                                      .samples = samples,
                                                                      .out = out});
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using numbers_view = row_view<const double, context_type>;

    /// Draws x_-, looks ahead and fills base_, log w without the reward, and full_, log w with it.
    renoising look_ahead(const_view x, double t, const condition_type& condition, noise_stream stream) {
        const auto& context = x.context();
        const auto& schedule = density_.schedule();
        const index_t samples = options_.samples;
        const index_t columns = extent_product("a weighted value's particles and samples", x.columns(),
                                               samples);
        for (auto* buffer : {&noise_, &renoised_, &z_}) buffer->resize(context, x.rows(), columns);
        for (auto* buffer : {&base_, &full_, &density_values_, &reward_values_, &p_, &q_})
            buffer->resize(context, 1, columns);
        const auto repeated = repeated_.repeat(context, condition, x.columns(), samples);
        draw_normal(detail::value_stream(stream, options_), noise_.mutable_view());

        const bool from_noise = t <= 0.0;
        const renoising back = from_noise ? renoising{0.0, 0.0, 1.0} : renoising_at(schedule, t, kappa(t));
        repeat_columns(x, samples, renoised_.mutable_view());
        assign(renoised_, back.scale * renoised_ + back.spread * noise_);
        map_(renoised_, interval{back.time, 1.0}, repeated, z_);
        reward_(z_, repeated, stream.step, samples, row(reward_values_));
        if (from_noise) { // the weights are the rewards alone
            assign(row(base_), 0.0);
            assign(row(full_), row(reward_values_));
            return back;
        }
        const noise_level here = level_at(schedule, t);
        if constexpr (marginal_density<Density>)
            density_(renoised_, back.time, of_density(repeated), unwritten(row(density_values_)));
        else
            density_(renoised_, back.time, of_density(repeated), x, samples, unwritten(row(density_values_)));
        context.column_sums(x.rows(), columns,
                            detail::renoising_weight<const_view>{.x_t = x,
                                                                 .z = z_.read(),
                                                                 .noise = noise_.read(),
                                                                 .alpha = here.alpha,
                                                                 .sigma = here.sigma,
                                                                 .samples = samples},
                            base_.data());
        // log N(x_t; alpha z, sigma^2 I) - log N(eps; 0, I): the 2 pi cancel
        const double constant = static_cast<double>(x.rows()) *
                                (std::log(back.spread) - std::log(here.sigma));
        assign(row(base_), row(base_) + (constant + row(density_values_)));
        assign(row(full_), row(base_) + row(reward_values_));
        return back;
    }
    /// Returns what the density takes of a condition.
    [[nodiscard]] static decltype(auto) of_density(const condition_type& condition) {
        return detail::condition_within<condition_of_t<Density>>(condition);
    }
    /// Computes the normalised weights p_ of full_ and q_ of base_.
    void normalise(const_view x) {
        using softmax = detail::soft_weights<row_view<double, context_type>, numbers_view>;
        x.context().for_each(
            x.columns(),
            softmax{.log_weight = row(full_.read()), .samples = options_.samples, .weight = row(p_)});
        x.context().for_each(
            x.columns(),
            softmax{.log_weight = row(base_.read()), .samples = options_.samples, .weight = row(q_)});
    }

    Density density_;
    Map map_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    weighted_value_options options_;
    scratch<real, context_type> noise_, renoised_, z_, gradient_, pulled_, score_;
    scratch<double, context_type> base_, full_, density_values_, reward_values_, p_, q_;
    condition_store<condition_type, context_type> repeated_;
};

} // namespace diamond
