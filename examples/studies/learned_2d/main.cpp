// Trains a Diamond network on draws of a law that is known exactly, an asymmetric mixture and a checkerboard,
// and holds what it learned against the truth: posterior moments, values and their gradients, samples.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/over_seeds.hpp"
#include "pictures.hpp"
#include "training.hpp"

namespace learned {

/// Trains, then tells and shows all of it.
template <class Model>
training_result show(const context& where, const options& chosen, report& told, const subject<Model>& of) {
    constexpr index_t points = 1 << 20; // as good as fresh draws: 10000 steps of 512 see each five times
    const philox rng = philox{chosen.seed}, of_training = rng.split(1);
    told.line("\n## " + of.title);
    batch drawn(where, 2, points);
    of.model.draw(of_training.split(1).stream(purpose::data), drawn.mutable_view());
    const auto seen = to_host(drawn);
    const auto trained = chosen.device == "cuda"
                           ? train_on_gpu(of.name, seen, chosen.training, of_training.split(2))
                           : train(where, of.name, seen, chosen.training, of_training.split(2));
    told.line(text("\nTrained in %.0f s on ", trained.seconds) + trained.device + ".");
    const study<Model> s{where, chosen, of, network_of(where, trained, chosen.training), told, rng.split(2)};
    const auto data = studies::marginal(where, of.model, of.plane, 1.0);
    tell_moments(s);
    tell_errors(s);
    if constexpr (has_components<Model>) tell_values(s); // the checkerboard has no exact value
    show_samples(s, data);
    show_posteriors(s, data);
    told.picture(chosen.out, of.name + "_training", plot_of(of.title + ": losses", trained.losses));
    return trained;
}

double last(const diamond::loss_curve::points& curve) { return curve.loss.empty() ? NAN : curve.loss.back(); }

/// How long a training took, and where its losses ended.
nlohmann::ordered_json to_json(const std::string& name, const training_result& trained) {
    return {{"name", name},
            {"seconds", trained.seconds},
            {"diagonal_loss", last(trained.losses.diagonal())},
            {"lagrangian_loss", last(trained.losses.off_diagonal())}};
}

/// One seed: its tables.
std::vector<studies::table> run(const options& chosen) {
    const context where{.threads = chosen.threads};
    studies::make_folder_of(chosen.out / "report.json"); // before it trains
    report told;
    told.line("# Diamond maps learned from draws of known laws\n");
    told.line(text("%td steps of %td, width %td, %td residual blocks, rate %g, seed %llu; no teacher, linear "
                   "schedule. A network sees draws of its law, nothing else.",
                   chosen.training.steps, chosen.training.batch, chosen.training.width,
                   chosen.training.blocks, chosen.training.rate,
                   static_cast<unsigned long long>(chosen.seed)));
    const linear_schedule schedule;
    const auto mixture = show(
        where, chosen, told,
        subject{"mixture", "An asymmetric mixture",
                diamond::gaussian_mixture<batch, linear_schedule>(where, schedule, {0.5, 0.3, 0.2},
                                                                  {-2, 0, 2, 1, 1.5, -2},
                                                                  {0.12, 0.12, 0.5, 0.1, 0.04, 0.04}),
                studies::plane{{-4, 5}, {-3.5, 3}},
                std::vector<std::pair<position, position>>{
                    {{-1, 0.3}, {0.9, 0}}, {{2, 1.2}, {-0.6, -1.1}}, {{1.5, -2}, {0.2, 0.9}}}});
    const auto checkerboard = show(
        where, chosen, told,
        subject{"checkerboard", "A checkerboard",
                diamond::checkerboard<batch, linear_schedule>(where, schedule),
                studies::plane{{-4.4, 4.4}, {-4.4, 4.4}},
                std::vector<std::pair<position, position>>{
                    {{0.6, 1.4}, {0.6, -0.6}}, {{-2.2, 2.2}, {0.5, -0.5}}, {{3.5, -0.5}, {0.4, 0.8}}}});
    told.write(chosen.out / "report.md");
    studies::table trainings{"trainings",
                             "Trainings",
                             "Where the losses ended, and how long it took.",
                             {"law", "diagonal loss", "Lagrangian loss", "seconds"}};
    nlohmann::ordered_json report{{"device", mixture.device}, {"laws", nlohmann::ordered_json::array()}};
    for (const auto& [name, trained] :
         {std::pair{"mixture", &mixture}, std::pair{"checkerboard", &checkerboard}}) {
        report["laws"].push_back(to_json(name, *trained));
        trainings.add({name,
                       {"%.4g", last(trained->losses.diagonal())},
                       {"%.4g", last(trained->losses.off_diagonal())},
                       {"%.0f", trained->seconds}});
    }
    told.record(std::move(trainings));
    report.update(told.json());
    diamond::io::write_atomically(chosen.out / "report.json", {diamond::io::bytes_of(report.dump(1) + "\n")});
    std::printf("\n%s: report.md, report.json and the pictures; training took %.0f s\n", chosen.out.c_str(),
                mixture.seconds + checkerboard.seconds);
    return told.tables();
}

int from_command_line(int argc, char** argv) {
    options chosen;
    auto& training = chosen.training;
    CLI::App app{"Trains Diamond networks on draws of an asymmetric mixture and of a checkerboard, and holds "
                 "what they learned against the truth."};
    studies::add_training(app, training, "steps of training, for each law");
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    studies::add_seeds(app, chosen.seeds);
    studies::add_device(app, chosen.device, "where training runs; what was learned is measured on the CPU");
    app.add_option("--threads", chosen.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report and its pictures")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    studies::run_over_seeds(chosen, "report", "Diamond maps learned from draws of known laws", run);
    return 0;
}

} // namespace learned

int main(int argc, char** argv) {
    return examples::run_main("learned_2d", [&] { return learned::from_command_line(argc, argv); });
}
