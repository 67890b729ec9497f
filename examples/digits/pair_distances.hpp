// Energy distances between sets of points, with their errors: by a matrix product, for there are millions of pairs.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <Eigen/Core>

#include "data_set.hpp"

namespace digits {

/// 2 E|X - Y| - E|X - X'| - E|Y - Y'|, unbiased, so that it may be below zero.
struct distance_estimate {
    double value = NAN, standard_error = NAN;
};

/// Points, a column each.
class cloud {
public:
    cloud(const floats& data, index_t rows) : points_(Eigen::Map<const Eigen::MatrixXf>(data.data(), rows, static_cast<index_t>(data.size()) / rows)) {
        squares_ = points_.colwise().squaredNorm();
    }
    /// The pairs (x_j, y_j) as points.
    static cloud joined(const floats& x, const floats& y, index_t rows) {
        const auto n = static_cast<index_t>(x.size()) / rows;
        floats     both;
        both.reserve(x.size() + y.size());
        for (index_t j = 0; j < n; ++j) {
            both.insert(both.end(), x.begin() + j * rows, x.begin() + (j + 1) * rows);
            both.insert(both.end(), y.begin() + j * rows, y.begin() + (j + 1) * rows);
        }
        return {both, 2 * rows};
    }
    [[nodiscard]] index_t count() const { return points_.cols(); }

    /// Distances of all columns to columns first ... first + n - 1 of another cloud.
    [[nodiscard]] Eigen::ArrayXXf to(const cloud& other, index_t first, index_t n) const {
        Eigen::MatrixXf squares = -2.0f * points_.transpose() * other.points_.middleCols(first, n);
        squares.colwise() += squares_.transpose();
        squares.rowwise() += other.squares_.segment(first, n);
        return squares.array().max(0.0f).sqrt();
    }

private:
    Eigen::MatrixXf    points_;
    Eigen::RowVectorXf squares_;
};

namespace detail {

/// For each x its mean distance to the y, and for each y that to the x; where `others`, x_i and y_i do not count as a pair.
struct mean_distances {
    Eigen::ArrayXd of_x, of_y;

    mean_distances(const cloud& x, const cloud& y, bool others) : of_x(Eigen::ArrayXd::Zero(x.count())), of_y(Eigen::ArrayXd::Zero(y.count())) {
        constexpr index_t block = 128;
        for (index_t first = 0; first < y.count(); first += block) {
            const index_t   n         = std::min(block, y.count() - first);
            Eigen::ArrayXXf distances = x.to(y, first, n);
            if (others)
                for (index_t j = 0; j < n && first + j < x.count(); ++j) distances(first + j, j) = 0.0f;
            of_x += distances.rowwise().sum().cast<double>();
            of_y.segment(first, n) = distances.colwise().sum().transpose().cast<double>();
        }
        of_x /= static_cast<double>(y.count() - others);
        of_y /= static_cast<double>(x.count() - others);
    }
};

inline double variance_of_mean(const Eigen::ArrayXd& x) {
    const auto n = static_cast<double>(x.size());
    return (x - x.mean()).square().sum() / (n * (n - 1.0));
}

} // namespace detail

/// Of independent clouds. The error is the jackknife over both, up to sqrt 2 too large where their laws are one.
inline distance_estimate energy_distance(const cloud& x, const cloud& y) {
    const detail::mean_distances across(x, y, false), of_x(x, x, true), of_y(y, y, true);
    const double value = 2.0 * across.of_x.mean() - of_x.of_x.mean() - of_y.of_x.mean();
    return {value, 2.0 * std::sqrt(detail::variance_of_mean(across.of_x - of_x.of_x) + detail::variance_of_mean(across.of_y - of_y.of_x))};
}

/// Of clouds whose i-th points depend on each other, as draws from posteriors given one x_t do: no pair of them counts.
inline distance_estimate paired_energy_distance(const cloud& x, const cloud& y) {
    const detail::mean_distances across(x, y, true), of_x(x, x, true), of_y(y, y, true);
    const Eigen::ArrayXd parts = across.of_x + across.of_y - of_x.of_x - of_y.of_x;
    return {parts.mean(), 2.0 * std::sqrt(detail::variance_of_mean(parts))};
}

/// The median over x of the distance to the nearest y.
inline double median_nearest(const cloud& x, const cloud& y) {
    Eigen::ArrayXf    nearest = x.to(y, 0, y.count()).rowwise().minCoeff();
    const auto middle = nearest.data() + nearest.size() / 2;
    std::nth_element(nearest.data(), middle, nearest.data() + nearest.size());
    return static_cast<double>(*middle);
}

} // namespace digits
