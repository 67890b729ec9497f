// digits train: the networks, from the training images to files.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "joint_training.hpp"

namespace digits {

namespace {

struct settings {
    training_options      training;
    std::filesystem::path data    = default_data();
    std::string           network = "all";
    int                   threads = 0;
    bool                  fresh   = false;
};

std::string time_left(double seconds) {
    if (!std::isfinite(seconds)) return "–";
    char text[32];
    std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(seconds) / 60, static_cast<int>(seconds) % 60);
    return text;
}

/// Tells losses, their means since it last spoke, and the time left: on a terminal five times a second, elsewhere ten times a network.
class told_progress {
public:
    void operator()(const std::string& name, const diamond::training_report& report, double left) {
        const diamond::index_t step = report.step + 1;
        diagonal_ += report.diagonal_loss;
        lagrangian_ += report.off_diagonal_loss;
        lagrangians_ += report.off_diagonal_loss > 0.0;
        ++count_;
        const bool last = step == report.steps, tenth = step * 10 / report.steps != (step - 1) * 10 / report.steps;
        if (line_.on_terminal() ? !last && clock_.seconds() < 0.2 : !tenth) return;
        char text[160];
        std::snprintf(text, sizeof text, "%s: step %lld of %lld, diagonal loss %.4f, Lagrangian %s, %s left", name.c_str(), static_cast<long long>(step),
                      static_cast<long long>(report.steps), diagonal_ / count_, lagrangians_ ? number(lagrangian_ / lagrangians_).c_str() : "–", time_left(left).c_str());
        if (line_.on_terminal() && !last)
            line_.show(text);
        else
            line_.finish(text);
        *this = {};
    }

private:
    progress_line              line_;
    diamond::detail::stopwatch clock_;
    double                     diagonal_ = 0.0, lagrangian_ = 0.0;
    int                        count_ = 0, lagrangians_ = 0;
};

/// The losses against the step: that of the diagonal is mostly the data's own variance, which no network takes away.
void write_curves(const std::filesystem::path& folder, const std::string& name, const loss_curve& losses) {
    using namespace diamond::io;
    if (losses.step.empty()) return;
    const auto draw_one = [&](const std::string& kind, const std::vector<double>& values, axis_scale scale) {
        line_plot plot{.title = name + ": " + kind + " loss", .x = {.label = "step"}, .y = {.label = "mean weighted square", .scale = scale}};
        plot.curves.push_back({.x = losses.step, .y = values, .marked = false});
        write_png(folder / (name + "_" + kind + ".png"), plot);
    };
    draw_one("diagonal", losses.diagonal, axis_scale::linear);
    if (std::ranges::any_of(losses.lagrangian, [](double x) { return x > 0.0; })) draw_one("lagrangian", losses.lagrangian, axis_scale::logarithmic);
}

int run(settings s) {
    const diamond::eigen::context where{.threads = s.threads};
    const data_set                data = load(s.data);
    s.training.resume                  = !s.fresh;
    const diamond::detail::stopwatch clock;
    for (const auto& name : network_names()) {
        if (s.network != "all" && s.network != name) continue;
        if (s.training.resume && is_trained(name, data.train, s.training)) {
            std::fprintf(stderr, "%s: already trained in this way; --fresh trains it again\n", name.c_str());
            continue;
        }
        const loss_curve losses = train_network(where, data.train, name, s.training, told_progress{});
        write_curves(s.training.out, name, losses);
    }
    if (s.network == "joint" || s.network == "all") write_curves(s.training.out, "joint", train_joint(where, data.train, s.training, told_progress{}));
    std::printf("%s: the networks and their loss curves, in %.1f s; digits align --weights %s uses them\n", s.training.out.string().c_str(), clock.seconds(),
                s.training.out.string().c_str());
    return 0;
}

} // namespace

command add_train(CLI::App& app) {
    const auto s   = std::make_shared<settings>();
    auto&      sub = *app.add_subcommand("train", "trains the networks, and goes on where an earlier run was broken off");
    auto       names = network_names();
    names.insert(names.end(), {"joint", "all"});
    sub.add_option("--network", s->network, "which: teacher by flow matching, diamond from data alone, taught by the teacher, joint with densities")->check(CLI::IsMember(names))->capture_default_str();
    sub.add_option("--share", s->training.share, "of the usual number of steps")->check(between(1e-6, 100))->capture_default_str();
    sub.add_option("--batch", s->training.batch, "columns of a step")->check(CLI::Range(1, 1 << 20))->capture_default_str();
    sub.add_option("--width", s->training.width, "of the hidden layers")->check(CLI::Range(1, 1 << 14))->capture_default_str();
    sub.add_option("--blocks", s->training.blocks, "residual layers")->check(CLI::Range(0, 1 << 10))->capture_default_str();
    sub.add_option("--rate", s->training.rate, "highest learning rate")->check(between(1e-9, 10))->capture_default_str();
    sub.add_option("--bandwidth", s->training.bandwidth, "standard deviation h of the noise on the images")->check(between(0.01, 10))->capture_default_str();
    sub.add_option("--checkpoint", s->training.checkpoint, "steps between checkpoints")->check(CLI::Range(1, 1 << 24))->capture_default_str();
    sub.add_option("--seed", s->training.seed, "of everything drawn")->check(not_negative)->capture_default_str();
    sub.add_option("--threads", s->threads, "0: one per core; the weights do not depend on it")->check(CLI::Range(0, 1024))->capture_default_str();
    sub.add_option("--data", s->data, "folder of images.npy, labels.npy and held_out.npy");
    sub.add_option("--out", s->training.out, "folder to write to")->capture_default_str();
    sub.add_flag("--fresh", s->fresh, "ignore what an earlier run left");
    return {&sub, [s] { return run(*s); }};
}

} // namespace digits
