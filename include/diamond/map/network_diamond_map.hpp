/// The Diamond map of a Diamond network.
#pragma once

#include <utility>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/concepts/diamond_network.hpp>
#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/counted_network.hpp>

namespace diamond {

/// X_{s,r}(xbar | x_t, t) = xbar + (r - s) v(xbar, x_t, t, s, r).
///
/// At t = 0, where x_t is noise alone, the network is given 0 for it, as in its training. Models diamond_map;
/// differentiable_diamond_map where the network is differentiable; diamond_map_with_divergence where the
/// network has a divergence, with m(xbar, x_t, t, s, r) from the same evaluation. xbar, x_t and out are d x
/// N. Cost: one evaluation of the network for each column; for a vjp one vjp. [DM], (eq. diamond-map),
/// (eq. mean-divergence).
template <class Network>
class network_diamond_map {
    static_assert(diagnose_diamond_network<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes the network. @throws std::invalid_argument where one of its schedules is none, see
    /// check_schedule.
    explicit network_diamond_map(Network network) : network_(std::move(network)) {
        check_schedule(schedule());
        check_schedule(inner_schedule());
    }

    [[nodiscard]] index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] auto schedule() const { return network().schedule(); }
    [[nodiscard]] auto inner_schedule() const { return network().inner_schedule(); }
    /// Says whether m gives the density of the map's own draws, and not one that the network learned.
    [[nodiscard]] bool exact_density() const { return detail::knows_own_density(network()); }
    [[nodiscard]] const Network& network() const { return network_.network(); }
    [[nodiscard]] const cost& spent() const { return network_.spent(); }

    /// out = X_{s,r}(xbar | x_t, t, condition); t is one time or one for each column.
    /// @throws std::invalid_argument if shapes differ or a time leaves [0, 1].
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t,
                    const condition_type& condition, view out) {
        check(xbar, inner, x_t, t, out);
        network()(arguments(xbar, inner, x_t, t), condition, network_.workspace(xbar), out);
        assign(out, xbar + inner.length() * out);
        network_.spent().forward += xbar.columns();
    }
    /// out = X_{s,r}(xbar | x_t, t, condition) and divergence[j] = m(xbar_j, x_t_j, t_j, s, r), N numbers in
    /// the memory of the batch. Cost: the network's divergence_cost() for each column, one evaluation unless
    /// it states another.
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t,
                    const condition_type& condition, view out, row_t<batch_type> divergence)
        requires diamond_network_with_divergence<Network>
    {
        check(xbar, inner, x_t, t, out);
        network()(arguments(xbar, inner, x_t, t), condition, network_.workspace(xbar), out, divergence);
        assign(out, xbar + inner.length() * out);
        network_.spent() += detail::divergence_cost(network(), xbar.columns());
    }
    /// out_xbar = cotangent^T dX/d xbar and out_x_t = cotangent^T dX/dx_t, both d x N.
    void vjp(const_view xbar, interval inner, const_view x_t, time_view t, const condition_type& condition,
             const_view cotangent, view out_xbar, view out_x_t)
        requires differentiable_diamond_network<Network>
    {
        check(xbar, inner, x_t, t, out_xbar);
        require_same_shape("network_diamond_map::vjp", xbar, cotangent);
        require_same_shape("network_diamond_map::vjp", xbar, const_view(out_x_t));
        network().vjp(arguments(xbar, inner, x_t, t), condition, cotangent, network_.workspace(xbar),
                      out_xbar, out_x_t);
        assign(out_xbar, cotangent + inner.length() * out_xbar);
        assign(out_x_t, inner.length() * out_x_t);
        zero_at_noise(const_view(out_x_t), t, out_x_t);
        network_.spent().vjp += xbar.columns();
    }

private:
    /// out = x_t, and 0 in the columns whose time is 0. Where the one time of all columns is not 0, out is
    /// left alone.
    static void zero_at_noise(const_view x_t, time_view t, view out) {
        if (!t.broadcast() || t.value() == 0.0) assign(out, select(t == 0.0, 0.0, x_t));
    }
    /// Returns what the network is given for x_t: x_t, with 0 in the columns whose time is 0.
    const_view known(const_view x_t, time_view t) {
        if (t.broadcast() && t.value() != 0.0) return x_t;
        known_.resize(x_t.context(), x_t.rows(), x_t.columns());
        zero_at_noise(x_t, t, known_.mutable_view());
        return known_.read();
    }
    diamond_arguments<batch_type> arguments(const_view xbar, interval inner, const_view x_t, time_view t) {
        return {xbar, known(x_t, t), t, time_view(inner.from), time_view(inner.to)};
    }
    static void check(const_view xbar, interval inner, const_view x_t, time_view t, const_view out) {
        require_same_shape("network_diamond_map", xbar, x_t);
        require_same_shape("network_diamond_map", xbar, out);
        require_apart("network_diamond_map", xbar, out);
        require_apart("network_diamond_map", x_t, out);
        require_time("a Diamond map", t);
        require_time("a Diamond map's inner flow", inner.from);
        require_time("a Diamond map's inner flow", inner.to);
    }

    counted_network<Network> network_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> known_;
};

} // namespace diamond
