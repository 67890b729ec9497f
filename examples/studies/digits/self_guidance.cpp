// digits self-guidance: noise moved up its own likelihood before it becomes samples, beside the control that
// only shrinks it.
#include "../shared/self_guidance.hpp"

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <diamond/io/json.hpp>
#include <diamond/plot/image_grid.hpp>
#include <diamond/plot/png.hpp>

#include "../shared/energy_distance.hpp"
#include "../shared/over_seeds.hpp"
#include "command_line.hpp"
#include "feature_classifier.hpp"
#include "flow_map_training.hpp"
#include "tasks.hpp"

namespace digits {

namespace {

struct guidance_settings {
    std::filesystem::path data = default_data(), weights = default_weights(),
                          out = "out/digits_self_guidance";
    index_t samples = 2048;
    double step_size = 0.1;
    index_t steps = 1;
    std::uint64_t seed = 1;
    index_t seeds = 1;
    int threads = 0;
};

constexpr index_t few[] = {1, 2, 4, 8};

/// One seed: its table.
std::vector<studies::table> run(const guidance_settings& chosen) {
    using namespace diamond;
    const diamond::stopwatch clock;
    const context where{.threads = chosen.threads};
    const data_set data = load(chosen.data);
    const auto joint = load_joint(where, chosen.weights);
    // The shipped map's file says no bandwidth, and is of the usual one; a file that says another is refused.
    const double bandwidth = trained_bandwidth(chosen.weights, {"joint"}, default_bandwidth);
    const philox rng{chosen.seed};
    studies::make_folder_of(chosen.out / "self_guidance.md");
    progress_line line;
    line.show("the classifier whose features measure");
    const feature_classifier classifier(where, data.train, {.bandwidth = bandwidth, .rng = rng.split(1)});
    floats held_out = data.held_out.data;
    batch noise(where, pixels, data.held_out.count());
    draw_normal(rng.stream(purpose::user, 1), noise.mutable_view());
    for (std::size_t i = 0; i < held_out.size(); ++i)
        held_out[i] += static_cast<real>(bandwidth) * noise.data()[i];
    const studies::sample truth(
        studies::cloud(classifier.features_of(held_out), feature_classifier::features));

    const self_guidance_options options{.steps = chosen.steps, .step_size = chosen.step_size};
    const objective_options base{.base_deviation = joint.base_deviation()};
    self_guidance guided{negative_log_likelihood{joint, base}, options};
    self_guidance control{negative_log_prior<batch>{pixels, base}, options};

    plot::image_grid grid{
        .title = "Self-guidance, one evaluation", .shape = shape, .shades = {1, -1}, .zoom = 5};
    studies::table table{"self-guidance",
                         {},
                         {},
                         {"noise", "jumps", "evaluations", "energy distance of features",
                          "mean claimed log p", "more than unguided"}};
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const index_t jumps : few) {
        double unguided = 0.0;
        const auto tell = [&](const std::string& name, auto&& move, index_t more) {
            line.show(name + ", " + std::to_string(jumps));
            // The same noise for all: differences are the guidance's.
            const auto drawn = studies::moved(where, joint, jumps, chosen.samples, rng, move, chosen.samples);
            double mean = 0.0;
            for (const double value : drawn.log_p) mean += value / static_cast<double>(chosen.samples);
            const auto& samples = drawn.samples;
            const auto distance = energy_distance(
                studies::sample(
                    studies::cloud(classifier.features_of(samples), feature_classifier::features)),
                truth);
            if (name == "unguided") unguided = mean;
            table.add({name,
                       {"%.0f", static_cast<double>(jumps)},
                       {"%.0f", static_cast<double>(jumps + more)},
                       {"%.4f ± %.1g", distance.value, distance.standard_error},
                       {"%.2f", mean},
                       {"%.2f", mean - unguided}},
                      name + ", " + std::to_string(jumps));
            json.push_back({{"noise", name},
                            {"jumps", jumps},
                            {"evaluations", jumps + more},
                            {"distance", distance.value},
                            {"standard_error", distance.standard_error},
                            {"mean_log_p", mean}});
            if (jumps == 1)
                grid.rows.push_back(
                    {.label = name, .pixels = floats(samples.begin(), samples.begin() + 20 * pixels)});
        };
        tell(
            "unguided", [](auto) {}, 0);
        tell(
            "guided", [&](auto x_0) { guided(x_0); }, cost::vjp_weight * chosen.steps);
        tell(
            "control: the noise's own density alone", [&](auto x_0) { control(x_0); }, 0);
    }
    line.finish(studies::markdown_of(table));
    plot::write_png(chosen.out / "samples.png", grid);
    io::write_json(chosen.out / "self_guidance.json", json);
    write_text(
        chosen.out / "self_guidance.md",
        "# Self-guidance\n\n" + std::to_string(chosen.samples) + " samples, " + std::to_string(chosen.steps) +
            " sign step(s) of " + number(chosen.step_size) +
            " down -log p; features are those of a classifier that is no reward, distances to held-out "
            "images with the noise of training. The same noise in every row.\n\n![samples](samples.png)\n\n" +
            studies::markdown_of(table));
    std::printf("%s: self_guidance.md, self_guidance.json and samples.png, in %.1f s\n",
                chosen.out.string().c_str(), clock.seconds());
    return {table};
}

} // namespace

command add_self_guidance(CLI::App& app) {
    const auto s = std::make_shared<guidance_settings>();
    auto& sub = *app.add_subcommand(
        "self-guidance", "samples of noise moved up its own likelihood, by feature distance, beside unguided "
                         "ones and the control; writes self_guidance.md and .json");
    sub.add_option("--weights", s->weights, "folder of joint.safetensors; the default are the shipped ones");
    sub.add_option("--samples", s->samples, "of each kind")
        ->check(CLI::Range(32, 1 << 16))
        ->capture_default_str();
    sub.add_option("--step-size", s->step_size, "of a step by the gradient's sign")
        ->check(between(1e-6, 10))
        ->capture_default_str();
    sub.add_option("--steps", s->steps, "of guidance")->check(CLI::Range(0, 100))->capture_default_str();
    sub.add_option("--seed", s->seed, "of all random numbers")->check(not_negative)->capture_default_str();
    sub.add_option("--threads", s->threads, "0: one per core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    sub.add_option("--data", s->data, "folder of images.npy, labels.npy and held_out.npy");
    sub.add_option("--out", s->out, "folder to write to")->capture_default_str();
    studies::add_seeds(sub, s->seeds);
    return {&sub, [s] { studies::run_over_seeds(*s, "self_guidance", "Self-guidance", run); }};
}

} // namespace digits
