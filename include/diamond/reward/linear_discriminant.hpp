/// The linear discriminant classifier, fitted in closed form on the host (Fisher 1936; Hastie, Tibshirani and
/// Friedman, 4.3). See (eq. linear-discriminant).
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/reward/detail/cholesky.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

/// A linear classifier p(k | z) = softmax(W z + b)_k of z in R^d, over K classes.
struct linear_discriminant {
    std::vector<double> weights; ///< W, K x d, column by column
    std::vector<double> biases;  ///< b, K numbers
};

/// Options of the fit: the pooled covariance S is regularised to C = (1 - shrinkage) S + (shrinkage tr S/d +
/// ridge) I, and the probabilities of the classes may be given.
struct linear_discriminant_options {
    double shrinkage = 0.0; ///< in [0, 1]
    double ridge = 0.0;     ///< >= 0
    /// The probabilities p(k), K positive numbers with sum 1; if empty, each class's share of the samples.
    std::vector<double> priors = {};
};

namespace detail {
/// The number of samples and the mean of each class, and the pooled covariance S = sum (x - mu_k)(x - mu_k)^T
/// / (N - K), of which the lower triangle is filled.
struct class_moments {
    std::vector<double> counts, means, covariance;
};

/// Computes these moments. @throws std::invalid_argument that names the first class without a sample.
template <class Real, class Label>
class_moments moments_by_class(std::size_t d, std::size_t classes, const std::vector<Real>& samples,
                               const std::vector<Label>& labels) {
    class_moments result{.counts = std::vector<double>(classes),
                         .means = std::vector<double>(d * classes),
                         .covariance = std::vector<double>(d * d)};
    for (std::size_t n = 0; n < labels.size(); ++n) {
        const auto k = static_cast<std::size_t>(labels[n]);
        result.counts[k] += 1.0;
        for (std::size_t i = 0; i < d; ++i)
            result.means[k * d + i] += static_cast<double>(samples[n * d + i]);
    }
    for (std::size_t k = 0; k < classes; ++k) {
        require(result.counts[k] > 0.0, [&] {
            return "fit_linear_discriminant: no sample of class " + digits_of(k) + " of " +
                   digits_of(classes);
        });
        for (std::size_t i = 0; i < d; ++i) result.means[k * d + i] /= result.counts[k];
    }
    std::vector<double> residual(d);
    const double scale = 1.0 / static_cast<double>(labels.size() - classes);
    for (std::size_t n = 0; n < labels.size(); ++n) {
        const auto k = static_cast<std::size_t>(labels[n]);
        for (std::size_t i = 0; i < d; ++i)
            residual[i] = static_cast<double>(samples[n * d + i]) - result.means[k * d + i];
        for (std::size_t j = 0; j < d; ++j)
            for (std::size_t i = j; i < d; ++i)
                result.covariance[i + d * j] += scale * residual[j] * residual[i];
    }
    return result;
}

/// Replaces S by C, see linear_discriminant_options.
inline void regularise(std::vector<double>& covariance, std::size_t d,
                       const linear_discriminant_options& options) {
    double trace = 0.0;
    for (std::size_t i = 0; i < d; ++i) trace += covariance[i + d * i];
    for (double& entry : covariance) entry *= 1.0 - options.shrinkage;
    for (std::size_t i = 0; i < d; ++i)
        covariance[i + d * i] += options.shrinkage * trace / static_cast<double>(d) + options.ridge;
}

/// Checks the options. @throws std::invalid_argument with the numbers that are out of range.
inline void require_discriminant_options(const linear_discriminant_options& options, std::size_t classes) {
    const bool in_range = options.shrinkage >= 0.0 && options.shrinkage <= 1.0 && options.ridge >= 0.0;
    require(in_range && std::isfinite(options.ridge), [&] {
        return "fit_linear_discriminant: shrinkage " + digits_of(options.shrinkage) +
               " must lie in [0, 1] and ridge " + digits_of(options.ridge) +
               " must be finite and not negative";
    });
    constexpr double rounding = 1e-9; // for priors that were printed and read again
    double total = 0.0;
    bool positive = true;
    for (const double prior : options.priors) {
        total += prior;
        positive = positive && prior > 0.0;
    }
    const bool is_distribution = options.priors.size() == classes && positive &&
                                 std::abs(total - 1.0) <= rounding;
    require(options.priors.empty() || is_distribution, [&] {
        return "fit_linear_discriminant: " + digits_of(options.priors.size()) + " priors with sum " +
               digits_of(total) + " for " + digits_of(classes) + " classes; they must be positive with sum 1";
    });
}
} // namespace detail

/// Fits classes N(mu_k, C) with priors pi_k and one covariance: W_k = C^{-1} (mu_k - mu) and
/// b_k = log pi_k - W_k . (mu_k + mu)/2, where mu, the mean of the class means, removes a term that all
/// logits share.
///
/// @param samples is N samples of d numbers, one after the other (a d x N batch).
/// @param labels is the N classes of the samples, in 0 ... K - 1, each of which occurs.
/// @throws std::invalid_argument for shapes or numbers out of range, for N <= K, and for a covariance that is
/// singular without shrinkage or ridge. Cost: N d^2 multiplications on one thread.
template <std::floating_point Real, std::integral Label>
[[nodiscard]] linear_discriminant fit_linear_discriminant(index_t dimension, const std::vector<Real>& samples,
                                                          const std::vector<Label>& labels,
                                                          const linear_discriminant_options& options = {}) {
    const auto d = static_cast<std::size_t>(dimension), count = labels.size();
    require(dimension >= 1 && samples.size() == d * count, [&] {
        return "fit_linear_discriminant: " + digits_of(samples.size()) + " numbers for " + digits_of(count) +
               " samples of dimension " + digits_of(dimension);
    });
    detail::require_finite("fit_linear_discriminant: samples", samples);
    std::size_t classes = 0;
    for (std::size_t n = 0; n < count; ++n) {
        require(std::cmp_greater_equal(labels[n], 0) && std::cmp_less(labels[n], count), [&] {
            return "fit_linear_discriminant: labels[" + digits_of(n) + "] = " + digits_of(labels[n]);
        });
        classes = std::max(classes, static_cast<std::size_t>(labels[n]) + 1);
    }
    require(count > classes, [&] {
        return "fit_linear_discriminant: " + digits_of(count) + " samples of " + digits_of(classes) +
               " classes give no covariance";
    });
    detail::require_discriminant_options(options, classes);

    detail::class_moments moments = detail::moments_by_class(d, classes, samples, labels);
    detail::regularise(moments.covariance, d, options);
    const detail::cholesky covariance(
        "fit_linear_discriminant: the pooled covariance (give it shrinkage or a ridge)",
        std::move(moments.covariance), dimension);

    std::vector<double> middle(d, 0.0), direction(d);
    for (std::size_t k = 0; k < classes; ++k)
        for (std::size_t i = 0; i < d; ++i)
            middle[i] += moments.means[k * d + i] / static_cast<double>(classes);
    linear_discriminant fit{std::vector<double>(classes * d), std::vector<double>(classes)};
    for (std::size_t k = 0; k < classes; ++k) {
        for (std::size_t i = 0; i < d; ++i) direction[i] = moments.means[k * d + i] - middle[i];
        covariance.solve(direction);
        fit.biases[k] = std::log(options.priors.empty() ? moments.counts[k] / static_cast<double>(count)
                                                        : options.priors[k]);
        for (std::size_t i = 0; i < d; ++i) {
            fit.weights[k + classes * i] = direction[i];
            fit.biases[k] -= 0.5 * direction[i] * (moments.means[k * d + i] + middle[i]);
        }
    }
    return fit;
}

} // namespace diamond
