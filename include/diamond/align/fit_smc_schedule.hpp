/// The schedule of a run of SMC, found by a small run of its own before the run that uses it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/align/conditional_ess.hpp>
#include <diamond/align/resampling.hpp>
#include <diamond/align/smc_options.hpp>
#include <diamond/align/smc_schedule.hpp>
#include <diamond/align/smc_state.hpp>
#include <diamond/align/smc_steps.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/reward/detail/groups_of.hpp>
#include <diamond/value/annealed_value.hpp>

namespace diamond {

/// Options of fit_smc_schedule.
struct smc_schedule_fit_options {
    /// The share of the conditional effective sample size that each step shall leave, in (0, 1): the nearer
    /// to 1, the more steps.
    double conditional_ess = 0.25;
    index_t particles = 256; ///< of the small run, at most those of the run itself
    index_t least_steps = 4; ///< of the schedule, at least 1
    index_t most_steps = 64; ///< of the schedule, at least least_steps and at most those of the candidates
};

/// What fit_smc_schedule has found.
struct smc_schedule_fit {
    smc_schedule schedule; ///< of K steps
    /// The share of the conditional effective sample size that each of the K steps left in the small run; or,
    /// where that needed more steps than are allowed, the most that K can leave.
    std::vector<double> conditional_ess;
    /// Whether each of these is what was sought. Where not, take more steps or less of a share; or, where the
    /// exponents are below 1, candidates that end nearer to t = 1, or values of more draws.
    bool reached = false;
    cost spent; ///< the evaluations of the small run
};

namespace detail {

/// The small run of fit_smc_schedule.
template <class Kernel, class Value>
class smc_schedule_fitter {
    static constexpr bool weighted = weighted_transition_kernel<Kernel>;
    static constexpr bool guided = !weighted && guided_kernel<Kernel>;
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type = backend_of_t<batch_type>;
    using rows_type = rebind_t<batch_type, double>;

public:
    /// `options.times` is the whole grid of candidates.
    smc_schedule_fitter(const context_type& context, philox rng, const Kernel& kernel, const Value& value,
                        const smc_options& options, const smc_schedule_fit_options& fit,
                        const condition_type& condition)
        : kernel_(kernel),
          value_(value),
          options_(options),
          target_(fit.conditional_ess),
          last_(static_cast<index_t>(options.times.size()) - 1),
          longest_(std::max(last_ / fit.least_steps, index_t{1})),
          even_(std::max(last_ / fit.most_steps, index_t{1})),
          most_steps_(fit.most_steps),
          s_(context, rng, condition,
             {.dimension = static_cast<index_t>(kernel.dimension()),
              .particles = options.particles,
              .steps = last_,
              .record_ancestors = false},
             {}) {
        require_one_group(value_.reward());
        prepare_to_resample(s_, systematic{});
        for (proposal* one : {&kept_, &trial_}) {
            one->x.resize(context, s_.x.rows(), s_.x.columns());
            one->v.resize(context, 1, s_.x.columns());
            one->log_p.resize(context, 1, s_.log_p.columns());
            one->log_ratio.resize(context, 1, s_.correction.columns());
            assign(row(one->log_ratio), 0.0); // as it stays where the kernel has none
        }
    }

    [[nodiscard]] smc_schedule_fit operator()() {
        const cost before = spent();
        begin(s_, options_.initial_value, options_.log_delta.value_or(-infinity));
        if constexpr (weighted) kernel_.begin(s_.x.read(), s_.condition, unwritten(row(s_.log_p)));
        smc_schedule_fit result;
        smc_schedule& path = result.schedule;
        path.times.push_back(0.0);
        std::vector<double>& shares = result.conditional_ess;
        std::vector<index_t> places{0};
        for (index_t length = even_; place_ < last_;) {
            values_before_ = to_host(s_.v);
            log_weights_ = to_host(s_.log_w);
            find_longest_step(length);
            require_told_values();
            if (kept_.beta == 1.0 && has_unlike_numbers(kept_.values)) noisy_ = false;
            length = kept_.to - place_;
            beta_before_ = kept_.beta;
            place_ = kept_.to;
            places.push_back(place_);
            path.times.push_back(time_of(place_));
            path.betas.push_back(kept_.beta);
            shares.push_back(kept_.share);
            if (place_ < last_) take_step();
        }
        if (static_cast<index_t>(shares.size()) > most_steps_) space_evenly(path, shares, places);
        result.reached = *std::min_element(shares.begin(), shares.end()) >= target_;
        result.spent = spent() - before;
        return result;
    }

private:
    /// What a step to a candidate makes of the particles.
    struct proposal {
        index_t to = 0;                         ///< the candidate's place in the grid
        batch_type x;                           ///< d x N
        rows_type v, log_p, log_ratio;          ///< V as estimated; log p_t and log weights of such kernels
        std::vector<double> values, log_ratios; ///< V and the log weights on the host
        std::vector<double> others;             ///< V of the same particles by other noise
        double beta = 1.0, share = 1.0; ///< the exponent, and the conditional effective sample size over N
    };

    [[nodiscard]] cost spent() const {
        return cost(kernel_.spent()) + cost(value_.spent()) + cost{.reward = rewards_};
    }
    [[nodiscard]] double time_of(index_t place) const {
        return options_.times[static_cast<std::size_t>(place)];
    }

    /// Leaves in kept_ the longest step that keeps the target, to an eighth of its length: by doubling or
    /// halving from `guess`, then by bisection. Where none does it is that to the next candidate.
    void find_longest_step(index_t guess) {
        const index_t longest = std::min(longest_, last_ - place_);
        index_t low = 0, high = longest + 1; // the lengths that keep the target, and that do not, so far
        const auto open = [&] {
            if (low == 0) return high > 1;
            if (high > longest) return low < longest;
            return high - low > 1 + low / 8;
        };
        for (index_t length = std::min(guess, longest); open();) {
            propose(place_ + length);
            constexpr double slack = 0.9; // the error of a beta that few particles choose
            const double beta = low > 0 ? kept_.beta : beta_before_;
            const bool keeps = trial_.share >= target_ && (length <= even_ || trial_.beta >= slack * beta);
            (keeps ? low : high) = length;
            if (keeps || length == 1) std::swap(kept_, trial_);
            length = high > longest ? std::min(2 * low, longest) : low == 0 ? high / 2 : (low + high) / 2;
        }
    }
    /// Draws the particles of a candidate, and their values, into trial_, all trials of a step by the same
    /// noise.
    void propose(index_t to) {
        const index_t k = s_.step() + 1;
        const interval span{time_of(place_), time_of(to)};
        const noise_stream stream = s_.rng.stream(purpose::transition, k);
        proposal& p = trial_;
        p.to = to;
        at_step(k, [&] {
            if constexpr (weighted)
                kernel_(s_.x.read(), span, s_.condition, stream, p.x.mutable_view(), row(s_.log_p),
                        unwritten(row(p.log_p)), unwritten(row(p.log_ratio)));
            else if constexpr (guided)
                kernel_(s_.x.read(), span, s_.condition, stream, p.x.mutable_view(),
                        unwritten(row(p.log_ratio)));
            else
                kernel_(s_.x.read(), span, s_.condition, stream, p.x.mutable_view());
        });
        require_particles(p.x.read(), k);
        p.log_ratios = to_host(p.log_ratio);
        p.beta = 1.0;
        if (to == last_) {
            call_reward(value_.reward(), p.x.read(), s_.condition, k, 1, row(p.v));
            rewards_ += s_.x.columns();
            p.values = to_host(p.v);
        } else {
            if (noisy_) {
                constexpr std::uint64_t other_noise = 0x6f74686572; // any number that nothing else splits by
                evaluate(p, s_.rng.split(other_noise));
                p.others = to_host(p.v);
            }
            evaluate(p, s_.rng);
            p.values = to_host(p.v);
            if (noisy_) p.beta = is_one_number(p) ? beta_before_ : largest_exponent(p);
        }
        p.share = share_of(p);
    }
    /// V of a candidate's particles into p.v.
    void evaluate(proposal& p, philox rng) {
        const index_t k = s_.step() + 1;
        at_step(k, [&] {
            value_(p.x.read(), time_of(p.to), condition_for<Value>(s_.condition),
                   rng.stream(purpose::value, k), value_rows<context_type>{.value = unwritten(row(p.v))});
        });
        require_values(row(p.v), k);
    }

    /// The values of a step as they count by beta: annealed, and raised as make_finite does.
    [[nodiscard]] std::vector<double> counted(const std::vector<double>& values, double beta) const {
        const double log_delta = options_.log_delta.value_or(-infinity);
        const double best = *std::max_element(values.begin(), values.end());
        const double lowest = log_delta > -infinity ? -infinity : annealed(beta, best) - depth_of_floor;
        std::vector<double> result(values.size());
        for (std::size_t j = 0; j < result.size(); ++j)
            result[j] = raised_value(annealed(beta, values[j]), options_.value_floor.value_or(lowest),
                                     log_delta, values_before_[j]);
        return result;
    }
    /// The conditional effective sample size, over N, of a step from some values to others.
    [[nodiscard]] double share_between(const std::vector<double>& from, std::vector<double> to,
                                       const std::vector<double>& log_ratios) const {
        for (std::size_t j = 0; j < to.size(); ++j)
            to[j] += (log_ratios.empty() ? 0.0 : log_ratios[j]) - from[j];
        return conditional_ess(log_weights_, to) / static_cast<double>(to.size());
    }
    [[nodiscard]] double share_of(const proposal& p) const {
        return share_between(values_before_, p.to == last_ ? p.values : counted(p.values, p.beta),
                             p.log_ratios);
    }
    /// The largest of 1, 2^(-1/16), 2^(-1/8), ... 2^(-20) and 0 by which the noise of the values alone leaves
    /// the square root of the target, and so as much again to the step.
    [[nodiscard]] double largest_exponent(const proposal& p) const {
        constexpr int fine = 16, octaves = 20; // 4 % apart; a millionth of a value is none
        for (int b = 0; b <= fine * octaves; ++b) {
            const double beta = std::exp2(-static_cast<double>(b) / fine);
            if (square(share_between(counted(p.others, beta), counted(p.values, beta), {})) >= target_)
                return beta;
        }
        return 0.0;
    }
    /// Says whether the values of a candidate, by one noise and the other, are all the same, -infinity too:
    /// of their noise these tell nothing.
    [[nodiscard]] static bool is_one_number(const proposal& p) {
        const double first = p.values.front();
        const auto same = [&](double value) { return value == first; };
        return std::all_of(p.values.begin(), p.values.end(), same) &&
               std::all_of(p.others.begin(), p.others.end(), same);
    }
    /// Says whether two of the values are finite and differ.
    [[nodiscard]] static bool has_unlike_numbers(const std::vector<double>& values) {
        const auto first = std::find_if(values.begin(), values.end(), [](double v) { return v > -infinity; });
        return std::any_of(first, values.end(), [&](double v) { return v > -infinity && v != *first; });
    }
    /// Checks that the kept step has not lost its exponent to values of -infinity, which lie as far below the
    /// others by a small exponent as by a large one. @throws std::invalid_argument where it has.
    void require_told_values() const {
        const double log_delta = options_.log_delta.value_or(-infinity);
        if (kept_.beta > 0.0 || log_delta > -infinity || options_.value_floor) return;
        const auto forbids = [](const std::vector<double>& values) {
            return std::find(values.begin(), values.end(), -infinity) != values.end();
        };
        require(!forbids(kept_.values) && !forbids(kept_.others), [&] {
            return "fit_smc_schedule has met values of -infinity at t = " + digits_of(time_of(kept_.to)) +
                   ", and no exponent makes a step of them: give a log_delta or a value_floor, those of the "
                   "run";
        });
    }
    /// Takes the kept step.
    void take_step() {
        s_.next_x.swap(kept_.x);
        s_.next_log_p.swap(kept_.log_p);
        s_.correction.swap(kept_.log_ratio);
        assign(row(s_.next_v), elementwise<annealed>(kept_.beta, row(kept_.v)));
        const step_plan plan{.k = s_.step() + 1,
                             .time = time_of(place_),
                             .least_ess = options_.threshold * static_cast<double>(s_.x.columns()),
                             .last = false};
        make_finite(s_, options_.value_floor);
        relax(s_, plan);
        weigh(s_, plan);
        require_live(s_, plan);
        const bool resamples = may_resample(s_, plan);
        if (resamples) choose(s_, systematic{}, plan);
        advance(s_, plan);
        if (resamples) take(s_);
    }
    /// Replaces the steps of a path by most_steps_ of equal length, a step's length being -log share,
    /// which adds up where steps are short. `places` are those of its times in the grid.
    void space_evenly(smc_schedule& path, std::vector<double>& shares,
                      const std::vector<index_t>& places) const {
        const double least = 1.0 / static_cast<double>(s_.x.columns()); // of a step that left one particle
        constexpr double still = 1e-9;                                  // the length of one that changes none
        std::vector<double> ends{0.0};                                  // of the path's steps, in its length
        for (const double share : shares)
            ends.push_back(ends.back() + std::max(-std::log(std::max(share, least)), still));
        const double length = ends.back() / static_cast<double>(most_steps_);
        smc_schedule even{.times = {0.0}, .betas = {}};
        for (index_t k = 1; k < most_steps_; ++k) {
            const double end = length * static_cast<double>(k);
            const auto next = static_cast<std::size_t>(
                std::upper_bound(ends.begin() + 1, ends.end() - 1, end) - ends.begin());
            const double part = (end - ends[next - 1]) / (ends[next] - ends[next - 1]);
            const double place = (1.0 - part) * static_cast<double>(places[next - 1]) +
                                 part * static_cast<double>(places[next]);
            const index_t below = std::min(static_cast<index_t>(place), last_ - 1);
            const double rest = place - static_cast<double>(below);
            const double t = (1.0 - rest) * time_of(below) + rest * time_of(below + 1);
            even.times.push_back(t);
            even.betas.push_back(path(t));
        }
        even.times.push_back(1.0);
        even.betas.push_back(1.0);
        path = std::move(even);
        shares.assign(static_cast<std::size_t>(most_steps_), std::exp(-length));
    }

    Kernel kernel_;
    Value value_;
    smc_options options_; ///< with the whole grid of candidates as times
    double target_;
    index_t last_, longest_; ///< the place of t = 1 in the grid, and the largest length of a step
    index_t even_;           ///< the length of one of most_steps_ equal steps
    index_t most_steps_;     ///< of the schedule
    smc_state<batch_type, condition_type, weighted, guided> s_;
    index_t place_ = 0;        ///< of the particles in the grid
    double beta_before_ = 0.0; ///< the exponent of the last step
    bool noisy_ = true;        ///< says whether values are still compared with those of other noise
    proposal kept_, trial_;
    std::vector<double> values_before_, log_weights_; ///< V_{k-1} and log w on the host
    std::int64_t rewards_ = 0;
};

} // namespace detail

/// Finds times and exponents by which each step of SMC leaves the share of the conditional effective sample
/// size that is sought (eq. adaptive-schedule): the next time is the last candidate that leaves it, to an
/// eighth of the step's length; values count in full where they have no noise, and else by the largest beta
/// whose noise takes half of what a step may lose. Values that are all the same tell nothing of their noise,
/// and leave the exponent as it was.
///
/// `options.times` is the fine grid of candidates, such as noise_ratio_time_grid(schedule, 512, {.first = 10,
/// .last = 0.001}), on which steps are equal in the logarithm of sigma/alpha. `threshold`, `value_floor` and
/// `log_delta` are those of the run; without log_delta values of -inf are at a floor, and where they leave no
/// exponent above 0 the fit asks for one of the two. A path that needs more
/// than most_steps is divided into so many, equal by -log of the share.
///
/// Particles and noise are the fit's own, on streams that the run of the same rng does not use, and what it
/// finds is frozen: smc with .times = fit.schedule.times and annealed_value{value, fit.schedule}, and
/// .pilot_particles = 0 or a log_delta, leaves Z-hat unbiased, also with moves. Exponents that are chosen in
/// the run itself, by the particles that they weigh, do not.
///
/// Cost: about 5 trials a step, each a transition and a value of every particle of the small run, two values
/// until they count in full.
/// @throws std::invalid_argument naming the option that is out of its range, for values of -infinity that
/// need a log_delta or a value_floor, and for a reward of several groups; numeric_error as smc does.
template <class Kernel, class Value>
[[nodiscard]] smc_schedule_fit fit_smc_schedule(const backend_of_t<typename Kernel::batch_type>& context,
                                                philox rng, const Kernel& kernel, const Value& value,
                                                const smc_options& options,
                                                const smc_schedule_fit_options& fit = {},
                                                const condition_of_t<Kernel>& condition = {}) {
    static_assert(diagnose_any_transition_kernel<Kernel>() && diagnose_value_estimator<Value>());
    static_assert(
        std::is_same_v<typename Kernel::batch_type, typename Value::batch_type>,
        "kernel and value estimator must run on the same batch type: float and double particles do not mix");
    detail::require_options(options);
    detail::require_same_dimension("kernel", kernel, value);
    detail::require_particles("fit_smc_schedule", fit.particles);
    require(options.threshold > 0.0,
            "fit_smc_schedule looks at the values of a run, and a threshold of 0 takes "
            "none: give a threshold above 0");
    require(fit.conditional_ess > 0.0 && fit.conditional_ess < 1.0, [&] {
        return "fit_smc_schedule seeks a conditional effective sample size of " +
               digits_of(fit.conditional_ess) + " of the particles: it lies between 0 and 1, without these";
    });
    smc_options small = options;
    small.times = time_grid_of(options);
    small.particles = std::min(fit.particles, options.particles); // conditions are of no more
    const auto candidates = static_cast<index_t>(small.times.size()) - 1;
    require(fit.least_steps >= 1 && fit.least_steps <= fit.most_steps && fit.most_steps <= candidates, [&] {
        return "fit_smc_schedule makes " + digits_of(fit.least_steps) + " to " + digits_of(fit.most_steps) +
               " steps on a grid of " + digits_of(candidates) +
               ": at least 1, and no more than the grid has, are chosen among them";
    });
    constexpr std::uint64_t fit_stream = 0x6669745f740000; // any number that no user is likely to split by
    return detail::smc_schedule_fitter<Kernel, Value>(context, rng.split(fit_stream), kernel, value, small,
                                                      fit, condition)();
}

} // namespace diamond
