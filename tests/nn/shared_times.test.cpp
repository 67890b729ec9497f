// Where all columns share their times, a Diamond network computes by a table of coefficients and a folded
// first layer; where each has its own, column by column. Both are one function: v and m, their jvp and
// their vjp agree to rounding, also where e is a difference of large numbers (s near 1) and at the ends.
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/nn/diamond_mlp.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/numbers.hpp"

namespace nn_shared_times_test {

using diamond::diamond_arguments, diamond::index_t, diamond::labels, diamond::time_view;

namespace {

constexpr index_t d = 19; // two packets of eight and a rest, or nine of two and a rest

diamond::gaussian_frame_numbers frame_numbers(bool rotated) {
    diamond::gaussian_frame_numbers frame;
    for (index_t i = 0; i < d; ++i) {
        frame.mean.push_back(0.3 * std::sin(static_cast<double>(i)));
        frame.variance.push_back(std::exp(-0.3 * static_cast<double>(i)));
    }
    if (!rotated) return frame;
    frame.basis.assign(static_cast<std::size_t>(d * d), 0.0); // I - 2 u u^T with u of equal numbers
    for (index_t i = 0; i < d; ++i)
        for (index_t k = 0; k < d; ++k)
            frame.basis[static_cast<std::size_t>(i + d * k)] = (i == k ? 1.0 : 0.0) -
                                                               2.0 / static_cast<double>(d);
    return frame;
}

struct times {
    double t, s, r;
};
const times all_times[] = {{0.0, 0.0, 1.0},  {0.0, 0.4, 0.4},        {0.3, 0.0, 1.0}, {0.3, 0.9, 0.2},
                           {0.7, 1.0, 1.0},  {0.7, 1.0 - 1e-6, 1.0}, {1.0, 0.3, 0.8}, {1.0, 1.0, 1.0},
                           {0.99, 0.5, 0.6}, {0.2, 0.999, 0.9999}};

template <class Batch>
double largest(const Batch& batch) {
    double most = 0.0;
    for (const auto x : diamond::to_host(batch)) most = std::max(most, std::abs(static_cast<double>(x)));
    return most;
}
/// The largest difference of rows of v, and of the row of m where there is one, each in units of their
/// largest number, which is at least 1.
template <class Batch>
double difference(const Batch& a, const Batch& b) {
    const auto x = diamond::to_host(a), y = diamond::to_host(b);
    double most[2] = {}, unit[2] = {1.0, 1.0};
    for (std::size_t k = 0; k < x.size(); ++k) {
        const bool m = static_cast<index_t>(k) % a.rows() >= d;
        const double apart = std::abs(static_cast<double>(x[k]) - static_cast<double>(y[k]));
        if (std::isnan(apart)) return apart;
        most[m] = std::max(most[m], apart);
        unit[m] = std::max(unit[m], std::abs(static_cast<double>(y[k])));
    }
    return std::max(most[0] / unit[0], most[1] / unit[1]);
}

template <class Back, class Head>
void check(bool rotated, index_t classes, bool own_labels, index_t n,
           diamond::mlp_options layers = {.width = 12, .blocks = 2}) {
    using batch = typename Back::batch;
    using real = typename Back::real;
    using net = diamond::diamond_mlp<batch, diamond::trigonometric_schedule, Head>;
    const auto context = Back::make(2);
    const net network({}, diamond::gaussian_frame<batch>(context, frame_numbers(rotated)),
                      {.mlp = layers, .classes = classes});
    const auto normals = [&](index_t rows, unsigned seed) {
        return diamond::from_host<real>(context, rows, n, numbers::normals<real>(rows * n, seed));
    };
    auto host = numbers::normals<real>(network.parameters(), 9);
    for (auto& x : host) x *= static_cast<real>(0.3);
    const batch theta = diamond::from_host<real>(context, network.parameters(), 1, host);
    const batch spoilt = diamond::from_host<real>(
        context, d, n, std::vector<real>(static_cast<std::size_t>(d * n), static_cast<real>(std::nan(""))));
    const batch x_t = normals(d, 2), tangent = normals(d, 3), cotangent = normals(network.outputs(), 4);
    std::vector<std::int32_t> each(static_cast<std::size_t>(n));
    for (std::size_t j = 0; j < each.size(); ++j) each[j] = static_cast<std::int32_t>(j % 4) - 1;
    const auto label_numbers = diamond::from_host<std::int32_t>(context, 1, n, each);
    const labels label = classes == 0 ? labels() : own_labels ? labels(label_numbers.data()) : labels(2);
    typename net::workspace space, other;

    // The weights are near 1: rounding of some 60 inputs grows by a few in each of four layers.
    const double tolerance = 4.0 * Back::tolerance;
    double told_apart = 0.0;
    for (const times& at : all_times) {
        CAPTURE(at.t);
        CAPTURE(at.s);
        CAPTURE(at.r);
        // xbar as it is on the way: near s z for s near 1.
        auto states = numbers::normals<real>(d * n, 1);
        for (auto& x : states) x *= static_cast<real>(1.0 - at.s + 1e-3);
        const batch xbar = diamond::from_host<real>(context, d, n, states);
        const auto column = [&](double time) {
            return diamond::from_host<double>(context, 1, n,
                                              std::vector<double>(static_cast<std::size_t>(n), time));
        };
        const auto t = column(at.t), s = column(at.s), r = column(at.r);
        const diamond_arguments<batch> shared{xbar.read(), x_t.read(), at.t, at.s, at.r},
            own{xbar.read(), x_t.read(), time_view(t.data()), time_view(s.data()), time_view(r.data())};
        batch found(context, network.outputs(), n), expected(context, network.outputs(), n);

        network(theta.data(), shared, label, space, found.mutable_view());
        network(theta.data(), own, label, other, expected.mutable_view());
        CHECK(difference(found, expected) < tolerance);
        network(theta.data(), {xbar.read(), x_t.read(), at.t, at.s, 0.5 * at.r}, label, space,
                found.mutable_view());
        told_apart = std::max(told_apart, difference(found, expected));

        // What a call on columns that are not finite leaves behind is in no later result.
        network(theta.data(), {spoilt.read(), x_t.read(), at.t, at.s, at.r}, label, space,
                found.mutable_view());
        network.jvp(theta.data(), shared, label, tangent.read(), space, found.mutable_view());
        network.jvp(theta.data(), own, label, tangent.read(), other, expected.mutable_view());
        CHECK(difference(found, expected) < tolerance);

        batch of_xbar(context, d, n), of_x_t(context, d, n), same_xbar(context, d, n),
            same_x_t(context, d, n);
        network.vjp(theta.data(), shared, label, cotangent.read(), space, of_xbar.mutable_view(),
                    of_x_t.mutable_view());
        network.vjp(theta.data(), own, label, cotangent.read(), other, same_xbar.mutable_view(),
                    same_x_t.mutable_view());
        CHECK(difference(of_xbar, same_xbar) < tolerance);
        CHECK(difference(of_x_t, same_x_t) < tolerance);
        CHECK(largest(of_x_t) + largest(of_xbar) > 0.0);
    }
    CHECK(told_apart > 100.0 * tolerance); // another r is another function
}

} // namespace

TEST_CASE_TEMPLATE("a table of coefficients and columns of their own times are one function", back,
                   ALL_BACK_ENDS) {
    for (const bool rotated : {false, true}) {
        check<back, diamond::no_head>(rotated, 0, false, 7);
        check<back, diamond::no_head>(rotated, 3, true, 300); // a block and a tail
        check<back, diamond::divergence_head>(rotated, 3, false, 5);
    }
    check<back, diamond::divergence_head>(false, 3, true, 1);
    check<back, diamond::no_head>(false, 0, false, 9, {.width = 12, .blocks = 0});
    check<back, diamond::no_head>(false, 3, true, 9,
                                  {.width = 12, .blocks = 1, .nonlinearity = diamond::activation::gelu});
    check<back, diamond::divergence_head>(true, 3, true, 9,
                                          {.width = 12, .blocks = 1, .norm = diamond::normalisation::rms});
}

} // namespace nn_shared_times_test
