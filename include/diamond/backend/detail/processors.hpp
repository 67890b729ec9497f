/// This header determines how many threads a process can use: the processors on which it may run, and the
/// time that its control groups grant.
///
/// Containers (`docker run --cpus=2`, the limits of Kubernetes) leave all processors visible and bound the
/// time. One thread for each processor would then be stopped in the middle of its work for most of every
/// period.
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

/// Returns the number of processors on which this process may run: its affinity, which taskset and cpusets
/// set.
[[nodiscard]] inline int processors_in_reach() {
#if defined(__linux__)
    // This many bits are far above what a kernel can be built for.
    constexpr std::size_t most = std::size_t{1} << 20;
    for (std::size_t words = 16; words * sizeof(unsigned long) * 8 <= most; words *= 2) {
        std::vector<unsigned long> mask(words);
        if (sched_getaffinity(0, words * sizeof(unsigned long), reinterpret_cast<cpu_set_t*>(mask.data())) ==
            0) {
            int count = 0;
            for (const unsigned long word : mask) count += __builtin_popcountl(word);
            return std::max(count, 1);
        }
        if (errno != EINVAL) break; // EINVAL: the mask is too short for this kernel
    }
#endif
    return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
}

/// This type holds the first two numbers of a quota file, or -1 for a missing one. cpu.max holds "150000
/// 100000", where "max" means no limit, and the files of version 1 hold one number.
struct quota_numbers {
    double first = -1.0, second = -1.0;
};
/// Reads the numbers of a quota file.
[[nodiscard]] inline quota_numbers read_quota(const std::string& path) {
    std::ifstream file(path);
    quota_numbers result;
    if (!(file >> result.first)) return {};
    file >> result.second;
    if (!file) result.second = -1.0;
    return result;
}
/// Returns quota / period in processors, which is infinite without a limit.
[[nodiscard]] inline double granted(double quota, double period) {
    return quota > 0.0 && period > 0.0 ? quota / period : std::numeric_limits<double>::infinity();
}

/// A mount of a hierarchy of control groups consists of a folder and of the group that lies there.
struct cgroup_mount {
    std::string folder, group;
};
/// Returns whether `name` is one of the comma-separated `names`.
[[nodiscard]] inline bool is_among(const std::string& names, const std::string& name) {
    return ("," + names + ",").find("," + name + ",") != std::string::npos;
}
/// Returns the mounts of version 2, or of the cpu controller of version 1, from proc/self/mountinfo. A line
/// of that file is "id parent device group folder options ... - type source options of the hierarchy".
[[nodiscard]] inline std::vector<cgroup_mount> cgroup_mounts(const std::string& root, bool version_2) {
    std::vector<cgroup_mount> result;
    std::ifstream file(root + "proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        const auto dash = line.find(" - ");
        if (dash == std::string::npos) continue;
        std::istringstream place(line.substr(0, dash)), kind(line.substr(dash + 3));
        std::string id, parent, device, type, source, options;
        cgroup_mount mount;
        if (!(place >> id >> parent >> device >> mount.group >> mount.folder) ||
            !(kind >> type >> source >> options))
            continue;
        if (version_2 ? type == "cgroup2" : type == "cgroup" && is_among(options, "cpu"))
            result.push_back(mount);
    }
    return result;
}
/// Returns the group of this process from proc/self/cgroup, whose lines are "number:controllers:group". In
/// version 2 there are no controllers.
[[nodiscard]] inline std::string cgroup_of_process(const std::string& root, bool version_2) {
    std::ifstream file(root + "proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        const auto first = line.find(':'),
                   second = first == std::string::npos ? first : line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (version_2 ? controllers.empty() : is_among(controllers, "cpu")) return line.substr(second + 1);
    }
    return {};
}
/// Returns the least limit of a group and of all visible groups above it.
template <class Limit>
[[nodiscard]] double least_limit(const std::string& root, bool version_2, const Limit& limit) {
    double least = std::numeric_limits<double>::infinity();
    const std::string group = cgroup_of_process(root, version_2);
    for (const cgroup_mount& mount : cgroup_mounts(root, version_2)) {
        // A container may see the name that its group has outside, while only its own group is mounted.
        std::string below = group;
        if (mount.group != "/" && below.starts_with(mount.group)) below.erase(0, mount.group.size());
        for (;; below.erase(below.rfind('/'))) {
            while (below.ends_with('/')) below.pop_back();
            least = std::min(
                least, limit(root + mount.folder.substr(mount.folder.find_first_not_of('/')) + below + "/"));
            if (below.rfind('/') == std::string::npos) break;
        }
    }
    return least;
}

/// Returns how many processors' worth of time the control groups grant: the least quota of version 2
/// (cpu.max) or version 1 (cpu.cfs_quota_us / cpu.cfs_period_us) on the way up from the group of the process,
/// and infinity if there is none. `root` ends in a slash; tests pass a folder of their own.
[[nodiscard]] inline double cgroup_quota(const std::string& root = "/") {
    const auto new_limit = [](const std::string& folder) {
        const quota_numbers numbers = read_quota(folder + "cpu.max");
        return granted(numbers.first, numbers.second);
    };
    const auto old_limit = [](const std::string& folder) {
        return granted(read_quota(folder + "cpu.cfs_quota_us").first,
                       read_quota(folder + "cpu.cfs_period_us").first);
    };
    return std::min(least_limit(root, true, new_limit), least_limit(root, false, old_limit));
}

/// Returns how many threads can work at once: at most the processors in reach and the quota rounded up, since
/// half a processor is useful to a thread, and at least 1.
[[nodiscard]] inline int usable_processors(int in_reach, double quota) {
    return std::max(1, quota < in_reach ? static_cast<int>(std::ceil(quota)) : in_reach);
}
[[nodiscard]] inline int usable_processors() {
    return usable_processors(processors_in_reach(), cgroup_quota());
}

} // namespace diamond::detail
