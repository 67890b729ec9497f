/// DIAMOND_HD marks a function that a device may run, too. It is the library's one macro.
#pragma once

#include <diamond/core/compiler.hpp>

#if defined(__CUDACC__)
#define DIAMOND_HD __host__ __device__
#else
#define DIAMOND_HD
#endif
