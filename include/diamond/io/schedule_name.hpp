/// This header gives noise schedules the names under which files refer to them.
#pragma once

#include <array>
#include <cmath>
#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

namespace diamond::io {

/// Returns the name of a schedule of the library, together with its parameters.
inline std::string schedule_name(linear_schedule) { return "linear"; }
/// Returns "trigonometric", which has no parameters.
inline std::string schedule_name(trigonometric_schedule) { return "trigonometric"; }
/// Returns "variance_preserving" with the first and the last rate, to all digits.
inline std::string schedule_name(const variance_preserving_schedule& s) {
    return "variance_preserving " + digits_of(s.rate_first) + " " + digits_of(s.rate_last);
}
/// Returns "cosine" with the offset, to all digits.
inline std::string schedule_name(cosine_schedule s) { return "cosine " + digits_of(s.offset); }

namespace detail {
template <class Schedule>
concept names_itself = requires(const Schedule& s) { std::string(s.name()); };
} // namespace detail

/// Returns the name of a schedule that a user wrote, which the schedule itself gives by
/// `std::string name() const`. Files also hold its schedule_values, so that a schedule of another name or
/// with other parameters is refused.
template <class Schedule>
std::string schedule_name(const Schedule& schedule) {
    static_assert(detail::names_itself<Schedule>,
                  "a schedule of your own needs `std::string name() const` to be saved in a file, or read "
                  "from one: another must not be taken for it");
    return schedule.name();
}

/// Returns alpha and sigma at 1/4, 1/2 and 3/4, {alpha, sigma, alpha, sigma, ...}, which distinguish a
/// schedule from one of the same name with other parameters.
template <class Schedule>
[[nodiscard]] std::array<double, 6> schedule_values(const Schedule& s) {
    return {s.alpha(0.25), s.sigma(0.25), s.alpha(0.5), s.sigma(0.5), s.alpha(0.75), s.sigma(0.75)};
}

namespace detail {
/// Returns the numbers as text that reads back as the same numbers.
inline std::string exact_list(const std::array<double, 6>& values) {
    std::string text;
    for (const double value : values) text += (text.empty() ? "" : " ") + digits_of(value);
    return text;
}
/// Returns whether the text holds these six numbers, up to the rounding by which mathematical libraries may
/// differ.
inline bool says_values(const std::string& text, const std::array<double, 6>& values) {
    constexpr double rounding = 1e-9;
    const char *at = text.data(), *const last = at + text.size();
    for (const double value : values) {
        double found = 0.0;
        const auto end = std::from_chars(at, last, found);
        if (end.ec != std::errc{} || !(std::abs(found - value) <= rounding * std::abs(value))) return false;
        at = end.ptr != last && *end.ptr == ' ' ? end.ptr + 1 : end.ptr;
    }
    return at == last;
}
/// Returns the schedule that a file states. Older files did not state the offset of a cosine schedule, which
/// was taken to be the usual one.
inline std::string schedule_said(const std::string& name) {
    return name == "cosine" ? schedule_name(cosine_schedule{}) : name;
}
} // namespace detail

} // namespace diamond::io
