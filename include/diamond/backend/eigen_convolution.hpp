/// This header computes convolutions in one thread with Eigen's packets, without writing the surroundings of
/// pixels down.
///
/// Sixteen channels of some rows of the map are copied with the zeros around them, pixel by pixel, so that
/// all pixels that the kernel meets are there. Then the sums of a few runs of output pixels stay in
/// registers, a packet of outputs each: for each weight, each of them adds the weights of its outputs times
/// the one number that its pixel has there. A sum is added in the order of the weights, whatever the pixels
/// beside it are, and so are those of gradients in that of the pixels of an image.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <Eigen/Core>

#include <diamond/core/kernel_window.hpp>

namespace diamond::eigen::detail {

/// Calls f(integral_constant 0), f(1), ... before N.
template <int N, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
    [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
        (f(std::integral_constant<int, I>{}), ...);
    }
    (std::make_integer_sequence<int, N>{});
}

/// Computes the convolutions of a kernel_window, in room for at least its least_room() numbers.
template <class Real>
class convolution_pass {
    using packet = typename Eigen::internal::packet_traits<Real>::type;
    static constexpr index_t lanes = Eigen::internal::packet_traits<Real>::size;
    static constexpr bool many_registers = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;
    static constexpr index_t chunk = 16;               // channels that are copied together
    static constexpr index_t line = 64 / sizeof(Real); // numbers of a line of the cache
    // Rows of pixels are copied as long as they are fewer numbers than this, if there is room.
    static constexpr index_t band_numbers = 65536;
    static constexpr int most_packets = many_registers ? 2 : 1, runs = many_registers ? 2 : 1;

public:
    /// Writes bias + the convolution of the map by the weights, of so many images, or adds it to `out` where
    /// `add` says so. A null bias is none.
    static void convolve(const kernel_window& at, const kernel_weights<Real>& weights, const Real* bias,
                         const Real* map, index_t images, Real* out, bool add, Real* room,
                         index_t room_size) {
        const layout of(at);
        Real* const packed = aligned(room);
        Real* const pixels = aligned(packed + kept_numbers(at));
        over_bands(of, images, room_of_bands(at, room_size), 0, [&](const band& rows) {
            for (index_t first = 0; first < at.channels; first += chunk) {
                const index_t channels = std::min(chunk, at.channels - first);
                copy_band(of, rows, map, first, channels, pixels);
                const bool adds = add || first > 0;
                over_outputs(at.outputs, [&]<int Q>(std::integral_constant<int, Q>, index_t o,
                                                    index_t count) {
                    pack<Q>(at, weights, o, count, first, channels, packed);
                    Real begin[std::size_t{Q * lanes}] = {};
                    if (bias && !adds) std::copy_n(bias + o, count, begin);
                    of.with_run([&]<int L>(std::integral_constant<int, L>) {
                        convolve_band<Q, L>(of, rows, pixels, packed, channels, begin, adds, out, o, count);
                    });
                });
            }
        });
    }
    /// Adds the gradient of the weights, outputs x channels x taps with the output fastest, given the
    /// cotangents k of what the convolution gives.
    static void correlate(const kernel_window& at, const Real* k, const Real* map, index_t images,
                          Real* gradient, Real* room, index_t room_size) {
        const layout of(at);
        Real* const sums = aligned(room);
        Real* const rest = aligned(sums + kept_numbers(at));
        over_bands(of, images, room_of_bands(at, room_size), most_packets * lanes, [&](const band& rows) {
            const index_t columns = rows.images * rows.rows * at.out_width;
            Real* const cotangents = rest;
            Real* const pixels = rest + columns * most_packets * lanes;
            for (index_t first = 0; first < at.channels; first += chunk) {
                const index_t channels = std::min(chunk, at.channels - first);
                copy_band(of, rows, map, first, channels, pixels);
                over_outputs(
                    at.outputs, [&]<int Q>(std::integral_constant<int, Q>, index_t o, index_t count) {
                        copy_cotangents<Q>(of, rows, k, o, count, cotangents);
                        correlate_band<Q>(of, rows, pixels, cotangents, channels, sums);
                        for (index_t tap = 0; tap < at.taps(); ++tap)
                            for (index_t c = 0; c < channels; ++c) {
                                const Real* const from = sums + Q * lanes * (c + chunk * tap);
                                Real* const to = gradient + o + at.outputs * (first + c + at.channels * tap);
                                for (index_t i = 0; i < count; ++i) to[i] += from[i];
                            }
                    });
            }
        });
    }

private:
    /// Describes the copy of a band of rows. A row holds, for each remainder of the columns by the stride,
    /// the pixels of these columns, so that those of neighbouring output pixels are neighbours.
    struct layout {
        const kernel_window& at;
        index_t run;         ///< the output pixels of a run
        index_t runs_of_row; ///< the runs of a row, the last of which may be shorter
        index_t remainders;  ///< of columns by the stride that the kernel meets
        index_t part, pitch; ///< pixels of a remainder's part of a row, and numbers of a row

        explicit layout(const kernel_window& window) : at(window) {
            run = 8;
            for (const index_t length : {index_t{7}, index_t{4}})
                if (covered(length) < covered(run)) run = length;
            runs_of_row = (at.out_width + run - 1) / run;
            remainders = std::min(at.stride, at.kernel);
            part = runs_of_row * run + (at.kernel - 1) / at.stride;
            pitch = remainders * part * chunk;
        }
        [[nodiscard]] index_t covered(index_t length) const {
            return (at.out_width + length - 1) / length * length;
        }
        [[nodiscard]] index_t in_rows(index_t rows) const { return (rows - 1) * at.stride + at.kernel; }
        /// Returns the numbers of a band.
        [[nodiscard]] index_t size(index_t images, index_t rows) const {
            return images * in_rows(rows) * pitch;
        }
        /// Returns where the pixel of a tap lies behind that of the first.
        [[nodiscard]] index_t tap(index_t ky, index_t kx) const {
            return ky * pitch + (kx % at.stride * part + kx / at.stride) * chunk;
        }
        template <class F>
        void with_run(const F& f) const {
            if (run == 8)
                f(std::integral_constant<int, 8>{});
            else if (run == 7)
                f(std::integral_constant<int, 7>{});
            else
                f(std::integral_constant<int, 4>{});
        }
    };
    /// Names some rows of output pixels of one image, or all of several.
    struct band {
        index_t image, images, row, rows;
    };

    /// Returns the numbers of the packed weights, or of the sums of gradients.
    [[nodiscard]] static index_t kept_numbers(const kernel_window& at) {
        return most_packets * lanes * at.taps() * chunk;
    }
    /// Returns the numbers that bands have, wherever in the cache's lines the room begins: the bands decide
    /// the order of sums, and no bit may depend on an address.
    [[nodiscard]] static index_t room_of_bands(const kernel_window& at, index_t room_size) {
        return std::min<index_t>(room_size - 2 * line - kept_numbers(at), band_numbers);
    }
    [[nodiscard]] static Real* aligned(Real* from) {
        const auto beyond = reinterpret_cast<std::uintptr_t>(from) % 64;
        return beyond == 0 ? from : from + (64 - beyond) / sizeof(Real);
    }
    /// Calls body(band) for bands whose copies, with `more` numbers for each output pixel, fit into the room.
    template <class Body>
    static void over_bands(const layout& of, index_t images, index_t room, index_t more, const Body& body) {
        const auto size = [&](index_t rows) { return of.size(1, rows) + rows * of.at.out_width * more; };
        const index_t height = of.at.out_height, together = room / size(height);
        if (together > 0) {
            for (index_t image = 0; image < images; image += together)
                body(band{image, std::min(together, images - image), 0, height});
            return;
        }
        const index_t bands = (height * (size(2) - size(1)) + room - 1) / room;
        index_t rows = std::max<index_t>((height + bands - 1) / bands, 1);
        while (rows > 1 && size(rows) > room) --rows;
        for (index_t image = 0; image < images; ++image)
            for (index_t row = 0; row < height; row += rows)
                body(band{image, 1, row, std::min(rows, height - row)});
    }
    /// Calls body(packets, o, count) for blocks of outputs.
    template <class Body>
    static void over_outputs(index_t outputs, const Body& body) {
        index_t o = 0;
        if constexpr (most_packets == 2)
            for (; outputs - o > lanes; o += 2 * lanes)
                body(std::integral_constant<int, 2>{}, o, std::min(2 * lanes, outputs - o));
        for (; o < outputs; o += lanes)
            body(std::integral_constant<int, 1>{}, o, std::min(lanes, outputs - o));
    }
    /// Copies the weights of a block of outputs and of some channels: outputs, channels and taps, the output
    /// fastest.
    template <int Q>
    static void pack(const kernel_window& at, const kernel_weights<Real>& weights, index_t o, index_t count,
                     index_t first, index_t channels, Real* to) {
        for (index_t tap = 0; tap < at.taps(); ++tap, to += channels * Q * lanes) {
            const Real* const from = weights.first + weights.of_output * o + weights.of_tap * tap +
                                     weights.of_channel * first;
            if (weights.of_output == 1)
                for (index_t c = 0; c < channels; ++c)
                    for (index_t i = 0; i < count; ++i)
                        to[i + Q * lanes * c] = from[i + weights.of_channel * c];
            else
                for (index_t i = 0; i < count; ++i)
                    for (index_t c = 0; c < channels; ++c)
                        to[i + Q * lanes * c] = from[weights.of_output * i + weights.of_channel * c];
            for (index_t c = 0; c < channels; ++c)
                for (index_t i = count; i < Q * lanes; ++i) to[i + Q * lanes * c] = Real{0};
        }
    }
    /// Copies some channels of what a band's output pixels meet, and zeros around the map.
    static void copy_band(const layout& of, const band& rows, const Real* map, index_t first,
                          index_t channels, Real* to) {
        const kernel_window& at = of.at;
        const index_t in_rows = of.in_rows(rows.rows);
        for (index_t image = rows.image; image < rows.image + rows.images; ++image)
            for (index_t j = 0; j < in_rows; ++j) {
                const index_t up = rows.row * at.stride + j - at.padding;
                const bool inside = up >= 0 && up % at.spread == 0 && up / at.spread < at.height;
                const Real* const from = map + first +
                                         at.channels * at.width * (up / at.spread + at.height * image);
                for (index_t r = 0; r < of.remainders; ++r, to += of.part * chunk)
                    if (inside)
                        copy_part(of, r, from, channels, to);
                    else
                        std::fill_n(to, of.part * chunk, Real{0});
            }
    }
    static void copy_part(const layout& of, index_t remainder, const Real* from, index_t channels, Real* to) {
        const kernel_window& at = of.at;
        if (at.spread == 1) {
            const index_t left = std::min((at.padding - remainder + at.stride - 1) / at.stride, of.part),
                          begin = remainder >= at.padding ? 0 : left,
                          most = (at.width + at.padding - remainder + at.stride - 1) / at.stride,
                          end = std::clamp(most, begin, of.part);
            std::fill_n(to, begin * chunk, Real{0});
            const index_t step = at.channels * at.stride;
            const Real* pixel = from + at.channels * (begin * at.stride + remainder - at.padding);
            if (channels == chunk)
                for (index_t i = begin; i < end; ++i, pixel += step)
                    std::memcpy(to + i * chunk, pixel, chunk * sizeof(Real));
            else
                for (index_t i = begin; i < end; ++i, pixel += step)
                    copy_pixel(pixel, channels, to + i * chunk);
            std::fill_n(to + end * chunk, (of.part - end) * chunk, Real{0});
            return;
        }
        for (index_t i = 0; i < of.part; ++i, to += chunk) {
            const index_t across = i * at.stride + remainder - at.padding;
            if (across >= 0 && across % at.spread == 0 && across / at.spread < at.width)
                copy_pixel(from + at.channels * (across / at.spread), channels, to);
            else
                std::fill_n(to, chunk, Real{0});
        }
    }
    static void copy_pixel(const Real* from, index_t channels, Real* to) {
        for (index_t c = 0; c < channels; ++c) to[c] = from[c];
        for (index_t c = channels; c < chunk; ++c) to[c] = Real{0};
    }
    template <int Q>
    static void copy_cotangents(const layout& of, const band& rows, const Real* k, index_t o, index_t count,
                                Real* to) {
        const kernel_window& at = of.at;
        const index_t pixels = rows.images * rows.rows * at.out_width;
        const Real* from = k + o + at.outputs * at.out_width * (rows.row + at.out_height * rows.image);
        if (count == Q * lanes)
            for (index_t p = 0; p < pixels; ++p, from += at.outputs, to += Q * lanes)
                std::memcpy(to, from, Q * lanes * sizeof(Real));
        else
            for (index_t p = 0; p < pixels; ++p, from += at.outputs, to += Q * lanes) {
                std::copy_n(from, count, to);
                std::fill_n(to + count, Q * lanes - count, Real{0});
            }
    }

    /// Adds what some channels give to the sums of a band's pixels, two runs at a time.
    template <int Q, int L>
    static void convolve_band(const layout& of, const band& rows, const Real* pixels, const Real* weights,
                              index_t channels, const Real* begin, bool adds, Real* out, index_t o,
                              index_t count) {
        const kernel_window& at = of.at;
        const index_t in_rows = of.in_rows(rows.rows), all = rows.images * rows.rows * of.runs_of_row;
        index_t x = 0, y = 0, image = 0;
        for (index_t next = 0; next < all; next += runs) {
            const index_t together = std::min<index_t>(runs, all - next);
            const Real* from[runs];
            Real* to[runs];
            index_t widths[runs];
            for (index_t r = 0; r < together; ++r) {
                from[r] = pixels + (image * in_rows + y * at.stride) * of.pitch + x * chunk;
                to[r] = out + o +
                        at.outputs *
                            (x + at.out_width * (rows.row + y + at.out_height * (rows.image + image)));
                widths[r] = std::min<index_t>(L, at.out_width - x);
                x += L;
                if (x >= at.out_width) {
                    x = 0;
                    if (++y == rows.rows) {
                        y = 0;
                        ++image;
                    }
                }
            }
            if (together == runs)
                convolve_runs<Q, L, runs>(of, from, to, widths, weights, channels, begin, adds, count);
            else
                convolve_runs<Q, L, 1>(of, from, to, widths, weights, channels, begin, adds, count);
        }
    }
    template <int Q, int L, int G>
    static void convolve_runs(const layout& of, const Real* const* from, Real* const* to,
                              const index_t* widths, const Real* weights, index_t channels, const Real* begin,
                              bool adds, index_t count) {
        using namespace Eigen::internal;
        const kernel_window& at = of.at;
        bool whole = count == Q * lanes;
        for (index_t g = 0; g < G; ++g) whole = whole && widths[g] == L;
        packet sums[std::size_t{G}][std::size_t{L}][std::size_t{Q}];
        Real kept[std::size_t{G * L * Q * lanes}];
        if (adds) {
            if (!whole)
                for (index_t g = 0; g < G; ++g)
                    for (index_t i = 0; i < widths[g]; ++i)
                        std::copy_n(to[g] + at.outputs * i, count, kept + (g * L + i) * Q * lanes);
            unrolled<G>([&](auto g) __attribute__((always_inline)) {
                unrolled<L>([&](auto i) __attribute__((always_inline)) {
                    unrolled<Q>([&](auto q) __attribute__((always_inline)) {
                        sums[g][i][q] = ploadu<packet>(whole ? to[g] + at.outputs * i + q * lanes
                                                             : kept + ((g * L + i) * Q + q) * lanes);
                    });
                });
            });
        } else {
            unrolled<G>([&](auto g) __attribute__((always_inline)) {
                unrolled<L>([&](auto i) __attribute__((always_inline)) {
                    unrolled<Q>([&](auto q) __attribute__((always_inline)) {
                        sums[g][i][q] = ploadu<packet>(begin + q * lanes);
                    });
                });
            });
        }
        for (index_t ky = 0; ky < at.kernel; ++ky)
            for (index_t kx = 0; kx < at.kernel; ++kx) {
                const index_t tap = of.tap(ky, kx);
                const Real* pixel[std::size_t{G}];
                for (index_t g = 0; g < G; ++g) pixel[g] = from[g] + tap;
                for (index_t c = 0; c < channels; ++c, weights += Q * lanes) {
                    packet w[std::size_t{Q}];
                    unrolled<Q>([&](auto q) __attribute__((always_inline)) {
                        w[q] = pload<packet>(weights + q * lanes);
                    });
                    unrolled<G>([&](auto g) __attribute__((always_inline)) {
                        unrolled<L>([&](auto i) __attribute__((always_inline)) {
                            const packet number = pset1<packet>(pixel[g][i * chunk + c]);
                            unrolled<Q>([&](auto q) __attribute__((always_inline)) {
                                sums[g][i][q] = pmadd(w[q], number, sums[g][i][q]);
                            });
                        });
                    });
                }
            }
        unrolled<G>([&](auto g) __attribute__((always_inline)) {
            unrolled<L>([&](auto i) __attribute__((always_inline)) {
                unrolled<Q>([&](auto q) __attribute__((always_inline)) {
                    pstoreu(whole ? to[g] + at.outputs * i + q * lanes : kept + ((g * L + i) * Q + q) * lanes,
                            sums[g][i][q]);
                });
            });
        });
        if (whole) return;
        for (index_t g = 0; g < G; ++g)
            for (index_t i = 0; i < widths[g]; ++i)
                std::copy_n(kept + (g * L + i) * Q * lanes, count, to[g] + at.outputs * i);
    }

    /// Writes the sums over a band's pixels of cotangents times what the taps meet.
    template <int Q>
    static void correlate_band(const layout& of, const band& rows, const Real* pixels, const Real* k,
                               index_t channels, Real* sums) {
        constexpr int most = many_registers && Q == 1 ? 16 : 8;
        for (index_t ky = 0; ky < of.at.kernel; ++ky)
            for (index_t kx = 0; kx < of.at.kernel; ++kx, sums += Q * lanes * chunk) {
                const Real* const from = pixels + of.tap(ky, kx);
                for (index_t c = 0; c < channels;) {
                    Real* const to = sums + Q * lanes * c;
                    if (channels - c > 4) {
                        correlate_channels<Q, most>(of, rows, from + c, k, to);
                        c += most;
                    } else {
                        correlate_channels<Q, 4>(of, rows, from + c, k, to);
                        c += 4;
                    }
                }
            }
    }
    template <int Q, int C>
    static void correlate_channels(const layout& of, const band& rows, const Real* pixels, const Real* k,
                                   Real* to) {
        using namespace Eigen::internal;
        const kernel_window& at = of.at;
        packet sums[std::size_t{C}][std::size_t{Q}];
        unrolled<C>([&](auto c) __attribute__((always_inline)) {
            unrolled<Q>([&](auto q) __attribute__((always_inline)) { sums[c][q] = pzero(sums[c][q]); });
        });
        for (index_t image = 0; image < rows.images; ++image)
            for (index_t y = 0; y < rows.rows; ++y) {
                const Real* pixel = pixels + (image * of.in_rows(rows.rows) + y * at.stride) * of.pitch;
                for (index_t x = 0; x < at.out_width; ++x, pixel += chunk, k += Q * lanes) {
                    packet of_output[std::size_t{Q}];
                    unrolled<Q>([&](auto q) __attribute__((always_inline)) {
                        of_output[q] = pload<packet>(k + q * lanes);
                    });
                    unrolled<C>([&](auto c) __attribute__((always_inline)) {
                        const packet number = pset1<packet>(pixel[c]);
                        unrolled<Q>([&](auto q) __attribute__((always_inline)) {
                            sums[c][q] = pmadd(of_output[q], number, sums[c][q]);
                        });
                    });
                }
            }
        unrolled<C>([&](auto c) __attribute__((always_inline)) {
            unrolled<Q>([&](auto q)
                            __attribute__((always_inline)) { pstore(to + (c * Q + q) * lanes, sums[c][q]); });
        });
    }
};

} // namespace diamond::eigen::detail
