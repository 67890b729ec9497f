// Lines of mathematics against the same by hand, column by column.
#include <support/back_ends.hpp>
#include <support/batches.hpp>

#include <diamond/core/expression.hpp>

#include <limits>
#include <vector>

using diamond::assign;

TEST_CASE_TEMPLATE("sums, differences, products and quotients are what they say", back_end, BACK_ENDS) {
    using real         = typename back_end::real;
    using batch        = typename back_end::batch;
    const auto context = back_end::make();
    const std::vector<real> x{1, 2, 3, 4, 5, 6}, y{0.5, -1, 8, -16, 0.25, 3}, z{2, 2, 4, 4, 8, 8};
    const batch a = diamond::from_host<real>(context, 3, 2, x), b = diamond::from_host<real>(context, 3, 2, y), c = diamond::from_host<real>(context, 3, 2, z);
    diamond::scratch<real, typename back_end::context> out;
    out.resize(context, 3, 2);
    const auto check = [&](auto&& by_hand) {
        const auto found = diamond::to_host(out.read());
        for (std::size_t i = 0; i < x.size(); ++i) CHECK(found[i] == static_cast<real>(by_hand(x[i], y[i], z[i]))); // small binary fractions: exact
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

TEST_CASE_TEMPLATE("the kernel is combine's, bit for bit, and a factor of 0 switches a term off, NaN or not", back_end, BACK_ENDS) {
    using real         = typename back_end::real;
    const auto context = back_end::make();
    std::vector<real> x(77), y(77), nothing(77, std::numeric_limits<real>::quiet_NaN());
    for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<real>(1.0 / (1.0 + static_cast<double>(i)));
        y[i] = static_cast<real>(0.1 * static_cast<double>(i * i) - 3.0);
    }
    const auto a = diamond::from_host<real>(context, 7, 11, x), b = diamond::from_host<real>(context, 7, 11, y), c = diamond::from_host<real>(context, 7, 11, nothing);
    typename back_end::batch by_line(context, 7, 11), by_call(context, 7, 11);
    assign(by_line, 0.3 * a - b / 7.0 + 0.0 * c);
    diamond::combine(diamond::coefficients<2>(diamond::numbers<2>{{0.3, -1.0 / 7.0}}), by_call.mutable_view(), a, b);
    CHECK(diamond::to_host(by_line) == diamond::to_host(by_call));
}

TEST_CASE_TEMPLATE("shapes that differ are refused", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    typename back_end::batch a(context, 2, 3), b(context, 3, 2), out(context, 2, 3);
    CHECK_THROWS_AS(assign(out, a + b), std::invalid_argument);
    CHECK_THROWS_AS(assign(b, 2.0 * a), std::invalid_argument);
}

// Numbers of two types do not add up, and what is no batch has no such operators.
template <class L, class R>
concept adds = requires(const L& l, const R& r) { l + r; };
using of_float = diamond::eigen::batch<float>;
static_assert(adds<of_float, of_float> && !adds<of_float, diamond::eigen::batch<double>> && !adds<of_float, double> && !adds<diamond::index_t, of_float>);
