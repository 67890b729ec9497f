/// This header refuses compilers that the library is known not to work with, by a sentence that names those
/// that do.
#pragma once

#if defined(__clang__) && !defined(__apple_build_version__) && __clang_major__ < 16
#error "diamond needs g++ 12, clang 16 or nvcc 13, or newer: this clang lacks what the library uses of C++20"
#elif defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 12
#error                                                                                                       \
    "diamond needs g++ 12, clang 16 or nvcc 13, or newer: it was never tested with a g++ as old as this one"
#elif defined(_MSC_VER) && !defined(__clang__)
#error "diamond needs g++ 12, clang 16 or nvcc 13, or newer: Microsoft's compiler lacks built-in functions"
#endif
