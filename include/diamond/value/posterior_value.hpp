/// The posterior estimator: V_t(x) from draws z_i ~ p_{1|t}(. | x). [DM], section 6.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/reward_caller.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

struct posterior_value_options {
    index_t samples     = 1;     ///< M, posterior draws a particle
    bool    antithetic  = false; ///< draws in pairs of opposite noise; averaged before any standard error; M must be even
    bool    fixed_noise = false; ///< the same noise at every step
};

/// V = log(1/M sum_i exp r(z_i)); exp V is unbiased. se^2 = (M/ESS - 1)/(M - 1), none for M = 1.
///
/// Draws that carry weights, a weighted_posterior_sampler's, count by them: V = logsumexp(r_i + log w_i) - logsumexp(log w_i), consistent as M grows, with
/// the standard error of weighted_value, the ESS of both sums beside it, and D the weighted mean; one draw's weight then says nothing, and V is its r. V = -inf where no draw weighs anything.
///
/// Its guidance needs no derivative: b grad V = (alpha' - alpha sigma'/sigma)(D^r - D) M/(M - 1), D^r = sum_i softmax(r)_i z_i, D the plain mean of
/// the same draws, whose difference is (1 - 1/M) of what it stands for where r varies little among them; see detail::tilted_mean_shift for pairs and
/// weighted draws. Where r varies much few draws still give too little, and guidance_warnings() says how much: for r linear on Gaussian data and
/// spread 1 the shares are .80, .87, .91, .95 by 2, 4, 8, 16 draws. At t = 1 guidance is b(1) grad r, for which the reward must be differentiable where b(1) is not 0.
/// Cost: M posterior draws and M reward calls a particle.
template <class Sampler, class Reward>
class posterior_value {
    static_assert(diagnose_any_posterior_sampler<Sampler>());
    static_assert(diagnose_condition<condition_of_t<Sampler>, backend_of_t<typename Sampler::batch_type>>());
    static_assert(diagnose_reward<Reward, typename Sampler::batch_type, condition_of_t<Sampler>>());

public:
    using batch_type     = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless samples >= 1, and even where antithetic.
    posterior_value(Sampler sampler, Reward reward, posterior_value_options options = {})
        : sampler_(std::move(sampler)), reward_(std::move(reward)), options_(options) {
        detail::require_samples("a posterior value", options);
        check_schedule(sampler_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    [[nodiscard]] cost    spent() const {
        cost total = sampler_.spent();
        total.reward += reward_.calls();
        return total;
    }

    /// values.value[j] = V_t(x_j), d x N particles; r(x_j) itself at t = 1. @throws numeric_error where a reward or a draw's weight is NaN or +inf.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream, value_batch values) {
        require_time("posterior_value", t);
        if (t >= 1.0) {
            reward_(x, condition, stream.step, 1, values.value);
            x.context().for_each(x.columns(), detail::no_samples{values});
            return;
        }
        draw(x, t, condition, stream);
        if constexpr (weighted) {
            weigh(x);
            x.context().for_each(x.columns(), detail::summarise_weighted{tilted_.data(), log_weights_.data(), weights_.data(), base_weights_.data(), options_.samples, options_.antithetic, values});
        } else {
            x.context().for_each(x.columns(), detail::summarise_posterior{rewards_.data(), options_.samples, options_.antithetic, values});
        }
    }

    /// out = b(t) grad V_t(x), without derivatives of reward or map.
    /// @throws std::invalid_argument for one sample, whose D^r - D is 0 whatever the reward; not at t = 1, where none is drawn.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out) {
        require_time("posterior_value::guidance", t);
        require_same_shape("posterior_value::guidance", x, const_view(out));
        if (t >= 1.0) return final_guidance(x, condition, stream, out);
        detail::require_spread("a posterior value", t, options_.samples);
        draw(x, t, condition, stream);
        weigh(x);
        x.context().for_each(out.rows(), out.columns(),
                             detail::tilted_mean_shift<real>{draws_.data(), weights_.data(), weighted ? base_weights_.data() : nullptr, mean_shift_factor(sampler_.schedule(), t), out.rows(),
                                                             options_.samples, options_.antithetic, out.data()});
        lost_.add(x.context(), x.columns(), {weights_.data(), options_.samples, options_.antithetic, (weighted ? tilted_ : rewards_).data()});
    }
    void begin_guidance() { lost_.reset(); }
    /// The share of the tilt that the guidance since gave, where it is small.
    [[nodiscard]] std::vector<std::string> guidance_warnings() {
        if (lost_.empty()) return {};
        return detail::warn_of_weak_guidance(options_, lost_.take());
    }

protected:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    static constexpr bool weighted = detail::weighs_draws<Sampler>;

    /// Draws z and their rewards.
    void draw(const_view x, double t, const condition_type& condition, noise_stream stream) {
        const index_t columns = extent_product("a posterior value's particles and samples", x.columns(), options_.samples);
        draws_.resize(x.context(), x.rows(), columns);
        rewards_.resize(x.context(), 1, columns);
        if constexpr (weighted) {
            log_weights_.resize(x.context(), 1, columns);
            sampler_(x, t, condition, detail::value_stream(stream, options_), draws_, log_weights_.data());
            x.context().forbid(columns, detail::not_a_weight{log_weights_.data()},
                               deferred_error{.what = "the weight of a posterior draw is NaN or +inf", .step = static_cast<index_t>(stream.step), .samples = options_.samples, .values = log_weights_.data()});
        } else {
            sampler_(x, t, condition, detail::value_stream(stream, options_), draws_);
        }
        reward_(draws_, repeated_.repeat(x.context(), condition, x.columns(), options_.samples), stream.step, options_.samples, rewards_.data());
    }
    /// softmax(r + log w) over each particle's draws, and softmax(log w) where there are such weights.
    void weigh(const_view x) {
        const index_t columns = rewards_.columns();
        weights_.resize(x.context(), 1, columns);
        if constexpr (weighted) {
            for (auto* buffer : {&tilted_, &base_weights_}) buffer->resize(x.context(), 1, columns);
            x.context().for_each(columns, detail::sum_of_two{rewards_.data(), log_weights_.data(), tilted_.data()});
            x.context().for_each(x.columns(), detail::soft_weights{log_weights_.data(), options_.samples, base_weights_.data()});
        }
        x.context().for_each(x.columns(), detail::soft_weights{(weighted ? tilted_ : rewards_).data(), options_.samples, weights_.data()});
    }
    void final_guidance(const_view x, const condition_type& condition, noise_stream stream, view out) {
        const double b = final_guidance_factor(sampler_.schedule());
        if constexpr (differentiable_reward<Reward, batch_type, condition_type>) {
            if (b != 0.0) {
                reward_.gradient(x, condition, stream.step, out);
                assign(out, b * out);
                return;
            }
        }
        require(b == 0.0, "guidance at t = 1 with this schedule is b(1) grad r: the reward needs gradient(z, out)");
        set_to_zero(out);
    }

    Sampler                                             sampler_;
    reward_caller<Reward, batch_type, condition_type>   reward_;
    posterior_value_options                             options_;
    scratch<real, context_type>                         draws_;
    scratch<double, context_type>                       rewards_, weights_;
    scratch<double, context_type>                       log_weights_, tilted_, base_weights_; ///< of weighted draws
    condition_store<condition_type, context_type>       repeated_;
    detail::tilt_record<context_type>                   lost_; ///< by guidance
};
template <class Sampler, class Reward>
posterior_value(Sampler, Reward) -> posterior_value<Sampler, Reward>;
template <class Sampler, class Reward>
posterior_value(Sampler, Reward, posterior_value_options) -> posterior_value<Sampler, Reward>;

/// The posterior estimator whose guidance is pathwise: b sum_i softmax(r)_i d r(z_i)/d x_t with the noise held fixed, from one draw on. At t = 0,
/// where b is infinite, drivers take its limit; asked there it falls back on alpha'(0)(D^r - D), which needs two samples. Cost beside the value's: M
/// vector-Jacobian products of the sampler.
template <class Sampler, class Reward>
class pathwise_posterior_value : public posterior_value<Sampler, Reward> {
    static_assert(!detail::weighs_draws<Sampler>, "pathwise guidance does not differentiate the weights of draws: use posterior_value, whose guidance needs no derivative, or sampler.sampler()");
    static_assert(diagnose_differentiable_posterior_sampler<Sampler>());
    static_assert(diagnose_differentiable_reward<Reward, typename Sampler::batch_type, condition_of_t<Sampler>>());
    using base = posterior_value<Sampler, Reward>;

public:
    static constexpr bool begins_after_noise = true;
    using typename base::condition_type;
    using typename base::const_view;
    using typename base::view;

    pathwise_posterior_value(Sampler sampler, Reward reward, posterior_value_options options = {})
        : base(std::move(sampler), std::move(reward), options) {}

    /// How few draws carried the guidance since, where they are few.
    [[nodiscard]] std::vector<std::string> guidance_warnings() {
        if (this->lost_.empty()) return {};
        return detail::warn_of_strong_guidance(this->options_, this->lost_.take());
    }
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out) {
        require_time("pathwise_posterior_value::guidance", t);
        const double b = guidance_factor(this->sampler_.schedule(), t);
        if (t >= 1.0 || t <= 0.0 || !(b < infinity)) return base::guidance(x, t, condition, stream, out);
        require_same_shape("pathwise_posterior_value::guidance", x, const_view(out));
        this->draw(x, t, condition, stream);
        this->weigh(x);
        cotangent_.resize(x.context(), x.rows(), this->draws_.columns());
        this->reward_.gradient(this->draws_, this->repeated_.repeat(x.context(), condition, x.columns(), this->options_.samples), stream.step, cotangent_);
        this->lost_.add(x.context(), x.columns(), {this->weights_.data(), this->options_.samples, this->options_.antithetic});
        x.context().for_each(x.rows(), cotangent_.columns(), detail::scale_columns<real>{this->weights_.data(), cotangent_.data(), x.rows()});
        this->sampler_.vjp(x, t, condition, detail::value_stream(stream, this->options_), cotangent_, out);
        assign(out, b * out);
    }

private:
    using real = typename base::real;
    scratch<real, typename base::context_type> cotangent_;
};
template <class Sampler, class Reward>
pathwise_posterior_value(Sampler, Reward) -> pathwise_posterior_value<Sampler, Reward>;
template <class Sampler, class Reward>
pathwise_posterior_value(Sampler, Reward, posterior_value_options) -> pathwise_posterior_value<Sampler, Reward>;

} // namespace diamond
