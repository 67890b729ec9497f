// Lines of mathematics against the same by hand, column by column.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

#include <diamond/core/expression.hpp>

#include <support/back_ends.hpp>
#include <support/batches.hpp>

namespace core_expression_test {

using diamond::assign;

TEST_CASE_TEMPLATE("sums, differences, products and quotients are what they say", back_end, BACK_ENDS) {
    using real = typename back_end::real;
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const std::vector<real> x{1, 2, 3, 4, 5, 6}, y{0.5, -1, 8, -16, 0.25, 3}, z{2, 2, 4, 4, 8, 8};
    const batch a = diamond::from_host<real>(context, 3, 2, x),
                b = diamond::from_host<real>(context, 3, 2, y),
                c = diamond::from_host<real>(context, 3, 2, z);
    diamond::scratch<real, typename back_end::context> out;
    out.resize(context, 3, 2);
    const auto check = [&](auto&& by_hand) {
        const auto found = diamond::to_host(out.read());
        for (std::size_t i = 0; i < x.size(); ++i)
            CHECK(found[i] == static_cast<real>(by_hand(x[i], y[i], z[i]))); // small binary fractions: exact
    };
    assign(out, a);
    check([](real p, real, real) { return p; });
    assign(out, a + b);
    check([](real p, real q, real) { return p + q; });
    assign(out, a - b);
    check([](real p, real q, real) { return p - q; });
    assign(out, -a);
    check([](real p, real, real) { return -p; });
    assign(out, 2.0 * a.read() - 0.5 * b + c / 4.0);
    check([](real p, real q, real r) { return 2 * p - q / 2 + r / 4; });
    assign(out, 3.0 * (a - (b + c) * 2.0));
    check([](real p, real q, real r) { return 3 * (p - 2 * (q + r)); });
    assign(out, a);
    assign(out.mutable_view(), out + 2.0 * out); // out may be among the terms
    check([](real p, real, real) { return 3 * p; });
    diamond::set_to_zero(out.mutable_view());
    check([](real, real, real) { return real{0}; });
}

TEST_CASE_TEMPLATE("the kernel is combine's, bit for bit, and a factor of 0 switches a term off, NaN or not",
                   back_end, BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    std::vector<real> x(77), y(77), nothing(77, std::numeric_limits<real>::quiet_NaN());
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<real>(1.0 / (1.0 + static_cast<double>(i)));
        y[i] = static_cast<real>(0.1 * static_cast<double>(i * i) - 3.0);
    }
    const auto a = diamond::from_host<real>(context, 7, 11, x),
               b = diamond::from_host<real>(context, 7, 11, y),
               c = diamond::from_host<real>(context, 7, 11, nothing);
    typename back_end::batch by_line(context, 7, 11), by_call(context, 7, 11);
    assign(by_line, 0.3 * a - b / 7.0 + 0.0 * c);
    diamond::combine(diamond::coefficients<2>(diamond::numbers<2>{{0.3, -1.0 / 7.0}}), by_call.mutable_view(),
                     a, b);
    CHECK(diamond::to_host(by_line) == diamond::to_host(by_call));
}

TEST_CASE_TEMPLATE("shapes that differ are refused", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    typename back_end::batch a(context, 2, 3), b(context, 3, 2), out(context, 2, 3);
    CHECK_THROWS_AS(assign(out, a + b), std::invalid_argument);
    CHECK_THROWS_AS(assign(b, 2.0 * a), std::invalid_argument);
}

namespace {
/// 3 x 4 numbers of either sign, no two the same, whose squares are exact in float.
template <class Real>
std::vector<Real> elements(double offset) {
    std::vector<Real> x(12);
    for (std::size_t i = 0; i < x.size(); ++i)
        x[i] = static_cast<Real>(offset + 0.25 * static_cast<double>(i) - 1.125);
    return x;
}
DIAMOND_HD double distance(double a, double b, double c) { return std::sqrt(a * a + b * b) - c; }
DIAMOND_HD bool is_large(double a) { return a > 0.5; }
/// A back end computes exp, log and sqrt by the library of its own: a few units in the last place of float or
/// double.
template <class Real>
constexpr double few_units = 8.0 * static_cast<double>(std::numeric_limits<Real>::epsilon());
} // namespace

TEST_CASE_TEMPLATE("elementwise operations are what they say, in double, and rounded once", back_end,
                   BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    const auto x = elements<real>(0.0), y = elements<real>(7.0);
    const std::vector<double> r{0.5, -2.0, 1e-9, 4.0}, high{0.75};
    const auto a = diamond::from_host<real>(context, 3, 4, x), b = diamond::from_host<real>(context, 3, 4, y);
    const auto w = diamond::from_host<double>(context, 1, 4, r),
               h = diamond::from_host<double>(context, 1, 1, high);
    const auto times = diamond::time_view(w.data());
    typename back_end::batch out(context, 3, 4);
    const auto check = [&](auto&& by_hand) {
        const auto found = diamond::to_host(out);
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double expected = by_hand(static_cast<double>(x[i]), static_cast<double>(y[i]), r[i / 3]);
            CHECK(static_cast<double>(found[i]) == doctest::Approx(expected).epsilon(few_units<real>));
        }
    };
    assign(out, a * b);
    check([](double p, double q, double) { return p * q; });
    assign(out, square(a) / b + 1.0);
    check([](double p, double q, double) { return p * p / q + 1.0; });
    assign(out, a * row(w) - 2.0 / row(w));
    check([](double p, double, double v) { return p * v - 2.0 / v; });
    assign(out, exp(a - times) + sqrt(b) * log(b));
    check([](double p, double q, double v) { return std::exp(p - v) + std::sqrt(q) * std::log(q); });
    // a linear sum may stand in an expression
    assign(out, (2.0 * a - b) * (row(w) - diamond::number_at(h.data())));
    check([](double p, double q, double v) { return (2.0 * p - q) * (v - 0.75); });
    assign(out, select(row(w) < 1.0 && !(a <= 0.0 * row(w)), b + row(w), -row(w)));
    check([](double p, double q, double v) { return v < 1.0 && !(p <= 0.0) ? q + v : -v; });
    assign(out, select(row(w) >= 4.0 || a * 1.0 + row(w) > b, diamond::column_number() * row(w), 3));
    check([&](double p, double q, double v) {
        const double j = v == 0.5 ? 0.0 : v == -2.0 ? 1.0 : v == 4.0 ? 3.0 : 2.0;
        return v >= 4.0 || p + v > q ? j * v : 3.0;
    });
    assign(out, select(a < b && 0.5 <= a, a, select(b > 3.0, b, a))); // numbers and batches compare
    check([](double p, double q, double) { return p < q && 0.5 <= p ? p : q > 3.0 ? q : p; });
    assign(out, diamond::elementwise<distance>(a, b, row(w)));
    check([](double p, double q, double v) { return std::sqrt(p * p + q * q) - v; });
    assign(out, out * 2.0 + out * row(w)); // out may be among the operands
    check([](double p, double q, double v) { return (std::sqrt(p * p + q * q) - v) * (2.0 + v); });
    assign(out, 0.25);
    check([](double, double, double) { return 0.25; });
}

TEST_CASE_TEMPLATE("rows: sums of columns, reductions, searches and what they refuse", back_end, BACK_ENDS) {
    using real = typename back_end::real;
    const auto context = back_end::make();
    const auto x = elements<real>(0.0);
    const auto a = diamond::from_host<real>(context, 3, 4, x);
    diamond::owning_batch<double, typename back_end::context> sums(context, 1, 4), total(context, 1, 2);
    assign(row(sums), column_sums(square(a) + 1.0 * square(a)));
    const auto found = diamond::to_host(sums);
    double whole = 0.0;
    for (std::size_t j = 0; j < 4; ++j) {
        double expected = 0.0;
        for (std::size_t i = 0; i < 3; ++i)
            expected += 2.0 * static_cast<double>(x[3 * j + i]) * static_cast<double>(x[3 * j + i]);
        CHECK(found[j] == expected); // small binary fractions: exact
        whole += expected;
    }
    // An expression over rows is a functor of the column.
    context.sum(4, row(sums) - 1.0, total.data());
    context.max(4, -row(sums), total.data() + 1);
    CHECK(diamond::to_host(total) ==
          std::vector<double>{whole - 4.0, -*std::min_element(found.begin(), found.end())});
    CHECK(context.find_first(4, diamond::elementwise<is_large>(row(sums)) && row(sums) == found[2]) == 2);
    CHECK(context.find_first(4, row(sums) > 1e9) == 4);

    CHECK_THROWS_AS(assign(row(sums), column_sums(square(a.read().columns(0, 3)))), std::invalid_argument);
    CHECK_THROWS_AS(assign(row(sums), row(sums) + diamond::row(context, 3, sums.data())),
                    std::invalid_argument);
    CHECK_THROWS_AS(assign(row(sums), square(a)), std::invalid_argument);
    typename back_end::batch wide(context, 3, 5);
    CHECK_THROWS_AS(assign(row(wide), 1.0), std::invalid_argument); // three rows
    CHECK_THROWS_AS(assign(wide, a * a), std::invalid_argument);
    CHECK_THROWS_AS(assign(wide, a * row(sums)), std::invalid_argument);
    CHECK_THROWS_AS(assign(wide, wide * row(sums)), std::invalid_argument);
    CHECK_THROWS_WITH(assign(wide, square(a) * wide), doctest::Contains("4 and with 5 columns"));
}

// Numbers of two types do not add up, and what is no batch has no such operators.
template <class L, class R>
concept adds = requires(const L& l, const R& r) { l + r; };
using of_float = diamond::eigen::batch<float>;
static_assert(adds<of_float, of_float> && !adds<of_float, diamond::eigen::batch<double>> &&
              !adds<of_float, double> && !adds<diamond::index_t, of_float>);
// The functions are for expressions alone: std's stay std's.
template <class X>
concept has_exp = requires(const X& x) { diamond::exp(x); };
static_assert(has_exp<of_float> && has_exp<diamond::row_view<double, diamond::eigen::context>> &&
              !has_exp<double> && !has_exp<int>);

// A double does not hold all integers of 64 bits: they are no operands.
template <class X>
concept is_an_operand = requires(const X& x) { diamond::square(x); };
static_assert(is_an_operand<diamond::row_view<std::int32_t, diamond::eigen::context>>);
static_assert(!is_an_operand<diamond::row_view<std::uint64_t, diamond::eigen::context>>);
static_assert(!is_an_operand<diamond::eigen::batch<std::int64_t>>);

} // namespace core_expression_test
