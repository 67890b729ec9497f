/// This header defines what is asked of a path: it keeps clear of discs, and ends in a goal; and the same
/// made soft, with a slope that leads out of a disc and into the goal.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "prior.hpp"

namespace paths {

struct disc {
    double x = 0.0, y = 0.0, radius = 0.0;
    /// Returns the distance of a point from the centre.
    [[nodiscard]] double distance(double px, double py) const { return std::hypot(px - x, py - y); }
};

/// Discs that no waypoint may lie in, and a goal that the last one must lie in.
struct scene {
    std::vector<disc> discs;
    disc goal;

    /// Says whether no waypoint of a path lies in a disc.
    template <class Path>
    [[nodiscard]] bool clear(const Path& path) const {
        for (const disc& d : discs)
            for (index_t i = 0; i < waypoints; ++i)
                if (d.distance(static_cast<double>(path[2 * i]), static_cast<double>(path[2 * i + 1])) <
                    d.radius)
                    return false;
        return true;
    }
    /// Returns the distance of a path's end from the middle of the goal.
    template <class Path>
    [[nodiscard]] double miss(const Path& path) const {
        return goal.distance(static_cast<double>(path[dimension - 2]),
                             static_cast<double>(path[dimension - 1]));
    }
};

// [rewards]
/// 0 for a path that keeps clear of the discs and ends in the goal, and -infinity for others.
struct constraint {
    static constexpr bool column_parallel = true;
    scene of;
    double operator()(diamond::column_view<const float> path) const {
        return of.miss(path) < of.goal.radius && of.clear(path) ? 0.0 : -diamond::infinity;
    }
};

/// The constraint made soft: -(depth/s)^2/2, summed over the waypoints inside of discs and the end outside of
/// the goal, with a depth that begins a little outside of the disc, or inside of the goal.
struct soft_constraint {
    static constexpr bool column_parallel = true;
    scene of;
    double deviation = 0.05, margin = 0.02; ///< s, and where the depth begins
    double operator()(diamond::column_view<const float> path) const {
        double sum = 0.0;
        each_violation(
            path, [&](index_t, double depth, double, double) { sum -= 0.5 * square(depth / deviation); });
        return sum;
    }
    /// Writes the gradient, 64 x n.
    void gradient(diamond::const_view_t<batch> paths, diamond::view_t<batch> out) const {
        paths.context().for_each(paths.columns(), [&](index_t j) {
            const auto path = paths.column(j);
            const auto to = out.column(j);
            for (index_t i = 0; i < dimension; ++i) to[i] = 0.0f;
            each_violation(path, [&](index_t i, double depth, double dx, double dy) {
                to[2 * i] -= static_cast<float>(depth / square(deviation) * dx);
                to[2 * i + 1] -= static_cast<float>(depth / square(deviation) * dy);
            });
        });
    }

private:
    /// Calls f(i, depth, ddepth/dx, ddepth/dy) for each violation, of waypoint i.
    template <class Path, class F>
    void each_violation(const Path& path, const F& f) const {
        const auto x = [&](index_t i) { return static_cast<double>(path[2 * i]); };
        const auto y = [&](index_t i) { return static_cast<double>(path[2 * i + 1]); };
        constexpr double least = 1e-6; // of a distance that a direction is taken from
        for (const disc& d : of.discs)
            for (index_t i = 0; i < waypoints; ++i) {
                const double r = d.distance(x(i), y(i)), depth = d.radius + margin - r;
                if (depth > 0.0)
                    f(i, depth, -(x(i) - d.x) / std::max(r, least), -(y(i) - d.y) / std::max(r, least));
            }
        const index_t last = waypoints - 1;
        const double r = of.miss(path), depth = r - std::max(of.goal.radius - margin, 0.5 * of.goal.radius);
        if (depth > 0.0)
            f(last, depth, (x(last) - of.goal.x) / std::max(r, least),
              (y(last) - of.goal.y) / std::max(r, least));
    }
};
// [/rewards]

/// One problem of the study.
struct problem {
    std::string name; ///< "easy 1"
    scene of;
    double share = 0.0; ///< of the prior that is feasible
};

/// Makes `count` easy and as many hard problems: discs at random, and a goal whose radius leaves 57 % and
/// 1e-4 of the prior feasible, as `draws` draws of it say.
class problem_maker {
public:
    problem_maker(const context& where, philox rng, index_t draws)
        : where_(&where), rng_(rng), draws_(draws) {}

    [[nodiscard]] std::vector<problem> operator()(index_t count) {
        std::vector<problem> made;
        const batch some = law_.draw(*where_, rng_.split(1), few);
        for (const bool hard : {false, true})
            for (index_t k = 0; k < count; ++k) {
                problem one{.name = (hard ? "hard " : "easy ") + std::to_string(k + 1),
                            .of = {},
                            .share = hard ? 1e-4 : 0.57};
                // The first discs that leave enough of the prior, and not all of it.
                const double least = hard ? 0.05 : 0.65, most = hard ? 0.3 : 0.85;
                for (double clear = 0.0; clear < least || clear > most;) {
                    one.of = hard ? random_scene(5, 0.8, 1.05) : random_scene(2, 0.2, 0.4);
                    index_t found = 0;
                    for (index_t j = 0; j < few; ++j) found += one.of.clear(some.data() + dimension * j);
                    clear = static_cast<double>(found) / few;
                }
                made.push_back(std::move(one));
            }
        size_goals(made);
        return made;
    }

private:
    static constexpr index_t few = 4096;

    double uniform(double low, double high) {
        return low + (high - low) * rng_.stream(purpose::data, 2).uniform(drawn_++);
    }
    scene random_scene(int discs, double nearest, double farthest) {
        scene made;
        for (int i = 0; i < discs; ++i)
            made.discs.push_back(
                {.x = uniform(-0.6, 0.7), .y = uniform(-0.8, 0.8), .radius = uniform(0.1, 0.2)});
        const double side = uniform(0.0, 1.0) < 0.5 ? -1.0 : 1.0;
        made.goal = {.x = 1.0, .y = side * uniform(nearest, farthest)};
        // A goal in a disc is none.
        for (disc& d : made.discs) d.radius = std::min(d.radius, 0.8 * d.distance(made.goal.x, made.goal.y));
        return made;
    }
    /// Gives each goal the radius that as many of the draws reach, of those that keep clear, as are wanted.
    void size_goals(std::vector<problem>& made) const {
        constexpr index_t block = 65'536;
        std::vector<std::vector<double>> misses(made.size());
        index_t drawn = 0;
        for (std::uint64_t b = 0; drawn < draws_; ++b, drawn += block) {
            const batch paths = law_.draw(*where_, rng_.split(100 + b), block);
            for (index_t j = 0; j < block; ++j)
                for (std::size_t k = 0; k < made.size(); ++k)
                    if (const float* path = paths.data() + dimension * j; made[k].of.clear(path))
                        misses[k].push_back(made[k].of.miss(path));
        }
        for (std::size_t k = 0; k < made.size(); ++k) {
            const auto wanted = static_cast<std::size_t>(made[k].share * static_cast<double>(drawn));
            diamond::require(wanted > 0 && wanted < misses[k].size(),
                             "too few draws for a goal that one path in 10,000 reaches: take more");
            std::nth_element(misses[k].begin(), misses[k].begin() + static_cast<std::ptrdiff_t>(wanted),
                             misses[k].end());
            made[k].of.goal.radius = misses[k][wanted];
        }
    }

    const context* where_;
    philox rng_;
    index_t draws_;
    index_t drawn_ = 0;
    prior law_;
};

} // namespace paths
