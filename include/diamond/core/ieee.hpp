/// The library needs IEEE 754 arithmetic with NaN and infinity. Compiler flags that give it up are refused
/// here, where the compiler defines a macro for them, and else when a context is made
/// (backend/detail/require_ieee.hpp). Subnormal numbers may be flushed to zero, as other libraries set it for
/// a whole process, since no result depends on them.
#pragma once

#if defined(__FAST_MATH__)
#error                                                                                                       \
    "diamond needs IEEE arithmetic: compile without -ffast-math and -Ofast, or with -fno-fast-math behind them"
#elif defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error                                                                                                       \
    "diamond needs NaN and infinity, by which it finds what went wrong: compile without -ffinite-math-only, or with -fno-finite-math-only behind it"
#elif defined(__ASSOCIATIVE_MATH__)
#error                                                                                                       \
    "diamond needs IEEE arithmetic: compile without -fassociative-math and -funsafe-math-optimizations, or with -fno-associative-math behind them"
#endif
