/// This header ends a program: every main of the examples and studies returns what it gives, but those that
/// docs show whole.
#pragma once

#include <cstdio>
#include <exception>
#include <iostream>
#include <type_traits>

namespace examples {

/// Runs `work`, which may return an exit status, and returns that of the program. An error is printed as one
/// sentence and gives 1. So does standard output that cannot be written, for instance on a full disk, because
/// part of what was printed is then missing.
template <class Work>
int run_main(const char* program, const Work& work) {
    int status = 0;
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<const Work&>>)
            work();
        else
            status = work();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", program, error.what());
        status = 1;
    }
    std::cout.flush(); // --help is written to cout, and from there through stdout
    const bool flushed = std::fflush(stdout) == 0;
    if (flushed && std::ferror(stdout) == 0 && std::cout) return status;
    std::fprintf(
        stderr,
        "%s: standard output could not be written in full: free space where it goes, or send it elsewhere\n",
        program);
    return status == 0 ? 1 : status;
}

} // namespace examples
