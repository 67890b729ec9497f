/// The velocity field of the data, which a Diamond network is at t = 0 and s = r, on its inner schedule.
#pragma once

#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

namespace detail {
/// Returns zeros of the shape of x, for the x_t of t = 0; they are written only when `buffer` does not hold
/// enough of them.
template <class Real, class Context>
batch_view<const Real, Context> zeros_like(batch_view<const Real, Context> x,
                                           scratch<Real, Context>& buffer) {
    if (buffer.rows() != x.rows() || buffer.columns() < x.columns() || buffer.size() == 0 ||
        &buffer.context() != &x.context()) {
        buffer.resize(x.context(), x.rows(), x.columns());
        diamond::set_to_zero(buffer.mutable_view());
    }
    return buffer.read().columns(0, x.columns());
}
} // namespace detail

/// u(x, s) = v(x, 0, 0, s, s), a velocity field on the network's inner schedule.
///
/// Models velocity_field, and differentiable_velocity_field where the network is differentiable. x and out
/// are d x N, s is one time or one for each column. Cost: one evaluation for each column; vjp one vjp, jvp
/// one jvp.
template <class Network>
class network_velocity {
    static_assert(diagnose_diamond_network<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    struct workspace {
        workspace_t<Network> network; ///< The workspace that calls of the network are given.
        /// An inner state of zeros, which stands for x_t at t = 0, and an output that nobody reads.
        scratch<typename batch_type::value_type, backend_of_t<batch_type>> zeros, unused;
    };

    /// Takes the network. @throws std::invalid_argument where its schedule is none, see check_schedule.
    explicit network_velocity(Network network) : network_(std::move(network)) { check_schedule(schedule()); }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(network_.dimension()); }
    [[nodiscard]] auto schedule() const { return network_.inner_schedule(); }
    [[nodiscard]] const Network& network() const { return network_; }
    [[nodiscard]] workspace make_workspace(const backend_of_t<batch_type>& context, index_t columns) const {
        return {network_.make_workspace(context, columns), {}, {}};
    }
    /// out = u(x, s | condition).
    void operator()(const_view x, time_view s, const condition_type& condition, workspace& space,
                    view out) const {
        network_(arguments(x, s, space), condition, space.network, out);
    }
    /// out = cotangent^T du/dx.
    void vjp(const_view x, time_view s, const condition_type& condition, const_view cotangent,
             workspace& space, view out) const
        requires differentiable_diamond_network<Network>
    {
        space.unused.resize(x.context(), x.rows(), x.columns());
        network_.vjp(arguments(x, s, space), condition, cotangent, space.network, out,
                     space.unused.mutable_view());
    }
    /// out = (du/dx) tangent.
    void jvp(const_view x, time_view s, const condition_type& condition, const_view tangent, workspace& space,
             view out) const
        requires differentiable_diamond_network<Network>
    {
        network_.jvp(arguments(x, s, space), condition, tangent, space.network, out);
    }

private:
    static diamond_arguments<batch_type> arguments(const_view x, time_view s, workspace& space) {
        return {x, detail::zeros_like(x, space.zeros), time_view(0.0), s, s};
    }

    Network network_;
};

} // namespace diamond
