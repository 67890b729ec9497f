#include <string>

#include <doctest/doctest.h>

#include <diamond/io/file.hpp>

#include "scratch.hpp"

#if __has_include(<sys/resource.h>)
#include <csignal>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace io_file_test {

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
    CHECK(reason([&] { io::write_atomically(folder.folder(), {io::bytes_of("new")}); }) ==
          Contains("not a regular file"));
    CHECK(reason([&] { io::write_atomically(folder / "none/a", {io::bytes_of("new")}); }) ==
          Contains("cannot be written: "));
    CHECK(files_in(folder.folder()) == 0);
    if (std::filesystem::exists("/dev/null"))
        CHECK(reason([&] { io::write_atomically("/dev/null", {io::bytes_of("new")}); }) ==
              Contains("not a regular file"));
}

#if __has_include(<sys/resource.h>)
TEST_CASE("writing that fails half way leaves the old contents") {
    const scratch folder;
    overwrite(folder / "a", "old");
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    auto tight = before;
    tight.rlim_cur = 1 << 12;
    const auto handler = std::signal(SIGXFSZ, SIG_IGN); // so that write fails, as it does on a full disc
    REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
    const auto why = reason(
        [&] { io::write_atomically(folder / "a", {io::bytes_of(std::string(1 << 20, 'x'))}); });
    const auto short_one = reason(
        [&] { io::write_atomically(folder / "b", {io::bytes_of(std::string((1 << 12) + 1, 'x'))}); });
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    CHECK(why == Contains("cannot be written: File too large"));
    CHECK(short_one == Contains("cannot be written: File too large"));
    CHECK(contents(folder / "a") == "old");
    CHECK(files_in(folder.folder()) == 1);
}

TEST_CASE("a link is followed: it stays, and what it leads to is replaced") {
    namespace fs = std::filesystem;
    const scratch folder;
    fs::create_directory(folder / "runs");
    overwrite(folder / "runs/5", "old");
    fs::create_symlink("runs/5", folder / "latest");         // relative to the link's folder
    fs::create_symlink(folder / "latest", folder / "twice"); // a link to a link, absolute
    io::write_atomically(folder / "twice", {io::bytes_of("new")});
    CHECK(fs::read_symlink(folder / "latest") == "runs/5");
    CHECK(fs::is_symlink(folder / "twice"));
    CHECK(contents(folder / "runs/5") == "new");
    CHECK(files_in(folder / "runs") == 1);

    fs::create_symlink("runs/6", folder / "next"); // leads nowhere yet
    io::write_atomically(folder / "next", {io::bytes_of("six")});
    CHECK(contents(folder / "runs/6") == "six");
    CHECK(fs::is_symlink(folder / "next"));

    fs::create_symlink("none/7", folder / "astray");
    CHECK(reason([&] { io::write_atomically(folder / "astray", {io::bytes_of("x")}); }) ==
          Contains(("link to " + (folder / "none/7").string()).c_str()));
    CHECK(reason([&] { io::read_text(folder / "astray", 9); }) == "no such file: a link that leads nowhere");
    fs::create_symlink("circle", folder / "circle");
    CHECK(reason([&] { io::write_atomically(folder / "circle", {io::bytes_of("x")}); }) ==
          Contains("Too many levels of symbolic links"));
    fs::create_symlink("runs", folder / "to a folder");
    CHECK(reason([&] { io::write_atomically(folder / "to a folder", {io::bytes_of("x")}); }) ==
          Contains("not a regular file but a folder"));
    CHECK(files_in(folder.folder()) == 7);
}

TEST_CASE("a file keeps its mode, a new one gets what the process' mask leaves") {
    namespace fs = std::filesystem;
    const scratch folder;
    const auto mode = [&] { return static_cast<unsigned>(fs::status(folder / "a").permissions()); };
    const auto mask = umask(027);
    io::write_atomically(folder / "a", {io::bytes_of("one")});
    umask(mask);
    CHECK(mode() == 0640);
    for (const unsigned kept : {0600u, 0660u, 0644u, 0755u}) {
        fs::permissions(folder / "a", static_cast<fs::perms>(kept));
        io::write_atomically(folder / "a", {io::bytes_of("two")});
        CHECK(mode() == kept);
    }
}

TEST_CASE("what a killed writer left is removed, what one alive writes is not, nor what others named alike") {
    const scratch folder;
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    const auto child = fork();
    REQUIRE(child >= 0);
    if (child == 0) { // holds a half written "a" until it is killed
        io::detail::replacement half{folder / "a"};
        half.write(io::bytes_of("half"));
        if (write(ready[1], "x", 1) == 1) pause();
        _exit(1);
    }
    char ready_byte = 0;
    REQUIRE(read(ready[0], &ready_byte, 1) == 1);
    close(ready[0]), close(ready[1]);
    for (const auto* name : {"a.partial-results", "a.partial-", "b.partial-12", "a.partial"})
        overwrite(folder / name, "mine");
    overwrite(folder / "a.partial-4294967295", "left by a process that is gone");
    io::write_atomically(folder / "a", {io::bytes_of("whole")});
    CHECK(files_in(folder.folder()) == 6); // a, the child's, and four that only look alike
    kill(child, SIGKILL);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    io::write_atomically(folder / "a", {io::bytes_of("whole again")});
    CHECK(files_in(folder.folder()) == 5);
    CHECK(contents(folder / "a") == "whole again");
}

TEST_CASE("a folder that cannot be written is found before the work") {
    const scratch folder;
    io::require_writable(folder / "a");
    CHECK(files_in(folder.folder()) == 0);
    overwrite(folder / "a", "old");
    io::require_writable(folder / "a");
    CHECK(contents(folder / "a") == "old");
    CHECK(files_in(folder.folder()) == 1);
    CHECK(reason([&] { io::require_writable(folder / "none/a"); }) ==
          Contains("no new file can be made in its folder"));
    // a folder that is read-only to root, too
    CHECK(reason([&] { io::require_writable("/proc/a"); }) == Contains("cannot be written"));
    if (geteuid() == 0) return;
    std::filesystem::permissions(folder / "a", std::filesystem::perms{0444});
    CHECK(reason([&] { io::write_atomically(folder / "a", {io::bytes_of("new")}); }) ==
          "cannot be written: Permission denied");
    std::filesystem::permissions(folder.folder(), std::filesystem::perms{0555});
    CHECK(reason([&] { io::require_writable(folder / "b"); }) == Contains("its folder: Permission denied"));
    std::filesystem::permissions(folder.folder(), std::filesystem::perms{0755});
}
#endif

} // namespace io_file_test
