/// This header measures log-densities of images by flow maps with divergence, and draws them against each
/// other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/batch.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/density/likelihood_validity.hpp>
#include <diamond/plot/line_plot.hpp>

#include "comparison.hpp"

namespace studies {

using diamond::index_t;

/// This type holds what one method says of each image, and what that cost.
struct likelihoods {
    std::string name;
    std::int64_t evaluations = 0;    ///< an image
    std::vector<double> values = {}; ///< log-densities, or what a study makes of them
    double round_trip = NAN;         ///< |X_{0,1} X_{1,0} x - x|, root mean square over the images
    double gap = NAN;                ///< log p from noise to data minus that from data to noise, likewise
    double seconds = NAN;
};

/// Calls part(first, n) for images first ... first + n - 1, at most `at_once` of them.
template <class Part>
void in_parts(index_t count, index_t at_once, const Part& part) {
    for (index_t first = 0; first < count; first += at_once) part(first, std::min(at_once, count - first));
}

inline constexpr index_t all_at_once = std::numeric_limits<index_t>::max();

/// Returns log p of each column of x by a map's jumps from data to noise, `at_once` of them at a time.
template <class Map, class View>
likelihoods likelihoods_of(std::string name, Map map, const diamond::likelihood_options& options,
                           const View& x, index_t at_once = all_at_once) {
    const diamond::stopwatch clock;
    diamond::log_likelihood likelihood{std::move(map), options};
    likelihoods result{.name = std::move(name),
                       .values = std::vector<double>(static_cast<std::size_t>(x.columns()))};
    in_parts(x.columns(), at_once, [&](index_t first, index_t n) {
        likelihood(x.columns(first, n), diamond::labels(),
                   diamond::row(x.context(), n, result.values.data() + first));
    });
    result.evaluations = likelihood.spent().evaluations() / x.columns();
    result.seconds = clock.seconds();
    return result;
}
/// Adds how far the map is from being invertible there: round trip and gap.
template <class Map, class View>
void add_validity(likelihoods& to, Map map, const diamond::likelihood_options& options, const View& x,
                  index_t at_once = all_at_once) {
    const auto& where = x.context();
    std::vector<double> round_trip(static_cast<std::size_t>(x.columns())), gap(round_trip.size());
    diamond::likelihood_validity validity{diamond::log_likelihood{std::move(map), options}};
    in_parts(x.columns(), at_once, [&](index_t first, index_t n) {
        validity.from_data(x.columns(first, n), diamond::labels(),
                           diamond::row(where, n, round_trip.data() + first),
                           diamond::row(where, n, gap.data() + first));
    });
    to.round_trip = summarise(diamond::row(where, x.columns(), round_trip.data())).root_mean_square;
    to.gap = summarise(diamond::row(where, x.columns(), gap.data())).root_mean_square;
}

/// Draws numbers of a few evaluations against those of a reference, image by image.
struct scatter {
    std::string title, x, y;
    std::vector<double> reference;

    [[nodiscard]] diamond::plot::line_plot of(std::span<const likelihoods> rows) const {
        diamond::plot::line_plot plot{
            .title = title, .x = {.label = x}, .y = {.label = y}, .width = 360, .height = 360};
        for (const auto& row : rows)
            plot.curves.push_back({.name = row.name, .x = reference, .y = row.values, .joined = false});
        const auto [low, high] = std::ranges::minmax(reference);
        plot.curves.push_back({.name = "the same", .x = {low, high}, .y = {low, high}, .marked = false});
        return plot;
    }
};

} // namespace studies
