/// This header saves islands of sequential Monte Carlo as one file, from which they can be continued bit for
/// bit on any number of ranks.
///
/// The metadata hold `format` diamond_islands_snapshot, `version`, `setting` (the text of the caller),
/// `seed`, `step`, `islands`, `exchanges` and `checksum`. The tensors are base and families (one number an
/// island), totals (log Z of the exchanges, and the threshold) and counts (the four kinds of evaluations).
/// Each island that lives is a snapshot (io/snapshot.hpp) whose metadata and tensors have the prefix
/// `island.<i>.`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <diamond/align/islands_snapshot.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/io/snapshot.hpp>

namespace diamond::io {

namespace detail {
/// At most so many islands are read, as many as are taken to run.
inline constexpr index_t max_islands = index_t{1} << 20;

[[nodiscard]] inline std::string island_prefix(std::size_t i) { return "island." + digits_of(i) + "."; }

/// Checks that a file holds islands that belong to this setting.
/// @throws file_error if it does not.
template <class File>
void expect_islands(const File& file, const std::string& setting) {
    expect_metadata(file, "format", "diamond_islands_snapshot");
    expect_version(file, 1);
    expect_metadata(file, "setting", setting);
}
/// Returns the entries of a map whose names have the prefix, without it.
template <class Map>
[[nodiscard]] Map entries_with(const Map& all, const std::string& prefix) {
    Map result;
    for (auto at = all.lower_bound(prefix); at != all.end() && at->first.starts_with(prefix); ++at)
        result[at->first.substr(prefix.size())] = at->second;
    return result;
}
} // namespace detail

/// Writes islands atomically, on rank 0, which has their snapshot. `setting` is a text that identifies the
/// run, its model and its reward; load_islands asks for the same text.
/// @throws file_error if the file cannot be written.
template <class Real>
void save_islands(const std::filesystem::path& path, const islands_snapshot<Real>& from,
                  const std::string& setting) {
    const auto n = static_cast<index_t>(from.islands.size());
    tensor_file file;
    file.metadata = {{"format", "diamond_islands_snapshot"},
                     {"version", "1.0"},
                     {"setting", setting},
                     {"seed", digits_of(from.seed)},
                     {"step", digits_of(from.step)},
                     {"islands", digits_of(n)},
                     {"exchanges", digits_of(from.exchanges)}};
    file.tensors["base"] = make_tensor({n}, from.base);
    file.tensors["families"] = make_tensor({n}, from.families);
    file.tensors["totals"] = make_tensor({2}, std::vector{from.log_z, from.threshold});
    file.tensors["counts"] = make_tensor({4}, std::vector<std::int64_t>{from.spent.forward, from.spent.jvp,
                                                                        from.spent.vjp, from.spent.reward});
    for (std::size_t i = 0; i < from.islands.size(); ++i) {
        if (from.islands[i].values.empty()) continue; // its weights died
        auto one = detail::snapshot_tensors(from.islands[i], setting);
        for (auto& [name, text] : one.metadata) file.metadata[detail::island_prefix(i) + name] = text;
        for (auto& [name, tensor] : one.tensors)
            file.tensors[detail::island_prefix(i) + name] = std::move(tensor);
    }
    put_checksum(file);
    write_safetensors(path, file, detail::snapshot_limits);
}

/// Reads the snapshot of islands from a file, on rank 0. The setting is checked before any data are read;
/// whether a run can have such numbers, when the islands resume.
/// @throws file_error if the file is of another kind or damaged, of a newer format or another setting, or its
/// tensors are not those of islands with `Real` particles.
template <class Real>
[[nodiscard]] islands_snapshot<Real> load_islands(const std::filesystem::path& path,
                                                  const std::string& setting) {
    safetensors_reader reader{path};
    detail::expect_islands(reader.header(), setting);
    const tensor_file file = reader.read_all(detail::snapshot_limits);
    islands_snapshot<Real> to;
    const index_t n = detail::metadata_number(file, "islands", detail::max_islands);
    to.step = detail::metadata_number(file, "step", index_t{1} << 31);
    to.exchanges = detail::metadata_number(file, "exchanges", index_t{1} << 31);
    to.seed = detail::metadata_seed(file);
    const auto get = [&]<class T>(const char* name, index_t count, std::vector<T>& numbers) {
        const auto values = file.require(name, dtype_of<T>(), {count}).template values<T>();
        numbers.assign(values.begin(), values.end());
    };
    std::vector<double> totals;
    std::vector<std::int64_t> counts;
    get("base", n, to.base);
    get("families", n, to.families);
    get("totals", 2, totals);
    get("counts", 4, counts);
    to.log_z = totals[0];
    to.threshold = totals[1];
    to.spent = {counts[0], counts[1], counts[2], counts[3]};
    std::size_t known = 4;
    to.islands.resize(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < to.islands.size(); ++i) {
        tensor_file one;
        one.path = file.path;
        one.metadata = detail::entries_with(file.metadata, detail::island_prefix(i));
        if (one.metadata.empty()) continue;
        one.tensors = detail::entries_with(file.tensors, detail::island_prefix(i));
        known += one.tensors.size();
        to.islands[i] = snapshot_from<Real>(one, setting);
    }
    if (file.tensors.size() != known)
        throw file_error{file.path, digits_of(file.tensors.size()) +
                                        " tensors, of which islands of this kind have " + digits_of(known)};
    return to;
}

} // namespace diamond::io
