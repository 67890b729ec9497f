/// This header defines what the subcommands share.
#pragma once

#include <filesystem>
#include <functional>

#include <CLI/CLI.hpp>

#include "../shared/options.hpp"

namespace mnist {

/// A command is a subcommand together with what it does after its options have been read.
struct command {
    CLI::App* options;
    std::function<void()> run;
};
command add_data(CLI::App& app);
command add_judge(CLI::App& app);
command add_train(CLI::App& app);

inline std::filesystem::path default_data() { return DIAMOND_EXAMPLE_DATA; }
inline std::filesystem::path default_weights() { return default_data().parent_path() / "weights"; }

using studies::between, studies::not_negative;

inline void add_data_folder(CLI::App& sub, std::filesystem::path& folder) {
    sub.add_option("--data", folder,
                   "folder of train_images.png, train_labels.npy and those of the test part");
}

} // namespace mnist
