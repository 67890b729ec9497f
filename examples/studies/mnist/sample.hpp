/// This header measures the laws of the models' samples: against test images by the judge's features and
/// classes, and against training images by the pixels.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <diamond/plot/image_grid.hpp>

#include "../shared/energy_distance.hpp"
#include "../shared/gaussian_draws.hpp"
#include "frechet_distance.hpp"
#include "study.hpp"

namespace mnist {

struct sample_options {
    index_t samples = 500;     ///< of each law
    index_t reference = 2'000; ///< test images with noise, with which all are compared
    index_t nearest = 100;     ///< samples whose nearest training image is looked for
    index_t fitted = 10'000;   ///< training images to which the Gaussian is fitted
    index_t euler_steps = 200; ///< of the teacher's reference
    std::vector<index_t> evaluations = {1, 2, 4, 8};

    /// The sizes of the study's tables.
    static sample_options full() {
        return {.samples = 10'000, .reference = 10'000, .nearest = 1'000, .fitted = 60'000};
    }
};

namespace detail {

/// What the judge and the training images say about samples.
class sample_judge {
public:
    sample_judge(const study& s, const sample_options& o)
        : s_(&s),
          o_(&o),
          training_(made_images(s.train(), 0, s.train().count(), {.dequantised = false}, s.rng()), pixels),
          real_(diamond::to_host(s.drawn_images(s.test(), 0, o.reference, 1))),
          features_(s.features_of(real_)),
          grouped_(features_, s.judge().features()),
          truth_(studies::cloud(features_, s.judge().features())),
          shares_(shares_of(s.judge().classes_of(real_.data(), o.reference), 0, 0)) {
        nearest_ = nearest_of(real_);
    }
    [[nodiscard]] const floats& real() const { return real_; }

    /// Returns what of a table's row the samples have.
    [[nodiscard]] row measured(const floats& samples) const {
        const index_t count = static_cast<index_t>(samples.size()) / pixels, rows = s_->judge().features();
        const floats features = s_->features_of(samples);
        const grouped_points grouped(features, rows);
        const estimate frechet = frechet_distance(grouped, grouped_);
        const auto energy = energy_distance(studies::sample(studies::cloud(features, rows)), truth_);
        const auto told = s_->judge().classes_of(samples.data(), count);
        const auto shares = shares_of(told, 0, 0);
        const auto without = [&](index_t g) {
            return distance(shares_of(told, grouped.first_of(g), grouped.first_of(g + 1)), shares_);
        };
        const estimate nearest = nearest_of(samples);
        const double ratio = nearest.value / nearest_.value;
        row result{{"samples", count},
                   {"frechet", frechet.value},
                   {"frechet_se", frechet.standard_error},
                   {"energy", energy.value},
                   {"energy_se", energy.standard_error},
                   {"shares_l2", distance(shares, shares_)},
                   {"shares_l2_se", std::sqrt(jackknife_variance(grouped.groups(), without))},
                   {"nearest", ratio},
                   {"nearest_se", ratio * std::hypot(nearest.standard_error / nearest.value,
                                                     nearest_.standard_error / nearest_.value)}};
        for (std::size_t c = 0; c < shares.size(); ++c) result["share_" + std::to_string(c)] = shares[c];
        return result;
    }
    /// Returns the row of the reference itself, which has classes only.
    [[nodiscard]] row of_reference() const {
        row result{{"samples", o_->reference}, {"nearest", 1.0}};
        for (std::size_t c = 0; c < shares_.size(); ++c) result["share_" + std::to_string(c)] = shares_[c];
        return result;
    }

private:
    using shares = std::array<double, classes>;

    /// Returns the shares of the classes without images first, ..., last - 1.
    static shares shares_of(const std::vector<int>& told, index_t first, index_t last) {
        shares result{};
        const double all = static_cast<double>(told.size()) - static_cast<double>(last - first);
        for (index_t j = 0; j < static_cast<index_t>(told.size()); ++j)
            if (j < first || j >= last)
                result[static_cast<std::size_t>(told[static_cast<std::size_t>(j)])] += 1.0 / all;
        return result;
    }
    static double distance(const shares& x, const shares& y) {
        double sum = 0.0;
        for (std::size_t c = 0; c < x.size(); ++c) sum += diamond::square(x[c] - y[c]);
        return std::sqrt(sum);
    }
    /// Returns the median distance of the first samples to their nearest training image, and its error, half
    /// of what lies between the order statistics one standard error of a median's rank below and above it.
    [[nodiscard]] estimate nearest_of(const floats& samples) const {
        const auto size = std::min(samples.size(), static_cast<std::size_t>(o_->nearest * pixels));
        Eigen::ArrayXf all = nearest_distances(
            studies::cloud({samples.begin(), samples.begin() + static_cast<index_t>(size)}, pixels),
            training_);
        std::sort(all.data(), all.data() + all.size());
        const index_t middle = all.size() / 2,
                      apart = std::max<index_t>(
                          1, static_cast<index_t>(std::sqrt(static_cast<double>(all.size())) / 2.0 + 0.5));
        const auto at = [&](index_t k) { return static_cast<double>(all[k]); };
        return {at(middle), (at(std::min(middle + apart, all.size() - 1)) - at(middle - apart)) / 2.0};
    }

    const study* s_;
    const sample_options* o_;
    studies::cloud training_;
    floats real_, features_;
    grouped_points grouped_;
    studies::sample truth_;
    shares shares_;
    estimate nearest_;
};

/// The table of the laws and their picture, to which one is added after the other.
class sample_table {
public:
    sample_table(const study& s, const sample_options& o, results& into)
        : s_(&s), o_(&o), into_(&into), judge_(s, o) {
        std::vector<column> columns{{"method", "law"},
                                    {"evaluations", "evaluations"},
                                    {"frechet", "Frechet distance", "%.2f"},
                                    {"energy", "energy distance", "%.4f"},
                                    {"shares_l2", "L2 of the shares", "%.3f"},
                                    {"nearest", "nearest training image", "%.2f"},
                                    {"seconds", "seconds", "%.1f"}};
        for (int c = 0; c < classes; ++c)
            columns.push_back({"share_" + std::to_string(c), std::to_string(c), "%.3f"});
        const auto n = std::to_string(o.samples);
        into.table("sample", "Samples",
                   n + " samples of each law against " + std::to_string(o.reference) +
                       " test images with the models' noise of " + diamond::digits_of(s.noise()) +
                       ", in the judge's " + std::to_string(s.judge().features()) +
                       " features: the Frechet distance (squared; ± by the jackknife over 20 groups of each "
                       "sample), which is too large by some constant over the number of samples, the same "
                       "for all rows, as the floor of training images says; the unbiased energy distance; "
                       "the L2 distance of the shares of the classes that the judge finds from those of the "
                       "test images; the median distance of " +
                       std::to_string(std::min(o.nearest, o.samples)) +
                       " samples to the nearest of all training images without noise, over that of as many "
                       "test images; the seconds of drawing all samples; and the shares. Models start from "
                       "the same noise.",
                   std::move(columns));
    }
    [[nodiscard]] const sample_judge& judge() const { return judge_; }

    /// Adds samples; NaN where there are no evaluations or seconds to state.
    void add(const std::string& method, const std::string& network, double evaluations, double seconds,
             const floats& samples, bool pictured) {
        add_row(method, network, evaluations, seconds, judge_.measured(samples));
        if (pictured) picture(method, evaluations, samples);
    }
    void add_reference() {
        add_row("test images", "", NAN, NAN, judge_.of_reference());
        picture("test images", NAN, judge_.real());
    }
    /// Draws from a flow map in so many jumps, which cost so many evaluations.
    template <class Map>
    void add_drawn(const model& of, const std::string& method, const Map& map, index_t jumps,
                   index_t evaluations) {
        line_.show(method + ", " + studies::evaluations(evaluations));
        const diamond::stopwatch clock;
        const floats drawn = s_->drawn(map, jumps, o_->samples, 2, [&](double done) {
            line_.show(method + ", " + studies::evaluations(evaluations) +
                       studies::text(": %.0f %%", 100.0 * done));
        });
        const double seconds = clock.seconds();
        line_.show("");
        add(method, std::string(of.name), static_cast<double>(evaluations), seconds, drawn,
            evaluations == 1 || evaluations == 4 || evaluations == o_->euler_steps);
    }
    template <class Map>
    void add_all(const model& of, const Map& map) {
        for (const index_t evaluations : o_->evaluations)
            add_drawn(of, std::string(of.title), map, evaluations, evaluations);
    }
    void draw(const std::string& name) const {
        into_->picture(s_->settings().out, name,
                       diamond::plot::image_grid{
                           .title = "Samples from the same noise", .shape = shape, .zoom = 2, .rows = rows_});
    }

private:
    void add_row(const std::string& method, const std::string& network, double evaluations, double seconds,
                 const row& measured) {
        row whole{{"method", method}, {"network", network}};
        whole["evaluations"] = std::isfinite(evaluations) ? row(static_cast<index_t>(evaluations)) : row();
        whole["seconds"] = seconds;
        whole.update(measured);
        into_->add(std::move(whole));
    }
    void picture(const std::string& method, double evaluations, const floats& samples) {
        constexpr std::size_t drawn = 20;
        const auto size = std::min(samples.size(), drawn * static_cast<std::size_t>(pixels));
        rows_.push_back(
            {.label = method + (std::isfinite(evaluations)
                                    ? ", " + studies::evaluations(static_cast<std::ptrdiff_t>(evaluations))
                                    : ""),
             .pixels = {samples.begin(), samples.begin() + static_cast<index_t>(size)}});
    }

    const study* s_;
    const sample_options* o_;
    results* into_;
    sample_judge judge_;
    studies::progress_line line_;
    std::vector<diamond::plot::image_row> rows_;
};

} // namespace detail

/// Measures every law: real images, the Gaussian of the training images, the teacher's flow by Euler, and
/// each flow map that there is in the folder of weights.
/// @throws diamond::io::file_error if a model's file is damaged; std::invalid_argument if there are more
/// images of a kind to take than there are.
inline void measure_sample(const study& s, const sample_options& o, results& into) {
    diamond::require(o.samples <= s.train().count() && o.fitted <= s.train().count() &&
                         o.reference <= s.test().count(),
                     "more images of the training or the test part than there are");
    detail::sample_table table(s, o, into);
    table.add_reference();
    table.add("training images (floor)", "", NAN, NAN,
              diamond::to_host(s.drawn_images(s.train(), 0, o.samples, 3)), true);
    {
        const diamond::training_set<batch> points(
            diamond::from_host<real>(s.where(), pixels, o.fitted,
                                     made_images(s.train(), 0, o.fitted, {}, s.rng().split(4))),
            s.noise());
        table.add("Gaussian of " + std::to_string(o.fitted) + " training images", "", NAN, NAN,
                  diamond::to_host(studies::gaussian_draws(
                      points, s.rng().split(4).stream(diamond::purpose::user), o.samples)),
                  true);
    }
    for (const auto& of : models) {
        if (!s.has(of.name)) {
            std::fprintf(stderr, "%s: no such model in %s, which is left out\n", std::string(of.name).c_str(),
                         s.settings().weights.string().c_str());
            continue;
        }
        if (of.kind == model_kind::joint_map) {
            table.add_all(of, s.joint_model_of(of.name));
            continue;
        }
        const network net = s.model_of(of.name);
        if (of.kind != model_kind::velocity) {
            table.add_all(of, diamond::network_flow_map{net});
            continue;
        }
        auto steps = o.evaluations;
        steps.push_back(o.euler_steps);
        for (const index_t n : steps)
            table.add_drawn(of, std::string(of.title) + ", Euler",
                            diamond::ode_flow_map{diamond::network_velocity{net}, diamond::euler{.steps = n}},
                            1, n);
    }
    table.draw("sample_laws");
}

} // namespace mnist
