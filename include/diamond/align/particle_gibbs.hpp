/// Particle Gibbs: Markov chains on whole paths of a generator, each move a run of conditional SMC. See
/// (eq. conditional-smc).
///
/// A move keeps a path and runs SMC beside it, so that its law is exact for any number of particles, where a
/// run of SMC reaches its target with many.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/align/convergence.hpp>
#include <diamond/align/rejuvenation.hpp>
#include <diamond/align/resampling.hpp>
#include <diamond/align/smc_moves.hpp>
#include <diamond/align/smc_options.hpp>
#include <diamond/align/smc_state.hpp>
#include <diamond/align/smc_steps.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/random/draw.hpp>

namespace diamond {

/// The options of particle_gibbs. Values are in nats.
struct particle_gibbs_options {
    index_t chains = 8;      ///< independent chains, 2 ... 2^20: by their spread convergence is judged
    index_t particles = 64;  ///< N, the kept path among them, 2 ... 2^31 - 1
    index_t adaptation = 16; ///< the number of first moves of each chain that are forgotten, at least 0
    index_t moves = 64;      ///< the number of moves of each chain after these, at least 4
    index_t steps = 16;      ///< K, the number of equal steps where `times` is empty
    /// The grid 0 = t_0 < ... < t_K = 1; `steps` equal steps where it is empty.
    std::vector<double> times = {};
    /// V_k is raised to this floor for k < K, which must not depend on particles; no floor without it.
    std::optional<double> value_floor = {};
    /// V_k = logaddexp(estimate, log delta) for k < K; -infinity adds none.
    double log_delta = -infinity;
};

/// The result of particle_gibbs.
template <class Batch>
struct particle_gibbs_result {
    /// d x (chains moves) draws of equal weight: move m of chain c is column m chains + c. A draw that did
    /// not change is there again.
    Batch particles;
    std::vector<double> rewards; ///< r of each
    bool complete = false;       ///< says whether the last move was taken
    /// The share of moves whose end is another particle than the kept path's: near 0 chains hardly move.
    double renewal = NAN;
    /// The largest split R-hat over the coordinates and the reward, as renoise_chain has it; it sees only the
    /// modes in which chains began.
    double r_hat = NAN;
    /// The effective number of draws of the reward in all moves after the adaptation, by the spread of the
    /// chains' means, which few chains know roughly; NaN where R-hat is above 1.1.
    double ess = NAN;
    bool exact_for_model = false;      ///< says whether the stationary law is the model's, tilted
    bool reliable = false;             ///< says whether the run is complete and its R-hat is at most 1.1
    std::vector<std::string> warnings; ///< says why it is not
    cost spent;                        ///< all evaluations
    double seconds = 0.0;              ///< the time of the call
};

/// Moves chains of paths x_0, ..., x_K of a generator, whose law is the kernel's, tilted by exp r(x_K).
///
/// Each move runs SMC with N particles of which the kept path is number 0: it keeps its states and the values
/// that were drawn for it. All N are resampled at every step, the others' ancestors drawn independently in
/// proportion to the weights, and number 0 descends from number 0. One path, drawn by the final weights, is
/// kept next. That leaves the tilted law of paths as it is, for any N of at least 2 and any finite values;
/// the ends x_K are draws of the kernel's end law, tilted. A chain begins with a path of SMC, without a kept
/// one.
///
/// The more particles, the more often the whole path is renewed, `renewal`: N must grow with the spread of
/// log Z-hat over runs. The condition serves all particles. Cost a move: N K transitions, N (K - 1) values
/// and N rewards. Memory: chains + N paths. Source: Andrieu, Doucet, Holenstein, Particle Markov chain Monte
/// Carlo methods, Journal of the Royal Statistical Society B, 2010.
template <class Kernel, class Value>
class particle_gibbs {
    static_assert(diagnose_transition_kernel_without_weights<Kernel>() && diagnose_value_estimator<Value>());
    static_assert(
        std::is_same_v<typename Kernel::batch_type, typename Value::batch_type>,
        "kernel and value estimator must run on the same batch type: float and double particles do not mix");

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type = backend_of_t<batch_type>;
    using result_type = particle_gibbs_result<batch_type>; ///< what a run returns

    /// @throws std::invalid_argument naming the option that is out of its range, for an unsorted grid, where
    /// kernel and value are of different dimensions, and for values that depend on other particles.
    particle_gibbs(Kernel kernel, Value value, particle_gibbs_options options = {})
        : kernel_(std::move(kernel)), value_(std::move(value)), options_(std::move(options)) {
        const auto count = [](const char* name, index_t number, index_t least, index_t most,
                              const char* most_text) {
            require(number >= least && number <= most, [&] {
                return "particle Gibbs' " + std::string(name) + " is " + digits_of(number) + ": " +
                       digits_of(least) + " to " + most_text + " are taken";
            });
        };
        count("chains", options_.chains, 2, index_t{1} << 20, "2^20");
        count("particles", options_.particles, 2, detail::most_particles, "2^31 - 1");
        count("adaptation", options_.adaptation, 0, index_t{1} << 30, "2^30");
        count("moves", options_.moves, 4, index_t{1} << 30, "2^30");
        if (options_.value_floor)
            detail::require_shift("value_floor, the floor of values,", *options_.value_floor);
        if (options_.log_delta != -infinity)
            detail::require_shift("log_delta, which is -infinity for none,", options_.log_delta);
        require(detail::is_fresh(value_),
                "particle Gibbs keeps values with their paths, and this estimator's value of a particle "
                "depends on other particles or on the noise of other steps: give one whose values are their "
                "own, as posterior_value is without fixed_noise");
        options_.times = time_grid_of(options_);
        detail::require_same_dimension("kernel", kernel_, value_);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(kernel_.dimension()); }

    /// Runs all chains, move by move. The observer gets a chain_view of the chains' ends after each move, the
    /// first ones among them, and stops the run where it returns false. @throws numeric_error naming step and
    /// particle where a value or a reward is NaN or +inf, where a value before the last step is -inf and
    /// neither floor nor delta raises it, or a coordinate is not finite; dead_weights where all weights of a
    /// chain's first run are zero; std::invalid_argument for a condition of its own for each particle.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const condition_type& condition = {},
                           Observer observer = {}) {
        if constexpr (requires { condition.broadcast(); })
            require(condition.broadcast(),
                    "particle Gibbs compares all particles of a chain: one condition must serve all of them");
        const stopwatch clock;
        const cost before = spent();
        const index_t d = dimension(), steps = this->steps(), chains = options_.chains,
                      moves = options_.adaptation + options_.moves, half = options_.moves / 2;
        paths all(context, d, options_.particles, steps, chains);
        smc_state<batch_type, condition_type> s{
            context,
            rng,
            condition,
            {.dimension = d, .particles = options_.particles, .steps = steps, .record_ancestors = true},
            {}};
        detail::prepare_to_resample(s, multinomial{});
        batch_type ends(context, d, chains);
        rows_type rewards(context, 1, chains), all_rewards(context, 1, chains * options_.moves);
        detail::half_sums<batch_type> of_z, of_reward;
        of_z.clear(context, d, chains);
        of_reward.clear(context, 1, chains);

        result_type result;
        result.particles.resize(context, d, chains * options_.moves);
        result.complete = true;
        assign(row(all.renewed), 0.0);
        index_t drawn = 0;                                        // columns
        for (index_t m = 0; m <= moves && result.complete; ++m) { // move 0 draws the first path
            for (index_t c = 0; c < chains; ++c) {
                const auto number = static_cast<std::uint64_t>(m) * static_cast<std::uint64_t>(chains) +
                                    static_cast<std::uint64_t>(c);
                s.rng = rng.split(number);
                const bool counts = m > options_.adaptation;
                move(s, all, c, m > 0, counts);
                const auto end = all.state(c, steps);
                context.copy(end.data(), d, ends.mutable_view().columns(c, 1).data());
            }
            for (index_t c = 0; c < chains; ++c) context.copy(all.value(c, steps), 1, rewards.data() + c);
            if (m == 0) continue;
            const index_t kept = m - options_.adaptation;
            if (kept > 0) {
                context.copy(ends.data(), d * chains, result.particles.data() + (kept - 1) * d * chains);
                context.copy(rewards.data(), chains, all_rewards.data() + (kept - 1) * chains);
                drawn += chains;
                if (kept <= 2 * half) {
                    of_z.add(kept <= half ? 0 : 1, ends.read());
                    of_reward.add(kept <= half ? 0 : 1, row(std::as_const(rewards)));
                }
            }
            const chain_view<batch_type> seen{
                .step = m, .steps = moves, .time = 1.0, .particles = ends.read()};
            result.complete = detail::keep_going(observer, seen) || m == moves;
        }
        if (!result.complete) {
            batch_type part(context, d, drawn);
            context.copy(result.particles.data(), d * drawn, part.data());
            result.particles.swap(part);
        }
        finish(result, all, all_rewards, of_z, of_reward, half);
        result.spent = spent() - before;
        result.seconds = clock.seconds();
        return result;
    }
    template <class Rng, class Observer = no_observer>
    result_type operator()(const context_type&, const Rng&, const condition_type& = {}, Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

    /// The evaluations of all runs so far.
    [[nodiscard]] cost spent() const {
        return cost(kernel_.spent()) + cost(value_.spent()) + cost{.reward = final_rewards_};
    }

private:
    using rows_type = rebind_t<batch_type, double>;
    using indices_type = rebind_t<batch_type, std::int32_t>;
    using state_type = smc_state<batch_type, condition_type>;

    /// The chains' kept paths, and all particles of the run under way.
    struct paths {
        index_t particles, steps;
        batch_type kept;       ///< d x (K + 1) chains, path by path
        rows_type kept_values; ///< V_k of these
        batch_type seen;       ///< d x N (K + 1): the particles of each step, before it resampled
        rows_type seen_values; ///< V_k of these
        indices_type at, next; ///< the place of the drawn path in a step
        rows_type renewed;     ///< the number of moves that ended in another particle

        paths(const context_type& on, index_t d, index_t n, index_t k, index_t chains)
            : particles(n),
              steps(k),
              kept(on, d, (k + 1) * chains),
              kept_values(on, 1, (k + 1) * chains),
              seen(on, d, (k + 1) * n),
              seen_values(on, 1, (k + 1) * n),
              at(on, 1, 1),
              next(on, 1, 1),
              renewed(on, 1, 1) {}
        [[nodiscard]] auto state(index_t chain, index_t k) {
            return kept.mutable_view().columns(chain * (steps + 1) + k, 1);
        }
        [[nodiscard]] double* value(index_t chain, index_t k) {
            return kept_values.data() + chain * (steps + 1) + k;
        }
        [[nodiscard]] auto states_seen(index_t k) {
            return seen.mutable_view().columns(k * particles, particles);
        }
        [[nodiscard]] auto values_seen(index_t k) {
            return seen_values.mutable_view().columns(k * particles, particles);
        }
    };

    [[nodiscard]] index_t steps() const { return static_cast<index_t>(options_.times.size()) - 1; }

    /// Replaces the path of chain c by one of a run of conditional SMC, or of plain SMC where none is kept.
    void move(state_type& s, paths& all, index_t c, bool keeps, bool counts) {
        const auto& context = *s.context;
        const index_t d = dimension(), n = options_.particles;
        s.steps_done = 0;
        detail::begin(s, 0.0, options_.log_delta);
        if (keeps) context.copy(all.state(c, 0).data(), d, s.x.data());
        context.copy(s.x.data(), d * n, all.states_seen(0).data());
        for (index_t k = 1; k <= steps(); ++k) {
            const auto at = static_cast<std::size_t>(k);
            const interval span{options_.times[at - 1], options_.times[at]};
            const detail::step_plan plan{
                .k = k, .time = span.to, .least_ess = infinity, .last = k == steps()};
            detail::at_step(k, [&] {
                kernel_(s.x.read(), span, s.condition, s.rng.stream(purpose::transition, k),
                        s.next_x.mutable_view());
            });
            if (keeps) context.copy(all.state(c, k).data(), d, s.next_x.data());
            detail::require_particles(s.next_x.read(), k);
            detail::at_step(k, [&] { evaluate(s, plan); });
            if (keeps) context.copy(all.value(c, k), 1, s.next_v.data());
            if (!plan.last)
                context.forbid(
                    n, row(s.next_v) == -infinity,
                    deferred_error{.what = "a value before the last step is -infinity, and neither "
                                           "value_floor nor log_delta raises it",
                                   .step = k});
            context.copy(s.next_x.data(), d * n, all.states_seen(k).data());
            context.copy(s.next_v.data(), n, all.values_seen(k).data());
            assign(row(context, 1, &s.step_sums.data()->floored), 0.0);
            detail::relax(s, plan);
            detail::weigh(s, plan);
            detail::require_live(s, plan);
            if (plan.last) {
                draw(s, plan);
            } else {
                detail::choose(s, multinomial{}, plan);
                if (keeps) assign(row(context, 1, s.chosen.data()), 0.0);
            }
            detail::advance(s, plan);
            if (!plan.last) detail::take(s);
        }
        keep_drawn(s, all, c, counts);
    }
    /// V of the propagated particles into s.next_v, raised by what is fixed beforehand; r at the last step.
    void evaluate(state_type& s, const detail::step_plan& plan) {
        const auto value = row(s.next_v);
        if (plan.last) {
            call_reward(value_.reward(), s.next_x.read(), s.condition, plan.k, 1, value);
            final_rewards_ += options_.particles;
            return;
        }
        value_(s.next_x.read(), plan.time, detail::condition_for<Value>(s.condition),
               s.rng.stream(purpose::value, plan.k), value_rows<context_type>{.value = unwritten(value)});
        detail::require_values(value, plan.k);
        detail::keep_values(s, value, value, options_.value_floor);
    }
    /// Draws the end of the next path by the final weights, all.at = s.chosen[0].
    static void draw(state_type& s, const detail::step_plan& plan) {
        const auto& context = *s.context;
        const index_t n = s.x.columns();
        cumulative_weights(context, s.next_log_w.data(), n, s.space, s.cumulative.data());
        multinomial{}(context, s.cumulative.data(), n, s.rng.stream(purpose::resampling, plan.k), s.space,
                      s.chosen.data());
    }
    /// Copies the path that ends in particle s.chosen[0] to the kept one of chain c.
    void keep_drawn(state_type& s, paths& all, index_t c, bool counts) {
        const auto& context = *s.context;
        context.copy(s.chosen.data(), 1, all.at.data());
        if (counts) {
            const auto total = row(all.renewed);
            assign(total, total + select(row(all.at) > 0.0, 1.0, 0.0));
        }
        for (index_t k = steps(); k >= 0; --k) {
            context.gather(const_view_t<batch_type>(all.states_seen(k)), all.at.data(), all.state(c, k));
            context.gather(const_view_t<rows_type>(all.values_seen(k)), all.at.data(),
                           all.kept_values.mutable_view().columns(c * (steps() + 1) + k, 1));
            if (k < 2) continue; // x_0 has not been resampled
            context.gather(s.recorded[static_cast<std::size_t>(k - 2)].read(), all.at.data(),
                           all.next.mutable_view());
            all.at.swap(all.next);
        }
    }

    void finish(result_type& result, paths& all, const rows_type& rewards,
                const detail::half_sums<batch_type>& of_z, const detail::half_sums<batch_type>& of_reward,
                index_t half) const {
        result.exact_for_model = kernel_.exact();
        if (!result.complete) {
            result.warnings.emplace_back(
                "the run was stopped before its last move: nothing is said of convergence");
            return;
        }
        result.rewards = to_host(rewards);
        result.renewal = to_host(all.renewed).front() /
                         (static_cast<double>(options_.chains) * static_cast<double>(options_.moves));
        const auto found = detail::judge_chains(of_z, of_reward, half);
        result.ess = found.ess;
        result.r_hat = found.r_hat;
        if (std::isnan(result.ess))
            result.warnings.push_back("R-hat is " + rounded(result.r_hat, 3) +
                                      ": the chains have not forgotten where they began; take more moves, or "
                                      "more particles, by which a path is renewed more often");
        result.reliable = result.warnings.empty();
    }

    Kernel kernel_;
    Value value_;
    particle_gibbs_options options_; ///< with the whole grid as times
    std::int64_t final_rewards_ = 0;
};

} // namespace diamond
