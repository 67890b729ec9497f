/// A divergence estimator gives the divergence tr du/dx of a velocity field, exactly or as an unbiased
/// estimate.
///
/// A type D models `divergence_estimator` if
///   1. D::field_type is the type of the velocity field whose divergence it gives, and D::batch_type is that
///      field's; d.field() is the field, and d.dimension() is its dimension d;
///   2. d(x, t, condition, stream, row out, row standard_error) writes div u(x_j, t_j | c_j), or an
///      unbiased estimate of it, into out[j], and its standard error into standard_error[j]: 0 where it is
///      exact, NaN where one probe cannot tell. standard_error may be without data. x is d x N, t is one
///      value or one for each column, and both results are in the memory of the batch. Probes are a function
///      of stream and column and not of t, so that along a path with one stream the estimate is a smooth
///      function of time;
///   3. D::random says whether it reads the stream;
///   4. d.spent() is the diamond::cost of all calls so far, and d is copyable.
/// Where a map, a teacher or inner_divergence takes either a velocity field or a divergence estimator, it has
/// a divergence if it was given the latter.
///
/// Models: exact_divergence, hutchinson_divergence, hutch_plus_plus_divergence, divergence. Used by:
/// ode_flow_map, glass_diamond_map, glass_teacher, flow_teacher, inner_divergence. See
/// (eq. exact-divergence), (eq. hutchinson-divergence).
#pragma once

#include <concepts>
#include <type_traits>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/random/philox.hpp>

namespace diamond {

namespace detail {
template <class D>
concept names_field = requires { typename D::field_type; } && names_batch<D> && requires(const D& d) {
    { d.field() } -> std::convertible_to<const typename D::field_type&>;
};
template <class D>
concept estimates_divergence = requires(
    D& d, const_view_t<typename D::batch_type> x, const condition_of_t<typename D::field_type>& c,
    noise_stream stream, row_t<typename D::batch_type> out) { d(x, time_view(0.5), c, stream, out, out); };
template <class D>
concept says_random = requires {
    { D::random } -> std::convertible_to<bool>;
};
} // namespace detail

/// An estimator of div u of a field, exactly or by probes.
template <class D>
concept divergence_estimator = std::copy_constructible<D> && detail::names_field<D> &&
                               detail::estimates_divergence<D> && detail::says_random<D> &&
                               detail::counts_cost<D>;

/// The ladder of the concept: its static_asserts say what to write where D breaks a clause, the first one
/// first.
template <class D>
consteval bool diagnose_divergence_estimator() {
    static_assert(std::copy_constructible<D>,
                  "a divergence must be copyable: keep working space in diamond::scratch");
    static_assert(detail::names_field<D>, "a divergence needs field_type, batch_type and field() const, the "
                                          "velocity field whose divergence it is");
    if constexpr (detail::names_field<D>) {
        static_assert(detail::estimates_divergence<D>,
                      "a divergence needs operator()(const_view x, time_view t, const condition&, "
                      "noise_stream, row out, row standard_error)");
        static_assert(detail::says_random<D>,
                      "a divergence needs `static constexpr bool random`: whether it reads the stream");
        static_assert(detail::counts_cost<D>,
                      "a divergence needs spent() const, the diamond::cost of its calls so far");
    }
    return true;
}

namespace detail {
template <class D>
concept names_field_type = requires { typename D::field_type; };
/// Names the velocity field of a template argument that is a velocity field or the divergence of one, which
/// names its field_type.
template <class Field>
struct velocity_of {
    using type = Field;
    static const Field& get(const Field& field) { return field; }
};
template <class Divergence>
    requires(names_field_type<Divergence> && !velocity_field<Divergence>)
struct velocity_of<Divergence> {
    using type = typename Divergence::field_type;
    static decltype(auto) get(const Divergence& divergence) { return divergence.field(); }
};
template <class Field>
using velocity_of_t = typename velocity_of<Field>::type;
template <class Field>
inline constexpr bool is_divergence = !std::is_same_v<velocity_of_t<Field>, Field>;
/// Says whether Field is a divergence that reads its stream, so that a call needs one.
template <class Field>
inline constexpr bool needs_stream = false;
template <class Field>
    requires(is_divergence<Field> && says_random<Field>)
inline constexpr bool needs_stream<Field> = Field::random;

/// Takes the place of a divergence, and of what is made of one, where only a velocity field was given.
struct no_divergence {
    template <class... Parts>
    explicit no_divergence(const Parts&...) {}
    [[nodiscard]] cost spent() const { return {}; }
};

/// The ladder of a template argument that is a velocity field or the divergence of one.
template <class Field>
consteval bool diagnose_field_or_divergence() {
    if constexpr (is_divergence<Field>)
        return diagnose_divergence_estimator<Field>() && diagnose_velocity_field<velocity_of_t<Field>>();
    else
        return diagnose_velocity_field<Field>();
}
} // namespace detail

} // namespace diamond
