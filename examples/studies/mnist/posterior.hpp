/// This header measures posterior draws of z given noised test images x_t: against the pairs (x_t, z) of
/// which the x_t were made, and against the teacher's denoiser.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <diamond/plot/image_grid.hpp>

#include "../shared/energy_distance.hpp"
#include "../shared/posterior_draws.hpp"
#include "estimates.hpp"
#include "study.hpp"

namespace mnist {

struct posterior_options {
    index_t pairs = 100;      ///< noised test images at each t
    index_t mean_images = 16; ///< of these, of which the means of draws are measured
    index_t mean_draws = 16;  ///< for such a mean
    index_t most_solved = 48; ///< evaluations of the reference, GLASS by Runge-Kutta 4
    std::vector<index_t> evaluations = {1, 2, 4};
    std::vector<double> times = {0.1, 0.3, 0.5, 0.7, 0.9};

    /// The sizes of the study's tables.
    static posterior_options full() { return {.pairs = 2'000, .mean_images = 256, .mean_draws = 64}; }
};

namespace detail {

/// The test images with noise z, x_t = t z + (1 - t) eps, and what the teacher knows about their posteriors.
class noised_images {
public:
    noised_images(const study& s, const network& teacher, index_t count, double t)
        : s_(&s),
          t_(t),
          z_(diamond::to_host(s.drawn_images(s.test(), 0, count, 11))),
          x_(s.where(), pixels, count),
          denoised_(s.where(), pixels, count) {
        draw_normal(s.rng().split(12).stream(diamond::purpose::initial), x_.mutable_view());
        for (index_t i = 0; i < x_.size(); ++i)
            x_.data()[i] = static_cast<real>(t * z_[static_cast<std::size_t>(i)] + (1.0 - t) * x_.data()[i]);
        // E[z | x_t] = x_t + (1 - t) u on the linear schedule
        const diamond::network_velocity velocity{teacher};
        for (index_t first = 0; first < count; first += at_once) {
            const index_t n = std::min(at_once, count - first);
            auto space = velocity.make_workspace(s.where(), n);
            velocity(x_.read().columns(first, n), diamond::time_view(t), diamond::labels(), space,
                     denoised_.mutable_view().columns(first, n));
        }
        for (index_t i = 0; i < x_.size(); ++i)
            denoised_.data()[i] = static_cast<real>(x_.data()[i] + (1.0 - t) * denoised_.data()[i]);
    }
    [[nodiscard]] index_t count() const { return x_.columns(); }
    [[nodiscard]] const batch& states() const { return x_; }
    [[nodiscard]] const batch& denoised() const { return denoised_; }
    /// The images of which the states were made: one exact draw each from the posteriors.
    [[nodiscard]] const floats& truth() const { return z_; }

    /// Returns M draws for every stride-th image, `images` of them, column j M + i.
    [[nodiscard]] floats drawn(const studies::drawer& d, index_t images, index_t stride, index_t m,
                               index_t which) const {
        const index_t block = std::max<index_t>(1, at_once / m);
        floats result;
        result.reserve(static_cast<std::size_t>(pixels * images * m));
        for (index_t first = 0; first < images; first += block) {
            const index_t n = std::min(block, images - first);
            batch some(s_->where(), pixels, n), z(s_->where(), pixels, n * m);
            for (index_t j = 0; j < n; ++j)
                std::copy_n(x_.data() + pixels * (first + j) * stride, pixels, some.data() + pixels * j);
            const auto own = s_->rng().split(static_cast<std::uint64_t>(which));
            d.draw(some.read(), t_, own.stream(diamond::purpose::value, first, m), z.mutable_view());
            result.insert(result.end(), z.data(), z.data() + z.size());
        }
        return result;
    }

private:
    static constexpr index_t at_once = 500; // the feature maps of so many fit in memory everywhere
    const study* s_;
    double t_;
    floats z_;
    batch x_, denoised_;
};

/// The table of posteriors at one time.
class posterior_table {
public:
    posterior_table(const study& s, const posterior_options& o, const network& teacher, double t,
                    results& into)
        : s_(&s),
          o_(&o),
          t_(t),
          into_(&into),
          at_(s, teacher, o.pairs, t),
          x_(diamond::to_host(at_.states())),
          known_(s.features_of(diamond::to_host(at_.denoised()))),
          truth_(pixel_pairs(at_.truth())),
          truth_features_(feature_pairs(at_.truth())) {
        for (index_t j = 0; j < at_.count(); ++j) {
            double sum = 0.0;
            for (index_t i = pixels * j; i < pixels * (j + 1); ++i)
                sum += diamond::square(static_cast<double>(at_.truth()[static_cast<std::size_t>(i)]) -
                                       static_cast<double>(at_.denoised().data()[i]));
            apart_.push_back(sum);
        }
    }
    [[nodiscard]] const noised_images& images() const { return at_; }

    /// Adds one draw for every image, and what is known about means and spread.
    void add(const std::string& method, double evaluations, double seconds, const floats& z, row moments) {
        const auto in_pixels = paired_energy_distance(pixel_pairs(z), truth_),
                   in_features = paired_energy_distance(feature_pairs(z), truth_features_);
        row whole{{"t", t_}, {"method", method}};
        whole["evaluations"] = std::isfinite(evaluations) ? row(static_cast<index_t>(evaluations)) : row();
        whole["seconds"] = seconds;
        whole["pairs"] = at_.count();
        whole["features"] = in_features.value;
        whole["features_se"] = in_features.standard_error;
        whole["pixels"] = in_pixels.value;
        whole["pixels_se"] = in_pixels.standard_error;
        whole.update(moments);
        into_->add(std::move(whole));
    }
    /// Draws by a drawer, and measures the draws. @return one draw for each image.
    floats add_drawn(const studies::drawer& pristine, index_t which) {
        const studies::drawer d = pristine; // whose memory goes with it
        line_.show(studies::text("t = %.1f: %s, ", t_, d.title.c_str()) +
                   studies::evaluations(d.evaluations));
        const diamond::stopwatch clock;
        floats z = at_.drawn(d, at_.count(), 1, 1, which);
        const double seconds = clock.seconds();
        row moments = moments_of(d, which + 1);
        line_.show("");
        add(d.title, static_cast<double>(d.evaluations), seconds, z, std::move(moments));
        return z;
    }

private:
    /// Returns the error of the means and the spread, in units of what truth is apart from the denoiser.
    [[nodiscard]] row moments_of(const studies::drawer& d, index_t which) const {
        const index_t m = o_->mean_draws, images = std::min(d.images, at_.count()),
                      stride = std::max<index_t>(1, at_.count() / images);
        const floats z = at_.drawn(d, images, stride, m, which);
        std::vector<double> errors, variances, units;
        for (index_t j = 0; j < images; ++j) {
            const auto found = studies::moments_of_draws(
                z.data() + pixels * j * m, at_.denoised().data() + pixels * j * stride, pixels, m);
            errors.push_back(found.error);
            variances.push_back(found.variance);
            units.push_back(apart_[static_cast<std::size_t>(j * stride)]);
        }
        const estimate squared = ratio_of(errors, units), spread = ratio_of(variances, units);
        const double error = std::sqrt(std::max(squared.value, 0.0));
        return {{"mean_images", images},
                {"mean_draws", m},
                {"mean_error", error},
                {"mean_error_se",
                 squared.standard_error / (2.0 * std::max(error, std::sqrt(squared.standard_error)))},
                {"mean_error_squared", squared.value},
                {"mean_error_squared_se", squared.standard_error},
                {"spread", spread.value},
                {"spread_se", spread.standard_error}};
    }
    [[nodiscard]] studies::sample pixel_pairs(const floats& z) const {
        return studies::sample(studies::cloud::joined(x_, z, pixels));
    }
    /// Returns pairs of features: of the teacher's denoiser, for x_t, and of z.
    [[nodiscard]] studies::sample feature_pairs(const floats& z) const {
        return studies::sample(studies::cloud::joined(known_, s_->features_of(z), s_->judge().features()));
    }

    const study* s_;
    const posterior_options* o_;
    double t_;
    results* into_;
    noised_images at_;
    floats x_, known_;
    studies::sample truth_, truth_features_;
    std::vector<double> apart_; ///< |z - E[z | x_t]|^2 of each image
    studies::progress_line line_;
};

/// Returns the ways to draw that there are models for.
inline std::vector<studies::drawer> all_drawers(const study& s, const posterior_options& o,
                                                const network& teacher) {
    using namespace diamond;
    std::vector<studies::drawer> all;
    const index_t few = std::max<index_t>(4, o.mean_images / 4),
                  fewest = std::max<index_t>(4, o.mean_images / 16);
    for (const auto& of : models) {
        if (of.kind != model_kind::diamond_map) continue;
        if (!s.has(of.name)) {
            std::fprintf(stderr, "%s: no such model in %s, which is left out\n", std::string(of.name).c_str(),
                         s.settings().weights.string().c_str());
            continue;
        }
        const network net = s.model_of(of.name);
        for (const index_t evaluations : o.evaluations)
            all.push_back(studies::drawing(
                std::string(of.title), evaluations, o.mean_images,
                diamond_map_posterior{network_diamond_map{net}, {.evaluations = evaluations}}));
    }
    diamond::require(!all.empty(), [&] {
        return s.settings().weights.string() + ": neither taught.safetensors nor diamond.safetensors, a "
                                               "Diamond map, whose posterior draws could be measured: mnist "
                                               "train --network taught makes one";
    });
    const network_velocity velocity{teacher};
    for (const index_t evaluations : o.evaluations)
        studies::add_solved(all, "the teacher", velocity, evaluations, few);
    all.push_back(
        studies::drawing("GLASS of the teacher, Runge-Kutta 4", o.most_solved, fewest,
                         diamond_map_posterior{glass_diamond_map{
                             linear_schedule{}, velocity, runge_kutta_4{.steps = o.most_solved / 4}}}));
    return all;
}

} // namespace detail

/// Measures posterior draws at every time.
/// @throws diamond::io::file_error if a model's file is damaged; std::invalid_argument where there is no
/// Diamond map.
inline void measure_posterior(const study& s, const posterior_options& o, results& into) {
    diamond::require(o.pairs <= s.test().count() && o.pairs <= s.train().count(),
                     "more images of the test part than there are");
    const network teacher = s.model_of("teacher");
    const auto drawers = detail::all_drawers(s, o, teacher);
    into.line(
        "\nDraws of z given x_t = t z + (1 - t) noise, of " + std::to_string(o.pairs) +
        " test images z with the models' noise, one draw for each: the unbiased energy distance of the pairs "
        "(x_t, draw) from the true pairs (x_t, z), which are draws of the exact law, both in the judge's "
        "features (where those of the teacher's denoiser stand for x_t) and in pixels; draws for one x_t "
        "never "
        "count as a pair. Then the error of the mean of " +
        std::to_string(o.mean_draws) +
        " draws against the teacher's E[z | x_t], root mean square with the Monte Carlo part subtracted (0 "
        "where it is below), and the variance of the draws, both in units of the posterior deviation, which "
        "is that of the true z from E[z | x_t]; over " +
        std::to_string(o.mean_images) +
        " of the images for maps, a quarter of them for GLASS and a sixteenth for its reference, at least 4. "
        "What GLASS by many steps is off by is the teacher's own: a velocity that is no law's has other "
        "draws than its denoiser says. Evaluations are those of a draw; seconds those of all draws for the "
        "pairs.");
    diamond::plot::image_grid grid{
        .title = "Posterior draws of noised test images", .shape = shape, .zoom = 1};
    for (const double t : o.times) {
        into.table("posterior", studies::text("Posterior draws at t = %g", t), "",
                   {{"method", "draws"},
                    {"evaluations", "evaluations"},
                    {"features", "pairs, features", "%.4f"},
                    {"pixels", "pairs, pixels", "%.4f"},
                    {"mean_error", "error of the mean", "%.3f"},
                    {"spread", "spread", "%.2f"},
                    {"seconds", "seconds", "%.1f"}});
        detail::posterior_table table(s, o, teacher, t, into);
        const auto show = [&](const std::string& label, const real* pixels_of) {
            constexpr index_t columns = 24;
            const index_t n = std::min(columns, o.pairs);
            grid.rows.push_back({.label = label, .pixels = {pixels_of, pixels_of + pixels * n}});
        };
        show(studies::text("t = %g: xₜ", t), table.images().states().data());
        show("z", table.images().truth().data());
        const floats denoised = diamond::to_host(table.images().denoised());
        show("the teacher's E[z | xₜ]", denoised.data());
        table.add("the denoiser itself", 1.0, NAN, denoised, row{{"mean_error", 0.0}, {"spread", 0.0}});
        table.add("deaf to x_t: training images", NAN, NAN,
                  diamond::to_host(s.drawn_images(s.train(), 0, o.pairs, 13)), row::object());
        index_t which = 20;
        for (const auto& d : drawers) {
            const floats z = table.add_drawn(d, which);
            which += 2;
            if (d.title.starts_with("GLASS") ? d.evaluations == o.most_solved : d.evaluations == 1)
                show(d.title + ", " + std::to_string(d.evaluations), z.data());
        }
    }
    into.picture(s.settings().out, "posterior_draws", grid);
}

} // namespace mnist
