/// This header reports what the flow maps of a law got right, as tables and pictures.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/panels.hpp>

#include "../shared/energy_distance.hpp"
#include "../shared/plane.hpp"
#include "../shared/report.hpp"
#include "density.hpp"

namespace checkerboard {

using diamond::philox, diamond::purpose;
using studies::cell, studies::report, studies::text;

/// A subject is a law of the plane.
template <class Model>
struct subject {
    std::string name, title;
    Model model;
    studies::plane plane;
};
template <class Model> // clang 16 deduces no aggregates
subject(std::string, std::string, Model, studies::plane) -> subject<Model>;

/// This type is a trained flow map with divergence, with the time that its training took.
struct trained_map {
    std::string name;
    network of;
    double seconds;
};

/// A study holds what all parts of the report share. Every part has its own random numbers.
template <class Model>
struct study {
    const context& where;
    const subject<Model>& of;
    report& told;
    std::filesystem::path out;
    philox rng;
    batch x;                   ///< draws of the law
    std::vector<double> exact; ///< their exact log-densities
    studies::density truth;

    study(const context& on, const subject<Model>& about, report& to, std::filesystem::path folder,
          philox seed)
        : where(on),
          of(about),
          told(to),
          out(std::move(folder)),
          rng(seed),
          x(on, 2, 10000),
          exact(10000),
          truth(studies::marginal(on, about.model, about.plane, 1.0)) {
        of.model.draw(rng.split(1).stream(purpose::data), x.mutable_view());
        auto space = of.model.make_workspace(where, x.columns());
        of.model.log_density(x.read(), 1.0, {}, space, diamond::row(where, x.columns(), exact.data()));
    }
    [[nodiscard]] diamond::noise_stream probes() const { return rng.split(2).stream(purpose::user); }
    [[nodiscard]] batch centres() const {
        return diamond::from_host<float>(where, 2, static_cast<index_t>(truth.log_values.size()),
                                         truth.plane.centres());
    }
};

/// Reports the mean, root mean square and worst error, and leaked mass, since a mean alone says nothing.
template <class Model>
void tell_densities(const study<Model>& s, const trained_map& by) {
    s.told.table(
        "log p by evaluations", "log p by " + by.name,
        "Errors in nats over " + std::to_string(s.x.columns()) +
            " draws of the law, from data to noise. Mass of the claimed density over the plane of the "
            "pictures, and where the exact one is below e^-12 of its greatest.",
        {"evaluations", "mean", "root mean square", "median size", "worst", "whole mass", "leaked mass"});
    const auto row = [&](const std::string& name, const std::vector<double>& found,
                         const std::vector<double>& grid) {
        const density_errors e(found, s.exact);
        const density_mass m(grid, s.truth);
        s.told.row({name,
                    {"%.4f", e.mean},
                    {"%.4f", e.root_mean_square},
                    {"%.4f", e.median},
                    {"%.2f", e.worst},
                    {"%.4f", m.whole},
                    {"%.4f", m.leaked}});
    };
    const batch cells = s.centres();
    for (const index_t n : all_evaluations)
        row(std::to_string(n), by_flow_map(by.of, n, s.x), by_flow_map(by.of, n, cells));
    row("its velocity, many steps, exact trace", by_many_steps(by.of, s.x), by_many_steps(by.of, cells));
    for (const index_t n : all_evaluations)
        row(std::to_string(n) + ", Euler steps of its velocity, Hutchinson",
            by_euler_steps(by.of, n, s.x, s.probes()), by_euler_steps(by.of, n, cells, s.probes()));
}

/// Compares root mean square errors at each number of evaluations; brackets hold those against many steps of
/// the same velocity.
template <class Model>
void compare_densities(const study<Model>& s, const std::vector<trained_map>& maps,
                       const trained_map& for_probes) {
    s.told.table("log p, sample by sample", "log p, sample by sample",
                 "Root mean square errors in nats at 8, 4, 2 and 1 evaluations; in brackets those against "
                 "many steps of the map's own velocity with the exact trace.",
                 {"", "8", "4", "2", "1", "its velocity", "training, s"});
    for (const auto& map : maps) {
        std::vector<cell> row{map.name};
        const auto reference = by_many_steps(map.of, s.x);
        for (const index_t n : all_evaluations) {
            const auto found = by_flow_map(map.of, n, s.x);
            row.emplace_back("%.3f (%.3f)", density_errors(found, s.exact).root_mean_square,
                             density_errors(found, reference).root_mean_square);
        }
        row.emplace_back("%.3f", density_errors(reference, s.exact).root_mean_square);
        row.emplace_back("%.0f", map.seconds);
        s.told.row(row);
    }
    std::vector<cell> matching{"Euler steps of the velocity of " + for_probes.name + ", Hutchinson"},
        probed{"its jumps, Hutchinson"};
    for (const index_t n : all_evaluations) {
        matching.emplace_back(
            "%.3f",
            density_errors(by_euler_steps(for_probes.of, n, s.x, s.probes()), s.exact).root_mean_square);
        probed.emplace_back(
            "%.3f",
            density_errors(by_probed_map(for_probes.of, n, s.x, s.probes()), s.exact).root_mean_square);
    }
    for (auto* row : {&matching, &probed}) {
        row->insert(row->end(), {"", ""});
        s.told.row(*row);
    }
}

/// Compares energy distances of samples to exact draws.
template <class Model>
void compare_samples(const study<Model>& s, const std::vector<trained_map>& maps) {
    constexpr index_t count = 8000;
    batch exact(s.where, 2, count), other(s.where, 2, count);
    s.of.model.draw(s.rng.split(3).stream(purpose::data), exact.mutable_view());
    s.of.model.draw(s.rng.split(4).stream(purpose::data), other.mutable_view());
    const studies::sample truth(studies::cloud(to_host(exact), 2));
    s.told.table(
        "samples", "Samples",
        text("Energy distance to exact draws, unbiased: %td of each. Noise to data by n jumps.", count),
        {"", "1", "2", "4", "8"});
    std::vector<diamond::plot::curve> curves;
    const auto tell = [&](const std::string& name, const network& of, bool by_euler) {
        std::vector<cell> row{name};
        diamond::plot::curve curve{.name = name};
        for (const index_t n : {1, 2, 4, 8}) {
            const auto [distance, error] = energy_distance(
                studies::sample(studies::cloud(
                    to_host(samples(of, n, by_euler, count, s.rng.split(5).stream(purpose::user))), 2)),
                truth);
            row.emplace_back("%.4f ± %.4f", distance, error);
            curve.x.push_back(static_cast<double>(n));
            // Below its own error, a distance has no place on a logarithmic axis.
            curve.y.push_back(std::max(distance, error));
            curve.error.push_back(0.0);
        }
        s.told.row(row);
        curves.push_back(std::move(curve));
    };
    for (const auto& map : maps) tell(map.name, map.of, false);
    tell("Euler steps of the velocity of " + maps.front().name, maps.front().of, true);
    const auto [floor, error] = energy_distance(studies::sample(studies::cloud(to_host(other), 2)), truth);
    s.told.row({"exact draws", {"%.4f ± %.4f", floor, error}, "", "", ""});
    s.told.picture(s.out, s.of.name + "_samples_by_loss",
                   diamond::plot::line_plot{
                       .title = s.of.title + ": flow maps by their loss",
                       .x = {.label = "evaluations", .scale = diamond::plot::axis_scale::logarithmic},
                       .y = {.label = "energy distance, or its error where that is more",
                             .scale = diamond::plot::axis_scale::logarithmic},
                       .curves = std::move(curves)});
}

/// Draws the densities at equal numbers of evaluations beside the truth.
template <class Model>
void show_densities(const study<Model>& s, const trained_map& by) {
    const auto truth = s.truth.normalised();
    const double high = *std::max_element(truth.begin(), truth.end());
    const batch cells = s.centres();
    std::vector<diamond::plot::panel> panels;
    const auto add = [&](std::string title, std::vector<double> values) {
        panels.push_back(
            {.title = std::move(title),
             .density = diamond::plot::heat_map{.columns = s.truth.plane.columns(),
                                                .rows = s.truth.plane.rows(),
                                                .values = std::move(values),
                                                .shades = diamond::plot::value_range{0.0, 1.2 * high}}});
    };
    const auto exponential = [](std::vector<double> logs) {
        for (double& value : logs) value = std::exp(value);
        return logs;
    };
    add("the truth", truth);
    for (const index_t n : {1, 2, 4, 8})
        add(by.name + ", " + studies::evaluations(n), exponential(by_flow_map(by.of, n, cells)));
    add("its velocity, many steps", exponential(by_many_steps(by.of, cells)));
    for (const index_t n : {1, 2, 4, 8})
        add("Hutchinson, " + studies::evaluations(n),
            exponential(by_euler_steps(by.of, n, cells, s.probes())));
    s.told.picture(
        s.out, s.of.name + "_densities",
        diamond::plot::panel_row{
            .title =
                s.of.title +
                ": claimed densities; below, by Euler steps of its velocity with Hutchinson's trace, as many",
            .x = {.range = s.of.plane.x},
            .y = {.range = s.of.plane.y},
            .panels = std::move(panels),
            .columns = 5});
}

} // namespace checkerboard
