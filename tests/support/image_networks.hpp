/// What every preconditioned network of layers must hold: it begins as its frame's Gaussian, its tangents,
/// vector-Jacobian products and gradients agree with differences, and no bit depends on threads or on the
/// columns beside one.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include <diamond/map/network_diamond_map.hpp>
#include <diamond/nn/preconditioned_network.hpp>
#include <diamond/nn/trained_network.hpp>

#include <support/back_ends.hpp>
#include <support/graphs.hpp>
#include <support/numbers.hpp>

namespace image_networks {

using diamond::index_t;

/// A frame of d numbers, all different, with a basis of rotations of neighbours, or without one.
[[nodiscard]] inline diamond::gaussian_frame_numbers frame_numbers(index_t d, bool basis = false) {
    diamond::gaussian_frame_numbers result;
    for (index_t i = 0; i < d; ++i) {
        const auto x = static_cast<double>(i);
        result.mean.push_back(std::sin(1.0 + x));
        result.variance.push_back(0.6 + 0.5 * std::cos(2.0 * x));
    }
    if (!basis) return result;
    result.basis.assign(static_cast<std::size_t>(d * d), 0.0);
    const auto at = [&](index_t i, index_t j) -> double& {
        return result.basis[static_cast<std::size_t>(i + d * j)];
    };
    for (index_t i = 0; i < d; ++i) at(i, i) = 1.0;
    for (index_t k = 0; k + 1 < d; ++k)
        for (index_t i = 0; i < d; ++i) {
            const double c = std::cos(0.7), s = std::sin(0.7), a = at(i, k), b = at(i, k + 1);
            at(i, k) = c * a + s * b;
            at(i, k + 1) = c * b - s * a;
        }
    return result;
}

/// Numbers that a network is called with, on the host.
struct numbers_of_call {
    index_t n, d, classes, vector_size;
    std::vector<double> theta, xbar, x_t, xbar_dot, vectors, t, s, r;
    double s_dot = 0.7, r_dot = -0.4;
    std::vector<std::int32_t> label;

    template <class Network>
    numbers_of_call(const Network& network, index_t columns, double size = 0.3)
        : n(columns),
          d(network.dimension()),
          classes(network.classes()),
          vector_size(network.vector_size()),
          theta(numbers::normals<double>(network.parameters(), 1)),
          xbar(numbers::normals<double>(d * n, 2)),
          x_t(numbers::normals<double>(d * n, 3)),
          xbar_dot(numbers::normals<double>(d * n, 4)),
          vectors(numbers::normals<double>(vector_size * n, 5)) {
        for (auto& number : theta) number *= size;
        for (index_t j = 0; j < n; ++j) { // away from the ends, where only one side exists
            const auto x = static_cast<double>(j);
            t.push_back(0.05 + 0.9 * std::fmod(0.37 * x, 1.0));
            s.push_back(0.05 + 0.85 * std::fmod(0.61 * x + 0.2, 1.0));
            r.push_back(0.05 + 0.85 * std::fmod(0.83 * x + 0.5, 1.0));
            label.push_back(static_cast<std::int32_t>(j % (classes + 1)) - 1);
        }
    }
    /// The same of the first column alone.
    [[nodiscard]] numbers_of_call first_column() const {
        auto result = *this;
        result.n = 1;
        for (auto* const states : {&result.xbar, &result.x_t, &result.xbar_dot})
            states->resize(static_cast<std::size_t>(d));
        result.vectors.resize(static_cast<std::size_t>(vector_size));
        for (auto* const times : {&result.t, &result.s, &result.r}) times->resize(1);
        result.label.resize(1);
        return result;
    }
};

/// A call in the memory of a back end.
template <class Network>
struct call_on {
    using batch = typename Network::batch_type;
    using real = typename batch::value_type;
    using context_type = diamond::backend_of_t<batch>;
    const context_type& context;
    const Network& network;
    numbers_of_call at;
    batch theta, xbar, x_t, xbar_dot, vectors;
    diamond::rebind_t<batch, double> t, s, r;
    diamond::owning_batch<std::int32_t, context_type> label;
    typename Network::workspace space;

    call_on(const context_type& on, const Network& of, const numbers_of_call& numbers)
        : context(on), network(of), at(numbers) {
        bring();
    }
    batch brought(const std::vector<double>& all, index_t rows, index_t columns) const {
        return diamond::from_host<real>(context, rows, columns, std::vector<real>(all.begin(), all.end()));
    }
    void bring() {
        theta = brought(at.theta, network.parameters(), 1);
        xbar = brought(at.xbar, at.d, at.n);
        x_t = brought(at.x_t, at.d, at.n);
        xbar_dot = brought(at.xbar_dot, at.d, at.n);
        if (at.vector_size > 0) vectors = brought(at.vectors, at.vector_size, at.n);
        t = diamond::from_host<double>(context, 1, at.n, at.t);
        s = diamond::from_host<double>(context, 1, at.n, at.s);
        r = diamond::from_host<double>(context, 1, at.n, at.r);
        label = diamond::from_host<std::int32_t>(context, 1, at.n, at.label);
    }
    [[nodiscard]] diamond::diamond_arguments<batch> arguments() const {
        return {xbar.read(), x_t.read(), diamond::time_view(t.data()), diamond::time_view(s.data()),
                diamond::time_view(r.data())};
    }
    [[nodiscard]] typename Network::condition_type condition() const {
        typename Network::condition_type result{};
        if (at.classes > 0) result.label = diamond::labels(label.data());
        if (at.vector_size > 0) result.vector = diamond::condition_vectors<batch>(vectors.read());
        return result;
    }
    std::vector<double> value() {
        batch v(context, network.outputs(), at.n);
        network(theta.data(), arguments(), condition(), space, v.mutable_view());
        return graphs::fetched(v);
    }
};

/// What all passes give: v, v', the gradients of sum k v + k' v', and those of sum k v by vjp.
struct results_of_call {
    std::vector<double> v, v_dot, theta, xbar, x_t, jvp;
};
template <class Network>
[[nodiscard]] results_of_call run(const diamond::backend_of_t<typename Network::batch_type>& context,
                                  const Network& network, const numbers_of_call& at,
                                  const std::vector<double>& k, const std::vector<double>& k_dot) {
    using batch = typename Network::batch_type;
    using real = typename batch::value_type;
    call_on<Network> call(context, network, at);
    const index_t rows = network.outputs(), n = at.n;
    const batch cotangent = call.brought(k, rows, n), cotangent_dot = call.brought(k_dot, rows, n);
    batch v(context, rows, n), v_dot(context, rows, n), gradient(context, network.parameters(), 1),
        of_xbar(context, at.d, n), of_x_t(context, at.d, n);
    diamond::set_to_zero(gradient.mutable_view());
    network.record(call.theta.data(), call.arguments(), call.condition(),
                   diamond::diamond_speeds<real>{call.xbar_dot.data(), at.s_dot, at.r_dot}, call.space,
                   v.mutable_view(), v_dot.mutable_view());
    network.backward(call.theta.data(), call.space, cotangent.read(), cotangent_dot.data(), gradient.data());
    results_of_call result{graphs::fetched(v), graphs::fetched(v_dot), graphs::fetched(gradient), {}, {}, {}};
    network.vjp(call.theta.data(), call.arguments(), call.condition(), cotangent.read(), call.space,
                of_xbar.mutable_view(), of_x_t.mutable_view());
    result.xbar = graphs::fetched(of_xbar);
    result.x_t = graphs::fetched(of_x_t);
    network.jvp(call.theta.data(), call.arguments(), call.condition(), call.xbar_dot.read(), call.space,
                v_dot.mutable_view());
    result.jvp = graphs::fetched(v_dot);
    return result;
}

/// Checks all passes in double against differences along random directions, to 1e-7 of the terms' size.
template <class Network>
void check_derivatives(const Network& network, index_t columns) {
    const diamond::backend_of_t<typename Network::batch_type> context{.threads = 2};
    const numbers_of_call at(network, columns);
    const auto k = numbers::normals<double>(network.outputs() * columns, 11),
               k_dot = numbers::normals<double>(network.outputs() * columns, 12);
    const auto found = run(context, network, at, k, k_dot);
    call_on<Network> call(context, network, at);
    const auto plain = call.value(); // which has no tangent beside it
    for (std::size_t i = 0; i < plain.size(); ++i)
        CHECK(plain[i] == doctest::Approx(found.v[i]).epsilon(1e-12).scale(1.0));
    const auto moved = [](const std::vector<double>& from, const std::vector<double>& by, double h) {
        auto to = from;
        for (std::size_t i = 0; i < to.size(); ++i) to[i] += h * by[i];
        return to;
    };
    const auto near = [](double a, double b, double scale) {
        CAPTURE(a);
        CAPTURE(b);
        CHECK(std::abs(a - b) <= 1e-7 * (1.0 + scale));
    };
    const auto size = [](const std::vector<double>& a, const std::vector<double>& b) {
        double sum = 0.0;
        for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] * b[i]);
        return sum;
    };
    const auto value_at = [&](const auto& move, double h) {
        call.at = at;
        move(call.at, h);
        call.bring();
        return graphs::pairing(call.value(), k);
    };
    const auto along = [&](numbers_of_call& there, double h) {
        there.xbar = moved(at.xbar, at.xbar_dot, h);
        for (auto& s : there.s) s += at.s_dot * h;
        for (auto& r : there.r) r += at.r_dot * h;
    };
    near(graphs::pairing(found.v_dot, k), graphs::derivative([&](double h) { return value_at(along, h); }),
         size(found.v_dot, k));
    near(graphs::pairing(found.jvp, k), graphs::derivative([&](double h) {
             return value_at(
                 [&](numbers_of_call& there, double by) { there.xbar = moved(at.xbar, at.xbar_dot, by); }, h);
         }),
         size(found.jvp, k));
    near(graphs::pairing(found.jvp, k), graphs::pairing(found.xbar, at.xbar_dot), size(found.jvp, k));
    const auto by_x_t = numbers::normals<double>(at.d * at.n, 13);
    near(graphs::pairing(found.x_t, by_x_t), graphs::derivative([&](double h) {
             return value_at(
                 [&](numbers_of_call& there, double by) { there.x_t = moved(at.x_t, by_x_t, by); }, h);
         }),
         size(found.x_t, by_x_t));
    for (unsigned direction = 0; direction < 3; ++direction) {
        CAPTURE(direction);
        const auto by = numbers::normals<double>(network.parameters(), 20 + direction);
        const double expected = graphs::derivative([&](double h) {
            auto there = at;
            there.theta = moved(at.theta, by, h);
            const auto result = run(context, network, there, k, k_dot);
            return graphs::pairing(result.v, k) + graphs::pairing(result.v_dot, k_dot);
        });
        near(graphs::pairing(found.theta, by), expected, size(found.theta, by));
    }
}

/// Checks on a back end: what it gives is what the CPU gives in double, and on host back ends the bits are
/// those of 1, 2 and 4 threads, and of a column alone. `make` returns the network on a context.
template <class BackEnd, class Make>
void check_back_end(const Make& make, index_t columns, double tolerance) {
    const diamond::eigen::context host{.threads = 1};
    const auto exact = make.template operator()<diamond::eigen::batch<double>>(host);
    const auto context = BackEnd::make(2);
    const auto network = make.template operator()<typename BackEnd::batch>(context);
    const numbers_of_call at(exact, columns, 0.1);
    const auto k = numbers::normals<double>(exact.outputs() * columns, 11),
               k_dot = numbers::normals<double>(exact.outputs() * columns, 12);
    const auto expected = run(host, exact, at, k, k_dot), found = run(context, network, at, k, k_dot);
    const auto close = [&](const std::vector<double>& a, const std::vector<double>& b) {
        REQUIRE(a.size() == b.size());
        double scale = 1.0, worst = 0.0;
        for (const double number : b) scale = std::max(scale, std::abs(number));
        for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
        CAPTURE(worst / scale);
        CHECK(worst <= tolerance * scale);
    };
    close(found.v, expected.v);
    close(found.v_dot, expected.v_dot);
    close(found.theta, expected.theta);
    close(found.xbar, expected.xbar);
    close(found.x_t, expected.x_t);
    close(found.jvp, expected.jvp);
    if constexpr (BackEnd::column_free_products) {
        for (const int threads : {1, 4}) {
            const auto other = BackEnd::make(threads);
            const auto same = run(other, make.template operator()<typename BackEnd::batch>(other), at, k,
                                  k_dot);
            CHECK(same.v == found.v);
            CHECK(same.v_dot == found.v_dot);
            CHECK(same.theta == found.theta);
            CHECK(same.xbar == found.xbar);
            CHECK(same.x_t == found.x_t);
            CHECK(same.jvp == found.jvp);
        }
        const auto alone = at.first_column();
        const auto first = [](std::vector<double> all, index_t count) {
            all.resize(static_cast<std::size_t>(count));
            return all;
        };
        const auto one = run(context, network, alone, first(k, exact.outputs()),
                             first(k_dot, exact.outputs()));
        CHECK(one.v == first(found.v, exact.outputs()));
        CHECK(one.v_dot == first(found.v_dot, exact.outputs()));
        CHECK(one.xbar == first(found.xbar, at.d));
        CHECK(one.x_t == first(found.x_t, at.d));
    }
}

/// Checks that a network with its first parameters is its Gaussian's Diamond map: v = pm + k e, which the
/// diamond_mlp of the same frame also is.
template <class Network, class Other>
void check_begins_as(const Network& network, const Other& gaussian, index_t columns) {
    const diamond::backend_of_t<typename Network::batch_type> context{.threads = 2};
    const numbers_of_call at(network, columns), other(gaussian, columns);
    call_on<Network> call(context, network, at);
    call_on<Other> expected(context, gaussian, other);
    network.initialise(diamond::philox{3}, call.theta.mutable_view());
    gaussian.initialise(diamond::philox{4}, expected.theta.mutable_view());
    const auto found = call.value(), wanted = expected.value();
    REQUIRE(found.size() == wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        CHECK(found[i] == doctest::Approx(wanted[i]).epsilon(1e-10).scale(1.0));
}

} // namespace image_networks
