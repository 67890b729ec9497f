/// Work in a forked child, which must end by itself and say that it was right.
#pragma once

#include <cstdlib>

#include <sys/wait.h>
#include <unistd.h>

/// How a child ended.
enum class child_end { right, wrong, hung, died };

/// Forks; the child calls `work`, which says whether all was right, and leaves as main does, by exit(). A
/// child that hangs is killed.
template <class Work>
child_end in_child(const Work& work) {
    constexpr unsigned patience = 20; // seconds; the work takes milliseconds
    const pid_t child = fork();
    if (child == 0) {
        alarm(patience);
        bool right = false;
        try {
            right = work();
        } catch (...) {
        }
        std::_Exit(right ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) return WEXITSTATUS(status) == 0 ? child_end::right : child_end::wrong;
    return WTERMSIG(status) == SIGALRM ? child_end::hung : child_end::died;
}
