// Trains Diamond maps of images of two blobs, by an MLP, a U-Net and a transformer, each for the same time,
// and holds the posterior means that they learned against the exact ones.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <diamond/map/network_diamond_map.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/dit.hpp>
#include <diamond/nn/unet.hpp>
#include <diamond/schedule/noising.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/over_seeds.hpp"
#include "../shared/report.hpp"
#include "training.hpp"

namespace blobs {

using studies::text;

/// States x_t of the law with what is known exactly of their posteriors.
struct states {
    double t;
    batch x_t, denoised;
    double deviation; ///< of the posteriors, a pixel: the root of the mean of |z - D|^2/d
};
states states_at(const context& where, const law& model, double t, index_t count, diamond::philox rng) {
    batch z(where, pixels, count), x_t(where, pixels, count), denoised(where, pixels, count);
    model.draw(rng.stream(diamond::purpose::data), z.mutable_view());
    diamond::draw_normal(rng.stream(diamond::purpose::initial), x_t.mutable_view());
    assign(x_t, t * z + (1.0 - t) * x_t);
    auto space = model.make_workspace(where, count);
    model.denoiser(x_t.read(), diamond::time_view(t), {}, space, denoised.mutable_view());
    double sum = 0.0;
    for (index_t i = 0; i < z.size(); ++i) {
        const double error = z.data()[i] - denoised.data()[i];
        sum += error * error;
    }
    return {t, std::move(x_t), std::move(denoised), std::sqrt(sum / static_cast<double>(z.size()))};
}

/// Errors of posteriors: of the mean by one evaluation and by draws, in units of the posterior's deviation,
/// and the variance of the draws in units of the posterior's.
struct errors {
    double denoised, mean, variance;
};
template <class Network>
errors errors_of(const context& where, const Network& network, const states& at, index_t draws,
                 diamond::philox rng) {
    const index_t n = at.x_t.columns();
    batch noise(where, pixels, n), out(where, pixels, n);
    std::vector<double> sum(static_cast<std::size_t>(pixels * n)), squares(sum.size());
    diamond::network_diamond_map map{network};
    auto space = network.make_workspace(where, n);
    double denoised = 0.0;
    for (index_t k = 0; k < draws; ++k) {
        diamond::draw_normal(rng.stream(diamond::purpose::value, k), noise.mutable_view());
        if (k == 0) { // E[z | x_t] is the noise and the velocity there
            network({noise.read(), at.x_t.read(), diamond::time_view(at.t), diamond::time_view(0.0),
                     diamond::time_view(0.0)},
                    {}, space, out.mutable_view());
            for (index_t i = 0; i < out.size(); ++i) {
                const double error = noise.data()[i] + out.data()[i] - at.denoised.data()[i];
                denoised += error * error;
            }
        }
        map(noise.read(), {0.0, 1.0}, at.x_t.read(), diamond::time_view(at.t), {}, out.mutable_view());
        for (std::size_t i = 0; i < sum.size(); ++i) {
            const double z = out.data()[i];
            sum[i] += z;
            squares[i] += z * z;
        }
    }
    double error = 0.0, variance = 0.0;
    const auto M = static_cast<double>(draws), count = static_cast<double>(sum.size());
    for (std::size_t i = 0; i < sum.size(); ++i) {
        const double mean = sum[i] / M, spread = (squares[i] - M * mean * mean) / (M - 1.0),
                     off = mean - at.denoised.data()[i];
        error += off * off - spread / M; // without that of so many draws
        variance += spread;
    }
    const double unit = at.deviation * at.deviation * count;
    return {std::sqrt(denoised / unit), std::sqrt(std::max(error, 0.0) / unit), variance / unit};
}

struct study {
    const context& where;
    const options& chosen;
    const std::vector<states>& at;
    studies::report& told;
    studies::table trainings{
        "trainings",
        "Trainings",
        "Parameters, steps, seconds, and the losses of the last step.",
        {"network", "parameters", "steps", "seconds", "diagonal loss", "Lagrangian loss"}};

    template <class Architecture>
    void tell(const std::string& name, const trained<Architecture>& result) {
        const training_figures& f = result.figures;
        trainings.add({name,
                       {"%.0f", static_cast<double>(f.parameters)},
                       {"%.0f", static_cast<double>(f.steps)},
                       {"%.0f", f.seconds},
                       {"%.4f", f.diagonal_loss},
                       {"%.4f", f.off_diagonal_loss}});
        for (const states& s : at) {
            const errors found = errors_of(where, result.network, s, chosen.draws,
                                           diamond::philox{chosen.seed}.split(9));
            const auto row = name + text(", t = %.1f", s.t);
            told.row({row, {"%.3f", found.denoised}, {"%.3f", found.mean}, {"%.3f", found.variance}});
        }
    }
};

/// One seed: its tables.
std::vector<studies::table> run(const options& chosen) {
    const context where{.threads = chosen.threads};
    const diamond::philox rng{chosen.seed};
    studies::make_folder_of(std::filesystem::path(chosen.out) / "report.json");
    const law model = two_blobs(where);
    batch points(where, pixels, chosen.points);
    model.draw(rng.split(1).stream(diamond::purpose::data), points.mutable_view());
    const diamond::training_set<batch> data(std::move(points), 0.0);

    std::vector<states> at;
    for (const double t : {0.2, 0.5, 0.8})
        at.push_back(states_at(where, model, t, chosen.states, rng.split(2)));
    studies::report told;
    told.line("# Two blobs: a U-Net, a transformer and an MLP against the exact posteriors");
    told.table(
        "posteriors", "Posteriors",
        text("Root mean square errors of posterior means over %td states, by one evaluation of the "
             "velocity and by %td draws of one evaluation each, in units of the posterior's deviation, "
             "their Monte Carlo part subtracted; the variance of the draws in units of the exact one.",
             chosen.states, chosen.draws),
        {"network and time", "mean, one evaluation", "mean of draws", "variance of draws"});
    study s{where, chosen, at, told};

    // All begin as the Gaussian of the data. The MLP works in its coordinates, and the others see pixels.
    const diamond::gaussian_frame<batch> frame(where, diamond::fit_gaussian_frame(data));
    const auto inside = diamond::in_coordinates_of(frame, data);
    const auto in_turn = rng.split(3);
    const auto show = [&](const std::string& name, const auto& network) {
        auto own = network;
        own.leave_basis(where);
        s.tell(name, train(name, own, network, inside, chosen, in_turn));
    };
    using mlp = diamond::diamond_mlp<batch, linear_schedule>;
    const mlp layers({}, frame, {.mlp = {.width = 256, .blocks = 3}});
    batch theta(where, layers.parameters(), 1);
    layers.initialise(rng, theta.mutable_view());
    s.tell("the data's Gaussian", trained<mlp>{{layers, std::move(theta)}, {}});
    show("MLP", layers);
    const diamond::image_shape shape{.channels = 1, .height = side, .width = side};
    show("U-Net",
         diamond::diamond_unet<batch, linear_schedule>(
             {}, frame,
             {.shape = shape, .width = 16, .multipliers = {1, 2}, .attention = {4}, .embedding = 64}));
    show("DiT", diamond::diamond_dit<batch, linear_schedule>(
                    {}, frame, {.shape = shape, .patch = 2, .width = 64, .blocks = 3}));
    told.end_table();
    told.record(std::move(s.trainings));

    const std::filesystem::path out(chosen.out);
    told.write(out / "report.md");
    auto report = told.json();
    report["device"] = where.device_name();
    report["seed"] = chosen.seed;
    diamond::io::write_atomically(out / "report.json", {diamond::io::bytes_of(report.dump(1) + "\n")});
    return told.tables();
}

int from_command_line(int argc, char** argv) {
    options chosen;
    CLI::App app{
        "Trains Diamond maps of images of two blobs by three kinds of layers, each for the same time, "
        "and holds their posterior means against the exact ones."};
    app.add_option("--seconds", chosen.seconds, "of each training")
        ->check(studies::between(0.1, 1e6))
        ->capture_default_str();
    app.add_option("--batch", chosen.batch, "training states a step")
        ->check(CLI::Range(2, 65536))
        ->capture_default_str();
    app.add_option("--rate", chosen.rate, "the peak of the learning rate")
        ->check(studies::between(1e-9, 10))
        ->capture_default_str();
    app.add_option("--points", chosen.points, "draws of the law that trainings see")
        ->check(CLI::Range(1000, 10000000))
        ->capture_default_str();
    app.add_option("--states", chosen.states, "states whose posteriors are compared")
        ->check(CLI::Range(10, 100000))
        ->capture_default_str();
    app.add_option("--draws", chosen.draws, "of each posterior")
        ->check(CLI::Range(2, 100000))
        ->capture_default_str();
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    studies::add_seeds(app, chosen.seeds);
    app.add_option("--threads", chosen.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    studies::run_over_seeds(chosen, "report", "Two blobs", run);
    return 0;
}

} // namespace blobs

int main(int argc, char** argv) {
    return examples::run_main("blobs", [&] { return blobs::from_command_line(argc, argv); });
}
