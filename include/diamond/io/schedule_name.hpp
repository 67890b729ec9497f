// How files name noise schedules.
#pragma once

#include <diamond/core/scalar.hpp>
#include <diamond/schedule/cosine.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/trigonometric.hpp>
#include <diamond/schedule/variance_preserving.hpp>

#include <charconv>
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
inline std::string schedule_name(cosine_schedule) { return "cosine"; }

/// A user's schedule says it itself, its parameters included, so that no file is read with another: `std::string name() const`.
template <class Schedule>
requires requires(const Schedule& s) { std::string(s.name()); }
std::string schedule_name(const Schedule& s) {
    return s.name();
}

} // namespace diamond::io
