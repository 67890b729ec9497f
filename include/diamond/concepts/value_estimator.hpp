/// A value estimator estimates V_t(x) = log E[exp r(z) | x_t = x], with noise or exactly.
///
/// A type E models `value_estimator` if
///   1. E::batch_type and e.dimension() are those of its batches;
///   2. e(x, t, condition, stream, values) writes an estimate of V_t(x_j) for each column of x, d x N, into
///      the fields of `values` (diamond::value_rows<context>): value always, standard error and ESS where it
///      has them; at t = 1 the value is r(x_j) exactly; E is copyable and need not be const;
///   3. e.reward() is the reward, by reference: drivers evaluate V_1 = r themselves;
///   4. e.spent() is the diamond::cost of all calls so far, reward calls among them.
/// Where the value of a particle depends on other particles of the call, or on noise that another call has
/// used, bool fresh() const says false: no move is then accepted by it. Where values before t = 1 are on
/// another scale than the reward, it says `static constexpr bool on_own_scale = true`: no pilot's delta then
/// raises them.
///
/// It models `value_estimator_with_gradient` if also
///   5. e.guidance(x, t, condition, stream, out) writes b(t) grad V_t(x_j), d x N, finite at both ends, too:
///      (eq. guidance-at-noise), (eq. guidance-at-data).
/// Where b(0) grad V_0 does not follow from what the estimator has, for b(0) is infinite and grad V_0 is 0,
/// it says `static constexpr bool begins_after_noise = true`: drivers then never ask at t = 0, and take the
/// limit of what it gives shortly after. It may warn of its guidance, as of few draws: e.begin_guidance()
/// begins a record, and e.guidance_warnings() returns a vector of strings on all calls since.
///
/// Models: posterior_value, moment_value, cumulant_value, weighted_value, point values, exact_value. Used by:
/// smc, grouped_smc, beam, tree_search, particle_gibbs, guidance. Source: [DM], (eq. value-function).
#pragma once

#include <concepts>
#include <string>
#include <vector>

#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/concepts/reward.hpp>

namespace diamond {

/// The rows of N values and their errors, one entry a particle. All but `value` may be without data: they are
/// then not asked for.
template <class Context>
struct value_rows {
    row_view<double, Context> value = {};          ///< V_t(x_j) in nats
    row_view<double, Context> standard_error = {}; ///< the standard error of value; NaN where there is none
    /// The effective number of value samples under the reward's weights; NaN where there is none.
    row_view<double, Context> ess = {};
    /// The effective number under the weights without the reward, where the estimator has such; else NaN.
    row_view<double, Context> ess_base = {};
};

/// @throws std::invalid_argument with `where` and both numbers unless there is a row of values, and each row
/// that is asked for has as many numbers as there are particles. An estimator calls it first.
template <class Context>
void require_columns(const char* where, const value_rows<Context>& values, index_t particles) {
    require_columns(where, values.value, particles);
    const row_view<double, Context> spreads[] = {values.standard_error, values.ess, values.ess_base};
    for (const auto& each : spreads)
        if (each) require_columns(where, each, particles);
}

namespace detail {
template <class E>
concept estimates_value = requires(
    E& e, const_view_t<typename E::batch_type> x, double t, const condition_of_t<E>& c, noise_stream stream,
    value_rows<backend_of_t<typename E::batch_type>> values) { e(x, t, c, stream, values); };
template <class E>
concept guides = requires(E& e, const_view_t<typename E::batch_type> x, double t, const condition_of_t<E>& c,
                          noise_stream stream,
                          view_t<typename E::batch_type> out) { e.guidance(x, t, c, stream, out); };
/// Says whether guidance by E has a value only after t = 0.
template <class E>
inline constexpr bool begins_after_noise = false;
template <class E>
    requires requires { bool{E::begins_after_noise}; }
inline constexpr bool begins_after_noise<E> = E::begins_after_noise;
template <class E>
concept warns_of_guidance = requires(E& e) {
    e.begin_guidance();
    { e.guidance_warnings() } -> std::convertible_to<std::vector<std::string>>;
};
template <class E>
concept gives_reward = requires(E& e) { e.reward(); } &&
                       reward<std::remove_cvref_t<decltype(std::declval<E&>().reward())>,
                              typename E::batch_type, condition_of_t<E>>;
/// Says whether an estimator's value of a particle depends on that particle and on fresh noise alone.
template <class Value>
[[nodiscard]] bool is_fresh(const Value& value) {
    if constexpr (requires {
                      { value.fresh() } -> std::convertible_to<bool>;
                  }) {
        return value.fresh();
    } else {
        static_assert(
            !requires(Value& any) { any.fresh(); },
            "a value estimator's fresh() must be const: bool fresh() const");
        return true;
    }
}
/// Says whether the values of E before t = 1 are on a scale of their own, not on that of its reward.
template <class E>
inline constexpr bool on_own_scale = false;
template <class E>
    requires requires { bool{E::on_own_scale}; }
inline constexpr bool on_own_scale<E> = E::on_own_scale;
} // namespace detail

/// An estimator of V_t(x), by clauses 1 to 4.
template <class E>
concept value_estimator = std::copy_constructible<E> && detail::names_batch<E> && detail::has_dimension<E> &&
                          detail::estimates_value<E> && detail::gives_reward<E> && detail::counts_cost<E>;
/// A value estimator that also writes guidance, b(t) grad V_t(x): clause 5.
template <class E>
concept value_estimator_with_gradient = value_estimator<E> && detail::guides<E>;

/// The ladder: the first clause that E breaks says what to write.
template <class E>
consteval bool diagnose_value_estimator() {
    static_assert(std::copy_constructible<E>,
                  "a value estimator must be copyable: keep working space in diamond::scratch");
    static_assert(detail::names_batch<E>, "a value estimator needs `using batch_type = "
                                          "diamond::eigen::batch<float>;` (or another back end's batch)");
    if constexpr (detail::names_batch<E>) {
        static_assert(detail::has_dimension<E>,
                      "a value estimator needs dimension() const, the number of rows d of its batches");
        static_assert(detail::estimates_value<E>, "a value estimator needs operator()(const_view x, double "
                                                  "t, const condition&, noise_stream, value_rows<context>)");
        static_assert(detail::gives_reward<E>,
                      "a value estimator needs reward(), the reward whose value it estimates");
        static_assert(detail::counts_cost<E>,
                      "a value estimator needs spent() const, the diamond::cost of its calls so far");
    }
    return true;
}
template <class E>
consteval bool diagnose_value_estimator_with_gradient() {
    static_assert(diagnose_value_estimator<E>());
    static_assert(detail::guides<E>, "guidance needs a value estimator with guidance(const_view x, double t, "
                                     "const condition&, noise_stream, view out), b(t) grad V");
    return true;
}

} // namespace diamond
