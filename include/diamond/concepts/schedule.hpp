/// Noise schedule: x_t = alpha(t) z + sigma(t) eps on t in [0, 1], from noise to data.
///
/// A type S models `schedule` if, for const s and double t,
///   1. s.alpha(t) and s.sigma(t) are the coefficients: alpha grows to alpha(1) = 1, sigma falls from sigma(0) = 1 to sigma(1) = 0;
///      alpha(0) is 0 or nearly so, for time 0 is pure noise by definition;
///   2. s.d_alpha(t) and s.d_sigma(t) are their derivatives (d_sigma(1) may be -inf).
/// A compiler sees no numbers: schedule/check_schedule.hpp holds them against this wherever something is made with a schedule.
/// It need not give time_at(a, s), the time where alpha/sigma = a/s: schedule/schedule.hpp finds it by Newton's method. It need not
/// give sigma_d_sigma(t), the product sigma sigma', unless d_sigma(1) is infinite; then the product must be there, for it is finite.
/// It may take a diamond::instant in place of t in all four, with 1 - t to all digits beside t: then sigma is as good at times that were computed and lie closer to 1
/// than a double can; one of doubles is told such times by the first term of the difference. sigma should be right to its own size near 1, where sin(pi/2 (1 - t)) is,
/// and cos(pi/2 t) is not.
/// It may give cross(interval), alpha(t') sigma(t) - alpha(t) sigma(t') to its own size for close times; else schedule/noising.hpp integrates the derivatives.
/// Functions should be DIAMOND_HD if they are to run on a device. Models: linear_schedule, trigonometric_schedule,
/// variance_preserving_schedule, cosine_schedule. Used by: everything that knows time. Source: [DM], [GF], section 1.
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

template <class S>
concept schedule = std::copy_constructible<S> && detail::schedule_coefficients<S> && detail::schedule_derivatives<S>;

namespace detail {
/// Whether T says the noise schedule of its times.
template <class T>
concept names_schedule = requires(const T& t) {
    { t.schedule() } -> schedule;
};
} // namespace detail

/// The ladder: the first clause that S breaks says what to write.
template <class S>
consteval bool diagnose_schedule() {
    static_assert(std::copy_constructible<S>, "a schedule must be copyable: it travels by value into maps and kernels");
    static_assert(detail::schedule_coefficients<S>, "a schedule needs double alpha(double t) const and double sigma(double t) const");
    static_assert(detail::schedule_derivatives<S>, "a schedule needs the derivatives double d_alpha(double t) const and double d_sigma(double t) const");
    return true;
}

} // namespace diamond
