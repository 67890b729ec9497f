/// Sequential Monte Carlo for the tilted target p^r, with an unbiased estimate of Z. Section 7, to the letter.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/align/resampling.hpp>
#include <diamond/align/smc_options.hpp>
#include <diamond/align/smc_state.hpp>
#include <diamond/align/smc_trust.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/weight_sums.hpp>

namespace diamond {

/// Particles x_k ~ kernel, weighed by exp(V_k - V_{k-1}), resampled when their effective number falls, on 0 = t_0 < ... < t_K = 1.
///
/// Step k: propagate; value; weigh; ESS of the accumulated weights; below threshold N resample: state, value, family, condition
/// travel together, weights to 1, log Z += log mean w. At K there is no resampling: log Z += log mean of the final weights, which
/// are returned. The increments telescope to exp r(x_1), so Z-hat is unbiased for the kernel's own end law for any finite values, noisy
/// or wrong, because each particle keeps the value that was drawn for it. Values of -inf are raised by delta or to the floor (see
/// detail::make_finite), and r + c gives what r gives, log Z larger by c.
///
/// A weighted_transition_kernel's own weights join w at every step, and Z-hat is unbiased for the law that they correct the chain to, whatever the chain,
/// as far as the densities of its draws are their own: corrected_kernel takes the end law of a badly learned map to the model's. Cost: K transitions and K - 1 values a particle, N rewards; and
/// K transitions and a reward for each draw of the pilot.
template <class Kernel, class Value, class Resampler = systematic>
class smc {
    static_assert(diagnose_any_transition_kernel<Kernel>() && diagnose_value_estimator<Value>());
    static_assert(diagnose_condition<condition_of_t<Kernel>, backend_of_t<typename Kernel::batch_type>>());
    static_assert(diagnose_resampler<Resampler, backend_of_t<typename Kernel::batch_type>>());
    static_assert(std::is_same_v<typename Kernel::batch_type, typename Value::batch_type>,
                  "kernel and value estimator must run on the same batch type: float and double particles do not mix");

public:
    using batch_type     = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type   = backend_of_t<batch_type>;
    using result_type    = smc_result<batch_type>;
    using state          = smc_state<batch_type, condition_type>;
    using snapshot_type  = typename state::snapshot_type;

    /// @throws std::invalid_argument naming the option that is out of its range, for an unsorted grid, and where kernel and value are of different dimensions.
    smc(Kernel kernel, Value value, smc_options options = {}, Resampler resampler = {})
        : kernel_(std::move(kernel)), value_(std::move(value)), resampler_(std::move(resampler)), options_(std::move(options)) {
        detail::require_options(options_);
        options_.times = time_grid_of(options_);
        detail::require_same_dimension("kernel", kernel_, value_);
        setting_ = detail::setting_of(options_, static_cast<index_t>(kernel_.dimension()), detail::name_of_resampler(resampler_), weighted);
    }

    /// The whole run. @throws dead_weights where all final weights are zero; numeric_error where a value or reward is NaN or +inf.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const condition_type& condition = {}, Observer observer = {}) {
        return run(start(context, rng, condition), observer);
    }
    /// The rest of a run from a snapshot; the same arguments give the same bits as the run that it was taken from.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const snapshot_type& from, const condition_type& condition = {}, Observer observer = {}) {
        return run(resume(context, rng, from, condition), observer);
    }

    template <class Rng, class Observer = no_observer>
    result_type operator()(const context_type&, const Rng&, const condition_type& = {}, Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }
    template <class Rng, class Observer = no_observer>
    result_type operator()(const context_type&, const Rng&, const snapshot_type&, const condition_type& = {}, Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

    /// x_0 ~ N(0, I), and the pilot where log_delta asks for one.
    state start(const context_type& context, philox rng, const condition_type& condition = {}) {
        state s = empty(context, rng, condition);
        s.begin(options_.initial_value, options_.log_delta.value_or(-infinity));
        if constexpr (weighted) {
            kernel_.begin(s.x_.read(), s.condition_, s.log_p_.data());
            require_densities(s, s.log_p_.data(), nullptr, 0);
        }
        if (!options_.log_delta) pilot(s);
        return s;
    }
    template <class Rng>
    auto start(const context_type&, const Rng&, const condition_type& = {}) const {
        static_assert(diagnose_driver_call<Rng>());
    }
    /// The state that a snapshot was taken of. @throws std::invalid_argument where it belongs to another sampler or seed, with both values, and where it has a
    /// number that no run has, with the number.
    state resume(const context_type& context, philox rng, const snapshot_type& from, const condition_type& condition = {}) {
        state s = empty(context, rng, condition);
        s.restore(from, options_);
        return s;
    }

    template <class Rng>
    auto resume(const context_type&, const Rng&, const snapshot_type&, const condition_type& = {}) const {
        static_assert(diagnose_driver_call<Rng>());
    }

    template <class State, class Rng = philox>
    void step(State&) const {
        static_assert(diagnose_driver_call<Rng>());
    }

    /// One step. Where it throws, the state is as before and the step may be tried again.
    /// @throws numeric_error where a value, a reward or a weight is NaN or +inf, or an ancestor no particle; dead_weights where all weights are zero. On a device
    /// whatever next waits throws that, and the state is of no more use. std::invalid_argument for a state of another sampler, with both values.
    void step(state& s) {
        detail::require_setting("state", s.setting_, setting_);
        require(!s.done(), "this run of SMC has taken its last step");
        const index_t           k = s.step_ + 1;
        const auto&             grid = options_.times;
        const interval          span{grid[static_cast<std::size_t>(k - 1)], grid[static_cast<std::size_t>(k)]};
        const detail::step_plan plan{k, span.to, options_.threshold * static_cast<double>(options_.particles), k == s.total_};
        const cost              before = spent();

        const noise_stream stream = s.rng_.stream(purpose::transition, k);
        detail::at_step(k, [&] {
            if constexpr (weighted)
                kernel_(s.x_.read(), span, s.condition_, stream, s.next_.mutable_view(), s.log_p_.data(), s.next_log_p_.data(), s.correction_.data());
            else
                kernel_(s.x_.read(), span, s.condition_, stream, s.next_.mutable_view());
        });
        detail::require_particles(s.next_.read(), k);
        if constexpr (weighted) {
            s.context_->forbid(s.columns(), detail::not_a_weight{s.correction_.data()},
                               deferred_error{.what = "the weight of a transition is NaN or +inf", .step = k, .values = s.correction_.data()});
            require_densities(s, s.next_log_p_.data(), s.correction_.data(), k);
        }
        detail::at_step(k, [&] { evaluate(s, plan); });
        s.weigh(plan);
        const bool resamples = s.may_resample(plan);
        if (resamples) s.choose(resampler_, k);

        // Nothing has been lost so far, and nothing fails from here on.
        s.advance(plan);
        if (resamples) s.take_chosen();
        // Rejuvenation has its place here: right after resampling, from the stored parents.
        s.spent_ += spent() - before;
    }

    /// The result of a run that is done, or of one stopped early: incomplete, and without log Z. @throws std::invalid_argument for a state of another sampler.
    result_type finish(state s) const {
        detail::require_setting("state", s.setting_, setting_);
        result_type result;
        result.complete    = s.done();
        result.log_weights = to_host(s.log_w_);
        if (result.complete) result.rewards = to_host(s.v_);
        if (result.complete) result.log_densities = to_host(s.log_p_);
        result.families    = to_host(s.family_);
        result.steps       = s.trace();
        result.ancestors   = s.ancestors(result.steps);
        result.particles   = std::move(s.x_);
        const auto run     = s.run_on_host();
        result.log_delta   = run.log_delta;
        result.spent       = s.spent_;
        result.seconds     = s.clock_.seconds();
        if (!result.complete) {
            result.warnings.emplace_back("the run was stopped after step " + digits_of(s.step_) + " of " + digits_of(s.total_) + ": it has no log Z");
            return result;
        }
        result.log_z        = run.log_z;
        result.ess          = result.steps.back().ess;
        result.log_z_method = resampler_.method();
        const double variance       = relative_variance_of_z(result.log_z_method, family_square(result.weights(), result.families), options_.particles, run.resamplings);
        result.log_z_standard_error = variance < 0.0 ? NAN : std::sqrt(variance);
        // Carried values, full weights, finite V: this driver does nothing else.
        result.exact_for_sampler = !weighted;
        result.exact_for_density = weighted && detail::knows_own_density(kernel_);
        result.exact_for_model   = kernel_.exact();
        if constexpr (weighted) {
            result.correction_ess = infinity;
            for (const auto& step : result.steps) result.correction_ess = std::min(result.correction_ess, step.correction_ess);
        }
        detail::warn_of_distrust(result.steps, options_.particles, result.log_z_method, variance, weighted, options_.trust, result.warnings);
        return result;
    }

    /// Evaluations of all steps so far; the pilots' are in the results only.
    [[nodiscard]] cost spent() const { return cost(kernel_.spent()) + cost(value_.spent()) + cost{.reward = final_rewards_}; }

private:
    static constexpr bool weighted = detail::weighs_transitions<Kernel>;

    state empty(const context_type& context, philox rng, const condition_type& condition) const {
        state s{context, rng, condition, static_cast<index_t>(kernel_.dimension()), options_.particles, static_cast<index_t>(options_.times.size()) - 1,
                options_.record_ancestors, weighted, setting_};
        if (options_.threshold > 0.0 && s.total_ > 1) s.prepare_to_resample(resampler_); // so that the first resampling, whenever it comes, allocates nothing
        return s;
    }
    /// Of a weighted kernel: of the particles that live by `log_weight`, or of all where that is null.
    static void require_densities(const state& s, const double* log_density, const double* log_weight, index_t k) {
        s.context_->forbid(s.columns(), detail::not_a_log_density{log_density, log_weight},
                           deferred_error{.what = "the log-density that a particle carries is NaN or +inf", .step = k, .values = log_density});
    }

    template <class Observer>
    result_type run(state s, Observer& observer) {
        while (!s.done()) {
            step(s);
            if constexpr (!std::is_same_v<Observer, no_observer>) { // who watches waits for the step
                smc_step line;
                s.context_->to_host(s.line(s.step_), 1, &line);
                const smc_view<batch_type> view{s.step_, s.total_, line.time, s.x_.read(), s.v_.data(), s.log_w_.data(), line};
                if (!detail::keep_going(observer, view)) break;
            }
        }
        return finish(std::move(s));
    }

    /// V of the propagated particles into next_v_: r itself at the last step.
    void evaluate(state& s, const detail::step_plan& plan) {
        const context_type& context = *s.context_;
        const index_t       n       = options_.particles;
        if (plan.last) {
            call_reward(value_.reward(), s.next_.read(), s.condition_, plan.k, 1, s.next_v_.data());
            final_rewards_ += n;
            return;
        }
        value_(s.next_.read(), plan.time, s.condition_, s.rng_.stream(purpose::value, plan.k), value_batch{.value = s.next_v_.data()});
        detail::require_values(context, n, s.next_v_.data(), plan.k);
        detail::make_finite(context, n, options_.value_floor, s.v_.data(), s.next_v_.data(), s.run_.data(), s.numbers_.data());
    }

    /// log delta = log of the mean of exp r over a few draws of the chain, without weights, on a stream of their own, so that it is fixed before
    /// the run that uses it. Not by a small SMC without delta: where delta matters, that is far too low (measured: 10 nats where this errs by 0.3).
    void pilot(state& s) {
        constexpr std::uint64_t pilot_stream = 0x9170701; // any number that no user is likely to split by
        if (options_.pilot_particles == 0 || s.total_ == 1) return; // with one step there is no V_k, k < K, to raise
        const index_t               n = std::min(options_.pilot_particles, options_.particles);
        const auto                  draws = chain(detail::draws_alone(kernel_), {.particles = n, .times = options_.times})(*s.context_, s.rng_.split(pilot_stream), s.given_);
        rebind_t<batch_type, double> rewards(*s.context_, 1, n);
        call_reward(value_.reward(), draws.particles.read(), s.given_, s.total_, 1, rewards.data());
        s.spent_ += draws.spent + cost{.reward = n};
        detail::log_mean_exp(*s.context_, n, rewards.data(), s.numbers_.data(), &s.run_.data()->log_delta);
    }

    Kernel               kernel_;
    Value                value_;
    Resampler            resampler_;
    smc_options          options_; ///< with the whole grid as times
    smc_setting          setting_;
    std::int64_t         final_rewards_ = 0;
};

} // namespace diamond
