// mnist judge: the two classifiers, from the training images to files.
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <diamond/core/stopwatch.hpp>

#include "../shared/output_folder.hpp"
#include "classifier_training.hpp"
#include "command_line.hpp"
#include "results.hpp"

namespace mnist {

namespace {

struct settings {
    classifier_options training;
    std::optional<index_t> width; ///< empty unless the user asks for one
    std::filesystem::path data = default_data();
    std::string network = "both";
    int threads = 0;
    bool fresh = false;
};

/// Returns the options of a classifier. The two have other sizes and seeds, so that one does not know what
/// the other is wrong about.
classifier_options options_of(const std::string& name, const settings& s) {
    classifier_options o = s.training;
    o.name = name;
    o.resume = !s.fresh;
    o.shape = name == "judge" ? classifier_shape{.width = 16, .features = 64}
                              : classifier_shape{.width = 14, .features = 48};
    if (s.width) o.shape.width = *s.width;
    o.seed = diamond::philox{s.training.seed}.split(name == "judge" ? 0 : 1).seed;
    return o;
}

void run(const settings& s) {
    const diamond::stopwatch clock;
    const context where{.threads = s.threads};
    const data_set data = load(s.data);
    studies::make_folder_of(s.training.out / "report.md"); // before it trains
    std::vector<classifier_report> done;
    for (const std::string name : {"judge", "reward"})
        if (s.network == "both" || s.network == name)
            done.push_back(train_classifier(where, data, options_of(name, s)));

    results told;
    told.line("By `mnist judge`, seed " + std::to_string(s.training.seed) + ", " +
              diamond::digits_of(s.training.share * s.training.epochs) +
              " epochs of images shifted by up to " + std::to_string(s.training.shift) + " pixels.");
    told.table(
        "classifiers", "Classifiers",
        "By the numbers of F16 in the files, on " + std::to_string(done.front().all()) +
            " images of the test part that no training has seen; ± is the standard error of a share of "
            "so many.",
        {{"network", "network"},
         {"parameters", "parameters"},
         {"steps", "steps"},
         {"right", "right, %", "%.2f"},
         {"wrong", "wrong"}});
    for (const auto& each : done) {
        const auto all = static_cast<double>(each.all()), share = static_cast<double>(each.all_right()) / all;
        told.add({{"network", each.name},
                  {"parameters", each.parameters},
                  {"steps", each.steps},
                  {"right", 100.0 * share},
                  {"right_se", 100.0 * std::sqrt(share * (1.0 - share) / all)},
                  {"wrong", each.all() - each.all_right()},
                  {"seed", s.training.seed}});
    }
    std::vector<column> columns{{"class", "class"}, {"images", "images"}};
    for (const auto& each : done) columns.push_back({"wrong_by_" + each.name, "wrong by " + each.name});
    told.table("classes", "Classes", "Images of each class, and how many of them are taken for another.",
               std::move(columns));
    for (std::size_t c = 0; c < static_cast<std::size_t>(classes); ++c) {
        row counts{{"class", c}, {"images", done.front().of[c]}};
        for (const auto& each : done) counts["wrong_by_" + each.name] = each.of[c] - each.right[c];
        told.add(std::move(counts));
    }
    told.write(s.training.out, "The classifiers of MNIST");
    std::printf("\n%s: the networks, report.md and report.json, in %.1f s\n", s.training.out.string().c_str(),
                clock.seconds());
}

} // namespace

command add_judge(CLI::App& app) {
    const auto s = std::make_shared<settings>();
    auto& o = s->training;
    auto& sub = *app.add_subcommand("judge", "trains the classifiers, the judge and the reward, and goes on "
                                             "where an earlier run was broken off");
    sub.add_option("--network", s->network, "which: judge, whose features measure samples, or reward")
        ->check(CLI::IsMember(std::vector<std::string>{"judge", "reward", "both"}))
        ->capture_default_str();
    sub.add_option("--epochs", o.epochs, "passes over the training part")
        ->check(between(1e-3, 1000))
        ->capture_default_str();
    sub.add_option("--share", o.share, "of these passes")->check(between(1e-6, 1))->capture_default_str();
    sub.add_option("--batch", o.batch, "images of a step")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    sub.add_option("--width", s->width,
                   "channels of 28 x 28 pixels; default 16 of the judge, 14 of the reward")
        ->check(CLI::Range(1, 256));
    sub.add_option("--rate", o.rate.peak, "highest learning rate")
        ->check(between(1e-9, 1))
        ->capture_default_str();
    sub.add_option("--shift", o.shift, "the most pixels by which an image is moved along each axis")
        ->check(CLI::Range(0, 27))
        ->capture_default_str();
    sub.add_option("--test-images", o.test_images, "of the test part, on which it is measured")
        ->check(CLI::Range(1, 10'000))
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
