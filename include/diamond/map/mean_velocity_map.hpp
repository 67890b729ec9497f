/// Flow maps of networks that give a mean velocity between two times: of flow map matching, MeanFlow and
/// shortcut models, each in its own times. See (eq. flow-map).
#pragma once

#include <string>
#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/counted_network.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

namespace detail {
/// The arguments that a network is given for a jump, its two times in the order of its call, and the sign of
/// its velocity.
struct own_times {
    double first, second, sign;
};
/// @throws std::invalid_argument for a jump back in time.
inline void require_forward(const char* where, interval span) {
    require(span.from <= span.to, [&] {
        return std::string(where) + " from t = " + digits_of(span.from) + " to " + digits_of(span.to) +
               ": its network was trained forward in time alone, from noise to data";
    });
}

struct two_times {
    static constexpr const char* name = "mean_velocity_map";
    static own_times of(interval span) { return {span.from, span.to, 1.0}; }
};
struct mean_flow_times {
    static constexpr const char* name = "mean_flow_map";
    static own_times of(interval span) {
        require_forward(name, span);
        return {1.0 - span.to, 1.0 - span.from, -1.0};
    }
};
struct shortcut_times {
    static constexpr const char* name = "shortcut_map";
    static own_times of(interval span) {
        require_forward(name, span);
        return {span.from, span.length(), 1.0};
    }
};

template <class N>
concept evaluates_two_times = requires(const N& n, const_view_t<typename N::batch_type> x,
                                       const condition_of_t<N>& c, workspace_t<N>& w,
                                       view_t<typename N::batch_type> out) { n(x, 0.0, 1.0, c, w, out); };
template <class N>
concept two_times_vjp = requires(const N& n, const_view_t<typename N::batch_type> x,
                                 const condition_of_t<N>& c, workspace_t<N>& w,
                                 view_t<typename N::batch_type> out) { n.vjp(x, 0.0, 1.0, c, x, w, out); };
template <class N>
consteval bool diagnose_network_of_two_times() {
    static_assert(std::copy_constructible<N>,
                  "a network of two times must be copyable: share its weights through std::shared_ptr<const "
                  "...>");
    static_assert(names_batch<N>, "a network of two times needs `using batch_type = "
                                  "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (names_batch<N>) {
        static_assert(has_dimension<N>,
                      "a network of two times needs dimension() const, the number of rows d of its batches");
        static_assert(makes_workspace<N>,
                      "a network of two times needs make_workspace(context, columns) const; an empty struct "
                      "will do");
        if constexpr (makes_workspace<N>)
            static_assert(evaluates_two_times<N>,
                          "a network of two times needs operator()(const_view x, double, double, const "
                          "condition&, workspace&, view out) const that writes its mean velocity into out");
    }
    return true;
}

/// X_{t,t'}(x) = x + (t' - t) sign network(x, first, second), the times those of Times.
template <class Network, class Times>
class two_time_map {
    static_assert(diagnose_network_of_two_times<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    [[nodiscard]] index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] const cost& spent() const { return network_.spent(); }

    /// out = X_{from,to}(x | condition), d x N. @throws std::invalid_argument if shapes differ, a time leaves
    /// [0, 1], or the network does not lead that way.
    void operator()(const_view x, interval span, const condition_type& condition, view out) {
        const own_times at = times(x, span, const_view(out));
        network_.network()(x, at.first, at.second, condition, network_.workspace(x), out);
        assign(out, x + at.sign * span.length() * out);
        network_.spent().forward += x.columns();
    }
    /// out = cotangent^T dX/dx, d x N.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent, view out)
        requires two_times_vjp<Network>
    {
        require_same_shape(Times::name, x, cotangent);
        const own_times at = times(x, span, const_view(out));
        network_.network().vjp(x, at.first, at.second, condition, cotangent, network_.workspace(x), out);
        assign(out, cotangent + at.sign * span.length() * out);
        network_.spent().vjp += x.columns();
    }

protected:
    explicit two_time_map(Network network) : network_(std::move(network)) {}

private:
    static own_times times(const_view x, interval span, const_view out) {
        require_same_shape(Times::name, x, out);
        require_apart(Times::name, x, out);
        require_time(Times::name, span.from);
        require_time(Times::name, span.to);
        return Times::of(span);
    }

    counted_network<Network> network_;
};
} // namespace detail

/// X_{t,t'}(x) = x + (t' - t) v(x, t, t') of a network v(x, t, t') in this library's times, as flow map
/// matching (Boffi et al., arXiv 2406.07507) trains it.
///
/// `network(x, t, t', condition, workspace, out)`, const and re-entrant, writes v for one pair of times,
/// which are doubles; with vjp(x, t, t', condition, cotangent, workspace, out) the map is a
/// differentiable_flow_map. Batches are d x N. Cost of a call: one evaluation a column; of a vjp one vjp.
/// [FM]
template <class Network>
class mean_velocity_map : public detail::two_time_map<Network, detail::two_times> {
public:
    /// Takes the network, with its workspace made by the first call.
    explicit mean_velocity_map(Network network)
        : detail::two_time_map<Network, detail::two_times>(std::move(network)) {}
};

/// X_{t,t'}(x) = x - (t' - t) u(x, r, tau) at r = 1 - t' and tau = 1 - t, of a MeanFlow network u(x, r, tau),
/// the average velocity from tau back to r <= tau along x = (1 - tau) z + tau eps (Geng et al., arXiv
/// 2505.13447).
///
/// `network(x, r, tau, condition, workspace, out)` writes u, as mean_velocity_map's does v; its vjp, too, has
/// the times in this order. It leads forward, t <= t', on the linear schedule. Batches are d x N. Cost of a
/// call: one evaluation a column; of a vjp one vjp.
template <class Network>
class mean_flow_map : public detail::two_time_map<Network, detail::mean_flow_times> {
public:
    /// Takes the network, with its workspace made by the first call.
    explicit mean_flow_map(Network network)
        : detail::two_time_map<Network, detail::mean_flow_times>(std::move(network)) {}
    [[nodiscard]] linear_schedule schedule() const { return {}; }
};

/// X_{t,t'}(x) = x + (t' - t) s(x, t, t' - t) of a shortcut model s(x, t, d) along x = t z + (1 - t) eps
/// (Frans et al., arXiv 2410.12557).
///
/// `network(x, t, d, condition, workspace, out)` writes s, as mean_velocity_map's does v; its vjp, too, has
/// the times in this order. It leads forward, t <= t', on the linear schedule. A model trained with lengths
/// 1/128 ... 1/2, 1 is asked for these alone where its steps are such, as of a stepped_flow_map from t = 0;
/// look_ahead_value and weighted_value ask for d = 1 - t, rarely a power of two. Batches are d x N. Cost of a
/// call: one evaluation a column; of a vjp one vjp.
template <class Network>
class shortcut_map : public detail::two_time_map<Network, detail::shortcut_times> {
public:
    /// Takes the network, with its workspace made by the first call.
    explicit shortcut_map(Network network)
        : detail::two_time_map<Network, detail::shortcut_times>(std::move(network)) {}
    [[nodiscard]] linear_schedule schedule() const { return {}; }
};

} // namespace diamond
