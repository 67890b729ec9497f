/// Layers by which a time or a condition acts on a feature map: scale and shift of each channel, and a gate
/// (adaLN-zero). What acts is a map of one pixel, as a dense layer makes it of features of the time.
#pragma once

#include <diamond/nn/detail/pixels.hpp>

namespace diamond {

namespace detail {

/// Says where the numbers stand that act on the channels of an image: a map of one pixel, and its tangent.
template <class Real>
struct acting_map {
    Real *value, *tangent; ///< from the first channel that acts; null: not wanted, or no tangent
    index_t channels;      ///< of the map

    [[nodiscard]] DIAMOND_HD index_t place(index_t c, index_t image) const { return c + channels * image; }
};

/// Writes y = x (1 + s) + h of a block of pixels, and y' = x' (1 + s) + x s' + h'.
template <class Real>
struct modulate {
    using real = Real;
    static constexpr index_t relative_cost = 64;
    pixel_blocks blocks;
    acting_map<const Real> by;
    const Real *x, *x_dot; ///< x_dot is null without a tangent
    Real *y, *y_dot;

    template <class N>
    DIAMOND_HD void at(index_t c, index_t j) const {
        using access = number_access<N>;
        const index_t scale_at = by.place(c, blocks.image(j)), shift_at = scale_at + blocks.channels;
        const N scale = Real{1} + access::read(by.value + scale_at),
                shift = access::read(by.value + shift_at);
        const Real *const from = x, *const dots = x_dot;
        Real *const to = y, *const to_dot = y_dot;
        if (!x_dot)
            return blocks.over(
                c, j, [=](index_t i) { access::write(access::read(from + i) * scale + shift, to + i); });
        const N scale_dot = access::read(by.tangent + scale_at),
                shift_dot = access::read(by.tangent + shift_at);
        blocks.over(c, j, [=](index_t i) {
            const N number = access::read(from + i);
            access::write(number * scale + shift, to + i);
            access::write(access::read(dots + i) * scale + (number * scale_dot + shift_dot), to_dot + i);
        });
    }
};
/// Writes y = x + g z of a block of pixels, and y' = x' + g z' + g' z.
template <class Real>
struct add_gated {
    using real = Real;
    static constexpr index_t relative_cost = 64;
    pixel_blocks blocks;
    acting_map<const Real> by;
    const Real *x, *z, *x_dot, *z_dot; ///< x_dot and z_dot are null without a tangent
    Real *y, *y_dot;

    template <class N>
    DIAMOND_HD void at(index_t c, index_t j) const {
        using access = number_access<N>;
        const index_t gate_at = by.place(c, blocks.image(j));
        const N gate = access::read(by.value + gate_at);
        const Real *const from = x, *const more = z, *const dots = x_dot, *const more_dots = z_dot;
        Real *const to = y, *const to_dot = y_dot;
        if (!x_dot)
            return blocks.over(c, j, [=](index_t i) {
                access::write(access::read(from + i) + gate * access::read(more + i), to + i);
            });
        const N gate_dot = access::read(by.tangent + gate_at);
        blocks.over(c, j, [=](index_t i) {
            const N number = access::read(more + i);
            access::write(access::read(from + i) + gate * number, to + i);
            access::write(access::read(dots + i) + (gate * access::read(more_dots + i) + gate_dot * number),
                          to_dot + i);
        });
    }
};

/// Pulls cotangents back through a product of the numbers z of a map and a factor f of each channel, 1 + s or
/// g: z gets f k + f' k' and z' gets f k', where `to` is not null; f gets the sums over the pixels of z k +
/// z' k', and f' those of z k'. What is added besides, h, gets the sums of k, and h' those of k', where there
/// is one. The map that acts gets them added.
template <class Real>
struct pull_back_factor {
    using real = Real;
    static constexpr index_t relative_cost = 256;
    index_t channels, pixels;
    Real one; ///< what is added to the map's number to make f
    bool shifts, add;
    acting_map<const Real> by;
    acting_map<Real> of_by;
    const Real *z, *z_dot, *k, *k_dot; ///< z_dot and k_dot are null without a tangent
    Real *to, *to_dot;                 ///< null: not wanted

    template <class N>
    DIAMOND_HD void at(index_t c, index_t image) const {
        if (z_dot)
            both<N>(c, image);
        else
            value<N>(c, image);
    }

private:
    template <class N>
    DIAMOND_HD void value(index_t c, index_t image) const {
        using access = number_access<N>;
        const index_t first = c + channels * pixels * image, stride = channels, place = by.place(c, image);
        const N factor = one + access::read(by.value + place);
        const Real *const from = z + first, *const of_y = k + first;
        Real* const into = to ? to + first : nullptr;
        const bool adds = add;
        const auto sums = sums_over_pixels<N, 2>(pixels, [=](index_t p) {
            const N of = access::read(of_y + stride * p);
            if (into) put_number<N>(factor * of, adds, into + stride * p);
            return summands<N, 2>{{access::read(from + stride * p) * of, of}};
        });
        if (!of_by.value) return;
        put_number<N>(sums.at[0], true, of_by.value + place);
        if (shifts) put_number<N>(sums.at[1], true, of_by.value + place + channels);
    }
    template <class N>
    DIAMOND_HD void both(index_t c, index_t image) const {
        using access = number_access<N>;
        const index_t first = c + channels * pixels * image, stride = channels, place = by.place(c, image);
        const N factor = one + access::read(by.value + place), factor_dot = access::read(by.tangent + place);
        const Real *const from = z + first, *const dots = z_dot + first, *const of_y = k + first,
                          *const of_y_dot = k_dot + first;
        Real *const into = to ? to + first : nullptr, *const into_dot = to ? to_dot + first : nullptr;
        const bool adds = add;
        const auto sums = sums_over_pixels<N, 4>(pixels, [=](index_t p) {
            const index_t i = stride * p;
            const N of = access::read(of_y + i), of_dot = access::read(of_y_dot + i),
                    number = access::read(from + i), dot = access::read(dots + i);
            if (into) {
                put_number<N>(factor * of + factor_dot * of_dot, adds, into + i);
                put_number<N>(factor * of_dot, adds, into_dot + i);
            }
            return summands<N, 4>{{number * of + dot * of_dot, number * of_dot, of, of_dot}};
        });
        if (!of_by.value) return;
        put_number<N>(sums.at[0], true, of_by.value + place);
        put_number<N>(sums.at[1], true, of_by.tangent + place);
        if (!shifts) return;
        put_number<N>(sums.at[2], true, of_by.value + place + channels);
        put_number<N>(sums.at[3], true, of_by.tangent + place + channels);
    }
};

/// Returns the map that acts, of a call where it is the input `from`.
template <class Call>
[[nodiscard]] acting_map<const typename Call::real> acting_in(const Call& call, std::size_t from,
                                                              index_t first) {
    const auto* const map = call.in[from] + first;
    return {.value = map,
            .tangent = call.parts == 2 ? map + call.part(from) : nullptr,
            .channels = call.from[from].channels};
}
/// Pulls back through the product of the map `of` and the map that acts, `from`.
template <class Call>
void pull_back_acting(const Call& call, std::size_t of, std::size_t from, index_t first,
                      typename Call::real one, bool shifts) {
    using real = typename Call::real;
    if (!call.to[of] && !call.to[from]) return;
    const bool two = call.parts == 2;
    real* const acting = call.to[from] ? call.into(from) + first : nullptr;
    call.lane.for_each(call.shape.channels, call.images,
                       packed_rows<pull_back_factor<real>>{
                           {.channels = call.shape.channels,
                            .pixels = call.shape.pixels(),
                            .one = one,
                            .shifts = shifts,
                            .add = call.adds[of],
                            .by = acting_in(call, from, first),
                            .of_by = {.value = acting,
                                      .tangent = two && acting ? acting + call.part(from) : nullptr,
                                      .channels = call.from[from].channels},
                            .z = call.in[of],
                            .z_dot = two ? call.in[of] + call.part() : nullptr,
                            .k = call.k,
                            .k_dot = two ? call.k + call.part() : nullptr,
                            .to = call.to[of],
                            .to_dot = two && call.to[of] ? call.to[of] + call.part() : nullptr}});
}
/// @throws std::invalid_argument unless a map has one pixel and `needed` channels from `first` on.
inline void require_acting(const char* what, const feature_shape& map, index_t first, index_t needed) {
    require(map.pixels() == 1 && first >= 0 && first <= map.channels - needed, [&] {
        return std::string(what) + " by " + digits_of(needed) + " channels from " + digits_of(first) +
               " on of a feature map of " + to_string(map) + ": it must have them, and one pixel";
    });
}

} // namespace detail

/// The layer y(c, p) = x(c, p) (1 + s(c)) + h(c) of two maps, x of C channels and one of one pixel, whose
/// channels from `first` on are the C scales s and then the C shifts h (eq. modulation).
struct modulation {
    static constexpr std::string_view name = "modulation";
    index_t first = 0; ///< the first of the channels of the second map that act

    template <class Visit>
    void fields(const Visit& visit) {
        visit("first", first);
    }
    /// @throws std::invalid_argument unless the second map has one pixel and those channels.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 2);
        detail::require_acting("a modulation", from[1], first, 2 * from[0].channels);
        return from[0];
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        const auto blocks = detail::blocks_of(call.shape);
        const bool two = call.parts == 2;
        call.lane.for_each(
            call.shape.channels, blocks.per_image() * call.images,
            detail::packed_rows<detail::modulate<Real>>{{.blocks = blocks,
                                                         .by = detail::acting_in(call, 1, first),
                                                         .x = call.in[0],
                                                         .x_dot = two ? call.in[0] + call.part() : nullptr,
                                                         .y = call.out,
                                                         .y_dot = two ? call.out + call.part() : nullptr}});
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        detail::pull_back_acting(call, 0, 1, first, Real{1}, true);
    }
};

/// The layer y(c, p) = x(c, p) + g(c) z(c, p) of three maps, x and z of C channels and one of one pixel,
/// whose channels from `first` on are the C gates g: a residual connection that is closed where g = 0 (eq.
/// gated-sum).
struct gated_sum {
    static constexpr std::string_view name = "gated_sum";
    index_t first = 0; ///< the first of the channels of the third map that are gates

    template <class Visit>
    void fields(const Visit& visit) {
        visit("first", first);
    }
    /// @throws std::invalid_argument unless x and z have one shape, and the third map one pixel and those
    /// channels.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 3);
        require(from[0] == from[1], [&] {
            return "a gated sum of feature maps of " + to_string(from[0]) + " and " + to_string(from[1]) +
                   ": they must have one shape";
        });
        detail::require_acting("a gated sum", from[2], first, from[0].channels);
        return from[0];
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape>, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(std::span<const feature_shape>, index_t, index_t, index_t, const Visit&) const {}

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        const auto blocks = detail::blocks_of(call.shape);
        const bool two = call.parts == 2;
        call.lane.for_each(
            call.shape.channels, blocks.per_image() * call.images,
            detail::packed_rows<detail::add_gated<Real>>{{.blocks = blocks,
                                                          .by = detail::acting_in(call, 2, first),
                                                          .x = call.in[0],
                                                          .z = call.in[1],
                                                          .x_dot = two ? call.in[0] + call.part() : nullptr,
                                                          .z_dot = two ? call.in[1] + call.part() : nullptr,
                                                          .y = call.out,
                                                          .y_dot = two ? call.out + call.part() : nullptr}});
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        call.give(0, call.k);
        detail::pull_back_acting(call, 1, 2, first, Real{0}, false);
    }
};

} // namespace diamond
