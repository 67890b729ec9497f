/// This header draws samples and posterior draws of a network on the exact densities.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "../shared/energy_distance.hpp"
#include "study.hpp"

namespace learned {

/// Draws samples of the law itself, which are posteriors at t = 0, where x_t says nothing.
template <class Model>
void show_samples(const study<Model>& s, const studies::density& data) {
    constexpr index_t count = 5000;
    const auto exact_draws = [&](std::uint64_t which) {
        batch z(s.where, 2, count);
        s.of.model.draw(s.rng.split(which).stream(purpose::data), z.mutable_view());
        return z;
    };
    const studies::sample truth(studies::cloud(to_host(exact_draws(10)), 2));
    const batch nothing = diamond::from_host<float>(
        s.where, 2, count, std::vector<float>(static_cast<std::size_t>(2 * count), 0.0f));
    std::vector<diamond::plot::panel> panels;
    s.told.table(s.of.name + ", samples", "Samples of the law itself",
                 text("Energy distance, unbiased, to exact draws: %td of each.", count),
                 {"samples", "energy distance"});
    const auto show = [&](const std::string& name, const batch& drawn) {
        constexpr std::size_t shown = 3000;
        auto points = to_host(drawn);
        const auto [distance, error] = energy_distance(studies::sample(studies::cloud(points, 2)), truth);
        s.told.row({name, {"%.4f ± %.4f", distance, error}});
        points.resize(2 * shown);
        panels.push_back(panel(name, data, std::move(points)));
    };
    show("exact draws", exact_draws(11));
    for (const index_t evaluations : all_evaluations) {
        batch drawn(s.where, 2, count);
        s.sampler(evaluations)(nothing.read(), 0.0, {}, s.rng.stream(purpose::value, 2),
                               drawn.mutable_view());
        show(learned::evaluations(evaluations), drawn);
    }
    s.told.picture(s.chosen.out, s.of.name + "_samples",
                   diamond::plot::panel_row{.title = s.of.title + ": samples on the exact density",
                                            .x = {.range = s.of.plane.x},
                                            .y = {.range = s.of.plane.y},
                                            .panels = std::move(panels)});
}

/// Draws the draws by one evaluation beside exact ones, on the exact posterior density.
template <class Model>
void show_posteriors(const study<Model>& s, const studies::density& data) {
    constexpr index_t draws = 500; // more would hide the density
    std::vector<diamond::plot::panel> panels;
    for (const double t : outer_times) {
        const batch x = s.seen(t);
        const auto at = to_host(x);
        batch exact(s.where, 2, x.columns() * draws), found(s.where, 2, x.columns() * draws);
        diamond::exact_posterior{s.of.model}(x.read(), t, {}, s.rng.stream(purpose::value, 3, draws),
                                             exact.mutable_view());
        s.sampler(1)(x.read(), t, {}, s.rng.stream(purpose::value, 4, draws), found.mutable_view());
        for (index_t j = 0; j < x.columns(); ++j) {
            const double x_0 = static_cast<double>(at[static_cast<std::size_t>(2 * j)]),
                         x_1 = static_cast<double>(at[static_cast<std::size_t>(2 * j + 1)]);
            const auto truth = studies::tilted(data, [&](double z_0, double z_1) {
                return -0.5 * (diamond::square((x_0 - t * z_0) / (1.0 - t)) +
                               diamond::square((x_1 - t * z_1) / (1.0 - t)));
            });
            for (const auto& [name, all] : {std::pair{"exact", &exact}, std::pair{"1 evaluation", &found}}) {
                panels.push_back(panel(text("t = %.1f, (%.2f, %.2f): ", t, x_0, x_1) + name, truth,
                                       to_host(all->read().columns(draws * j, draws))));
            }
        }
    }
    s.told.line("\n### Pictures\n");
    s.told.picture(s.chosen.out, s.of.name + "_posteriors",
                   diamond::plot::panel_row{.title = s.of.title +
                                                     ": draws of z given xₜ on the exact posterior density, "
                                                     "exact draws beside those of one evaluation",
                                            .x = {.range = s.of.plane.x},
                                            .y = {.range = s.of.plane.y},
                                            .panels = std::move(panels),
                                            .columns = 2 * s.of.seen.size()});
}

} // namespace learned
