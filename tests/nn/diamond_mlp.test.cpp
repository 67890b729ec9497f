// The preconditioned network: with its last layer 0 it is the Gaussian's closed Diamond map; its tangents and
// gradients against dual numbers' stand-in, central differences, in double; with a basis and without one,
// with labels and without, with a norm and without.
#include <cmath>
#include <memory>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/map/network_diamond_map.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/trained_network.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/numbers.hpp"

namespace nn_diamond_mlp_test {

using diamond::diamond_arguments, diamond::diamond_mlp, diamond::index_t, diamond::interval, diamond::labels,
    diamond::time_view;

namespace {

/// A rotation in the plane of the first two of three coordinates; an asymmetric Gaussian.
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
    using net = diamond_mlp<batch, diamond::trigonometric_schedule>;
    typename Back::context context = Back::make(2);
    net network;
    index_t n = 7;
    batch theta, xbar, x_t, xbar_dot, v, v_dot;
    diamond::rebind_t<batch, double> t, s, r;
    diamond::owning_batch<std::int32_t, typename Back::context> label;
    typename net::workspace space;

    explicit setting(bool rotated, index_t classes)
        : network({}, diamond::gaussian_frame<batch>(context, frame_numbers(rotated)),
                  {.mlp = {.width = 6,
                           .blocks = 2,
                           .norm = rotated ? diamond::normalisation::layer : diamond::normalisation::none},
                   .classes = classes}),
          theta(context, network.parameters(), 1),
          xbar(normals(1)),
          x_t(normals(2)),
          xbar_dot(normals(3)),
          v(context, 3, n),
          v_dot(context, 3, n),
          t(diamond::from_host<double>(context, 1, n, {0.0, 0.02, 0.3, 0.5, 0.8, 0.99, 1.0})),
          s(diamond::from_host<double>(context, 1, n, {0.0, 0.3, 0.5, 1.0, 0.1, 0.9, 0.2})),
          r(diamond::from_host<double>(context, 1, n, {1.0, 0.3, 0.9, 1.0, 0.7, 0.4, 0.9})),
          label(diamond::from_host<std::int32_t>(context, 1, n, {0, 1, -1, 2, -1, 0, 1})) {
        network.initialise(diamond::philox{5}, theta.mutable_view());
    }
    batch normals(unsigned seed) {
        return diamond::from_host<real>(context, 3, n, numbers::normals<real>(3 * n, seed));
    }
    [[nodiscard]] diamond_arguments<batch> arguments() const {
        return {xbar.read(), x_t.read(), time_view(t.data()), time_view(s.data()), time_view(r.data())};
    }
    [[nodiscard]] labels condition() const {
        return network.options().classes > 0 ? labels(label.data()) : labels{};
    }
    /// All parameters away from 0.
    void stir() {
        auto host = diamond::to_host(theta);
        const auto more = numbers::normals<real>(theta.size(), 9);
        for (std::size_t k = 0; k < host.size(); ++k) host[k] += static_cast<real>(0.3) * more[k];
        theta = diamond::from_host<real>(context, theta.size(), 1, host);
    }
};

template <class Batch>
void check_same(const Batch& a, const Batch& b, double tolerance) {
    const auto x = diamond::to_host(a), y = diamond::to_host(b);
    for (std::size_t k = 0; k < x.size(); ++k)
        CHECK(static_cast<double>(x[k]) ==
              doctest::Approx(static_cast<double>(y[k])).epsilon(tolerance).scale(2));
}

} // namespace

TEST_CASE_TEMPLATE("with its last layer 0 the network is the Gaussian's Diamond map, at any time", back,
                   ALL_BACK_ENDS) {
    using batch = typename back::batch;
    for (const bool rotated : {false, true}) {
        setting<back> c(rotated, 3);
        const auto numbers = frame_numbers(rotated);
        diamond::gaussian_diamond_map exact{diamond::gaussian<batch, diamond::trigonometric_schedule>(
            c.context, {}, numbers.mean, covariance(numbers))};
        auto parameters = diamond::from_host<typename back::real>(c.context, c.theta.size(), 1,
                                                                  diamond::to_host(c.theta));
        diamond::network_diamond_map map{diamond::trained_network(c.network, std::move(parameters))};
        batch expected(c.context, 3, c.n), found(c.context, 3, c.n), other(c.context, 3, c.n),
            of_x_t(c.context, 3, c.n), of_x_t_exact(c.context, 3, c.n);
        for (const interval inner : {interval{0.0, 1.0}, {0.2, 0.9}, {0.9, 0.1}, {0.0, 0.0}}) {
            exact(c.xbar.read(), inner, c.x_t.read(), time_view(c.t.data()), {}, expected.mutable_view());
            map(c.xbar.read(), inner, c.x_t.read(), time_view(c.t.data()), c.condition(),
                found.mutable_view());
            check_same(found, expected, 8 * back::tolerance);
            exact.vjp(c.xbar.read(), inner, c.x_t.read(), time_view(c.t.data()), {}, c.xbar_dot.read(),
                      expected.mutable_view(), of_x_t_exact.mutable_view());
            map.vjp(c.xbar.read(), inner, c.x_t.read(), time_view(c.t.data()), c.condition(),
                    c.xbar_dot.read(), other.mutable_view(), of_x_t.mutable_view());
            check_same(other, expected, 8 * back::tolerance);
            check_same(of_x_t, of_x_t_exact, 8 * back::tolerance);
        }
        CHECK(map.spent() == diamond::cost{.forward = 28, .vjp = 28});
    }
}

TEST_CASE_TEMPLATE("tangents and gradients of the network", back, DOUBLE_BACK_ENDS) {
    using batch = typename back::batch;
    for (const bool rotated : {false, true}) {
        setting<back> c(rotated, rotated ? 0 : 3);
        c.stir();
        // away from the ends of the inner time, where only one side exists
        c.s = diamond::from_host<double>(c.context, 1, c.n, {0.05, 0.3, 0.5, 0.95, 0.1, 0.9, 0.2});
        c.r = diamond::from_host<double>(c.context, 1, c.n, {0.9, 0.3, 0.9, 0.97, 0.7, 0.4, 0.9});
        const typename setting<back>::net::speeds speeds{c.xbar_dot.data(), 0.7, -0.4};
        c.network.record(c.theta.data(), c.arguments(), c.condition(), speeds, c.space, c.v.mutable_view(),
                         c.v_dot.mutable_view());
        const batch k = c.normals(11), k_dot = c.normals(12);
        batch gradient(c.context, c.network.parameters(), 1);
        diamond::set_to_zero(gradient.mutable_view());
        c.network.backward(c.theta.data(), c.space, k.read(), k_dot.data(), gradient.data());
        batch of_xbar(c.context, 3, c.n), of_x_t(c.context, 3, c.n);
        c.network.vjp(c.theta.data(), c.arguments(), c.condition(), k.read(), c.space, of_xbar.mutable_view(),
                      of_x_t.mutable_view());

        constexpr double step = 1e-5;
        const auto xbar = diamond::to_host(c.xbar), x_t = diamond::to_host(c.x_t),
                   dot = diamond::to_host(c.xbar_dot), s = diamond::to_host(c.s), r = diamond::to_host(c.r);
        const auto weight = diamond::to_host(k), weight_dot = diamond::to_host(k_dot),
                   theta = diamond::to_host(c.theta), tangent = diamond::to_host(c.v_dot);
        const auto evaluated = [&] {
            c.network(c.theta.data(), c.arguments(), c.condition(), c.space, c.v.mutable_view());
            return diamond::to_host(c.v);
        };
        const auto shifted = [&](double h) {
            batches::put(c.xbar, numbers::moved(xbar, h, dot));
            batches::put(c.s, numbers::moved(s, 0.7 * h));
            batches::put(c.r, numbers::moved(r, -0.4 * h));
            return evaluated();
        };
        const auto above = shifted(step), below = shifted(-step);
        for (std::size_t e = 0; e < tangent.size(); ++e)
            CHECK(tangent[e] == doctest::Approx((above[e] - below[e]) / (2 * step)).epsilon(1e-6).scale(1));
        shifted(0.0);

        const auto objective = [&] {
            c.network.record(c.theta.data(), c.arguments(), c.condition(), speeds, c.space,
                             c.v.mutable_view(), c.v_dot.mutable_view());
            return numbers::pairing(weight, diamond::to_host(c.v)) +
                   numbers::pairing(weight_dot, diamond::to_host(c.v_dot));
        };
        const auto of_theta = diamond::to_host(gradient);
        for (std::size_t p = 0; p < theta.size(); ++p)
            CHECK(of_theta[p] ==
                  doctest::Approx(batches::slope(c.theta, static_cast<index_t>(p), theta[p], step, objective))
                      .epsilon(1e-6)
                      .scale(1));
        const auto value = [&] { return numbers::pairing(weight, evaluated()); };
        const auto by_xbar = diamond::to_host(of_xbar), by_x_t = diamond::to_host(of_x_t);
        for (std::size_t e = 0; e < xbar.size(); ++e) {
            CHECK(by_xbar[e] ==
                  doctest::Approx(batches::slope(c.xbar, static_cast<index_t>(e), xbar[e], step, value))
                      .epsilon(1e-6)
                      .scale(1));
            CHECK(by_x_t[e] ==
                  doctest::Approx(batches::slope(c.x_t, static_cast<index_t>(e), x_t[e], step, value))
                      .epsilon(1e-6)
                      .scale(1));
        }
    }
}

TEST_CASE("a label changes the network, and its absence is a label") {
    setting<back_ends::eigen<double>> c(false, 3);
    c.stir();
    const auto with = [&](labels label) {
        c.network(c.theta.data(), c.arguments(), label, c.space, c.v.mutable_view());
        return diamond::to_host(c.v);
    };
    CHECK(with(labels(0)) != with(labels(1)));
    CHECK(with(labels(2)) != with(labels()));
    const auto mixed = with(c.condition()), none = with(labels());
    CHECK(std::equal(mixed.begin() + 6, mixed.begin() + 9, none.begin() + 6)); // column 2 has the empty label
}

namespace {
/// v is x_t: what a map passes for it comes out.
struct echo {
    using batch_type = back_ends::eigen<double>::batch;
    struct workspace {};
    [[nodiscard]] static index_t dimension() { return 3; }
    [[nodiscard]] static diamond::linear_schedule schedule() { return {}; }
    [[nodiscard]] static diamond::linear_schedule inner_schedule() { return {}; }
    [[nodiscard]] static workspace make_workspace(const diamond::eigen::context&, index_t) { return {}; }
    void operator()(const diamond_arguments<batch_type>& at, diamond::no_condition, workspace&,
                    diamond::view_t<batch_type> out) const {
        out.context().copy(at.x_t.data(), out.size(), out.data());
    }
};
} // namespace

TEST_CASE("a network is given 0 for x_t where nothing is known, and a label it has") {
    setting<back_ends::eigen<double>> c(false, 3);
    diamond::network_diamond_map map{echo{}};
    map(c.xbar.read(), {0.0, 1.0}, c.x_t.read(), time_view(c.t.data()), {},
        c.v.mutable_view()); // xbar + x_t, but at column 0, whose t is 0
    for (index_t i = 0; i < 3; ++i) {
        CHECK(c.v.data()[i] == c.xbar.data()[i]);
        CHECK(c.v.data()[3 + i] == c.xbar.data()[3 + i] + c.x_t.data()[3 + i]);
    }
    map(c.xbar.read(), {0.0, 1.0}, c.x_t.read(), time_view(0.0), {}, c.v.mutable_view());
    CHECK(diamond::to_host(c.v) == diamond::to_host(c.xbar));
    CHECK_THROWS_WITH_AS(c.network(c.theta.data(), c.arguments(), labels(3), c.space, c.v.mutable_view()),
                         doctest::Contains("label 3 for a network of 3 classes"), std::invalid_argument);
}

TEST_CASE("at t = 0 the network is a velocity field and a flow map") {
    using back = back_ends::eigen<double>;
    setting<back> c(true, 0);
    const auto numbers = frame_numbers(true);
    const diamond::gaussian<back::batch, diamond::linear_schedule> exact(c.context, {}, numbers.mean,
                                                                         covariance(numbers));
    const diamond::trained_network network(
        c.network, diamond::from_host<double>(c.context, c.theta.size(), 1, diamond::to_host(c.theta)));
    const diamond::network_velocity field{network};
    static_assert(diamond::differentiable_velocity_field<decltype(field)>);
    auto space = field.make_workspace(c.context, c.n);
    auto room = exact.make_workspace(c.context, c.n);
    back::batch found(c.context, 3, c.n), expected(c.context, 3, c.n);
    for (const double t : {0.0, 0.4, 1.0}) {
        field(c.xbar.read(), time_view(t), labels(), space, found.mutable_view());
        exact(c.xbar.read(), time_view(t), {}, room, expected.mutable_view());
        check_same(found, expected, 1e-12);
        field.jvp(c.xbar.read(), time_view(t), labels(), c.xbar_dot.read(), space, found.mutable_view());
        exact.jvp(c.xbar.read(), time_view(t), {}, c.xbar_dot.read(), room, expected.mutable_view());
        check_same(found, expected, 1e-12);
        field.vjp(c.xbar.read(), time_view(t), labels(), c.xbar_dot.read(), space, found.mutable_view());
        check_same(found, expected, 1e-12); // the Gaussian's Jacobian is symmetric
    }
    diamond::network_flow_map map{network};
    static_assert(diamond::flow_map<decltype(map)>);
    diamond::gaussian_flow_map closed{exact};
    map(c.xbar.read(), {0.1, 0.8}, labels(), found.mutable_view());
    closed(c.xbar.read(), {0.1, 0.8}, {}, expected.mutable_view());
    check_same(found, expected, 1e-12);
}

} // namespace nn_diamond_mlp_test
