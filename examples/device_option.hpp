/// This header adds the option --device to those examples that have a .cu.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace examples {

/// Adds the option; `what` says in its help what runs on the device.
inline void add_device(CLI::App& app, std::string& device, const std::string& what) {
    app.add_option("--device", device, "cpu, or cuda, the first GPU: " + what)
        ->check(CLI::IsMember(std::vector<std::string>{"cpu", "cuda"}))
        ->capture_default_str();
}

} // namespace examples
