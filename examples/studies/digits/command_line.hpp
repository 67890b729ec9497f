/// This header defines what the subcommands share: checks of options, a line of progress, and how a
/// subcommand is run.
#pragma once

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "../shared/options.hpp"
#include "../shared/over_seeds.hpp"
#include "../shared/progress_line.hpp"
#include "text.hpp"

namespace digits {

/// A command is a subcommand together with what it does after its options have been read.
struct command {
    CLI::App* options;
    std::function<void()> run;
};
command add_align(CLI::App& app);
command add_train(CLI::App& app);
command add_sample(CLI::App& app);
command add_likelihood(CLI::App& app);
command add_self_guidance(CLI::App& app);
command add_anomaly(CLI::App& app);

inline std::filesystem::path default_data() { return DIAMOND_EXAMPLE_DATA; }
inline std::filesystem::path default_weights() { return default_data().parent_path() / "weights"; }

using studies::between, studies::not_negative, studies::progress_line;

} // namespace digits
