/// A noise schedule gives alpha and sigma of x_t = alpha(t) z + sigma(t) eps on t in [0, 1], from noise at 0
/// to data at 1.
///
/// A type S models `schedule` if, for const s and double t,
///   1. s.alpha(t) and s.sigma(t) are the coefficients: alpha grows to alpha(1) = 1, and sigma falls from
///      sigma(0) = 1 to sigma(1) = 0; alpha(0) is 0 or nearly so, for time 0 is pure noise by definition;
///   2. s.d_alpha(t) and s.d_sigma(t) are their derivatives; d_sigma(1) may be -inf.
/// A compiler sees no numbers: schedule/check_schedule.hpp checks these statements wherever something is made
/// with a schedule.
///
/// It need not give time_at(a, s), the time at which alpha/sigma = a/s: schedule/schedule.hpp finds it by
/// Newton's method. It need not give sigma_d_sigma(t), the product sigma sigma', unless d_sigma(1) is
/// infinite; then it must, for the product is finite. It need not give cross(interval), alpha(t') sigma(t) -
/// alpha(t) sigma(t'), accurate to its own size for close times: schedule/noising.hpp then integrates the
/// derivatives. It may take a diamond::instant in place of t in all four functions, which has 1 - t to all
/// digits beside t: sigma is then as accurate at computed times that lie closer to 1 than a double can. A
/// schedule of doubles is corrected at such times by the first term of the difference. sigma should be
/// accurate to its own size near 1, as sin(pi/2 (1 - t)) is and cos(pi/2 t) is not. The functions should be
/// DIAMOND_HD if they are to run on a device.
///
/// Models: linear_schedule, trigonometric_schedule, variance_preserving_schedule, cosine_schedule. Used by:
/// everything that knows time. Source: [DM], [GF], (eq. noised-state).
#pragma once

#include <concepts>

namespace diamond {

namespace detail {
template <class S>
concept schedule_coefficients = requires(const S& s, double t) {
    { s.alpha(t) } -> std::convertible_to<double>;
    { s.sigma(t) } -> std::convertible_to<double>;
};
template <class S>
concept schedule_derivatives = requires(const S& s, double t) {
    { s.d_alpha(t) } -> std::convertible_to<double>;
    { s.d_sigma(t) } -> std::convertible_to<double>;
};
} // namespace detail

/// A noise schedule alpha(t), sigma(t) with its derivatives.
template <class S>
concept schedule = std::copy_constructible<S> && detail::schedule_coefficients<S> &&
                   detail::schedule_derivatives<S>;

namespace detail {
/// A type that gives the noise schedule of its times.
template <class T>
concept names_schedule = requires(const T& t) {
    { t.schedule() } -> schedule;
};
} // namespace detail

/// The ladder of the concept: its static_asserts say what to write where S breaks a clause, the first one
/// first.
template <class S>
consteval bool diagnose_schedule() {
    static_assert(std::copy_constructible<S>,
                  "a schedule must be copyable: it travels by value into maps and kernels");
    static_assert(detail::schedule_coefficients<S>,
                  "a schedule needs double alpha(double t) const and double sigma(double t) const");
    static_assert(
        detail::schedule_derivatives<S>,
        "a schedule needs the derivatives double d_alpha(double t) const and double d_sigma(double t) const");
    return true;
}

} // namespace diamond
