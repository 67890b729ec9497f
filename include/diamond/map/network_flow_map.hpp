/// The flow map of the data, which a Diamond network is at t = 0, on its inner schedule. See
/// (eq. diamond-flow-map), (eq. density-jump).
#pragma once

#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/density/log_likelihood.hpp>
#include <diamond/map/network_velocity.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/counted_network.hpp>

namespace diamond {

/// The options of network_flow_map.
struct network_flow_map_options {
    double base_deviation = 1.0; ///< s0 > 0: x is s0 times the training's data, and x_0 ~ N(0, s0^2 I)
};

/// X_{s,r}(x) = x + (r - s) s0 v(x/s0, 0, 0, s, r), with the mean divergence m(x/s0, 0, 0, s, r), which does
/// not depend on the units of x.
///
/// Models differentiable_flow_map where the network is differentiable, flow_map_with_divergence where the
/// network has a divergence, and differentiable_flow_map_with_divergence where it has both. A log_likelihood
/// of it needs its base_deviation() in the options. x and out are d x N. Cost: one evaluation for each
/// column, with m the network's divergence_cost(); for a vjp one vjp. [DM], [F2]
template <class Network>
class network_flow_map {
    static_assert(diagnose_diamond_network<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless the base deviation is positive.
    explicit network_flow_map(Network network, network_flow_map_options options = {})
        : network_(std::move(network)), options_(options) {
        check_schedule(this->network().schedule());
        check_schedule(schedule());
        detail::require_base_deviation(options.base_deviation);
    }

    [[nodiscard]] index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] auto schedule() const { return network().inner_schedule(); }
    [[nodiscard]] double base_deviation() const { return options_.base_deviation; }
    [[nodiscard]] const Network& network() const { return network_.network(); }
    [[nodiscard]] const cost& spent() const { return network_.spent(); }

    /// out = X_{from,to}(x | condition). @throws std::invalid_argument if shapes differ or a time leaves [0,
    /// 1].
    void operator()(const_view x, interval span, const condition_type& condition, view out) {
        check(x, span, const_view(out));
        network()(arguments(x, span), condition, network_.workspace(x), out);
        add_to(x, span, out);
        network_.spent().forward += x.columns();
    }
    /// out = X_{from,to}(x | condition) and divergence[j] = m(x_j, from, to), N numbers in the memory of the
    /// batch. @throws std::invalid_argument if shapes differ or a time leaves [0, 1].
    void operator()(const_view x, interval span, const condition_type& condition, view out,
                    row_t<batch_type> divergence)
        requires diamond_network_with_divergence<Network>
    {
        check(x, span, const_view(out));
        network()(arguments(x, span), condition, network_.workspace(x), out, divergence);
        add_to(x, span, out);
        network_.spent() += detail::divergence_cost(network(), x.columns());
    }
    /// out = cotangent^T dX/dx, d x N.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent, view out)
        requires differentiable_diamond_network<Network>
    {
        check(x, span, const_view(out));
        require_same_shape("network_flow_map::vjp", x, cotangent);
        unused_.resize(x.context(), x.rows(), x.columns());
        network().vjp(arguments(x, span), condition, cotangent, network_.workspace(x), out,
                      unused_.mutable_view());
        assign(out, cotangent + span.length() * out);
        network_.spent().vjp += x.columns();
    }
    /// out = cotangent^T dX/dx + divergence_cotangent dm/dx, d x N; null data of either cotangent stand for
    /// zeros.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent,
             const_row_t<batch_type> divergence_cotangent, view out)
        requires differentiable_diamond_network_with_divergence<Network>
    {
        check(x, span, const_view(out));
        const auto at = arguments(x, span);
        unused_.resize(x.context(), x.rows(), x.columns());
        const_view pulled = cotangent;
        if (cotangent.data()) { // the cotangent of v is s0 (r - s) times that of X
            cotangent_.resize(x.context(), x.rows(), x.columns());
            assign(cotangent_, span.length() * options_.base_deviation * cotangent);
            pulled = cotangent_.read();
        }
        network().vjp(at, condition, pulled, divergence_cotangent, network_.workspace(x), out,
                      unused_.mutable_view());
        cotangent.data() ? assign(out, out / options_.base_deviation + cotangent)
                         : assign(out, out / options_.base_deviation);
        network_.spent().vjp += x.columns();
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    void add_to(const_view x, interval span, view out) const {
        assign(out, x + span.length() * options_.base_deviation * out);
    }
    static void check(const_view x, interval span, const_view out) {
        require_same_shape("network_flow_map", x, out);
        require_apart("network_flow_map", x, out);
        require_time("network_flow_map", span.from);
        require_time("network_flow_map", span.to);
    }
    diamond_arguments<batch_type> arguments(const_view x, interval span) {
        const_view scaled = x;
        if (options_.base_deviation != 1.0) {
            scaled_.resize(x.context(), x.rows(), x.columns());
            assign(scaled_, x / options_.base_deviation);
            scaled = scaled_.read();
        }
        return {scaled, detail::zeros_like(x, zeros_), time_view(0.0), time_view(span.from),
                time_view(span.to)};
    }

    counted_network<Network> network_;
    network_flow_map_options options_;
    scratch<real, context_type> zeros_, scaled_, cotangent_, unused_;
};

} // namespace diamond
