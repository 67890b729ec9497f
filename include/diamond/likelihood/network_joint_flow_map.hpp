/// What a joint Diamond network holds at t = 0: the joint flow map of the data, on the network's inner schedule. [F2], section 8.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/concepts/joint_diamond_network.hpp>
#include <diamond/concepts/joint_flow_map.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/map/network_flow.hpp>
#include <diamond/schedule/held_network.hpp>

namespace diamond {

struct joint_network_options {
    double base_deviation = 1.0; ///< s0: x is s0 times what the network was trained on, and x_0 ~ N(0, s0^2 I)
};

/// X_{s,r}(x) = x + (r - s) s0 v(x/s0, 0, 0, s, r) and m(x/s0, 0, 0, s, r), which is the same in any units. Models joint_flow_map, and
/// differentiable_joint_flow_map where the network is differentiable. Densities by log_likelihood need base_deviation() in its options.
/// Cost: one evaluation a column, with m what the network says of joint(); a vjp one.
template <class Network>
class network_joint_flow_map {
    static_assert(diagnose_joint_diamond_network<Network>());

public:
    using batch_type     = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless the base deviation is positive.
    explicit network_joint_flow_map(Network network, joint_network_options options = {}) : held_(std::move(network)), options_(options) {
        require(options.base_deviation > 0.0 && std::isfinite(options.base_deviation),
                [&] { return "a base deviation of " + digits_of(options.base_deviation) + ": it must be positive and finite"; });
    }

    [[nodiscard]] index_t dimension() const { return held_.dimension(); }
    [[nodiscard]] auto schedule() const { return network().inner_schedule(); }
    [[nodiscard]] double base_deviation() const { return options_.base_deviation; }
    [[nodiscard]] const Network& network() const { return held_.network(); }
    [[nodiscard]] const cost& spent() const { return held_.spent(); }

    void operator()(const_view x, interval span, const condition_type& condition, view out) {
        check(x, span, const_view(out));
        network()(arguments(x, span), condition, held_.workspace(x), out);
        combine(coefficients<2>(numbers<2>{{1.0, span.length() * options_.base_deviation}}), out, x, const_view(out));
        held_.spent().forward += x.columns();
    }
    /// @throws std::invalid_argument where shapes differ or a time leaves [0, 1].
    void operator()(const_view x, interval span, const condition_type& condition, view out, double* divergence) {
        check(x, span, const_view(out));
        network().joint(arguments(x, span), condition, held_.workspace(x), out, divergence);
        combine(coefficients<2>(numbers<2>{{1.0, span.length() * options_.base_deviation}}), out, x, const_view(out));
        held_.spent() += detail::joint_cost(network(), x.columns());
    }
    /// out = cotangent^T dX/dx + divergence_cotangent dm/dx; null data of either mean zero.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent, const double* divergence_cotangent, view out)
        requires differentiable_joint_diamond_network<Network>
    {
        check(x, span, const_view(out));
        const auto at = arguments(x, span);
        spare_.resize(x.context(), x.rows(), x.columns());
        const_view pulled = cotangent;
        if (cotangent.data()) { // of v: s0 (r - s) times it
            cotangent_.resize(x.context(), x.rows(), x.columns());
            combine(coefficients<1>(numbers<1>{{span.length() * options_.base_deviation}}), cotangent_.mutable_view(), cotangent);
            pulled = cotangent_.read();
        }
        network().joint_vjp(at, condition, pulled, divergence_cotangent, held_.workspace(x), out, spare_.mutable_view());
        combine(coefficients<2>(numbers<2>{{1.0 / options_.base_deviation, cotangent.data() ? 1.0 : 0.0}}), out, const_view(out), cotangent.data() ? cotangent : x);
        held_.spent().vjp += x.columns();
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    void check(const_view x, interval span, const_view out) const {
        require_same_shape("network_joint_flow_map", x, out);
        require_time("network_joint_flow_map", span.from);
        require_time("network_joint_flow_map", span.to);
    }
    diamond_arguments<batch_type> arguments(const_view x, interval span) {
        const_view scaled = x;
        if (options_.base_deviation != 1.0) {
            scaled_.resize(x.context(), x.rows(), x.columns());
            combine(coefficients<1>(numbers<1>{{1.0 / options_.base_deviation}}), scaled_.mutable_view(), x);
            scaled = scaled_.read();
        }
        return {scaled, detail::zeros_like(x, zeros_), time_view(0.0), time_view(span.from), time_view(span.to)};
    }

    held_network<Network> held_;
    joint_network_options options_;
    scratch<real, context_type> zeros_, scaled_, cotangent_, spare_;
};

} // namespace diamond
