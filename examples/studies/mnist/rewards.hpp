/// This header defines what images are asked to be: the rewards, which read the reward's classifier and never
/// the judge.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>

#include "../shared/alignment.hpp"
#include "../shared/energy_distance.hpp"
#include "classifier.hpp"

namespace mnist {

using any_reward = studies::any_reward<batch>;
using class_weights = std::array<double, static_cast<std::size_t>(classes)>;

/// Writes log(sum_c v_c softmax(score)_c), and into `slope`, unless it is null, its derivative with respect
/// to the scores, v_c p_c/sum_k v_k p_k - p_c. All of it is of doubles, and finite for any finite scores.
inline double log_weighted_share(const real* score, const class_weights& v, double* slope = nullptr) {
    const auto count = static_cast<std::size_t>(classes);
    const double high = *std::max_element(score, score + classes);
    class_weights at{};
    double sum = 0.0, most = -diamond::infinity;
    for (std::size_t c = 0; c < count; ++c) {
        sum += at[c] = std::exp(score[c] - high);
        if (v[c] > 0.0) most = std::max(most, score[c] + std::log(v[c]));
    }
    class_weights part{};
    double wanted = 0.0;
    for (std::size_t c = 0; c < count; ++c)
        wanted += part[c] = v[c] > 0.0 ? std::exp(score[c] + std::log(v[c]) - most) : 0.0;
    if (slope)
        for (std::size_t c = 0; c < count; ++c) slope[c] = part[c] / wanted - at[c] / sum;
    return most + std::log(wanted) - high - std::log(sum);
}

/// The reward r(z) = a log(sum_c v_c p(c | z)) of a classifier's probabilities. With v = w/share, for a model
/// whose classes have these shares, and a = 1 the tilted law has the class shares w/sum w as far as the
/// classifier is sure; with v one at a class and zero else it is a log p(class | z). It is const, and may be
/// called from several threads at once. Cost: a pass of the classifier, and one back for the gradient.
class class_reward {
public:
    /// The classifier must outlive the reward. @throws std::invalid_argument unless the weights are not
    /// negative and one is above 0, all are finite, and the scale is finite.
    class_reward(const classifier& by, const class_weights& weights, double scale = 1.0)
        : by_(&by), weights_(weights), scale_(scale) {
        diamond::require(
            std::ranges::all_of(weights, [](double w) { return w >= 0.0 && std::isfinite(w); }) &&
                std::ranges::any_of(weights, [](double w) { return w > 0.0; }),
            "weights of classes are not negative, and one of them is above 0");
        diamond::require(std::isfinite(scale), "the scale of a reward must be finite");
    }

    /// Writes values[j] = r(z_j), pixels x n.
    void operator()(diamond::const_view_t<batch> z, diamond::row_t<batch> values) const {
        const floats scores = by_->scores_of(z.data(), z.columns());
        for (index_t j = 0; j < z.columns(); ++j)
            values[j] = scale_ * log_weighted_share(scores.data() + j * classes, weights_);
    }
    /// Writes dr/dz, pixels x n.
    void gradient(diamond::const_view_t<batch> z, diamond::view_t<batch> out) const {
        constexpr index_t at_once = 500; // a recorded pass keeps all maps of so many
        const layers& graph = by_->graph();
        for (index_t first = 0; first < z.columns(); first += at_once) {
            const index_t n = std::min(at_once, z.columns() - first);
            floats scores(static_cast<std::size_t>(classes * n));
            typename layers::workspace space;
            const real* const theta = by_->parameters().data();
            graph.record(z.context(), theta, {z.data() + pixels * first}, n, {scores.data()}, space);
            for (index_t j = 0; j < n; ++j) {
                std::array<double, static_cast<std::size_t>(classes)> slope{};
                real* const score = scores.data() + j * classes;
                log_weighted_share(score, weights_, slope.data());
                for (int c = 0; c < classes; ++c)
                    score[c] = static_cast<real>(scale_ * slope[static_cast<std::size_t>(c)]);
            }
            graph.backward(z.context(), theta, space, {scores.data()}, {out.data() + pixels * first},
                           nullptr);
        }
    }

private:
    const classifier* by_;
    class_weights weights_;
    double scale_;
};

/// Returns the mean of the pixels of an image, from -1, black, to 1.
inline double ink_of(const real* image) {
    double sum = 0.0;
    for (index_t i = 0; i < pixels; ++i) sum += static_cast<double>(image[i]);
    return sum / static_cast<double>(pixels);
}

/// The reward -(ink - wanted)^2/(2 s^2): the mean pixel was seen as `wanted` with noise of deviation s.
inline auto ink_reward(const context& where, double wanted, double deviation) {
    const diamond::affine_measurement<batch> mean(
        where, floats(static_cast<std::size_t>(pixels), real{1} / static_cast<real>(pixels)), floats{0});
    return diamond::gaussian_measurement_reward{where, mean, floats{static_cast<real>(wanted)}, deviation};
}

/// Returns softmax of log weights: they sum to 1. Where all are -infinity, so are none above 0.
inline std::vector<double> normalised(std::vector<double> log_weights) {
    const double high = *std::ranges::max_element(log_weights);
    double sum = 0.0;
    for (double& w : log_weights) sum += w = high > -diamond::infinity ? std::exp(w - high) : 0.0;
    for (double& w : log_weights) w /= sum > 0.0 ? sum : 1.0;
    return log_weights;
}
/// Returns 1/sum w^2 of weights that sum to 1.
inline double effective(const std::vector<double>& weights) {
    double squares = 0.0;
    for (const double w : weights) squares += w * w;
    return 1.0 / squares;
}

/// Returns the weight of each class, of weighted images of these classes.
inline class_weights shares_of(const std::vector<int>& of, const std::vector<double>& weights) {
    class_weights result{};
    for (std::size_t j = 0; j < of.size(); ++j) result[static_cast<std::size_t>(of[j])] += weights[j];
    return result;
}
/// Returns the square root of the sum of squares of the differences.
inline double l2_distance(const class_weights& a, const class_weights& b) {
    double sum = 0.0;
    for (std::size_t c = 0; c < a.size(); ++c) sum += diamond::square(a[c] - b[c]);
    return std::sqrt(sum);
}
/// Returns the root of the mean square of the distance that shares of n independent draws have from w.
inline double l2_of_draws(const class_weights& w, double n) {
    double sum = 0.0;
    for (const double x : w) sum += x * (1.0 - x) / n;
    return std::sqrt(sum);
}

/// Returns the places of n draws by weights that sum to 1, systematic, so that place j comes n w_j times up
/// to one. `u` in [0, 1) is where they begin.
inline std::vector<index_t> drawn_by(const std::vector<double>& weights, index_t n, double u) {
    std::vector<index_t> result;
    double below = 0.0;
    std::size_t j = 0;
    for (index_t k = 0; k < n; ++k) {
        const double at = (static_cast<double>(k) + u) / static_cast<double>(n);
        while (j + 1 < weights.size() && below + weights[j] <= at) below += weights[j++];
        result.push_back(static_cast<index_t>(j));
    }
    return result;
}

/// Returns the columns of these places.
inline floats columns_of(const floats& all, index_t rows, const std::vector<index_t>& places) {
    floats result;
    result.reserve(places.size() * static_cast<std::size_t>(rows));
    for (const index_t j : places)
        result.insert(result.end(), all.begin() + j * rows, all.begin() + (j + 1) * rows);
    return result;
}

/// Returns the share of real points that have a sample within the distance of their k-th nearest other real
/// point. Of as many samples of the real law it is about 1 - 2^-k. Points and samples are of equal weight;
/// real points that are there twice are neighbours of each other. Source: M. F. Naeem and others, Reliable
/// fidelity and diversity metrics for generative models, ICML 2020.
inline double coverage_of(const floats& real_points, const floats& samples, index_t rows, index_t k) {
    const studies::cloud of(real_points, rows), by(samples, rows);
    index_t covered = 0;
    for (index_t j = 0; j < of.count(); ++j) {
        Eigen::ArrayXf own = of.to(of, j, 1).col(0);
        own[j] = std::numeric_limits<float>::infinity();
        std::nth_element(own.data(), own.data() + (k - 1), own.data() + own.size());
        covered += by.to(of, j, 1).minCoeff() <= own[k - 1];
    }
    return static_cast<double>(covered) / static_cast<double>(of.count());
}

} // namespace mnist
