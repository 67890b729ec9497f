// mnist train: the models, from the training images to files.
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/stopwatch.hpp>

#include "../shared/output_folder.hpp"
#include "command_line.hpp"
#include "results.hpp"
#include "training.hpp"

namespace mnist {

namespace {

struct settings {
    training_options training;
    std::filesystem::path data = default_data();
    std::vector<std::string> networks = {"all"};
    int threads = 0;
    bool fresh = false;
};

void run(const settings& s) {
    const diamond::stopwatch clock;
    const context where{.threads = s.threads};
    const images train = load_part(s.data, "train");
    auto o = s.training;
    o.resume = !s.fresh;
    studies::make_folder_of(o.out / "report.md"); // before it trains
    const auto chosen = [&](const model& which) {
        for (const auto& name : s.networks)
            if (name == "all" || name == which.name) return true;
        return false;
    };
    std::vector<training_report> done;
    for (const auto& which : models) {
        if (!chosen(which)) continue;
        if (auto trained = train_model(where, train, which, o))
            done.push_back(std::move(*trained));
        else
            std::fprintf(stderr, "%s: already trained in this way; --fresh trains it again\n",
                         std::string(which.name).c_str());
    }
    if (!done.empty()) {
        const auto last = [](const diamond::loss_curve::points& of) {
            return of.loss.empty() ? NAN : of.loss.back();
        };
        results told;
        told.table("training", "Training",
                   "The losses are means over the last window of each training's curve.",
                   {{"network", "network"},
                    {"parameters", "parameters"},
                    {"steps", "steps"},
                    {"diagonal_loss", "diagonal loss", "%.4g"},
                    {"off_diagonal_loss", "off it", "%.4g"}});
        for (const auto& each : done)
            told.add({{"network", each.name},
                      {"parameters", each.parameters},
                      {"steps", each.steps},
                      {"diagonal_loss", last(each.losses.diagonal())},
                      {"off_diagonal_loss", last(each.losses.off_diagonal())},
                      {"seed", o.seed}});
        told.write(o.out, "What was trained");
    }
    std::printf("%s: the networks, in %.1f s\n", o.out.string().c_str(), clock.seconds());
}

} // namespace

command add_train(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& o = s->training;
    auto& sub = *app.add_subcommand("train", "trains the models, the teacher first, and goes on where an "
                                             "earlier run was broken off");
    auto names = model_names();
    names.emplace_back("all");
    sub.add_option("--network", s->networks, "which, one or several; all but the teacher start from its file")
        ->check(CLI::IsMember(names))
        ->capture_default_str();
    sub.add_option("--share", o.share, "of the usual number of steps")
        ->check(between(1e-6, 100))
        ->capture_default_str();
    sub.add_option("--batch", o.batch, "images of a step")
        ->check(CLI::Range(2, 1 << 14))
        ->capture_default_str();
    sub.add_option("--width", o.width, "channels of a multiplier of 1; the maps have 2 and 3 times as many")
        ->check(CLI::IsMember(std::vector<index_t>{8, 16, 24, 32, 48, 64}))
        ->capture_default_str();
    sub.add_option("--rate", o.rate, "highest learning rate of the teacher; the others have half of it")
        ->check(between(1e-9, 1))
        ->capture_default_str();
    sub.add_option("--noise", o.noise, "standard deviation h of the noise on images in [-1, 1]")
        ->check(between(0.005, 1))
        ->capture_default_str();
    sub.add_option("--at-zero", o.at_zero,
                   "share of a Diamond map's states at t = 0, where samples are drawn")
        ->check(between(0, 1))
        ->capture_default_str();
    sub.add_option("--start", o.start,
                   "folder of models trained before, from whose weights these start, with "
                   "a learning rate that rises and falls anew");
    sub.add_option("--images", o.images, "of the training part, the first ones")
        ->check(CLI::Range(1, 60'000))
        ->capture_default_str();
    sub.add_option("--checkpoint", o.checkpoint, "steps between checkpoints")
        ->check(CLI::Range(1, 1 << 24))
        ->capture_default_str();
    sub.add_option("--seed", o.seed, "of everything drawn")->check(not_negative)->capture_default_str();
    sub.add_option("--threads", s->threads, "0: one per core; the weights do not depend on it")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    add_data_folder(sub, s->data);
    sub.add_option("--out", o.out, "folder to write to")->capture_default_str();
    sub.add_flag("--fresh", s->fresh, "ignore what an earlier run left");
    return {&sub, [s] { run(*s); }};
}

} // namespace mnist
