#include <diamond/io/file.hpp>

#include "scratch.hpp"

#include <doctest/doctest.h>

#include <string>

#if __has_include(<sys/resource.h>)
#include <csignal>
#include <sys/resource.h>
#endif

namespace io = diamond::io;
using diamond_test::contents;
using diamond_test::overwrite;
using diamond_test::reason;
using diamond_test::scratch;
using doctest::Contains;

namespace {

std::size_t files_in(const std::filesystem::path& folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{folder}) ++count;
    return count;
}

} // namespace

TEST_CASE("a file error has a path, a reason, and both in what()") {
    const io::file_error error{"folder/a.npy", "too short"};
    CHECK(error.path() == "folder/a.npy");
    CHECK(error.reason() == "too short");
    CHECK(std::string{error.what()} == "folder/a.npy: too short");
}

TEST_CASE("text is read whole, up to the largest size allowed") {
    const scratch folder;
    overwrite(folder / "a", "twelve bytes");
    CHECK(io::read_text(folder / "a", 12) == "twelve bytes");
    CHECK(reason([&] { io::read_text(folder / "a", 11); }) == "too large: 12 bytes, at most 11 are read");
    CHECK(reason([&] { io::read_text(folder / "b", 11); }) == "no such file");
    CHECK(reason([&] { io::read_text(folder.folder(), 11); }) == "not a regular file");
}

TEST_CASE("a file knows what is left of it") {
    const scratch folder;
    overwrite(folder / "a", "twelve bytes");
    io::input_file file{folder / "a"};
    std::string six(6, ' ');
    file.read(std::as_writable_bytes(std::span{six}), "a word");
    CHECK(six == "twelve");
    CHECK(file.remaining() == 6);
    std::string seven(7, ' ');
    CHECK(reason([&] { file.read(std::as_writable_bytes(std::span{seven}), "the rest"); }) ==
          "truncated: the rest takes 7 bytes, 6 are left");
}

TEST_CASE("writing replaces a file and leaves nothing else behind") {
    const scratch folder;
    io::write_atomically(folder / "a", {io::bytes_of("old")});
    io::write_atomically(folder / "a", {io::bytes_of("new "), io::bytes_of(""), io::bytes_of("parts")});
    CHECK(contents(folder / "a") == "new parts");
    CHECK(files_in(folder.folder()) == 1);
}

TEST_CASE("writing refuses what it cannot replace") {
    const scratch folder;
    CHECK(reason([&] { io::write_atomically(folder.folder(), {io::bytes_of("new")}); }) == Contains("not a regular file"));
    CHECK(reason([&] { io::write_atomically(folder / "none/a", {io::bytes_of("new")}); }) == Contains("cannot be written: "));
    CHECK(files_in(folder.folder()) == 0);
    if (std::filesystem::exists("/dev/null"))
        CHECK(reason([&] { io::write_atomically("/dev/null", {io::bytes_of("new")}); }) == Contains("not a regular file"));
}

#if __has_include(<sys/resource.h>)
TEST_CASE("writing that fails half way leaves the old contents") {
    const scratch folder;
    overwrite(folder / "a", "old");
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    auto tight         = before;
    tight.rlim_cur     = 1 << 12;
    const auto handler = std::signal(SIGXFSZ, SIG_IGN); // so that write fails, as it does on a full disc
    REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
    const auto why       = reason([&] { io::write_atomically(folder / "a", {io::bytes_of(std::string(1 << 20, 'x'))}); });
    const auto short_one = reason([&] { io::write_atomically(folder / "b", {io::bytes_of(std::string((1 << 12) + 1, 'x'))}); });
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    CHECK(why == Contains("cannot be written: File too large"));
    CHECK(short_one == Contains("cannot be written: File too large"));
    CHECK(contents(folder / "a") == "old");
    CHECK(files_in(folder.folder()) == 1);
}
#endif
