/// This header computes log-densities by many steps of a velocity's ODE: the path by a Runge-Kutta method,
/// and the divergence along it at few times.
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/batch.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/solver.hpp>
#include <diamond/random/philox.hpp>

namespace mnist {

/// This type is a point of a quadrature.
struct quadrature_node {
    double at, weight;
};

/// Returns the n nodes and weights of Gauss and Legendre for [0, length], in ascending order.
inline std::vector<quadrature_node> gauss_legendre(diamond::index_t n, double length) {
    std::vector<quadrature_node> result(static_cast<std::size_t>(n));
    const auto all = static_cast<double>(n);
    for (diamond::index_t k = 0; k < n; ++k) {
        double x = -std::cos(std::numbers::pi * (static_cast<double>(k) + 0.75) / (all + 0.5)), slope = 1.0;
        for (int newton = 0; newton < 8; ++newton) { // the guess is good to three digits, which double twice
            double before = 1.0, here = x;
            for (diamond::index_t m = 2; m <= n; ++m) {
                const auto degree = static_cast<double>(m);
                before = std::exchange(here,
                                       ((2.0 * degree - 1.0) * x * here - (degree - 1.0) * before) / degree);
            }
            slope = all * (x * here - before) / (x * x - 1.0);
            x -= here / slope;
        }
        result[static_cast<std::size_t>(k)] = {.at = length * (1.0 + x) / 2.0,
                                               .weight = length / ((1.0 - x * x) * slope * slope)};
    }
    return result;
}

/// Returns the times, from 1 down to 0, and weights by which sum_k weight f(t_k) is the integral of f over
/// [0, 1]. Along a path of the linear schedule to data that have noise N(0, h^2 I), the divergence changes
/// on the scale 1 - t far from the data and on the scale h near them. So the nodes are those of Gauss and
/// Legendre in asinh((1 - t)/h), of which it is a smooth function.
inline std::vector<quadrature_node> divergence_nodes(diamond::index_t n, double noise) {
    auto result = gauss_legendre(n, std::asinh(1.0 / noise));
    for (auto& node : result)
        node = {.at = 1.0 - noise * std::sinh(node.at), .weight = node.weight * noise * std::cosh(node.at)};
    return result;
}

struct many_steps_options {
    diamond::index_t nodes = 12; ///< times at which the divergence is taken
    diamond::index_t steps = 2;  ///< of the path between two of them, four evaluations each
    double noise = 0.05;         ///< h
};

/// log p_1(x) = log N(x_0; 0, I) - integral of div u along the path from x to x_0, for the velocity of a
/// divergence estimator. One that draws gets probes of its own at each node, so that the errors are
/// independent and the estimate is without bias.
template <class Divergence>
class many_steps {
public:
    using batch = typename Divergence::batch_type;
    using const_view = diamond::const_view_t<batch>;
    using row_view = diamond::row_t<batch>;
    using condition = diamond::condition_of_t<typename Divergence::field_type>;

    many_steps(Divergence divergence, const many_steps_options& options)
        : divergence_(std::move(divergence)),
          path_(divergence_.field(), diamond::runge_kutta_4{.steps = options.steps}),
          nodes_(divergence_nodes(options.nodes, options.noise)) {}

    [[nodiscard]] diamond::cost spent() const { return divergence_.spent() + path_.spent(); }

    /// out[j] = log p_1(x_j); error[j] = its standard error as the divergence knows it.
    void operator()(const_view x, diamond::philox rng, row_view out, row_view error) {
        using namespace diamond;
        const auto& where = x.context();
        batch here(where, x.rows(), x.columns()), there(where, x.rows(), x.columns());
        owning_batch<double, backend_of_t<batch>> rates(where, 1, x.columns()), errors(where, 1, x.columns());
        const auto rate = diamond::row(rates), rate_error = diamond::row(errors);
        where.copy(x.data(), x.size(), here.data());
        assign(out, 0.0);
        assign(error, 0.0);
        double t = 1.0;
        const auto go_to = [&](double next) {
            path_(here.read(), {t, next}, condition{}, there.mutable_view());
            std::swap(here, there);
            t = next;
        };
        for (std::size_t k = 0; k < nodes_.size(); ++k) {
            const auto& node = nodes_[k];
            go_to(node.at);
            divergence_(here.read(), time_view(t), condition{},
                        rng.stream(purpose::user, static_cast<index_t>(k)), rate, rate_error);
            assign(out, out - node.weight * rate);
            assign(error, error + square(node.weight * rate_error));
        }
        go_to(0.0);
        assign(error, sqrt(error));
        assign(rate, column_sums(elementwise<diamond::detail::log_normal_density>(here.read(), 1.0)));
        assign(out, out + rate);
    }

private:
    Divergence divergence_;
    diamond::ode_flow_map<typename Divergence::field_type, diamond::runge_kutta_4> path_;
    std::vector<quadrature_node> nodes_;
};

} // namespace mnist
