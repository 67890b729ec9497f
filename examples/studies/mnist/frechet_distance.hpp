/// This header computes Frechet distances: those of the Gaussians that have the samples' moments.
#pragma once

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <Eigen/Core>
#include <Eigen/Eigenvalues>

#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace mnist {

using diamond::index_t;

/// The mean and covariance of a law.
struct law_moments {
    Eigen::VectorXd mean;
    Eigen::MatrixXd covariance;
};

/// Returns |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2) of N(m, A) and N(n, B): the square of their
/// Wasserstein distance, which papers call the Frechet distance. Eigenvalues that are below zero by rounding
/// count as zero. Cost: the eigenvectors of a matrix and the eigenvalues of another.
inline double frechet_distance(const law_moments& x, const law_moments& y) {
    using solver = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;
    const solver of_x(x.covariance);
    const Eigen::MatrixXd root = of_x.eigenvectors() *
                                 of_x.eigenvalues().cwiseMax(0.0).cwiseSqrt().asDiagonal() *
                                 of_x.eigenvectors().transpose();
    const solver of_both(root * y.covariance * root, Eigen::EigenvaluesOnly);
    return (x.mean - y.mean).squaredNorm() + x.covariance.trace() + y.covariance.trace() -
           2.0 * of_both.eigenvalues().cwiseMax(0.0).cwiseSqrt().sum();
}

/// The points of a sample in groups of equal size, one after the other, and their moments without any one of
/// the groups.
class grouped_points {
public:
    /// @throws std::invalid_argument unless there are at least two groups, and two points in each.
    grouped_points(const std::vector<float>& points, index_t rows, index_t groups = 20)
        : groups_(groups), count_(static_cast<index_t>(points.size()) / rows) {
        diamond::require(groups >= 2 && count_ >= 2 * groups, [&] {
            return std::to_string(count_) + " points in " + std::to_string(groups) +
                   " groups: at least two groups of two points have an error to state";
        });
        const Eigen::MatrixXd all = Eigen::Map<const Eigen::MatrixXf>(points.data(), rows, count_)
                                        .cast<double>();
        shift_ = all.rowwise().mean();
        for (index_t g = 0; g < groups; ++g) {
            const Eigen::MatrixXd own = all.middleCols(first_of(g), first_of(g + 1) - first_of(g)).colwise() -
                                        shift_;
            sums_.push_back(own.rowwise().sum());
            products_.push_back(own * own.transpose());
        }
    }
    [[nodiscard]] index_t groups() const { return groups_; }
    [[nodiscard]] index_t count() const { return count_; }
    /// Returns the first point of a group.
    [[nodiscard]] index_t first_of(index_t group) const { return group * count_ / groups_; }
    /// Returns the moments of all points but those of a group; a group of -1 leaves none out.
    [[nodiscard]] law_moments without(index_t group) const {
        Eigen::VectorXd sum = Eigen::VectorXd::Zero(shift_.size());
        Eigen::MatrixXd product = Eigen::MatrixXd::Zero(shift_.size(), shift_.size());
        for (index_t g = 0; g < groups_; ++g) {
            if (g == group) continue;
            sum += sums_[static_cast<std::size_t>(g)];
            product += products_[static_cast<std::size_t>(g)];
        }
        const auto n = static_cast<double>(group < 0 ? count_
                                                     : count_ - (first_of(group + 1) - first_of(group)));
        const Eigen::VectorXd mean = sum / n;
        return {mean + shift_, (product - n * mean * mean.transpose()) / (n - 1.0)};
    }
    [[nodiscard]] law_moments moments() const { return without(-1); }

private:
    index_t groups_, count_;
    Eigen::VectorXd shift_;
    std::vector<Eigen::VectorXd> sums_;
    std::vector<Eigen::MatrixXd> products_;
};

/// Returns the variance of a statistic by the jackknife: (G - 1)/G sum_g (v_g - mean)^2, where v_g is what it
/// is without group g of G.
template <class Without>
double jackknife_variance(index_t groups, const Without& without) {
    Eigen::ArrayXd values(groups);
    for (index_t g = 0; g < groups; ++g) values[g] = without(g);
    const auto all = static_cast<double>(groups);
    return (all - 1.0) / all * (values - values.mean()).square().sum();
}

/// This type holds an estimate and its standard error.
struct estimate {
    double value = NAN, standard_error = NAN;
};

/// Returns the Frechet distance of two independent samples. It is too large by what the errors of the
/// moments add, some constant over the number of points, so that only samples of one size compare. The
/// standard error is that of the jackknife over the groups of both.
inline estimate frechet_distance(const grouped_points& x, const grouped_points& y) {
    const law_moments of_x = x.moments(), of_y = y.moments();
    return {
        frechet_distance(of_x, of_y),
        std::sqrt(
            jackknife_variance(x.groups(), [&](index_t g) { return frechet_distance(of_y, x.without(g)); }) +
            jackknife_variance(y.groups(), [&](index_t g) { return frechet_distance(of_x, y.without(g)); }))};
}

} // namespace mnist
