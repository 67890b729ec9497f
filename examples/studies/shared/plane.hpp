/// This header computes densities on a grid of the plane, which are exact, to be drawn and to be compared
/// with.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/plot/heat_map.hpp>

namespace studies {

using diamond::index_t;

/// A plane is a rectangle of square cells. Where models end, they do so between cells.
struct plane {
    static constexpr double cell = 0.1;

    diamond::plot::value_range x, y;

    [[nodiscard]] std::size_t columns() const {
        return static_cast<std::size_t>(std::lround((x.to - x.from) / cell));
    }
    [[nodiscard]] std::size_t rows() const {
        return static_cast<std::size_t>(std::lround((y.to - y.from) / cell));
    }
    [[nodiscard]] std::vector<float> centres() const {
        return diamond::plot::cell_centres<float>(x, y, columns(), rows());
    }
};

/// A density holds log f at the centre of every cell, and the log of its integral by the midpoint rule.
struct density {
    studies::plane plane;
    std::vector<double> log_values;
    double log_integral;

    density(const studies::plane& on, std::vector<double> logs) : plane(on), log_values(std::move(logs)) {
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
    model.log_density(x.read(), t, {}, space, diamond::row(logs));
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

} // namespace studies
