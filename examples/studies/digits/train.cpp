// digits train: the networks, from the training images to files.
#include <cstdio>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "../shared/options.hpp"
#include "command_line.hpp"
#include "flow_map_training.hpp"

namespace digits {

namespace {

struct settings {
    training_options training;
    std::filesystem::path data = default_data();
    std::string network = "all", device = "cpu";
    int threads = 0;
    bool fresh = false;
};

/// Where a loss ended; null where it never was.
nlohmann::ordered_json last(const diamond::loss_curve::points& curve) {
    return curve.loss.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(curve.loss.back());
}

void run(settings s) {
    const diamond::eigen::context where{.threads = s.threads};
    const data_set data = load(s.data);
    s.training.resume = !s.fresh;
    studies::make_folder_of(s.training.out / "report.json"); // before it trains
    const diamond::stopwatch clock;
    auto names = network_names();
    names.emplace_back("joint");
    std::string device;
    nlohmann::ordered_json trained;
    for (const auto& name : names) {
        if (s.network != "all" && s.network != name) continue;
        const std::string setting = name == "joint" ? joint_setting(data.train, s.training)
                                                    : detail::setting_of(name, data.train, s.training);
        if (s.training.resume && studies::is_trained(network_file(s.training.out, name), setting)) {
            std::fprintf(stderr, "%s: already trained in this way; --fresh trains it again\n", name.c_str());
            continue;
        }
        const auto result = s.device == "cuda" ? train_on_gpu(data.train, name, s.training)
                                               : train_by_name(where, data.train, name, s.training);
        device = result.device;
        trained.push_back({{"name", name},
                           {"diagonal_loss", last(result.losses.diagonal())},
                           {"lagrangian_loss", last(result.losses.off_diagonal())}});
    }
    if (!trained.empty())
        write_text(
            s.training.out / "report.json",
            nlohmann::ordered_json{{"device", device}, {"seconds", clock.seconds()}, {"networks", trained}}
                    .dump(1) +
                "\n");
    std::printf("%s: the networks and their loss curves, in %.1f s; digits align --weights %s uses them\n",
                s.training.out.string().c_str(), clock.seconds(), s.training.out.string().c_str());
}

} // namespace

command add_train(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& sub = *app.add_subcommand("train",
                                    "trains the networks, and goes on where an earlier run was broken off");
    auto names = network_names();
    names.insert(names.end(), {"joint", "all"});
    sub.add_option("--network", s->network,
                   "which: teacher by flow matching, diamond from data alone, taught by the teacher, joint "
                   "with densities")
        ->check(CLI::IsMember(names))
        ->capture_default_str();
    sub.add_option("--share", s->training.share, "of the usual number of steps")
        ->check(between(1e-6, 100))
        ->capture_default_str();
    sub.add_option("--batch", s->training.batch, "columns of a step")
        ->check(CLI::Range(1, 1 << 20))
        ->capture_default_str();
    sub.add_option("--width", s->training.width, "of the hidden layers")
        ->check(CLI::Range(1, 1 << 14))
        ->capture_default_str();
    sub.add_option("--blocks", s->training.blocks, "residual layers")
        ->check(CLI::Range(0, 1 << 10))
        ->capture_default_str();
    sub.add_option("--rate", s->training.rate, "highest learning rate")
        ->check(between(1e-9, 10))
        ->capture_default_str();
    sub.add_option("--bandwidth", s->training.bandwidth, "standard deviation h of the noise on the images")
        ->check(between(0.01, 10))
        ->capture_default_str();
    sub.add_option("--checkpoint", s->training.checkpoint, "steps between checkpoints")
        ->check(CLI::Range(1, 1 << 24))
        ->capture_default_str();
    sub.add_option("--seed", s->training.seed, "of everything drawn")
        ->check(not_negative)
        ->capture_default_str();
    studies::add_device(sub, s->device, "where training runs; what one device left another goes on with");
    sub.add_option("--threads", s->threads, "0: one per core; the weights do not depend on it")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    sub.add_option("--data", s->data, "folder of images.npy, labels.npy and held_out.npy");
    sub.add_option("--out", s->training.out, "folder to write to")->capture_default_str();
    sub.add_flag("--fresh", s->fresh, "ignore what an earlier run left");
    return {&sub, [s] { run(*s); }};
}

} // namespace digits
