/// How many threads `threads = 0` means: what the process may use, not what the machine has. The kernel's
/// files are a folder of our own.
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/detail/processors.hpp>

namespace backend_processors_test {

using diamond::detail::cgroup_quota, diamond::detail::processors_in_reach, diamond::detail::usable_processors;

namespace {
constexpr double no_limit = std::numeric_limits<double>::infinity();

/// A root folder with the files that it is given.
class fake_root {
public:
    fake_root()
        : folder_(std::filesystem::temp_directory_path() /
                  ("diamond-root-" + std::to_string(std::random_device{}()))) {}
    ~fake_root() { std::filesystem::remove_all(folder_); }
    fake_root(const fake_root&) = delete;
    fake_root& operator=(const fake_root&) = delete;

    fake_root& with(const std::string& path, const std::string& text) {
        std::filesystem::create_directories((folder_ / path).parent_path());
        std::ofstream(folder_ / path) << text;
        return *this;
    }
    [[nodiscard]] double quota() const { return cgroup_quota(folder_.string() + "/"); }

private:
    std::filesystem::path folder_;
};

const std::string mount_2 = "31 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n";
const std::string mounts_1 =
    "30 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "31 30 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "32 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n";
} // namespace

TEST_CASE("quotas of control groups, version 2") {
    fake_root root;
    root.with("proc/self/mountinfo", "22 27 0:21 / /proc rw - proc proc rw\n" + mount_2)
        .with("proc/self/cgroup", "0::/\n");
    CHECK(root.quota() == no_limit); // the root group has no file
    CHECK(root.with("sys/fs/cgroup/cpu.max", "max 100000\n").quota() == no_limit);
    CHECK(root.with("sys/fs/cgroup/cpu.max", "150000 100000\n").quota() == 1.5);
    SUBCASE("a group's, and the least of those above it") {
        root.with("proc/self/cgroup", "0::/user.slice/job-7.scope\n")
            .with("sys/fs/cgroup/cpu.max", "max 100000\n");
        CHECK(root.quota() == no_limit);
        CHECK(root.with("sys/fs/cgroup/user.slice/job-7.scope/cpu.max", "800000 100000\n").quota() == 8.0);
        CHECK(root.with("sys/fs/cgroup/user.slice/cpu.max", "50000 20000\n").quota() == 2.5);
        CHECK(root.with("sys/fs/cgroup/user.slice/job-7.scope/cpu.max", "25000 50000\n").quota() == 0.5);
    }
    SUBCASE(
        "a container that sees its group's name from outside, where its own group is all that is mounted") {
        root.with("proc/self/cgroup", "0::/docker/abc/inner\n")
            .with("proc/self/mountinfo", "31 24 0:27 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
            .with("sys/fs/cgroup/cpu.max", "300000 100000\n")
            .with("sys/fs/cgroup/inner/cpu.max", "max 100000\n");
        CHECK(root.quota() == 3.0);
    }
}

TEST_CASE("quotas of control groups, version 1, alone and beside version 2") {
    fake_root root;
    root.with("proc/self/mountinfo", mounts_1)
        .with("proc/self/cgroup", "5:cpuset:/other\n4:cpu,cpuacct:/batch\n1:name=systemd:/x\n");
    CHECK(root.quota() == no_limit);
    root.with("sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us", "-1\n")
        .with("sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_period_us", "100000\n");
    CHECK(root.quota() == no_limit);
    root.with("sys/fs/cgroup/cpu,cpuacct/batch/cpu.cfs_quota_us", "200000\n");
    CHECK(root.quota() == 2.0);
    root.with("proc/self/mountinfo",
              mounts_1 + "33 30 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n")
        .with("proc/self/cgroup", "4:cpu,cpuacct:/batch\n0::/slice\n")
        .with("sys/fs/cgroup/unified/slice/cpu.max", "100000 100000\n");
    CHECK(root.quota() == 1.0);
}

TEST_CASE("files that are missing, empty or something else are no limit") {
    fake_root root;
    CHECK(root.quota() == no_limit);
    root.with("proc/self/mountinfo", mount_2 + "garbage\n1 2 3 - \n - cgroup2\n")
        .with("proc/self/cgroup", "garbage\n0:\n0::/a\n");
    for (const char* text :
         {"", "\n", "nonsense 3\n", "0 100000\n", "100000 0\n", "-5 100000\n", "100000\n", "1e5 ten\n"}) {
        CAPTURE(text);
        CHECK(root.with("sys/fs/cgroup/a/cpu.max", text).quota() == no_limit);
    }
}

TEST_CASE("threads: processors in reach, or the quota rounded up") {
    CHECK(usable_processors(8, no_limit) == 8);
    CHECK(usable_processors(8, 2.0) == 2);
    CHECK(usable_processors(8, 1.5) == 2);
    CHECK(usable_processors(8, 0.2) == 1);
    CHECK(usable_processors(2, 64.0) == 2);
    CHECK(usable_processors(1, no_limit) == 1);
    CHECK(processors_in_reach() >= 1);
}

#if defined(__linux__)
TEST_CASE("the processors in reach are those of the affinity") {
    cpu_set_t before, one;
    REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
    CHECK(processors_in_reach() == CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
        if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
    REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(processors_in_reach() == 1);
    REQUIRE(sched_setaffinity(0, sizeof before, &before) == 0);
}
#endif

} // namespace backend_processors_test
