/// A trainable network is a Diamond network as a function of its parameters, one vector theta in the back
/// end's memory, with the gradient with respect to them.
///
/// A type N models `trainable_network` if
///   1. N::batch_type, N::condition_type and N::workspace are its types, n.dimension() is d, and n.schedule()
///      and n.inner_schedule() are its noise schedules;
///   2. n.parameters() is the number of parameters, and n.initialise(rng, view) writes those that a training
///      starts with;
///   3. n(theta, diamond_arguments, condition, workspace, out) writes the mean velocity v, as
///      concepts/diamond_network.hpp says;
///   4. n.record(theta, arguments, condition, workspace, out) does so and keeps what `backward` needs;
///      n.record(theta, arguments, condition, diamond_speeds{xbar', s', r'}, workspace, out, out_dot) also
///      writes v's derivative along the direction;
///   5. n.backward(theta, workspace, cotangent, cotangent_dot, gradient) adds the gradient of sum cotangent v
///      + cotangent_dot v' to `gradient`; cotangent_dot is null where no direction was recorded;
///   6. n.spread() is a functor, DIAMOND_HD where the back end is a device: spread(i, t) is the variance in
///      whose units errors of coordinate i count at the outer time t, for data of variance 1 about 1/(1 +
///      snr(t)).
/// theta and gradient are pointers to the back end's memory. A diamond_trainer draws a label_and_vector
/// of each column, and gives N what its condition_type has of it: the label, the vector, both or nothing. A
/// trained_network also needs n.make_workspace(context, columns). A network that takes labels may have
/// n.classes(), their number, and one that takes vectors n.vector_size(), how many numbers they have, and a
/// trainer then refuses a training set with others; it calls require_labels and require_vectors itself. It
/// may also have vjp(theta, arguments, condition, cotangent, workspace, out_xbar, out_x_t) and jvp(theta,
/// arguments, condition, tangent, workspace, out), and a trained network of it is then differentiable.
///
/// A `trainable_network_with_divergence` also gives the mean divergence m of concepts/flow_map.hpp, with sign
/// and scale undone:
///   7. n.outputs() is d + 1, and every `out` and cotangent has a last row, that of m;
///   8. n.divergence_spread() is a functor: divergence_spread(s, r) is the variance in whose units errors of
///      m count;
///   9. it has vjp and jvp, of which the trace of its velocity is made.
/// (x, log p) moves with (u, -div u), which does not depend on log p: m is one more row of a flow map's mean
/// velocity, and every loss of train/flow_map_losses.hpp means the same for it.
///
/// Models: preconditioned_network, such as diamond_mlp, diamond_unet and diamond_dit (with divergence where
/// it has a divergence_head), torch_trainable_network. Used by: diamond_trainer, trained_network. Source:
/// [DM], [F2], (eq. diagonal-loss) to (eq. divergence-loss).
#pragma once

#include <concepts>

#include <diamond/concepts/diamond_network.hpp>

namespace diamond {

/// The speeds at which the arguments of a Diamond network move: the direction of a derivative.
template <class Real>
struct diamond_speeds {
    const Real* xbar = nullptr; ///< xbar', d x N in the back end's memory; null where xbar stands still
    double s = 0.0, r = 0.0;    ///< The speeds s' and r' of the inner times, the same for all columns.
};

namespace detail {
template <class N>
using real_of = typename N::batch_type::value_type;
template <class N>
concept names_workspace = names_batch<N> && requires { typename N::workspace; };
template <class N>
concept has_parameters = requires(const N& n, philox rng, view_t<typename N::batch_type> theta) {
    { n.parameters() } -> std::convertible_to<index_t>;
    n.initialise(rng, theta);
};
template <class N>
concept evaluates_with_parameters = requires(const N& n, const real_of<N>* theta,
                                             const diamond_arguments<typename N::batch_type>& at,
                                             const condition_of_t<N>& c, typename N::workspace& w,
                                             view_t<typename N::batch_type> out) { n(theta, at, c, w, out); };
template <class N>
concept records = requires(const N& n, const real_of<N>* theta,
                           const diamond_arguments<typename N::batch_type>& at, const condition_of_t<N>& c,
                           typename N::workspace& w, diamond_speeds<real_of<N>> direction,
                           view_t<typename N::batch_type> out) {
    n.record(theta, at, c, w, out);
    n.record(theta, at, c, direction, w, out, out);
};
template <class N>
concept pulls_back = requires(const N& n, const real_of<N>* theta, typename N::workspace& w,
                              const_view_t<typename N::batch_type> k,
                              real_of<N>* gradient) { n.backward(theta, w, k, theta, gradient); };
template <class N>
concept has_spread = requires(const N& n, index_t i, double t) {
    { n.spread()(i, t) } -> std::convertible_to<double>;
};
template <class N>
concept says_classes = requires(const N& n) {
    { n.classes() } -> std::convertible_to<index_t>;
};
template <class N>
concept says_vector_size = requires(const N& n) {
    { n.vector_size() } -> std::convertible_to<index_t>;
};
/// A network that has vjp and jvp, with theta before their arguments, which make a trained network
/// differentiable.
template <class N>
concept has_parameter_products = requires(
    const N& n, const real_of<N>* theta, const diamond_arguments<typename N::batch_type>& at,
    const condition_of_t<N>& c, typename N::workspace& w, view_t<typename N::batch_type> out) {
    n.vjp(theta, at, c, at.xbar, w, out, out);
    n.jvp(theta, at, c, at.xbar, w, out);
};
template <class N>
concept has_divergence_row = requires(const N& n, double s) {
    { n.outputs() } -> std::convertible_to<index_t>;
    { n.divergence_spread()(s, s) } -> std::convertible_to<double>;
};
/// The number of rows that a network writes: d, or d + 1 with divergence.
template <class N>
[[nodiscard]] index_t outputs_of(const N& n) {
    if constexpr (has_divergence_row<N>)
        return n.outputs();
    else
        return n.dimension();
}
} // namespace detail

/// A network whose parameters can be trained, by the numbered clauses.
template <class N>
concept trainable_network = std::copy_constructible<N> && detail::names_workspace<N> &&
                            detail::has_dimension<N> && detail::names_schedules<N> &&
                            detail::has_parameters<N> && detail::evaluates_with_parameters<N> &&
                            detail::records<N> && detail::pulls_back<N> && detail::has_spread<N>;

/// A trainable network that also has the mean divergence along its way.
template <class N>
concept trainable_network_with_divergence = trainable_network<N> && detail::has_divergence_row<N> &&
                                            detail::has_parameter_products<N>;

/// The ladder of the concept: its static_asserts say what to write where N breaks a clause, the first one
/// first.
template <class N>
consteval bool diagnose_trainable_network() {
    static_assert(std::copy_constructible<N>,
                  "a trainable network must be copyable: its parameters are not its own");
    static_assert(
        detail::names_workspace<N>,
        "a trainable network needs batch_type, e.g. diamond::eigen::batch<float>, and a type `workspace`");
    if constexpr (detail::names_workspace<N>) {
        static_assert(detail::has_dimension<N>,
                      "a trainable network needs dimension() const, the number of rows d of its batches");
        static_assert(detail::names_schedules<N>,
                      "a trainable network needs schedule() and inner_schedule() const");
        static_assert(detail::has_parameters<N>,
                      "a trainable network needs parameters() and initialise(philox, view theta), const");
        static_assert(detail::evaluates_with_parameters<N>,
                      "a trainable network needs operator()(theta, diamond_arguments, condition, workspace&, "
                      "view out) const");
        static_assert(detail::records<N>,
                      "a trainable network needs record(theta, arguments, condition, workspace&, out) const, "
                      "and the same with a direction and its out_dot");
        static_assert(detail::pulls_back<N>, "a trainable network needs backward(theta, workspace&, "
                                             "cotangent, cotangent_dot, gradient) const");
        static_assert(detail::has_spread<N>, "a trainable network needs spread() const, a functor (i, t) of "
                                             "the variance that errors are measured in");
    }
    return true;
}
template <class N>
consteval bool diagnose_trainable_network_with_divergence() {
    static_assert(diagnose_trainable_network<N>());
    static_assert(
        detail::has_divergence_row<N>,
        "a trainable network with divergence needs outputs() const, d + 1, and divergence_spread() const, a "
        "functor (s, r) of the variance that errors of the mean divergence are measured in");
    static_assert(detail::has_parameter_products<N>,
                  "a trainable network with divergence needs vjp and jvp, with theta before their arguments, "
                  "const: the trace of its velocity is made of them");
    return true;
}

/// The ladder of whichever of the two concepts N claims to model: that with divergence where it has outputs()
/// and divergence_spread().
template <class N>
consteval bool diagnose_any_trainable_network() {
    if constexpr (detail::has_divergence_row<N>)
        return diagnose_trainable_network_with_divergence<N>();
    else
        return diagnose_trainable_network<N>();
}

} // namespace diamond
