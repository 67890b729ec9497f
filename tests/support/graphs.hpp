/// Graphs of layers against differences: what a graph of any layers must hold, on every back end.
#pragma once

#include <cmath>
#include <vector>

#include <diamond/nn/layer_graph.hpp>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace graphs {

using diamond::index_t;

/// Numbers that a graph is called with: parameters, n columns of input, their tangents, and the cotangents of
/// the outputs and of their tangents.
struct numbers_of_call {
    index_t n;
    std::vector<double> theta, x, x_dot, k, k_dot;

    template <class Graph>
    numbers_of_call(const Graph& graph, index_t columns)
        : n(columns),
          theta(numbers::normals<double>(graph.parameters(), 1)),
          x(numbers::normals<double>(graph.inputs() * n, 2)),
          x_dot(numbers::normals<double>(graph.inputs() * n, 3)),
          k(numbers::normals<double>(graph.outputs() * n, 4)),
          k_dot(numbers::normals<double>(graph.outputs() * n, 5)) {
        for (auto& t : theta) t *= 0.3;
    }
};
/// What a graph makes of them: outputs with tangents, and all gradients of sum k y + k' y'.
struct results_of_call {
    std::vector<double> y, y_dot, theta, x, x_dot;
};

/// The numbers of a call in the memory of a back end.
template <class Batch>
struct call_on {
    using real = typename Batch::value_type;
    const diamond::backend_of_t<Batch>& context;
    Batch theta, x, x_dot, k, k_dot, y, y_dot;
    index_t n;

    template <class Graph>
    call_on(const diamond::backend_of_t<Batch>& on, const Graph& graph, const numbers_of_call& at)
        : context(on),
          theta(brought(at.theta, graph.parameters(), 1)),
          x(brought(at.x, graph.inputs(), at.n)),
          x_dot(brought(at.x_dot, graph.inputs(), at.n)),
          k(brought(at.k, graph.outputs(), at.n)),
          k_dot(brought(at.k_dot, graph.outputs(), at.n)),
          y(on, graph.outputs(), at.n),
          y_dot(on, graph.outputs(), at.n),
          n(at.n) {}
    Batch brought(const std::vector<double>& all, index_t rows, index_t columns) const {
        return diamond::from_host<real>(context, rows, columns, std::vector<real>(all.begin(), all.end()));
    }
};
template <class Batch>
[[nodiscard]] std::vector<double> fetched(const Batch& from) {
    const auto all = diamond::to_host(from);
    return {all.begin(), all.end()};
}

/// Runs all passes, with a tangent or without.
template <class Batch, class Graph>
[[nodiscard]] results_of_call run(const diamond::backend_of_t<Batch>& context, const Graph& graph,
                                  const numbers_of_call& at, bool tangent = true) {
    using real = typename Batch::value_type;
    call_on<Batch> call(context, graph, at);
    typename Graph::workspace space;
    graph.record(context, call.theta.data(), {call.x.data(), tangent ? call.x_dot.data() : nullptr}, call.n,
                 {call.y.data(), tangent ? call.y_dot.data() : nullptr}, space);
    Batch of_x(context, graph.inputs(), call.n), of_x_dot(context, graph.inputs(), call.n);
    auto gradient = diamond::from_host<real>(
        context, graph.parameters(), 1,
        std::vector<real>(static_cast<std::size_t>(graph.parameters()), real{0}));
    graph.backward(context, call.theta.data(), space, {call.k.data(), tangent ? call.k_dot.data() : nullptr},
                   {of_x.data(), tangent ? of_x_dot.data() : nullptr}, gradient.data());
    results_of_call result{fetched(call.y), {}, fetched(gradient), fetched(of_x), {}};
    if (tangent) {
        result.y_dot = fetched(call.y_dot);
        result.x_dot = fetched(of_x_dot);
    }
    // The pass that keeps nothing gives the same bits.
    Batch again(context, graph.outputs(), call.n);
    graph.forward(context, call.theta.data(), {call.x.data(), tangent ? call.x_dot.data() : nullptr}, call.n,
                  {again.data(), tangent ? call.y_dot.data() : nullptr}, space);
    CHECK(fetched(again) == result.y);
    if (tangent) CHECK(fetched(call.y_dot) == result.y_dot);
    return result;
}

[[nodiscard]] inline double pairing(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
    return sum;
}
/// The derivative at 0 of f, by five points: its error is that of the fifth derivative times 1e-13.
template <class F>
[[nodiscard]] double derivative(const F& f) {
    constexpr double h = 1e-3;
    return (8.0 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12.0 * h);
}
/// Checks all passes of a graph in double against differences, along random directions. `smooth` graphs agree
/// to 1e-8 of the terms' size.
template <class Graph>
void check_derivatives(const Graph& graph, index_t columns) {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 2};
    const numbers_of_call at(graph, columns);
    const auto found = run<batch>(context, graph, at);
    const auto moved = [](const std::vector<double>& from, const std::vector<double>& by, double h) {
        auto to = from;
        for (std::size_t i = 0; i < to.size(); ++i) to[i] += h * by[i];
        return to;
    };
    const auto value = [&](const numbers_of_call& there) {
        call_on<batch> call(context, graph, there);
        typename Graph::workspace space;
        graph.forward(context, call.theta.data(), {call.x.data(), call.x_dot.data()}, call.n,
                      {call.y.data(), call.y_dot.data()}, space);
        return std::pair{fetched(call.y), fetched(call.y_dot)};
    };
    const auto near = [](double a, double b, double scale) {
        return std::abs(a - b) <= 1e-8 * (1.0 + scale);
    };
    // The tangent, paired with k.
    const double tangent = derivative([&](double h) {
        auto there = at;
        there.x = moved(at.x, at.x_dot, h);
        return pairing(value(there).first, at.k);
    });
    CAPTURE(tangent);
    CHECK(near(pairing(found.y_dot, at.k), tangent, std::abs(tangent)));
    for (unsigned direction = 0; direction < 6; ++direction) {
        CAPTURE(direction);
        const auto along = [&](const std::vector<double>& from) {
            return numbers::normals<double>(static_cast<index_t>(from.size()), 10 + direction);
        };
        const auto check = [&](const char* what, const std::vector<double>& gradient, const auto& move) {
            CAPTURE(what);
            const auto by = along(gradient);
            const double expected = derivative([&](double h) {
                auto there = at;
                move(there, by, h);
                const auto [y, y_dot] = value(there);
                return pairing(y, at.k) + pairing(y_dot, at.k_dot);
            });
            double scale = 0.0;
            for (std::size_t i = 0; i < by.size(); ++i) scale += std::abs(by[i] * gradient[i]);
            CAPTURE(expected);
            CAPTURE(pairing(gradient, by));
            CHECK(near(pairing(gradient, by), expected, scale));
        };
        if (!at.theta.empty())
            check("theta", found.theta, [&](numbers_of_call& there, const std::vector<double>& by, double h) {
                there.theta = moved(at.theta, by, h);
            });
        check("x", found.x, [&](numbers_of_call& there, const std::vector<double>& by, double h) {
            there.x = moved(at.x, by, h);
        });
        check("x_dot", found.x_dot, [&](numbers_of_call& there, const std::vector<double>& by, double h) {
            there.x_dot = moved(at.x_dot, by, h);
        });
    }
}
/// Checks on a back end: the passes give what they give in double on the CPU, without a tangent, too; and of
/// host back ends the same bits on 1, 2 and 4 threads, and of each image those that it has alone.
/// `make` returns the graph for a batch type, `make.template operator()<Batch>()`.
template <class BackEnd, class Make>
void check_back_end(const Make& make, index_t columns, double tolerance) {
    using batch = typename BackEnd::batch;
    const diamond::eigen::context host{.threads = 1};
    const auto exact = make.template operator()<diamond::eigen::batch<double>>();
    const auto graph = make.template operator()<batch>();
    const numbers_of_call at(exact, columns);
    const auto context = BackEnd::make();
    const auto close = [&](const std::vector<double>& a, const std::vector<double>& b) {
        REQUIRE(a.size() == b.size());
        double scale = 1.0, worst = 0.0;
        for (const double number : b) scale = std::max(scale, std::abs(number));
        for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
        CAPTURE(worst / scale);
        CHECK(worst <= tolerance * scale);
    };
    for (const bool tangent : {false, true}) {
        CAPTURE(tangent);
        const auto expected = run<diamond::eigen::batch<double>>(host, exact, at, tangent);
        const auto found = run<batch>(context, graph, at, tangent);
        close(found.y, expected.y);
        close(found.y_dot, expected.y_dot);
        close(found.theta, expected.theta);
        close(found.x, expected.x);
        close(found.x_dot, expected.x_dot);
        if constexpr (BackEnd::column_free_products) {
            for (const int threads : {1, 2, 4}) {
                const auto other = BackEnd::make(threads);
                const auto same = run<batch>(other, graph, at, tangent);
                CHECK(same.y == found.y);
                CHECK(same.y_dot == found.y_dot);
                CHECK(same.theta == found.theta);
                CHECK(same.x == found.x);
                CHECK(same.x_dot == found.x_dot);
            }
            // The last image alone.
            auto last = at;
            last.n = 1;
            const auto keep = [](std::vector<double>& all, index_t rows) {
                all.erase(all.begin(), all.end() - rows);
            };
            keep(last.x, graph.inputs());
            keep(last.x_dot, graph.inputs());
            keep(last.k, graph.outputs());
            keep(last.k_dot, graph.outputs());
            const auto alone = run<batch>(context, graph, last, tangent);
            const auto ends = [](const std::vector<double>& all, const std::vector<double>& end) {
                return std::equal(end.begin(), end.end(),
                                  all.end() - static_cast<std::ptrdiff_t>(end.size()));
            };
            CHECK(ends(found.y, alone.y));
            CHECK(ends(found.y_dot, alone.y_dot));
            CHECK(ends(found.x, alone.x));
            CHECK(ends(found.x_dot, alone.x_dot));
        }
    }
}

} // namespace graphs
