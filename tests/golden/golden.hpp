/// The golden values: every mixture_*.json of the folder that DIAMOND_GOLDEN_DIR names at run time, by
/// default the project's own.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <diamond/backend/eigen.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/reward/quadratic_reward.hpp>
#include <diamond/reward/sum_reward.hpp>

#include "support/any_schedule.hpp"

namespace golden {

using diamond::index_t;
using json = nlohmann::json;
using list = std::vector<double>;

using batch = diamond::eigen::batch<double>;
using model = diamond::gaussian_mixture<batch, schedules::any>;

// What the README says its values support.
inline constexpr double tolerance = 1e-10, map_tolerance = 1e-8, difference_tolerance = 1e-6,
                        gradient_tolerance = 1e-5;

/// All numbers of nested arrays in order: rows of points are the columns of a batch.
inline list flat(const json& array) {
    if (!array.is_array()) return {array.get<double>()};
    list result;
    for (const json& entry : array) {
        const list more = flat(entry);
        result.insert(result.end(), more.begin(), more.end());
    }
    return result;
}

/// The largest |got - wanted| / max(1, |wanted|); infinite where counts differ or a number is NaN.
inline double error(const list& got, const json& wanted) {
    const list expected = flat(wanted);
    if (got.size() != expected.size() || got.empty()) return diamond::infinity;
    double largest = 0.0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double off = std::abs(got[i] - expected[i]) / std::max(1.0, std::abs(expected[i]));
        if (!(off <= largest)) largest = off == off ? off : diamond::infinity;
    }
    return largest;
}
inline double error(double got, const json& wanted) { return error(list{got}, wanted); }

/// One file: its mixture, points and reward.
struct file {
    std::string name;
    json content;
    list weights, means, variances, x, xbar, reward_slope, reward_centre;
    double reward_curvature = 0.0;
    index_t d = 0, n = 0;

    explicit file(const std::filesystem::path& path) : name(path.filename().string()) {
        std::ifstream stream(path);
        stream >> content;
        const json& mixture = content.at("mixture");
        weights = flat(mixture.at("weights"));
        means = flat(mixture.at("means"));
        variances = flat(mixture.at("variances"));
        x = flat(content.at("x"));
        xbar = flat(content.at("xbar"));
        reward_slope = flat(content.at("reward").at("c"));
        reward_centre = flat(content.at("reward").at("y"));
        reward_curvature = content.at("reward").at("q").get<double>();
        d = static_cast<index_t>(reward_slope.size());
        n = static_cast<index_t>(x.size()) / d;
    }
    [[nodiscard]] model make_model(const diamond::eigen::context& context, schedules::any schedule) const {
        return {context, schedule, weights, means, variances};
    }
    /// r(z) = c . z - q/2 |z - y|^2.
    [[nodiscard]] auto make_reward(const diamond::eigen::context& context) const {
        return diamond::sum_reward{
            diamond::linear_reward<batch>(context, reward_slope),
            diamond::quadratic_reward<batch>(context, reward_centre,
                                             list(static_cast<std::size_t>(d), reward_curvature))};
    }
};

/// Fails the test if the folder has no golden file.
inline const std::vector<file>& files() {
    static const std::vector<file> all = [] {
        const char* named = std::getenv("DIAMOND_GOLDEN_DIR");
        const std::filesystem::path folder = named ? named : DIAMOND_GOLDEN_DIR_DEFAULT;
        std::vector<std::filesystem::path> paths;
        if (std::filesystem::is_directory(folder))
            for (const auto& entry : std::filesystem::directory_iterator(folder)) {
                const std::string name = entry.path().filename().string();
                if (name.starts_with("mixture_") && name.ends_with(".json")) paths.push_back(entry.path());
            }
        std::sort(paths.begin(), paths.end());
        return std::vector<file>(paths.begin(), paths.end());
    }();
    REQUIRE_MESSAGE(!all.empty(), "no mixture_*.json in the folder of golden values");
    return all;
}

inline schedules::any schedule_named(const json& name) {
    std::string wanted = name.get<std::string>();
    std::replace(wanted.begin(), wanted.end(), '_', ' ');
    for (const auto kind : schedules::every_kind)
        if (schedules::any{kind}.name() == wanted) return {kind};
    FAIL("a golden file with an unknown schedule: " << wanted);
    return {};
}

/// Calls f(file, the entry of one schedule, that schedule).
template <class F>
void for_each_schedule(const F& f) {
    for (const file& golden : files()) {
        CAPTURE(golden.name);
        REQUIRE(!golden.content.at("schedules").empty());
        for (const json& entry : golden.content.at("schedules")) {
            const std::string schedule = entry.at("schedule").get<std::string>();
            CAPTURE(schedule);
            f(golden, entry, schedule_named(entry.at("schedule")));
        }
    }
}

inline batch upload(const diamond::eigen::context& context, index_t d, const list& x) {
    return diamond::from_host<double>(context, d, static_cast<index_t>(x.size()) / d, x);
}
/// Calls f(x.read(), out.mutable_view()) and brings out home.
template <class F>
list call(const diamond::eigen::context& context, index_t d, const list& x, const F& f) {
    const batch in = upload(context, d, x);
    batch out(context, d, in.columns());
    f(in.read(), out.mutable_view());
    return diamond::to_host(out);
}
/// Calls f(x.read(), row out), a number a column.
template <class F>
list call_numbers(const diamond::eigen::context& context, index_t d, const list& x, const F& f) {
    const batch in = upload(context, d, x);
    batch out(context, 1, in.columns());
    f(in.read(), diamond::row(out));
    return diamond::to_host(out);
}

} // namespace golden
