/// This header holds what the pictures of one model share: the model, its rectangle and its reward; and it
/// turns samples into panels and lines of the report.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <diamond/plot/panels.hpp>
#include <diamond/plot/png.hpp>

#include "energy_distance.hpp"
#include "options.hpp"

namespace toy {

using studies::marginal, studies::tilted;

struct position {
    double x, y;
};

/// This reward is r(z) = -strength |z - centre|^2 / 2.
struct near_a_point {
    static constexpr bool column_parallel = true;

    position centre;
    double strength;

    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        return at(z[0], z[1]);
    }
    [[nodiscard]] DIAMOND_HD double at(double x, double y) const {
        return -0.5 * strength * (diamond::square(x - centre.x) + diamond::square(y - centre.y));
    }
};

template <class... Numbers>
std::string text(const char* format, Numbers... numbers) {
    char buffer[96];
    std::snprintf(buffer, sizeof buffer, format, numbers...);
    return buffer;
}

template <class Model>
using batch_of = typename Model::batch_type;
template <class Model>
struct scene {
    using context_type = diamond::backend_of_t<batch_of<Model>>;

    std::string name;
    const context_type& context;
    const options& chosen;
    findings& found;
    Model model;
    studies::plane plane;
    near_a_point reward;
    position seen; ///< the data point behind the noisy states whose posterior is shown
};

template <class Context, class Model>
scene(std::string, const Context&, const options&, findings&, Model, plane, near_a_point, position)
    -> scene<Model>;

/// This type holds points {x, y, x, y, ...} whose weights sum to 1. Those of one family are dependent.
struct particles {
    std::vector<float> points;
    std::vector<double> weights;
    std::vector<std::int32_t> families;

    template <class Context>
    explicit particles(const diamond::owning_batch<float, Context>& independent)
        : points(to_host(independent)),
          weights(points.size() / 2, 2.0 / static_cast<double>(points.size())),
          families(weights.size()) {
        std::iota(families.begin(), families.end(), 0);
    }
    template <class Batch>
    explicit particles(const diamond::smc_result<Batch>& weighted)
        : points(to_host(weighted.particles)), weights(weighted.weights()), families(weighted.families) {}

    /// Returns at most `count` of the points, each as often as its weight says.
    [[nodiscard]] std::vector<float> some(std::size_t count) const {
        std::vector<float> result;
        const auto wanted = static_cast<double>(std::min(count, weights.size()));
        double total = 0.0;
        for (std::size_t j = 0; j < weights.size(); ++j)
            for (total += weights[j]; static_cast<double>(result.size() / 2) + 0.5 < total * wanted;)
                result.insert(result.end(), {points[2 * j], points[2 * j + 1]});
        return result;
    }
};

/// Draws a density in blues, and some points on top of it.
inline diamond::plot::panel panel(std::string title, const density& below, const particles* above = nullptr) {
    constexpr std::size_t most_points = 500; // more would hide the density
    diamond::plot::panel result{.title = std::move(title),
                                .density = diamond::plot::heat_map{.columns = below.plane.columns(),
                                                                   .rows = below.plane.rows(),
                                                                   .values = below.normalised(),
                                                                   .colours = diamond::plot::colours::blues}};
    if (above)
        result.clouds.push_back({.points = above->some(most_points),
                                 .colour = diamond::plot::colours::palette[1],
                                 .radius = 0.9,
                                 .alpha = 0.7});
    return result;
}

template <class Model>
void write(const scene<Model>& of, const std::string& what, const std::string& title,
           std::vector<diamond::plot::panel> panels, std::size_t columns) {
    const auto path = of.chosen.out / (of.name + "_" + what + ".png");
    write_png(path, diamond::plot::panel_row{.title = title,
                                             .x = {.range = of.plane.x},
                                             .y = {.range = of.plane.y},
                                             .panels = std::move(panels),
                                             .columns = columns});
    std::printf("  wrote %s\n", path.c_str());
}

/// Writes a line of the report: how far the particles are from the exact density, and what one of them cost.
template <class Model>
void report(const scene<Model>& of, const std::string& name, const particles& drawn, const density& truth,
            const diamond::cost& spent, const std::string& more = "") {
    const double distance = energy_distance(drawn.points, drawn.weights, drawn.families, truth);
    const double evaluations = static_cast<double>(spent.evaluations()) /
                               static_cast<double>(drawn.weights.size());
    std::printf("  %-40s energy distance %8.4f, evaluations a particle %4.0f%s\n", name.c_str(), distance,
                evaluations, more.c_str());
    std::fflush(stdout);
    of.found.samplers.push_back({of.name, name, distance, evaluations});
}

} // namespace toy
