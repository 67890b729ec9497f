/// How many threads a process can make use of: the processors it may run on, and the time that its control groups grant it.
///
/// Containers (`docker run --cpus=2`, Kubernetes' limits) leave all processors in sight and bound the time: a thread for each of them would
/// be stopped in the middle of its work for most of every period.
#pragma once

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <cerrno>

#include <sched.h>
#endif

namespace diamond::detail {

/// Processors that this process may run on: its affinity, as taskset and cpusets set it.
[[nodiscard]] inline int processors_in_reach() {
#if defined(__linux__)
    constexpr std::size_t most = std::size_t{1} << 20; // far above what a kernel can be built for
    for (std::size_t words = 16; words * sizeof(unsigned long) * 8 <= most; words *= 2) {
        std::vector<unsigned long> mask(words);
        if (sched_getaffinity(0, words * sizeof(unsigned long), reinterpret_cast<cpu_set_t*>(mask.data())) == 0) {
            int count = 0;
            for (const unsigned long word : mask) count += __builtin_popcountl(word);
            return std::max(count, 1);
        }
        if (errno != EINVAL) break; // EINVAL: the mask is too short for this kernel
    }
#endif
    return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
}

/// The first numbers of a quota's file, or -1: "150000 100000" in cpu.max, where "max" is no limit, and one number in version 1's files.
struct quota_numbers {
    double first = -1.0, second = -1.0;
};
[[nodiscard]] inline quota_numbers read_quota(const std::string& path) {
    std::ifstream file(path);
    quota_numbers result;
    if (!(file >> result.first)) return {};
    file >> result.second;
    if (!file) result.second = -1.0;
    return result;
}
/// quota / period in processors; infinite where there is no limit.
[[nodiscard]] inline double granted(double quota, double period) {
    return quota > 0.0 && period > 0.0 ? quota / period : std::numeric_limits<double>::infinity();
}

/// Where a hierarchy of control groups is mounted: the folder, and which of its groups lies there.
struct cgroup_mount {
    std::string folder, group;
};
/// Whether `name` is one of the comma-separated `names`.
[[nodiscard]] inline bool is_among(const std::string& names, const std::string& name) {
    return ("," + names + ",").find("," + name + ",") != std::string::npos;
}
/// The mounts of version 2, or of version 1's cpu controller, from proc/self/mountinfo. A line is "id parent device group folder options
/// ... - type source options of the hierarchy".
[[nodiscard]] inline std::vector<cgroup_mount> cgroup_mounts(const std::string& root, bool version_2) {
    std::vector<cgroup_mount> result;
    std::ifstream             file(root + "proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        const auto dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        std::istringstream place(line.substr(0, dash)), kind(line.substr(dash + 3));
        std::string        id, parent, device, type, source, options;
        cgroup_mount       mount;
        if (!(place >> id >> parent >> device >> mount.group >> mount.folder) || !(kind >> type >> source >> options)) continue;
        if (version_2 ? type == "cgroup2" : type == "cgroup" && is_among(options, "cpu")) result.push_back(mount);
    }
    return result;
}
/// The group that this process is in, from proc/self/cgroup, whose lines are "number:controllers:group", without controllers in version 2.
[[nodiscard]] inline std::string cgroup_of_process(const std::string& root, bool version_2) {
    std::ifstream file(root + "proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        const auto first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (version_2 ? controllers.empty() : is_among(controllers, "cpu")) return line.substr(second + 1);
    }
    return {};
}
/// The least limit of a group and of all above it that are in sight.
template <class Limit>
[[nodiscard]] double least_limit(const std::string& root, bool version_2, const Limit& limit) {
    double            least = std::numeric_limits<double>::infinity();
    const std::string group = cgroup_of_process(root, version_2);
    for (const cgroup_mount& mount : cgroup_mounts(root, version_2)) {
        // A container may see the group's name from outside, while its own group is all that is mounted.
        std::string below = group;
        if (mount.group != "/" && below.starts_with(mount.group)) below.erase(0, mount.group.size());
        for (;; below.erase(below.rfind('/'))) {
            while (below.ends_with('/')) below.pop_back();
            least = std::min(least, limit(root + mount.folder.substr(mount.folder.find_first_not_of('/')) + below + "/"));
            if (below.rfind('/') == std::string::npos) break;
        }
    }
    return least;
}

/// Processors' worth of time that the control groups grant: the least quota of version 2 (cpu.max) or 1 (cpu.cfs_quota_us over
/// cpu.cfs_period_us) on the way up from the process's group; infinite without one. `root` ends in a slash; tests give it a folder of theirs.
[[nodiscard]] inline double cgroup_quota(const std::string& root = "/") {
    const auto new_limit = [](const std::string& folder) {
        const quota_numbers numbers = read_quota(folder + "cpu.max");
        return granted(numbers.first, numbers.second);
    };
    const auto old_limit = [](const std::string& folder) {
        return granted(read_quota(folder + "cpu.cfs_quota_us").first, read_quota(folder + "cpu.cfs_period_us").first);
    };
    return std::min(least_limit(root, true, new_limit), least_limit(root, false, old_limit));
}

/// Threads that can work at once: no more than processors in reach, nor than the quota rounded up, for half a processor is of use to a
/// thread; at least 1.
[[nodiscard]] inline int usable_processors(int in_reach, double quota) {
    return std::max(1, quota < in_reach ? static_cast<int>(std::ceil(quota)) : in_reach);
}
[[nodiscard]] inline int usable_processors() { return usable_processors(processors_in_reach(), cgroup_quota()); }

} // namespace diamond::detail
