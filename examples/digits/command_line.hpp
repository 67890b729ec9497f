// What the subcommands share: checks of options, a line of progress, and how one is run.
#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "../progress_line.hpp"
#include "text.hpp"

namespace digits {

/// A subcommand, and what it does once its options are read.
struct command {
    CLI::App*            options;
    std::function<int()> run;
};
command add_align(CLI::App& app);
command add_train(CLI::App& app);
command add_sample(CLI::App& app);
command add_likelihood(CLI::App& app);
command add_self_guidance(CLI::App& app);

/// Numbers from low to high; CLI::Range lets NaN pass, and writes numbers in full.
inline CLI::Validator between(double low, double high) {
    const auto range = number(low) + " to " + number(high);
    return {[=](const std::string& text) {
                double x = NAN;
                return CLI::detail::lexical_cast(text, x) && x >= low && x <= high ? "" : "'" + text + "' is no number from " + range;
            },
            "from " + range};
}

/// CLI11 takes -1 for 2^64 - 1.
inline std::string not_negative(const std::string& text) { return text.starts_with('-') ? "'" + text + "' is below zero" : ""; }

inline std::filesystem::path default_data() { return DIAMOND_EXAMPLE_DATA; }
inline std::filesystem::path default_weights() { return default_data().parent_path() / "weights"; }

using examples::progress_line;

} // namespace digits
