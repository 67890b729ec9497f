/// This header plans runs within a budget, joins them, and makes numbers of what a judge sees of their
/// samples.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "rewards.hpp"

namespace mnist {

using studies::outcome;

/// The steps of a run and the draws of a value.
struct run_plan {
    index_t steps, draws;
};

/// Returns the plan of most draws whose steps are about as many as its draws: K transitions and K - 1 values
/// of M draws cost at most `budget` evaluations. @throws std::invalid_argument where two steps of one value
/// with `least` draws cost more.
inline run_plan plan_of(double budget, double transition, double draw, index_t least = 1) {
    const auto fits = [&](index_t steps) {
        return static_cast<index_t>((budget - transition * static_cast<double>(steps)) /
                                    (draw * static_cast<double>(steps - 1)));
    };
    auto steps = std::max<index_t>(2, static_cast<index_t>(std::sqrt(2.0 * budget / draw)));
    while (steps > 2 && fits(steps) < least) --steps;
    diamond::require(fits(steps) >= least, [&] {
        return "a budget of " + diamond::digits_of(budget) + " evaluations is less than two steps and " +
               diamond::digits_of(least) + " draws cost";
    });
    return {steps, fits(steps)};
}

/// What a judge sees of the samples of a method: all that it weighed, of which its outcome may hold only
/// some.
struct judged_samples {
    std::vector<int> of = {}; ///< classes
    std::vector<double> ink = {}, rewards = {}, weights = {};
    std::vector<std::int32_t> families = {};
};

/// Joins runs that are independent of each other: each counts by its particles and, where all of them have
/// one, its Z.
inline outcome joined(std::vector<outcome> runs) {
    outcome all;
    double total = 0.0;
    std::vector<double> log_sizes;
    for (const auto& each : runs) {
        total += static_cast<double>(each.weights.size());
        log_sizes.push_back(std::log(static_cast<double>(each.weights.size())) + each.log_z.value_or(0.0));
    }
    const auto shares = normalised(log_sizes);
    double variance = 0.0;
    bool errors = true;
    std::int32_t families = 0;
    for (std::size_t g = 0; g < runs.size(); ++g) {
        auto& each = runs[g];
        all.samples.insert(all.samples.end(), each.samples.begin(), each.samples.end());
        for (const double w : each.weights) all.weights.push_back(shares[g] * w);
        for (const auto f : each.families) all.families.push_back(families + f);
        families += static_cast<std::int32_t>(each.families.size());
        all.spent += each.spent;
        all.seconds += each.seconds;
        all.returned += each.returned;
        for (auto& warning : each.warnings) all.warnings.push_back(std::move(warning));
        errors = errors && each.log_z_se;
        variance += diamond::square(shares[g] * each.log_z_se.value_or(0.0));
    }
    if (runs.front().log_z) {
        double sum = 0.0;
        const double high = *std::ranges::max_element(log_sizes);
        for (const double l : log_sizes) sum += std::exp(l - high);
        all.log_z = high + std::log(sum / total);
        if (errors) all.log_z_se = std::sqrt(variance);
        all.ess = effective(all.weights);
    }
    return all;
}

/// Numbers with their errors by 200 bootstrap samples of the families.
struct aligned_numbers {
    class_weights shares{};
    double l2 = NAN, l2_se = NAN, right = NAN, right_se = NAN, ink = NAN, ink_se = NAN, reward = NAN,
           reward_se = NAN, families = NAN;
};

/// Measures what the judge sees: distance of class shares to those that are wanted, share of the class
/// `label`, mean ink and mean reward.
inline aligned_numbers numbers_of(const judged_samples& seen, const class_weights& wanted, int label,
                                  diamond::philox rng) {
    struct sums {
        double weight = 0.0, ink = 0.0, reward = 0.0;
        class_weights shares{};
        void add(const sums& other) {
            weight += other.weight;
            ink += other.ink;
            reward += other.reward;
            for (std::size_t c = 0; c < shares.size(); ++c) shares[c] += other.shares[c];
        }
        [[nodiscard]] aligned_numbers numbers(const class_weights& to, int of) const {
            aligned_numbers result;
            for (std::size_t c = 0; c < shares.size(); ++c) result.shares[c] = shares[c] / weight;
            result.l2 = l2_distance(result.shares, to);
            result.right = result.shares[static_cast<std::size_t>(of)];
            result.ink = ink / weight;
            result.reward = reward / weight;
            return result;
        }
    };
    std::map<std::int32_t, sums> by_family;
    for (std::size_t j = 0; j < seen.weights.size(); ++j)
        if (const double w = seen.weights[j]; w > 0.0) {
            sums one{.weight = w, .ink = w * seen.ink[j], .reward = w * seen.rewards[j]};
            one.shares[static_cast<std::size_t>(seen.of[j])] = w;
            by_family[seen.families[j]].add(one);
        }
    std::vector<sums> families;
    sums all;
    double squares = 0.0;
    for (const auto& [name, one] : by_family) {
        families.push_back(one);
        all.add(one);
        squares += diamond::square(one.weight);
    }
    auto result = all.numbers(wanted, label);
    result.families = diamond::square(all.weight) / squares;
    if (families.size() < 2) return result;
    constexpr index_t draws = 200;
    std::vector<aligned_numbers> drawn;
    const auto n = static_cast<index_t>(families.size());
    for (index_t k = 0; k < draws; ++k) {
        const auto choice = rng.stream(diamond::purpose::user, k);
        sums one;
        for (index_t j = 0; j < n; ++j)
            one.add(families[static_cast<std::size_t>(choice.uniform(j) * static_cast<double>(n))]);
        drawn.push_back(one.numbers(wanted, label));
    }
    const auto deviation = [&](double aligned_numbers::*of) {
        double mean = 0.0, variance = 0.0;
        for (const auto& each : drawn) mean += each.*of / draws;
        for (const auto& each : drawn) variance += diamond::square(each.*of - mean) / (draws - 1.0);
        return std::sqrt(variance);
    };
    result.l2_se = deviation(&aligned_numbers::l2);
    result.right_se = deviation(&aligned_numbers::right);
    result.ink_se = deviation(&aligned_numbers::ink);
    result.reward_se = deviation(&aligned_numbers::reward);
    return result;
}

} // namespace mnist
