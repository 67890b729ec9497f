/// The attention of the pixels of a feature map to one another (eq. attention), by heads.
///
/// For each image and head S = K^T Q/sqrt(size), P is the softmax of S's columns, one for each pixel that
/// asks, and O = V P. A tangent gives S' = (K'^T Q + K^T Q')/sqrt(size), P' = P (S' - <P S'>) and
/// O' = V' P + V P'. Back go, given the cotangents k of O and k' of O' (eq. attention-cotangent):
///   V gets k P^T + k' P'^T, and V' gets k' P^T;
///   P gets V^T k + V'^T k', and P' gets V^T k', of which the softmax makes D of S and D' of S'
///   (nn/column_softmax.hpp);
///   Q gets (K D + K' D')/sqrt(size), and Q' gets K D'/sqrt(size);
///   K gets (Q D^T + Q' D'^T)/sqrt(size), and K' gets Q D'^T/sqrt(size).
/// S and P are not kept, but made anew. Every product is of one image and one head, so that its extents, and
/// with them its bits, do not depend on the images beside it.
#pragma once

#include <algorithm>
#include <cmath>

#include <diamond/nn/column_softmax.hpp>
#include <diamond/nn/layers/layer.hpp>

namespace diamond {

namespace detail {

/// Says how the channels of maps of images of `tokens` pixels are cut: into `kinds` (queries, keys, values;
/// or one) of `heads` of `size`, the head the outer index. A unit is a head of an image, and a block is one
/// kind of a unit: size numbers of each token, which are copied a strip of tokens at a time.
struct attention_heads {
    index_t kinds, heads, size, tokens;
    static constexpr index_t strip = 8;

    [[nodiscard]] DIAMOND_HD index_t matrix() const { return size * tokens; }
    [[nodiscard]] DIAMOND_HD index_t channels() const { return kinds * heads * size; }
    /// Returns where the numbers of token t begin in the map, of a block counted from the first of unit
    /// `first`.
    [[nodiscard]] DIAMOND_HD index_t begin(index_t first, index_t block, index_t t) const {
        const index_t unit = first + block / kinds, kind = block % kinds;
        return size * (kind * heads + unit % heads) + channels() * (unit / heads * tokens + t);
    }
    [[nodiscard]] DIAMOND_HD index_t strips() const { return (tokens + strip - 1) / strip; }
    /// Returns how many tokens there are in a strip.
    [[nodiscard]] DIAMOND_HD index_t length(index_t of) const {
        return strip * (of + 1) > tokens ? tokens - strip * of : strip;
    }
};
/// Copies blocks of a map to matrices of their own, the first kind times a scale: f(strip, block) a strip of
/// tokens.
template <class Real>
struct take_heads {
    static constexpr index_t relative_cost = 128;
    attention_heads by;
    index_t first; ///< the first unit
    Real scale;
    const Real* map;
    Real* to;
    DIAMOND_HD void operator()(index_t strip, index_t block) const {
        const Real* read = map + by.begin(first, block, by.strip * strip);
        Real* write = to + by.matrix() * block + by.size * by.strip * strip;
        const Real times = block % by.kinds == 0 ? scale : Real{1};
        for (index_t t = by.length(strip); t > 0; --t) {
            for (index_t i = 0; i < by.size; ++i) write[i] = times * read[i];
            read += by.channels();
            write += by.size;
        }
    }
};
/// Copies them back, or adds them to the map.
template <class Real>
struct give_heads {
    static constexpr index_t relative_cost = 128;
    attention_heads by;
    index_t first; ///< the first unit
    Real scale;
    bool add;
    const Real* from;
    Real* map;
    DIAMOND_HD void operator()(index_t strip, index_t block) const {
        const Real* read = from + by.matrix() * block + by.size * by.strip * strip;
        Real* write = map + by.begin(first, block, by.strip * strip);
        const Real times = block % by.kinds == 0 ? scale : Real{1};
        for (index_t t = by.length(strip); t > 0; --t) {
            if (add)
                for (index_t i = 0; i < by.size; ++i) write[i] += times * read[i];
            else
                for (index_t i = 0; i < by.size; ++i) write[i] = times * read[i];
            read += by.size;
            write += by.channels();
        }
    }
};
} // namespace detail

/// The layer that makes C channels of 3 C: the queries Q, keys K and values V of all pixels, each `heads` of
/// size = C/heads channels. The channel (kind C + head size + i) of the map it is made of is row i of the
/// head's Q, K or V, for kind 0, 1, 2, as in_proj of PyTorch's MultiheadAttention and qkv of timm's Attention
/// give them; the channel (head size + i) of what it gives is row i of the head's O. It has no parameters:
/// convolutions of kernel 1 before and behind it have them.
struct self_attention {
    static constexpr std::string_view name = "self_attention";
    index_t heads = 1; ///< into which the channels are cut

    template <class Visit>
    void fields(const Visit& visit) {
        visit("heads", heads);
    }
    /// @throws std::invalid_argument unless the channels are 3 heads times a whole number.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        require(heads > 0 && heads <= from[0].channels && from[0].channels % (3 * heads) == 0, [&] {
            return "self-attention of " + digits_of(heads) + " heads in a feature map of " +
                   to_string(from[0]) +
                   ": its channels are queries, keys and values of each head, a multiple of 3 times the "
                   "heads, which are 1 or more";
        });
        return {from[0].channels / 3, from[0].height, from[0].width};
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape>) const { return {}; }
    [[nodiscard]] index_t scratch(std::span<const feature_shape> from, index_t, index_t parts) const {
        return backward_numbers(cut(from[0], 3), parts);
    }
    template <class Visit>
    void products(std::span<const feature_shape> from, index_t, index_t, index_t, const Visit& visit) const {
        const auto by = cut(from[0], 3);
        visit(by.tokens, by.tokens, by.size);
        visit(by.size, by.tokens, by.tokens);
    }
    /// Returns the multiplications and additions of its products of an image.
    [[nodiscard]] double operations(std::span<const feature_shape> from) const {
        const auto tokens = static_cast<double>(from[0].pixels());
        return 4.0 / 3.0 * static_cast<double>(from[0].channels) * tokens * tokens;
    }

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        const auto by = cut(call.from[0], 3), result = cut(call.from[0], 1);
        const index_t parts = call.parts, matrix = by.matrix(), square = by.tokens * by.tokens;
        over_units(call, forward_numbers(by, parts), [&](index_t first, index_t units) {
            const heads_of<Real> in{call.scratch, matrix, units};
            Real* const scores = in.end(parts);
            const index_t all_scores = square * units, all_out = matrix * units;
            Real* const out = scores + parts * all_scores;
            take(call, by, first, units, call.in[0], call.part(0), scale_of<Real>(by), call.scratch);
            call.lane.fill(scores, parts * (all_scores + all_out), Real{0});
            for (index_t u = 0; u < units; ++u)
                add_scores(call, by, in, u, scores + square * u, scores + all_scores + square * u);
            soften(call, by, units, scores, scores + all_scores, scores + all_scores);
            for (index_t u = 0; u < units; ++u) {
                const Real *const p = scores + square * u, *const p_dot = p + all_scores;
                product<transpose::no, transpose::no>(call, in.value(2, u), p, out + matrix * u, by.size,
                                                      by.tokens, by.tokens);
                if (parts == 1) continue;
                Real* const dot = out + all_out + matrix * u;
                product<transpose::no, transpose::no>(call, in.tangent(2, u), p, dot, by.size, by.tokens,
                                                      by.tokens);
                product<transpose::no, transpose::no>(call, in.value(2, u), p_dot, dot, by.size, by.tokens,
                                                      by.tokens);
            }
            give(call, result, first, units, out, Real{1}, false, call.out, call.part());
        });
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        if (!call.to[0]) return;
        const auto by = cut(call.from[0], 3), result = cut(call.from[0], 1);
        const index_t parts = call.parts, matrix = by.matrix(), square = by.tokens * by.tokens;
        over_units(call, backward_numbers(by, parts), [&](index_t first, index_t units) {
            const index_t all = square * units;
            const heads_of<Real> in{call.scratch, matrix, units}, to{in.end(parts), matrix, units};
            Real* const k_of = to.end(parts);
            // P, a, and where there are tangents S' and P', which becomes a'.
            Real *const p_of = k_of + parts * matrix * units, *const a_of = p_of + all,
                        *const s_of = a_of + all, *const dot_of = s_of + all;
            take(call, by, first, units, call.in[0], call.part(0), scale_of<Real>(by), call.scratch);
            take(call, result, first, units, static_cast<const Real*>(call.k), call.part(), Real{1}, k_of);
            call.lane.fill(to.value(0, 0), parts * 3 * matrix * units, Real{0});
            call.lane.fill(p_of, parts * 2 * all, Real{0});
            for (index_t u = 0; u < units; ++u)
                add_scores(call, by, in, u, p_of + square * u, s_of + square * u);
            soften(call, by, units, p_of, s_of, dot_of);
            const auto v_gets = [&](index_t u, const Real* k, const Real* p, Real* v) {
                product<transpose::no, transpose::yes>(call, k + matrix * u, p + square * u, v, by.size,
                                                       by.tokens, by.tokens);
            };
            for (index_t u = 0; u < units; ++u) {
                const Real* const k = k_of + matrix * units;
                v_gets(u, k_of, p_of, to.value(2, u));
                if (parts == 1) continue;
                v_gets(u, k, dot_of, to.value(2, u));
                v_gets(u, k, p_of, to.tangent(2, u));
            }
            if (parts == 2) call.lane.fill(dot_of, all, Real{0});
            const auto p_gets = [&](index_t u, const Real* v, const Real* k, Real* a) {
                product<transpose::yes, transpose::no>(call, v, k + matrix * u, a + square * u, by.tokens,
                                                       by.tokens, by.size);
            };
            for (index_t u = 0; u < units; ++u) {
                const Real* const k = k_of + matrix * units;
                p_gets(u, in.value(2, u), k_of, a_of);
                if (parts == 1) continue;
                p_gets(u, in.tangent(2, u), k, a_of);
                p_gets(u, in.value(2, u), k, dot_of);
            }
            call.lane.for_each(
                index_t{1}, by.tokens * units,
                detail::packed_column<detail::pull_back_softmax<Real>>{{.p = p_of,
                                                                        .s_dot = parts == 2 ? s_of : nullptr,
                                                                        .a = a_of,
                                                                        .a_dot = dot_of,
                                                                        .rows = by.tokens}});
            const auto q_and_k_get = [&](index_t u, const Real* q, const Real* k, const Real* d, Real* to_q,
                                         Real* to_k) {
                product<transpose::no, transpose::no>(call, k, d + square * u, to_q, by.size, by.tokens,
                                                      by.tokens);
                product<transpose::no, transpose::yes>(call, q, d + square * u, to_k, by.size, by.tokens,
                                                       by.tokens);
            };
            for (index_t u = 0; u < units; ++u) {
                q_and_k_get(u, in.value(0, u), in.value(1, u), a_of, to.value(0, u), to.value(1, u));
                if (parts == 1) continue;
                q_and_k_get(u, in.tangent(0, u), in.tangent(1, u), dot_of, to.value(0, u), to.value(1, u));
                q_and_k_get(u, in.value(0, u), in.value(1, u), dot_of, to.tangent(0, u), to.tangent(1, u));
            }
            give(call, by, first, units, static_cast<const Real*>(to.value(0, 0)), scale_of<Real>(by),
                 call.adds[0], call.to[0], call.part(0));
        });
    }

private:
    /// Holds where the matrices of queries, keys and values of heads are: those of the values, and behind
    /// them those of the tangents.
    template <class Real>
    struct heads_of {
        Real* base;
        index_t matrix, units;
        [[nodiscard]] Real* value(index_t kind, index_t unit) const {
            return base + matrix * (kind + 3 * unit);
        }
        [[nodiscard]] Real* tangent(index_t kind, index_t unit) const { return value(kind, unit + units); }
        [[nodiscard]] Real* end(index_t parts) const { return base + matrix * 3 * units * parts; }
    };

    [[nodiscard]] detail::attention_heads cut(const feature_shape& from, index_t kinds) const {
        return {.kinds = kinds, .heads = heads, .size = from.channels / (3 * heads), .tokens = from.pixels()};
    }
    template <class Real>
    [[nodiscard]] static Real scale_of(const detail::attention_heads& by) {
        return static_cast<Real>(1.0 / std::sqrt(static_cast<double>(by.size)));
    }
    [[nodiscard]] static index_t forward_numbers(const detail::attention_heads& by, index_t parts) {
        return parts * by.tokens * (4 * by.size + by.tokens);
    }
    [[nodiscard]] static index_t backward_numbers(const detail::attention_heads& by, index_t parts) {
        return parts * by.tokens * (7 * by.size + 2 * by.tokens);
    }
    /// Calls body(first, units) for groups of units, images and heads, that work in the scratch together.
    template <class Call, class Body>
    void over_units(const Call& call, index_t numbers, const Body& body) const {
        const index_t all = call.images * heads, group = std::max(call.scratch_size / numbers, index_t{1});
        for (index_t first = 0; first < all; first += group) body(first, std::min(group, all - first));
    }
    template <transpose OpA, transpose OpB, class Call, class Real>
    static void product(const Call& call, const Real* a, const Real* b, Real* out, index_t rows,
                        index_t columns, index_t depth) {
        call.lane.product(OpA, a, OpB, b, out, rows, columns, depth);
    }
    template <class Call, class Real>
    static void take(const Call& call, const detail::attention_heads& by, index_t first, index_t units,
                     const Real* map, index_t part, Real scale, Real* to) {
        for (index_t p = 0; p < call.parts; ++p)
            call.lane.for_each(by.strips(), by.kinds * units,
                               detail::take_heads<Real>{.by = by,
                                                        .first = first,
                                                        .scale = scale,
                                                        .map = map + p * part,
                                                        .to = to + p * by.kinds * units * by.matrix()});
    }
    template <class Call, class Real>
    static void give(const Call& call, const detail::attention_heads& by, index_t first, index_t units,
                     const Real* from, Real scale, bool add, Real* map, index_t part) {
        for (index_t p = 0; p < call.parts; ++p)
            call.lane.for_each(by.strips(), by.kinds * units,
                               detail::give_heads<Real>{.by = by,
                                                        .first = first,
                                                        .scale = scale,
                                                        .add = add,
                                                        .from = from + p * by.kinds * units * by.matrix(),
                                                        .map = map + p * part});
    }
    /// Adds K^T Q to the scores of a unit, and their tangent to s_dot.
    template <class Call, class Real>
    static void add_scores(const Call& call, const detail::attention_heads& by, const heads_of<Real>& in,
                           index_t u, Real* s, Real* s_dot) {
        const auto add = [&](const Real* k, const Real* q, Real* to) {
            product<transpose::yes, transpose::no>(call, k, q, to, by.tokens, by.tokens, by.size);
        };
        add(in.value(1, u), in.value(0, u), s);
        if (call.parts == 1) return;
        add(in.tangent(1, u), in.value(0, u), s_dot);
        add(in.value(1, u), in.tangent(0, u), s_dot);
    }
    template <class Call, class Real>
    static void soften(const Call& call, const detail::attention_heads& by, index_t units, Real* s,
                       const Real* s_dot, Real* p_dot) {
        call.lane.for_each(
            index_t{1}, by.tokens * units,
            detail::packed_column<detail::softmax_column<Real>>{
                {.s = s, .s_dot = call.parts == 2 ? s_dot : nullptr, .p_dot = p_dot, .rows = by.tokens}});
    }
};

} // namespace diamond
