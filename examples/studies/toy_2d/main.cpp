// Two models of the plane that are known exactly, a checkerboard and two moons, and what the library draws
// from them: the prior, the posterior of a noisy state, and the model tilted by a reward. Every picture has
// the exact density below the samples.
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/file.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/over_seeds.hpp"
#include "../shared/table.hpp"
#include "gallery.hpp"

namespace toy {

/// Writes report.json, and returns it as the table that --seeds combines.
std::vector<studies::table> write_report(const options& chosen, const findings& found) {
    studies::table samplers{
        .name = "samplers",
        .title = "What the samplers draw",
        .explanation = "Energy distances to the exact density; evaluations of a particle.",
        .columns = {"model and sampler", "energy distance", "evaluations"}};
    nlohmann::ordered_json report{{"device", found.device},
                                  {"particles", chosen.particles},
                                  {"steps", chosen.steps},
                                  {"seed", chosen.seed}};
    for (const auto& line : found.samplers) {
        report["samplers"].push_back({{"model", line.model},
                                      {"sampler", line.sampler},
                                      {"energy_distance", line.energy_distance},
                                      {"evaluations", line.evaluations}});
        samplers.add(
            {line.model + ": " + line.sampler, {"%.4f", line.energy_distance}, {"%.0f", line.evaluations}});
    }
    diamond::io::write_atomically(chosen.out / "report.json", {diamond::io::bytes_of(report.dump(1) + "\n")});
    return {samplers};
}

int from_command_line(int argc, char** argv) {
    options chosen;
    std::string device = "cpu";
    int threads = 0;
    CLI::App app{"Draws a checkerboard and two moons, their posteriors and their tilts by a reward, on the "
                 "exact densities."};
    app.add_option("--particles", chosen.particles, "particles a sampler")
        ->check(CLI::Range(100, 100000))
        ->capture_default_str();
    app.add_option("--steps", chosen.steps, "outer steps from noise to data")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    studies::add_seeds(app, chosen.seeds);
    studies::add_device(app, device, "where the samplers run");
    app.add_option("--threads", threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the pictures")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    studies::run_over_seeds(
        chosen, "report", "Priors, posteriors and tilted densities in the plane", [&](const options& one) {
            return write_report(one, device == "cuda"
                                         ? draw_on_gpu(one)
                                         : draw(diamond::eigen::context{.threads = threads}, one));
        });
    return 0;
}

} // namespace toy

int main(int argc, char** argv) {
    return examples::run_main("toy_2d", [&] { return toy::from_command_line(argc, argv); });
}
