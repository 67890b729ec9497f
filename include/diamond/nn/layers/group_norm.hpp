/// Group normalisation of feature maps, with a tangent and the gradient through it (eq. group-norm), (eq.
/// column-norm-cotangent).
///
/// A group is some channels of all pixels of one image, and its mean and variance are made of sums over the
/// pixels of each channel, which run side by side. All of what the passes need of a group are such sums, so
/// that each reads its maps twice, and x once more: for the channel's mean, for the sums, and to write what
/// is made of them. The sums are of x minus the channel's mean, so that neither a large mean nor an outlier
/// costs digits.
#pragma once

#include <algorithm>
#include <cmath>

#include <diamond/nn/detail/pixels.hpp>

namespace diamond {

namespace detail {

/// Says where the numbers of a group norm stand: slot s has one for each channel of each image.
template <class Real>
struct group_norm_room {
    index_t channels, groups, pixels, images;
    Real* numbers;

    [[nodiscard]] DIAMOND_HD Real* slot(index_t s, index_t c, index_t image) const {
        return numbers + c + channels * (image + images * s);
    }
    /// Returns where the means of the channels of an image stand, behind the slots of sums.
    [[nodiscard]] DIAMOND_HD Real* means(index_t image) const { return slot(most_slots, 0, image); }
    static constexpr index_t most_slots = 9; ///< of sums
    /// Writes and returns the means of channel c, and of those beside it in a packet, over the pixels.
    template <class N>
    [[nodiscard]] DIAMOND_HD N write_mean(const Real* from, index_t c, index_t image) const {
        using access = number_access<N>;
        const index_t stride = channels;
        const auto sum = sums_over_pixels<N, 1>(
            pixels, [=](index_t p) { return summands<N, 1>{{access::read(from + stride * p)}}; });
        const N mean = sum.at[0] * (Real{1} / static_cast<Real>(pixels));
        access::write(mean, means(image) + c);
        return mean;
    }
    /// Returns the place of channel c of the first pixel of an image.
    [[nodiscard]] DIAMOND_HD index_t first(index_t c, index_t image) const {
        return c + channels * pixels * image;
    }
    [[nodiscard]] DIAMOND_HD index_t size() const { return channels / groups; }
    /// Returns 1/(the numbers of a group).
    [[nodiscard]] DIAMOND_HD Real share() const { return Real{1} / static_cast<Real>(size() * pixels); }
    /// Writes sums to the slots from `from` on.
    template <class N, std::size_t Count>
    DIAMOND_HD void write(const summands<N, Count>& sums, index_t from, index_t c, index_t image) const {
        for (std::size_t s = 0; s < Count; ++s)
            number_access<N>::write(sums.at[s], slot(from + static_cast<index_t>(s), c, image));
    }
};

/// Writes what the forward pass needs of each channel, with e = x - its mean over the pixels: the sums of e
/// and e^2, and of x' and e x'.
template <class Real>
struct group_norm_push_sums {
    using real = Real;
    static constexpr index_t relative_cost = 256;
    group_norm_room<Real> room;
    const Real *x, *x_dot; ///< x_dot is null without a tangent

    template <class N>
    DIAMOND_HD void at(index_t c, index_t image) const {
        using access = number_access<N>;
        const index_t first = room.first(c, image), stride = room.channels;
        const Real* const from = x + first;
        const N shift = room.template write_mean<N>(from, c, image);
        if (!x_dot)
            return room.write(sums_over_pixels<N, 2>(room.pixels,
                                                     [=](index_t p) {
                                                         const N e = access::read(from + stride * p) - shift;
                                                         return summands<N, 2>{{e, e * e}};
                                                     }),
                              0, c, image);
        const Real* const dots = x_dot + first;
        room.write(sums_over_pixels<N, 4>(room.pixels,
                                          [=](index_t p) {
                                              const N e = access::read(from + stride * p) - shift,
                                                      dot = access::read(dots + stride * p);
                                              return summands<N, 4>{{e, e * e, dot, e * dot}};
                                          }),
                   0, c, image);
    }
};
/// Writes what the backward pass needs: the sums of e, e^2, k and e k, and of k', x', e k', e x' and k' x'.
template <class Real>
struct group_norm_pull_sums {
    using real = Real;
    static constexpr index_t relative_cost = 256;
    group_norm_room<Real> room;
    const Real *x, *x_dot, *k, *k_dot; ///< x_dot and k_dot are null without a tangent

    template <class N>
    DIAMOND_HD void at(index_t c, index_t image) const {
        using access = number_access<N>;
        const index_t first = room.first(c, image), stride = room.channels;
        const Real *const from = x + first, *const of_y = k + first;
        const N shift = room.template write_mean<N>(from, c, image);
        if (!x_dot)
            return room.write(sums_over_pixels<N, 4>(room.pixels,
                                                     [=](index_t p) {
                                                         const N e = access::read(from + stride * p) - shift,
                                                                 c_k = access::read(of_y + stride * p);
                                                         return summands<N, 4>{{e, e * e, c_k, e * c_k}};
                                                     }),
                              0, c, image);
        const Real *const dots = x_dot + first, *const of_y_dot = k_dot + first;
        room.write(sums_over_pixels<N, 9>(room.pixels,
                                          [=](index_t p) {
                                              const N e = access::read(from + stride * p) - shift,
                                                      c_k = access::read(of_y + stride * p),
                                                      c_dot = access::read(of_y_dot + stride * p),
                                                      dot = access::read(dots + stride * p);
                                              return summands<N, 9>{{e, e * e, c_k, e * c_k, c_dot, dot,
                                                                     e * c_dot, e * dot, c_dot * dot}};
                                          }),
                   0, c, image);
    }
};

/// Holds the mean of a group, and r = 1/sqrt(variance + epsilon).
template <class Real>
struct group_moments {
    Real mean, r;

    /// Computes both of the channels' first two sums: the variance is the mean of those of the channels, and
    /// of the squares of how far their means are from the group's.
    [[nodiscard]] static DIAMOND_HD group_moments of(const group_norm_room<Real>& room, Real epsilon,
                                                     index_t group, index_t image) {
        const index_t begin = group * room.size(), end = begin + room.size();
        const Real per_pixel = Real{1} / static_cast<Real>(room.pixels),
                   per_channel = Real{1} / static_cast<Real>(room.size());
        const Real *const shift = room.means(image), *const sum = room.slot(0, 0, image),
                          *const square = room.slot(1, 0, image);
        Real mean{};
        for (index_t c = begin; c < end; ++c) mean += shift[c] + sum[c] * per_pixel;
        mean *= per_channel;
        Real variance{};
        for (index_t c = begin; c < end; ++c) {
            const Real off = sum[c] * per_pixel, apart = shift[c] - mean + off;
            variance += (square[c] * per_pixel - off * off) + apart * apart;
        }
        return {mean, Real{1} / std::sqrt(variance * per_channel + epsilon)};
    }
};

/// Replaces the sums of a group by what the channels' numbers are made by: slot 0 the mean, 1 a = g r, 2 <x'>
/// and 3 -a r <u x'>.
template <class Real>
struct group_norm_push_groups {
    static constexpr index_t relative_cost = 256;
    group_norm_room<Real> room;
    const Real* gain;
    Real epsilon;
    index_t parts;

    DIAMOND_HD void operator()(index_t group, index_t image) const {
        const auto moments = group_moments<Real>::of(room, epsilon, group, image);
        const index_t begin = group * room.size(), end = begin + room.size();
        const Real* const shift = room.means(image);
        Real *const zero = room.slot(0, 0, image), *const one = room.slot(1, 0, image),
                    *const two = room.slot(2, 0, image), *const three = room.slot(3, 0, image);
        const Real r = moments.r;
        Real dot{}, along{};
        if (parts == 2) {
            for (index_t c = begin; c < end; ++c) {
                dot += two[c];
                along += three[c] + (shift[c] - moments.mean) * two[c];
            }
            dot *= room.share();
            along *= r * room.share();
        }
        for (index_t c = begin; c < end; ++c) {
            zero[c] = moments.mean;
            one[c] = gain[c] * r;
            if (parts == 1) continue;
            two[c] = dot;
            three[c] = -(gain[c] * r) * r * along;
        }
    }
};
/// Replaces the sums of a group by what the channels' cotangents are made by: with u = r (x - mean), x gets
/// slot 1 k + slot 4 (x - slot 0) + slot 5 + slot 6 k' + slot 7 x', and x' gets slot 1 k' + slot 7 (x - slot
/// 0) + slot 8. Slot 2 has what the image adds to the gradient of the bias, and slot 3 to that of the gain.
template <class Real>
struct group_norm_pull_groups {
    static constexpr index_t relative_cost = 256;
    group_norm_room<Real> room;
    const Real* gain;
    Real epsilon;
    index_t parts;

    DIAMOND_HD void operator()(index_t group, index_t image) const {
        const auto moments = group_moments<Real>::of(room, epsilon, group, image);
        const index_t begin = group * room.size(), end = begin + room.size();
        const Real* const shift = room.means(image);
        const Real r = moments.r, share = room.share();
        Real* slot[std::size_t{group_norm_room<Real>::most_slots}];
        for (index_t s = 0; s < room.most_slots; ++s) slot[s] = room.slot(s, 0, image);
        // Means of c = g k, c' = g k' and x', and of their products with each other and with u.
        Real c_mean{}, u_c{}, c_dot_mean{}, dot_mean{}, u_c_dot{}, u_dot{}, c_dot_dot{};
        for (index_t c = begin; c < end; ++c) {
            const Real off = shift[c] - moments.mean;
            c_mean += gain[c] * slot[2][c];
            u_c += gain[c] * (slot[3][c] + off * slot[2][c]);
            if (parts == 1) continue;
            c_dot_mean += gain[c] * slot[4][c];
            dot_mean += slot[5][c];
            u_c_dot += gain[c] * (slot[6][c] + off * slot[4][c]);
            u_dot += slot[7][c] + off * slot[5][c];
            c_dot_dot += gain[c] * slot[8][c];
        }
        c_mean *= share;
        u_c *= r * share;
        if (parts == 1) {
            for (index_t c = begin; c < end; ++c) {
                slot[3][c] = r * (slot[3][c] + (shift[c] - moments.mean) * slot[2][c]);
                slot[0][c] = moments.mean;
                slot[1][c] = gain[c] * r;
                slot[4][c] = -r * r * u_c;
                slot[5][c] = -r * c_mean;
            }
            return;
        }
        c_dot_mean *= share;
        dot_mean *= share;
        u_c_dot *= r * share;
        u_dot *= r * share;
        const Real bend = c_dot_dot * share - c_dot_mean * dot_mean - Real{3} * u_c_dot * u_dot;
        for (index_t c = begin; c < end; ++c) {
            const Real off = shift[c] - moments.mean, of_u = slot[3][c] + off * slot[2][c],
                       of_u_dot = slot[8][c] - dot_mean * slot[4][c] -
                                  u_dot * r * (slot[6][c] + off * slot[4][c]);
            slot[3][c] = r * (of_u + of_u_dot);
            slot[0][c] = moments.mean;
            slot[1][c] = gain[c] * r;
            slot[4][c] = -r * r * (u_c + r * bend);
            slot[5][c] = r * (r * (u_dot * c_dot_mean + u_c_dot * dot_mean) - c_mean);
            slot[6][c] = -r * r * u_dot * gain[c];
            slot[7][c] = -r * r * u_c_dot;
            slot[8][c] = -r * c_dot_mean;
        }
    }
};

/// Writes y of the numbers of a block of pixels, and y'.
template <class Real>
struct group_norm_push {
    using real = Real;
    static constexpr index_t relative_cost = 64;
    group_norm_room<Real> room;
    pixel_blocks blocks;
    const Real *x, *x_dot, *bias; ///< x_dot is null without a tangent
    Real *y, *y_dot;

    template <class N>
    DIAMOND_HD void at(index_t c, index_t j) const {
        using access = number_access<N>;
        const index_t image = blocks.image(j);
        const auto read = [&](index_t s) { return access::read(room.slot(s, c, image)); };
        const N mean = read(0), scale = read(1), offset = access::read(bias + c);
        const Real *const from = x, *const dots = x_dot;
        Real *const to = y, *const to_dot = y_dot;
        if (!x_dot)
            return blocks.over(c, j, [=](index_t i) {
                access::write((access::read(from + i) - mean) * scale + offset, to + i);
            });
        const N dot_mean = read(2), along = read(3);
        blocks.over(c, j, [=](index_t i) {
            const N rest = access::read(from + i) - mean;
            access::write(rest * scale + offset, to + i);
            access::write((access::read(dots + i) - dot_mean) * scale + rest * along, to_dot + i);
        });
    }
};
/// Writes the cotangents of x and x' of a block of pixels, or adds them to what stands there.
template <class Real>
struct group_norm_pull {
    using real = Real;
    static constexpr index_t relative_cost = 64;
    group_norm_room<Real> room;
    pixel_blocks blocks;
    const Real *x, *x_dot, *k, *k_dot; ///< x_dot and k_dot are null without a tangent
    Real *to, *to_dot;
    bool add;

    template <class N>
    DIAMOND_HD void at(index_t c, index_t j) const {
        if (add)
            write<N, true>(c, j);
        else
            write<N, false>(c, j);
    }

private:
    template <class N, bool Add>
    DIAMOND_HD void write(index_t c, index_t j) const {
        using access = number_access<N>;
        const index_t image = blocks.image(j);
        const auto read = [&](index_t s) { return access::read(room.slot(s, c, image)); };
        const N mean = read(0), of_k = read(1), of_rest = read(4), offset = read(5);
        const Real *const from = x, *const dots = x_dot, *const of_y = k, *const of_y_dot = k_dot;
        Real *const into = to, *const into_dot = to_dot;
        if (!x_dot)
            return blocks.over(c, j, [=](index_t i) {
                put_number<N>(access::read(of_y + i) * of_k + (access::read(from + i) - mean) * of_rest +
                                  offset,
                              Add, into + i);
            });
        const N of_k_dot = read(6), of_dot = read(7), dot_offset = read(8);
        blocks.over(c, j, [=](index_t i) {
            const N rest = access::read(from + i) - mean, c_dot = access::read(of_y_dot + i);
            put_number<N>(access::read(of_y + i) * of_k + rest * of_rest + offset + c_dot * of_k_dot +
                              access::read(dots + i) * of_dot,
                          Add, into + i);
            put_number<N>(c_dot * of_k + rest * of_dot + dot_offset, Add, into_dot + i);
        });
    }
};

} // namespace detail

/// The layer y(c, p) = weight(c) (x(c, p) - m)/sqrt(v + epsilon) + bias(c), where m and v are the mean and
/// the variance of all numbers of one image in the group of channels of c (eq. group-norm): group g has the
/// channels from g channels/groups on. With one group it is a LayerNorm of whole images, and with as many as
/// channels an instance norm. It costs three readings of the map and one writing.
struct group_norm {
    static constexpr std::string_view name = "group_norm";
    index_t groups = 1;    ///< of channels
    double epsilon = 1e-5; ///< what is added to the variance, least_norm_epsilon or more; PyTorch's default

    template <class Visit>
    void fields(const Visit& visit) {
        visit("groups", groups);
        visit("epsilon", epsilon);
    }
    /// @throws std::invalid_argument for channels that do not divide by the groups, or an epsilon out of
    /// range.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        require(groups > 0 && from[0].channels % groups == 0, [&] {
            return "a group norm of " + digits_of(groups) + " groups of a feature map of " +
                   to_string(from[0]) + ": its channels must divide by the groups, and these be 1 or more";
        });
        detail::require_epsilon("a group norm", epsilon);
        return from[0];
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape> from) const {
        const index_t C = from[0].channels;
        return {{.name = "weight", .shape = {C}, .strides = {1}, .mean = 1.0},
                {.name = "bias", .shape = {C}, .strides = {1}, .offset = C}};
    }
    [[nodiscard]] index_t scratch(std::span<const feature_shape> from, index_t images, index_t) const {
        return (detail::group_norm_room<float>::most_slots + 1) * from[0].channels * images;
    }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        const index_t C = call.shape.channels;
        over_images(call, [&](const detail::group_norm_room<Real>& room, index_t begin) {
            const auto blocks = detail::blocks_of(call.shape);
            const Real* const x = call.in[0] + begin;
            const Real* const x_dot = call.parts == 2 ? x + call.part() : nullptr;
            call.lane.for_each(C, room.images,
                               detail::packed_rows<detail::group_norm_push_sums<Real>>{
                                   {.room = room, .x = x, .x_dot = x_dot}});
            call.lane.for_each(groups, room.images,
                               detail::group_norm_push_groups<Real>{.room = room,
                                                                    .gain = call.theta,
                                                                    .epsilon = static_cast<Real>(epsilon),
                                                                    .parts = call.parts});
            call.lane.for_each(C, blocks.per_image() * room.images,
                               detail::packed_rows<detail::group_norm_push<Real>>{
                                   {.room = room,
                                    .blocks = blocks,
                                    .x = x,
                                    .x_dot = x_dot,
                                    .bias = call.theta + C,
                                    .y = call.out + begin,
                                    .y_dot = call.parts == 2 ? call.out + begin + call.part() : nullptr}});
        });
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        const index_t C = call.shape.channels;
        over_images(call, [&](const detail::group_norm_room<Real>& room, index_t begin) {
            const auto blocks = detail::blocks_of(call.shape);
            const Real *const x = call.in[0] + begin, *const k = call.k + begin;
            const Real* const x_dot = call.parts == 2 ? x + call.part() : nullptr;
            const Real* const k_dot = call.parts == 2 ? k + call.part() : nullptr;
            call.lane.for_each(C, room.images,
                               detail::packed_rows<detail::group_norm_pull_sums<Real>>{
                                   {.room = room, .x = x, .x_dot = x_dot, .k = k, .k_dot = k_dot}});
            call.lane.for_each(groups, room.images,
                               detail::group_norm_pull_groups<Real>{.room = room,
                                                                    .gain = call.theta,
                                                                    .epsilon = static_cast<Real>(epsilon),
                                                                    .parts = call.parts});
            if (call.gradient) {
                const Real *const of_bias = room.slot(2, 0, 0), *const of_gain = room.slot(3, 0, 0);
                call.lane.add_columns(of_gain, C, room.images, call.gradient);
                call.lane.add_columns(of_bias, C, room.images, call.gradient + C);
            }
            if (!call.to[0]) return;
            Real* const to = call.to[0] + begin;
            call.lane.for_each(C, blocks.per_image() * room.images,
                               detail::packed_rows<detail::group_norm_pull<Real>>{
                                   {.room = room,
                                    .blocks = blocks,
                                    .x = x,
                                    .x_dot = x_dot,
                                    .k = k,
                                    .k_dot = k_dot,
                                    .to = to,
                                    .to_dot = call.parts == 2 ? to + call.part() : nullptr,
                                    .add = call.adds[0]}});
        });
    }

private:
    /// Calls body(room, begin) for a few images at a time, as many as the room that the call was given for
    /// its work has numbers for, so that what the sums read is in the cache when it is read again; `begin` is
    /// the place of the first in the map.
    template <class Call, class Body>
    void over_images(const Call& call, const Body& body) const {
        const index_t size = call.shape.size(), share = call.scratch_size / (2 * call.parts * size),
                      most = share > 0 ? share : 1;
        for (index_t first = 0; first < call.images; first += most)
            body({.channels = call.shape.channels,
                  .groups = groups,
                  .pixels = call.shape.pixels(),
                  .images = std::min(most, call.images - first),
                  .numbers = call.scratch},
                 size * first);
    }
};

} // namespace diamond
