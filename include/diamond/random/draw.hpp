/// Draws a batch of normals, antithetic pairs among them where the stream asks for it.
#pragma once

#include <diamond/core/batch.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

namespace detail {
template <class Real>
struct mirror_odd_samples {
    Real*   data;
    index_t rows, samples;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t pairs = samples / 2; // an odd last sample stays without a partner
        const index_t even  = j / pairs * samples + 2 * (j % pairs);
        data[i + rows * (even + 1)] = -data[i + rows * even];
    }
};
} // namespace detail

/// Standard normals for a stream: column j is value sample j % M of particle slot j / M. Antithetic: sample 2k + 1 is minus sample 2k.
template <class Real, class Context>
void draw_normal(const noise_stream& stream, batch_view<Real, Context> out) {
    out.context().fill_normal(stream, out);
    const index_t pairs = stream.samples / 2;
    if (stream.antithetic && pairs > 0)
        out.context().for_each(out.rows(), out.columns() / stream.samples * pairs, detail::mirror_odd_samples<Real>{out.data(), out.rows(), stream.samples});
}

} // namespace diamond
