// Digits: aligns models of real handwritten digits with rewards, trains the learned ones, and samples from
// them.
#include <algorithm>
#include <string>
#include <vector>

#include "../../run_main.hpp"
#include "command_line.hpp"

namespace digits {

namespace {

int from_command_line(int argc, char** argv) {
    CLI::App app("Aligns models of 1,437 handwritten digits with rewards, and holds every figure against the "
                 "exact model.\n"
                 "Without a subcommand it aligns: digits --reward seven is digits align --reward seven.");
    app.require_subcommand(1);
    app.get_formatter()->column_width(32);
    app.footer("digits align --help and the same of the others say the rest.");
    const command commands[] = {add_align(app),      add_train(app),         add_sample(app),
                                add_likelihood(app), add_self_guidance(app), add_anomaly(app)};

    std::vector<std::string> arguments(argv + 1, argv + argc);
    const bool named = !arguments.empty() && (arguments[0] == "-h" || arguments[0] == "--help" ||
                                              std::ranges::any_of(commands, [&](const auto& c) {
                                                  return c.options->get_name() == arguments[0];
                                              }));
    if (!named) arguments.insert(arguments.begin(), "align");
    std::ranges::reverse(arguments); // as CLI11 wants them
    try {
        app.parse(arguments);
        for (const auto& command : commands)
            if (command.options->parsed()) command.run();
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    }
}

} // namespace

} // namespace digits

int main(int argc, char** argv) {
    return examples::run_main("digits", [&] { return digits::from_command_line(argc, argv); });
}
