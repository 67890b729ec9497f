// Digits: aligns models of real handwritten digits with rewards, trains the learned ones, and samples from them.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "command_line.hpp"

int main(int argc, char** argv) {
    CLI::App app("Aligns models of 1,437 handwritten digits with rewards, and holds every figure against the exact model.\n"
                 "Without a subcommand it aligns: digits --reward seven is digits align --reward seven.");
    app.require_subcommand(1);
    app.get_formatter()->column_width(32);
    app.footer("digits align --help and the same of the others say the rest.");
    const digits::command commands[] = {digits::add_align(app), digits::add_train(app), digits::add_sample(app), digits::add_likelihood(app), digits::add_self_guidance(app), digits::add_anomaly(app)};

    std::vector<std::string> arguments(argv + 1, argv + argc);
    const bool named = !arguments.empty() && (arguments[0] == "-h" || arguments[0] == "--help" ||
                                              std::ranges::any_of(commands, [&](const auto& c) { return c.options->get_name() == arguments[0]; }));
    if (!named) arguments.insert(arguments.begin(), "align");
    std::ranges::reverse(arguments); // as CLI11 wants them
    try {
        app.parse(arguments);
        for (const auto& command : commands)
            if (command.options->parsed()) command.run();
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "digits: %s\n", error.what());
    }
    return 1;
}
