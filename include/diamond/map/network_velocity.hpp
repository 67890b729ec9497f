/// What a Diamond network holds at t = 0 on the diagonal: the velocity of the data, on the network's inner schedule.
#pragma once

#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

namespace detail {
/// x_0 of nothing known: a batch of zeros.
template <class Real, class Context>
batch_view<const Real, Context> zeros_like(batch_view<const Real, Context> x, scratch<Real, Context>& buffer) {
    if (buffer.rows() != x.rows() || buffer.columns() < x.columns() || buffer.size() == 0 || &buffer.context() != &x.context()) {
        buffer.resize(x.context(), x.rows(), x.columns());
        x.context().for_each(buffer.size(), set_to_zero<Real>{buffer.data()});
    }
    return buffer.read().columns(0, x.columns());
}
} // namespace detail

/// u(x, s) = v(x, 0, 0, s, s): a velocity field on the network's inner schedule. Cost: one evaluation; a product one.
template <class Network>
class network_velocity {
    static_assert(diagnose_diamond_network<Network>());

public:
    using batch_type     = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;
    struct workspace {
        detail::workspace_t<Network> network;
        scratch<typename batch_type::value_type, backend_of_t<batch_type>> zeros, unused;
    };

    explicit network_velocity(Network network) : network_(std::move(network)) { check_schedule(schedule()); }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(network_.dimension()); }
    [[nodiscard]] auto schedule() const { return network_.inner_schedule(); }
    [[nodiscard]] const Network& network() const { return network_; }
    [[nodiscard]] workspace make_workspace(const backend_of_t<batch_type>& context, index_t columns) const {
        return {network_.make_workspace(context, columns), {}, {}};
    }
    void operator()(const_view x, time_view s, const condition_type& condition, workspace& space, view out) const {
        network_(diamond_arguments<batch_type>{x, detail::zeros_like(x, space.zeros), time_view(0.0), s, s}, condition, space.network, out);
    }
    void vjp(const_view x, time_view s, const condition_type& condition, const_view cotangent, workspace& space, view out) const
        requires differentiable_diamond_network<Network>
    {
        space.unused.resize(x.context(), x.rows(), x.columns());
        network_.vjp(diamond_arguments<batch_type>{x, detail::zeros_like(x, space.zeros), time_view(0.0), s, s}, condition, cotangent, space.network, out, space.unused.mutable_view());
    }
    void jvp(const_view x, time_view s, const condition_type& condition, const_view tangent, workspace& space, view out) const
        requires differentiable_diamond_network<Network>
    {
        network_.jvp(diamond_arguments<batch_type>{x, detail::zeros_like(x, space.zeros), time_view(0.0), s, s}, condition, tangent, space.network, out);
    }

private:
    Network network_;
};

} // namespace diamond
