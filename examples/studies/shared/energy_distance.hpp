/// This header computes energy distances between samples, with their errors. It uses matrix products, because
/// there are millions of pairs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <diamond/core/scalar.hpp>

namespace studies {

using diamond::index_t;

/// A cloud holds points, one in each column.
class cloud {
public:
    cloud(const std::vector<float>& data, index_t rows)
        : points_(Eigen::Map<const Eigen::MatrixXf>(data.data(), rows,
                                                    static_cast<index_t>(data.size()) / rows)) {
        squares_ = points_.colwise().squaredNorm();
    }
    /// Returns the pairs (x_j, y_j) as points.
    static cloud joined(const std::vector<float>& x, const std::vector<float>& y, index_t rows) {
        std::vector<float> both;
        both.reserve(x.size() + y.size());
        for (auto at = x.begin(), other = y.begin(); at != x.end(); at += rows, other += rows) {
            both.insert(both.end(), at, at + rows);
            both.insert(both.end(), other, other + rows);
        }
        return {both, 2 * rows};
    }
    [[nodiscard]] index_t count() const { return points_.cols(); }

    /// Returns the distances of all points to points first ... first + n - 1 of another cloud.
    [[nodiscard]] Eigen::ArrayXXf to(const cloud& other, index_t first, index_t n) const {
        Eigen::MatrixXf squares = -2.0f * points_.transpose() * other.points_.middleCols(first, n);
        squares.colwise() += squares_.transpose();
        squares.rowwise() += other.squares_.segment(first, n);
        return squares.array().max(0.0f).sqrt();
    }

private:
    Eigen::MatrixXf points_;
    Eigen::RowVectorXf squares_;
};

/// Returns the distance of each x to the nearest y.
inline Eigen::ArrayXf nearest_distances(const cloud& x, const cloud& y) {
    constexpr index_t block = 2048; // the matrix of distances to all y may not fit into memory
    Eigen::ArrayXf nearest = Eigen::ArrayXf::Constant(x.count(), std::numeric_limits<float>::infinity());
    for (index_t first = 0; first < y.count(); first += block)
        nearest = nearest.min(x.to(y, first, std::min(block, y.count() - first)).rowwise().minCoeff());
    return nearest;
}

/// Returns the median over x of the distance to the nearest y.
inline double median_nearest(const cloud& x, const cloud& y) {
    Eigen::ArrayXf nearest = nearest_distances(x, y);
    const auto middle = nearest.data() + nearest.size() / 2;
    std::nth_element(nearest.data(), middle, nearest.data() + nearest.size());
    return static_cast<double>(*middle);
}

namespace detail {

/// A family consists of points that depend on each other, and of their weight.
struct family {
    std::vector<index_t> members = {};
    double weight = 0.0;
};
using families = std::map<std::int32_t, family>;

/// For each x, of_x holds the weighted sum of its distances to the y of other families than its own; of_y
/// holds the same for each y and the x.
struct distance_sums {
    Eigen::ArrayXd of_x, of_y;

    distance_sums(const cloud& x, const Eigen::VectorXd& of_x_weights, const families* kin_of, const cloud& y,
                  const Eigen::VectorXd& of_y_weights, const std::vector<std::int32_t>& of_y_families)
        : of_x(Eigen::ArrayXd::Zero(x.count())), of_y(y.count()) {
        constexpr index_t block = 128; // the distances to a thousand points then fit into the cache
        const Eigen::VectorXf w = of_x_weights.cast<float>(), v = of_y_weights.cast<float>();
        for (index_t first = 0; first < y.count(); first += block) {
            const index_t n = std::min(block, y.count() - first);
            Eigen::ArrayXXf distances = x.to(y, first, n);
            for (index_t j = 0; kin_of && j < n; ++j)
                if (const auto kin = kin_of->find(of_y_families[static_cast<std::size_t>(first + j)]);
                    kin != kin_of->end())
                    for (const index_t i : kin->second.members) distances(i, j) = 0.0f;
            of_x += (distances.matrix() * v.segment(first, n)).cast<double>().array();
            of_y.segment(first, n) = (distances.matrix().transpose() * w).cast<double>().array();
        }
    }
};

} // namespace detail

/// A sample consists of draws of a law with weights that sum to 1. Those of one family, for instance
/// particles with a common x_0, depend on each other, and no pair of them counts.
class sample {
public:
    /// Makes a sample of independent draws of equal weight.
    explicit sample(cloud points) : sample(std::move(points), {}, {}) {}
    sample(cloud points, const std::vector<double>& weights, std::vector<std::int32_t> families)
        : points_(std::move(points)), family_of_(std::move(families)) {
        const auto n = points_.count();
        weights_ = weights.empty()
                     ? Eigen::VectorXd(Eigen::VectorXd::Constant(n, 1.0 / static_cast<double>(n)))
                     : Eigen::VectorXd(Eigen::Map<const Eigen::VectorXd>(weights.data(), n));
        if (family_of_.empty()) {
            family_of_.resize(static_cast<std::size_t>(n));
            std::iota(family_of_.begin(), family_of_.end(), 0);
        }
        for (index_t i = 0; i < n; ++i) {
            if (weights_[i] == 0.0) continue; // a family without weight does not count
            auto& own = families_[family_of_[static_cast<std::size_t>(i)]];
            own.members.push_back(i);
            own.weight += weights_[i];
        }
        for (const auto& [name, own] : families_) pairs_ -= diamond::square(own.weight);
        to_others_ = detail::distance_sums(points_, weights_, &families_, points_, weights_, family_of_).of_x;
        mean_ = weights_.dot(to_others_.matrix()) / pairs_;
    }

    [[nodiscard]] const cloud& points() const { return points_; }
    [[nodiscard]] const Eigen::VectorXd& weights() const { return weights_; }
    [[nodiscard]] const std::vector<std::int32_t>& family_of() const { return family_of_; }
    [[nodiscard]] const detail::families& families() const { return families_; }
    [[nodiscard]] double weight_of(std::int32_t name) const {
        const auto found = families_.find(name);
        return found == families_.end() ? 0.0 : found->second.weight;
    }
    /// Returns an estimate of E|X - X'| for two independent draws.
    [[nodiscard]] double mean_distance() const { return mean_; }
    /// Returns the derivative of that estimate with respect to the logarithm of a family's weight.
    [[nodiscard]] double influence(const detail::family& own) const {
        return 2.0 * (sum_over(own, to_others_) - own.weight * (1.0 - own.weight) * mean_) / pairs_;
    }
    /// Returns the weighted sum of numbers over the points of a family.
    [[nodiscard]] double sum_over(const detail::family& own, const Eigen::ArrayXd& numbers) const {
        double sum = 0.0;
        for (const index_t i : own.members) sum += weights_[i] * numbers[i];
        return sum;
    }

private:
    cloud points_;
    Eigen::VectorXd weights_;
    std::vector<std::int32_t> family_of_;
    detail::families families_;
    Eigen::ArrayXd to_others_;
    double pairs_ = 1.0, mean_ = NAN; // the weight of all pairs of two families
};

/// The estimate is of the energy distance, 2 E|X - Y| - E|X - X'| - E|Y - Y'|. It is NaN if all the weight of
/// a sample is in one family.
struct distance_estimate {
    double value = NAN, standard_error = NAN;
};

namespace detail {
inline distance_estimate energy_distance(const sample& x, const sample& y, bool paired) {
    if (x.families().size() < 2 || y.families().size() < 2) return {};
    const distance_sums across(x.points(), x.weights(), paired ? &x.families() : nullptr, y.points(),
                               y.weights(), y.family_of());
    double pairs = 1.0;
    if (paired)
        for (const auto& [name, own] : x.families()) pairs -= own.weight * y.weight_of(name);
    const double mean = x.weights().dot(across.of_x.matrix()) / pairs;

    // Families of y have entries of their own, unless they depend on those of x.
    std::map<std::pair<bool, std::int32_t>, double> influences;
    const auto add = [&](bool apart, const sample& own, const sample& other, const Eigen::ArrayXd& to_other) {
        for (const auto& [name, f] : own.families()) {
            const double others = paired ? 1.0 - other.weight_of(name) : 1.0;
            influences[{apart, name}] += 2.0 * (own.sum_over(f, to_other) - mean * f.weight * others) /
                                             pairs -
                                         own.influence(f);
        }
    };
    add(false, x, y, across.of_x);
    add(!paired, y, x, across.of_y);
    double variance = 0.0;
    for (const auto& [name, influence] : influences) variance += diamond::square(influence);
    return {2.0 * mean - x.mean_distance() - y.mean_distance(), std::sqrt(variance)};
}
} // namespace detail

/// Returns the energy distance of independent samples. It is unbiased for independent families of given
/// weights, so that it may be negative where X and Y are close. Weights that were made to sum to 1, as those
/// of SMC, leave a bias that falls as one over the number of families. The standard error is the
/// infinitesimal jackknife over the families of both samples; where X and Y have one law, it is too large by
/// up to sqrt 2.
inline distance_estimate energy_distance(const sample& x, const sample& y) {
    return detail::energy_distance(x, y, false);
}

/// Returns the energy distance of samples whose families of the same number depend on each other, such as
/// draws from posteriors given one x_t. No pair of such draws counts.
inline distance_estimate paired_energy_distance(const sample& x, const sample& y) {
    return detail::energy_distance(x, y, true);
}

} // namespace studies
