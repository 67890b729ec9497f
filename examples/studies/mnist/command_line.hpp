/// This header defines what the subcommands share.
#pragma once

#include <filesystem>
#include <functional>

#include <CLI/CLI.hpp>

#include "../shared/options.hpp"
#include "study_settings.hpp"

namespace mnist {

/// A command is a subcommand together with what it does after its options have been read.
struct command {
    CLI::App* options;
    std::function<void()> run;
};
command add_data(CLI::App& app);
command add_judge(CLI::App& app);
command add_likelihood(CLI::App& app);
command add_posterior(CLI::App& app);
command add_report(CLI::App& app);
command add_sample(CLI::App& app);
command add_self_guidance(CLI::App& app);
command add_train(CLI::App& app);
command add_align(CLI::App& app);
command add_inpaint(CLI::App& app);

/// Draws 500 of each model, measures them in every way, and sets the shipped report beside: what the
/// program does without a subcommand.
void run_quick_report();

inline std::filesystem::path default_data() { return DIAMOND_EXAMPLE_DATA; }
inline std::filesystem::path default_weights() { return default_data().parent_path() / "weights"; }
inline std::filesystem::path default_report() { return default_data().parent_path() / "report"; }

using studies::between, studies::not_negative;

inline void add_data_folder(CLI::App& sub, std::filesystem::path& folder) {
    sub.add_option("--data", folder,
                   "folder of train_images.png, train_labels.npy and those of the test part");
}

/// Adds the options that all parts of the study have.
inline void add_study_options(CLI::App& sub, study_settings& of) {
    of.data = default_data();
    of.weights = default_weights();
    add_data_folder(sub, of.data);
    sub.add_option("--weights", of.weights, "folder of the models; the default are the shipped ones");
    sub.add_option("--out", of.out, "folder of the report and its pictures")->capture_default_str();
    sub.add_option("--seed", of.seed, "of everything drawn")->check(not_negative)->capture_default_str();
    sub.add_option("--threads", of.threads, "0: one per core; no number depends on it")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
}

} // namespace mnist
