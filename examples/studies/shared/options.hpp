/// This header defines the command-line options that several studies have, and checks the numbers that are
/// given for them. CLI11's own range lets NaN pass, and a minus before an unsigned number.
#pragma once

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <diamond/core/scalar.hpp>

namespace studies {

/// Accepts a number from low to high.
inline CLI::Validator between(double low, double high) {
    char range[64];
    std::snprintf(range, sizeof range, "%g to %g", low, high);
    return {[=, range = std::string(range)](const std::string& text) {
                double x = NAN;
                return CLI::detail::lexical_cast(text, x) && x >= low && x <= high
                         ? ""
                         : "'" + text + "' is no number from " + range;
            },
            "from " + std::string(range)};
}

/// Refuses negative numbers. An unsigned option would otherwise take -1 for its largest number, and a larger
/// number for something else.
inline std::string not_negative(const std::string& text) {
    if (text.starts_with('-')) return "'" + text + "' is below zero";
    errno = 0;
    static_cast<void>(std::strtoull(text.c_str(), nullptr, 10));
    return errno == ERANGE ? "'" + text + "' is above 2^64 - 1" : "";
}

/// Adds --device. `what` says in its help what runs on the device.
inline void add_device(CLI::App& app, std::string& device, const std::string& what) {
    app.add_option("--device", device, "cpu, or cuda, the first GPU: " + what)
        ->check(CLI::IsMember(std::vector<std::string>{"cpu", "cuda"}))
        ->capture_default_str();
}

/// Adds --seeds, by which a study runs once for each seed.
inline void add_seeds(CLI::App& app, diamond::index_t& seeds) {
    app.add_option(
           "--seeds", seeds,
           "as many seeds from --seed on, a folder each; the report then has means and spreads over them")
        ->check(CLI::Range(diamond::index_t{1}, diamond::index_t{1000}))
        ->capture_default_str();
}

/// Adds --steps, --batch, --width, --blocks and --rate, which set the members of `training` of these names.
template <class Training>
void add_training(CLI::App& app, Training& training, const std::string& steps) {
    app.add_option("--steps", training.steps, steps)->check(CLI::Range(10, 1000000))->capture_default_str();
    app.add_option("--batch", training.batch, "training states a step")
        ->check(CLI::Range(2, 65536))
        ->capture_default_str();
    app.add_option("--width", training.width, "of the networks")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app.add_option("--blocks", training.blocks, "residual layers of the networks")
        ->check(CLI::Range(0, 64))
        ->capture_default_str();
    app.add_option("--rate", training.rate, "the peak of the learning rate")
        ->check(between(1e-9, 10))
        ->capture_default_str();
}

} // namespace studies
