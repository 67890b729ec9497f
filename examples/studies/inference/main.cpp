// Simulation-based inference: conditional Diamond maps and flow maps learn posteriors from simulations alone,
// draw them in a few evaluations, and importance weights and SMC lead the draws to the true posterior.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>

#include <diamond/io/json.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/output_folder.hpp"
#include "problem_report.hpp"
#include "training.hpp"

namespace inference {

void report(const options& chosen) {
    const context where{.threads = chosen.threads};
    studies::make_folder_of(chosen.out / "report.md");
    studies::report told;
    told.line("# Simulation-based inference\n");
    told.line(text("Posteriors of two problems of sbibm, drawn by networks that saw simulations alone; %td "
                   "observations, seed %llu.",
                   chosen.observations, static_cast<unsigned long long>(chosen.seed)));
    const auto run = [&]<class Task>(Task) {
        if (chosen.task != "all" && chosen.task != Task::name) return;
        problem_report<Task>(where, chosen, told).run();
        told.write(chosen.out / "report.md"); // what is there so far
        diamond::io::write_json(chosen.out / "report.json", told.json());
    };
    run(two_moons{});
    run(slcp{});
    std::printf("\n%s: report.md, report.json and the pictures\n", chosen.out.c_str());
}

void train_all(const options& chosen, training_options training, const std::string& kind) {
    const context where{.threads = chosen.threads};
    const diamond::stopwatch clock;
    const auto run = [&]<class Task>(Task) {
        if (chosen.task != "all" && chosen.task != Task::name) return;
        for (const index_t n : chosen.simulations) {
            training.simulations = n;
            const auto one = [&]<class Network>(const char* name) {
                if (kind != "all" && kind != name) return;
                if (!train<Network, Task>(where, training))
                    std::fprintf(stderr, "%s: already trained in this way; --fresh trains it again\n",
                                 file_of<Network, Task>(training.out, n).c_str());
            };
            one.template operator()<diamond_map_network>("diamond_map");
            one.template operator()<flow_map>("flow_map");
        }
    };
    run(two_moons{});
    run(slcp{});
    std::printf("%s: the networks, in %.0f s; inference --weights %s uses them\n", training.out.c_str(),
                clock.seconds(), training.out.c_str());
}

int from_command_line(int argc, char** argv) {
    options chosen;
    training_options training;
    std::string kind = "all";
    CLI::App app{"Draws posteriors of simulators in a few evaluations of conditional networks, and corrects "
                 "them to the true posteriors by importance weights and SMC. Eleven minutes on two "
                 "cores from the shipped networks."};
    const auto number = [](CLI::App& to, const char* name, index_t& of, index_t from, index_t most,
                           const char* what) {
        to.add_option(name, of, what)->check(CLI::Range(from, most))->capture_default_str();
    };
    const auto common = [&](CLI::App& to) {
        to.add_option("--task", chosen.task, "which problem")
            ->check(CLI::IsMember({"two_moons", "slcp", "all"}))
            ->capture_default_str();
        to.add_option("--simulations", chosen.simulations, "of a network's training; several numbers")
            ->check(CLI::Range(index_t{100}, index_t{100'000'000}))
            ->capture_default_str();
        to.add_option("--threads", chosen.threads, "0: as many as can work at once")
            ->check(CLI::Range(0, 1024))
            ->capture_default_str();
    };
    common(app);
    number(app, "--draws", chosen.draws, 100, 10'000, "of each posterior, at most the reference's 10,000");
    number(app, "--observations", chosen.observations, 1, 5, "the first so many of the five");
    number(app, "--proposals", chosen.proposals, 100, 100'000'000, "at most, to correct a posterior");
    app.add_option("--effective", chosen.effective, "effective proposals at which it is enough")
        ->check(studies::between(1, 1e8))
        ->capture_default_str();
    number(app, "--particles", chosen.particles, 2, 10'000'000, "of SMC");
    number(app, "--steps", chosen.steps, 1, 10'000, "of SMC");
    number(app, "--problems", chosen.problems, 20, 100'000, "prior draws of the calibration");
    app.add_option("--evaluations", chosen.evaluations, "of draws as learned; several numbers")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    app.add_option("--corrected", chosen.corrected, "evaluations of draws that are corrected")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    app.add_option("--weights", chosen.weights, "folder of the networks")->capture_default_str();
    app.add_option("--data", chosen.data, "folder of observations and references")->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report and its pictures")->capture_default_str();

    auto& sub = *app.add_subcommand("train",
                                    "trains the networks, and goes on where an earlier run was broken "
                                    "off: three quarters of an hour on two cores");
    common(sub);
    sub.add_option("--network", kind, "which kind")
        ->check(CLI::IsMember({"diamond_map", "flow_map", "all"}))
        ->capture_default_str();
    constexpr const char* automatic = "; 0: by the number of simulations";
    const auto shape = [&](const char* name, index_t& of, index_t most, const std::string& what) {
        sub.add_option(name, of, what + automatic)
            ->check(CLI::Range(index_t{0}, most))
            ->capture_default_str();
    };
    shape("--steps", training.steps, 10'000'000, "of a training");
    shape("--width", training.width, 4096, "of the networks");
    shape("--blocks", training.blocks, 64, "residual layers of the networks");
    sub.add_option("--rate", training.rate, std::string("the peak of the learning rate") + automatic)
        ->check(studies::between(0, 10))
        ->capture_default_str();
    number(sub, "--batch", training.batch, 2, 65'536, "training states a step");
    number(sub, "--checkpoint", training.checkpoint, 1, 1'000'000, "steps between two checkpoints");
    sub.add_option("--seed", training.seed, "of simulations and training")
        ->check(studies::not_negative)
        ->capture_default_str();
    sub.add_option("--out", training.out, "folder of the networks")->capture_default_str();
    sub.add_flag("--fresh", training.fresh, "trains anew what is there");
    CLI11_PARSE(app, argc, argv);
    if (sub.parsed())
        train_all(chosen, training, kind);
    else
        report(chosen);
    return 0;
}

} // namespace inference

int main(int argc, char** argv) {
    return examples::run_main("inference", [&] { return inference::from_command_line(argc, argv); });
}
