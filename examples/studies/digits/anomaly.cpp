// digits anomaly: which images are no digits, by -log p of the joint flow map in a few evaluations, beside
// scores that need no network.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "anomaly_images.hpp"
#include "anomaly_report.hpp"
#include "anomaly_scores.hpp"
#include "command_line.hpp"
#include "judge.hpp"

namespace digits {

namespace {

struct anomaly_settings {
    std::filesystem::path data = default_data(), weights = default_weights(), out = "out/digits_anomaly";
    index_t images = 360;    ///< held-out ones, from the first on
    index_t evaluations = 4; ///< of the joint map
    std::uint64_t seed = 1;
    index_t seeds = 1; ///< from that one on
    int threads = 0;
};

scored_images scored(std::string name, floats images, const std::vector<score>& scores) {
    scored_images result{std::move(name), std::move(images)};
    for (const auto& by : scores) result.scores.push_back(by.of(result.images));
    return result;
}

/// The likeliest labels, and wrong labels against right ones by log p(image) - log p(image | label): what is
/// strange of the image itself cancels.
void try_labels(diamond::log_likelihood<digits_flow_map>& likelihood, const context& where,
                const data_set& data, diamond::philox rng, anomaly_findings& found) {
    const auto& images = found.held_out.images;
    const auto count = images.size() / pixels;
    std::vector<std::vector<double>> by_label;
    for (int c = 0; c < classes; ++c)
        by_label.push_back(surprise(likelihood, where, images, diamond::labels(c)));
    const judge judged(data.train);
    const auto draw = rng.stream(diamond::purpose::user, 1);
    std::vector<double> right, wrong;
    index_t found_right = 0, judged_right = 0;
    for (std::size_t j = 0; j < count; ++j) {
        const int label = data.held_out.labels[j];
        const int other = (label + 1 +
                           static_cast<int>(draw.uniform(static_cast<index_t>(j)) * (classes - 1))) %
                          classes;
        const auto against = [&](int c) {
            return by_label[static_cast<std::size_t>(c)][j] - found.held_out.scores[0][j];
        };
        right.push_back(against(label));
        wrong.push_back(against(other));
        found_right += std::ranges::all_of(by_label, [&](const auto& scores) {
            return scores[j] >= by_label[static_cast<std::size_t>(label)][j];
        });
        judged_right += judged(images.data() + j * pixels) == label;
    }
    found.right = static_cast<double>(found_right) / static_cast<double>(count);
    found.right_by_judge = static_cast<double>(judged_right) / static_cast<double>(count);
    found.wrong = roc_of(right, wrong);
}

/// One seed: its tables.
std::vector<studies::table> run(const anomaly_settings& chosen) {
    const diamond::stopwatch clock;
    const context where{.threads = chosen.threads};
    const data_set data = load(chosen.data);
    const digits_flow_map joint = load_joint(where, chosen.weights);
    // The shipped map's file says no bandwidth, and is of the usual one; a file that says another has its
    // own.
    const double bandwidth = bandwidth_of(network_file(chosen.weights, "joint")).value_or(default_bandwidth);
    const auto count = std::min(chosen.images, data.held_out.count());
    const diamond::philox rng{chosen.seed};
    diamond::log_likelihood likelihood{
        joint, {.steps = chosen.evaluations, .base_deviation = joint.base_deviation()}};
    const auto scores = all_scores(where, data.train, bandwidth, likelihood);
    studies::make_folder_of(chosen.out / "anomaly.md");

    anomaly_findings found{
        .evaluations = chosen.evaluations,
        .seed = chosen.seed,
        .held_out = scored("held-out",
                           floats(data.held_out.data.begin(), data.held_out.data.begin() + count * pixels),
                           scores)};
    for (const auto& by : scores) found.scores.push_back(by.name);
    for (const auto& kind : corruptions()) {
        found.kinds.push_back(scored(kind.name, corrupted(kind, data.held_out, count, rng), scores));
        auto& made = found.kinds.back();
        for (std::size_t k = 0; k < scores.size(); ++k)
            made.curves.push_back(roc_of(found.held_out.scores[k], made.scores[k]));
    }
    try_labels(likelihood, where, data, rng, found);

    write_anomaly(chosen.out, found, bandwidth);
    diamond::plot::write_png(chosen.out / "anomaly.png", anomaly_grid(found));
    std::printf("%s\n%s%s: anomaly.md, anomaly.json and anomaly.png, in %.1f s\n",
                markdown_of(detail::areas_of(found)).c_str(),
                detail::labels_text(found, static_cast<std::size_t>(count)).c_str(),
                chosen.out.string().c_str(), clock.seconds());
    return {detail::areas_of(found), detail::labels_of(found), seconds_of(clock.seconds())};
}

} // namespace

command add_anomaly(CLI::App& app) {
    const auto s = std::make_shared<anomaly_settings>();
    auto& sub = *app.add_subcommand("anomaly",
                                    "tells held-out digits from changed and foreign images by log p of the "
                                    "joint map, in seconds; writes anomaly.md, anomaly.json and anomaly.png");
    sub.add_option("--weights", s->weights, "folder of joint.safetensors; the default are the shipped ones");
    sub.add_option("--images", s->images, "held-out images, and as many of each other kind")
        ->check(CLI::Range(2, 360))
        ->capture_default_str();
    sub.add_option("--evaluations", s->evaluations, "of the joint map for a log p")
        ->check(CLI::Range(1, 1 << 10))
        ->capture_default_str();
    sub.add_option("--seed", s->seed, "of partners, noise and wrong labels")
        ->check(not_negative)
        ->capture_default_str();
    studies::add_seeds(sub, s->seeds);
    sub.add_option("--threads", s->threads, "0: one per core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    sub.add_option("--data", s->data, "folder of images.npy, labels.npy and held_out.npy");
    sub.add_option("--out", s->out, "folder to write to")->capture_default_str();
    return {&sub, [s] { studies::run_over_seeds(*s, "anomaly", "Anomaly by log p", run); }};
}

} // namespace digits
