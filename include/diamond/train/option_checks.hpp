/// How options of a training are refused: by their name, with the number; and how they are told, so that a state knows whose it is.
#pragma once

#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// @throws std::invalid_argument with name and number unless it is a share: from 0 to `most`. NaN is none.
inline void require_share(const char* name, double x, double most = 1.0) {
    require(x >= 0.0 && x <= most, [&] { return std::string(name) + " is " + digits_of(x) + ": it lies in [0, " + digits_of(most) + "]"; });
}
/// ... unless it is finite and not negative.
inline void require_not_negative(const char* name, double x) {
    require(x >= 0.0 && x < infinity, [&] { return std::string(name) + " is " + digits_of(x) + ": it must be finite and not negative"; });
}
/// ... unless it is finite and above 0.
inline void require_positive(const char* name, double x) {
    require(x > 0.0 && x < infinity, [&] { return std::string(name) + " is " + digits_of(x) + ": it must be finite and above 0"; });
}
/// ... unless it is at least `least`.
inline void require_count(const char* name, index_t x, index_t least) {
    require(x >= least, [&] { return std::string(name) + " is " + digits_of(x) + ": at least " + digits_of(least) + " is needed"; });
}
/// Asks options that can be checked to check themselves; a user's own need not.
template <class Options>
void check_options(const Options& options) {
    if constexpr (requires { options.check(); }) options.check();
}
/// What options say of themselves.
template <class Options>
[[nodiscard]] std::string text_of(const Options& options) {
    if constexpr (requires { options.text(); })
        return options.text();
    else
        return "one of your own";
}

} // namespace diamond::detail
