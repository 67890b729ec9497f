/// A marginal density is log p_t, where p_1 is the law of the data, p_t that of the data with noise added,
/// and p_0 = N(0, I).
///
/// A type D models `marginal_density` if
///   1. D::batch_type is the type of its batches, and d.dimension() is their number of rows;
///   2. d.schedule() is the noise schedule of its times;
///   3. d(x, t, condition, row out) writes log p_t(x_j | c_j), normalised, into out[j] in the memory of
///      the batch. x is d x N, and t is one time in [0, 1]. The density is copyable, and the call need not be
///      const;
///   4. d.spent() is the diamond::cost of all calls so far;
///   5. d.exact() says whether these are the model's own densities (in floating point) or approximations of
///      them.
/// A `scored_marginal_density` also has d.score(x, t, condition, out), which writes grad log p_t(x_j), d x N.
///
/// Models: exact_density, flow_density, rescheduled_density, scored_density. Used by: corrected_posterior,
/// corrected_kernel, weighted_value. See (eq. flow-density), (eq. corrected-kernel-weight).
#pragma once

#include <concepts>

#include <diamond/concepts/posterior_sampler.hpp>

namespace diamond {

namespace detail {
template <class D>
concept says_log_density = requires(D& d, const_view_t<typename D::batch_type> x, double t,
                                    const condition_of_t<D>& c,
                                    row_t<typename D::batch_type> out) { d(x, t, c, out); };
template <class D>
concept says_score = requires(D& d, const_view_t<typename D::batch_type> x, double t,
                              const condition_of_t<D>& c,
                              view_t<typename D::batch_type> out) { d.score(x, t, c, out); };
} // namespace detail

/// A density log p_t(x), by clauses 1 to 5.
template <class D>
concept marginal_density = std::copy_constructible<D> && detail::names_batch<D> && detail::has_dimension<D> &&
                           detail::names_schedule<D> && detail::says_log_density<D> &&
                           detail::counts_cost<D> && detail::has_exact<D>;
/// A marginal density that also has the score, grad log p_t(x).
template <class D>
concept scored_marginal_density = marginal_density<D> && detail::says_score<D>;

/// The ladder of the concept: its static_asserts say what to write where D breaks a clause, the first one
/// first.
template <class D>
consteval bool diagnose_marginal_density() {
    static_assert(std::copy_constructible<D>,
                  "a marginal density must be copyable: keep working space in diamond::scratch");
    static_assert(detail::names_batch<D>, "a marginal density needs `using batch_type = "
                                          "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<D>) {
        static_assert(detail::has_dimension<D>,
                      "a marginal density needs dimension() const, the number of rows d of its batches");
        static_assert(detail::names_schedule<D>,
                      "a marginal density needs schedule() const, the noise schedule of its times");
        static_assert(detail::says_log_density<D>,
                      "a marginal density needs operator()(const_view x, double t, const condition&, row "
                      "out) that writes log p_t(x) into out; exact_density{schedule, model} is one of a "
                      "velocity field with density");
        static_assert(detail::counts_cost<D>,
                      "a marginal density needs spent() const, the diamond::cost of its calls so far");
        static_assert(
            detail::has_exact<D>,
            "a marginal density needs bool exact() const: whether its densities are the model's own");
    }
    return true;
}

} // namespace diamond
