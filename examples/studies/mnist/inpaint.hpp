/// This header fills in images of which a part is unknown, and enlarges small ones, and holds what comes out
/// against truths: drawn from the model, whose intervals should cover as they say, and of the test part.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <diamond/calibration/calibration.hpp>
#include <diamond/plot/image_grid.hpp>

#include "../shared/posterior_runs.hpp"
#include "alignment_methods.hpp"
#include "measured_kinds.hpp"

namespace mnist {

struct inpaint_options {
    std::string model = "taught";
    std::vector<std::string> kinds = {"middle", "small"};
    std::vector<std::string> methods = {"draws", "smc_islands"};
    index_t problems = 6;    ///< truths drawn from the model
    index_t test_images = 3; ///< truths of the test part
    index_t particles = 96, steps = 12;
    index_t island = 4;      ///< particles of a small island, of which an independent draw comes
    index_t draws = 4;       ///< of a particle's posterior, for its value
    double deviation = 0.05; ///< of the noise of each number that is seen
    double variance = 0.1;   ///< of a pixel, by which guides guess what a noised image says of it
    index_t shown = 6;       ///< problems in a picture

    static inpaint_options full() {
        inpaint_options o;
        o.methods = {"draws", "smc_denoised", "smc_islands", "smc_moments", "guidance_denoised", "dps"};
        o.problems = 64;
        o.test_images = 32;
        o.particles = 128;
        o.steps = 24;
        return o;
    }
};

/// A problem: a truth, what is seen of it, and the reward of that.
struct inpaint_problem {
    std::vector<double> truth;
    floats seen;
    measurement_reward reward;
};

/// A method that draws from the posterior of a problem.
struct inpaint_method {
    std::string name, title;
    std::function<studies::posterior_outcome(const network_family&, const inpaint_problem&,
                                             const inpaint_options&, diamond::philox)>
        run;
};

inline const std::vector<inpaint_method>& inpaint_methods() {
    using namespace diamond;
    const auto size = [](const inpaint_options& o) { return studies::run_size{o.particles, o.steps}; };
    const auto guided = [](const network_family& f, const inpaint_problem& p, const inpaint_options& o) {
        return measurement_guided_kernel{
            f.where(), early_stop_kernel{f.map()}, f.field(), p.reward, {.variance = o.variance}};
    };
    const auto denoised = [](const network_family& f, const inpaint_problem& p, const inpaint_options& o) {
        return denoised_moment_value{
            f.where(), linear_schedule{}, f.field(), p.reward, {.variance = o.variance}};
    };
    static const std::vector<inpaint_method> all{
        {"draws", "draws, nothing seen",
         [=](const network_family& f, const inpaint_problem&, const inpaint_options& o, philox rng) {
             chain prior{early_stop_kernel{f.map()},
                         {.particles = o.particles, .times = studies::times_of(size(o), o.deviation)}};
             const stopwatch clock;
             auto found = prior(f.where(), rng, f.condition());
             found.seconds = clock.seconds();
             return studies::outcome_of(found, {});
         }},
        {"smc_denoised", "SMC, guided, denoised moments",
         [=](const network_family& f, const inpaint_problem& p, const inpaint_options& o, philox rng) {
             return studies::by_smc(f.where(), rng, size(o), o.deviation, guided(f, p, o), denoised(f, p, o),
                                    f.condition());
         }},
        {"smc_islands", "SMC in small islands, equal weight",
         [=](const network_family& f, const inpaint_problem& p, const inpaint_options& o, philox rng) {
             // Islands share nothing, and each counts alike: not exact, but as wide as their guides are.
             const index_t islands = std::max<index_t>(1, o.particles / o.island);
             std::vector<philox> rngs;
             for (index_t g = 0; g < islands; ++g) rngs.push_back(rng.split(static_cast<std::uint64_t>(g)));
             grouped_smc sampler{guided(f, p, o),
                                 denoised(f, p, o),
                                 {.particles = o.island,
                                  .times = studies::times_of(size(o), o.deviation),
                                  .pilot_particles = 0}};
             const stopwatch clock;
             const auto runs = sampler(f.where(), rngs, f.condition());
             studies::posterior_outcome all{.samples = {.dimension = pixels}, .evaluations = 0.0};
             for (const auto& one : runs) {
                 const auto found = studies::outcome_of(one, one.weights());
                 all.samples.values.insert(all.samples.values.end(), found.samples.values.begin(),
                                           found.samples.values.end());
                 for (const double w : found.samples.weights)
                     all.samples.weights.push_back(w / static_cast<double>(islands));
                 all.evaluations += found.evaluations;
             }
             // of the particles that were asked for, of which islands may leave some out
             all.evaluations *= static_cast<double>(o.particles) / static_cast<double>(islands * o.island);
             all.ess = all.samples.effective();
             all.seconds = clock.seconds();
             return all;
         }},
        {"smc_moments", "SMC, guided, moments",
         [=](const network_family& f, const inpaint_problem& p, const inpaint_options& o, philox rng) {
             return studies::by_smc(f.where(), rng, size(o), o.deviation, guided(f, p, o),
                                    moment_value{f.draws(), p.reward, {.samples = o.draws}}, f.condition());
         }},
        {"chains", "renoise chains",
         [=](const network_family& f, const inpaint_problem& p, const inpaint_options& o, philox rng) {
             return studies::by_chain(f.where(), rng, size(o), f.draws(), p.reward, f.condition());
         }},
        {"guidance_denoised", "guidance, denoised moments",
         [=](const network_family& f, const inpaint_problem& p, const inpaint_options& o, philox rng) {
             return studies::by_guidance(f.where(), rng, size(o), o.deviation, f.field(), denoised(f, p, o),
                                         f.condition());
         }},
        {"dps", "DPS",
         [=](const network_family& f, const inpaint_problem& p, const inpaint_options& o, philox rng) {
             return studies::by_guidance(f.where(), rng, size(o), o.deviation, f.field(),
                                         denoised_value{linear_schedule{}, f.field(), p.reward},
                                         f.condition());
         }},
    };
    return all;
}
inline std::vector<std::string> inpaint_names() {
    std::vector<std::string> names;
    for (const auto& each : inpaint_methods()) names.push_back(each.name);
    return names;
}

namespace detail {

/// A mean over problems and its standard error.
struct mean_over {
    std::vector<double> of = {};
    [[nodiscard]] double value() const {
        double sum = 0.0;
        for (const double x : of) sum += x;
        return of.empty() ? NAN : sum / static_cast<double>(of.size());
    }
    [[nodiscard]] double error() const {
        const auto n = static_cast<double>(of.size());
        double squares = 0.0;
        for (const double x : of) squares += diamond::square(x - value());
        return of.size() < 2 ? NAN : std::sqrt(squares / (n - 1.0) / n);
    }
};

/// What a method has come to over problems.
struct inpaint_record {
    diamond::calibration in_pixels = diamond::calibration{{.level = 0.9}},
                         in_regions = diamond::calibration{{.level = 0.9}};
    mean_over distance = {}, agreement = {}, ess = {}, evaluations = {}, seconds = {}, log_z = {};
    index_t warned = 0;

    void add(const study& from, const measured_kind& kind, const inpaint_options& o,
             const inpaint_problem& problem, const studies::posterior_outcome& found) {
        const auto truth = [&](const std::vector<std::vector<index_t>>& regions) {
            return means_of({pixels, problem.truth, {1.0}}, regions).values;
        };
        const auto alone = each_alone(kind.unknown);
        in_pixels.add(means_of(found.samples, alone), truth(alone));
        in_regions.add(means_of(found.samples, kind.regions), truth(kind.regions));

        const auto rows = static_cast<std::size_t>(from.judge().features());
        const floats real_image(problem.truth.begin(), problem.truth.end());
        const floats drawn(found.samples.values.begin(), found.samples.values.end());
        const floats at = from.features_of(real_image), own = from.features_of(drawn);
        const int of = from.judge().classes_of(real_image.data(), 1).front();
        const auto classes_drawn = from.judge().classes_of(drawn.data(), found.samples.count());
        double far = 0.0, agree = 0.0;
        for (std::size_t j = 0; j < classes_drawn.size(); ++j) {
            double squares = 0.0;
            for (std::size_t i = 0; i < rows; ++i)
                squares += diamond::square(static_cast<double>(own[i + rows * j] - at[i]));
            far += found.samples.weights[j] * std::sqrt(squares);
            agree += classes_drawn[j] == of ? found.samples.weights[j] : 0.0;
        }
        distance.of.push_back(far);
        agreement.of.push_back(agree);
        if (std::isfinite(found.ess)) ess.of.push_back(found.ess);
        if (std::isfinite(found.log_z)) log_z.of.push_back(found.log_z);
        evaluations.of.push_back(found.evaluations / static_cast<double>(o.particles));
        seconds.of.push_back(found.seconds);
        warned += found.warned ? 1 : 0;
    }
    [[nodiscard]] row numbers(const std::string& truths, const std::string& title) const {
        const auto covered = in_pixels.coverage(), region = in_regions.coverage(),
                   skill = in_pixels.spread_skill(), crps = in_pixels.crps(), error = in_pixels.error();
        return {{"truth", truths},
                {"method", title},
                {"evaluations", evaluations.value()},
                {"seconds", seconds.value()},
                {"problems", in_pixels.problems()},
                {"coverage", covered.value},
                {"coverage_se", covered.standard_error},
                {"region_coverage", region.value},
                {"region_coverage_se", region.standard_error},
                {"spread_skill", skill.value},
                {"spread_skill_se", skill.standard_error},
                {"crps", crps.value},
                {"crps_se", crps.standard_error},
                {"error", error.value},
                {"error_se", error.standard_error},
                {"feature_distance", distance.value()},
                {"feature_distance_se", distance.error()},
                {"agreement", 100.0 * agreement.value()},
                {"agreement_se", 100.0 * agreement.error()},
                {"ess", ess.value()},
                {"log_z", log_z.value()},
                {"warned", warned}};
    }
};

class inpainting {
public:
    inpainting(const study& from, const inpaint_options& o, results& told)
        : from_(from), o_(o), told_(told), family_(family_of(from, o.model)) {}

    void run() {
        const auto kinds = measured_kinds(from_.where());
        for (std::size_t k = 0; k < kinds.size(); ++k)
            if (std::ranges::find(o_.kinds, kinds[k].name) != o_.kinds.end()) run(kinds[k], k);
    }

private:
    /// Truths of the law that methods sample: the very chain, without a measurement.
    [[nodiscard]] floats drawn_truths(diamond::philox rng) const {
        diamond::chain prior{
            diamond::early_stop_kernel{family_.map()},
            {.particles = o_.problems, .times = studies::times_of({o_.problems, o_.steps}, o_.deviation)}};
        return diamond::to_host(prior(from_.where(), rng, family_.condition()).particles);
    }
    [[nodiscard]] inpaint_problem problem_of(const measured_kind& kind, const real* image,
                                             diamond::philox rng) const {
        auto by = kind.of;
        const auto z = diamond::from_host<real>(from_.where(), pixels, 1, floats(image, image + pixels));
        batch y(from_.where(), by.outputs(), 1), noise(from_.where(), by.outputs(), 1);
        by(z.read(), y.mutable_view());
        draw_normal(rng.stream(diamond::purpose::user, 1), noise.mutable_view());
        assign(y, y + o_.deviation * noise);
        const floats seen = diamond::to_host(y);
        return {{image, image + pixels}, seen, {from_.where(), by, seen, o_.deviation}};
    }
    /// Shows what is seen: what is not is magenta, small pixels are enlarged.
    [[nodiscard]] static floats seen_image(const measured_kind& kind, const floats& seen) {
        floats image(static_cast<std::size_t>(pixels), std::numeric_limits<real>::quiet_NaN());
        for (std::size_t k = 0; k < kind.seen.size(); ++k)
            image[static_cast<std::size_t>(kind.seen[k])] = seen[k];
        if (!kind.seen.empty()) return image;
        const auto small = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(seen.size()))));
        const index_t factor = side / small;
        for (index_t y = 0; y < side; ++y)
            for (index_t x = 0; x < side; ++x)
                image[static_cast<std::size_t>(x + side * y)] = seen[static_cast<std::size_t>(
                    y / factor * small + x / factor)];
        return image;
    }
    void run(const measured_kind& kind, std::size_t number) {
        told_.table("inpaint_" + kind.name, "Measurements: " + kind.title,
                    kind.title + ", with noise of deviation " + diamond::digits_of(o_.deviation) + "; " +
                        std::to_string(o_.particles) + " particles, " + std::to_string(o_.steps) +
                        " steps of the model " + o_.model +
                        ". Truths of the model are draws of the same chain without a measurement, so that 90 "
                        "% intervals of an exact posterior cover 0.9 of them; those of the test part are "
                        "not. Coverage of the unknown pixels and of means of regions, ± by the spread over "
                        "problems; spread/error is 1 where posteriors are right. The feature distance of "
                        "draws to the truth and the share of draws that the judge finds of the truth's class "
                        "are the judge's.",
                    {{"truth", "truths"},
                     {"method", "method"},
                     {"problems", "problems"},
                     {"evaluations", "evaluations a draw", "%.0f"},
                     {"seconds", "seconds a problem", "%.1f"},
                     {"coverage", "coverage of 90 %", "%.3f"},
                     {"region_coverage", "of regions", "%.3f"},
                     {"spread_skill", "spread/error", "%.2f"},
                     {"crps", "CRPS", "%.4f"},
                     {"error", "error of the mean", "%.3f"},
                     {"feature_distance", "feature distance", "%.2f"},
                     {"agreement", "class agrees, %", "%.1f"},
                     {"ess", "ESS", "%.1f"},
                     {"warned", "warned"}});
        const auto rng = from_.rng().split(2000).split(number);
        if (o_.problems > 0) run(kind, "model", drawn_truths(rng.split(0)), rng.split(1));
        if (o_.test_images > 0) {
            const batch z = from_.drawn_images(from_.test(), 0, o_.test_images, 2001);
            run(kind, "test", floats(z.data(), z.data() + z.size()), rng.split(2));
        }
    }
    void run(const measured_kind& kind, const std::string& truths, const floats& images,
             diamond::philox rng) {
        const auto count = static_cast<index_t>(images.size()) / pixels;
        std::vector<inpaint_problem> problems;
        for (index_t p = 0; p < count; ++p)
            problems.push_back(
                problem_of(kind, images.data() + pixels * p, rng.split(static_cast<std::uint64_t>(p))));
        diamond::plot::image_grid grid{.title = kind.title, .shape = shape, .shades = {-1, 1}, .zoom = 3};
        grid.rows.push_back({.label = "truth"});
        grid.rows.push_back({.label = "seen"});
        for (index_t p = 0; p < std::min(count, o_.shown); ++p) {
            const auto& problem = problems[static_cast<std::size_t>(p)];
            const auto put = [&](std::size_t at, const auto& image) {
                for (const auto x : image) grid.rows[at].pixels.push_back(static_cast<float>(x));
            };
            put(0, problem.truth);
            put(1, seen_image(kind, problem.seen));
        }
        for (std::size_t k = 0; k < inpaint_methods().size(); ++k) {
            const auto& method = inpaint_methods()[k];
            if (std::ranges::find(o_.methods, method.name) == o_.methods.end()) continue;
            inpaint_record record;
            const std::size_t rows = grid.rows.size();
            for (const char* what : {"draw", "draw", "mean", "deviation"})
                grid.rows.push_back({.label = method.title + ": " + what});
            for (index_t p = 0; p < count; ++p) {
                line_.show(kind.name + ", " + truths + ", " + method.title + ", problem " +
                           std::to_string(p + 1) + " of " + std::to_string(count));
                const auto& problem = problems[static_cast<std::size_t>(p)];
                const auto own = rng.split(static_cast<std::uint64_t>(p)).split(100 + k);
                const auto found = method.run(family_, problem, o_, own);
                record.add(from_, kind, o_, problem, found);
                if (p < o_.shown) show(found, own, grid, rows);
            }
            line_.show("");
            told_.add(record.numbers(truths, method.title));
        }
        told_.picture(from_.settings().out, "inpaint_" + kind.name + "_" + truths, diamond::plot::draw(grid));
    }
    static void show(const studies::posterior_outcome& found, diamond::philox rng,
                     diamond::plot::image_grid& grid, std::size_t row) {
        for (const index_t j : diamond::draw_equal(found.samples, 2, rng)) {
            for (index_t i = 0; i < pixels; ++i)
                grid.rows[row].pixels.push_back(static_cast<float>(found.samples(i, j)));
            ++row;
        }
        const auto summary = diamond::summarise(found.samples);
        for (const double x : summary.mean) grid.rows[row].pixels.push_back(static_cast<float>(x));
        for (const double x : summary.deviation) // 0 is black and 1 white
            grid.rows[row + 1].pixels.push_back(std::isfinite(x) ? static_cast<float>(2.0 * x - 1.0) : -1.0f);
    }

    const study& from_;
    const inpaint_options& o_;
    results& told_;
    network_family family_;
    studies::progress_line line_;
};

} // namespace detail

/// Draws from posteriors of images given measurements of them. @throws diamond::io::file_error without the
/// model's weights.
inline void measure_inpaint(const study& from, const inpaint_options& o, results& told) {
    detail::inpainting(from, o, told).run();
}

} // namespace mnist
