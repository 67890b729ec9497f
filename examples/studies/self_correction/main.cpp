// Draws that know their density and correct themselves, on a mixture that is known exactly: weighted values
// by a joint flow map's density, posterior draws and SMC by Diamond maps that were trained too briefly.
#include <cstdio>
#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/over_seeds.hpp"
#include "runs.hpp"
#include "values.hpp"

namespace self_correction {

/// One seed: its tables.
std::vector<studies::table> run(const options& chosen) {
    const context where{.threads = chosen.threads};
    studies::make_folder_of(chosen.out / "report.md"); // before it trains
    report told;
    const auto& training = chosen.training;
    told.line("# Draws that correct themselves\n");
    told.line(
        text("An asymmetric mixture of three. Joint flow map: %td steps of flow matching on data, as many of "
             "distillation from that; joint Diamond maps: %td steps, taught by the exact velocity or by data "
             "alone. All of %td states a step, width %td, %td residual blocks, rate %g, seed %llu. "
             "Evaluations count a Jacobian-vector product twice, a vector-Jacobian product three times.",
             training.steps, training.short_steps, training.batch, training.width, training.blocks,
             training.rate, static_cast<unsigned long long>(chosen.seed)));
    study s{where, chosen, told};
    const auto part = [&](const char* name, void (*tell)(study&)) {
        if (!chosen.asks_for(name)) return;
        tell(s);
        told.write(chosen.out / "report.md");
        diamond::io::write_json(chosen.out / "report.json", told.json());
    };
    part("values", tell_values);
    part("draws", tell_draws);
    part("runs", tell_runs);
    std::printf("\n%s: report.md, report.json and the pictures\n", chosen.out.c_str());
    return told.tables();
}

int from_command_line(int argc, char** argv) {
    options chosen;
    auto& training = chosen.training;
    bool quick = false;
    CLI::App app{"Corrects learned maps by their own densities, and holds values, posterior draws and log Z "
                 "against a mixture that is known exactly. A quarter of an hour on one core."};
    app.add_option("--part", chosen.part, "what is measured; networks that it does not need are not trained")
        ->check(CLI::IsMember({"values", "draws", "runs", "all"}))
        ->capture_default_str();
    app.add_flag("--quick", quick,
                 "everything so small that it takes seconds, and shows little; options given beside it hold");
    const auto number = [&](const char* name, diamond::index_t& of, diamond::index_t small,
                            diamond::index_t from, diamond::index_t to, const char* what) {
        auto* option = app.add_option(name, of, what)->check(CLI::Range(from, to))->capture_default_str();
        return std::pair{option, std::pair{&of, small}};
    };
    const auto numbers = {
        number("--steps", training.steps, 300, 10, 1000000, "steps of the joint flow map's training"),
        number("--short-steps", training.short_steps, 200, 10, 1000000,
               "steps of the Diamond maps' trainings"),
        number("--batch", training.batch, 256, 2, 65536, "training states a step"),
        number("--width", training.width, 32, 1, 4096, "of the networks"),
        number("--blocks", training.blocks, 2, 0, 64, "residual layers of the networks"),
        number("--draws", chosen.draws, 4000, 128, 10000000,
               "of a row of values or posteriors, for each state"),
        number("--islands", chosen.islands, 4, 2, 10000, "independent runs of SMC"),
        number("--particles", chosen.particles, 256, 2, 10000000, "of an island")};
    app.add_option("--rate", training.rate, "the peak of the learning rate")
        ->check(studies::between(1e-9, 10))
        ->capture_default_str();
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    studies::add_seeds(app, chosen.seeds);
    app.add_option("--threads", chosen.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report and its pictures")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    for (const auto& [option, value] : numbers)
        if (quick && option->count() == 0) *value.first = value.second;
    studies::run_over_seeds(chosen, "report", "Draws that correct themselves", run);
    return 0;
}

} // namespace self_correction

int main(int argc, char** argv) {
    return examples::run_main("self_correction",
                              [&] { return self_correction::from_command_line(argc, argv); });
}
