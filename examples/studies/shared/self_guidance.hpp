/// This header draws samples of noise that something has moved before, as self-guidance does.
#pragma once

#include <algorithm>
#include <vector>

#include <diamond/core/batch.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/density/log_likelihood.hpp>
#include <diamond/random/draw.hpp>

namespace studies {

/// This type holds samples, one after the other, and what a map says of their log-density.
struct moved_samples {
    std::vector<float> samples;
    std::vector<double> log_p;
};

/// Draws samples by a map in so many equal jumps from noise that move(view of x_0) has moved in place, at
/// most `at_once` at a time. The noise is that of rng and each sample's number, whatever moves it, so that
/// differences are those of the moves.
template <class Map, class Context, class Move>
moved_samples moved(const Context& where, const Map& map, diamond::index_t jumps, diamond::index_t count,
                    diamond::philox rng, const Move& move, diamond::index_t at_once) {
    using batch = typename Map::batch_type;
    using real = typename batch::value_type;
    diamond::log_likelihood likelihood{map, {.steps = jumps, .base_deviation = map.base_deviation()}};
    moved_samples result{.samples = {}, .log_p = std::vector<double>(static_cast<std::size_t>(count))};
    for (diamond::index_t first = 0; first < count; first += at_once) {
        const auto n = std::min(at_once, count - first);
        batch x_0(where, map.dimension(), n), x(where, map.dimension(), n);
        draw_normal(rng.stream(diamond::purpose::initial, first), x_0.mutable_view());
        for (diamond::index_t e = 0; e < x_0.size(); ++e)
            x_0.data()[e] *= static_cast<real>(map.base_deviation());
        move(x_0.mutable_view());
        likelihood.push_forward(x_0.read(), diamond::labels(), x.mutable_view(),
                                diamond::row(where, n, result.log_p.data() + first));
        result.samples.insert(result.samples.end(), x.data(), x.data() + x.size());
    }
    return result;
}

} // namespace studies
