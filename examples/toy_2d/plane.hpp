/// This header computes densities on a grid of the plane, which are exact, to be drawn and to be compared
/// with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/io/heat_map.hpp>

namespace toy {

using diamond::index_t;

/// A plane is a rectangle of square cells. Where models end, they do so between cells.
struct plane {
    static constexpr double cell = 0.1;

    diamond::io::value_range x, y;

    [[nodiscard]] std::size_t columns() const {
        return static_cast<std::size_t>(std::lround((x.to - x.from) / cell));
    }
    [[nodiscard]] std::size_t rows() const {
        return static_cast<std::size_t>(std::lround((y.to - y.from) / cell));
    }
    [[nodiscard]] std::vector<float> centres() const {
        return diamond::io::cell_centres<float>(x, y, columns(), rows());
    }
};

/// A density holds log f at the centre of every cell, and the log of its integral by the midpoint rule.
struct density {
    toy::plane plane;
    std::vector<double> log_values;
    double log_integral;

    density(const toy::plane& on, std::vector<double> logs) : plane(on), log_values(std::move(logs)) {
        const double high = *std::max_element(log_values.begin(), log_values.end());
        double sum = 0.0;
        for (const double value : log_values) sum += std::exp(value - high);
        log_integral = high + std::log(sum * diamond::square(plane.cell));
    }
    /// Returns f divided by its integral.
    [[nodiscard]] std::vector<double> normalised() const {
        std::vector<double> result;
        for (const double value : log_values) result.push_back(std::exp(value - log_integral));
        return result;
    }
};

/// Returns p_t of a model.
template <class Context, class Model>
density marginal(const Context& context, const Model& model, const plane& on, double t) {
    const auto centres = on.centres();
    const auto x = diamond::from_host<float>(context, 2, static_cast<index_t>(centres.size() / 2), centres);
    auto space = model.make_workspace(context, x.columns());
    diamond::owning_batch<double, Context> logs(context, 1, x.columns());
    model.log_density(x.read(), t, {}, space, logs.data());
    return {on, diamond::to_host(logs)};
}

/// Returns a density times exp(g), unnormalised, whose integral is the normalising constant of the tilt. g
/// takes the two coordinates.
template <class Exponent>
density tilted(const density& base, Exponent exponent) {
    const auto centres = base.plane.centres();
    std::vector<double> logs = base.log_values;
    for (std::size_t k = 0; k < logs.size(); ++k) logs[k] += exponent(centres[2 * k], centres[2 * k + 1]);
    return {base.plane, std::move(logs)};
}

/// Returns the sum over j of weights[j] |(x, y) - p_j| for points {x, y, x, y, ...}.
inline double mean_distance(double x, double y, std::span<const float> points,
                            std::span<const double> weights) {
    double sum = 0.0;
    for (std::size_t j = 0; j < weights.size(); ++j)
        sum += weights[j] *
               std::sqrt(diamond::square(points[2 * j] - x) + diamond::square(points[2 * j + 1] - y));
    return sum;
}

/// Returns 2 E|X - Y| - E|X - X'| - E|Y - Y'| between weighted points and a density. Points of one family are
/// dependent, and only pairs of two families enter E|X - X'|, so that draws of the density have 0 on average.
inline double energy_distance(std::span<const float> points, std::span<const double> weights,
                              std::span<const std::int32_t> families, const density& truth) {
    const auto all = truth.plane.centres();
    const auto mass = truth.normalised();
    std::vector<float> cells;
    std::vector<double> cell_weights;
    for (std::size_t k = 0; k < mass.size(); ++k) {
        // All such cells together have too little mass to be seen.
        if (mass[k] * diamond::square(plane::cell) < 1e-7) continue;
        cells.insert(cells.end(), {all[2 * k], all[2 * k + 1]});
        cell_weights.push_back(mass[k] * diamond::square(plane::cell));
    }
    double across = 0.0, among_points = 0.0, among_cells = 0.0, squares = 0.0;
    std::map<std::int32_t, double> of_family;
    for (std::size_t j = 0; j < weights.size(); ++j) {
        const double x = points[2 * j], y = points[2 * j + 1];
        across += weights[j] * mean_distance(x, y, cells, cell_weights);
        for (std::size_t i = 0; i < j; ++i)
            if (families[i] != families[j])
                among_points += 2.0 * weights[j] * weights[i] *
                                std::hypot(points[2 * i] - x, points[2 * i + 1] - y);
        of_family[families[j]] += weights[j];
    }
    for (const auto& [family, weight] : of_family) squares += diamond::square(weight);
    for (std::size_t k = 0; k < cell_weights.size(); ++k)
        among_cells += cell_weights[k] * mean_distance(cells[2 * k], cells[2 * k + 1], cells, cell_weights);
    return 2.0 * across - among_points / (1.0 - squares) - among_cells;
}

} // namespace toy
