// Trains joint flow maps, sampling with densities, on laws that are known exactly, and prints how wrong their
// densities are.
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/over_seeds.hpp"
#include "study.hpp"

namespace checkerboard {

using studies::distil, studies::subject_data, studies::train, studies::train_velocity,
    studies::training_options;
using studies::velocity_network;

struct options {
    training_options training;
    std::string law = "checkerboard";
    bool all = false;
    std::uint64_t seed = 1;
    index_t seeds = 1; ///< from that one on
    int threads = 0;
    std::filesystem::path out = "out/checkerboard";
};

/// A line of progress on a terminal, rewritten; elsewhere nothing.
void show(const std::string& name, const diamond::training_report& report) {
    static const bool terminal = isatty(STDERR_FILENO) != 0;
    const index_t done = report.step + 1;
    if (!terminal || (done % 50 != 0 && done != report.steps)) return;
    std::fprintf(stderr, "\r\033[K%s: step %td of %td, velocity %.4f and %.5f, divergence %.4f and %.5f",
                 name.c_str(), done, report.steps, report.diagonal_loss, report.off_diagonal_loss,
                 report.diagonal_divergence_loss, report.off_diagonal_divergence_loss);
    if (done == report.steps) std::fprintf(stderr, "\r\033[K");
}

template <class Model>
void run(const context& where, const options& chosen, report& told, const subject<Model>& of) {
    const philox rng = philox{chosen.seed};
    const auto& o = chosen.training;
    const auto data = subject_data::of(where, of.model, o, rng.split(1));
    std::vector<trained_map> maps;
    const auto train_by = [&](const std::string& name, auto&& make) {
        const diamond::stopwatch clock;
        network made = make();
        maps.push_back({name, std::move(made), clock.seconds()});
        std::printf("%s: trained in %.0f s\n", name.c_str(), maps.back().seconds);
        std::fflush(stdout);
    };
    const auto alone = [&](const std::string& name, auto loss) {
        train_by(name, [&] { return train(data, o, name, loss, rng.split(2), show); });
    };
    constexpr diamond::semigroup_loss shortcut{.midpoint = true};
    const diamond::stopwatch clock;
    const velocity_network teacher = train_velocity(data, o, rng.split(2), show);
    studies::table trainings{"trainings", "Trainings", "", {"map", "seconds"}};
    trainings.add({"flow matching, the teacher", {"%.0f", clock.seconds()}});
    std::printf("flow matching, the teacher: trained in %.0f s\n", clock.seconds());
    const diamond::network_velocity field{teacher};
    const auto taught = [&](const std::string& name, auto loss) {
        train_by(name, [&] { return distil(data, o, name, loss, field, &teacher, rng.split(3), show); });
    };
    taught("LSD-F2D2, from the teacher", diamond::lagrangian_loss{});
    if (chosen.all) {
        taught("Shortcut-Distill-F2D2", shortcut);
        alone("LSD-F2D2", diamond::lagrangian_loss{});
        alone("MeanFlow-F2D2", diamond::mean_flow_loss{});
        alone("Shortcut-F2D2", shortcut);
        alone("Eulerian", diamond::eulerian_loss{});
        alone("semigroup, uniform", diamond::semigroup_loss{});
        const std::string exactly = "LSD-F2D2, taught by the law's own velocity";
        train_by(exactly, [&] {
            return distil(data, o, exactly, diamond::lagrangian_loss{}, of.model, nullptr, rng.split(3),
                          show);
        });
    }
    for (const auto& map : maps) trainings.add({map.name, {"%.0f", map.seconds}});
    told.record(std::move(trainings));
    told.line("\n## " + of.title);
    const study<Model> s(where, of, told, chosen.out, rng.split(4));
    if (chosen.all) compare_densities(s, maps, maps.front());
    if (chosen.all) compare_samples(s, maps);
    tell_densities(s, maps.front());
    show_densities(s, maps.front());
}

/// One seed: its tables.
std::vector<studies::table> run(const options& chosen) {
    const context where{.threads = chosen.threads};
    studies::make_folder_of(chosen.out / (chosen.law + ".md")); // before it trains
    report told;
    told.line("# Joint flow maps: samples and densities in a few evaluations\n");
    told.line(text("%td steps of %td, width %td, %td residual blocks, rate %g, seed %llu. Networks see draws "
                   "of their law, and where it is said a teacher: flow matching trained just so.",
                   chosen.training.steps, chosen.training.batch, chosen.training.width,
                   chosen.training.blocks, chosen.training.rate,
                   static_cast<unsigned long long>(chosen.seed)));
    if (chosen.law == "mixture")
        run(where, chosen, told,
            subject{"mixture", "A mixture of three",
                    diamond::gaussian_mixture<batch, linear_schedule>(where, {}, {0.5, 0.3, 0.2},
                                                                      {-2, 0, 2, 1, 1.5, -2},
                                                                      {0.12, 0.12, 0.5, 0.1, 0.04, 0.04}),
                    studies::plane{{-4, 5}, {-3.5, 3}}});
    else
        run(where, chosen, told,
            subject{"checkerboard", "A checkerboard",
                    diamond::checkerboard<batch, linear_schedule>(where, {}),
                    studies::plane{{-4.6, 4.6}, {-4.6, 4.6}}});
    told.write(chosen.out / (chosen.law + ".md"));
    diamond::io::write_json(chosen.out / (chosen.law + ".json"), told.json());
    std::printf("\n%s: %s.md, %s.json and the pictures\n", chosen.out.c_str(), chosen.law.c_str(),
                chosen.law.c_str());
    return told.tables();
}

int from_command_line(int argc, char** argv) {
    options chosen;
    auto& training = chosen.training;
    CLI::App app{"Trains joint flow maps on a law that is known exactly, and prints the error of log p at 1, "
                 "2, 4 and 8 evaluations."};
    app.add_option("--law", chosen.law, "what is learned")
        ->check(CLI::IsMember({"checkerboard", "mixture"}))
        ->capture_default_str();
    app.add_flag(
        "--all", chosen.all,
        "every loss: the four variants of F2D2 and the others, beside Hutchinson's estimate; ten minutes");
    studies::add_training(app, training, "steps of each training");
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    studies::add_seeds(app, chosen.seeds);
    app.add_option("--threads", chosen.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report and its pictures")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    studies::run_over_seeds(chosen, chosen.law, "Joint flow maps: samples and densities in a few evaluations",
                            [](const options& one) { return run(one); });
    return 0;
}

} // namespace checkerboard

int main(int argc, char** argv) {
    return examples::run_main("checkerboard", [&] { return checkerboard::from_command_line(argc, argv); });
}
