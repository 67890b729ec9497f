/// This header defines ways to draw from posteriors.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "draw_moments.hpp"

namespace studies {

using diamond::index_t;

/// A drawer is a way to draw from posteriors. The draws are columns j M + i, as posterior_sampler defines.
struct drawer {
    std::string title;
    index_t evaluations;
    /// The number of images whose means are measured.
    index_t images;
    std::function<void(diamond::eigen::batch<float>::const_view x, double t, diamond::noise_stream,
                       diamond::eigen::batch<float>::view out)>
        draw;
};

template <class Sampler>
drawer drawing(std::string title, index_t evaluations, index_t images, Sampler sampler) {
    return {std::move(title), evaluations, images,
            [sampler](auto x, double t, diamond::noise_stream stream, auto out) mutable {
                sampler(x, t, {}, stream, out);
            }};
}

/// Adds solvers of GLASS's inner flow with this number of evaluations, as far as their order divides it.
template <class Field>
void add_solved(std::vector<drawer>& all, const std::string& of, const Field& field, index_t evaluations,
                index_t images) {
    using namespace diamond;
    const auto add = [&](const std::string& name, const auto& solver) {
        all.push_back(drawing("GLASS of " + of + ", " + name, evaluations, images,
                              diamond_map_posterior{glass_diamond_map{linear_schedule{}, field, solver}}));
    };
    const bool dear = evaluations > 8; // for so many, the higher order is better
    if (!dear) add("Euler", euler{.steps = evaluations});
    if (!dear && evaluations % 2 == 0) add("midpoint", explicit_midpoint{.steps = evaluations / 2});
    if (evaluations % 4 == 0) add("Runge-Kutta 4", runge_kutta_4{.steps = evaluations / 4});
}

} // namespace studies
