/// How a run of sequential Monte Carlo decides by its pilot between SMC and plain weights, and the plain
/// weights themselves: (eq. smc-plan).
///
/// Everything here is numbers on the host. smc draws the pilot, the few values and the blocks of draws.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/smc_result.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/random/philox.hpp>

namespace diamond::detail {

/// The place of column i of n columns that are taken evenly from N places: i N/n, rounded down.
[[nodiscard]] constexpr index_t spread_place(index_t i, index_t n, index_t places) { return i * places / n; }
/// These places of all n columns.
template <class Context>
[[nodiscard]] auto spread_columns(const Context& context, index_t n, index_t places) {
    std::vector<std::int32_t> numbers;
    for (index_t i = 0; i < n; ++i) numbers.push_back(static_cast<std::int32_t>(spread_place(i, n, places)));
    return from_host<std::int32_t>(context, 1, n, numbers);
}
/// What few values told: those of a pilot's particles after their first step.
struct few_values {
    std::vector<double> values;          ///< V of each of them, in nats
    std::int64_t evaluations;            ///< what these values have cost
    std::int64_t transition_evaluations; ///< what the step to them has cost

    /// Says whether most of them are -inf, as where few draws are allowed and values know of nothing else.
    [[nodiscard]] bool blind() const {
        return 2 * std::count(values.begin(), values.end(), -infinity) > std::ssize(values);
    }
    /// The logarithm of the mean of exp V, by which exact values estimate log Z.
    [[nodiscard]] double log_mean() const {
        const auto n = std::ssize(values);
        return sum_weights(values.data(), n, false).log_mean(n);
    }
    /// The relative variance of exp V. That of exact values is near 0 after a first step that carries little;
    /// that of M draws is a part in M of the rewards' own.
    [[nodiscard]] double relative_variance() const {
        const auto n = static_cast<double>(values.size());
        return n / sum_weights(values.data(), std::ssize(values), false).ess() - 1.0;
    }
};

/// Says whether the pilot tells enough of plain weights to choose them: whether their variance is known, or
/// hardly a draw is allowed. Where most are allowed and few carry the weight, neither is known, and values
/// may still say where these are.
[[nodiscard]] inline bool may_be_plain(const smc_pilot& pilot, index_t allowed) {
    return pilot.ess >= trusted_pilot_ess || static_cast<double>(allowed) < trusted_pilot_ess;
}
[[nodiscard]] inline std::string reason_of_smc(const smc_pilot& pilot) {
    return "SMC: the pilot's effective sample size, " + rounded(pilot.ess, 3) + " of " +
           digits_of(pilot.draws) + ", does not tell what plain weights would have given";
}

/// Says whether another estimate of log Z, whose Z has this relative variance, is so far above the pilot's
/// that the pilot's draws have missed weight: a mode, say, that none of them has come to. D is then not what
/// they say. Where the other estimate is below the pilot's, the pilot has seen what the other has not.
[[nodiscard]] inline bool has_missed(const smc_pilot& pilot, double log_z, double relative_variance) {
    constexpr double deviations = 5.0, slack = 0.1;                                   // in nats
    const double of_pilot = 1.0 / pilot.ess - 1.0 / static_cast<double>(pilot.draws), // D/n
        of_both = std::max(of_pilot + relative_variance, 0.0);
    return log_z - pilot.log_z > deviations * std::sqrt(of_both) + slack;
}

/// Decides by (eq. smc-plan), for N particles and K steps. n_plain, the draws that K N transitions and (K -
/// 1) N values would have paid for, comes from what the pilot's transitions and the few values have cost.
[[nodiscard]] inline smc_plan choose_plan(const smc_pilot& pilot, index_t allowed, const few_values& seen,
                                          index_t particles, index_t steps, double plain_ratio) {
    const auto n = static_cast<double>(particles), k = static_cast<double>(steps),
               columns = static_cast<double>(seen.values.size());
    const double a_draw = static_cast<double>(pilot.evaluations) / static_cast<double>(pilot.draws),
                 a_value = static_cast<double>(seen.evaluations) / columns,
                 spent = static_cast<double>(seen.evaluations + seen.transition_evaluations);
    const double more = a_draw > 0.0 ? ((k - 1.0) * n * a_value - spent) / a_draw : 0.0;
    constexpr double most = 0x1p53; // of draws that are counted
    const auto draws = particles + static_cast<index_t>(std::clamp(more, 0.0, most));

    const bool known = pilot.ess >= trusted_pilot_ess;
    if (!known && seen.blind())
        return {.draws = draws,
                .reason = "plain weights on " + digits_of(draws) + " draws: the reward allows " +
                          digits_of(allowed) + " of the pilot's " + digits_of(pilot.draws) +
                          ", and values of so few would be noise"};
    if (!known) return {.reason = reason_of_smc(pilot)};
    const double by_few = seen.log_mean();
    if (has_missed(pilot, by_few, seen.relative_variance() / columns))
        return {.reason = "SMC: by the values of " + digits_of(seen.values.size()) +
                          " particles after their first step log Z is about " + rounded(by_few, 3) +
                          ", and by the pilot's draws " + rounded(pilot.log_z, 3) +
                          ": these may have missed what carries the weight"};
    const double distance = static_cast<double>(pilot.draws) / pilot.ess - 1.0;
    const double plain = distance / static_cast<double>(draws),
                 by_values = (std::log1p(distance) + seen.relative_variance()) / n;
    const std::string told = ": by the pilot the relative variance of Z is about " + rounded(plain, 2) +
                             " by plain weights, and for as many evaluations at least " +
                             rounded(by_values, 2) + " by SMC with these values";
    if (plain > plain_ratio * by_values) return {.reason = "SMC" + told};
    return {.draws = draws, .reason = "plain weights on " + digits_of(draws) + " draws" + told};
}

/// The weights exp r of draws of which N places keep one each, chosen among the draws that came to it in
/// proportion to these weights.
///
/// Place j weighs S_j, the sum of the weights that came to it, so that sum_j S_j f(x_j) has the mean sum_i
/// w_i f(x_i) over all draws, and Z-hat = sum_j S_j / n exactly the mean of their weights.
class plain_weights {
public:
    /// Every place keeps the draw that it has, of this reward.
    explicit plain_weights(std::vector<double> rewards) : kept_(std::move(rewards)), log_sums_(kept_) {
        for (const double r : kept_) count(r);
    }

    /// Where a place takes a draw of a block: the draw, 0 where none is taken; and 1, else 0.
    struct taking {
        std::vector<std::int32_t> from;
        std::vector<double> taken;
    };
    /// A block's draws come to the places at, at + 1, ..., one each, of which `choices` has a uniform number.
    [[nodiscard]] taking add(const std::vector<double>& rewards, index_t at, noise_stream choices) {
        const std::size_t n = kept_.size();
        taking result{.from = std::vector<std::int32_t>(n), .taken = std::vector<double>(n)};
        for (std::size_t i = 0; i < rewards.size(); ++i) {
            const std::size_t j = (static_cast<std::size_t>(at) + i) % n;
            const double r = rewards[i];
            count(r);
            if (r == -infinity) continue;
            log_sums_[j] = log_add_exp(log_sums_[j], r);
            if (std::log(choices.uniform(static_cast<index_t>(j))) >= r - log_sums_[j]) continue;
            kept_[j] = r;
            result.from[j] = static_cast<std::int32_t>(i);
            result.taken[j] = 1.0;
        }
        return result;
    }

    /// r of the draw that each place keeps.
    [[nodiscard]] const std::vector<double>& rewards() const { return kept_; }
    /// log(S_j N/n) - r_j of each place, which takes exp r to weights whose mean over places is Z-hat.
    [[nodiscard]] std::vector<double> corrections() const {
        const double scale = std::log(static_cast<double>(kept_.size()) / static_cast<double>(draws_));
        std::vector<double> result;
        for (std::size_t j = 0; j < kept_.size(); ++j)
            result.push_back(kept_[j] == -infinity ? 0.0 : log_sums_[j] - kept_[j] + scale);
        return result;
    }
    /// The relative variance of Z-hat by the weights of all n draws, (n/ESS - 1)/(n - 1): NaN of one draw.
    [[nodiscard]] double relative_variance() const {
        const auto n = static_cast<double>(draws_);
        return std::max(n / all_.ess() - 1.0, 0.0) / (n - 1.0);
    }

private:
    /// Adds a draw's weight to the sums over all draws, which are relative to the highest so far.
    void count(double r) {
        ++draws_;
        if (r == -infinity) return;
        if (r > all_.high) {
            const double scale = std::exp(all_.high - r);
            all_ = {r, scale * all_.first, square(scale) * all_.second};
        }
        const double weight = std::exp(r - all_.high);
        all_.first += weight;
        all_.second += square(weight);
    }

    std::vector<double> kept_, log_sums_;
    weight_sums all_{-infinity, 0.0, 0.0};
    index_t draws_ = 0;
};

} // namespace diamond::detail
