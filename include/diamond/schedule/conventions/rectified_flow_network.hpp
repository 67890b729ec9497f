/// Rectified flows whose time runs from data to noise, as those of Stable Diffusion 3 and Flux.
#pragma once

#include <string>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/field_evaluator.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// The options of rectified_flow_network.
struct rectified_flow_options {
    double time_scale = 1.0; ///< The network's time at pure noise: 1000 where it counts from 0 to 1000.
};

namespace detail {
/// Each column's 1 - t, with all digits that the time has, times the scale; that of t = 0 where t is no time.
struct write_tau {
    time_view t;
    double scale, *tau;
    DIAMOND_HD void operator()(index_t j) const { tau[j] = is_time(t.at(j)) ? scale * t.at(j).rest : scale; }
};
} // namespace detail

/// A network v(x, tau) = E[eps - z | x] at x = (1 - tau) z + tau eps, from data at tau = 0 to noise at tau =
/// 1, as a velocity field on the linear schedule: u(x, t) = -v(x, 1 - t).
///
/// The network is given time_scale tau. Models velocity_field, and differentiable_velocity_field where v is.
/// Batches are d x N. Cost: one evaluation of the network, or one product. (Liu et al., arXiv 2209.03003.)
/// @throws std::invalid_argument from a call, vjp or jvp at a time outside [0, 1]; a column with such a time
/// of its own is NaN.
template <class Network>
class rectified_flow_network {
    static_assert(diagnose_velocity_field<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    using context_type = backend_of_t<batch_type>;

    struct workspace_type {
        workspace_t<Network> network;      ///< The network's own.
        scratch<double, context_type> tau; ///< Its times, 1 x N.
    };

    static constexpr index_t evaluations = detail::evaluations_of<Network>;

    /// @throws std::invalid_argument unless the scale of time is positive and finite.
    explicit rectified_flow_network(Network network, rectified_flow_options options = {})
        : network_(std::move(network)), options_(options) {
        require(options.time_scale > 0.0 && options.time_scale < infinity, [&] {
            return "a rectified flow whose time at pure noise is " + digits_of(options.time_scale) +
                   ": it must be positive and finite, 1, or 1000 where the network counts so";
        });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(network_.dimension()); }
    [[nodiscard]] linear_schedule schedule() const { return {}; }
    [[nodiscard]] workspace_type make_workspace(const context_type& context, index_t columns) const {
        workspace_type space{network_.make_workspace(context, columns), {}};
        space.tau.resize(context, 1, columns);
        return space;
    }
    /// Writes out = u(x, t), d x N.
    void operator()(const_view x, time_view t, const condition_type& c, workspace_type& space,
                    view out) const {
        turn_round(x, t, space, out, [&](time_view tau) { network_(x, tau, c, space.network, out); });
    }
    /// Writes out = cotangent^T du/dx, d x N.
    void vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace_type& space,
             view out) const
        requires differentiable_velocity_field<Network>
    {
        turn_round(x, t, space, out,
                   [&](time_view tau) { network_.vjp(x, tau, c, cotangent, space.network, out); });
    }
    /// Writes out = du/dx tangent, d x N.
    void jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace_type& space,
             view out) const
        requires differentiable_velocity_field<Network>
    {
        turn_round(x, t, space, out,
                   [&](time_view tau) { network_.jvp(x, tau, c, tangent, space.network, out); });
    }

private:
    /// Writes out = -f, f what `ask` has the network write into out at its own time.
    template <class Ask>
    void turn_round(const_view x, time_view t, workspace_type& space, view out, const Ask& ask) const {
        require_time("rectified_flow_network", t);
        ask(own_time(x, t, space));
        assign(out, -out);
        detail::forbid_other_times(t, out);
    }
    time_view own_time(const_view x, time_view t, workspace_type& space) const {
        if (t.broadcast()) return options_.time_scale * t.at(0).rest;
        space.tau.resize(x.context(), 1, x.columns());
        x.context().for_each(
            x.columns(), detail::write_tau{.t = t, .scale = options_.time_scale, .tau = space.tau.data()});
        return time_view(space.tau.data());
    }

    Network network_;
    rectified_flow_options options_;
};

} // namespace diamond
