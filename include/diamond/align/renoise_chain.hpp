/// Markov chain Monte Carlo on the tilted law by renoising and drawing again: it starts from anything, and
/// needs no value.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/align/convergence.hpp>
#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

/// The options of renoise_chain.
struct renoise_chain_options {
    index_t particles = 256; ///< N independent chains, 1 ... 2^31 - 1
    /// The number of moves that adapt the noise and are forgotten, at least 0.
    index_t adaptation = 64;
    index_t steps = 256; ///< the number of moves after these, at least 4, by which convergence is judged
    /// sigma/alpha of the renoised state at the first move, above 0: small moves are accepted more often.
    double noise_ratio = 1.0;
    double acceptance = 0.3; ///< the share of accepted moves that the adaptation seeks, in (0, 1)
};

/// The result of renoise_chain.
template <class Batch>
struct renoise_chain_result {
    Batch particles;             ///< d x N, the last state of each chain, of equal weight
    std::vector<double> rewards; ///< r of each
    bool complete = false;       ///< says whether the last move was taken
    double acceptance = NAN;     ///< the share of accepted moves after the adaptation
    double noise_ratio = NAN;    ///< the sigma/alpha that the adaptation found
    /// The largest split R-hat over the coordinates and the reward (A. Gelman and others, Bayesian Data
    /// Analysis, third edition): near 1 where each half of each chain has gone where all have. It sees only
    /// the modes in which chains began: from a start in one mode it comes to 1 though the others are missing.
    double r_hat = NAN;
    /// The effective number of draws of the reward in all moves after the adaptation, by the spread of the
    /// chains' means; NaN where R-hat is above 1.1.
    double ess = NAN;
    /// What the chains say of each coordinate and the reward after the adaptation, by which groups of chains
    /// that run apart are judged together (combine_chains).
    chain_agreement agreement;
    bool exact_for_model = false; ///< says whether the stationary law is the model's, tilted
    /// Whether the run is complete, began from draws of the model, and has an R-hat of at most 1.1: else
    /// `warnings` say why not.
    bool reliable = false;
    std::vector<std::string> warnings; ///< what does
    cost spent;                        ///< all evaluations
    double seconds = 0.0;              ///< the time of the call
};

namespace detail {

/// Says whether each chain takes its move: 1 with probability min(1, exp(after - before)), else 0. One that
/// stands where the reward forbids it takes any.
template <class Context>
struct accept_moves {
    noise_stream stream;
    row_view<const double, Context> before, after;
    row_view<double, Context> accepted;
    DIAMOND_HD void operator()(index_t j) const {
        const bool free = before[j] == -infinity;
        accepted[j] = free || std::log(stream.uniform(j)) < after[j] - before[j] ? 1.0 : 0.0;
    }
};

} // namespace detail

/// Moves N independent chains on samples z: renoise to x = alpha z + sigma eps, draw z' from the posterior
/// given x, and accept it with probability min(1, exp(r(z') - r(z))).
///
/// If the sampler draws from the model's posterior, renoising and drawing is reversible for the model's p,
/// and the chain for p exp(r)/Z, from whatever it starts: draws of the model, or samples of yours (from a
/// search, a guided run, other data). sigma/alpha is adapted in the first moves towards options.acceptance,
/// and held fixed after. It knows no Z. Where modes are so far apart that a move between them is accepted
/// only from much noise, chains stay in the modes in which they began: the modes' shares stay those of the
/// start, r_hat is large where more than one is occupied, and is blind for one in which no chain began. Begin
/// from draws of the model, or of SMC.
///
/// Cost: one posterior draw and one reward a chain and move, and as many at the start. See (eq.
/// renoise-move): a Metropolis-Hastings step whose proposal is reversible for p.
template <class Sampler, class Reward>
class renoise_chain {
    static_assert(diagnose_posterior_sampler_without_weights<Sampler>());
    static_assert(diagnose_reward<Reward, typename Sampler::batch_type, condition_of_t<Sampler>>());

public:
    using batch_type = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using context_type = backend_of_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    using result_type = renoise_chain_result<batch_type>; ///< what a run returns

    /// @throws std::invalid_argument naming the option that is out of its range, and for a schedule that
    /// breaks its promises (check_schedule).
    renoise_chain(Sampler sampler, Reward reward, renoise_chain_options options = {})
        : sampler_(std::move(sampler)), reward_(std::move(reward)), options_(options) {
        detail::require_particles("a renoise chain", options_.particles);
        const auto count = [](const char* name, index_t number, index_t least) {
            require(number >= least && number <= (index_t{1} << 30), [&] {
                return "a renoise chain's " + std::string(name) + " is " + digits_of(number) + ": " +
                       digits_of(least) + " to 2^30 are taken";
            });
        };
        count("adaptation", options_.adaptation, 0);
        count("steps", options_.steps, 4);
        require(options_.noise_ratio > 0.0 && std::isfinite(options_.noise_ratio), [&] {
            return "a renoise chain's noise_ratio is " + digits_of(options_.noise_ratio) +
                   ": sigma/alpha must be positive and finite";
        });
        require(options_.acceptance > 0.0 && options_.acceptance < 1.0, [&] {
            return "a renoise chain's acceptance is " + digits_of(options_.acceptance) +
                   ": it lies between 0 and 1, without these";
        });
        check_schedule(sampler_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }

    /// Runs from draws of the model, z ~ p(z | x_0), x_0 ~ N(0, I). The observer gets a chain_view after each
    /// move, the adapting ones among them, and stops the run where it returns false. @throws numeric_error
    /// naming the move and the chain where a reward is NaN or +inf, or a coordinate is not finite.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const condition_type& condition = {},
                           Observer observer = {}) {
        const stopwatch clock;
        const cost before = spent();
        batch_type noise(context, dimension(), options_.particles);
        result_type result;
        result.particles.resize(context, dimension(), options_.particles);
        draw_normal(rng.stream(purpose::initial), noise.mutable_view());
        detail::at_step(0, [&] {
            sampler_(noise.read(), 0.0, condition, rng.stream(purpose::transition),
                     result.particles.mutable_view());
        });
        return run(context, rng, condition, std::move(result), before, clock, observer);
    }
    /// Runs from the samples `from`, d x N. @throws std::invalid_argument for another shape, and as above.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const_view from,
                           const condition_type& condition = {}, Observer observer = {}) {
        const stopwatch clock;
        require(from.rows() == dimension() && from.columns() == options_.particles, [&] {
            return "a renoise chain of " + digits_of(options_.particles) + " particles of dimension " +
                   digits_of(dimension()) + " starts from " + digits_of(from.columns()) + " of dimension " +
                   digits_of(from.rows());
        });
        result_type result;
        result.particles.resize(context, dimension(), options_.particles);
        assign(result.particles, from);
        result.warnings.emplace_back("the chains began from samples that were given: R-hat does not see "
                                     "modes in which none of them lies");
        return run(context, rng, condition, std::move(result), spent(), clock, observer);
    }
    template <class Rng, class Observer = no_observer>
    result_type operator()(const context_type&, const Rng&, const condition_type& = {}, Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

    /// The evaluations of all runs so far.
    [[nodiscard]] cost spent() const { return cost(sampler_.spent()) + cost{.reward = reward_.calls()}; }

private:
    using rows_type = rebind_t<batch_type, double>;

    template <class Observer>
    result_type run(const context_type& context, philox rng, const condition_type& condition,
                    result_type result, const cost& before, const stopwatch& clock, Observer& observer) {
        const index_t d = dimension(), n = options_.particles, moves = options_.adaptation + options_.steps;
        batch_type& z = result.particles;
        batch_type noised(context, d, n), proposed(context, d, n);
        rows_type reward(context, 1, n), next(context, 1, n), accepted(context, 1, n);
        detail::half_sums<batch_type> of_z, of_reward;
        of_z.clear(context, d, n);
        of_reward.clear(context, 1, n);
        detail::require_particles(z.read(), 0);
        reward_(z.read(), condition, 0, 1, row(reward));

        double ratio = options_.noise_ratio, taken = 0.0;
        const index_t half = options_.steps / 2;
        result.complete = true;
        for (index_t k = 1; k <= moves && result.complete; ++k) {
            const instant t = time_at(sampler_.schedule(), 1.0, ratio);
            const noise_level level = level_at(sampler_.schedule(), t);
            draw_normal(rng.stream(purpose::transition_end, k), noised.mutable_view());
            assign(noised, level.alpha * z + level.sigma * noised);
            detail::at_step(k, [&] {
                sampler_(noised.read(), t.t, condition, rng.stream(purpose::transition, k),
                         proposed.mutable_view());
            });
            detail::require_particles(proposed.read(), k);
            reward_(proposed.read(), condition, k, 1, row(next));
            context.for_each(n,
                             detail::accept_moves<context_type>{.stream = rng.stream(purpose::resampling, k),
                                                                .before = row(std::as_const(reward)),
                                                                .after = row(std::as_const(next)),
                                                                .accepted = row(accepted)});
            const auto moved = row(std::as_const(accepted)) > 0.0;
            assign(z, select(moved, proposed, z));
            assign(row(reward), select(moved, row(next), row(reward)));

            const double share = context.sum(n, row(std::as_const(accepted))) / static_cast<double>(n);
            if (k <= options_.adaptation) {
                constexpr double least = 1e-6, most = 1e6;
                const double gain = 3.0 / std::sqrt(static_cast<double>(k));
                ratio = std::clamp(ratio * std::exp(gain * (share - options_.acceptance)), least, most);
            } else {
                taken += share / static_cast<double>(options_.steps);
                const index_t kept = k - options_.adaptation;
                if (kept <= 2 * half) {
                    of_z.add(kept <= half ? 0 : 1, z.read());
                    of_reward.add(kept <= half ? 0 : 1, row(std::as_const(reward)));
                }
            }
            const chain_view<batch_type> seen{.step = k, .steps = moves, .time = 1.0, .particles = z.read()};
            result.complete = detail::keep_going(observer, seen) || k == moves;
        }
        result.rewards = to_host(reward);
        result.noise_ratio = ratio;
        result.exact_for_model = sampler_.exact();
        if (result.complete) {
            result.acceptance = taken;
            judge(result, of_z, of_reward, half);
        } else {
            result.warnings.emplace_back(
                "the run was stopped before its last move: nothing is said of convergence");
        }
        result.reliable = result.warnings.empty();
        result.spent = spent() - before;
        result.seconds = clock.seconds();
        return result;
    }

    void judge(result_type& result, const detail::half_sums<batch_type>& of_z,
               const detail::half_sums<batch_type>& of_reward, index_t half) const {
        result.agreement = detail::agreement_of(of_z, of_reward, half);
        const auto found = detail::judge_chains(result.agreement);
        result.ess = found.ess;
        result.r_hat = found.r_hat;
        if (std::isnan(result.ess))
            result.warnings.push_back("R-hat is " + rounded(result.r_hat, 3) +
                                      ": the chains have not forgotten where they began; take more steps; "
                                      "and where modes lie far apart, "
                                      "their shares stay those of the start: begin from draws of SMC");
        if (result.acceptance < 0.01)
            result.warnings.push_back(
                "only " + rounded(100.0 * result.acceptance, 2) +
                " % of the moves were accepted: take more adaptation, a smaller noise_ratio or a "
                "softer reward");
    }

    Sampler sampler_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    renoise_chain_options options_;
};

} // namespace diamond
