/// This header measures how good posterior draws are: for noised training images, against draws of the exact
/// model and its E[z | x_t].
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../shared/energy_distance.hpp"
#include "../shared/posterior_draws.hpp"
#include "study.hpp"

namespace digits {

using studies::cloud, studies::sample, studies::distance_estimate, studies::drawer;

struct posterior_row {
    double t;
    std::string title;
    index_t evaluations;
    distance_estimate pooled, joint; ///< the distances of z, and of the pairs (x_t, z)
    /// The error of the posterior means in standard deviations of the exact posterior, and the variance over
    /// that of the exact one.
    double mean_error, spread;
};

inline constexpr double outer_times[] = {0.0, 0.01, 0.3, 0.6, 0.8};

inline std::vector<drawer> all_drawers(const study& s) {
    using namespace diamond;
    std::vector<drawer> all;
    const index_t images = s.chosen.mean_images, few = std::max<index_t>(1, images / 4),
                  fewest = std::max<index_t>(1, images / 16);
    all.push_back(studies::drawing("exact model, other draws", 1, images, exact_posterior{s.exact}));
    all.push_back(
        {"deaf to x_t: the prior", 1, images, [&s](const_view, double, noise_stream stream, view out) {
             s.exact.draw(stream.with(purpose::data), out);
         }});
    for (const auto& [title, net] :
         {std::pair{"learned map", &s.diamond}, std::pair{"taught map", s.taught ? &*s.taught : nullptr}}) {
        if (!net) continue;
        for (const index_t evaluations : {1, 2, 4})
            all.push_back(studies::drawing(
                title, evaluations, images,
                diamond_map_posterior{network_diamond_map{*net}, {.evaluations = evaluations}}));
    }
    for (const index_t evaluations : {1, 2, 4, 8, 48, 200})
        if (evaluations <= s.chosen.most_solved)
            studies::add_solved(all, "the teacher", network_velocity<network>{s.teacher}, evaluations,
                                evaluations > 8 ? fewest : few);
    for (const index_t evaluations : {8, 48})
        if (evaluations <= s.chosen.most_solved)
            studies::add_solved(all, "the exact model", s.exact, evaluations, fewest);
    return all;
}

/// This type holds noised training images at one time, and what is exactly known about their posteriors.
class noised_images {
public:
    noised_images(const study& s, double t)
        : s_(&s), t_(t), z_(s.noised(s.data.train, 4)), x_(s.where, pixels, s.data.train.count()) {
        draw_normal(s.rng.stream(diamond::purpose::initial, 100), x_.mutable_view());
        for (index_t i = 0; i < x_.size(); ++i)
            x_.data()[i] = static_cast<real>(t * z_[static_cast<std::size_t>(i)] + (1.0 - t) * x_.data()[i]);
        truth_ = drawn(studies::drawing("", 1, 1, diamond::exact_posterior{s.exact}), x_.read(),
                       stream(200, 1));
        denoised_.resize(s.where, pixels, count());
        auto space = s.exact.make_workspace(s.where, count());
        s.exact.denoiser(x_.read(), diamond::time_view(t), diamond::no_condition{}, space,
                         denoised_.mutable_view());
    }
    [[nodiscard]] index_t count() const { return x_.columns(); }
    [[nodiscard]] const batch& states() const { return x_; }
    [[nodiscard]] const batch& denoised() const { return denoised_; }
    [[nodiscard]] const floats& truth() const { return truth_; }
    [[nodiscard]] floats drawn(const drawer& d, const_view x, diamond::noise_stream where_from) const {
        batch z(s_->where, pixels, x.columns() * where_from.samples);
        d.draw(x, t_, where_from, z.mutable_view());
        return diamond::to_host(z);
    }
    [[nodiscard]] diamond::noise_stream stream(index_t which, index_t samples) const {
        return s_->rng.stream(diamond::purpose::value, which, samples);
    }
    /// Returns sums over the images.
    [[nodiscard]] studies::draw_moments measure(const drawer& d, index_t images, index_t which) const {
        const index_t m = s_->chosen.mean_draws, stride = std::max<index_t>(1, count() / images);
        images = std::min(images, count());
        batch some(s_->where, pixels, images);
        for (index_t j = 0; j < images; ++j)
            std::copy_n(x_.data() + pixels * j * stride, pixels, some.data() + pixels * j);
        const floats z = drawn(d, some.read(), stream(which, m));
        studies::draw_moments sums;
        for (index_t j = 0; j < images; ++j)
            sums += studies::moments_of_draws(z.data() + pixels * j * m,
                                              denoised_.data() + pixels * j * stride, pixels, m);
        return sums;
    }

private:
    const study* s_;
    double t_;
    floats z_, truth_;
    batch x_, denoised_;
};

inline std::vector<posterior_row> measure_posteriors(const study& s,
                                                     const std::function<void(const std::string&)>& tell) {
    std::vector<posterior_row> rows;
    const auto drawers = all_drawers(s);
    for (const double t : outer_times) {
        const noised_images at(s, t);
        const floats x = diamond::to_host(at.states());
        const sample truth(cloud(at.truth(), pixels)), joint_truth(cloud::joined(x, at.truth(), pixels));
        std::map<index_t, studies::draw_moments> exact; // by the number of images
        for (std::size_t k = 0; k < drawers.size(); ++k) {
            const auto& d = drawers[k];
            tell("posteriors at t = " + std::to_string(t).substr(0, 4) + ": " + d.title);
            const floats z = at.drawn(d, at.states().read(), at.stream(static_cast<index_t>(300 + k), 1));
            const auto found = at.measure(d, d.images, static_cast<index_t>(400 + k));
            if (!exact.contains(d.images)) exact[d.images] = at.measure(drawers[0], d.images, 500);
            const double unit = exact[d.images].variance;
            rows.push_back({t, d.title, d.evaluations,
                            paired_energy_distance(sample(cloud(z, pixels)), truth),
                            paired_energy_distance(sample(cloud::joined(x, z, pixels)), joint_truth),
                            std::sqrt(std::max(found.error, 0.0) / unit), found.variance / unit});
        }
    }
    return rows;
}

} // namespace digits
