// Inverse problems on digits whose posteriors are known: are the intervals of each method as wide as they
// say, is its spread its error, and is its Z the evidence? Truths are drawn from the model.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <diamond/io/json.hpp>
#include <diamond/plot/image_grid.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/output_folder.hpp"
#include "../shared/progress_line.hpp"
#include "../shared/report.hpp"
#include "../shared/run_row.hpp"
#include "methods.hpp"

namespace inverse {

using studies::text;

/// A folder of the digits' study, which lies beside this one.
std::filesystem::path of_digits(const char* folder) {
    const std::filesystem::path own = DIAMOND_EXAMPLE_DATA; // which this study does not have
    return own.parent_path().parent_path() / "digits" / folder;
}

struct options {
    index_t problems = 64, learned = 16, particles = 256, steps = 16;
    std::vector<std::string> kinds{"mask", "down_sampling", "blur", "noise"};
    std::uint64_t seed = 1;
    int threads = 0;
    std::filesystem::path data = of_digits("data"), weights = of_digits("weights"), out = "out/inverse";
};

/// The bounds within which a method is called calibrated, as the study is asked.
constexpr double coverage_from = 0.85, coverage_to = 0.95, ratio_from = 0.9, ratio_to = 1.1;

/// What a method has come to over the problems of a measurement.
struct record {
    std::string method;
    diamond::calibration judged = diamond::calibration{{.level = 0.9}};
    std::vector<double> log_z_error = {}; ///< of the runs that have a Z
    std::vector<double> log_z_score = {}; ///< in standard errors, of the runs that have one
    double evaluations = 0.0, seconds = 0.0, ess = 0.0;
    index_t warned = 0, exact = 0;

    void add(const problem& of, const outcome& found) {
        judged.add(found.samples, of.truth);
        if (std::isfinite(found.log_z)) log_z_error.push_back(found.log_z - of.posterior.log_z());
        if (std::isfinite(found.log_z_se)) log_z_score.push_back(log_z_error.back() / found.log_z_se);
        evaluations += found.evaluations;
        seconds += found.seconds;
        ess += found.ess;
        warned += found.warned ? 1 : 0;
        exact += found.exact ? 1 : 0;
    }
    [[nodiscard]] bool is_exact() const { return exact == judged.problems(); }
    [[nodiscard]] bool is_calibrated() const {
        const double covered = judged.coverage().value, ratio = judged.spread_skill().value;
        return covered >= coverage_from && covered <= coverage_to && ratio >= ratio_from && ratio <= ratio_to;
    }
};
double root_mean_square(const std::vector<double>& x) {
    double sum = 0.0;
    for (const double each : x) sum += square(each);
    return x.empty() ? NAN : std::sqrt(sum / static_cast<double>(x.size()));
}

studies::cell number(const char* format, diamond::calibration_number of) {
    if (!std::isfinite(of.value)) return studies::cell("–");
    if (std::isfinite(of.standard_error)) return studies::cell(format, of.value, of.standard_error);
    return studies::cell("%.3f", of.value);
}

/// Writes the table of a measurement, and adds its rows to the JSON.
void write(studies::report& told, nlohmann::ordered_json& rows, const measured_by& by,
           const std::vector<record>& records) {
    told.table(
        by.name, by.title,
        "Behind ± the standard error over the problems. Spread/error is the root of the mean variance of the "
        "posterior over the mean squared error of its mean; the error of log Z is its root mean square; a "
        "method is called calibrated with coverage from 0.85 to 0.95 and spread/error from 0.9 to 1.1.",
        {"method", "names itself exact", "coverage of 90 %", "spread/error", "calibrated", "CRPS", "error",
         "log Z off by", "ESS", "evaluations", "seconds", "warned"});
    for (const auto& r : records) {
        const auto n = static_cast<double>(r.judged.problems());
        const auto have = [&](const char* format, double x) {
            return std::isfinite(x) ? studies::cell(format, x) : studies::cell("–");
        };
        told.row({r.method, r.is_exact() ? "yes" : "no", number("%.3f ± %.3f", r.judged.coverage()),
                  number("%.2f ± %.2f", r.judged.spread_skill()), r.is_calibrated() ? "yes" : "**no**",
                  number("%.4f ± %.4f", r.judged.crps()), number("%.4f ± %.4f", r.judged.error()),
                  have("%.3f", root_mean_square(r.log_z_error)), have("%.0f", r.ess / n),
                  have("%.0f", r.evaluations / n), have("%.2f", r.seconds / n),
                  text("%td of %td", r.warned, r.judged.problems())});
        if (r.is_exact() && !r.is_calibrated())
            told.warn(r.method, "it names itself exact, and is not calibrated at this size");
        using studies::number_or_null;
        rows.push_back({{"measurement", by.name},
                        {"method", r.method},
                        {"problems", r.judged.problems()},
                        {"exact", r.is_exact()},
                        {"calibrated", r.is_calibrated()},
                        {"coverage", number_or_null(r.judged.coverage().value)},
                        {"coverage_se", number_or_null(r.judged.coverage().standard_error)},
                        {"spread_skill", number_or_null(r.judged.spread_skill().value)},
                        {"spread_skill_se", number_or_null(r.judged.spread_skill().standard_error)},
                        {"crps", number_or_null(r.judged.crps().value)},
                        {"crps_se", number_or_null(r.judged.crps().standard_error)},
                        {"error", number_or_null(r.judged.error().value)},
                        {"log_z_error", number_or_null(root_mean_square(r.log_z_error))},
                        {"log_z_scores", number_or_null(root_mean_square(r.log_z_score))},
                        {"ess", number_or_null(r.ess / n)},
                        {"evaluations", number_or_null(r.evaluations / n)},
                        {"seconds", number_or_null(r.seconds / n)},
                        {"warned", r.warned}});
    }
    told.end_table();
}

/// What is seen as an image of pixels: of a mask the pixels not seen are grey, small images are enlarged.
std::vector<float> seen_image(const problem& of) {
    std::vector<float> image(static_cast<std::size_t>(pixels), 0.0f);
    const auto& by = of.by;
    for (std::size_t k = 0; k < by.pixels_seen.size(); ++k)
        image[static_cast<std::size_t>(by.pixels_seen[k])] = of.seen[k];
    if (!by.pixels_seen.empty()) return image;
    const std::size_t factor = shape.width / by.seen_shape.width;
    for (std::size_t y = 0; y < shape.height; ++y)
        for (std::size_t x = 0; x < shape.width; ++x)
            image[y * shape.width + x] = of.seen[y / factor * by.seen_shape.width + x / factor];
    return image;
}
/// The picture of a measurement: a column for each problem, and as rows the truth, what was seen, and of each
/// method that is shown the mean, the deviation and one sample.
class picture {
public:
    picture(const measured_by& by, std::vector<std::string> shown) : shown_(std::move(shown)) {
        grid_ = {.title = by.title, .shape = shape, .shades = {1, -1}, .zoom = 5};
        for (const char* name : {"truth", "seen"}) grid_.rows.push_back({.label = name});
        for (const auto& name : shown_)
            for (const char* what : {"mean", "deviation", "a sample"})
                grid_.rows.push_back({.label = name + ": " + what});
    }
    [[nodiscard]] bool shows(const std::string& method) const {
        return std::find(shown_.begin(), shown_.end(), method) != shown_.end();
    }
    void add(const problem& of, const std::vector<const outcome*>& found, philox rng) {
        std::size_t row = 0;
        const auto put = [&](const auto& image) {
            for (const auto x : image) grid_.rows[row].pixels.push_back(static_cast<float>(x));
            ++row;
        };
        put(of.truth);
        put(seen_image(of));
        for (const outcome* each : found) {
            auto summary = diamond::summarise(each->samples);
            put(summary.mean);
            for (double& s : summary.deviation) s = 2.0 * s - 1.0; // 0 is white and 1 black
            put(summary.deviation);
            std::vector<double> sample;
            const index_t j = diamond::draw_equal(each->samples, 1, rng).front();
            for (index_t i = 0; i < pixels; ++i) sample.push_back(each->samples(i, j));
            put(sample);
        }
    }
    [[nodiscard]] diamond::plot::canvas drawn() const { return diamond::plot::draw(grid_); }

private:
    std::vector<std::string> shown_;
    diamond::plot::image_grid grid_;
};

void run(const options& chosen) {
    studies::make_folder_of(chosen.out / "report.md");
    const context on{.threads = chosen.threads};
    const auto data = digits::load(chosen.data);
    const double h = digits::trained_bandwidth(chosen.weights, {"diamond"}, {});
    std::vector<class_model> laws;
    for (int label = 0; label < digits::classes; ++label)
        laws.emplace_back(on, digits::chosen_images(data.train, label), h);
    const budget size{chosen.particles, chosen.steps};
    auto methods = exact_methods(size);
    const std::size_t exact = methods.size();
    if (chosen.learned > 0)
        // The learned map costs more an evaluation, and gets half the particles and fewer problems.
        for (auto& each : learned_methods({std::max<index_t>(8, size.particles / 2), size.steps},
                                          digits::load_network(on, chosen.weights, "diamond")))
            methods.push_back(std::move(each));
    std::vector<std::string> in_picture{"exact draws", "SMC, guided, moments", "DPS"};
    if (chosen.learned > 0) in_picture.emplace_back("learned, SMC, guided, moments");

    studies::report told;
    told.line("# Inverse problems with known answers\n");
    told.line(
        text("%td problems a measurement, the first %td of them for the learned map, seed %llu; %td "
             "particles, half as many of the learned map, %td steps. The class of a digit is known; truths "
             "are draws of the exact model of the class, the training images smoothed by %.2f.",
             chosen.problems, std::min(chosen.learned, chosen.problems),
             static_cast<unsigned long long>(chosen.seed), chosen.particles, chosen.steps, h));
    auto rows = nlohmann::ordered_json::array();
    const studies::progress_line progress;
    const auto kinds = measurements(on);
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
        if (std::find(chosen.kinds.begin(), chosen.kinds.end(), kinds[kind].name) == chosen.kinds.end())
            continue;
        picture drawn(kinds[kind], in_picture);
        std::vector<record> records;
        for (const auto& each : methods) records.push_back({each.name});
        for (index_t p = 0; p < chosen.problems; ++p) {
            const auto label = static_cast<std::int32_t>(p % digits::classes);
            const philox rng = philox{.seed = chosen.seed}
                                   .split(static_cast<std::uint64_t>(kind))
                                   .split(static_cast<std::uint64_t>(p));
            const problem of(on, laws[static_cast<std::size_t>(label)], label, kinds[kind], rng);
            std::vector<outcome> found;
            for (std::size_t k = 0; k < (p < chosen.learned ? methods.size() : exact); ++k) {
                progress.show(text("%s, problem %td of %td, %s", kinds[kind].name.c_str(), p + 1,
                                   chosen.problems, methods[k].name.c_str()));
                found.push_back(methods[k].run(of, on, rng.split(100 + k)));
                records[k].add(of, found.back());
            }
            // The picture has one problem of each class, of those that all methods have run.
            if (p >= digits::classes || found.size() < methods.size()) continue;
            std::vector<const outcome*> shown;
            for (std::size_t k = 0; k < methods.size(); ++k)
                if (drawn.shows(methods[k].name)) shown.push_back(&found[k]);
            drawn.add(of, shown, rng);
        }
        write(told, rows, kinds[kind], records);
        told.picture(chosen.out, kinds[kind].name, drawn.drawn());
    }
    told.write(chosen.out / "report.md");
    diamond::io::write_json(chosen.out / "report.json", rows);
    std::printf("\n%s: report.md, report.json and a picture of each measurement\n", chosen.out.c_str());
}

int from_command_line(int argc, char** argv) {
    options chosen;
    CLI::App app{
        "Holds posteriors of digits that were masked, made smaller, blurred or noised against truths drawn "
        "from the model: coverage, CRPS, spread and log Z of every method."};
    const auto add = [&](const char* name, index_t& of, index_t from, index_t to, const char* what) {
        app.add_option(name, of, what)->check(CLI::Range(from, to))->capture_default_str();
    };
    add("--problems", chosen.problems, 2, 100000, "truths of each measurement, of the ten classes in turn");
    add("--particles", chosen.particles, 8, 1000000, "of a run");
    add("--steps", chosen.steps, 3, 100000, "of a run");
    app.add_option("--measurements", chosen.kinds, "which of them are run")
        ->check(CLI::IsMember(chosen.kinds))
        ->capture_default_str();
    add("--learned", chosen.learned, 0, 100000,
        "problems of each measurement that the learned map is given, too; 0 leaves it out");
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    app.add_option("--threads", chosen.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--data", chosen.data, "folder of images.npy, labels.npy and held_out.npy")
        ->capture_default_str();
    app.add_option("--weights", chosen.weights, "folder of diamond.safetensors")->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report and its picture")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    run(chosen);
    return 0;
}

} // namespace inverse

int main(int argc, char** argv) {
    return examples::run_main("inverse", [&] { return inverse::from_command_line(argc, argv); });
}
