// A measured mixture in 256 dimensions, where every answer is known: how near particles of SMC come to the
// posterior's mean, and how near their Z to the evidence, by values and guides.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <diamond/io/json.hpp>
#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/panels.hpp>
#include <diamond/train/recipes.hpp>

#include "../../run_main.hpp"
#include "../shared/options.hpp"
#include "../shared/output_folder.hpp"
#include "../shared/progress_line.hpp"
#include "../shared/report.hpp"
#include "../shared/run_row.hpp"
#include "../shared/training_line.hpp"
#include "methods.hpp"
#include "plane.hpp"

namespace measured {

using studies::text;

struct options {
    sizes of;
    index_t particles = 256, problems = 5;
    std::vector<index_t> steps{32, 100};
    std::uint64_t seed = 1;
    int threads = 0;
    std::filesystem::path out = "out/measured";
};

/// The rows as an array, with null for what a method has not.
nlohmann::ordered_json json_of(const std::vector<row>& rows) {
    auto all = nlohmann::ordered_json::array();
    for (const row& r : rows) {
        auto one = studies::json_of_run(r);
        one["mmd"] = studies::number_or_null(r.mmd);
        one["sliced_w2"] = studies::number_or_null(r.sliced_w2);
        one["families"] = studies::number_or_null(r.families);
        all.push_back(std::move(one));
    }
    return all;
}

/// The mean over problems of a figure, and its standard deviation over them.
struct over_problems {
    double mean = 0.0, deviation = 0.0;
};
template <class Figure>
over_problems average(const std::vector<const row*>& rows, const Figure& figure) {
    const auto n = static_cast<double>(rows.size());
    over_problems result;
    for (const row* r : rows) result.mean += figure(*r) / n;
    for (const row* r : rows) result.deviation += square(figure(*r) - result.mean) / std::max(n - 1.0, 1.0);
    result.deviation = std::sqrt(result.deviation);
    return result;
}
std::vector<const row*> rows_of(const std::vector<row>& rows, const std::string& method, index_t steps) {
    std::vector<const row*> found;
    for (const row& r : rows)
        if (r.method == method && (r.steps == steps || steps < 0)) found.push_back(&r);
    return found;
}
/// The methods, each as often as it was run with another number of steps, in the order of the first problem.
std::vector<std::pair<std::string, index_t>> lines_of(const std::vector<row>& rows) {
    std::vector<std::pair<std::string, index_t>> lines;
    for (const row& r : rows)
        if (const std::pair line{r.method, r.steps};
            r.problem == 0 && std::find(lines.begin(), lines.end(), line) == lines.end())
            lines.push_back(line);
    return lines;
}

void tell(studies::report& told, const std::vector<row>& rows) {
    told.table(
        "methods", "Methods",
        "Means over the problems, behind ± their standard deviation. The error is that of the weighted "
        "mean of the final particles themselves; log Z is less the exact one; an ancestor's family "
        "counts by its weight; warned: the problems in which the method warns, or has no standard error.",
        {"method", "steps", "error of the mean", "log Z off by", "families", "MMD", "sliced W2",
         "evaluations", "warned"});
    for (const auto& [method, steps] : lines_of(rows)) {
        const auto of = rows_of(rows, method, steps);
        const auto error = average(of, [](const row& r) { return r.mean_error; }),
                   off = average(of, [](const row& r) { return r.log_z - r.log_z_exact; }),
                   families = average(of, [](const row& r) { return r.families; }),
                   mmd = average(of, [](const row& r) { return r.mmd; }),
                   w2 = average(of, [](const row& r) { return r.sliced_w2; }),
                   evaluations = average(of, [](const row& r) { return r.evaluations; });
        const auto warned = std::count_if(of.begin(), of.end(), [](const row* r) {
            return !r->warnings.empty() || std::isnan(r->log_z_se);
        });
        told.row(
            {method,
             text("%td", steps),
             {"%.2f ± %.2f", error.mean, error.deviation},
             {"%.2f ± %.2f", off.mean, off.deviation},
             std::isnan(families.mean) ? studies::cell("–") : studies::cell("%.1f", families.mean),
             {"%.3f", mmd.mean},
             {"%.3f", w2.mean},
             {"%.0f", evaluations.mean},
             text("%td of %td", static_cast<std::ptrdiff_t>(warned), static_cast<std::ptrdiff_t>(of.size()))},
            method + text(", %td steps", steps));
    }
    told.end_table();
}
/// Errors of the mean by evaluations, and the particles of the first problem on a plane.
void draw(studies::report& told, const std::vector<row>& rows, const setting& first,
          const std::filesystem::path& out) {
    using namespace diamond::plot;
    line_plot errors{
        .title = "Error of the posterior mean, 256 dimensions",
        .x = {.label = "network evaluations", .scale = axis_scale::logarithmic},
        .y = {.label = "error, mean over problems ± deviation", .scale = axis_scale::logarithmic}};
    errors.references.push_back({.y = first.floor, .name = "as many exact draws"});
    if (first.of.size.dimension == 256 && first.particles == 256)
        errors.references.push_back(
            {.y = 0.841, .name = "published best (500 steps)", .colour = colours::palette[1]});
    std::vector<std::string> methods;
    for (const auto& [method, steps] : lines_of(rows))
        if (std::find(methods.begin(), methods.end(), method) == methods.end()) methods.push_back(method);
    for (std::size_t k = 0; k < methods.size(); ++k) {
        curve line{
            .name = methods[k], .joined = true, .colour = colours::palette[k % colours::palette.size()]};
        for (const auto& [method, steps] : lines_of(rows)) {
            if (method != methods[k]) continue;
            const auto of = rows_of(rows, method, steps);
            const auto error = average(of, [](const row& r) { return r.mean_error; });
            line.x.push_back(average(of, [](const row& r) { return r.evaluations; }).mean);
            line.y.push_back(error.mean);
            line.error.push_back(std::min(error.deviation, 0.9 * error.mean));
        }
        errors.curves.push_back(std::move(line));
    }
    told.picture(out, "errors", errors);

    const Eigen::MatrixXf below = (first.plane.transpose() * first.exact).cast<float>();
    panel_row clouds{.title = "Particles of the first problem on the plane of the means, over exact draws",
                     .columns = 3,
                     .width = 190};
    for (const row& r : rows) {
        if (r.problem != 0 || r.steps != rows.front().steps) continue;
        clouds.panels.push_back(
            {.title = r.method,
             .clouds = {{.points = {below.data(), below.data() + below.size()},
                         .colour = colours::faded,
                         .radius = 1.0,
                         .alpha = 0.35},
                        {.points = r.cloud, .colour = colours::palette[1], .radius = 1.6, .alpha = 0.6}}});
    }
    told.picture(out, "particles", clouds);
}

void run(const options& chosen) {
    const context where{.threads = chosen.threads};
    studies::make_folder_of(chosen.out / "report.md");
    studies::report told;
    told.line("# A measured mixture\n");
    told.line(
        text("%td dimensions, %td parts, %td numbers measured with variance %g; %td problems, %td particles, "
             "seed %llu.",
             chosen.of.dimension, chosen.of.parts, chosen.of.outputs, chosen.of.noise_variance,
             chosen.problems, chosen.particles, static_cast<unsigned long long>(chosen.seed)));
    const studies::progress_line progress;
    std::vector<row> rows;
    std::optional<problem> first_problem;
    std::optional<setting> first;
    double floors = 0.0;
    for (index_t k = 0; k < chosen.problems; ++k) {
        const auto rng = philox{chosen.seed}.split(static_cast<std::uint64_t>(k));
        const problem of(where, chosen.of, rng.split(0));
        constexpr int repeats = 16;
        double floor = 0.0;
        for (std::uint64_t i = 0; i < repeats; ++i)
            floor += mean_error(equal_weights(of.exact_draws(chosen.particles, rng.split(100 + i))), of) /
                     repeats;
        floors += floor / static_cast<double>(chosen.problems);
        // The plane of the two principal directions of the parts' means.
        const Eigen::JacobiSVD<Eigen::MatrixXd> svd(of.means, Eigen::ComputeThinU);
        const setting given{.of = of,
                            .number = k,
                            .particles = chosen.particles,
                            .rng = rng.split(1),
                            .floor = floor,
                            .exact = of.exact_draws(1024, rng.split(2)),
                            .plane = svd.matrixU().leftCols(2)};
        for (std::size_t s = 0; s < chosen.steps.size(); ++s)
            run_methods(given, chosen.steps[s], s == 0, [&](row one) {
                progress.finish(
                    text("problem %td of %td, %s, %td steps: error %.2f, log Z off by %.2f, %.1f s", k + 1,
                         chosen.problems, one.method.c_str(), one.steps, one.mean_error,
                         one.log_z - one.log_z_exact, one.seconds));
                rows.push_back(std::move(one));
                diamond::io::write_json(chosen.out / "report.json", json_of(rows)); // what is there so far
            });
        if (k == 0) {
            first_problem.emplace(of);
            first.emplace(setting{*first_problem, given.number, given.particles, given.rng, given.floor,
                                  given.exact, given.plane});
        }
    }
    told.line(
        text("\nThe floor, the error of the mean of %td exact draws, is %.3f.", chosen.particles, floors));
    if (chosen.of.dimension == 256 && chosen.particles == 256)
        told.line("Published, as a later paper gives them (arXiv 2609.37227): Feynman-Kac correctors 3.69, "
                  "DriftLite "
                  "2.18, interacting particle guidance 0.841 (500 steps).");
    tell(told, rows);
    draw(told, rows, *first, chosen.out);
    told.write(chosen.out / "report.md");
    std::printf("\n%s: report.md, report.json and the pictures\n", chosen.out.c_str());
}

struct plane_options {
    index_t particles = 4096, seeds = 20, training = 8000;
    std::uint64_t seed = 1;
    int threads = 0;
    std::filesystem::path out = "out/measured_plane";
};

/// Learns a Diamond map of the three Gaussians from draws of them, and holds every method against exact
/// draws.
void run_in_plane(const plane_options& chosen) {
    const context where{.threads = chosen.threads};
    studies::make_folder_of(chosen.out / "report.md");
    const philox rng{chosen.seed};
    constexpr index_t points = 100'000;
    batch drawn(where, 2, points);
    plane_problem::model(where).draw(rng.split(0).stream(purpose::data), drawn.mutable_view());
    const diamond::diamond_training_options training{
        .steps = chosen.training, .batch = 512, .report_every = 10};
    studies::training_line line("the Diamond map", diamond::time_left(training));
    const auto learned = diamond::train_diamond_map(std::move(drawn), rng.split(1),
                                                    {.smooth = {.relative_bandwidth = 0.0}, // points are
                                                                                            // draws of the
                                                                                            // law itself
                                                     .network = {.width = 96, .blocks = 3},
                                                     .training = training,
                                                     .observer = [&](const diamond::training_report& report) {
                                                         line(report);
                                                         return true;
                                                     }});
    const auto lines = run_plane(where, learned, rng.split(2), chosen.seeds, chosen.particles);

    const plane_problem of;
    studies::report told;
    told.line("# Three Gaussians, one number measured\n");
    told.line(
        text("Weights 1/3, means (-3, -3), (0, 0), (3, 3), covariance 0.5 I; y = 1.2 x_1 - 0.8 x_2 + 0.2 e, "
             "y = -1; log Z is %.4f. %td particles, %td seeds from %llu on.",
             of.log_z, chosen.particles, chosen.seeds, static_cast<unsigned long long>(chosen.seed)));
    told.table(
        "plane", "Methods",
        "The sliced Wasserstein distance, of 64 directions, to as many exact draws, mean ± deviation over "
        "the "
        "seeds; the root mean square error of log Z; a run's evaluations and seconds; seeds that warn.",
        {"method", "sliced W2", "error of log Z", "evaluations", "seconds", "warned"});
    const auto root_mean_square = [](const std::vector<double>& x) {
        double sum = 0.0;
        for (const double each : x) sum += square(each) / static_cast<double>(x.size());
        return std::sqrt(sum);
    };
    auto rows = nlohmann::ordered_json::array();
    for (const plane_line& of_method : lines) {
        double mean = 0.0, deviation = 0.0;
        const auto n = static_cast<double>(of_method.sliced_w2.size());
        for (const double w : of_method.sliced_w2) mean += w / n;
        for (const double w : of_method.sliced_w2) deviation += square(w - mean) / std::max(n - 1.0, 1.0);
        const bool has_z = !of_method.log_z.empty();
        told.row(
            {of_method.method,
             {"%.3f ± %.3f", mean, std::sqrt(deviation)},
             has_z ? studies::cell("%.3f", root_mean_square(of_method.log_z)) : studies::cell("–"),
             {"%.0f", of_method.evaluations},
             {"%.2f", of_method.seconds},
             text("%td of %zu", static_cast<std::ptrdiff_t>(of_method.warned), of_method.sliced_w2.size())});
        rows.push_back(
            {{"method", of_method.method},
             {"particles", chosen.particles},
             {"sliced_w2", mean},
             {"sliced_w2_deviation", std::sqrt(deviation)},
             {"log_z_error", has_z ? nlohmann::ordered_json(root_mean_square(of_method.log_z)) : nullptr},
             {"log_z_exact", of.log_z},
             {"evaluations", of_method.evaluations},
             {"seconds", of_method.seconds},
             {"warned", of_method.warned}});
    }
    told.end_table();
    told.line("\nPublished for this problem, by a third party's digest: Ito maps 0.16, Meta Flow Maps 0.51, "
              "diffusion "
              "posterior sampling 1.95.");
    told.write(chosen.out / "report.md");
    diamond::io::write_json(chosen.out / "report.json", rows);
    std::printf("\n%s: report.md and report.json\n", chosen.out.c_str());
}

int from_command_line(int argc, char** argv) {
    options chosen;
    CLI::App app{
        "Holds SMC with moment values and guided proposals against the exact posterior of a measured "
        "mixture of Gaussians. Four minutes on one core."};
    const auto number = [&](const char* name, index_t& of, index_t from, index_t to, const char* what) {
        app.add_option(name, of, what)->check(CLI::Range(from, to))->capture_default_str();
    };
    number("--problems", chosen.problems, 1, 1000, "mixtures, measurements and truths, each of its own");
    number("--particles", chosen.particles, 2, 1000000, "of a run");
    app.add_option("--steps", chosen.steps, "of a run; several numbers run it several times")
        ->check(CLI::Range(1, 100000))
        ->capture_default_str();
    number("--dimension", chosen.of.dimension, 2, 4096, "of the data");
    number("--outputs", chosen.of.outputs, 1, 4096, "numbers that are measured, at most the dimension");
    app.add_option("--seed", chosen.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    app.add_option("--threads", chosen.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    app.add_option("--out", chosen.out, "folder of the report and its pictures")->capture_default_str();

    plane_options in_plane;
    auto& sub = *app.add_subcommand(
        "plane", "three Gaussians in the plane, as other papers print them: half a minute");
    const auto of_plane = [&](const char* name, index_t& of, index_t from, index_t to, const char* what) {
        sub.add_option(name, of, what)->check(CLI::Range(from, to))->capture_default_str();
    };
    of_plane("--particles", in_plane.particles, 2, 1'000'000, "of a run, and exact draws");
    of_plane("--seeds", in_plane.seeds, 1, 10'000, "runs of each method");
    of_plane("--training", in_plane.training, 10, 10'000'000, "steps of the map's training");
    sub.add_option("--seed", in_plane.seed, "of all random numbers")
        ->check(studies::not_negative)
        ->capture_default_str();
    sub.add_option("--threads", in_plane.threads, "0: as many as can work at once")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    sub.add_option("--out", in_plane.out, "folder of the report")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    if (sub.parsed()) {
        run_in_plane(in_plane);
        return 0;
    }
    diamond::require(chosen.of.outputs <= chosen.of.dimension, [&] {
        return text("--outputs %td of --dimension %td: so many numbers cannot be told apart",
                    chosen.of.outputs, chosen.of.dimension);
    });
    run(chosen);
    return 0;
}

} // namespace measured

int main(int argc, char** argv) {
    return examples::run_main("measured", [&] { return measured::from_command_line(argc, argv); });
}
