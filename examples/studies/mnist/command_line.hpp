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
command add_likelihood(CLI::App& app);
command add_sample(CLI::App& app);
command add_self_guidance(CLI::App& app);
command add_train(CLI::App& app);

inline std::filesystem::path default_data() { return DIAMOND_EXAMPLE_DATA; }
inline std::filesystem::path default_weights() { return default_data().parent_path() / "weights"; }

using studies::between, studies::not_negative;

inline void add_data_folder(CLI::App& sub, std::filesystem::path& folder) {
    sub.add_option("--data", folder,
                   "folder of train_images.png, train_labels.npy and those of the test part");
}

/// Adds what every part that measures models has: --weights, --data, --out, --seed and --threads, which set
/// the members of a study_settings.
template <class Settings>
void add_study_options(CLI::App& sub, Settings& s) {
    sub.add_option("--weights", s.weights, "folder of the models; the default are the shipped ones");
    add_data_folder(sub, s.data);
    sub.add_option("--out", s.out, "folder to write to")->capture_default_str();
    sub.add_option("--seed", s.seed, "of everything drawn")->check(not_negative)->capture_default_str();
    sub.add_option("--threads", s.threads, "0: one per core; what is drawn does not depend on it")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
}

} // namespace mnist
