/// This header measures samples of noise that was moved up its own likelihood, beside those of noise that was
/// only shrunk.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <diamond/align/self_guidance.hpp>
#include <diamond/plot/image_grid.hpp>

#include "../shared/energy_distance.hpp"
#include "../shared/likelihood.hpp"
#include "../shared/self_guidance.hpp"
#include "frechet_distance.hpp"
#include "study.hpp"

namespace mnist {

/// The default is the quick run.
struct self_guidance_options {
    index_t samples = 200;
    index_t reference = 2000; ///< test images with noise, with which all are compared
    std::vector<index_t> jumps = {1, 2, 4, 8};
    index_t steps = 1;       ///< of guidance
    double step_size = 0.05; ///< of each, by the sign of each derivative
    /// The maps, of which the first is needed and others may be missing.
    std::vector<std::string> maps = {"lagrangian", "shortcut_distill"};

    static self_guidance_options full() { return {.samples = 4096, .reference = 10'000}; }
};

namespace detail {

class self_guidance_table {
public:
    self_guidance_table(const study& of, const self_guidance_options& o, results& to)
        : study_(of),
          options_(o),
          to_(to),
          features_(of.features_of(diamond::to_host(of.drawn_images(of.test(), 0, reference(), own_number)))),
          truth_(studies::cloud(features_, of.judge().features())),
          grouped_(features_, of.judge().features()) {}

    void operator()() {
        std::vector<std::string> there;
        for (const auto& name : options_.maps)
            if (there.empty() || study_.has(name)) // the first must be there, and says so if it is not
                there.push_back(name);
            else
                to_.line("There is no file of " + name + ", which is left out.");
        begin();
        add_floor();
        for (const auto& name : there) of_map(name);
    }

private:
    static constexpr index_t own_number = 601, at_once = 256, shown = 16;

    [[nodiscard]] index_t reference() const { return std::min(options_.reference, study_.test().count()); }
    /// Returns what samples have of a row by the judge's features: their distances to test images.
    [[nodiscard]] row measured(const floats& images) const {
        const floats features = study_.features_of(images);
        const auto energy = energy_distance(
            studies::sample(studies::cloud(features, study_.judge().features())), truth_);
        const auto frechet = frechet_distance(grouped_points(features, study_.judge().features()), grouped_);
        return {{"frechet", frechet.value},
                {"frechet_se", frechet.standard_error},
                {"energy", energy.value},
                {"energy_se", energy.standard_error}};
    }
    static std::string title_of(std::string_view name) {
        for (const auto& which : models)
            if (which.name == name) return std::string(which.title);
        return std::string(name);
    }

    void of_map(const std::string& name) {
        using namespace diamond;
        const auto map = study_.joint_model_of(name);
        const objective_options base{.base_deviation = map.base_deviation()};
        const diamond::self_guidance_options by{.steps = options_.steps, .step_size = options_.step_size};
        const auto pictured = options_.jumps.front();
        plot::image_grid grid{.title = title_of(name) + ", " + studies::evaluations(pictured),
                              .shape = shape,
                              .shades = {-1, 1},
                              .zoom = 2};
        for (const index_t jumps : options_.jumps) {
            std::vector<double> unguided;
            const auto tell = [&](const std::string& noise, index_t more, const auto& move) {
                line_.show(title_of(name) + ", " + noise + ", " + studies::evaluations(jumps + more));
                const stopwatch clock;
                const auto drawn = studies::moved(study_.where(), map, jumps, options_.samples,
                                                  study_.rng().split(own_number), move, at_once);
                const double seconds = clock.seconds();
                if (unguided.empty()) unguided = drawn.log_p;
                const auto told = studies::compare(drawn.log_p, unguided);
                row numbers{{"method", title_of(name) + ", " + noise},
                            {"map", name},
                            {"noise", noise},
                            {"jumps", jumps},
                            {"evaluations", jumps + more},
                            {"samples", options_.samples},
                            {"seconds", seconds},
                            {"log_p", told.mean},
                            {"log_p_se", told.standard_error}};
                if (noise != "unguided") {
                    numbers["log_p_gain"] = told.difference;
                    numbers["log_p_gain_se"] = told.difference_error;
                }
                numbers.update(measured(drawn.samples));
                to_.add(std::move(numbers));
                if (jumps == pictured)
                    grid.rows.push_back({.label = noise,
                                         .pixels = floats(drawn.samples.begin(),
                                                          drawn.samples.begin() +
                                                              std::min(shown, options_.samples) * pixels)});
            };
            tell("unguided", 0, [](auto) {});
            self_guidance guided{negative_log_likelihood{map, base}, by};
            tell("guided", cost::vjp_weight * options_.steps, [&](auto x_0) { guided(x_0); });
            self_guidance control{negative_log_prior<batch>{pixels, base}, by};
            tell("control", 0, [&](auto x_0) { control(x_0); });
        }
        to_.picture(study_.settings().out, "self_guidance_" + name, grid);
    }

    /// Adds what images of the training part have, which no model can do better than.
    void add_floor() {
        const auto count = std::min(options_.samples, study_.train().count());
        row numbers{
            {"method", "training images"}, {"noise", "floor"}, {"evaluations", 0}, {"samples", count}};
        numbers.update(
            measured(diamond::to_host(study_.drawn_images(study_.train(), 0, count, own_number + 1))));
        to_.add(std::move(numbers));
    }

    void begin() {
        to_.table(
            "self_guidance", "Self-guidance",
            std::to_string(options_.samples) + " samples of each kind, of the same noise, which " +
                std::to_string(options_.steps) + " step" + (options_.steps == 1 ? "" : "s") + " of " +
                diamond::digits_of(options_.step_size) +
                " by the signs of derivatives move up the map's own log p of one evaluation (guided), or up "
                "the noise's own log-density alone, which knows nothing of images (control). Distances "
                "are those of the judge's features to those of " +
                std::to_string(reference()) +
                " test images with the noise of the models' law, Frechet distances too large by what so few "
                "samples add; as many training images with that noise are the floor. log p in nats is what "
                "the map claims of its samples by these jumps; the gain, over the unguided ones, has the "
                "error of the differences sample by sample. A step of guidance counts as three evaluations, "
                "a vector-Jacobian product.",
            {{"method", "method"},
             {"jumps", "jumps"},
             {"evaluations", "evaluations"},
             {"frechet", "Frechet distance", "%.3f"},
             {"energy", "energy distance", "%.4f"},
             {"log_p", "claimed log p", "%.1f"},
             {"log_p_gain", "gain", "%+.2f"},
             {"seconds", "s", "%.1f"}});
    }

    const study& study_;
    const self_guidance_options& options_;
    results& to_;
    floats features_; ///< of the test images
    studies::sample truth_;
    grouped_points grouped_;
    studies::progress_line line_;
};

} // namespace detail

/// Adds the table `self_guidance`. @throws diamond::io::file_error without the first map.
inline void measure_self_guidance(const study& of, const self_guidance_options& o, results& to) {
    detail::self_guidance_table(of, o, to)();
}

} // namespace mnist
