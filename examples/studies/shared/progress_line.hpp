/// This header shows the progress of a long run on the terminal.
#pragma once

#include <cstdio>
#include <string>

#include <unistd.h>

namespace studies {

/// On a terminal, this line of progress is rewritten; elsewhere only what is done is printed.
class progress_line {
public:
    [[nodiscard]] bool on_terminal() const { return terminal_; }
    void show(const std::string& text) const {
        if (terminal_) std::fprintf(stderr, "\r\033[K%s", text.c_str());
    }
    void finish(const std::string& text) const {
        std::fprintf(stderr, "%s%s\n", terminal_ ? "\r\033[K" : "", text.c_str());
    }

private:
    bool terminal_ = isatty(STDERR_FILENO) != 0;
};

} // namespace studies
