/// This header writes schedules of SMC as JSON files and reads them: {"format": "diamond_smc_schedule",
/// "version": 1, "times": [t_0, ... t_K], "betas": [beta_1, ... beta_K]}.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <diamond/align/smc_schedule.hpp>
#include <diamond/io/json.hpp>

namespace diamond::io {

/// The schedule as JSON, whose dump(2) prints it: each number as the shortest decimal that reads back as it.
/// @throws std::invalid_argument as require_smc_schedule does.
[[nodiscard]] inline nlohmann::ordered_json json_of(const smc_schedule& schedule) {
    require_smc_schedule(schedule);
    return {{"format", "diamond_smc_schedule"},
            {"version", 1},
            {"times", schedule.times},
            {"betas", schedule.betas}};
}
/// Writes the schedule as a JSON file. @throws std::invalid_argument as require_smc_schedule does; file_error
/// if the file cannot be written.
inline void save_smc_schedule(const std::filesystem::path& path, const smc_schedule& schedule) {
    write_json(path, json_of(schedule));
}
/// Reads the schedule from a JSON file, with all its digits. @throws file_error if it cannot be read, is of
/// another kind or of a newer version, or has numbers that no schedule has.
[[nodiscard]] inline smc_schedule load_smc_schedule(const std::filesystem::path& path) {
    const auto json = read_json(path);
    const auto is = [&](const char* name, const nlohmann::json& expected) {
        const auto found = json.is_object() ? json.find(name) : json.end();
        return found != json.end() && *found == expected;
    };
    if (!is("format", "diamond_smc_schedule"))
        throw file_error{path, "no schedule of SMC: its entry 'format' is not diamond_smc_schedule"};
    if (!is("version", 1))
        throw file_error{path, "its entry 'version' is not 1, the one that this library reads"};
    const auto numbers = [&](const char* name) {
        const auto found = json.find(name);
        if (found == json.end() || !found->is_array())
            throw file_error{path, std::string("no list of numbers '") + name + "'"};
        std::vector<double> result;
        for (const auto& one : *found) {
            if (!one.is_number())
                throw file_error{path, std::string("an entry of '") + name + "' is " + one.dump() +
                                           ", which is no number"};
            result.push_back(one.get<double>());
        }
        return result;
    };
    smc_schedule schedule{.times = numbers("times"), .betas = numbers("betas")};
    try {
        require_smc_schedule(schedule);
    } catch (const std::invalid_argument& error) {
        throw file_error{path, error.what()};
    }
    return schedule;
}

} // namespace diamond::io
