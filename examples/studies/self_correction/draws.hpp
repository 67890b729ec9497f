/// This header compares posterior draws of maps that were trained too briefly, as they are and corrected,
/// with those of many steps.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "../shared/folds.hpp"
#include "draw_errors.hpp"
#include "pictures.hpp"

namespace self_correction {

using studies::determinants;

template <class Network>
auto posterior_of(const Network& network) {
    return diamond::diamond_map_posterior{diamond::network_diamond_map{network}};
}
template <class Field>
auto glass_posterior(const Field& velocity, index_t steps) {
    return diamond::diamond_map_posterior{
        diamond::glass_diamond_map{linear_schedule{}, velocity, diamond::explicit_midpoint{.steps = steps}}};
}

/// Calls with(name, sampler) for every sampler.
template <class With>
void for_each_sampler(study& s, const With& with) {
    with("exact draws", diamond::exact_posterior{s.law});
    for (const auto& [name, of] :
         {std::pair{"taught", &s.networks.taught()}, std::pair{"from data alone", &s.networks.from_data()}}) {
        const std::string map = name;
        with(map, posterior_of(*of));
        with(map + ", corrected by its head",
             diamond::corrected_posterior{posterior_of(*of), s.exact_density()});
        with(map + ", corrected by determinants",
             diamond::corrected_posterior{posterior_of(determinants{*of}), s.exact_density()});
    }
    const network& flow = s.networks.flow();
    with("taught, determinants, joint density",
         diamond::corrected_posterior{posterior_of(determinants{s.networks.taught()}), density_of(flow, 2)});
    for (const index_t steps : {4, 16})
        with(text("GLASS, exact velocity, %td steps", steps), glass_posterior(s.law, steps));
    for (const index_t steps : {4, 16})
        with(text("GLASS, learned velocity, %td steps", steps),
             glass_posterior(diamond::network_velocity{flow}, steps));
}

/// This type summarises one number over all states: its root mean square, its least and its greatest value.
struct over_states {
    double rms = 0.0, least = diamond::infinity, most = -diamond::infinity, count = 0.0;
    template <class Number>
    over_states(const std::vector<state_errors>& all, std::size_t from, std::size_t to,
                const Number& number) {
        for (std::size_t j = from; j < to; ++j) {
            const double value = number(all[j]);
            if (value != value) continue;
            rms += value * value;
            count += 1.0;
            least = std::min(least, value);
            most = std::max(most, value);
        }
        rms = std::sqrt(rms / count);
    }
};

/// Returns draws in proportion to their weights, evenly spaced along them.
inline std::vector<float> some_of(const state_draws& draws, std::size_t count) {
    const std::size_t n = draws.log_weights.size();
    const double high = *std::max_element(draws.log_weights.begin(), draws.log_weights.end());
    std::vector<double> w(n);
    for (std::size_t m = 0; m < n; ++m) w[m] = std::exp(draws.log_weights[m] - high);
    const double whole = std::accumulate(w.begin(), w.end(), 0.0);
    std::vector<float> result;
    double sum = 0.0;
    for (std::size_t m = 0; m < n; ++m)
        for (sum += w[m]; result.size() / 2 < count && static_cast<double>(result.size() / 2) + 0.5 <
                                                           sum / whole * static_cast<double>(count);)
            result.insert(result.end(), {draws.z[2 * m], draws.z[2 * m + 1]});
    return result;
}

/// This class draws some samplers on the exact posterior density, with a column for each.
class draw_panels {
public:
    void add(const study& s, const std::string& sampler, const all_draws& draws) {
        constexpr std::size_t shown = 500; // more would hide the density
        const std::pair<std::string, std::string> columns[] = {
            {"exact draws", "exact draws"},
            {"taught", "taught"},
            {"taught, corrected by determinants", "corrected"},
            {"from data alone", "by data alone"},
            {"from data alone, corrected by determinants", "corrected"}};
        const auto column = std::find_if(std::begin(columns), std::end(columns),
                                         [&](const auto& c) { return c.first == sampler; });
        if (column == std::end(columns)) return;
        const auto data = studies::marginal(s.where, s.law, plane_, 1.0);
        for (std::size_t line = 0; line < lines_.size(); ++line) {
            const double t = draw_times[line + 1];
            const auto x = to_host(states_at(s, t));
            const auto truth = studies::tilted(data, [&](double z_0, double z_1) {
                return -0.5 *
                       (diamond::square(static_cast<double>(x[0]) - t * z_0) +
                        diamond::square(static_cast<double>(x[1]) - t * z_1)) /
                       diamond::square(1.0 - t);
            });
            lines_[line].push_back(
                studies::panel(text("t = %.1f: ", t) + column->second, truth,
                               some_of(draws.of_state[(line + 1) * states_a_time], shown)));
        }
    }
    void show(study& s) {
        const std::size_t columns = lines_[0].size();
        lines_[0].insert(lines_[0].end(), lines_[1].begin(), lines_[1].end());
        s.told.picture(
            s.chosen.out, "draws",
            diamond::plot::panel_row{.title = "Draws of z given xₜ on the exact posterior density: by maps "
                                              "trained too briefly, and corrected by determinants",
                                     .x = {.range = plane_.x},
                                     .y = {.range = plane_.y},
                                     .panels = std::move(lines_[0]),
                                     .columns = columns,
                                     .width = 150});
    }

private:
    studies::plane plane_{{-3.5, 4.5}, {-3.0, 2.5}};
    std::array<std::vector<diamond::plot::panel>, 2> lines_;
};

inline void tell_draws(study& s) {
    std::vector<std::pair<std::string, std::vector<state_errors>>> by_time;
    draw_panels panels;
    s.told.table(
        "draws", "Posterior draws",
        text("%td draws of each of %zu states, two at each of t = 0.1, 0.2, 0.4 and 0.6. Errors of their "
             "mean, covariance and component weights in units of their own standard errors, root mean "
             "squares over the states: 1 is Monte Carlo alone. Corrected draws are weighted to the exact "
             "density, or where it says so to the joint flow map's; their mean weight over p_t(x_t) is 1 "
             "where log q and log p_1 are of one law each. The Diamond maps were trained for %td steps.",
             s.chosen.draws, draw_states, s.chosen.training.short_steps),
        {"draws", "mean", "covariance", "component weights", "these, as they are", "ESS %", "mean weight",
         "folded %", "evaluations", "µs a draw"});
    for_each_sampler(s, [&](const std::string& name, auto sampler) {
        constexpr bool weighted = diamond::weighted_posterior_sampler<decltype(sampler)>;
        const auto found = collect(s, std::move(sampler), s.chosen.draws);
        const auto errors = errors_of(s, found);
        const auto all = [&](const auto& number) { return over_states(errors, 0, errors.size(), number); };
        const auto off = [&](std::size_t from, std::size_t to) {
            const over_states sizes = all([=](const state_errors& e) { return e.size(from, to); });
            return sizes.count > 0.0 ? cell("%.1f", sizes.rms) : cell("–");
        };
        int not_reached = 0;
        for (const state_errors& e : errors) not_reached += e.not_reached;
        if (not_reached > 0)
            s.told.warn(name, text("%d components of the posteriors were not reached: of ten draws or more "
                                   "that are expected in each hardly one is there, and by how many errors "
                                   "their weights are off cannot be said",
                                   not_reached));
        const auto range = [&](const char* format, const over_states& of) {
            return cell(format, of.least, of.most);
        };
        const auto ess = all([](const state_errors& e) { return 100.0 * e.ess; });
        const auto mean = all([](const state_errors& e) { return e.mean_weight; });
        const auto folded = all([](const state_errors& e) { return 100.0 * e.folded; });
        s.told.row({name, off(0, 2), off(2, 5), off(5, 8),
                    cell("%.4f", all([](const state_errors& e) { return e.of_weights; }).rms),
                    weighted ? range("%.0f to %.0f", ess) : cell("–"),
                    weighted ? range("%.3f to %.3f", mean) : cell("–"),
                    weighted ? cell("%.3f", folded.most) : cell("–"), cell("%.0f", found.evaluations),
                    cell("%.2f", found.microseconds)});
        if (weighted) {
            const auto drift = all([](const state_errors& e) {
                return std::abs(e.mean_weight - 1.0) - 5.0 * e.mean_weight_error;
            });
            if (ess.least < 10.0)
                s.told.warn(name,
                            text("at one state the correction hangs on an effective %.1f %% of the draws",
                                 ess.least));
            if (drift.most > 0.02)
                s.told.warn(name, text("mean weights from %.3f to %.3f: the density of the draws, or the one "
                                       "that corrects them, is off",
                                       mean.least, mean.most));
            if (folded.most > 0.0)
                s.told.warn(
                    name, text("up to %.3f %% of a state's draws lie where the map folds, and weigh nothing",
                               folded.most));
        }
        panels.add(s, name, found);
        by_time.emplace_back(name, errors);
    });
    s.told.end_table();
    s.told.table("draws by time", "The same, time by time",
                 "All eight errors, root mean squares over two states; in brackets the ESS.",
                 {"draws", "t = 0.1", "0.2", "0.4", "0.6"});
    for (const auto& [name, errors] : by_time) {
        std::vector<cell> row{name};
        for (std::size_t i = 0; i < std::size(draw_times); ++i) {
            const auto of = [&](const auto& number) {
                return over_states(errors, i * states_a_time, (i + 1) * states_a_time, number).rms;
            };
            row.emplace_back("%.1f (%.0f %%)", of([](const state_errors& e) { return e.size(0, 8); }),
                             of([](const state_errors& e) { return 100.0 * e.ess; }));
        }
        s.told.row(row);
    }
    s.told.end_table();
    panels.show(s);
}

} // namespace self_correction
