/// Linear sums of batches are written as lines of mathematics: a * x + b * y, which assign
/// (core/expression.hpp) writes.
///
/// The terms are batches, views of them or scratch, all d x N and of one number type; the factors are
/// doubles. An operator makes a linear_sum, which holds views and numbers and computes nothing; assign lowers
/// it to the kernel of core/combine.hpp, in the particles' own arithmetic. A factor of 0 switches its term
/// off, whatever stands there. Coefficients that differ from column to column are `combine`'s.
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/core/combine.hpp>

namespace diamond {

/// This is sum_k factor_k term_k.
template <class Real, class Context, int K>
struct linear_sum {
    /// The K batches, all d x N, which are not owned.
    batch_view<const Real, Context> term[static_cast<std::size_t>(K)];
    numbers<K> factor; ///< The K factors, the k-th of term[k]; one of 0 switches its term off.
};

namespace detail {
/// This names the type that an operand has as a linear sum, and makes the operand one.
template <class T>
struct summand {};
template <class Value, class Context>
struct summand<batch_view<Value, Context>> {
    using type = linear_sum<std::remove_const_t<Value>, Context, 1>;
    static type of(batch_view<Value, Context> x) { return {{x}, {{1.0}}}; }
};
template <class Real, class Context>
struct summand<owning_batch<Real, Context>> {
    using type = linear_sum<Real, Context, 1>;
    static type of(const owning_batch<Real, Context>& x) { return {{x.read()}, {{1.0}}}; }
};
template <class Real, class Context>
struct summand<scratch<Real, Context>> : summand<owning_batch<Real, Context>> {};
template <class Real, class Context, int K>
struct summand<linear_sum<Real, Context, K>> {
    using type = linear_sum<Real, Context, K>;
    static const type& of(const type& x) { return x; }
};
template <class T>
concept summable = requires { typename summand<T>::type; };
template <class T>
using summand_t = typename summand<T>::type;

template <class L, class R>
struct joined_type;
template <class Real, class Context, int K, int M>
struct joined_type<linear_sum<Real, Context, K>, linear_sum<Real, Context, M>> {
    using type = linear_sum<Real, Context, K + M>;
};
template <class L, class R>
using joined_t = typename joined_type<summand_t<L>, summand_t<R>>::type;
template <class L, class R>
concept add_up = summable<L> && summable<R> && requires { typename joined_t<L, R>; };

template <class Real, class Context, int K, int M, std::size_t... I, std::size_t... J>
linear_sum<Real, Context, K + M> joined(const linear_sum<Real, Context, K>& left,
                                        const linear_sum<Real, Context, M>& right, double sign,
                                        std::index_sequence<I...>, std::index_sequence<J...>) {
    return {{left.term[I]..., right.term[J]...},
            {{left.factor.value[I]..., (sign * right.factor.value[J])...}}};
}
template <class Real, class Context, int K, int M>
linear_sum<Real, Context, K + M> joined(const linear_sum<Real, Context, K>& left,
                                        const linear_sum<Real, Context, M>& right, double sign) {
    return joined(left, right, sign, std::make_index_sequence<static_cast<std::size_t>(K)>{},
                  std::make_index_sequence<static_cast<std::size_t>(M)>{});
}
template <class Real, class Context, int K>
linear_sum<Real, Context, K> times(double factor, linear_sum<Real, Context, K> sum) {
    for (double& each : sum.factor.value) each *= factor;
    return sum;
}
template <class Real, class Context, int K, std::size_t... I>
void write_sum(batch_view<Real, Context> out, const linear_sum<Real, Context, K>& sum,
               std::index_sequence<I...>) {
    combine(coefficients<K>(sum.factor), out, sum.term[I]...);
}
} // namespace detail

/// Returns the sum with every factor multiplied by `factor`; nothing is computed on elements yet.
template <detail::summable X>
[[nodiscard]] detail::summand_t<X> operator*(double factor, const X& x) {
    return detail::times(factor, detail::summand<X>::of(x));
}
/// Returns the sum with every factor multiplied by `factor`, as factor * x does.
template <detail::summable X>
[[nodiscard]] detail::summand_t<X> operator*(const X& x, double factor) {
    return factor * x;
}
/// This costs one division, and a product a number: x / a is (1/a) x.
template <detail::summable X>
[[nodiscard]] detail::summand_t<X> operator/(const X& x, double divisor) {
    return (1.0 / divisor) * x;
}
/// Returns the sum with the sign of every factor changed.
template <detail::summable X>
[[nodiscard]] detail::summand_t<X> operator-(const X& x) {
    return -1.0 * x;
}
/// The sum of two batches or sums of one shape.
template <class L, class R>
    requires detail::add_up<L, R>
[[nodiscard]] detail::joined_t<L, R> operator+(const L& left, const R& right) {
    return detail::joined(detail::summand<L>::of(left), detail::summand<R>::of(right), 1.0);
}
/// The difference of two batches or sums of one shape.
template <class L, class R>
    requires detail::add_up<L, R>
[[nodiscard]] detail::joined_t<L, R> operator-(const L& left, const R& right) {
    return detail::joined(detail::summand<L>::of(left), detail::summand<R>::of(right), -1.0);
}

} // namespace diamond
