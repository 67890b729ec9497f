// MNIST: classifiers of 28 x 28 digits, which judge and reward what models of them draw.
#include "../../run_main.hpp"
#include "command_line.hpp"

namespace mnist {

namespace {

int from_command_line(int argc, char** argv) {
    CLI::App app("Handwritten digits of 28 x 28 pixels: the data, the classifiers that judge and reward "
                 "samples, and models of them.");
    app.get_formatter()->column_width(32);
    app.footer("mnist judge --help and the same of the others say the rest.");
    const command commands[] = {add_data(app),   add_judge(app),      add_train(app),
                                add_sample(app), add_likelihood(app), add_posterior(app),
                                add_align(app),  add_inpaint(app),    add_self_guidance(app)};
    try {
        app.parse(argc, argv);
        if (app.get_subcommands().empty()) throw CLI::CallForHelp();
        for (const auto& command : commands)
            if (command.options->parsed()) command.run();
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error);
    }
}

} // namespace

} // namespace mnist

int main(int argc, char** argv) {
    return examples::run_main("mnist", [&] { return mnist::from_command_line(argc, argv); });
}
