/// The macro DIAMOND_HD marks a function that a device may run as well as the host. It is the library's only
/// macro but for the version's.
#pragma once

#include <diamond/core/compiler.hpp>

#if defined(__CUDACC__)
#define DIAMOND_HD __host__ __device__
#else
/// Stands before the declaration of a function that a device may run, too.
#define DIAMOND_HD
#endif
