/// Elementwise mathematics as lines: assign(out, exp(w - high)), assign(out, select(w > floor, w, floor)).
///
/// The operands are batches and views of them (d x N), rows (one number for each column), times, numbers in
/// the back end's memory (number_at) and doubles. Operators and functions make small structs that compute
/// nothing; assign runs them over the elements by one for_each of the back end. There are two arithmetics:
///   - a linear sum of batches alone (core/linear_sum.hpp) is written by `combine`, in the particles' own
///   type;
///   - everything else is computed element by element in double and rounded once, where it is written.
/// An expression over rows is also a functor of the column, f(j), and one over batches of the element, f(i,
/// j): it can be given to a context's sum, max, column_sums, find_first and forbid as it is; one over batches
/// does not compile as f(j). What has no operator here is a plain DIAMOND_HD function of numbers,
/// elementwise<f>(a, b, ...): so is a number added to a batch, for + and - of batches are a linear sum's.
/// Integers of 64 bits, which a double does not hold, are no operands. An expression holds views: it must not
/// outlive what it reads.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

#include <diamond/core/interval.hpp>
#include <diamond/core/linear_sum.hpp>
#include <diamond/core/row.hpp>

namespace diamond {

/// A tree of operations on elements, as the factories of this file make it.
template <class E>
concept expression = requires { typename E::is_expression; };

// The nodes stand in this namespace, where their operators are looked for.

/// The extents that an expression's operands have; -1 where any number fits.
struct extents {
    index_t rows = -1, columns = -1; ///< The rows d and the columns N; -1 where the operand fits any number.
};

/// A number as an operand: the same in each element.
struct constant_number {
    using is_expression = void;
    double number; ///< The value of every element, held by value in double.
    extents shape() const { return {}; }
    DIAMOND_HD double operator()(index_t, index_t) const { return number; }
    DIAMOND_HD double operator()(index_t) const { return number; }
};
/// A number in the back end's memory as an operand, which number_at makes.
struct number_in_memory {
    using is_expression = void;
    const double* at; ///< Where it is, in the memory of the operands' context.
    extents shape() const { return {}; }
    DIAMOND_HD double operator()(index_t, index_t) const { return *at; }
    DIAMOND_HD double operator()(index_t) const { return *at; }
};
/// The column's own number, 0 ... N - 1, as an operand, which column_number makes.
struct own_column {
    using is_expression = void;
    extents shape() const { return {}; }
    DIAMOND_HD double operator()(index_t, index_t j) const { return static_cast<double>(j); }
    DIAMOND_HD double operator()(index_t j) const { return static_cast<double>(j); }
};
/// A time as an operand: one number, or one for each column.
struct time_of_column {
    using is_expression = void;
    time_view t; ///< One time for all columns, or one for each of them.
    extents shape() const { return {}; }
    DIAMOND_HD double operator()(index_t, index_t j) const { return t[j]; }
    DIAMOND_HD double operator()(index_t j) const { return t[j]; }
};
/// A row as an operand: one number for each column.
template <class Value>
struct number_of_column {
    using is_expression = void;
    const Value* data; ///< One number a column, in the back end's memory and not owned.
    index_t columns;   ///< The number of columns N, which the expression must have.
    extents shape() const { return {-1, columns}; }
    DIAMOND_HD Value operator()(index_t, index_t j) const { return data[j]; }
    DIAMOND_HD Value operator()(index_t j) const { return data[j]; }
};
/// A batch as an operand: a number for each element.
template <class Value>
struct element_of_batch {
    using is_expression = void;
    const Value* data;     ///< The elements, column by column, in the back end's memory.
    index_t rows, columns; ///< The rows d and the columns N of the batch.
    extents shape() const { return {rows, columns}; }
    DIAMOND_HD Value operator()(index_t i, index_t j) const { return data[i + rows * j]; }
};

/// Row i of a batch: f(j) = x(i, j). It is read in expressions of rows, and never written.
template <class Value, class Context>
struct row_of_batch {
    using is_expression = void;
    batch_view<const Value, Context> x; ///< The batch, d x N.
    index_t i;                          ///< The row that is read, 0 <= i < d.
    extents shape() const { return {-1, x.columns()}; }
    DIAMOND_HD Value operator()(index_t j) const { return x(i, j); }
    DIAMOND_HD Value operator()(index_t, index_t j) const { return x(i, j); }
};
/// A vector of d numbers in each column of an expression of d rows: f(i, j) is its i-th number.
template <class Value, class Context>
struct element_of_vector {
    using is_expression = void;
    batch_view<const Value, Context> numbers; ///< d x 1 or 1 x d
    extents shape() const { return {numbers.size(), -1}; }
    DIAMOND_HD Value operator()(index_t i, index_t) const { return numbers[i]; }
};
/// A linear sum as an operand: in double, as all that stands around it, and a term whose factor is 0 is off.
template <class Real, class Context, int K>
struct element_of_sum {
    using is_expression = void;
    linear_sum<Real, Context, K> of; ///< The K terms and their factors; an element is added up in double.
    /// @throws std::invalid_argument with both shapes where the terms are of different ones.
    extents shape() const {
        for (const auto& term : of.term) require_same_shape("a linear sum", of.term[0], term);
        return {of.term[0].rows(), of.term[0].columns()};
    }
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        double sum = 0.0;
        for (int k = 0; k < K; ++k) {
            const double factor = of.factor.value[k];
            sum += factor == 0.0 ? 0.0 : factor * static_cast<double>(of.term[k](i, j));
        }
        return sum;
    }
};

namespace detail {
template <std::size_t, class E>
struct argument {
    E value;
};
} // namespace detail
/// f(a(i, j), b(i, j), ...).
template <auto F, class Places, class... Arguments>
struct applied;
/// The node itself; f is a DIAMOND_HD function of numbers, and its arguments are operands.
template <auto F, std::size_t... I, class... Arguments>
struct applied<F, std::index_sequence<I...>, Arguments...> : detail::argument<I, Arguments>... {
    using is_expression = void;
    /// @throws std::invalid_argument with both numbers where the operands are of different shapes.
    extents shape() const {
        extents result;
        const auto join = [&](extents next) {
            const auto agree = [](index_t& own, index_t other, const char* what) {
                require(own < 0 || other < 0 || own == other, [&] {
                    return "an expression of operands with " + digits_of(own) + " and with " +
                           digits_of(other) + what;
                });
                own = own < 0 ? other : own;
            };
            agree(result.rows, next.rows, " rows");
            agree(result.columns, next.columns, " columns");
        };
        (join(detail::argument<I, Arguments>::value.shape()), ...);
        return result;
    }
    DIAMOND_HD auto operator()(index_t i, index_t j) const {
        return F(detail::argument<I, Arguments>::value(i, j)...);
    }
    DIAMOND_HD auto operator()(index_t j) const { return F(detail::argument<I, Arguments>::value(j)...); }
};

namespace detail {
/// How a T stands in an expression.
template <class T>
struct operand;
template <expression E>
struct operand<E> {
    using type = E;
    static const E& of(const E& e) { return e; }
};
template <class T>
    requires std::is_arithmetic_v<T>
struct operand<T> {
    using type = constant_number;
    static constant_number of(T number) { return {static_cast<double>(number)}; }
};
template <>
struct operand<time_view> {
    using type = time_of_column;
    static type of(time_view t) { return {t}; }
};
/// Whether double holds all numbers of a type.
template <class Value>
concept fits_double = std::is_floating_point_v<std::remove_const_t<Value>> || sizeof(Value) <= 4;
template <fits_double Value, class Context>
struct operand<row_view<Value, Context>> {
    using type = number_of_column<std::remove_const_t<Value>>;
    static type of(row_view<Value, Context> x) { return {x.data(), x.columns()}; }
};
template <fits_double Value, class Context>
struct operand<batch_view<Value, Context>> {
    using type = element_of_batch<std::remove_const_t<Value>>;
    static type of(batch_view<Value, Context> x) { return {x.data(), x.rows(), x.columns()}; }
};
template <fits_double Real, class Context>
struct operand<owning_batch<Real, Context>> {
    using type = element_of_batch<Real>;
    static type of(const owning_batch<Real, Context>& x) { return {x.data(), x.rows(), x.columns()}; }
};
template <class Real, class Context>
struct operand<scratch<Real, Context>> : operand<owning_batch<Real, Context>> {};
template <class Real, class Context, int K>
struct operand<linear_sum<Real, Context, K>> {
    using type = element_of_sum<Real, Context, K>;
    static type of(const linear_sum<Real, Context, K>& x) { return {x}; }
};
template <class T>
using operand_t = typename operand<T>::type;
template <class T>
concept is_operand = requires { typename operand<T>::type; };

template <auto F, class... T>
using applied_t = applied<F, std::index_sequence_for<T...>, operand_t<T>...>;

template <class T>
struct is_row : std::false_type {};
template <class Value, class Context>
struct is_row<row_view<Value, Context>> : std::true_type {};
/// What makes an operator elementwise: a batch and a number alone are a linear sum's.
template <class T>
concept elementwise_operand = expression<T> || is_row<T>::value || std::is_same_v<T, time_view>;
template <class L, class R>
concept elementwise_pair = is_operand<L> && is_operand<R> &&
                           (elementwise_operand<L> || elementwise_operand<R>);
/// Numbers compare with batches, and batches with each other: no linear sum is a comparison.
template <class L, class R>
concept elementwise_comparison = elementwise_pair<L, R> ||
                                 (is_operand<L> && is_operand<R> && (summable<L> || summable<R>));
template <class L, class R>
concept elementwise_factors = elementwise_pair<L, R> ||
                              (summable<L> && summable<R> && is_operand<L> && is_operand<R>);
template <class T>
concept elementwise_argument = is_operand<T> && !std::is_arithmetic_v<T>;

DIAMOND_HD constexpr double plus(double a, double b) { return a + b; }
DIAMOND_HD constexpr double minus(double a, double b) { return a - b; }
DIAMOND_HD constexpr double multiplied(double a, double b) { return a * b; }
DIAMOND_HD constexpr double divided(double a, double b) { return a / b; }
DIAMOND_HD constexpr double negated(double a) { return -a; }
DIAMOND_HD constexpr bool less(double a, double b) { return a < b; }
DIAMOND_HD constexpr bool less_or_equal(double a, double b) { return a <= b; }
DIAMOND_HD constexpr bool equal(double a, double b) { return a == b; }
DIAMOND_HD constexpr bool both(bool a, bool b) { return a && b; }
DIAMOND_HD constexpr bool either(bool a, bool b) { return a || b; }
DIAMOND_HD constexpr bool inverted(bool a) { return !a; }
DIAMOND_HD constexpr double selected(bool condition, double a, double b) { return condition ? a : b; }
DIAMOND_HD constexpr double squared(double a) { return a * a; }
DIAMOND_HD inline double root(double a) { return std::sqrt(a); }
DIAMOND_HD inline double exponential(double a) { return std::exp(a); }
DIAMOND_HD inline double logarithm(double a) { return std::log(a); }

template <class Real, class Context, class E>
struct write_elements {
    batch_view<Real, Context> out;
    E value;
    DIAMOND_HD void operator()(index_t i, index_t j) const { out(i, j) = static_cast<Real>(value(i, j)); }
};
template <class Value, class Context, class E>
struct write_row {
    row_view<Value, Context> out;
    E value;
    DIAMOND_HD void operator()(index_t j) const { out[j] = static_cast<Value>(value(0, j)); }
};
template <class E>
struct sums_of_columns {
    E value;
};
inline void require_extents_of(extents found, index_t rows, index_t columns) {
    require((found.rows < 0 || found.rows == rows) && (found.columns < 0 || found.columns == columns), [&] {
        return "an expression of " + digits_of(found.rows) + " x " + digits_of(found.columns) +
               " written to " + digits_of(rows) + " x " + digits_of(columns) + " (-1 stands for any number)";
    });
}
} // namespace detail

/// f of the elements, f a DIAMOND_HD function of numbers: elementwise<log_add_exp>(a, b). f must not be
/// overloaded.
template <auto F, detail::is_operand... T>
[[nodiscard]] detail::applied_t<F, T...> elementwise(const T&... x) {
    return {{detail::operand<T>::of(x)}...};
}
/// The number that stands at `at` in the back end's memory when the expression is run: nothing waits for the
/// host.
[[nodiscard]] inline number_in_memory number_at(const double* at) { return {at}; }
/// Row i of a d x N batch as an operand, an entry of a table or of a Jacobian-vector product for each column.
/// @throws std::invalid_argument unless 0 <= i < d.
template <class Value, class Context>
[[nodiscard]] row_of_batch<std::remove_const_t<Value>, Context> row_of(batch_view<Value, Context> x,
                                                                       index_t i) {
    require(i >= 0 && i < x.rows(),
            [&] { return "row " + digits_of(i) + " of a batch of " + digits_of(x.rows()) + " rows"; });
    return {x, i};
}
/// The row of a batch, as of its view.
template <class Real, class Context>
[[nodiscard]] row_of_batch<Real, Context> row_of(const owning_batch<Real, Context>& x, index_t i) {
    return row_of(x.read(), i);
}
/// The vector v, a d x 1 or 1 x d batch, in each column: z - each_column(v) is z_ij - v_i.
template <class Value, class Context>
[[nodiscard]] element_of_vector<std::remove_const_t<Value>, Context> each_column(
    batch_view<Value, Context> v) {
    return {v};
}
/// The vector of a batch, as of its view.
template <class Real, class Context>
[[nodiscard]] element_of_vector<Real, Context> each_column(const owning_batch<Real, Context>& v) {
    return {v.read()};
}
/// The column's own number as a double, 0 ... N - 1.
[[nodiscard]] inline own_column column_number() { return {}; }

/// l + r, element by element.
template <class L, class R>
    requires detail::elementwise_pair<L, R>
[[nodiscard]] detail::applied_t<detail::plus, L, R> operator+(const L& l, const R& r) {
    return elementwise<detail::plus>(l, r);
}
/// l - r, element by element.
template <class L, class R>
    requires detail::elementwise_pair<L, R>
[[nodiscard]] detail::applied_t<detail::minus, L, R> operator-(const L& l, const R& r) {
    return elementwise<detail::minus>(l, r);
}
/// l r, element by element.
template <class L, class R>
    requires detail::elementwise_factors<L, R>
[[nodiscard]] detail::applied_t<detail::multiplied, L, R> operator*(const L& l, const R& r) {
    return elementwise<detail::multiplied>(l, r);
}
/// l / r, element by element.
template <class L, class R>
    requires detail::elementwise_factors<L, R>
[[nodiscard]] detail::applied_t<detail::divided, L, R> operator/(const L& l, const R& r) {
    return elementwise<detail::divided>(l, r);
}
/// -e, element by element.
template <detail::elementwise_operand E>
[[nodiscard]] detail::applied_t<detail::negated, E> operator-(const E& e) {
    return elementwise<detail::negated>(e);
}
/// Whether l < r, 1 or 0.
template <class L, class R>
    requires detail::elementwise_comparison<L, R>
[[nodiscard]] detail::applied_t<detail::less, L, R> operator<(const L& l, const R& r) {
    return elementwise<detail::less>(l, r);
}
/// Whether l <= r, 1 or 0.
template <class L, class R>
    requires detail::elementwise_comparison<L, R>
[[nodiscard]] detail::applied_t<detail::less_or_equal, L, R> operator<=(const L& l, const R& r) {
    return elementwise<detail::less_or_equal>(l, r);
}
/// Whether l > r, 1 or 0.
template <class L, class R>
    requires detail::elementwise_comparison<L, R>
[[nodiscard]] detail::applied_t<detail::less, R, L> operator>(const L& l, const R& r) {
    return elementwise<detail::less>(r, l);
}
/// Whether l >= r, 1 or 0.
template <class L, class R>
    requires detail::elementwise_comparison<L, R>
[[nodiscard]] detail::applied_t<detail::less_or_equal, R, L> operator>=(const L& l, const R& r) {
    return elementwise<detail::less_or_equal>(r, l);
}
/// Whether l = r, 1 or 0.
template <class L, class R>
    requires detail::elementwise_pair<L, R>
[[nodiscard]] detail::applied_t<detail::equal, L, R> operator==(const L& l, const R& r) {
    return elementwise<detail::equal>(l, r);
}
/// Both sides are evaluated.
template <expression L, expression R>
[[nodiscard]] detail::applied_t<detail::both, L, R> operator&&(const L& l, const R& r) {
    return elementwise<detail::both>(l, r);
}
/// Whether one of l and r is not 0, 1 or 0.
template <expression L, expression R>
[[nodiscard]] detail::applied_t<detail::either, L, R> operator||(const L& l, const R& r) {
    return elementwise<detail::either>(l, r);
}
/// Whether e is 0, 1 or 0.
template <expression E>
[[nodiscard]] detail::applied_t<detail::inverted, E> operator!(const E& e) {
    return elementwise<detail::inverted>(e);
}
/// x^2, element by element.
template <detail::elementwise_argument X>
[[nodiscard]] detail::applied_t<detail::squared, X> square(const X& x) {
    return elementwise<detail::squared>(x);
}
/// The square root of x, element by element.
template <detail::elementwise_argument X>
[[nodiscard]] detail::applied_t<detail::root, X> sqrt(const X& x) {
    return elementwise<detail::root>(x);
}
/// exp x, element by element.
template <detail::elementwise_argument X>
[[nodiscard]] detail::applied_t<detail::exponential, X> exp(const X& x) {
    return elementwise<detail::exponential>(x);
}
/// The natural logarithm of x, element by element.
template <detail::elementwise_argument X>
[[nodiscard]] detail::applied_t<detail::logarithm, X> log(const X& x) {
    return elementwise<detail::logarithm>(x);
}
/// a where the condition holds, else b. Both are evaluated.
template <expression Condition, detail::is_operand A, detail::is_operand B>
[[nodiscard]] detail::applied_t<detail::selected, Condition, A, B> select(const Condition& condition,
                                                                          const A& a, const B& b) {
    return elementwise<detail::selected>(condition, a, b);
}
/// sum_i x(i, j), for assign to a row: in double, and the same bits on any number of threads.
template <detail::elementwise_argument X>
[[nodiscard]] detail::sums_of_columns<detail::operand_t<X>> column_sums(const X& x) {
    return {detail::operand<X>::of(x)};
}

/// out = x, a linear sum or a batch, all of one shape; out may be among its terms. @throws
/// std::invalid_argument where shapes differ.
template <class Real, class Context, detail::summable X>
void assign(batch_view<Real, Context> out, const X& x) {
    const auto& sum = detail::summand<X>::of(x);
    detail::write_sum(out, sum, std::make_index_sequence<std::extent_v<decltype(sum.factor.value)>>{});
}
/// out = x, element by element; out may be among its operands where
/// these read the element that is written: not as row_of(out, i) or number_at(out.data()). @throws
/// std::invalid_argument where shapes differ.
template <class Real, class Context, class X>
    requires detail::elementwise_operand<X> || std::is_arithmetic_v<X>
void assign(batch_view<Real, Context> out, const X& x) {
    const auto value = detail::operand<X>::of(x);
    detail::require_extents_of(value.shape(), out.rows(), out.columns());
    out.context().for_each(out.rows(), out.columns(),
                           detail::write_elements<Real, Context, detail::operand_t<X>>{out, value});
}
/// Writes x into a batch, as into its view.
template <class Real, class Context, class X>
    requires requires(batch_view<Real, Context> out, const X& x) { assign(out, x); }
void assign(owning_batch<Real, Context>& out, const X& x) {
    assign(out.mutable_view(), x);
}
/// out[j] = x of column j, or the sum of column j; out may be among its operands where
/// these read the element that is written: not as row_of(out, i) or number_at(out.data()). @throws
/// std::invalid_argument where lengths differ, or x has rows.
template <class Value, class Context, class X>
    requires detail::elementwise_operand<X> || std::is_arithmetic_v<X>
void assign(row_view<Value, Context> out, const X& x) {
    const auto value = detail::operand<X>::of(x);
    detail::require_extents_of(value.shape(), 1, out.columns());
    out.context().for_each(out.columns(),
                           detail::write_row<Value, Context, detail::operand_t<X>>{out, value});
}
/// Writes the sum of each column of an expression over batches into out. @throws std::invalid_argument where
/// lengths differ, or the expression is one of rows alone.
template <class Context, class E>
void assign(row_view<double, Context> out, const detail::sums_of_columns<E>& x) {
    const extents shape = x.value.shape();
    require(shape.rows >= 0, "column sums of an expression of rows alone: there is nothing to sum over");
    detail::require_extents_of(shape, shape.rows, out.columns());
    out.context().column_sums(shape.rows, out.columns(), x.value, out.data());
}
/// Fills a row with NaN for a part to write, and returns it: what the part leaves unwritten is refused with
/// all NaN, where it would be a number of before.
template <class Context>
[[nodiscard]] row_view<double, Context> unwritten(row_view<double, Context> out) {
    assign(out, not_a_number);
    return out;
}
/// out = 0 everywhere.
template <class Real, class Context>
void set_to_zero(batch_view<Real, Context> out) {
    out.context().for_each(out.size(), detail::set_to_zero<Real>{out.data()});
}

} // namespace diamond
