/// This header does the work of one thread on dense layers with Eigen.
#pragma once

#include <algorithm>
#include <array>

#include <Eigen/Core>
#include <unsupported/Eigen/SpecialFunctions>

#include <diamond/backend/detail/host_memory.hpp>
#include <diamond/backend/eigen_convolution.hpp>
#include <diamond/backend/eigen_packet.hpp>
#include <diamond/backend/eigen_product.hpp>
#include <diamond/concepts/backend.hpp>
#include <diamond/core/dense.hpp>

namespace diamond::eigen::detail {

/// Returns a/(1 + exp(-a)) of packets.
template <class Packet>
Packet silu_of(const Packet& a) {
    using namespace Eigen::internal;
    const Packet one = pset1<Packet>(typename unpacket_traits<Packet>::type{1});
    return pmul(a, pdiv(one, padd(one, pexp(pnegate(a)))));
}
/// Returns tanh of packets. Eigen has one for float. For double, it is a rational function of Cephes below
/// .625, where 1 - 2/(exp(2 a) + 1) cancels, and that elsewhere.
template <class Packet>
Packet tanh_of(const Packet& a) {
    using namespace Eigen::internal;
    using real = typename unpacket_traits<Packet>::type;
    if constexpr (sizeof(real) == sizeof(float) && packet_traits<real>::HasTanh) {
        return ptanh(a);
    } else {
        const auto number = [](double x) { return pset1<Packet>(static_cast<real>(x)); };
        const Packet square = pmul(a, a), size = pabs(a);
        Packet above = pmadd(square, number(-9.64399179425052238628e-1), number(-9.92877231001918586564e1));
        above = pmadd(square, above, number(-1.61468768441708447952e3));
        Packet below = padd(square, number(1.12811678491632931402e2));
        below = pmadd(square, below, number(2.23548839060100448583e3));
        below = pmadd(square, below, number(4.84406305325125486048e3));
        const Packet near = pmadd(pmul(a, square), pdiv(above, below), a);
        const Packet rest = psub(number(1.0), pdiv(number(2.0), padd(pexp(padd(size, size)), number(1.0))));
        const Packet far = pselect(pcmp_lt(a, number(0.0)), pnegate(rest), rest);
        return pselect(pcmp_lt(size, number(0.625)), near, far);
    }
}
/// Returns a where it is not negative, and left a elsewhere; but 0 where left is 0, also at -inf.
template <class Packet>
Packet rectified(const Packet& a, typename Eigen::internal::unpacket_traits<Packet>::type left) {
    using namespace Eigen::internal;
    const Packet zero = pzero(a);
    return pselect(pcmp_lt(a, zero), left == 0 ? zero : pmul(pset1<Packet>(left), a), a);
}
/// Returns the slope of what `rectified` returns: 1 where a is positive, and left elsewhere.
template <class Packet>
Packet rectified_slope(const Packet& a, typename Eigen::internal::unpacket_traits<Packet>::type left) {
    using namespace Eigen::internal;
    return pselect(pcmp_lt(pzero(a), a), pset1<Packet>(1), pset1<Packet>(left));
}
/// Returns the slope of relu or leaky_relu at negative numbers.
template <class Real>
constexpr Real left_slope(activation kind) {
    return kind == activation::leaky_relu ? static_cast<Real>(leaky_relu_slope) : Real{0};
}

/// This tile evaluates f, f' and f'' of an activation for 256 numbers at a time. What these share is computed
/// once and stays in the cache. SiLU, which needs less, has passes of its own.
template <class Real>
struct activation_tile {
    static constexpr index_t size = 256;
    using array = Eigen::Array<Real, size, 1>;
    using part = Eigen::Map<Eigen::Array<Real, Eigen::Dynamic, 1>>;
    using const_part = Eigen::Map<const Eigen::Array<Real, Eigen::Dynamic, 1>>;

    alignas(64) Real first[size], second[size];

    /// Calls body(tile, begin, n) for the parts of `count` numbers.
    template <class Body>
    static void over(index_t count, const Body& body) {
        activation_tile tile;
        for (index_t begin = 0; begin < count; begin += size)
            body(tile, begin, std::min(size, count - begin));
    }

    /// Computes what value, slope and curvature are made of: Phi and its density for GELU, tanh itself, and
    /// value and slope of ReLUs; of whole packets, since Eigen computes what is left over in another way,
    /// with other last bits.
    void prepare(activation kind, const_part numbers) {
        constexpr index_t lanes = Eigen::internal::packet_traits<Real>::size;
        const index_t n = numbers.size(), whole = (n + lanes - 1) / lanes * lanes;
        alignas(64) Real copy[size];
        if (whole > n) {
            std::copy_n(numbers.data(), n, copy);
            std::fill_n(copy + n, whole - n, Real{0});
        }
        const const_part a(whole > n ? copy : numbers.data(), whole);
        part one(first, whole), two(second, whole);
        if (kind == activation::gelu) {
            one = Real(0.5) * (Real{1} + (a * Real(0.70710678118654752440)).erf());
            two = Real(0.39894228040143267794) * (Real(-0.5) * a.square()).exp();
        } else if (kind != activation::identity) {
            using namespace Eigen::internal;
            using packet = typename packet_traits<Real>::type;
            const Real left = left_slope<Real>(kind);
            for (index_t i = 0; i < whole; i += lanes) {
                const packet x = ploadu<packet>(a.data() + i);
                if (kind == activation::tanh) {
                    pstoreu(first + i, tanh_of(x));
                } else {
                    pstoreu(first + i, rectified(x, left));
                    pstoreu(second + i, rectified_slope(x, left));
                }
            }
        }
    }
    /// Calls body(value, slope, curvature) with Eigen expressions for these three.
    template <class Body>
    void with(activation kind, const_part a, const Body& body) const {
        const const_part one(first, a.size()), two(second, a.size());
        if (kind == activation::gelu)
            body(a * one, one + a * two, two * (Real{2} - a.square().min(Real(1e4))));
        else if (kind == activation::tanh)
            body(one, Real{1} - one.square(), Real{-2} * one * (Real{1} - one.square()));
        else if (kind == activation::relu || kind == activation::leaky_relu)
            body(one, two, const_part::Constant(a.size(), Real{0}));
        else
            body(a, const_part::Constant(a.size(), Real{1}), const_part::Constant(a.size(), Real{0}));
    }
};

/// This is the lane of the Eigen back end. It does the work on dense layers that concepts/backend.hpp lists,
/// in the calling thread and with packing buffers of its own.
class dense_lane {
public:
    explicit dense_lane(owned_blocking<float>& of_float, owned_blocking<double>& of_double)
        : float_(of_float), double_(of_double) {}

    template <class Real>
    void product(transpose op_a, const Real* a, transpose op_b, const Real* b, Real* out, index_t rows,
                 index_t columns, index_t depth) {
        add_product(op_a, a, op_b, b, out, rows, columns, depth, blocking<Real>());
    }
    /// Writes to = f(a) + h and, if there are two parts, f'(a) a' + h' behind it. h may be null, and `to` may
    /// be a or h.
    template <class Real>
    void activate(activation kind, const Real* a, const Real* h, Real* to, index_t count, index_t parts) {
        using tile = activation_tile<Real>;
        using in = typename tile::const_part;
        using out = typename tile::part;
        if (parts == 1 && has_packets(kind)) return add_value(kind, a, h, to, count);
        if (kind == activation::silu) return add_silu(a, h, to, count);
        tile::over(count, [&](tile& t, index_t at, index_t n) {
            t.prepare(kind, in(a + at, n));
            t.with(kind, in(a + at, n), [&](const auto& value, const auto& slope, const auto&) {
                if (parts == 2) { // before the value, which may overwrite a
                    out tangent(to + count + at, n);
                    if (h)
                        tangent = slope * in(a + count + at, n) + in(h + count + at, n);
                    else
                        tangent = slope * in(a + count + at, n);
                }
                out result(to + at, n);
                if (h)
                    result = value + in(h + at, n);
                else
                    result = value;
            });
        });
    }
    /// Writes a = f'(a) k + f''(a) a' k' and, if there are two parts, a' = f'(a) k'.
    template <class Real>
    void pull_back(activation kind, const Real* k, Real* a, index_t count, index_t parts) {
        using tile = activation_tile<Real>;
        using in = typename tile::const_part;
        using out = typename tile::part;
        if (kind == activation::silu) return pull_back_silu(k, a, count, parts);
        tile::over(count, [&](tile& t, index_t at, index_t n) {
            t.prepare(kind, in(a + at, n));
            t.with(kind, in(a + at, n), [&](const auto&, const auto& slope, const auto& curvature) {
                out result(a + at, n);
                if (parts == 1) {
                    result = slope * in(k + at, n);
                } else {
                    out tangent(a + count + at, n);
                    alignas(64) Real kept[tile::size];
                    out slopes(kept, n);
                    slopes = slope;
                    result = slopes * in(k + at, n) + curvature * tangent * in(k + count + at, n);
                    tangent = slopes * in(k + count + at, n);
                }
            });
        });
    }
    /// Calls f(i, j) for i < rows and j < columns; a column's calls lie side by side.
    template <class F>
    void for_each(index_t rows, index_t columns, const F& f) {
        const F own = f; // no other thread sees it, so that its members stay in registers
        for (index_t j = 0; j < columns; ++j) diamond::detail::call_column<double_packet>(own, rows, j);
    }
    template <class Real>
    void copy(const Real* from, index_t count, Real* to) {
        std::copy_n(from, count, to);
    }
    template <class Real>
    void fill(Real* to, index_t count, Real value) {
        std::fill_n(to, count, value);
    }
    /// Writes out = W h + b for the first `columns` columns and, if there are two parts, W h for as many
    /// more.
    template <class Real>
    void affine(const Real* weights, const Real* bias, const Real* h, Real* out, index_t outputs,
                index_t columns, index_t inputs, index_t parts) {
        for (index_t j = 0; j < columns; ++j) std::copy_n(bias, outputs, out + outputs * j);
        std::fill_n(out + outputs * columns, (parts - 1) * outputs * columns, Real{0});
        product(transpose::no, weights, transpose::no, h, out, outputs, columns * parts, inputs);
    }
    /// Adds the sum of the columns of a to `out`.
    template <class Real>
    void add_columns(const Real* a, index_t rows, index_t columns, Real* out) {
        typename activation_tile<Real>::part sum(out, rows);
        for (index_t j = 0; j < columns; ++j)
            sum += typename activation_tile<Real>::const_part(a + rows * j, rows);
    }
    /// Writes a convolution of maps, or adds it; see convolution_pass.
    template <class Real>
    void convolve(const kernel_window& at, const kernel_weights<Real>& weights, const Real* bias,
                  const Real* map, index_t images, Real* out, bool add, Real* room, index_t room_size) {
        convolution_pass<Real>::convolve(at, weights, bias, map, images, out, add, room, room_size);
    }
    /// Adds the gradient of a convolution's weights, given the cotangents k; see convolution_pass.
    template <class Real>
    void correlate(const kernel_window& at, const Real* k, const Real* map, index_t images, Real* gradient,
                   Real* room, index_t room_size) {
        convolution_pass<Real>::correlate(at, k, map, images, gradient, room, room_size);
    }

private:
    /// Says whether the value alone of an activation is computed in one pass.
    static bool has_packets(activation kind) {
        return kind != activation::identity && kind != activation::gelu;
    }
    template <class Real>
    static void add_value(activation kind, const Real* a, const Real* h, Real* to, index_t count) {
        if (kind == activation::silu)
            add_packets([](const auto& x) { return silu_of(x); }, a, h, to, count);
        else if (kind == activation::tanh)
            add_packets([](const auto& x) { return tanh_of(x); }, a, h, to, count);
        else
            add_packets([left = left_slope<Real>(kind)](const auto& x) { return rectified(x, left); }, a, h,
                        to, count);
    }
    /// Writes to = f(a) + h in one pass, by packets from the first number to the last, so that no bit depends
    /// on an address. h may be null. This is the only copy of its loop: in another the compiler may fuse
    /// other products with other sums.
    template <class F, class Real>
    [[gnu::noinline]] static void add_packets(const F& f, const Real* a, const Real* h, Real* to,
                                              index_t count) {
        using namespace Eigen::internal;
        using numbers = typename packet_traits<Real>::type;
        constexpr index_t lanes = packet_traits<Real>::size;
        const auto value = [&](const Real* at, const Real* more) {
            const auto result = f(ploadu<numbers>(at));
            return more ? padd(result, ploadu<numbers>(more)) : result;
        };
        index_t i = 0;
        for (; i + lanes <= count; i += lanes) pstoreu(to + i, value(a + i, h ? h + i : nullptr));
        if (i == count) return;
        Real rest[2][static_cast<std::size_t>(lanes)] = {};
        std::copy_n(a + i, count - i, rest[0]);
        if (h) std::copy_n(h + i, count - i, rest[1]);
        pstoreu(rest[0], value(rest[0], h ? rest[1] : nullptr));
        std::copy_n(rest[0], count - i, to + i);
    }
    /// Writes what f(in, out) makes of packets, from the first number to the last, so that no bit depends on
    /// an address. This is the only copy of its loop.
    template <std::size_t In, std::size_t Out, class Real, class F>
    [[gnu::noinline]] static void map_packets(const std::array<const Real*, In>& in,
                                              const std::array<Real*, Out>& out, index_t count, const F& f) {
        using namespace Eigen::internal;
        using numbers = typename packet_traits<Real>::type;
        constexpr index_t lanes = packet_traits<Real>::size;
        const std::array<const Real*, In> from = in;
        const std::array<Real*, Out> to = out;
        numbers x[In], y[Out];
        index_t i = 0;
        for (; i + lanes <= count; i += lanes) {
            for (std::size_t s = 0; s < In; ++s) x[s] = ploadu<numbers>(from[s] + i);
            f(x, y);
            for (std::size_t s = 0; s < Out; ++s) pstoreu(to[s] + i, y[s]);
        }
        if (i == count) return;
        Real rest[static_cast<std::size_t>(lanes)] = {};
        for (std::size_t s = 0; s < In; ++s) {
            std::copy_n(from[s] + i, count - i, rest);
            x[s] = ploadu<numbers>(rest);
        }
        f(x, y);
        for (std::size_t s = 0; s < Out; ++s) {
            pstoreu(rest, y[s]);
            std::copy_n(rest, count - i, to[s] + i);
        }
    }
    /// SiLU and its derivatives, of packets.
    template <class Real>
    struct silu_packet {
        using packet = typename Eigen::internal::packet_traits<Real>::type;
        packet a, share, rest; ///< share = 1/(1 + exp(-a)), and rest = 1 - share

        static packet number(int value) { return Eigen::internal::pset1<packet>(static_cast<Real>(value)); }
        static silu_packet of(const packet& a) {
            using namespace Eigen::internal;
            const packet one = number(1), share = pdiv(one, padd(one, pexp(pnegate(a))));
            return {a, share, psub(one, share)};
        }
        [[nodiscard]] packet slope() const {
            using namespace Eigen::internal;
            return pmul(share, pmadd(a, rest, number(1)));
        }
        [[nodiscard]] packet curvature() const {
            using namespace Eigen::internal;
            return pmul(pmul(share, rest), pmadd(a, psub(rest, share), number(2)));
        }
    };
    /// Writes value and tangent of SiLU, plus h and h' unless h is null, in one pass.
    template <class Real>
    static void add_silu(const Real* a, const Real* h, Real* to, index_t count) {
        using namespace Eigen::internal;
        using packet = typename packet_traits<Real>::type;
        const std::array<Real*, 2> out{to, to + count};
        if (!h)
            return map_packets<2, 2, Real>({a, a + count}, out, count, [](const packet* x, packet* y) {
                const auto silu = silu_packet<Real>::of(x[0]);
                y[0] = pmul(x[0], silu.share);
                y[1] = pmul(silu.slope(), x[1]);
            });
        map_packets<4, 2, Real>({a, a + count, h, h + count}, out, count, [](const packet* x, packet* y) {
            const auto silu = silu_packet<Real>::of(x[0]);
            y[0] = padd(pmul(x[0], silu.share), x[2]);
            y[1] = padd(pmul(silu.slope(), x[1]), x[3]);
        });
    }
    /// Pulls cotangents back through SiLU in one pass.
    template <class Real>
    static void pull_back_silu(const Real* k, Real* a, index_t count, index_t parts) {
        using namespace Eigen::internal;
        using packet = typename packet_traits<Real>::type;
        if (parts == 1)
            return map_packets<2, 1, Real>({a, k}, {a}, count, [](const packet* x, packet* y) {
                y[0] = pmul(silu_packet<Real>::of(x[0]).slope(), x[1]);
            });
        map_packets<4, 2, Real>({a, a + count, k, k + count}, {a, a + count}, count,
                                [](const packet* x, packet* y) {
                                    const auto silu = silu_packet<Real>::of(x[0]);
                                    const packet slope = silu.slope();
                                    y[0] = pmadd(pmul(silu.curvature(), x[1]), x[3], pmul(slope, x[2]));
                                    y[1] = pmul(slope, x[3]);
                                });
    }
    template <class Real>
    owned_blocking<Real>& blocking() {
        if constexpr (sizeof(Real) == 4)
            return float_;
        else
            return double_;
    }
    owned_blocking<float>& float_;
    owned_blocking<double>& double_;
};

} // namespace diamond::eigen::detail
