/// The command-line options of a program that trains networks in the plane.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "option_checks.hpp"

namespace examples {

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

} // namespace examples
