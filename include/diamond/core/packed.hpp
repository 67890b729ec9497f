/// Elementwise work that needs square roots and choices is written once for a number N, which is a double, or
/// a packet: the doubles of as many coordinates as a register of the processor holds. A compiler does not
/// make the second of the first where roots may set errno.
///
/// nvcc takes no packets in what may run on a device: units that it compiles have loops over single numbers,
/// and in a program of both the linker keeps one of two for each functor, whose results differ in last bits.
///
/// A functor of this kind has `template <class N> void at(index_t i, index_t j) const`, which computes as
/// many rows of column j as N holds numbers, from row i on, and is given to for_each as packed{functor}. One
/// whose work is on a column as a whole has `template <class N> void at(index_t j) const`, where N holds
/// numbers of its own type `real`, and is given to for_each(1, n, ...) as packed_column{functor}. One that
/// has `at(i, j)` for as many rows as N holds numbers of its own type is given to for_each as
/// packed_rows{functor}. A back end that has packets specialises number_access for them.
#pragma once

#include <cmath>
#include <type_traits>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// How numbers of the type N are read, written and made: for a double.
template <class N>
struct number_access {
    static constexpr index_t lanes = 1; ///< the coordinates that N holds
    template <class Real>
    static DIAMOND_HD N read(const Real* from) {
        return static_cast<N>(*from);
    }
    template <class Real>
    static DIAMOND_HD void write(N value, Real* to) {
        *to = static_cast<Real>(value);
    }
    static DIAMOND_HD N root(N value) { return std::sqrt(value); }
    /// Returns exp x for x <= 0, 0 where that is about the least normal number or less, and NaN for NaN.
    static DIAMOND_HD N exp_nonpositive(N value) {
        if constexpr (sizeof(N) == sizeof(double))
            return diamond::exp_nonpositive(value);
        else
            return value < N{-87} ? N{0} : std::exp(value);
    }
    /// Returns the sum of the coordinates, one after the other.
    static DIAMOND_HD N sum(N value) { return value; }
    /// Returns the sum of the coordinates, in the order that is fastest.
    static DIAMOND_HD N total(N value) { return value; }
    /// Returns the largest of the coordinates.
    static DIAMOND_HD N largest(N value) { return value; }
    /// Returns the last `count` coordinates, and 0 in place of those before.
    static DIAMOND_HD N last_of(N value, index_t) { return value; }
};

/// Reads `lanes` numbers, one below the other.
template <class N, class View>
[[nodiscard]] DIAMOND_HD N read_numbers(const View& from, index_t i, index_t j = 0) {
    return number_access<N>::read(from.data() + from.rows() * j + i);
}
/// Writes as many.
template <class N, class View>
DIAMOND_HD void write_numbers_to(const View& to, index_t i, index_t j, N value) {
    number_access<N>::write(value, to.data() + to.rows() * j + i);
}

/// Makes a functor of (i, j) of one whose `at` serves several coordinates.
template <class Functor>
struct packed {
    static constexpr index_t relative_cost = Functor::relative_cost;
    Functor functor;
    DIAMOND_HD void operator()(index_t i, index_t j) const { functor.template at<double>(i, j); }
};
template <class Functor>
packed(Functor) -> packed<Functor>; // g++ 12 and nvcc need no guide, clang 16 does

/// Makes a functor of (0, j) of one whose `at` does a whole column.
template <class Functor>
struct packed_column {
    static constexpr index_t relative_cost = Functor::relative_cost;
    using real = typename Functor::real;
    Functor functor;
    DIAMOND_HD void operator()(index_t, index_t j) const { functor.template at<real>(j); }
};
template <class Functor>
packed_column(Functor) -> packed_column<Functor>;

/// Makes a functor of (i, j) of one whose `at` serves several rows, by numbers of its own type.
template <class Functor>
struct packed_rows {
    static constexpr index_t relative_cost = Functor::relative_cost;
    using real = typename Functor::real;
    Functor functor;
    DIAMOND_HD void operator()(index_t i, index_t j) const { functor.template at<real>(i, j); }
};
template <class Functor>
packed_rows(Functor) -> packed_rows<Functor>;

template <class F>
inline constexpr bool takes_packets = false;
template <class F>
inline constexpr bool takes_column = false;
template <class F>
inline constexpr bool takes_rows = false;
#ifndef __CUDACC__
template <class Functor>
inline constexpr bool takes_packets<packed<Functor>> = true;
template <class Functor>
inline constexpr bool takes_column<packed_column<Functor>> = true;
template <class Functor>
inline constexpr bool takes_rows<packed_rows<Functor>> = true;
#endif

/// Does a column as a whole, by packets of the type N, in the only copy of its loop: in another the compiler
/// may fuse other products with other sums.
template <class N, class Functor>
[[gnu::noinline]] void call_whole_column(const Functor& f, index_t j) {
    f.template at<N>(j);
}
/// Does the rows of a column by packets of the type N, and those that are left one by one, in the only copy
/// of its loop.
template <class N, class Functor>
[[gnu::noinline]] void call_rows(const Functor& f, index_t rows, index_t j) {
    index_t i = 0;
    for (constexpr index_t lanes = number_access<N>::lanes; i + lanes <= rows; i += lanes)
        f.template at<N>(i, j);
    if constexpr (number_access<N>::lanes > 1)
        for (; i < rows; ++i) f.template at<typename Functor::real>(i, j);
}
/// Calls f for the rows of one column, by packets of the type N where f takes them.
template <class N, class F>
void call_column(const F& f, index_t rows, index_t j) {
    if constexpr (takes_column<F>)
        return call_whole_column<typename number_access<N>::template of<typename F::real>>(f.functor, j);
    if constexpr (takes_rows<F>)
        return call_rows<typename number_access<N>::template of<typename F::real>>(f.functor, rows, j);
    index_t i = 0;
    if constexpr (takes_packets<F>)
        for (constexpr index_t lanes = number_access<N>::lanes; i + lanes <= rows; i += lanes)
            f.functor.template at<N>(i, j);
    for (; i < rows; ++i) f(i, j);
}

} // namespace diamond::detail
