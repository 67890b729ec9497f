/// A velocity field is the network u(x, t) whose ODE dx/dt = u carries noise at t = 0 to data at t = 1.
///
/// A type V models `velocity_field` if
///   0. it is copyable, and cheap to copy because copies share their weights (std::shared_ptr<const ...>),
///      since maps and kernels take it by value;
///   1. V::batch_type is the type of the batches it runs on, e.g. diamond::eigen::batch<float>;
///   2. v.dimension() is the number of their rows d;
///   3. v.make_workspace(context, columns) makes whatever a call on that many columns needs; an empty struct
///      will do;
///   4. v(x, times, condition, workspace, out), const and re-entrant, writes u(x_j, t_j | c_j) into column j
///      of out; x and out are d x N.
/// `times` is a time_view, one value or one for each column. `condition` is a V::condition_type, or
/// no_condition if V names none; a field that takes labels calls require_labels (core/condition.hpp) before
/// it reads any.
///
/// A `differentiable_velocity_field` also has v.vjp(x, times, condition, cotangent, workspace, out), which
/// writes cotangent^T du/dx, and v.jvp(x, times, condition, tangent, workspace, out), which writes du/dx
/// tangent. A `velocity_field_with_density` also has v.log_density(x, times, condition, workspace, row
/// out), which writes log p_t(x_j). A `scored_velocity_field` also has v.score(x, times, condition,
/// workspace, out), which writes the score where the velocity does not give it. A
/// `velocity_field_with_denoiser` also has v.denoiser(x, times, condition, workspace, out), which writes E[z
/// | x_t], and denoiser_vjp and denoiser_jvp, like vjp and jvp, where products are asked for: at t = 0 a
/// velocity with alpha'(0) = 0 does not determine the denoiser. A field whose network predicts the denoiser
/// or the noise says so by `static constexpr diamond::prediction predicts = prediction::denoiser;` (or
/// noise), and gives that prediction by denoiser(...) (or noise(...), noise_vjp, noise_jvp): kernels and
/// values then read it without the detour through u. A field that evaluates a network more than once in a
/// call says so by `static constexpr index_t evaluations`, by which its calls are counted. It need not be
/// made of a network that predicts velocities: schedule/readings.hpp makes fields of denoiser, noise and
/// score networks.
///
/// Models: the oracles, denoiser_network, noise_network, v_network, score_network, guided_field,
/// torch_network, openvino_network, those of schedule/conventions/. Used by: map/, glass/, align/.
#pragma once

#include <concepts>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/interval.hpp>

namespace diamond {

/// Names what a field's network predicts, from which the rest follows.
enum class prediction { velocity, denoiser, noise };

/// The workspace that a network V makes for itself by make_workspace(context, columns).
template <class V>
using workspace_t = decltype(std::declval<const V&>().make_workspace(
    std::declval<const backend_of_t<typename V::batch_type>&>(), index_t{}));

namespace detail {
template <class V>
concept names_batch = requires { typename V::batch_type; } &&
                      requires { typename backend_of<typename V::batch_type>::type; };
template <class V>
concept has_dimension = requires(const V& v) {
    { v.dimension() } -> std::convertible_to<index_t>;
};
template <class V>
concept makes_workspace = requires(const V& v, const backend_of_t<typename V::batch_type>& context,
                                   index_t n) { v.make_workspace(context, n); };
template <class V>
concept evaluates_velocity = requires(const V& v, const_view_t<typename V::batch_type> x, time_view t,
                                      const condition_of_t<V>& c, workspace_t<V>& w,
                                      view_t<typename V::batch_type> out) { v(x, t, c, w, out); };
template <class V>
concept has_field_products = requires(const V& v, const_view_t<typename V::batch_type> x, time_view t,
                                      const condition_of_t<V>& c, workspace_t<V>& w,
                                      view_t<typename V::batch_type> out) {
    v.vjp(x, t, c, x, w, out);
    v.jvp(x, t, c, x, w, out);
};
template <class V>
concept has_log_density = requires(const V& v, const_view_t<typename V::batch_type> x, time_view t,
                                   const condition_of_t<V>& c, workspace_t<V>& w,
                                   row_t<typename V::batch_type> out) { v.log_density(x, t, c, w, out); };
template <class V>
concept has_score = requires(const V& v, const_view_t<typename V::batch_type> x, time_view t,
                             const condition_of_t<V>& c, workspace_t<V>& w,
                             view_t<typename V::batch_type> out) { v.score(x, t, c, w, out); };
template <class V>
concept has_denoiser = requires(const V& v, const_view_t<typename V::batch_type> x, time_view t,
                                const condition_of_t<V>& c, workspace_t<V>& w,
                                view_t<typename V::batch_type> out) { v.denoiser(x, t, c, w, out); };
template <class V>
concept has_denoiser_products = requires(const V& v, const_view_t<typename V::batch_type> x, time_view t,
                                         const condition_of_t<V>& c, workspace_t<V>& w,
                                         view_t<typename V::batch_type> out) {
    v.denoiser_vjp(x, t, c, x, w, out);
    v.denoiser_jvp(x, t, c, x, w, out);
};
template <class V>
concept has_noise = requires(const V& v, const_view_t<typename V::batch_type> x, time_view t,
                             const condition_of_t<V>& c, workspace_t<V>& w,
                             view_t<typename V::batch_type> out) { v.noise(x, t, c, w, out); };
template <class V>
concept has_noise_products = requires(const V& v, const_view_t<typename V::batch_type> x, time_view t,
                                      const condition_of_t<V>& c, workspace_t<V>& w,
                                      view_t<typename V::batch_type> out) {
    v.noise_vjp(x, t, c, x, w, out);
    v.noise_jvp(x, t, c, x, w, out);
};
/// What V says that it predicts; a velocity where it says nothing.
template <class V>
inline constexpr prediction predicts = prediction::velocity;
template <class V>
    requires requires { prediction{V::predicts}; }
inline constexpr prediction predicts<V> = V::predicts;
template <class V>
concept gives_prediction = predicts<V> == prediction::velocity ||
                           (predicts<V> == prediction::denoiser && has_denoiser<V>) ||
                           (predicts<V> == prediction::noise && has_noise<V>);
} // namespace detail

/// A velocity field u(x, t), by the numbered clauses.
template <class V>
concept velocity_field = std::copy_constructible<V> && detail::names_batch<V> && detail::has_dimension<V> &&
                         detail::makes_workspace<V> && detail::evaluates_velocity<V> &&
                         detail::gives_prediction<V>;
/// A velocity field with products with its Jacobian, jvp and vjp.
template <class V>
concept differentiable_velocity_field = velocity_field<V> && detail::has_field_products<V>;
/// A velocity field that also knows log p_t.
template <class V>
concept velocity_field_with_density = velocity_field<V> && detail::has_log_density<V>;
/// A velocity field that also knows the score, grad log p_t.
template <class V>
concept scored_velocity_field = velocity_field<V> && detail::has_score<V>;
/// A velocity field that also writes the denoiser, E[z | x_t].
template <class V>
concept velocity_field_with_denoiser = velocity_field<V> && detail::has_denoiser<V>;

/// The ladder of the concept: its static_asserts say what to write where V breaks a clause, the first one
/// first.
template <class V>
consteval bool diagnose_velocity_field() {
    static_assert(std::copy_constructible<V>,
                  "a velocity field must be copyable: share its weights through std::shared_ptr<const ...>");
    static_assert(detail::names_batch<V>, "a velocity field needs `using batch_type = "
                                          "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<V>) {
        static_assert(detail::has_dimension<V>,
                      "a velocity field needs dimension() const, the number of rows d of its batches");
        static_assert(
            detail::makes_workspace<V>,
            "a velocity field needs make_workspace(context, columns) const; an empty struct will do");
        if constexpr (detail::makes_workspace<V>)
            static_assert(detail::evaluates_velocity<V>,
                          "a velocity field needs operator()(const_view x, time_view t, const condition&, "
                          "workspace&, view out) const that writes u(x, t) into out");
        if constexpr (detail::evaluates_velocity<V>)
            static_assert(detail::gives_prediction<V>,
                          "a velocity field that says what it predicts needs denoiser (or noise) (x, t, "
                          "condition, workspace, out) const, which gives it");
    }
    return true;
}
template <class V>
consteval bool diagnose_differentiable_velocity_field() {
    static_assert(diagnose_velocity_field<V>());
    static_assert(detail::has_field_products<V>,
                  "a differentiable velocity field needs vjp and jvp (x, t, condition, direction, workspace, "
                  "out) const beside operator()");
    return true;
}
template <class V>
consteval bool diagnose_velocity_field_with_density() {
    static_assert(diagnose_velocity_field<V>());
    static_assert(
        detail::has_log_density<V>,
        "a velocity field with density needs log_density(x, t, condition, workspace, row out) const");
    return true;
}

} // namespace diamond
