/// This header measures how wrong V and its gradient are with Weighted Diamond for different densities, and
/// how much of that is due to the density.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pictures.hpp"
#include "study.hpp"

namespace self_correction {

/// This type holds numbers of all states, once for every batch of draws.
using batches_of = std::vector<std::vector<double>>;

/// This type holds V and grad V, and the cost of a draw.
struct value_estimates {
    static constexpr index_t batches = 8;

    batches_of value, gradient;
    /// The effective sample sizes with the reward and without it, as shares of the draws, averaged over the
    /// states.
    double ess = 0.0, ess_base = 0.0;
    /// The evaluations for one draw of V, and the seconds of all draws.
    double evaluations = 0.0, seconds = 0.0;
};

/// Estimates V with `draws` draws of each state. The look-ahead is the same learned map in 2 jumps, and the
/// noise is the same, whatever the density is. Gradients take an eighth of the draws, because their errors
/// are so much larger that more draws would show nothing.
template <class Density>
value_estimates estimate(study& s, const Density& density, const batch& x, double t,
                         std::optional<double> kappa, index_t draws, bool gradients) {
    constexpr index_t batches = value_estimates::batches;
    const auto states = static_cast<std::size_t>(x.columns());
    const index_t samples = std::max<index_t>(draws / batches, 2);
    const auto stream = [&](index_t k) { return s.rng.split(1).stream(purpose::value, k); };
    const auto share = 1.0 / static_cast<double>(batches * x.columns());
    const auto of = [&](index_t count) {
        return diamond::weighted_value{
            density,
            diamond::stepped_flow_map{diamond::network_flow_map{s.networks.flow()}, {.steps = 2}},
            s.reward,
            {.samples = count, .kappa = kappa}};
    };
    auto estimator = of(samples), slope = of(std::max<index_t>(samples / 8, 2));
    value_estimates result;
    const diamond::stopwatch clock;
    for (index_t k = 0; k < batches; ++k) {
        std::vector<double> value(states), ess(states), ess_base(states);
        const auto row = [&](std::vector<double>& numbers) {
            return diamond::row(s.where, x.columns(), numbers.data());
        };
        estimator(x.read(), t, {}, stream(k),
                  {.value = row(value), .ess = row(ess), .ess_base = row(ess_base)});
        for (std::size_t j = 0; j < states; ++j) {
            result.ess += share * ess[j] / static_cast<double>(samples);
            result.ess_base += share * ess_base[j] / static_cast<double>(samples);
        }
        result.value.push_back(std::move(value));
    }
    result.seconds = clock.seconds();
    result.evaluations = share / static_cast<double>(samples) *
                         static_cast<double>(diamond::cost(estimator.spent()).evaluations());
    batch guidance(s.where, 2, x.columns());
    for (index_t k = 0; gradients && k < batches; ++k) {
        slope.guidance(x.read(), t, {}, stream(k), guidance.mutable_view());
        const auto g = to_host(guidance);
        result.gradient.emplace_back(g.begin(), g.end());
        for (double& number : result.gradient.back())
            number /= diamond::guidance_factor(linear_schedule{}, t);
    }
    return result;
}

/// Returns the root mean square over the states of the mean over batches of a - b, without what finitely many
/// draws add to it, and its error from the spread of the batches.
inline std::pair<double, double> difference(const batches_of& a, const batches_of& b, double states) {
    const auto n = static_cast<double>(a.size());
    double square = 0.0, noise = 0.0;
    for (std::size_t j = 0; j < a.front().size(); ++j) {
        const auto of = [&](std::size_t k) { return a[k][j] - b[k][j]; };
        double mean = 0.0, spread = 0.0;
        for (std::size_t k = 0; k < a.size(); ++k) mean += of(k) / n;
        for (std::size_t k = 0; k < a.size(); ++k) spread += diamond::square(of(k) - mean) / (n * (n - 1.0));
        square += mean * mean / states;
        noise += spread / states;
    }
    return {std::sqrt(std::max(square - noise, 0.0)), std::sqrt(noise)};
}

inline batches_of for_all(const std::vector<double>& numbers) {
    return batches_of(value_estimates::batches, numbers);
}

/// Calls with(name, density) for every density, the exact one first.
template <class With>
void for_each_density(study& s, const With& with) {
    const network& flow = s.networks.flow();
    const diamond::network_velocity velocity{flow};
    const auto integrated = [&](index_t steps) {
        return diamond::scored_density{
            diamond::flow_density{diamond::ode_flow_map{diamond::exact_divergence{velocity},
                                                        diamond::runge_kutta_4{.steps = steps}}},
            velocity};
    };
    with("exact density", s.exact_density());
    with("joint density, 1 jump", diamond::scored_density{density_of(flow, 1), velocity});
    with("joint density, 2 jumps", diamond::scored_density{density_of(flow, 2), velocity});
    with("trapezoid", diamond::trapezoid_density{linear_schedule{}, velocity});
    with("integrated divergence, 1 step", integrated(1));
    with("integrated divergence, 2 steps", integrated(2));
}

/// Reports V at many times.
inline void show_values(study& s) {
    constexpr index_t states = 8;
    std::vector<diamond::plot::curve> curves;
    for (const double t : {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}) {
        const batch x = studies::noised_draws(s.where, s.law, t, states, s.rng.split(2));
        std::optional<value_estimates> reference;
        std::size_t at = 0;
        for_each_density(s, [&](const std::string& name, const auto& density) {
            const auto found = estimate(s, density, x, t, {}, s.chosen.draws / 40, false);
            if (!reference) {
                reference = found;
                return;
            }
            if (curves.size() == at) curves.push_back({.name = name});
            const auto part = difference(found.value, reference->value, states);
            curves[at].x.push_back(t);
            curves[at].y.push_back(part.first);
            curves[at].error.push_back(part.second);
            ++at;
        });
    }
    s.told.picture(s.chosen.out, "values", picture_of_values(std::move(curves)));
}

inline void tell_values(study& s) {
    constexpr index_t states = 8;
    const auto tell = [&](double t, double kappa) {
        const batch x = studies::noised_draws(s.where, s.law, t, states, s.rng.split(2));
        const auto exact = studies::evaluate(diamond::exact_value{s.law, s.reward}, x, t, {});
        const std::vector<double> gradient(exact.gradient.begin(), exact.gradient.end());
        s.told.table(text("values, t = %.1f, kappa = %.2f", t, kappa),
                     text("Values by weighted Diamond, t = %.1f, κ = %.2f", t, kappa),
                     text("%td draws of each of %td states, the same noise in every row; root mean squares "
                          "over the states, what finitely many draws add to them subtracted and shown behind "
                          "±. A density's part is the difference to the row of the exact density. The other "
                          "errors, against the exact V and ∇V, are those of the look-ahead map, too.",
                          s.chosen.draws, states),
                     {"density", "its part of V", "error of V", "its part of ∇V", "error of ∇V",
                      "ESS %, with r", "ESS %, without", "evaluations", "seconds"});
        std::optional<value_estimates> reference;
        for_each_density(s, [&](const std::string& name, const auto& density) {
            const auto found = estimate(s, density, x, t, kappa, s.chosen.draws, true);
            if (!reference) reference = found;
            const auto part = difference(found.value, reference->value, states),
                       part_of_gradient = difference(found.gradient, reference->gradient, states);
            const auto error = difference(found.value, for_all(exact.value), states),
                       error_of_gradient = difference(found.gradient, for_all(gradient), states);
            const cell none{"–"};
            const bool first = name == "exact density";
            s.told.row({name, first ? none : cell("%.5f ± %.5f", part.first, part.second),
                        cell("%.4f ± %.4f", error.first, error.second),
                        first ? none : cell("%.4f ± %.4f", part_of_gradient.first, part_of_gradient.second),
                        cell("%.4f ± %.4f", error_of_gradient.first, error_of_gradient.second),
                        cell("%.1f", 100.0 * found.ess), cell("%.1f", 100.0 * found.ess_base),
                        cell("%.0f", found.evaluations), cell("%.2f", found.seconds)});
            if (found.ess < 0.01)
                s.told.warn(name, text("an effective %.1f %% of the draws", 100.0 * found.ess));
        });
        s.told.end_table();
    };
    for (const double t : {0.3, 0.6})
        for (const double kappa : {2.0 + diamond::square((1.0 - t) / t), 5.0}) tell(t, kappa);
    show_values(s);
}

} // namespace self_correction
