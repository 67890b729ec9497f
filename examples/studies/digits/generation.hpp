/// This header measures how good the learned laws are: it compares samples with held-out images, in pixels
/// and in features.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "../shared/energy_distance.hpp"
#include "../shared/gaussian_draws.hpp"
#include "feature_classifier.hpp"
#include "study.hpp"

namespace digits {

using studies::cloud, studies::sample, studies::distance_estimate;

/// This type holds samples of one law and what they are measured to be.
struct generation_row {
    std::string title;
    floats samples;
    distance_estimate in_pixels = {}, in_features = {};
    double nearest = NAN; ///< the median distance to the nearest training image
    std::array<double, classes> shares = {};
};

struct generation {
    double classifier_accuracy = NAN;
    generation_row held_out; ///< with noise; all distances are to these
    std::vector<generation_row> rows = {};
};

namespace detail {
inline floats gaussian_draws(const study& s, index_t count, index_t which) {
    const diamond::training_set<batch> points(
        diamond::from_host<real>(s.where, pixels, s.data.train.count(), s.data.train.data), s.bandwidth);
    return diamond::to_host(
        studies::gaussian_draws(points, s.rng.stream(diamond::purpose::user, which), count));
}
} // namespace detail

/// Measures every law, each with noise of its own.
inline generation measure_generation(const study& s) {
    const feature_classifier classifier(s.where, s.data.train,
                                        {.bandwidth = s.bandwidth, .rng = s.rng.split(1)});
    const index_t n = s.chosen.samples;
    generation result{.held_out = {"held-out images", s.noised(s.data.held_out, 1)}};

    result.rows = {
        {"learned, 1 evaluation", s.flow(s.diamond, 1, n, 1)},
        {"learned, 2 evaluations", s.flow(s.diamond, 2, n, 2)},
        {"learned, 4 evaluations", s.flow(s.diamond, 4, n, 3)},
        {"teacher by ODE, 64 evaluations", s.solved(32, n, 6)},
        {"exact model", detail::draws(s.where, s.exact, s.rng.stream(diamond::purpose::data, 1), n)},
        {"training images", s.noised(s.data.train, 2)},
        {"Gaussian, full covariance", detail::gaussian_draws(s, n, 3)}};

    if (s.taught)
        for (const index_t evaluations : {4, 1})
            result.rows.insert(result.rows.begin() + 3,
                               {"taught, " + std::to_string(evaluations) +
                                    (evaluations == 1 ? " evaluation" : " evaluations"),
                                s.flow(*s.taught, evaluations, n, evaluations == 1 ? 4 : 5)});

    const cloud training(s.data.train.data, pixels);
    const sample truth(cloud(result.held_out.samples, pixels)),
        truth_features(cloud(classifier.features_of(result.held_out.samples), feature_classifier::features));
    const auto measure = [&](generation_row& row) {
        row.nearest = median_nearest(cloud(row.samples, pixels), training);
        const auto found = classifier.classes_of(row.samples);
        for (const int c : found)
            row.shares[static_cast<std::size_t>(c)] += 1.0 / static_cast<double>(found.size());
    };
    measure(result.held_out);
    for (auto& row : result.rows) {
        measure(row);
        row.in_pixels = energy_distance(sample(cloud(row.samples, pixels)), truth);
        row.in_features = energy_distance(
            sample(cloud(classifier.features_of(row.samples), feature_classifier::features)), truth_features);
    }
    const auto found = classifier.classes_of(result.held_out.samples);
    result.classifier_accuracy = 0.0;
    for (std::size_t j = 0; j < found.size(); ++j)
        result.classifier_accuracy += (found[j] == s.data.held_out.labels[j]) /
                                      static_cast<double>(found.size());
    return result;
}

} // namespace digits
