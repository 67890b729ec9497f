// A checkpoint is written over the one before; whatever stops it, one of the two is there, whole.
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/io/safetensors.hpp>

#include "scratch.hpp"

#if __has_include(<sys/resource.h>)
#include <csignal>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace io_interrupted_test {

namespace io = diamond::io;
using diamond_test::contents;
using diamond_test::reason;
using diamond_test::scratch;
using doctest::Contains;

namespace {

/// Large enough that the buffer is written many times before the end.
io::tensor_file filled_with(float value) {
    return {.metadata = {{"value", std::to_string(value)}},
            .tensors = {{"a", io::make_tensor({1 << 18}, std::vector<float>(1 << 18, value))}}};
}

} // namespace

TEST_CASE("a write that fails half way leaves the old file") {
    const scratch folder;
    const auto path = folder / "a.safetensors";
    io::write_safetensors(path, filled_with(1));
    const auto before = contents(path);
    rlimit unlimited{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    auto tight = unlimited;
    tight.rlim_cur = 1 << 16;
    const auto handler = std::signal(SIGXFSZ, SIG_IGN); // so that write fails, as it does on a full disc
    REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
    const auto why = reason([&] { io::write_safetensors(path, filled_with(2)); });
    setrlimit(RLIMIT_FSIZE, &unlimited);
    std::signal(SIGXFSZ, handler);
    CHECK(why == Contains("cannot be written: File too large"));
    CHECK(contents(path) == before);
}

TEST_CASE("a process killed while it writes leaves the old file or the new") {
    const scratch folder;
    const auto path = folder / "a.safetensors";
    const std::vector<io::tensor_file> files{filled_with(1), filled_with(2)};
    io::write_safetensors(path, files[0]);
    for (int kill_after = 1; kill_after <= 12; ++kill_after) { // milliseconds; a write takes about one
        const auto child = fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            try {
                for (std::size_t i = 0;; ++i) io::write_safetensors(path, files[i % 2]);
            } catch (...) {
                _exit(1);
            }
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{kill_after});
        kill(child, SIGKILL);
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));
        const auto found = io::read_safetensors(path);
        CHECK((found.tensors == files[0].tensors || found.tensors == files[1].tensors));
        CHECK(found.metadata == files[found.tensors == files[1].tensors].metadata);
    }
}

} // namespace io_interrupted_test
#endif
