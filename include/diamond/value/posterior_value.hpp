/// The posterior estimator of V_t(x), from draws z_i ~ p_{1|t}(. | x). [DM], (eq. posterior-value).
#pragma once

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/value/damping.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

/// Options of posterior_value.
struct posterior_value_options {
    index_t samples = 1; ///< M, the number of posterior draws a particle, at most 2^24
    /// Draws pairs with opposite noise, which are averaged before any standard error; M must then be even.
    bool antithetic = false;
    /// Draws whose noise is stratified, a Latin hypercube a particle: in each coordinate one draw in each of
    /// M strata. exp V stays unbiased, with less variance than by pairs. There is no standard error then.
    bool latin_hypercube = false;
    bool fixed_noise = false; ///< draws with the same noise at every step
};

/// The posterior estimator V = log(1/M sum_i exp r(z_i)), of which exp V is unbiased, with the standard error
/// se^2 = (M/ESS - 1)/(M - 1), NaN for M = 1.
///
/// The draws of a weighted_posterior_sampler count by their weights: V = logsumexp(r_i + log w_i) -
/// logsumexp(log w_i), which is consistent as M grows, with the standard error of weighted_value, the ESS of
/// both sums, and the weighted mean for D. The weight of a single draw cancels, and V is its r. V = -inf
/// where no draw has a weight.
///
/// Its guidance needs no derivative: b grad V = (alpha' - alpha sigma'/sigma)(D^r - D) M/(M - 1), where
/// D^r = sum_i softmax(r)_i z_i and D is the plain mean of the same draws. Where r varies little among the
/// draws their difference is (1 - 1/M) of its expectation, hence the last factor; detail::tilted_mean_shift
/// has that for pairs and weighted draws. Where r varies much, few draws still give too little, and
/// guidance_warnings() says how much: for r linear on Gaussian data and spread 1 the shares are .80, .87,
/// .91, .95 by 2, 4, 8, 16 draws. At t = 1 guidance is b(1) grad r, for which the reward must be
/// differentiable where b(1) is not 0.
///
/// Cost a particle: M posterior draws and M evaluations of the reward, for a value or for guidance. Source:
/// [DM].
template <class Sampler, class Reward>
class posterior_value {
    static_assert(diagnose_any_posterior_sampler<Sampler>());
    static_assert(diagnose_condition<condition_of_t<Sampler>, backend_of_t<typename Sampler::batch_type>>());
    static_assert(diagnose_reward<Reward, typename Sampler::batch_type, condition_of_t<Sampler>>());

public:
    using batch_type = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless 1 <= samples <= 2^24, even where antithetic, for draws that are
    /// to be antithetic and of a Latin hypercube at once, and for a schedule that breaks its promises
    /// (check_schedule).
    posterior_value(Sampler sampler, Reward reward, posterior_value_options options = {})
        : sampler_(std::move(sampler)), reward_(std::move(reward)), options_(options) {
        detail::require_samples("a posterior value", options);
        check_schedule(sampler_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    /// Says whether each call draws afresh.
    [[nodiscard]] bool fresh() const { return !options_.fixed_noise; }
    [[nodiscard]] cost spent() const {
        cost total = sampler_.spent();
        total.reward += reward_.calls();
        return total;
    }

    /// Writes values.value[j] = V_t(x_j), d x N particles, t in [0, 1]; at t = 1 it is r(x_j) itself.
    /// @throws numeric_error naming the step and the particle where a reward or the weight of a draw is NaN
    /// or +inf.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("posterior_value", t);
        require_columns("posterior_value", values, x.columns());
        if (t >= 1.0) {
            reward_(x, condition, stream.step, 1, values.value);
            detail::write_no_spread(values);
            return;
        }
        draw(x, t, condition, stream);
        if constexpr (weighted) {
            tilt(x);
            if (values.standard_error) normalise(x); // nothing else reads p and q
            x.context().for_each(x.columns(),
                                 detail::summarise_weighted<context_type>{.full = row(tilted_.read()),
                                                                          .base = row(log_weights_.read()),
                                                                          .p = row(weights_.read()),
                                                                          .q = row(base_weights_.read()),
                                                                          .samples = options_.samples,
                                                                          .pairs = options_.antithetic,
                                                                          .out = values});
        } else {
            x.context().for_each(x.columns(),
                                 detail::summarise_posterior<context_type>{.rewards = row(rewards_.read()),
                                                                           .samples = options_.samples,
                                                                           .pairs = options_.antithetic,
                                                                           .out = values});
        }
        // of one unit nothing tells the spread
        if (values.standard_error && options_.latin_hypercube) assign(values.standard_error, not_a_number);
    }

    /// Writes out = b(t) grad V_t(x), d x N, without derivatives of the reward or the map, t in [0, 1].
    /// @throws std::invalid_argument for one sample, whose D^r - D is 0 whatever the reward, unless t = 1,
    /// where none is drawn; and at t = 1 for a reward without a gradient where b(1) is not 0.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out) {
        require_time("posterior_value::guidance", t);
        require_same_shape("posterior_value::guidance", x, const_view(out));
        if (t >= 1.0)
            return detail::write_final_guidance(sampler_.schedule(), reward_, x, condition, stream.step, out);
        detail::require_spread("a posterior value", t, options_.samples);
        draw(x, t, condition, stream);
        tilt(x);
        normalise(x);
        x.context().for_each(out.rows(), out.columns(),
                             detail::tilted_mean_shift<view, const_view, numbers_view>{
                                 .z = draws_.read(),
                                 .tilted = row(weights_.read()),
                                 .plain = weighted ? row(base_weights_.read()) : numbers_view{},
                                 .factor = mean_shift_factor(sampler_.schedule(), t),
                                 .samples = options_.samples,
                                 .unit = detail::unit_of(options_),
                                 .out = out});
        lost_.add(x.context(), x.columns(),
                  {.tilted = row(weights_.read()),
                   .samples = options_.samples,
                   .pairs = options_.antithetic,
                   .log_weight = row((weighted ? tilted_ : rewards_).read())});
    }
    /// Forgets the calls of guidance so far, for guidance_warnings().
    void begin_guidance() { lost_.reset(); }
    /// Returns a warning, with the share of the tilt that the guidance gave since begin_guidance() or the
    /// last call of this, where that share is small; else nothing. It waits for a device.
    [[nodiscard]] std::vector<std::string> guidance_warnings() {
        if (lost_.empty()) return {};
        return detail::warn_of_weak_guidance(options_, lost_.take());
    }

protected:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using numbers_view = row_view<const double, context_type>;
    static constexpr bool weighted = weighted_posterior_sampler<Sampler>;

    /// Draws M samples z a particle, their rewards, and their log weights where they have such.
    void draw(const_view x, double t, const condition_type& condition, noise_stream stream) {
        const index_t columns = extent_product("a posterior value's particles and samples", x.columns(),
                                               options_.samples);
        draws_.resize(x.context(), x.rows(), columns);
        rewards_.resize(x.context(), 1, columns);
        if constexpr (weighted) {
            log_weights_.resize(x.context(), 1, columns);
            sampler_(x, t, condition, detail::value_stream(stream, options_), draws_,
                     unwritten(row(log_weights_)));
            x.context().forbid(columns, elementwise<detail::is_no_log_weight>(row(log_weights_)),
                               deferred_error{.what = "the weight of a posterior draw is NaN or +inf",
                                              .step = static_cast<index_t>(stream.step),
                                              .samples = options_.samples,
                                              .values = log_weights_.data()});
        } else {
            sampler_(x, t, condition, detail::value_stream(stream, options_), draws_);
        }
        reward_(draws_, repeated_.repeat(x.context(), condition, x.columns(), options_.samples), stream.step,
                options_.samples, row(rewards_));
    }
    /// Adds the draws' own log weights, where they have such, to their rewards.
    void tilt(const_view x) {
        const index_t columns = rewards_.columns();
        weights_.resize(x.context(), 1, columns);
        if constexpr (weighted) {
            for (auto* buffer : {&tilted_, &base_weights_}) buffer->resize(x.context(), 1, columns);
            assign(row(tilted_), row(rewards_) + row(log_weights_));
        }
    }
    /// Computes the normalised weights softmax(r + log w) of each particle's draws, and softmax(log w) where
    /// they have such weights.
    void normalise(const_view x) {
        if constexpr (weighted) write_softmax(x, log_weights_, base_weights_);
        write_softmax(x, weighted ? tilted_ : rewards_, weights_);
    }
    /// Writes the softmax of each particle's log weights.
    void write_softmax(const_view x, const scratch<double, context_type>& log_weights,
                       scratch<double, context_type>& out) {
        x.context().for_each(
            x.columns(),
            detail::soft_weights<row_view<double, context_type>, numbers_view>{
                .log_weight = row(log_weights), .samples = options_.samples, .weight = row(out)});
    }

    Sampler sampler_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    posterior_value_options options_;
    scratch<real, context_type> draws_;
    scratch<double, context_type> rewards_, weights_;
    scratch<double, context_type> log_weights_, tilted_, base_weights_; ///< for weighted draws
    condition_store<condition_type, context_type> repeated_;
    detail::tilt_record<context_type> lost_; ///< shares of the tilt that guidance lacked
};

/// The posterior estimator with pathwise guidance: b sum_i softmax(r)_i d r(z_i)/d x_t with the noise held
/// fixed, for one draw or more. At t = 0, where b is infinite, drivers take its limit; called there it falls
/// back on alpha'(0)(D^r - D), which needs two samples. Where r is concave few draws tilt too far, which
/// curvature_damping{.curvature = q} as the last argument mends. Cost a particle beside that of
/// posterior_value: M vector-Jacobian products of the sampler and M gradients of the reward.
template <class Sampler, class Reward, class Damping = no_damping>
class pathwise_posterior_value : public posterior_value<Sampler, Reward> {
    static_assert(!weighted_posterior_sampler<Sampler>,
                  "pathwise guidance does not differentiate the weights of draws: use posterior_value, whose "
                  "guidance needs no derivative, or sampler.sampler()");
    static_assert(diagnose_differentiable_posterior_sampler<Sampler>());
    static_assert(
        diagnose_differentiable_reward<Reward, typename Sampler::batch_type, condition_of_t<Sampler>>());
    using base = posterior_value<Sampler, Reward>;

public:
    static constexpr bool begins_after_noise = true;
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;

    /// @throws std::invalid_argument as posterior_value does, and where numbers of the damping are out of
    /// range, or it stands beside a Latin hypercube.
    pathwise_posterior_value(Sampler sampler, Reward reward, posterior_value_options options = {},
                             Damping damping = {})
        : base(std::move(sampler), std::move(reward), options), damping_(damping) {
        detail::require_damping(damping_);
        require(!(damped && options.latin_hypercube),
                "damping is known for independent draws and pairs, not for those of a Latin hypercube");
    }

    /// Returns a warning, with the effective number of draws that carried the guidance since begin_guidance()
    /// or the last call of this, where they are few and not damped; else nothing. It waits for a device.
    [[nodiscard]] std::vector<std::string> guidance_warnings() {
        if (damped || this->lost_.empty()) return {};
        return detail::warn_of_strong_guidance(this->options_, this->lost_.take());
    }
    /// Writes out = b(t) grad V_t(x), d x N, with the noise held fixed, t in [0, 1].
    /// @throws std::invalid_argument at t = 0 for one sample.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out) {
        require_time("pathwise_posterior_value::guidance", t);
        const double b = guidance_factor(this->sampler_.schedule(), t);
        if (t >= 1.0 || t <= 0.0 || !(b < infinity)) return base::guidance(x, t, condition, stream, out);
        require_same_shape("pathwise_posterior_value::guidance", x, const_view(out));
        this->draw(x, t, condition, stream);
        this->tilt(x);
        this->normalise(x);
        cotangent_.resize(x.context(), x.rows(), this->draws_.columns());
        const auto p = row(this->weights_.read());
        const auto repeated = this->repeated_.repeat(x.context(), condition, x.columns(),
                                                     this->options_.samples);
        this->reward_.gradient(this->draws_, repeated, stream.step, cotangent_);
        this->lost_.add(x.context(), x.columns(),
                        {.tilted = p, .samples = this->options_.samples, .pairs = this->options_.antithetic});
        const auto counts = damp(x.context(), p, t);
        assign(cotangent_, select(p == 0.0, 0.0, counts * cotangent_)); // a forbidden sample's gradient may
                                                                        // be NaN
        this->sampler_.vjp(x, t, condition, detail::value_stream(stream, this->options_), cotangent_, out);
        assign(out, b * out);
    }

private:
    using real = typename base::real;
    using numbers_view = typename base::numbers_view;
    static constexpr bool damped = !std::is_same_v<Damping, no_damping>;

    /// Returns what the gradients of the draws count, whose normalised weights are p.
    [[nodiscard]] numbers_view damp(const typename base::context_type& context, numbers_view p, double t) {
        if constexpr (damped) {
            counts_.resize(context, 1, p.columns());
            context.for_each(p.columns(), detail::damped_weight<typename base::context_type>{
                                              .weight = p,
                                              .share = damping_.share(level_at(this->sampler_.schedule(), t)),
                                              .pairs = this->options_.antithetic,
                                              .out = row(counts_)});
            return row(counts_.read());
        } else {
            return p;
        }
    }

    Damping damping_;
    scratch<real, typename base::context_type> cotangent_;
    scratch<double, typename base::context_type> counts_;
};

} // namespace diamond
