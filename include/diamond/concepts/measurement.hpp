/// A measurement A: R^d -> R^m is what is seen of a sample: some of its pixels, a smaller image, the logits
/// of a classifier.
///
/// A type A models `measurement` if
///   0. it is copyable, and cheap to copy because copies share their parameters (std::shared_ptr<const ...>),
///      since rewards take it by value;
///   1. A::batch_type is the type of the batches it runs on;
///   2. a.dimension() is d and a.outputs() is m;
///   3. a(z, out) writes A(z_j) into column j of out; z is d x n and out is m x n. It may own working space,
///      and the call need not be const.
/// It need not be linear. A `differentiable_measurement` also has a.vjp(z, cotangent, out), which writes
/// (dA/dz)^T cotangent, from m x n to d x n; a linear one ignores z. A `selecting_measurement` also has
/// a.coordinates(), which lists the m distinct rows of z that it reads, in order; rewards on it then have a
/// quadratic form. An affine one may have a.singular_vectors(context), which returns
/// diamond::singular_vectors<batch_type> (measurement/singular_vectors.hpp); those of others are found, at a
/// cost that grows as m^2 d.
///
/// Models: mask_measurement, down_sampling_measurement, blur_measurement, affine_measurement,
/// sparse_measurement, operator_measurement, function_measurement, whitened_measurement, any_measurement.
/// Used by: gaussian_measurement_reward, student_measurement_reward, classifier_reward, moment_value,
/// denoised_moment_value, measurement_guided_kernel.
#pragma once

#include <concepts>
#include <vector>

#include <diamond/concepts/velocity_field.hpp>

namespace diamond {

namespace detail {
template <class A>
concept has_outputs = requires(const A& a) {
    { a.outputs() } -> std::convertible_to<index_t>;
};
template <class A>
concept measures = requires(A& a, const_view_t<typename A::batch_type> z,
                            view_t<typename A::batch_type> out) { a(z, out); };
template <class A>
concept measurement_vjp = requires(A& a, const_view_t<typename A::batch_type> z,
                                   view_t<typename A::batch_type> out) { a.vjp(z, z, out); };
template <class A>
concept lists_coordinates = requires(const A& a) {
    { a.coordinates() } -> std::convertible_to<std::vector<index_t>>;
};
} // namespace detail

/// A measurement A(z), by clauses 0 to 3.
template <class A>
concept measurement = std::copy_constructible<A> && detail::names_batch<A> && detail::has_dimension<A> &&
                      detail::has_outputs<A> && detail::measures<A>;
/// A measurement that can also be differentiated: it has vjp.
template <class A>
concept differentiable_measurement = measurement<A> && detail::measurement_vjp<A>;
/// A measurement that reads some coordinates of z as they are, and lists them.
template <class A>
concept selecting_measurement = measurement<A> && detail::lists_coordinates<A>;

/// The ladder of the concept: its static_asserts say what to write where A breaks a clause, the first one
/// first.
template <class A>
consteval bool diagnose_measurement() {
    static_assert(
        std::copy_constructible<A>,
        "a measurement must be copyable: share its parameters, keep working space in diamond::scratch");
    static_assert(detail::names_batch<A>, "a measurement needs `using batch_type = "
                                          "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<A>) {
        static_assert(detail::has_dimension<A>,
                      "a measurement needs dimension() const, the number of rows d of its samples");
        static_assert(detail::has_outputs<A>,
                      "a measurement needs outputs() const, the number of rows m of what it writes");
        static_assert(detail::measures<A>,
                      "a measurement needs operator()(const_view z, view out) that writes A(z) into out");
    }
    return true;
}
template <class A>
consteval bool diagnose_differentiable_measurement() {
    static_assert(diagnose_measurement<A>());
    static_assert(detail::measurement_vjp<A>,
                  "a differentiable measurement needs vjp(const_view z, const_view cotangent, view out)");
    return true;
}

} // namespace diamond
