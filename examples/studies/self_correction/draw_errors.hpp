/// This header measures by how many standard errors the moments of posterior draws, with weights or without,
/// are wrong.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "study.hpp"

namespace self_correction {

/// This type holds draws of one state with the logarithms of their weights, which are 0 for draws without
/// weights.
struct state_draws {
    std::vector<float> z;
    std::vector<double> log_weights;
};

/// This type holds the draws of all states, those of one time together, and what they cost.
struct all_draws {
    std::vector<state_draws> of_state;
    double evaluations = 0.0, microseconds = 0.0; ///< for one draw
};

inline constexpr double draw_times[] = {0.1, 0.2, 0.4, 0.6};
inline constexpr index_t states_a_time = 2;
inline constexpr std::size_t draw_states = std::size(draw_times) * states_a_time;

inline batch states_at(const study& s, double t) {
    return studies::noised_draws(s.where, s.law, t, states_a_time, s.rng.split(3));
}

/// Makes `count` draws of each state, in portions.
template <class Sampler>
all_draws collect(const study& s, Sampler sampler, index_t count) {
    constexpr index_t portion = 10000;
    all_draws result{.of_state = std::vector<state_draws>(draw_states)};
    index_t all = 0;
    for (std::size_t i = 0; i < std::size(draw_times); ++i) {
        const batch x = states_at(s, draw_times[i]);
        for (index_t first = 0; first < count; first += portion) {
            const index_t samples = std::min(portion, count - first), n = samples * states_a_time;
            batch z(s.where, 2, n);
            std::vector<double> log_weights(static_cast<std::size_t>(n), 0.0);
            const auto stream = s.rng.split(4 + i).stream(purpose::value, first / portion, samples);
            const diamond::stopwatch clock;
            if constexpr (diamond::weighted_posterior_sampler<Sampler>)
                sampler(x.read(), draw_times[i], {}, stream, z.mutable_view(),
                        diamond::row(s.where, n, log_weights.data()));
            else
                sampler(x.read(), draw_times[i], {}, stream, z.mutable_view());
            result.microseconds += 1e6 * clock.seconds();
            all += n;
            const auto host = to_host(z);
            for (index_t j = 0; j < states_a_time; ++j) {
                auto& own = result.of_state[i * states_a_time + static_cast<std::size_t>(j)];
                own.z.insert(own.z.end(), host.begin() + 2 * samples * j,
                             host.begin() + 2 * samples * (j + 1));
                own.log_weights.insert(own.log_weights.end(), log_weights.begin() + samples * j,
                                       log_weights.begin() + samples * (j + 1));
            }
        }
    }
    result.evaluations = static_cast<double>(diamond::cost(sampler.spent()).evaluations()) /
                         static_cast<double>(all);
    result.microseconds /= static_cast<double>(all);
    return result;
}

/// This type holds the errors of a state, of the mean (2), the covariance (3) and the component weights (3),
/// each divided by its own standard error, and measures of its weights.
struct state_errors {
    /// The weight of a component counts only if so many draws of it, and as many not of it, are expected.
    static constexpr double least_expected = 10.0;
    /// Where least_expected draws are expected, fewer than these occur by chance once in 400 times.
    static constexpr double least_found = 3.0;
    /// The number of components with fewer draws. Their weight has no standard error, so that no error in
    /// standard errors is stated.
    int not_reached = 0;

    std::array<double, 8> in_errors{};
    double of_weights = 0.0; ///< root mean square error of the component weights themselves
    double ess = 0.0;        ///< as a share of the draws
    /// The mean weight over p_t(x_t), which is 1 where densities of one law corrected the draws.
    double mean_weight = 0.0, mean_weight_error = 0.0;
    double folded = 0.0; ///< share of draws that weigh nothing

    /// Measures the errors. Self-normalised means of f_k over the draws have the variance sum w^2 (f_k -
    /// mean)^2; for a covariance, f is taken about the mean of the draws themselves.
    state_errors(const state_draws& draws, const std::vector<float>& components,
                 const studies::moments& exact, double log_density) {
        const std::size_t n = draws.log_weights.size();
        const double high = *std::max_element(draws.log_weights.begin(), draws.log_weights.end());
        std::vector<double> w(n);
        double sum = 0.0, squares = 0.0;
        for (std::size_t m = 0; m < n; ++m) {
            sum += w[m] = std::exp(draws.log_weights[m] - high);
            folded += (w[m] == 0.0 && draws.log_weights[m] == -diamond::infinity ? 1.0 : 0.0) /
                      static_cast<double>(n);
        }
        for (double& weight : w) squares += diamond::square(weight /= sum);
        ess = 1.0 / squares / static_cast<double>(n);
        mean_weight = std::exp(high - log_density) * sum / static_cast<double>(n);
        mean_weight_error = mean_weight * std::sqrt((1.0 / ess - 1.0) / static_cast<double>(n));

        double mean[2] = {0.0, 0.0};
        for (std::size_t m = 0; m < n; ++m)
            for (const std::size_t i : {0u, 1u}) mean[i] += w[m] * static_cast<double>(draws.z[2 * m + i]);
        const auto f = [&](std::size_t m) {
            const double x = static_cast<double>(draws.z[2 * m]), y = static_cast<double>(draws.z[2 * m + 1]),
                         a = x - mean[0], b = y - mean[1];
            const auto component = [&](std::size_t k) { return static_cast<double>(components[3 * m + k]); };
            return std::array<double, 8>{x, y, a * a, a * b, b * b, component(0), component(1), component(2)};
        };
        std::array<double, 8> found{}, variance{};
        for (std::size_t m = 0; m < n; ++m)
            for (std::size_t k = 0; k < 8; ++k) found[k] += w[m] * f(m)[k];
        for (std::size_t m = 0; m < n; ++m)
            for (std::size_t k = 0; k < 8; ++k) variance[k] += diamond::square(w[m] * (f(m)[k] - found[k]));
        const auto& e = exact;
        const std::array<double, 8> truth{e.mean[0],       e.mean[1],    e.covariance[0], e.covariance[1],
                                          e.covariance[2], e.weights[0], e.weights[1],    e.weights[2]};
        for (std::size_t k = 0; k < 8; ++k) in_errors[k] = (found[k] - truth[k]) / std::sqrt(variance[k]);
        // Where hardly a draw is expected, the error of its number is not normal.
        for (std::size_t k = 5; k < 8; ++k)
            if (truth[k] * (1.0 - truth[k]) * static_cast<double>(n) < least_expected) in_errors[k] = NAN;
        for (std::size_t k = 5; k < 8; ++k) {
            if (truth[k] * (1.0 - truth[k]) * static_cast<double>(n) < least_expected) continue;
            // Numbers of effective draws.
            const double here = found[k] / squares, elsewhere = (1.0 - found[k]) / squares;
            if (here >= least_found && elsewhere >= least_found) continue;
            in_errors[k] = NAN;
            if (here < least_found) ++not_reached;
        }
        for (std::size_t k = 5; k < 8; ++k) of_weights += diamond::square(found[k] - truth[k]) / 3.0;
        of_weights = std::sqrt(of_weights);
    }
    /// Returns the root mean square of some of the errors, in standard errors, which is 1 if there is no
    /// other error.
    [[nodiscard]] double size(std::size_t from, std::size_t to) const {
        double sum = 0.0, count = 0.0;
        for (std::size_t k = from; k < to; ++k)
            if (in_errors[k] == in_errors[k]) sum += diamond::square(in_errors[k]), count += 1.0;
        return count > 0.0 ? std::sqrt(sum / count) : NAN;
    }
};

inline std::vector<state_errors> errors_of(const study& s, const all_draws& draws) {
    std::vector<state_errors> result;
    for (std::size_t i = 0; i < std::size(draw_times); ++i) {
        const batch x = states_at(s, draw_times[i]);
        const auto exact = studies::exact_moments(s.law, x, draw_times[i]);
        std::vector<double> log_density(states_a_time);
        auto space = s.law.make_workspace(s.where, x.columns());
        s.law.log_density(x.read(), draw_times[i], {}, space,
                          diamond::row(s.where, x.columns(), log_density.data()));
        for (std::size_t j = 0; j < states_a_time; ++j) {
            const state_draws& own = draws.of_state[i * states_a_time + j];
            const batch z = diamond::from_host<float>(s.where, 2,
                                                      static_cast<index_t>(own.log_weights.size()), own.z);
            result.emplace_back(own, studies::component_weights(s.law, z, 1.0), exact[j], log_density[j]);
        }
    }
    return result;
}

} // namespace self_correction
