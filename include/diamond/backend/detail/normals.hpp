/// This header fills host memory with normals, one chunk of blocks at a time. The numbers are those of
/// random/normal.hpp. Only the order of the work differs: words, radii and directions are computed in arrays,
/// so that each loop vectorises.
#pragma once

#include <algorithm>
#include <cstdint>

#include <diamond/backend/detail/philox_lanes.hpp>
#include <diamond/random/normal.hpp>

namespace diamond::detail {

/// This many blocks are computed together. They are enough to amortise the ends of loops, and few enough for
/// the first-level cache.
inline constexpr int normal_lanes = 128;
/// Loops that round run over multiples of this many blocks. A number then does not depend on its place in a
/// chunk, as it would if some blocks were computed by vectors and some by scalars.
inline constexpr int normal_lane_group = 16;

/// Writes the counters of `lanes` blocks, beginning with block `block` of column `column`, with `part` blocks
/// from each column.
inline void fill_counters(const noise_stream& stream, index_t column, index_t block, int part, int lanes,
                          std::uint32_t (&w)[4][normal_lanes]) {
    const auto first_column = static_cast<std::uint32_t>(column),
               first_block = static_cast<std::uint32_t>(block);
    const auto purpose = static_cast<std::uint32_t>(stream.purpose) << 24;
    const float per_part = 1.0f / static_cast<float>(part);
    for (int l = 0; l < lanes; ++l) {
        // (l + 1/2) / part stays 1/(2 part) away from every integer, far more than rounding moves it. A
        // division would not vectorise.
        const int offset = static_cast<int>((static_cast<float>(l) + 0.5f) * per_part);
        w[0][l] = first_block + static_cast<std::uint32_t>(l - offset * part);
        w[1][l] = first_column + static_cast<std::uint32_t>(offset);
        w[2][l] = stream.step;
        w[3][l] = purpose;
    }
    if (stream.samples == 1) return;
    const auto samples = static_cast<std::uint32_t>(stream.samples);
    const double middle = static_cast<double>(column) + 0.5,
                 per_sample = 1.0 / static_cast<double>(stream.samples);
    for (int l = 0; l < lanes; ++l) {
        const double offset = static_cast<double>(static_cast<std::int32_t>(w[1][l] - first_column));
        // The quotient is exact for the reason above.
        const auto slot = static_cast<std::uint32_t>(
            static_cast<std::int64_t>((middle + offset) * per_sample));
        w[3][l] = purpose | (w[1][l] - slot * samples);
        w[1][l] = slot;
    }
}

/// Writes the normals of lane l to out[2 pairs l ...].
template <int pairs, class Real, std::size_t most_pairs>
void interleave(const Real (&radius)[most_pairs][normal_lanes],
                const Real (&cosine)[most_pairs][normal_lanes], const Real (&sine)[most_pairs][normal_lanes],
                int lanes, Real* out) {
    for (int l = 0; l < lanes; ++l)
        for (int k = 0; k < pairs; ++k) {
            out[l * 2 * pairs + 2 * k] = radius[k][l] * cosine[k][l];
            out[l * 2 * pairs + 2 * k + 1] = radius[k][l] * sine[k][l];
        }
}

/// Writes the normals of columns first ... last - 1 of a batch with `rows` rows. `square_roots(p, n)` must
/// replace n numbers by their roots, where n is a multiple of normal_lane_group and p a multiple of 64 bytes.
/// Compilers do not vectorise std::sqrt, which may set errno.
template <class Real, class SquareRoots>
void fill_normal_columns(const noise_stream& stream, Real* out, index_t rows, index_t first, index_t last,
                         SquareRoots square_roots) {
    if (rows == 0) return;
    constexpr int per_block = static_cast<int>(normals_per_block<Real>), pairs = per_block / 2;
    const index_t blocks = (rows + per_block - 1) / per_block;
    // A chunk is several whole columns or, if one column is too long, an equal part of it.
    const index_t parts = (blocks + normal_lanes - 1) / normal_lanes, part = (blocks + parts - 1) / parts;
    const index_t columns = std::max<index_t>(normal_lanes / blocks, 1);
    const int used = rows <= 2 ? 1 : pairs; // pairs of normals that are needed from a block
    const int stride = 2 * used;
    const bool whole = rows % stride == 0; // the blocks then lie side by side in the batch

    alignas(64) std::uint32_t w[4][normal_lanes];
    constexpr auto most_pairs = static_cast<std::size_t>(pairs),
                   most_normals = static_cast<std::size_t>(per_block * normal_lanes);
    alignas(64) Real radius[most_pairs][normal_lanes], cosine[most_pairs][normal_lanes],
        sine[most_pairs][normal_lanes], normal[most_normals];
    for (index_t column = first; column < last; column += columns)
        for (index_t block = 0; block < blocks; block += part) {
            const index_t wide = std::min(columns, last - column), high = std::min(part, blocks - block);
            const int lanes = static_cast<int>((wide * high + normal_lane_group - 1) / normal_lane_group *
                                               normal_lane_group);
            fill_counters(stream, column, block, static_cast<int>(high), lanes, w);
            philox_lanes(w, lanes, stream.seed);
            for (int k = 0; k < used; ++k) {
                for (int l = 0; l < lanes; ++l) {
                    if constexpr (sizeof(Real) == 4) {
                        const auto direction = sine_cosine_of(w[2 * k + 1][l]);
                        radius[k][l] = squared_radius(w[2 * k][l]);
                        cosine[k][l] = direction.cosine;
                        sine[k][l] = direction.sine;
                    } else {
                        const auto direction = sine_cosine_of(std::uint64_t{w[3][l]} << 32 | w[2][l]);
                        radius[k][l] = squared_radius(std::uint64_t{w[1][l]} << 32 | w[0][l]);
                        cosine[k][l] = direction.cosine;
                        sine[k][l] = direction.sine;
                    }
                }
                square_roots(radius[k], lanes);
            }
            Real* const to = out + column * rows + block * per_block;
            Real* const into = whole ? to : normal;
            const int own = static_cast<int>(wide * high);
            used == pairs ? interleave<pairs>(radius, cosine, sine, own, into)
                          : interleave<1>(radius, cosine, sine, own, into);
            if (whole) continue;
            const index_t count = std::min(high * stride, rows - block * per_block);
            for (index_t c = 0; c < wide; ++c) std::copy_n(normal + c * high * stride, count, to + c * rows);
        }
}

} // namespace diamond::detail
