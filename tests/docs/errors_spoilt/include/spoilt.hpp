/// Messages that the page beside this file names, and others that it does not. "A comment is no message."
#pragma once

#include <stdexcept>
#include <string>

static_assert(sizeof(int) > 1, "a sentence of the compiler; it need not be named");

inline void named(int n) {
    if (n < 0)
        throw std::invalid_argument("a number of " + std::to_string(n) +
                                    ": it is said on two lines; [both] are "
                                    "\"joined\"");
    if (n == 0) throw std::invalid_argument("nothing"); // and this "is not a message"
}

inline const char* unnamed(int n) {
    if (n < 0) throw std::invalid_argument("a number that no page names");
    if (n == 0) throw std::invalid_argument(std::to_string(n) + " unnamed");
    const char* what = "a sentence thrown elsewhere";
    return what;
}
