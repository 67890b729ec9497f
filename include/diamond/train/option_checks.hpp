/// Checks of the numbers in training options, and the text by which a training state knows the options it was
/// made with.
#pragma once

#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// Checks that 0 <= x <= most; NaN fails. @throws std::invalid_argument with the name and the number.
inline void require_share(const char* name, double x, double most = 1.0) {
    require(x >= 0.0 && x <= most, [&] {
        return std::string(name) + " is " + digits_of(x) + ": it lies in [0, " + digits_of(most) + "]";
    });
}
/// Checks that x is finite and x >= 0. @throws std::invalid_argument with the name and the number.
inline void require_not_negative(const char* name, double x) {
    require(x >= 0.0 && x < infinity, [&] {
        return std::string(name) + " is " + digits_of(x) + ": it must be finite and not negative";
    });
}
/// Checks that x is finite and x > 0. @throws std::invalid_argument with the name and the number.
inline void require_positive(const char* name, double x) {
    require(x > 0.0 && x < infinity,
            [&] { return std::string(name) + " is " + digits_of(x) + ": it must be finite and above 0"; });
}
/// Checks that x >= least. @throws std::invalid_argument with the name and the number.
inline void require_count(const char* name, index_t x, index_t least) {
    require(x >= least, [&] {
        return std::string(name) + " is " + digits_of(x) + ": at least " + digits_of(least) + " is needed";
    });
}
/// Calls options.check() if there is one: a user's own type need not have it.
template <class Options>
void check_options(const Options& options) {
    if constexpr (requires { options.check(); }) options.check();
}
/// Returns options.text(), or "one of your own" for a type that has none.
template <class Options>
[[nodiscard]] std::string text_of(const Options& options) {
    if constexpr (requires { options.text(); })
        return options.text();
    else
        return "one of your own";
}

} // namespace diamond::detail
