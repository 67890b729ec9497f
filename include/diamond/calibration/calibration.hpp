/// Whether posteriors are right, where truths are known: coverage of intervals, CRPS, and the ratio of spread
/// to error, over many problems.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <diamond/calibration/posterior_summary.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// Returns the continuous ranked probability score of each coordinate, d numbers in the coordinate's unit:
/// sum_j w_j |x_j - y| - sum_{jk} w_j w_k |x_j - x_k|/2, the integral of (F - 1(x >= y))^2 for the samples'
/// F. It is least, on average, by the law of the truth where the samples are many; few samples score less if
/// they are too narrow, and a single one has |x - y|. @param truth is y, d numbers. @throws
/// std::invalid_argument unless there are d, all finite, and for samples that samples_on_host would not give.
/// Cost: d N log N on the host.
[[nodiscard]] inline std::vector<double> ranked_probability_score(const weighted_samples& of,
                                                                  const std::vector<double>& truth) {
    detail::require_samples(of);
    require(static_cast<index_t>(truth.size()) == of.dimension &&
                std::all_of(truth.begin(), truth.end(), [](double y) { return std::isfinite(y); }),
            [&] {
                return "a truth of " + digits_of(truth.size()) + " numbers for samples of dimension " +
                       digits_of(of.dimension) + ": as many are needed, all finite";
            });
    std::vector<double> result;
    for (index_t i = 0; i < of.dimension; ++i) {
        const double y = truth[static_cast<std::size_t>(i)];
        double miss = 0.0, apart = 0.0, below = 0.0;
        for (const auto& [x, w] : detail::sorted_coordinate(of, i)) {
            miss += w * std::abs(x - y);
            // Half the mean distance of two samples: x counts w times what is below less what is above.
            apart += w * (2.0 * below + w - 1.0) * (x - y);
            below += w;
        }
        result.push_back(miss - apart);
    }
    return result;
}

/// Options of calibration.
struct calibration_options {
    double level = 0.9; ///< of the intervals whose coverage is counted, in (0, 1)
};

/// A number over problems and its standard error, by their spread: problems are independent, the coordinates
/// of one are not. NaN where there are too few problems, no less than 2 for the error.
struct calibration_number {
    double value = NAN;          ///< the number
    double standard_error = NAN; ///< its standard error
};

/// Collects posteriors and truths of independent problems, all of one dimension d, and says whether the
/// posteriors are those of the truths: where each truth is drawn from the prior and seen through the
/// measurement, exact posteriors cover as they say, and their spread is their error, whatever the prior.
class calibration {
public:
    /// @throws std::invalid_argument unless 0 < level < 1.
    explicit calibration(calibration_options options = {}) : options_(options) {
        detail::require_level(options.level);
    }

    /// Adds a problem: samples of its posterior, and the truth, d numbers. @throws std::invalid_argument for
    /// another dimension than before, and as ranked_probability_score does.
    void add(const weighted_samples& posterior, const std::vector<double>& truth) {
        require(problems_.empty() || posterior.dimension == dimension_, [&] {
            return "calibration: a problem of dimension " + digits_of(posterior.dimension) +
                   " after those of " + digits_of(dimension_);
        });
        const auto scores = ranked_probability_score(posterior, truth);
        const auto within = intervals(posterior, options_.level);
        const auto summary = summarise(posterior);
        const double more = 1.0 + 1.0 / posterior.effective(); // the mean's own error
        problem one;
        for (std::size_t i = 0; i < truth.size(); ++i) {
            const bool covered = within.lower[i] <= truth[i] && truth[i] <= within.upper[i];
            one.covered += covered ? 1.0 : 0.0;
            one.score += scores[i];
            one.squared_error += square(summary.mean[i] - truth[i]);
            // A single sample has no spread that could be told; it says that it is certain.
            one.variance += std::isnan(summary.deviation[i]) ? 0.0 : more * square(summary.deviation[i]);
        }
        for (double* number : {&one.covered, &one.score, &one.squared_error, &one.variance})
            *number /= static_cast<double>(truth.size());
        dimension_ = posterior.dimension;
        problems_.push_back(one);
    }

    /// The number of problems that were added.
    [[nodiscard]] index_t problems() const { return static_cast<index_t>(problems_.size()); }
    /// The share of coordinates whose interval holds the truth; `level` where posteriors are right.
    [[nodiscard]] calibration_number coverage() const {
        return mean_of([](const problem& p) { return p.covered; });
    }
    /// The mean of ranked_probability_score: less is better, for it rewards right and sharp posteriors.
    [[nodiscard]] calibration_number crps() const {
        return mean_of([](const problem& p) { return p.score; });
    }
    /// The root mean square of truth minus posterior mean.
    [[nodiscard]] calibration_number error() const {
        return root_of([](const problem& p) { return p.squared_error; }, [](const problem&) { return 1.0; });
    }
    /// The root of the mean variance over the mean square of truth minus posterior mean; 1 where posteriors
    /// are right, below it where they are too narrow. The variance counts 1 + sum w^2 times, since the mean
    /// of few samples errs, too. Source: V. Fortin and others, Journal of Hydrometeorology 15 (2014) 1708.
    [[nodiscard]] calibration_number spread_skill() const {
        return root_of([](const problem& p) { return p.variance; },
                       [](const problem& p) { return p.squared_error; });
    }

private:
    /// Means over the coordinates of a problem.
    struct problem {
        double covered = 0.0, score = 0.0, squared_error = 0.0, variance = 0.0;
    };

    template <class F>
    [[nodiscard]] calibration_number mean_of(F f) const {
        calibration_number result;
        const auto n = static_cast<double>(problems_.size());
        if (problems_.empty()) return result;
        double sum = 0.0, squares = 0.0;
        for (const auto& p : problems_) sum += f(p);
        for (const auto& p : problems_) squares += square(f(p) - sum / n);
        result.value = sum / n;
        if (n > 1.0) result.standard_error = std::sqrt(squares / (n - 1.0) / n);
        return result;
    }
    /// The root of the ratio of two means, with the error of its linearisation.
    template <class F, class G>
    [[nodiscard]] calibration_number root_of(F above, G below) const {
        const double ratio = mean_of(above).value / mean_of(below).value, root = std::sqrt(ratio);
        if (root == 0.0) return {root, NAN}; // no spread at all, of which no error can be told
        const auto off = mean_of([&](const problem& p) { return above(p) - ratio * below(p); });
        return {root, off.standard_error / mean_of(below).value / (2.0 * root)};
    }

    calibration_options options_;
    index_t dimension_ = 0;
    std::vector<problem> problems_;
};

} // namespace diamond
