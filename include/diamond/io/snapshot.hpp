/// This header saves a run of sequential Monte Carlo as a file, from which it can be continued bit for bit.
///
/// The metadata hold `format` diamond_smc_snapshot, `version` major.minor, `setting` (the text of the
/// caller), `seed`, `step`, `recorded` (the number of steps whose ancestors are known), `checksum` and, each
/// with the prefix `run.`, the setting of the sampler; and `plan`, why a pilot chose what the run does, where
/// it did. The tensors are particles (N x d), values, log_weights
/// and families (N each), log_densities (N or 0), totals (log Z and log delta), counts (resamplings, and the
/// four kinds of evaluations spent), pilot (draws, evaluations; ess and log Z; not in version 1.0), trace
/// (steps x 9, of which version 1.0 has 8), trace_counts (steps x 2: resampled, floored), acceptance (steps;
/// of runs that move particles alone, whose version is 1.2), plan_draws and plan_variance (1 each; of runs of
/// plain weights alone, whose version is 1.3) and ancestors.<k> (N) for each step k that has them.
#pragma once

#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/smc_state.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/checksum.hpp>
#include <diamond/io/safetensors.hpp>

namespace diamond::io {

namespace detail {

/// The metadata of the sampler have this prefix.
inline constexpr const char* run_prefix = "run.";
inline constexpr index_t trace_numbers = 9, trace_counts = 2;
/// The tensors of a snapshot may take this many bytes, since the particles of a large run take more than a
/// network may.
inline constexpr safetensors_options snapshot_limits{.max_bytes = std::uintmax_t{1} << 40};

/// Returns pointers to the numbers of one line of the trace, in the order of the file.
template <class Line>
auto numbers_of_line(Line& line) {
    return std::array{&line.time,          &line.ess,        &line.least_increment, &line.largest_increment,
                      &line.largest_share, &line.mean_value, &line.correction_ess,  &line.log_mean_correction,
                      &line.relaxation};
}

/// Says whether a run of this setting moves its particles.
inline bool moves_particles(const smc_setting& setting) { return setting.contains("rejuvenation"); }

/// Checks that a file is a snapshot that belongs to this setting.
/// @throws file_error if it is not.
template <class File>
void expect_snapshot(const File& file, const std::string& setting) {
    expect_metadata(file, "format", "diamond_smc_snapshot");
    expect_version(file, 1);
    expect_metadata(file, "setting", setting);
}

/// Returns the seed that the metadata state.
/// @throws file_error if it is not a number below 2^64.
inline std::uint64_t metadata_seed(const tensor_file& file) {
    const auto& text = metadata_of(file, "seed");
    std::uint64_t value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc{} || end.ptr != text.data() + text.size())
        throw file_error{file.path, "the metadata say seed '" + text + "': a number below 2^64 is expected"};
    return value;
}

/// Returns the metadata and tensors of a snapshot, without a checksum.
template <class Real>
[[nodiscard]] tensor_file snapshot_tensors(const smc_snapshot<Real>& from, const std::string& setting) {
    const auto n = static_cast<index_t>(from.values.size());
    tensor_file file;
    file.metadata = {{"format", "diamond_smc_snapshot"},
                     {"version", from.plan.plain()               ? "1.3"
                                 : moves_particles(from.setting) ? "1.2"
                                                                 : "1.1"},
                     {"setting", setting},
                     {"seed", digits_of(from.seed)},
                     {"step", digits_of(from.step)},
                     {"recorded", digits_of(from.ancestors.size())}};
    if (!from.plan.reason.empty()) file.metadata["plan"] = from.plan.reason;
    for (const auto& [name, value] : from.setting) file.metadata[run_prefix + name] = value;
    const auto put = [&](const std::string& name, std::vector<index_t> shape, const auto& numbers) {
        file.tensors[name] = make_tensor(std::move(shape), numbers);
    };
    put("particles", {n, n == 0 ? 0 : static_cast<index_t>(from.particles.size()) / n}, from.particles);
    put("values", {n}, from.values);
    put("log_weights", {n}, from.log_weights);
    put("log_densities", {static_cast<index_t>(from.log_densities.size())}, from.log_densities);
    put("families", {n}, from.families);
    put("totals", {2}, std::vector{from.log_z, from.log_delta});
    put("counts", {5},
        std::vector<std::int64_t>{from.resamplings, from.spent.forward, from.spent.jvp, from.spent.vjp,
                                  from.spent.reward});
    put("pilot_counts", {2}, std::vector<std::int64_t>{from.pilot.draws, from.pilot.evaluations});
    put("pilot", {2}, std::vector{from.pilot.ess, from.pilot.log_z});
    std::vector<double> trace;
    std::vector<std::int64_t> counts_of_lines;
    for (const smc_step& line : from.steps) {
        for (const double* number : numbers_of_line(line)) trace.push_back(*number);
        counts_of_lines.insert(counts_of_lines.end(), {line.resampled ? 1 : 0, line.floored});
    }
    put("trace", {static_cast<index_t>(from.steps.size()), trace_numbers}, trace);
    put("trace_counts", {static_cast<index_t>(from.steps.size()), trace_counts}, counts_of_lines);
    if (moves_particles(from.setting)) {
        std::vector<double> acceptance;
        for (const smc_step& line : from.steps) acceptance.push_back(line.acceptance);
        put("acceptance", {static_cast<index_t>(from.steps.size())}, acceptance);
    }
    if (from.plan.plain()) {
        put("plan_draws", {1}, std::vector<std::int64_t>{from.plan.draws});
        put("plan_variance", {1}, std::vector{from.plan.relative_variance});
    }
    for (std::size_t k = 0; k < from.ancestors.size(); ++k)
        if (!from.ancestors[k].empty()) put("ancestors." + digits_of(k), {n}, from.ancestors[k]);
    return file;
}

} // namespace detail

/// Writes a snapshot atomically. `setting` is a text that identifies the run, its model and its reward;
/// load_snapshot asks for the same text.
/// @throws file_error if the file cannot be written.
template <class Real>
void save_snapshot(const std::filesystem::path& path, const smc_snapshot<Real>& from,
                   const std::string& setting) {
    tensor_file file = detail::snapshot_tensors(from, setting);
    put_checksum(file);
    write_safetensors(path, file, detail::snapshot_limits);
}

/// Returns the snapshot that a file holds. Whether a run can have such numbers, and whether they belong to a
/// sampler and a seed, is checked by smc::resume.
/// @throws file_error if the file is of another kind or damaged, of a newer format or another setting, or its
/// tensors are not those of one run with `Real` particles.
template <class Real>
[[nodiscard]] smc_snapshot<Real> snapshot_from(const tensor_file& file, const std::string& setting) {
    detail::expect_snapshot(file, setting);
    // More, which only a damaged file asks for, are not allocated.
    constexpr index_t most_steps = index_t{1} << 31;
    smc_snapshot<Real> to;
    to.step = detail::metadata_number(file, "step", most_steps);
    to.seed = detail::metadata_seed(file);
    for (const auto& [key, value] : file.metadata)
        if (key.starts_with(detail::run_prefix))
            to.setting[key.substr(std::string(detail::run_prefix).size())] = value;

    const auto extent = [&](const char* name, std::size_t axes) {
        const auto found = file.tensors.find(name);
        if (found == file.tensors.end() || found->second.shape.size() != axes)
            throw file_error{file.path,
                             std::string("no tensor '") + name + "' of " + digits_of(axes) + " axes"};
        return found->second.shape.back();
    };
    const auto get = [&]<class T>(const std::string& name, const std::vector<index_t>& shape,
                                  std::vector<T>& numbers) {
        const auto values = file.require(name, dtype_of<T>(), shape).template values<T>();
        numbers.assign(values.begin(), values.end());
    };
    const index_t n = extent("values", 1), densities = extent("log_densities", 1);
    if (densities != 0 && densities != n)
        throw file_error{file.path,
                         digits_of(densities) + " log-densities of " + digits_of(n) + " particles"};
    get("particles", {n, extent("particles", 2)}, to.particles);
    get("values", {n}, to.values);
    get("log_weights", {n}, to.log_weights);
    get("log_densities", {densities}, to.log_densities);
    get("families", {n}, to.families);
    std::vector<double> totals, trace;
    std::vector<std::int64_t> counts, trace_counts;
    get("totals", {2}, totals);
    get("counts", {5}, counts);
    // Version 1.0 has no relaxation, the last of them.
    const index_t numbers = extent("trace", 2) == detail::trace_numbers - 1 ? detail::trace_numbers - 1
                                                                            : detail::trace_numbers;
    get("trace", {to.step, numbers}, trace);
    get("trace_counts", {to.step, detail::trace_counts}, trace_counts);
    to.log_z = totals[0];
    to.log_delta = totals[1];
    to.resamplings = counts[0];
    to.spent = {counts[1], counts[2], counts[3], counts[4]};
    to.steps.resize(static_cast<std::size_t>(to.step));
    auto number = trace.begin();
    auto count = trace_counts.begin();
    for (smc_step& line : to.steps) {
        const auto parts = detail::numbers_of_line(line);
        for (std::size_t i = 0; i < static_cast<std::size_t>(numbers); ++i) *parts[i] = *number++;
        if (*count != 0 && *count != 1)
            throw file_error{file.path, "a number of 'trace_counts' says " + digits_of(*count) +
                                            " where 0 or 1 says whether a step resampled"};
        line.resampled = *count++ == 1;
        line.floored = *count++;
    }
    to.ancestors.resize(static_cast<std::size_t>(detail::metadata_number(file, "recorded", to.step)));
    std::size_t known = 9;
    if (numbers == detail::trace_numbers) {
        std::vector<double> pilot;
        std::vector<std::int64_t> pilot_counts;
        get("pilot", {2}, pilot);
        get("pilot_counts", {2}, pilot_counts);
        to.pilot = {.draws = static_cast<index_t>(pilot_counts[0]),
                    .ess = pilot[0],
                    .log_z = pilot[1],
                    .evaluations = pilot_counts[1]};
        known += 2;
    }
    if (detail::moves_particles(to.setting)) {
        std::vector<double> acceptance;
        get("acceptance", {to.step}, acceptance);
        for (std::size_t k = 0; k < acceptance.size(); ++k) to.steps[k].acceptance = acceptance[k];
        ++known;
    }
    if (const auto found = file.metadata.find("plan"); found != file.metadata.end())
        to.plan.reason = found->second;
    if (file.tensors.contains("plan_draws")) {
        std::vector<std::int64_t> draws;
        std::vector<double> variance;
        get("plan_draws", {1}, draws);
        get("plan_variance", {1}, variance);
        to.plan.draws = static_cast<index_t>(draws[0]);
        to.plan.relative_variance = variance[0];
        known += 2;
    }
    for (std::size_t k = 0; k < to.ancestors.size(); ++k) {
        const auto name = "ancestors." + digits_of(k);
        if (!file.tensors.contains(name)) continue;
        get(name, {n}, to.ancestors[k]);
        ++known;
    }
    if (file.tensors.size() != known)
        throw file_error{file.path, digits_of(file.tensors.size()) +
                                        " tensors, of which a snapshot of this kind has " + digits_of(known)};
    return to;
}
/// Reads a snapshot from a file. The setting is checked before any data are read.
/// @throws file_error as snapshot_from does, and if the file cannot be read.
template <class Real>
[[nodiscard]] smc_snapshot<Real> load_snapshot(const std::filesystem::path& path,
                                               const std::string& setting) {
    safetensors_reader reader{path};
    detail::expect_snapshot(reader.header(), setting); // before any data is read
    return snapshot_from<Real>(reader.read_all(detail::snapshot_limits), setting);
}

} // namespace diamond::io
