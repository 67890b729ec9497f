/// This header measures bits per dimension of test images by a few evaluations of the joint maps, beside many
/// steps of the teacher.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <diamond/density/bits_per_dimension.hpp>
#include <diamond/density/divergence.hpp>
#include <diamond/density/hutch_plus_plus.hpp>
#include <diamond/map/network_velocity.hpp>

#include "../shared/likelihood.hpp"
#include "level_code.hpp"
#include "many_steps.hpp"
#include "study.hpp"

namespace mnist {

/// The default is the quick run.
struct likelihood_options {
    index_t images = 48;                             ///< of the test part, the first ones
    index_t exact_images = 2;                        ///< the first of them, whose trace is taken exactly
    index_t nodes = 8;                               ///< times of the path at which the divergence is taken
    index_t steps = 2;                               ///< of the path between two nodes, four evaluations each
    index_t sketch = 4;                              ///< of Hutch++
    index_t probes = 4;                              ///< of Hutch++; Hutchinson has 2 sketch + probes
    std::vector<index_t> evaluations = {8, 4, 2, 1}; ///< of the joint maps

    static likelihood_options full() {
        return {.images = 1000, .exact_images = 64, .nodes = 16, .sketch = 8, .probes = 8};
    }
};

namespace detail {

class likelihood_table {
public:
    likelihood_table(const study& of, const likelihood_options& o, results& to)
        : study_(of),
          options_(o),
          to_(to),
          count_(std::min(o.images, of.test().count())),
          exact_(std::min(o.exact_images, count_)),
          x_(of.drawn_images(of.test(), 0, count_, own_number)),
          teacher_(of.model_of("teacher")) {
        const level_code code(of.train(), of.noise());
        for (index_t j = 0; j < count_; ++j)
            of_levels_.push_back(code(of.test().image(j), x_.data() + j * pixels) - std::log2(levels / 2.0));
    }

    void operator()() {
        using namespace diamond;
        const network_velocity velocity{teacher_};
        line_.show("many steps, exact trace of " + std::to_string(exact_) + " images");
        const auto exact = by_many_steps("many steps, exact trace", exact_divergence{velocity},
                                         options_.nodes, exact_);
        by_exact_ = exact.values.values;
        const auto coarse = by_many_steps("many steps, exact trace, half the nodes",
                                          exact_divergence{velocity},
                                          std::max<index_t>(1, options_.nodes / 2), exact_);
        line_.show("many steps, Hutch++");
        const auto sketched = by_many_steps(
            "many steps, Hutch++",
            hutch_plus_plus_divergence{velocity, {.sketch = options_.sketch, .probes = options_.probes}},
            options_.nodes, count_);
        by_sketch_ = sketched.values.values;
        line_.show("many steps, Hutchinson");
        const auto probed = by_many_steps(
            "many steps, Hutchinson",
            hutchinson_divergence{velocity, {.probes = 2 * options_.sketch + options_.probes}},
            options_.nodes, count_);

        for (const auto& which : models)
            if (which.kind == model_kind::joint_map && !study_.has(which.name))
                to_.line("There is no file of " + std::string(which.name) + ", which is left out.");
        begin();
        for (const auto* each : {&exact, &coarse, &sketched, &probed}) tell(each->values, each->error, true);
        std::vector<studies::likelihoods> drawn;
        for (const auto& which : models) {
            if (which.kind != model_kind::joint_map || !study_.has(which.name)) continue;
            const auto map = study_.joint_model_of(which.name);
            for (const index_t n : options_.evaluations) {
                line_.show(std::string(which.title) + ", " + studies::evaluations(n));
                auto found = by_few(std::string(which.title), map, n);
                tell(found, NAN, false);
                if (n == shown_evaluations) drawn.push_back(std::move(found));
            }
        }
        tell(by_pixels(), NAN, true);
        if (!drawn.empty())
            to_.picture(study_.settings().out, "likelihood_scatter",
                        studies::scatter{.title = "Bits per dimension of each image, 4 evaluations",
                                         .x = "teacher by many steps, Hutch++",
                                         .y = "joint map",
                                         .reference = by_sketch_}
                            .of(drawn));
    }

private:
    static constexpr index_t own_number = 501; // of this part's draws
    static constexpr index_t at_once = 200, shown_evaluations = 4;
    static constexpr std::size_t enough = 8; // images, for a correlation to say anything

    /// Bits of each image, and the root mean square over them of their standard errors.
    struct estimated {
        studies::likelihoods values;
        double error = NAN;
    };

    static void to_bits(std::vector<double>& log_p) {
        for (double& value : log_p) value = diamond::bits_per_dimension(value, pixels, levels);
    }
    template <class Divergence>
    estimated by_many_steps(std::string name, Divergence divergence, index_t nodes, index_t count) {
        const diamond::stopwatch clock;
        many_steps likelihood{std::move(divergence),
                              {.nodes = nodes, .steps = options_.steps, .noise = study_.noise()}};
        estimated result{.values = {.name = std::move(name)}};
        auto& values = result.values.values;
        std::vector<double> errors(static_cast<std::size_t>(count));
        values.resize(errors.size());
        // The exact trace is told of after every few images, since these take seconds each.
        const index_t part = Divergence::random ? at_once : 8;
        studies::in_parts(count, part, [&](index_t first, index_t n) {
            likelihood(x_.read().columns(first, n),
                       study_.rng().split(own_number).split(static_cast<std::uint64_t>(first)),
                       diamond::row(study_.where(), n, values.data() + first),
                       diamond::row(study_.where(), n, errors.data() + first));
            line_.show(result.values.name + ", " + std::to_string(first + n) + " of " +
                       std::to_string(count) + " images");
        });
        to_bits(values);
        double squares = 0.0;
        for (const double error : errors)
            squares += diamond::square(error / (pixels * std::numbers::ln2)) / static_cast<double>(count);
        result.error = std::sqrt(squares);
        result.values.evaluations = likelihood.spent().evaluations() / count;
        result.values.seconds = clock.seconds();
        return result;
    }
    studies::likelihoods by_few(std::string name, const joint_map& map, index_t jumps) {
        const diamond::likelihood_options by{.steps = jumps, .base_deviation = map.base_deviation()};
        auto result = studies::likelihoods_of(std::move(name), map, by, x_.read(), at_once);
        to_bits(result.values);
        studies::add_validity(result, map, by, x_.read(), at_once);
        return result;
    }
    /// Returns the bits by the Gaussian of mean and variance of each pixel, the frame that the networks know.
    studies::likelihoods by_pixels() {
        const auto& frame = teacher_.architecture().frame().numbers();
        studies::likelihoods result{.name = "Gaussian of each pixel", .seconds = 0.0};
        for (index_t j = 0; j < count_; ++j) {
            double log_p = 0.0;
            for (index_t i = 0; i < pixels; ++i) {
                const auto k = static_cast<std::size_t>(i);
                const double off = static_cast<double>(x_.data()[j * pixels + i]) - frame.mean[k];
                log_p -= 0.5 * (diamond::square(off) / frame.variance[k] +
                                std::log(2.0 * std::numbers::pi * frame.variance[k]));
            }
            result.values.push_back(log_p);
        }
        to_bits(result.values);
        return result;
    }

    void begin() {
        const double noise = bits_of_noise(study_.noise());
        const auto images = std::to_string(count_), exact = std::to_string(exact_);
        to_.table(
            "likelihood", "Bits per dimension",
            "Of the first " + images +
                " test images, each grey level spread evenly over its cell, plus the noise N(0, " +
                diamond::digits_of(study_.noise()) +
                "^2 I) in [-1, 1] that the models have learned: bits are -log2 p(x)/784 + log2 128 of such a "
                "noisy image, and no bound of the bits of its 256 levels. The noise alone has " +
                studies::text("%.4f", noise) +
                " of them, below which the mean of no density can be; \"above the noise\" is what exceeds "
                "that. \"Levels\" is such a bound: the bits of the levels by a code that sends the noisy "
                "image "
                "by this density, then the levels given it, pixel by pixel, and gets the noise back. It is "
                "given where p is a density; a map's claim of a few evaluations need not be one. "
                "Many steps are those of the teacher's ODE: the path by Runge and Kutta, the divergence at " +
                std::to_string(options_.nodes) +
                " nodes of Gauss and Legendre in asinh((1 - t)/h), exactly on the first " + exact +
                " images, by Hutch++ of a sketch of " + std::to_string(options_.sketch) + " and " +
                std::to_string(options_.probes) + " probes, and by " +
                std::to_string(2 * options_.sketch + options_.probes) +
                " probes of Hutchinson. Differences are those of the same images: from Hutch++ on all, and "
                "from the exact trace on the " +
                exact +
                "; their errors are of the differences image by image. \"Own error\" is the root mean square "
                "of the standard error of one image's bits by the probes. The round trip is |X_{0,1} X_{1,0} "
                "x - x|, and the gap log p there against back in nats, both root mean square over the "
                "images. "
                "Correlations of fewer than " +
                std::to_string(enough) +
                " images are left out. Evaluations are those of an image, a Jacobian-vector product counting "
                "as two; seconds are those of all images.",
            {{"method", "method"},
             {"evaluations", "evaluations", "%.0f"},
             {"images", "images"},
             {"bits", "bits per dimension", "%.4f"},
             {"above_noise", "above the noise", "%.4f"},
             {"levels_bound", "levels", "%.3f"},
             {"own_error", "own error", "%.2g"},
             {"difference", "minus Hutch++", "%+.4f"},
             {"rmse", "RMS of that", "%.4f"},
             {"correlation", "correlation", "%.4f"},
             {"exact_difference", "minus exact", "%+.4f"},
             {"exact_rmse", "RMS of that", "%.4f"},
             {"exact_correlation", "correlation", "%.4f"},
             {"round_trip", "round trip", "%.3f"},
             {"gap", "gap, nats", "%.3g"},
             {"seconds", "s", "%.1f"}});
    }
    /// Adds the comparison with other numbers of the same first images under these names.
    static void compare_with(row& to, const std::string& prefix, std::span<const double> values,
                             const std::vector<double>& reference) {
        const auto n = std::min(values.size(), reference.size());
        const auto told = studies::compare(values.first(n), std::span(reference).first(n));
        to[prefix + "difference"] = told.difference;
        to[prefix + "difference_se"] = told.difference_error;
        to[prefix + "rmse"] = n < 2 ? NAN : told.root_mean_square;
        to[prefix + "correlation"] = n < enough ? NAN : told.correlation;
    }
    void tell(const studies::likelihoods& of, double own_error, bool is_density) {
        const std::span<const double> values(of.values);
        const auto told = studies::compare(values, values);
        std::vector<double> of_levels(of.values);
        for (std::size_t j = 0; j < of_levels.size(); ++j) of_levels[j] += of_levels_[j];
        const auto bound = studies::compare(of_levels, of_levels);
        row numbers{{"method", of.name},
                    {"evaluations", of.evaluations},
                    {"images", static_cast<std::int64_t>(values.size())},
                    {"seconds", of.seconds},
                    {"bits", told.mean},
                    {"bits_se", told.standard_error},
                    {"above_noise", told.mean - bits_of_noise(study_.noise())},
                    {"levels_bound", is_density ? bound.mean : NAN},
                    {"levels_bound_se", is_density ? bound.standard_error : NAN},
                    {"own_error", own_error > 0.0 ? own_error : NAN},
                    {"round_trip", of.round_trip},
                    {"gap", of.gap}};
        if (of.values != by_sketch_) compare_with(numbers, "", values, by_sketch_);
        if (of.values != by_exact_) compare_with(numbers, "exact_", values, by_exact_);
        to_.add(std::move(numbers));
    }

    const study& study_;
    const likelihood_options& options_;
    results& to_;
    index_t count_, exact_;
    batch x_;
    network teacher_;
    std::vector<double> of_levels_; ///< what bounds the bits of an image's levels beyond those of its density
    std::vector<double> by_exact_, by_sketch_;
    studies::progress_line line_;
};

} // namespace detail

/// Adds the table `likelihood`. @throws diamond::io::file_error without the teacher.
inline void measure_likelihood(const study& of, const likelihood_options& o, results& to) {
    detail::likelihood_table(of, o, to)();
}

} // namespace mnist
