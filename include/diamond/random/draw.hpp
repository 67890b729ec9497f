/// Draws batches of standard normals, in antithetic pairs or of a Latin hypercube where the stream asks for
/// that.
#pragma once

#include <diamond/core/batch.hpp>
#include <diamond/random/latin_hypercube.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

namespace detail {
/// Makes sample 2k + 1 of a particle minus its sample 2k, for the j-th of all pairs; x is d x (N M), with M =
/// samples.
template <class View>
struct mirror_odd_samples {
    View x;
    index_t samples;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t pairs = samples / 2; // an odd last sample has no partner
        const index_t even = j / pairs * samples + 2 * (j % pairs);
        x(i, even + 1) = -x(i, even);
    }
};
} // namespace detail

/// Draws the standard normals of a stream into out, d x (N M): column j is value sample j % M of particle
/// slot j / M, with M = stream.samples. Where the stream is antithetic, sample 2k + 1 is minus sample 2k;
/// where it is of a Latin hypercube, the M samples of a slot are stratified in each coordinate.
template <class Real, class Context>
void draw_normal(const noise_stream& stream, batch_view<Real, Context> out) {
    if (stream.latin_hypercube && stream.samples > 1)
        return out.context().for_each(
            out.rows(), out.columns() / stream.samples,
            detail::latin_hypercube_normals<batch_view<Real, Context>>{.stream = stream, .x = out});
    out.context().fill_normal(stream, out);
    const index_t pairs = stream.samples / 2;
    if (stream.antithetic && pairs > 0)
        out.context().for_each(
            out.rows(), out.columns() / stream.samples * pairs,
            detail::mirror_odd_samples<batch_view<Real, Context>>{.x = out, .samples = stream.samples});
}

} // namespace diamond
