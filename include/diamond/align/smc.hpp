/// Sequential Monte Carlo for the tilted target p^r, with an unbiased estimate of Z: (eq. smc-weights) to
/// (eq. smc-log-z).
///
/// It is read in this order: smc_options.hpp, smc_result.hpp, this file, smc_state.hpp, smc_steps.hpp,
/// smc_moves.hpp, smc_plan.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <diamond/align/chain.hpp>
#include <diamond/align/rejuvenation.hpp>
#include <diamond/align/resampling.hpp>
#include <diamond/align/smc_moves.hpp>
#include <diamond/align/smc_options.hpp>
#include <diamond/align/smc_plan.hpp>
#include <diamond/align/smc_result.hpp>
#include <diamond/align/smc_state.hpp>
#include <diamond/align/smc_steps.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/reward/detail/groups_of.hpp>

namespace diamond {

/// Moves particles x_k ~ kernel on the grid 0 = t_0 < ... < t_K = 1, weighs them by exp(V_k - V_{k-1}), and
/// resamples them when their effective number falls.
///
/// Step k propagates the particles, takes their values, adds V_k - V_{k-1} to log w, and computes the ESS of
/// the accumulated weights. Below threshold N it resamples: state, value, family and condition travel
/// together, weights become 1, and log Z += log mean w. At K there is no resampling: log Z += log mean of the
/// final weights, which are returned. The increments telescope to exp r(x_1), so Z-hat is unbiased for the
/// kernel's own end law for any finite values, noisy or wrong, because each particle keeps the value that was
/// drawn for it. Values of -inf are raised by delta or to the floor (see detail::make_finite), and r + c
/// gives what r gives, log Z larger by c.
///
/// A guided_kernel's log ratios join the increments: its draws stand for those of its kernel(), whose end law
/// is the target, whatever the guide. A weighted_transition_kernel's own weights join w at every step. Z-hat
/// is then unbiased for the law that they correct the chain to, whatever the chain, as far as the densities
/// of its draws are their own: corrected_kernel takes the end law of a badly learned map to the model's.
///
/// With crank_nicolson as the last argument each step before the last then moves all particles, weighted or
/// just resampled, from their stored parents; with renoise_moves by noising them and drawing again, which
/// needs an exact kernel. Moves are made whether the step resampled or not, since a
/// decision by the particles' own weights would bias them; Z-hat stays unbiased for any number of particles.
///
/// A run with no log_delta given begins with a pilot, draws of the chain on streams of their own, and where
/// these say that SMC by such values would be no better than plain weights, the run takes those: see
/// smc_plan. The choice depends on no number of the run itself, so that Z-hat is unbiased either way.
///
/// Cost: K transitions and K - 1 values a particle (none where threshold is 0), N rewards; and K transitions
/// and a reward for each draw of the pilot, a transition and a value of as many particles as it began with,
/// to choose; and what rejuvenation costs. Plain weights cost as much, within the last draw.
template <class Kernel, class Value, class Resampler = systematic, class Rejuvenation = no_rejuvenation>
class smc {
    static_assert(diagnose_any_transition_kernel<Kernel>() && diagnose_value_estimator<Value>());
    static_assert(diagnose_condition<condition_of_t<Kernel>, backend_of_t<typename Kernel::batch_type>>());
    static_assert(diagnose_resampler<Resampler, backend_of_t<typename Kernel::batch_type>>());
    static_assert(
        std::is_same_v<typename Kernel::batch_type, typename Value::batch_type>,
        "kernel and value estimator must run on the same batch type: float and double particles do not mix");
    static_assert(detail::diagnose_rejuvenation<Kernel, Rejuvenation>());

    static constexpr bool weighted = weighted_transition_kernel<Kernel>;
    static constexpr bool guided = !weighted && guided_kernel<Kernel>;
    static constexpr bool rejuvenates = detail::rejuvenates<Rejuvenation>;
    /// Whoever brings weights, a guide or moves wants these: the pilot, which has none, decides nothing then.
    static constexpr bool chooses = !weighted && !guided && !rejuvenates;
    static constexpr bool steers = detail::steers<Rejuvenation>; // moves are made in the noise of transitions

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type = backend_of_t<batch_type>;
    /// What finish() makes of a state, and a whole run returns.
    using result_type = smc_result<batch_type>;
    /// The particles, weights, trace and totals of a run between two steps.
    using state = smc_state<batch_type, condition_type, weighted, guided>;
    /// A state copied to the host, from which resume() continues the run bit for bit.
    using snapshot_type = typename state::snapshot_type;

    /// @throws std::invalid_argument naming the option that is out of its range, for an unsorted grid,
    /// where kernel and value are of different dimensions, and for values that no move can be accepted by.
    smc(Kernel kernel, Value value, smc_options options = {}, Resampler resampler = {},
        Rejuvenation rejuvenation = {})
        : kernel_(std::move(kernel)),
          value_(std::move(value)),
          resampler_(std::move(resampler)),
          rejuvenation_(std::move(rejuvenation)),
          mover_(kernel_),
          options_(std::move(options)) {
        detail::require_options(options_);
        detail::require_rejuvenation(rejuvenation_, value_, options_.threshold);
        options_.times = time_grid_of(options_);
        require(
            !(detail::on_own_scale<Value> && detail::has_pilot(options_)),
            "SMC's pilot finds log delta by the reward, and these values are on a scale of their own: give "
            ".pilot_particles = 0, or a log_delta on their scale");
        detail::require_same_dimension("kernel", kernel_, value_);
        setting_ = detail::setting_of(options_, dimension(), detail::name_of_resampler(resampler_),
                                      weighted ? "with weights"
                                      : guided ? "guided"
                                               : "without weights",
                                      detail::name_of_rejuvenation(rejuvenation_));
    }

    /// Runs all steps. The observer gets an smc_view after each of them, and stops the run where it returns
    /// false; one condition a column is one for each x_0. @throws dead_weights where all weights of a step
    /// are zero; numeric_error where a value or a reward is NaN or +inf, or a coordinate is not finite.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const condition_type& condition = {},
                           Observer observer = {}) {
        return run(start(context, rng, condition), observer);
    }
    /// Runs the rest of a run from a snapshot; the same arguments give the same bits as the run that it was
    /// taken from.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const snapshot_type& from,
                           const condition_type& condition = {}, Observer observer = {}) {
        return run(resume(context, rng, from, condition), observer);
    }

    template <class Rng, class Observer = no_observer>
    result_type operator()(const context_type&, const Rng&, const condition_type& = {}, Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }
    template <class Rng, class Observer = no_observer>
    result_type operator()(const context_type&, const Rng&, const snapshot_type&, const condition_type& = {},
                           Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

    /// The state at t = 0: x_0 ~ N(0, I), V_0 = initial_value, and log delta by the pilot where it is not
    /// given.
    state start(const context_type& context, philox rng, const condition_type& condition = {}) {
        detail::require_one_group(value_.reward());
        state s = new_state(context, rng, condition);
        detail::begin(s, options_.initial_value, options_.log_delta.value_or(-infinity));
        if constexpr (weighted) begin_densities(s);
        if (!options_.log_delta) pilot(s);
        return s;
    }
    template <class Rng>
    auto start(const context_type&, const Rng&, const condition_type& = {}) const {
        static_assert(diagnose_driver_call<Rng>());
    }
    /// The state that a snapshot was taken of. @throws std::invalid_argument where it belongs to another
    /// sampler or seed, with both values, and where it has a number that no run has, with the number.
    state resume(const context_type& context, philox rng, const snapshot_type& from,
                 const condition_type& condition = {}) {
        detail::require_one_group(value_.reward());
        state s = new_state(context, rng, condition);
        detail::restore(s, from, options_);
        return s;
    }
    template <class Rng>
    auto resume(const context_type&, const Rng&, const snapshot_type&, const condition_type& = {}) const {
        static_assert(diagnose_driver_call<Rng>());
    }

    template <class State, class Rng = philox>
    void step(State&) const {
        static_assert(std::is_same_v<State, state>,
                      "this state belongs to another kind of smc: its kernel carries weights and this one's "
                      "does not, or the reverse, or its batch or condition is another");
        if constexpr (std::is_same_v<State, state>) static_assert(diagnose_driver_call<Rng>());
    }

    /// Takes one step. Where it throws, the state is as before and the step may be tried again.
    /// @throws numeric_error where a value, a reward or a weight is NaN or +inf, or an ancestor no particle;
    /// dead_weights where all weights are zero. On a device whatever next waits throws that, and the state is
    /// of no more use. std::invalid_argument for a state of another sampler, with both values.
    void step(state& s) {
        detail::require_setting("state", s.setting, setting_);
        require(!s.done(), "this run of SMC has taken its last step");
        const detail::step_plan plan = plan_of(s);
        const cost before = spent();

        move(s, s.rng, plan);
        evaluate(s, s.rng, plan);
        double relative_variance = NAN;
        if constexpr (chooses)
            if (plan.last && s.plan.plain())
                detail::at_step(plan.k, [&] { relative_variance = draw_more(s); });
        weigh(s, plan);
        detail::require_live(s, plan);
        const bool resamples = choose(s, plan);
        if constexpr (rejuvenates)
            if (!plan.last) detail::at_step(plan.k, [&] { rejuvenate(s, plan, resamples); });

        // Nothing has been lost so far, and nothing fails from here on.
        keep(s, plan, resamples);
        s.plan.relative_variance = relative_variance;
        if constexpr (rejuvenates)
            if (!plan.last) detail::take_moved(s, plan, rejuvenation_.moves);
        s.spent += spent() - before;
    }

    /// The result of a run that is done, or of one stopped early: incomplete, and without log Z.
    /// @throws std::invalid_argument for a state of another sampler.
    result_type finish(state s) const {
        detail::require_setting("state", s.setting, setting_);
        result_type result;
        result.complete = s.done();
        result.log_weights = to_host(s.log_w);
        if (result.complete) result.rewards = to_host(s.v);
        if (result.complete) result.log_densities = to_host(s.log_p);
        result.families = to_host(s.family);
        result.steps = s.trace();
        result.ancestors = s.ancestors(result.steps);
        result.particles = std::move(s.x);
        const auto run = s.totals_on_host();
        result.log_delta = run.log_delta;
        result.pilot = s.pilot;
        result.plan = s.plan;
        result.spent = s.spent;
        result.seconds = s.clock.seconds();
        if (!result.complete) {
            result.warnings.emplace_back("the run was stopped after step " + digits_of(s.step()) + " of " +
                                         digits_of(s.steps()) + ": it has no log Z");
            return result;
        }
        result.log_z = run.log_z;
        result.ess = result.steps.back().ess;
        result.log_z_method = s.plan.plain() ? log_z_error::family_weights : resampler_.method();

        const auto by_families = [&] {
            return relative_variance_of_z(result.log_z_method,
                                          family_square(result.weights(), result.families),
                                          options_.particles, run.resamplings);
        };
        const double variance = s.plan.plain() ? s.plan.relative_variance : by_families();
        // Carried values, full weights, finite V: this driver does nothing else.
        result.exact_for_sampler = !weighted && detail::keeps_own_law(rejuvenation_, kernel_.exact());
        result.exact_for_density = weighted && detail::knows_own_density(kernel_);
        result.exact_for_model = kernel_.exact();
        if constexpr (weighted) {
            result.correction_ess = infinity;
            for (const auto& step : result.steps)
                result.correction_ess = std::min(result.correction_ess, step.correction_ess);
        }
        const auto death = std::find_if(result.steps.begin(), result.steps.end(),
                                        [](const smc_step& step) { return std::isnan(step.ess); });
        if (death != result.steps.end()) { // of a group, whose death ends no other's run
            const auto k = static_cast<long>(death - result.steps.begin()) + 1;
            result.warnings.emplace_back(dead_weights(k).what());
            return result;
        }
        detail::warn_of_distrust(result.steps, options_.particles, result.log_z_method, variance, weighted,
                                 options_.trust, result.warnings, &result.one_run_warning);
        detail::warn_of_pilot(result.pilot, result.plan, result.warnings);
        result.reliable = result.warnings.empty();
        if (result.reliable) result.log_z_standard_error = std::sqrt(variance);
        if constexpr (!weighted) // whose pilot draws without the correction
            if (!detail::has_missed(result.pilot, result.log_z, variance))
                result.advice = detail::advice_of(result.pilot, result.plan, variance,
                                                  result.spent.evaluations());
        return result;
    }

    /// The evaluations of all steps so far; the pilots' are in the results only.
    [[nodiscard]] cost spent() const {
        return cost(kernel_.spent()) + cost(value_.spent()) + mover_.spent() + cost{.reward = final_rewards_};
    }

private:
    template <class, class, class>
    friend class grouped_smc; // takes these steps for many states, whose columns stand side by side

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(kernel_.dimension()); }
    [[nodiscard]] interval span_of(index_t k) const {
        const auto at = static_cast<std::size_t>(k);
        return {options_.times[at - 1], options_.times[at]};
    }
    /// What is known of the next step of a state.
    [[nodiscard]] detail::step_plan plan_of(const state& s) const {
        const index_t k = s.step() + 1;
        return {.k = k,
                .time = span_of(k).to,
                .least_ess = s.plan.plain() ? 0.0
                                            : options_.threshold * static_cast<double>(options_.particles),
                .least_conditional_ess = options_.least_conditional_ess,
                .last = k == s.steps()};
    }
    /// Says whether a step's values are read: where nothing is ever chosen by them, only the last ones are.
    [[nodiscard]] static bool reads_values(const detail::step_plan& plan) {
        return plan.last || plan.least_ess > 0.0;
    }

    /// Takes the particles to x_k in s.next_x by the draws of `noise`, whatever columns stand side by side.
    template <class Noise>
    void move(state& s, const Noise& noise, const detail::step_plan& plan) {
        detail::at_step(plan.k, [&] { propagate(s, noise, plan); });
        check_propagated(s, plan);
    }
    /// Estimates V_k into s.next_v, where the step reads values.
    template <class Noise>
    void evaluate(state& s, const Noise& noise, const detail::step_plan& plan) {
        if (reads_values(plan)) detail::at_step(plan.k, [&] { estimate(s, noise, plan); });
    }
    /// Weighs the propagated particles by their values, which are made finite first.
    void weigh(state& s, const detail::step_plan& plan) {
        if (!reads_values(plan)) {
            assign(row(s.next_v), row(s.v));
            assign(row(*s.context, 1, &s.step_sums.data()->floored), 0.0);
        } else if (!plan.last) {
            if constexpr (rejuvenates)
                detail::keep_values(s, row(s.next_v), row(s.moving.drawn_value), options_.value_floor);
            detail::make_finite(s, options_.value_floor);
        }
        detail::relax(s, plan);
        detail::weigh(s, plan);
    }
    /// Chooses ancestors where the step resamples, and says whether it does, as far as the host knows.
    bool choose(state& s, const detail::step_plan& plan) {
        const bool resamples = detail::may_resample(s, plan);
        if (resamples) detail::choose(s, resampler_, plan);
        return resamples;
    }
    /// Makes what the step has made the state's own. Nothing fails from here on.
    static void keep(state& s, const detail::step_plan& plan, bool resamples) {
        detail::advance(s, plan);
        if (resamples) detail::take(s);
    }

    state new_state(const context_type& context, philox rng, const condition_type& condition) const {
        const smc_sizes sizes{.dimension = dimension(),
                              .particles = options_.particles,
                              .steps = static_cast<index_t>(options_.times.size()) - 1,
                              .record_ancestors = options_.record_ancestors};
        state s{context, rng, condition, sizes, setting_};
        if (options_.threshold > 0.0 && s.steps() > 1) {
            detail::prepare_to_resample(s, resampler_);
            if constexpr (rejuvenates)
                s.moving.resize(context, dimension(), options_.particles, steers,
                                steers && (guided || !detail::has_one_noise<Kernel>));
        }
        return s;
    }
    [[nodiscard]] static deferred_error not_a_density(const double* log_density, index_t k) {
        return {.what = "the log-density that a particle carries is NaN or +inf",
                .step = k,
                .values = log_density};
    }

    /// Writes log p_0 of the particles at the start.
    void begin_densities(state& s) {
        kernel_.begin(s.x.read(), s.condition, unwritten(row(s.log_p)));
        s.context->forbid(s.x.columns(), elementwise<detail::is_no_log_weight>(row(s.log_p)),
                          not_a_density(s.log_p.data(), 0));
    }

    template <class Observer>
    result_type run(state s, Observer& observer) {
        while (!s.done()) {
            step(s);
            if constexpr (!std::is_same_v<Observer, no_observer>) { // who watches waits for the step
                smc_step line;
                s.context->to_host(s.line(s.step()).data(), 1, &line);
                const smc_view<batch_type> view{.step = s.step(),
                                                .steps = s.steps(),
                                                .time = line.time,
                                                .particles = s.x.read(),
                                                .values = row(s.v),
                                                .log_weights = row(s.log_w),
                                                .trace = line};
                if (!detail::keep_going(observer, view)) break;
            }
        }
        return finish(std::move(s));
    }

    /// Draws x_k into s.next_x, and for a weighted kernel their log-densities and the logs of its weights.
    template <class Noise>
    void propagate(state& s, const Noise& noise, const detail::step_plan& plan) {
        const noise_stream stream = noise.stream(purpose::transition, plan.k);
        const interval span = span_of(plan.k);
        if constexpr (steers)
            if (!plan.last) return propagate_by_noise(s, span, stream);
        if constexpr (weighted)
            kernel_(s.x.read(), span, s.condition, stream, s.next_x.mutable_view(), row(s.log_p),
                    unwritten(row(s.next_log_p)), unwritten(row(s.correction)));
        else if constexpr (guided)
            kernel_(s.x.read(), span, s.condition, stream, s.next_x.mutable_view(),
                    unwritten(row(s.correction)));
        else
            kernel_(s.x.read(), span, s.condition, stream, s.next_x.mutable_view());
    }
    /// Draws x_k of noise that is kept beside it, for moves.
    void propagate_by_noise(state& s, interval span, noise_stream stream)
        requires steers
    {
        auto& m = s.moving;
        const auto x = s.x.read();
        if constexpr (guided) {
            kernel_.draw_with_noise(x, span, s.condition, stream, m.drawn_noise.mutable_view(),
                                    m.drawn_centre.mutable_view(), s.next_x.mutable_view(),
                                    unwritten(row(s.correction)));
        } else {
            draw_normal(stream.with(purpose::guided_noise), m.drawn_noise.mutable_view());
            if (m.has_centre()) kernel_.centre(x, span, s.condition, stream, m.drawn_centre.mutable_view());
            kernel_.steered(x, span, s.condition, m.drawn_noise.read(),
                            m.has_centre() ? m.drawn_centre.read() : m.drawn_noise.read(),
                            s.next_x.mutable_view());
        }
    }
    /// Moves the particles that the step has chosen, beside the state.
    void rejuvenate(state& s, const detail::step_plan& plan, bool resamples) {
        const interval span = span_of(plan.k);
        // Any number that no user is likely to split by. A move of a step has an rng of its own, so that its
        // values are fresh whatever noise the estimator uses.
        constexpr std::uint64_t moves_stream = 0x6372616e6b0000;
        if (!resamples) assign(row(s.chosen), column_number());
        const condition_type condition = detail::gather_moving(s);
        const auto propose = [&](auto& m, philox rng) {
            auto& mover = mover_.of(kernel_);
            if constexpr (steers)
                detail::propose_noise(m, plan.k, rejuvenation_.beta, rng, [&](auto& memory) {
                    mover.steered(memory.parent.read(), span, condition, memory.next_noise.read(),
                                  memory.has_centre() ? memory.centre.read() : memory.next_noise.read(),
                                  memory.next_x.mutable_view());
                });
            else
                detail::propose_renoised(m, plan.k, plan.time, rejuvenation_.factor, rng, mover, condition);
        };
        const auto evaluate = [&](auto& m, noise_stream stream, row_t<batch_type> values) {
            value_(m.next_x.read(), plan.time, detail::condition_for<Value>(condition), stream,
                   value_rows<context_type>{.value = unwritten(values)});
        };
        for (index_t move = 0; move < rejuvenation_.moves; ++move) {
            const philox rng = s.rng.split(moves_stream +
                                           static_cast<std::uint64_t>(plan.k * rejuvenation_.moves + move));
            detail::make_move(
                s, plan, rng, options_.value_floor, [&](auto& m) { propose(m, rng); }, evaluate);
        }
    }
    /// @throws numeric_error where a coordinate is not finite, or a weighted kernel's weight, or the density
    /// of a particle that lives by its weight, is NaN or +inf.
    static void check_propagated(const state& s, const detail::step_plan& plan) {
        detail::require_particles(s.next_x.read(), plan.k);
        const index_t n = s.x.columns();
        if constexpr (weighted || guided) {
            const auto log_weight = row(s.correction);
            s.context->forbid(n, elementwise<detail::is_no_log_weight>(log_weight),
                              deferred_error{.what = "the weight of a transition is NaN or +inf",
                                             .step = plan.k,
                                             .values = log_weight.data()});
        }
        if constexpr (weighted) {
            const auto log_weight = row(s.correction), log_density = row(s.next_log_p);
            s.context->forbid(n, log_weight > -infinity && elementwise<detail::is_no_log_weight>(log_density),
                              not_a_density(log_density.data(), plan.k));
        }
    }

    /// Estimates of V of the propagated particles into s.next_v: r itself at the last step.
    template <class Noise>
    void estimate(state& s, const Noise& noise, const detail::step_plan& plan) {
        if (plan.last) {
            call_reward(value_.reward(), s.next_x.read(), s.condition, plan.k, 1, row(s.next_v));
            final_rewards_ += s.x.columns();
            return;
        }
        value_(s.next_x.read(), plan.time, detail::condition_for<Value>(s.condition),
               noise.stream(purpose::value, plan.k),
               value_rows<context_type>{.value = unwritten(row(s.next_v))});
        detail::require_values(row(s.next_v), plan.k);
    }

    /// log delta = log of the mean of exp r over a few draws of the chain, without weights, on streams of
    /// their own, so that it is fixed before the run that uses it. Their number is doubled until their
    /// effective sample size is trusted_pilot_ess. A small SMC without delta would be far too low where delta
    /// matters (measured: 10 nats where this errs by 0.3).
    void pilot(state& s) {
        // Where nothing is chosen by values, and with one step, there is no V_k, k < K, to raise.
        if (!detail::has_pilot(options_)) return;
        std::vector<double> seen;
        while (const index_t n = next_pilot_draws(s.pilot)) {
            // Of one condition a column n are taken from all of them evenly, as neighbours may be alike.
            condition_store<condition_type, context_type> chosen;
            const auto places = detail::spread_columns(*s.context, n, options_.particles);
            const condition_type given = chosen.gather(*s.context, s.given, places.data(), n);
            const pilot_draws found = draw_pilot(*s.context, pilot_noise(s.rng, s.pilot), given, n);
            note_pilot(s, found.rewards, found.spent, seen);
        }
        take_pilot(s, seen);
        if constexpr (chooses)
            if (options_.plain_ratio > 0.0) decide(s, seen);
    }
    /// The generator of a pilot's next draws.
    [[nodiscard]] static philox pilot_noise(philox rng, const smc_pilot& pilot) {
        constexpr std::uint64_t pilot_stream = 0x9170701; // any number that no user is likely to split by
        return rng.split(pilot_stream + static_cast<std::uint64_t>(pilot.draws));
    }
    /// The number of draws that a pilot makes next; 0 where it has made enough.
    [[nodiscard]] index_t next_pilot_draws(const smc_pilot& pilot) const {
        if (pilot.draws == 0) return std::min(options_.pilot_particles, options_.particles);
        if (pilot.ess >= trusted_pilot_ess) return 0;
        const auto most = static_cast<index_t>(options_.pilot_share *
                                               static_cast<double>(options_.particles));
        return std::max<index_t>(std::min({pilot.draws, options_.particles, most - pilot.draws}), 0);
    }
    /// The rewards of draws of the chain, and what they cost.
    struct pilot_draws {
        std::vector<double> rewards;
        cost spent;
    };
    template <class Noise>
    [[nodiscard]] pilot_draws draw_pilot(const context_type& context, const Noise& noise,
                                         const condition_type& condition, index_t columns) {
        auto prior = detail::draws_alone(kernel_);
        no_observer nobody;
        const auto draws = detail::draw_chain(context, prior, options_.times, columns, noise, condition,
                                              nobody);
        rebind_t<batch_type, double> rewards(context, 1, columns);
        const auto last = static_cast<index_t>(options_.times.size()) - 1;
        call_reward(value_.reward(), draws.particles.read(), condition, last, 1, row(rewards));
        return {to_host(rewards), draws.spent + cost{.reward = columns}};
    }
    /// Adds the rewards of a pilot's draws to those that it has seen.
    static void note_pilot(state& s, std::span<const double> rewards, const cost& spent,
                           std::vector<double>& seen) {
        seen.insert(seen.end(), rewards.begin(), rewards.end());
        s.spent += spent;
        s.pilot.evaluations += spent.evaluations();
        s.pilot.draws += static_cast<index_t>(rewards.size());
        s.pilot.ess = detail::sum_weights(seen.data(), s.pilot.draws, false).ess();
    }
    /// Takes log delta from all that a pilot has seen.
    static void take_pilot(state& s, const std::vector<double>& seen) {
        const auto all = from_host<double>(*s.context, 1, s.pilot.draws, seen);
        detail::log_mean_exp(row(all), s.step_sums.data(), &s.totals.data()->log_delta);
        s.pilot.log_z = s.log_delta();
    }

    /// The number of draws with a reward that is not -infinity.
    [[nodiscard]] static index_t count_allowed(const std::vector<double>& rewards) {
        return std::count_if(rewards.begin(), rewards.end(), [](double r) { return r > -infinity; });
    }
    /// Decides between SMC and plain weights, by the pilot's rewards and by the values of a few particles
    /// after their first step, where exact values would differ little. The particles are a pilot's, too, on a
    /// stream of their own.
    void decide(state& s, const std::vector<double>& rewards) {
        const index_t allowed = count_allowed(rewards), n = few();
        if (!detail::may_be_plain(s.pilot, allowed)) {
            s.plan.reason = detail::reason_of_smc(s.pilot);
            return;
        }
        condition_store<condition_type, context_type> conditions;
        const auto places = detail::spread_columns(*s.context, n, options_.particles);
        const condition_type condition = conditions.gather(*s.context, s.given, places.data(), n);
        follow(s, allowed, draw_few(*s.context, few_noise(s.rng), condition, n));
    }
    /// The number of particles whose values are looked at: as many as the pilot begins with, so that
    /// variances that hang on rare draws compare.
    [[nodiscard]] index_t few() const { return std::min(options_.pilot_particles, options_.particles); }
    [[nodiscard]] static philox few_noise(philox rng) {
        constexpr std::uint64_t choice_stream = 0x63686f696365; // any number that no user is likely to split
                                                                // by
        return rng.split(choice_stream);
    }
    /// Values of particles after their first step, what the step has cost, and what the values.
    struct few_draws {
        std::vector<double> values;
        cost moved, valued;
    };
    template <class Noise>
    [[nodiscard]] few_draws draw_few(const context_type& context, const Noise& noise,
                                     const condition_type& condition, index_t columns) {
        const cost before = spent();
        batch_type x(context, dimension(), columns), next(context, dimension(), columns);
        rebind_t<batch_type, double> values(context, 1, columns);
        draw_normal(noise.stream(purpose::initial), x.mutable_view());
        detail::at_step(1, [&] {
            kernel_(x.read(), span_of(1), condition, noise.stream(purpose::transition, 1),
                    next.mutable_view());
            detail::require_particles(next.read(), 1);
        });
        const cost moved = spent();
        detail::at_step(1, [&] {
            value_(next.read(), span_of(1).to, detail::condition_for<Value>(condition),
                   noise.stream(purpose::value, 1),
                   value_rows<context_type>{.value = unwritten(row(values))});
            detail::require_values(row(values), 1);
        });
        return {to_host(values), moved - before, spent() - moved};
    }
    /// Makes the state follow what its pilot and the few values say.
    void follow(state& s, index_t allowed, few_draws found) const {
        s.spent += found.moved + found.valued;
        const detail::few_values seen{.values = std::move(found.values),
                                      .evaluations = found.valued.evaluations(),
                                      .transition_evaluations = found.moved.evaluations()};
        s.plan = detail::choose_plan(s.pilot, allowed, seen, options_.particles, s.steps(),
                                     options_.plain_ratio);
    }

    /// Generators of n columns each, which stand side by side, in the memory of the back end.
    class generators {
    public:
        template <class RngOf>
        generators(const context_type& context, index_t count, index_t n, const RngOf& rng_of) : n_(n) {
            std::vector<std::uint64_t> seeds;
            for (index_t i = 0; i < count; ++i) seeds.push_back(rng_of(i).seed);
            first_ = seeds.front();
            seeds_ = from_host<std::uint64_t>(context, 1, count, seeds);
        }
        [[nodiscard]] noise_stream stream(purpose of, index_t step = 0) const {
            return grouped_philox{seeds_.data(), n_, first_}.stream(of, step);
        }

    private:
        rebind_t<batch_type, std::uint64_t> seeds_;
        index_t n_;
        std::uint64_t first_ = 0;
    };
    /// Part i of numbers of n columns each: the first `count` of them.
    [[nodiscard]] static std::vector<double> part(const std::vector<double>& numbers, index_t i, index_t n,
                                                  index_t count) {
        const auto begin = numbers.begin() + i * n;
        return {begin, begin + count};
    }

    /// A block of a plain run's further draws: n of them, the first of which comes to place `at`.
    struct block {
        index_t n, at;
        philox rng;
        noise_stream choices;
    };
    /// The block after `done` draws; n is 0 or less where there are enough.
    [[nodiscard]] block block_of(const state& s, index_t done) const {
        constexpr std::uint64_t draws_stream = 0x6472617773; // any number that no user is likely to split by
        const philox rng = s.rng.split(draws_stream + static_cast<std::uint64_t>(done));
        const noise_stream choices = rng.stream(purpose::resampling, s.steps());
        // So that each place, and its condition, is as likely as any other to be among those of a block that
        // has fewer draws.
        const auto at = static_cast<index_t>(choices.uniform(0, 1) * static_cast<double>(options_.particles));
        return {std::min(options_.particles, s.plan.draws - done), at, rng, choices};
    }
    /// The number of blocks that are drawn side by side, for groups of which one has so many draws: enough to
    /// keep kernel and reward busy where particles are few. A block's draws are the same beside any others.
    [[nodiscard]] index_t blocks_at_once(index_t groups, index_t draws) const {
        constexpr index_t columns = 4096;
        const index_t n = options_.particles, all = (draws - 1) / n; // all blocks after the first N draws
        return std::max<index_t>(1, std::min(all, columns / (groups * n)));
    }
    /// Draws blocks of so many columns in all into d.x, and their rewards into d.rewards.
    template <class Noise, class Memory>
    void draw_block(const context_type& context, const Noise& noise, const condition_type& condition,
                    index_t columns, Memory& d) {
        const auto steps = static_cast<index_t>(options_.times.size()) - 1;
        draw_normal(noise.stream(purpose::initial), d.x.mutable_view().columns(0, columns));
        for (index_t k = 1; k <= steps; ++k) {
            const auto next = d.next_x.mutable_view().columns(0, columns);
            kernel_(d.x.read().columns(0, columns), span_of(k), condition,
                    noise.stream(purpose::transition, k), next);
            detail::require_particles(d.next_x.read().columns(0, columns), k);
            d.x.swap(d.next_x);
        }
        call_reward(value_.reward(), d.x.read().columns(0, columns), condition, steps, 1,
                    row(context, columns, d.rewards.data()));
        final_rewards_ += columns;
    }
    /// Lets a block's draws x compete with those that are there, x_K in s.next_x.
    void take_block(state& s, detail::plain_weights& weights, const block& next, const_view_t<batch_type> x,
                    const std::vector<double>& rewards) const {
        auto& d = s.drawing;
        const auto [from, taken] = weights.add(rewards, next.at, next.choices);
        s.context->from_host(from.data(), options_.particles, d.from.data());
        s.context->from_host(taken.data(), options_.particles, d.taken.data());
        s.context->gather(x, d.from.data(), d.next_x.mutable_view().columns(0, options_.particles));
        assign(s.next_x, select(row(std::as_const(d.taken)) > 0.0,
                                d.next_x.read().columns(0, options_.particles), s.next_x));
    }
    /// Writes the rewards of the draws that are kept, and what takes these to weights. Returns the relative
    /// variance of Z-hat.
    double keep_draws(state& s, const detail::plain_weights& weights) const {
        const auto kept = weights.rewards(), corrections = weights.corrections();
        s.context->from_host(kept.data(), options_.particles, s.next_v.data());
        s.context->from_host(corrections.data(), options_.particles, s.correction.data());
        return weights.relative_variance();
    }
    /// Makes the further draws of a plain run, some blocks at once, and lets them compete with those that are
    /// there, x_K in s.next_x with its rewards in s.next_v. Returns the relative variance of Z-hat.
    double draw_more(state& s) {
        const index_t n = options_.particles, at_once = blocks_at_once(1, s.plan.draws);
        const auto& context = *s.context;
        auto& d = s.drawing;
        d.resize(context, s.x.rows(), at_once * n, n);
        detail::plain_weights weights(to_host(s.next_v));
        for (index_t done = n; done < s.plan.draws;) {
            std::vector<block> blocks;
            std::vector<std::int32_t> numbers;
            for (; done < s.plan.draws && std::ssize(blocks) < at_once; done += n) {
                const block& next = blocks.emplace_back(block_of(s, done));
                for (index_t i = 0; i < next.n; ++i)
                    numbers.push_back(static_cast<std::int32_t>((next.at + i) % n));
            }
            const index_t count = std::ssize(blocks), columns = std::ssize(numbers);
            const generators noise(context, count, n,
                                   [&](index_t i) { return blocks[static_cast<std::size_t>(i)].rng; });
            const auto places = from_host<std::int32_t>(context, 1, columns, numbers);
            draw_block(context, noise, d.conditions.gather(context, s.given, places.data(), columns), columns,
                       d);
            const auto rewards = to_host(d.rewards.read().columns(0, columns));
            for (index_t i = 0; i < count; ++i) {
                const block& next = blocks[static_cast<std::size_t>(i)];
                take_block(s, weights, next, d.x.read().columns(i * n, next.n), part(rewards, i, n, next.n));
            }
        }
        return keep_draws(s, weights);
    }

    Kernel kernel_;
    Value value_;
    Resampler resampler_;
    [[no_unique_address]] Rejuvenation rejuvenation_;
    [[no_unique_address]] detail::mover<Kernel, rejuvenates && guided> mover_;
    smc_options options_; ///< with the whole grid as times
    smc_setting setting_;
    std::int64_t final_rewards_ = 0;
};

} // namespace diamond
