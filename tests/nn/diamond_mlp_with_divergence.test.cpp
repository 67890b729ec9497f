// The joint network: with its last layer 0 it is the Gaussian's closed joint flow map; its tangents and
// gradients against central differences, in double; with a basis and without one. The closed numbers are
// those of the Gaussian oracle, in full covariance.
#include <cmath>
#include <memory>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/trained_network.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/numbers.hpp"

namespace nn_diamond_mlp_with_divergence_test {

using diamond::diamond_arguments, diamond::index_t, diamond::interval, diamond::diamond_mlp_with_divergence,
    diamond::labels, diamond::linear_schedule, diamond::time_view;

namespace {

diamond::gaussian_frame_numbers frame_numbers(bool rotated) {
    const double c = std::cos(0.4), s = std::sin(0.4);
    return {{0.3, -0.5, 1.0},
            {2.0, 0.3, 0.05},
            rotated ? std::vector<double>{c, s, 0, -s, c, 0, 0, 0, 1} : std::vector<double>{}};
}
std::vector<double> covariance(const diamond::gaussian_frame_numbers& f) {
    std::vector<double> result(9, 0.0);
    for (std::size_t k = 0; k < 3; ++k)
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t j = 0; j < 3; ++j)
                result[i + 3 * j] += f.variance[k] * (f.basis.empty()
                                                          ? (i == k && j == k)
                                                          : f.basis[i + 3 * k] * f.basis[j + 3 * k]);
    return result;
}

template <class Back>
struct setting {
    using batch = typename Back::batch;
    using real = typename Back::real;
    using net = diamond_mlp_with_divergence<batch, linear_schedule>;
    typename Back::context context = Back::make(2);
    net network;
    index_t n = 7;
    batch theta, xbar, x_t, xbar_dot;
    diamond::rebind_t<batch, double> t, s, r;
    typename net::workspace space;

    explicit setting(bool rotated, diamond::divergence_head head = {})
        : network({}, diamond::gaussian_frame<batch>(context, frame_numbers(rotated)),
                  {.mlp = {.width = 6, .blocks = 2}}, head),
          theta(context, network.parameters(), 1),
          xbar(normals(3, 1)),
          x_t(normals(3, 2)),
          xbar_dot(normals(3, 3)),
          t(diamond::from_host<double>(context, 1, n, {0.0, 0.02, 0.3, 0.5, 0.8, 0.99, 0.0})),
          // away from the ends of the inner time, where only one side exists
          s(diamond::from_host<double>(context, 1, n, {0.05, 0.3, 0.5, 0.95, 0.1, 0.9, 0.2})),
          r(diamond::from_host<double>(context, 1, n, {0.9, 0.3, 0.9, 0.97, 0.7, 0.4, 0.201})) {
        network.initialise(diamond::philox{5}, theta.mutable_view());
    }
    batch normals(index_t rows, unsigned seed) {
        return diamond::from_host<real>(context, rows, n, numbers::normals<real>(rows * n, seed));
    }
    [[nodiscard]] diamond_arguments<batch> arguments() const {
        return {xbar.read(), x_t.read(), time_view(t.data()), time_view(s.data()), time_view(r.data())};
    }
    /// All parameters away from 0.
    void stir() {
        auto host = diamond::to_host(theta);
        const auto more = numbers::normals<real>(theta.size(), 9);
        for (std::size_t k = 0; k < host.size(); ++k) host[k] += static_cast<real>(0.3) * more[k];
        theta = diamond::from_host<real>(context, theta.size(), 1, host);
    }
    diamond::trained_network<net> trained() {
        return {network, diamond::from_host<real>(context, theta.size(), 1, diamond::to_host(theta))};
    }
};

} // namespace

TEST_CASE_TEMPLATE("with its last layer 0 the network is the Gaussian's joint flow map, in either direction",
                   back, ALL_BACK_ENDS) {
    using batch = typename back::batch;
    for (const bool rotated : {false, true}) {
        setting<back> c(rotated);
        const auto numbers = frame_numbers(rotated);
        diamond::gaussian_flow_map exact{
            diamond::gaussian<batch, linear_schedule>(c.context, {}, numbers.mean, covariance(numbers))};
        diamond::network_flow_map map{c.trained()};
        batch expected(c.context, 3, c.n), found(c.context, 3, c.n);
        diamond::rebind_t<batch, double> m_found(c.context, 1, 7), m_expected(c.context, 1, 7);
        for (const interval inner : {interval{0.0, 1.0},
                                     {1.0, 0.0},
                                     {0.2, 0.9},
                                     {0.9, 0.1},
                                     {0.0, 0.0},
                                     {1.0, 1.0},
                                     {0.3, 0.302},
                                     {0.4, 0.4}}) {
            exact(c.xbar.read(), inner, {}, expected.mutable_view(), diamond::row(m_expected));
            map(c.xbar.read(), inner, labels(), found.mutable_view(), diamond::row(m_found));
            const auto x = diamond::to_host(found), x_exact = diamond::to_host(expected);
            const auto m = diamond::to_host(m_found), m_exact = diamond::to_host(m_expected);
            for (std::size_t k = 0; k < 21; ++k)
                CHECK(static_cast<double>(x[k]) ==
                      doctest::Approx(static_cast<double>(x_exact[k])).epsilon(8 * back::tolerance).scale(2));
            // the oracle's m is a difference of log-densities over the length, and loses digits as that
            // shrinks
            const double digits = inner.length() == 0.0 ? 1.0 : 1.0 / std::abs(inner.length());
            for (std::size_t j = 0; j < 7; ++j)
                CHECK(m[j] == doctest::Approx(m_exact[j]).epsilon(16 * back::tolerance * digits).scale(3));
        }
        CHECK(map.spent() == diamond::cost{.forward = 56});
    }
}

TEST_CASE_TEMPLATE("tangents and gradients of the joint network", back, DOUBLE_BACK_ENDS) {
    using batch = typename back::batch;
    for (const bool rotated : {false, true}) {
        setting<back> c(rotated, {.divisor = 5.0, .resolution = 0.2, .sign = rotated ? -1.0 : 1.0});
        c.stir();
        batch v(c.context, 4, c.n), v_dot(c.context, 4, c.n);
        const typename setting<back>::net::speeds speeds{c.xbar_dot.data(), 0.7, -0.4};
        c.network.record(c.theta.data(), c.arguments(), labels(), speeds, c.space, v.mutable_view(),
                         v_dot.mutable_view());
        const batch k = c.normals(4, 11), k_dot = c.normals(4, 12);
        batch gradient(c.context, c.network.parameters(), 1);
        diamond::set_to_zero(gradient.mutable_view());
        c.network.backward(c.theta.data(), c.space, k.read(), k_dot.data(), gradient.data());
        batch of_xbar(c.context, 3, c.n), of_x_t(c.context, 3, c.n);
        c.network.vjp(c.theta.data(), c.arguments(), labels(), k.read(), c.space, of_xbar.mutable_view(),
                      of_x_t.mutable_view());

        constexpr double step = 1e-5;
        const auto xbar = diamond::to_host(c.xbar), x_t = diamond::to_host(c.x_t),
                   dot = diamond::to_host(c.xbar_dot), s = diamond::to_host(c.s), r = diamond::to_host(c.r);
        const auto weight = diamond::to_host(k), weight_dot = diamond::to_host(k_dot),
                   theta = diamond::to_host(c.theta), tangent = diamond::to_host(v_dot);
        const auto evaluated = [&] {
            c.network(c.theta.data(), c.arguments(), labels(), c.space, v.mutable_view());
            return diamond::to_host(v);
        };
        const auto shifted = [&](double h) {
            batches::put(c.xbar, numbers::moved(xbar, h, dot));
            batches::put(c.s, numbers::moved(s, 0.7 * h));
            batches::put(c.r, numbers::moved(r, -0.4 * h));
            return evaluated();
        };
        const auto above = shifted(step), below = shifted(-step);
        for (std::size_t e = 0; e < 28; ++e)
            CHECK(tangent[e] == doctest::Approx((above[e] - below[e]) / (2 * step)).epsilon(1e-6).scale(5));
        shifted(0.0);

        // sum of k v + k' v', in a few parameters
        const auto objective = [&] {
            c.network.record(c.theta.data(), c.arguments(), labels(), speeds, c.space, v.mutable_view(),
                             v_dot.mutable_view());
            return numbers::pairing(weight, diamond::to_host(v)) +
                   numbers::pairing(weight_dot, diamond::to_host(v_dot));
        };
        const auto of_theta = diamond::to_host(gradient);
        for (std::size_t p = 0; p < theta.size(); p += 5)
            CHECK(of_theta[p] ==
                  doctest::Approx(batches::slope(c.theta, static_cast<index_t>(p), theta[p], step, objective))
                      .epsilon(1e-6)
                      .scale(30));
        // cotangents of the states
        const auto value = [&] { return numbers::pairing(weight, evaluated()); };
        const auto by_xbar = diamond::to_host(of_xbar), by_x_t = diamond::to_host(of_x_t);
        for (std::size_t e = 0; e < 21; ++e) {
            CHECK(by_xbar[e] ==
                  doctest::Approx(batches::slope(c.xbar, static_cast<index_t>(e), xbar[e], step, value))
                      .epsilon(1e-6)
                      .scale(20));
            CHECK(by_x_t[e] ==
                  doctest::Approx(batches::slope(c.x_t, static_cast<index_t>(e), x_t[e], step, value))
                      .epsilon(1e-6)
                      .scale(20));
        }
    }
}

TEST_CASE("a flow map with divergence's vjp, its units and its two heads agree") {
    using back = back_ends::eigen<double>;
    using batch = back::batch;
    setting<back> c(true);
    c.stir();
    const auto network = c.trained();
    constexpr double s0 = 2.5;
    const interval span{0.9, 0.2};
    diamond::network_flow_map map{network, {.base_deviation = s0}}, plain{network};
    diamond::network_flow_map velocity_alone{network};
    static_assert(diamond::differentiable_flow_map_with_divergence<decltype(map)>);
    static_assert(diamond::differentiable_diamond_network<std::decay_t<decltype(network)>>);
    batch out(c.context, 3, c.n), scaled(c.context, 3, c.n), image(c.context, 3, c.n),
        alone(c.context, 3, c.n);
    std::vector<double> m(7), m_plain(7);
    map(c.xbar.read(), span, labels(), out.mutable_view(), diamond::row(c.context, c.n, m.data()));
    for (index_t e = 0; e < 21; ++e) scaled.data()[e] = c.xbar.data()[e] / s0;
    plain(scaled.read(), span, labels(), image.mutable_view(), diamond::row(c.context, c.n, m_plain.data()));
    velocity_alone(scaled.read(), span, labels(), alone.mutable_view());
    for (index_t e = 0; e < 21; ++e) {
        CHECK(out.data()[e] == doctest::Approx(s0 * image.data()[e]).epsilon(1e-12));
        CHECK(alone.data()[e] == doctest::Approx(image.data()[e]).epsilon(1e-12));
    }
    for (std::size_t j = 0; j < 7; ++j) CHECK(m[j] == doctest::Approx(m_plain[j]).epsilon(1e-12));

    const batch k = c.normals(3, 21);
    const auto k_m = numbers::normals<double>(7, 22);
    const auto with_values = [&](const batch& x) {
        batch y(c.context, 3, c.n);
        map(x.read(), span, labels(), y.mutable_view(), diamond::row(c.context, c.n, m.data()));
        double sum = 0.0;
        for (index_t e = 0; e < 21; ++e) sum += k.data()[e] * y.data()[e];
        for (std::size_t j = 0; j < 7; ++j) sum += k_m[j] * m[j];
        return sum;
    };
    batch all(c.context, 3, c.n), of_m(c.context, 3, c.n), of_x(c.context, 3, c.n);
    map.vjp(c.xbar.read(), span, labels(), k.read(), diamond::row(c.context, c.n, k_m.data()),
            all.mutable_view());
    map.vjp(c.xbar.read(), span, labels(), diamond::const_view_t<batch>(nullptr, 3, c.n, &c.context),
            diamond::row(c.context, c.n, k_m.data()), of_m.mutable_view());
    map.vjp(c.xbar.read(), span, labels(), k.read(), {}, of_x.mutable_view());
    constexpr double step = 1e-5;
    for (index_t e = 0; e < 21; ++e) {
        const double kept = c.xbar.data()[e];
        c.xbar.data()[e] = kept + step;
        const double high = with_values(c.xbar);
        c.xbar.data()[e] = kept - step;
        const double low = with_values(c.xbar);
        c.xbar.data()[e] = kept;
        CHECK(all.data()[e] == doctest::Approx((high - low) / (2 * step)).epsilon(1e-6).scale(5));
        CHECK(of_m.data()[e] + of_x.data()[e] == doctest::Approx(all.data()[e]).epsilon(1e-12).scale(5));
    }
    CHECK_THROWS_WITH_AS((diamond::network_flow_map{network, {.base_deviation = 0.0}}),
                         doctest::Contains("base deviation"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(setting<back>(false, {.sign = 0.5}), doctest::Contains("sign 0.5"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        map(c.xbar.read(), {0.0, 1.5}, labels(), out.mutable_view(), diamond::row(c.context, c.n, m.data())),
        doctest::Contains("1.5"), std::invalid_argument);
}

} // namespace nn_diamond_mlp_with_divergence_test
