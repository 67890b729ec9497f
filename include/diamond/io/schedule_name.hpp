// How files name noise schedules.
#pragma once

#include <diamond/core/scalar.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace diamond::io {

namespace detail {
/// The shortest text that reads back as the same number.
inline std::string exact_text(double value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}
} // namespace detail

inline std::string schedule_name(linear_schedule) { return "linear"; }
inline std::string schedule_name(trigonometric_schedule) { return "trigonometric"; }
inline std::string schedule_name(const variance_preserving_schedule& s) {
    return "variance_preserving " + detail::exact_text(s.rate_first) + " " + detail::exact_text(s.rate_last);
}
inline std::string schedule_name(cosine_schedule s) { return "cosine " + detail::exact_text(s.offset); }

namespace detail {
template <class Schedule>
concept names_itself = requires(const Schedule& s) { std::string(s.name()); };
} // namespace detail

/// A schedule of your own is saved by the name that it gives itself, `std::string name() const`, and by schedule_values: one of another name or with
/// other parameters is refused.
template <class Schedule>
std::string schedule_name(const Schedule& schedule) {
    static_assert(detail::names_itself<Schedule>,
                  "a schedule of your own needs `std::string name() const` to be saved in a file, or read from one: another must not be taken for it");
    return schedule.name();
}

/// alpha and sigma at 1/4, 1/2 and 3/4: what tells a schedule from one of the same name with other parameters.
template <class Schedule>
[[nodiscard]] std::array<double, 6> schedule_values(const Schedule& s) {
    return {s.alpha(0.25), s.sigma(0.25), s.alpha(0.5), s.sigma(0.5), s.alpha(0.75), s.sigma(0.75)};
}

namespace detail {
inline std::string exact_list(const std::array<double, 6>& values) {
    std::string text;
    for (const double value : values) text += (text.empty() ? "" : " ") + exact_text(value);
    return text;
}
/// Whether the text has these six numbers, to what libraries of mathematics may differ by.
inline bool says_values(const std::string& text, const std::array<double, 6>& values) {
    constexpr double rounding = 1e-9;
    const char *     at = text.data(), *const last = at + text.size();
    for (const double value : values) {
        double     found = 0.0;
        const auto end   = std::from_chars(at, last, found);
        if (end.ec != std::errc{} || !(std::abs(found - value) <= rounding * std::abs(value))) return false;
        at = end.ptr != last && *end.ptr == ' ' ? end.ptr + 1 : end.ptr;
    }
    return at == last;
}
/// What a file says of its schedule; the cosine schedule's offset was not written before, and was taken for the usual one.
inline std::string schedule_said(const std::string& name) { return name == "cosine" ? schedule_name(cosine_schedule{}) : name; }
} // namespace detail

} // namespace diamond::io
