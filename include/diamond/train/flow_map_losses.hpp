/// The losses off the diagonal: three exact characterisations of a flow map, each zero at the map itself. Sections 3 and 5; sg is held fixed.
///
///   Lagrangian  d_r X_{s,r} = ubar_r(X_{s,r}):                       |v + (r - s) d_r v - sg ubar_r(sg X_{s,r})|^2                [FM], [DM]
///   Eulerian    v = ubar_s + (r - s)(d_s v + (grad v) ubar_s):       |v - sg(right side)|^2                                       [FM]
///   MeanFlow    the same with z - eps' for ubar_s, a random target of the right mean                                              [MF]
///   semigroup   X_{s,r} = X_{k,r} o X_{s,k}:                         |v - sg [(k - s) v_{s,k} + (r - k) v_{k,r}(X_{s,k})]/(r - s)|^2 [FM]
/// A loss is a type with operator()(setting): it records v, and v' where it returns true, and writes the target; the error is v + (r - s) v' -
/// target, or v - target. ubar is the teacher's, or without one the diagonal of the network's moving average.
///
/// The v of a network with divergence has a last row m, and ubar's is div ubar: (x, log p) flows with (ubar, -div ubar), so the same lines are, for it,
///   Lagrangian  m + (r - s) d_r m = div ubar_r(X_{s,r});      Eulerian  m = div ubar_s + (r - s)(d_s m + (grad m) ubar_s);
///   semigroup   the length-weighted mean of the two parts.                                                                        [F2]
/// LSD-F2D2 is lagrangian_loss with a network with divergence, MeanFlow-F2D2 mean_flow_loss, Shortcut-F2D2 semigroup_loss{.midpoint = true}, and
/// Shortcut-Distill-F2D2 that with a flow_teacher.
#pragma once

#include <cmath>
#include <string>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

/// Whose values a target is made of: the moving average's or the student's own, without a gradient in either case.
enum class held_fixed { average, student };
/// Whether the Lagrangian loss's gradient goes through d_r m of a network with divergence, as its meaning asks, or is stopped there, as [F2]'s code has it.
enum class tangent_gradient { followed, stopped };

namespace detail {
[[nodiscard]] inline std::string text_of(held_fixed who) { return who == held_fixed::average ? "the average" : "the student"; }
/// xbar + (r - s) v, d rows of v's.
template <class Real>
struct jump {
    const Real *xbar, *v;
    time_view s, r;
    Real* out;
    index_t d, rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at = i + d * j;
        out[at]          = static_cast<Real>(static_cast<double>(xbar[at]) + (r[j] - s[j]) * static_cast<double>(v[i + rows * j]));
    }
};
/// The first rows of a batch of other rows.
template <class Real>
struct copy_rows {
    const Real* in;
    index_t in_rows;
    Real* out;
    index_t out_rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const { out[i + out_rows * j] = in[i + in_rows * j]; }
};
/// u + (r - s) v' in place of u.
template <class Real>
struct eulerian_target {
    Real* u;
    const Real* v_dot;
    time_view s, r;
    index_t rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at = i + rows * j;
        u[at]            = static_cast<Real>(static_cast<double>(u[at]) + (r[j] - s[j]) * static_cast<double>(v_dot[at]));
    }
};
struct time_between {
    noise_stream uniforms;
    bool midpoint;
    time_view s, r;
    double* k;
    DIAMOND_HD void operator()(index_t j) const { k[j] = s[j] + (midpoint ? 0.5 : uniforms.uniform(j, 7)) * (r[j] - s[j]); }
};
/// The length-weighted mean of the two parts, in place of the second.
template <class Real>
struct join_parts {
    const Real* first;
    Real* second;
    time_view s, k, r;
    index_t rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at   = i + rows * j;
        const double share = r[j] == s[j] ? 0.5 : (k[j] - s[j]) / (r[j] - s[j]);
        second[at]         = static_cast<Real>(share * static_cast<double>(first[at]) + (1.0 - share) * static_cast<double>(second[at]));
    }
};
} // namespace detail

/// What a loss works with. States are d x n, v, v', target and buffer as many rows as the network gives; `velocity(arguments, condition, out)` writes ubar.
template <class Network, class Velocity>
struct loss_setting {
    using batch_type = typename Network::batch_type;
    using real       = typename batch_type::value_type;

    const Network& network;
    const real *theta, *average;
    Velocity& velocity;
    const diamond_arguments<batch_type>& at;
    const condition_of_t<Network>& condition;
    const real* random_velocity; ///< z - eps'
    noise_stream uniforms;       ///< one a column, for whatever a loss draws
    typename Network::workspace &recorded, &other;
    view_t<batch_type> v, v_dot, target, buffer;
    view_t<batch_type> state; ///< room for one, d x n
    rebind_t<batch_type, double>& time;

    /// The target's first d rows, to move along: the target itself where it has no others.
    [[nodiscard]] const real* direction() const {
        if (state.rows() == target.rows()) return target.data();
        target.context().for_each(state.rows(), target.columns(), detail::copy_rows<real>{target.data(), target.rows(), state.data(), state.rows()});
        return state.data();
    }
    [[nodiscard]] const real* fixed(held_fixed who) const { return who == held_fixed::average ? average : theta; }
};

/// Cost a column: a forward and a backward pass of value and tangent, and one evaluation of ubar.
struct lagrangian_loss {
    static constexpr bool random_target = false;
    tangent_gradient divergence_tangent = tangent_gradient::followed;
    [[nodiscard]] std::string text() const {
        return divergence_tangent == tangent_gradient::followed ? "lagrangian_loss" : "lagrangian_loss with a stopped tangent";
    }
    template <class Setting>
    bool operator()(const Setting& l) const {
        using real = typename Setting::real;
        l.network.record(l.theta, l.at, l.condition, {nullptr, 0.0, 1.0}, l.recorded, l.v, l.v_dot);
        const index_t d = l.state.rows();
        l.v.context().for_each(d, l.v.columns(), detail::jump<real>{l.at.xbar.data(), l.v.data(), l.at.s, l.at.r, l.state.data(), d, l.v.rows()});
        l.velocity({l.state, l.at.x_t, l.at.t, l.at.r, l.at.r}, l.condition, l.target);
        return true;
    }
};

/// Cost a column: a forward and a backward pass, a forward pass of value and tangent, and one evaluation of ubar.
struct eulerian_loss {
    static constexpr bool random_target = false;
    held_fixed fixed                    = held_fixed::student;
    [[nodiscard]] std::string text() const { return "eulerian_loss of " + detail::text_of(fixed); }
    template <class Setting>
    bool operator()(const Setting& l) const {
        using real = typename Setting::real;
        l.velocity({l.at.xbar, l.at.x_t, l.at.t, l.at.s, l.at.s}, l.condition, l.target);
        l.network.record(l.fixed(fixed), l.at, l.condition, {l.direction(), 1.0, 0.0}, l.other, l.buffer, l.v_dot);
        l.v.context().for_each(l.v.rows(), l.v.columns(), detail::eulerian_target<real>{l.target.data(), l.v_dot.data(), l.at.s, l.at.r, l.v.rows()});
        l.network.record(l.theta, l.at, l.condition, l.recorded, l.v);
        return false;
    }
};

/// The Eulerian loss with z - eps' as the velocity: no teacher and no average is asked, but for the divergence of a network with divergence. Cost: one
/// evaluation less.
struct mean_flow_loss {
    static constexpr bool random_target = true;
    [[nodiscard]] static std::string text() { return "mean_flow_loss"; }
    template <class Setting>
    bool operator()(const Setting& l) const {
        using real = typename Setting::real;
        const index_t d = l.state.rows();
        if (l.target.rows() > d) l.velocity({l.at.xbar, l.at.x_t, l.at.t, l.at.s, l.at.s}, l.condition, l.target); // for its divergence, which the data do not show
        l.v.context().for_each(d, l.v.columns(), detail::copy_rows<real>{l.random_velocity, d, l.target.data(), l.target.rows()});
        l.network.record(l.theta, l.at, l.condition, {l.direction(), 1.0, 0.0}, l.other, l.buffer, l.v_dot);
        l.v.context().for_each(l.v.rows(), l.v.columns(), detail::eulerian_target<real>{l.target.data(), l.v_dot.data(), l.at.s, l.at.r, l.v.rows()});
        l.network.record(l.theta, l.at, l.condition, l.recorded, l.v);
        return false;
    }
};

/// k uniform between s and r, or their midpoint, the shortcut. Cost a column: a forward and a backward pass, and two evaluations.
struct semigroup_loss {
    static constexpr bool random_target = false;
    bool midpoint                       = false;
    held_fixed fixed                    = held_fixed::average;
    [[nodiscard]] std::string text() const {
        return (midpoint ? "semigroup_loss by midpoints of " : "semigroup_loss of ") + detail::text_of(fixed);
    }
    template <class Setting>
    bool operator()(const Setting& l) const {
        using real          = typename Setting::real;
        const auto& context = l.v.context();
        const index_t d = l.state.rows(), rows = l.v.rows(), n = l.v.columns();
        l.time.resize(context, 1, n);
        context.for_each(n, detail::time_between{l.uniforms, midpoint, l.at.s, l.at.r, l.time.data()});
        const time_view k(static_cast<const double*>(l.time.data()));
        l.network(l.fixed(fixed), {l.at.xbar, l.at.x_t, l.at.t, l.at.s, k}, l.condition, l.other, l.v_dot);
        context.for_each(d, n, detail::jump<real>{l.at.xbar.data(), l.v_dot.data(), l.at.s, k, l.state.data(), d, rows});
        l.network(l.fixed(fixed), {l.state, l.at.x_t, l.at.t, k, l.at.r}, l.condition, l.other, l.target);
        context.for_each(rows, n, detail::join_parts<real>{l.v_dot.data(), l.target.data(), l.at.s, k, l.at.r, rows});
        l.network.record(l.theta, l.at, l.condition, l.recorded, l.v);
        return false;
    }
};

} // namespace diamond
