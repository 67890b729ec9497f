/// The Gaussian frame of a data set: its mean, and the principal directions and variances of the data with their bandwidth.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/oracle/symmetric_eigen.hpp>
#include <diamond/train/training_set.hpp>

namespace diamond {

namespace detail {
template <class View>
struct coordinate_of_point {
    View points;
    DIAMOND_HD double operator()(index_t j, index_t i) const { return static_cast<double>(points(i, j)); }
};
/// The points less their mean, a coordinate a column.
template <class View>
struct centre_transposed {
    View          points;
    const double* sums;
    double        count; ///< that the sums are of
    double*       out;
    DIAMOND_HD void operator()(index_t j, index_t i) const {
        out[j + points.columns() * i] = static_cast<double>(points(i, j)) - sums[i] / count;
    }
};
struct add_scaled_entry {
    const double* from;
    double        factor;
    double*       to;
    DIAMOND_HD void operator()(index_t k) const { to[k] += factor * from[k]; }
};

/// The mean of a d x n view, and its covariance with denominator n, d x d, on the host. The points go by in blocks, a product each.
template <class Real, class Context>
void moments_of_points(batch_view<const Real, Context> points, std::vector<double>& mean, std::vector<double>& covariance) {
    constexpr index_t block   = 1024; // points: their doubles are little beside d x d ones where that matters
    const auto&       context = points.context();
    const index_t     d = points.rows(), n = points.columns();
    owning_batch<double, Context> sums(context, d, 1), centred(context, std::min(block, n), d), product(context, d, d);
    context.column_sums(n, d, coordinate_of_point<batch_view<const Real, Context>>{points}, sums.data());
    auto total = from_host<double>(context, d, d, std::vector<double>(static_cast<std::size_t>(d * d), 0.0));
    for (index_t first = 0; first < n; first += block) {
        const auto part = points.columns(first, std::min(block, n - first));
        centred.resize(context, part.columns(), d);
        context.for_each(part.columns(), d, centre_transposed<batch_view<const Real, Context>>{part, sums.data(), static_cast<double>(n), centred.data()});
        context.product(transpose::yes, centred.read(), centred.read(), product.mutable_view());
        context.for_each(d * d, add_scaled_entry{product.data(), 1.0 / static_cast<double>(n), total.data()});
    }
    mean       = to_host(sums);
    covariance = to_host(total);
    for (double& m : mean) m /= static_cast<double>(n);
}
} // namespace detail

/// N(mean, U diag(variance) U^T) of the points plus N(0, bandwidth^2 I). In the basis U of principal directions the network's residual
/// knows nothing of correlations, and with F = 0 its maps are those of the full-covariance Gaussian.
/// Cost: n d^2 by the back end's product, and its eigenvectors of a d x d matrix.
/// @throws std::invalid_argument where the variance in a direction is not positive: a bandwidth above 0 mends that.
template <class Batch>
[[nodiscard]] gaussian_frame_numbers fit_gaussian_frame(const training_set<Batch>& data) {
    std::vector<double> mean, covariance;
    detail::moments_of_points(data.points().read(), mean, covariance);
    for (std::size_t i = 0; i < mean.size(); ++i) covariance[i + mean.size() * i] += data.bandwidth() * data.bandwidth();
    detail::covariance_eigen eigen(data.context(), covariance, data.points().rows());
    return {std::move(mean), std::move(eigen.values), std::move(eigen.vectors)};
}

/// The same Gaussian in its own coordinates U^T x, in which training works.
[[nodiscard]] inline gaussian_frame_numbers in_own_coordinates(const gaussian_frame_numbers& frame) {
    gaussian_frame_numbers result{frame.mean, frame.variance, {}};
    const std::size_t d = frame.mean.size();
    if (!frame.basis.empty())
        for (std::size_t k = 0; k < d; ++k) {
            result.mean[k] = 0.0;
            for (std::size_t i = 0; i < d; ++i) result.mean[k] += frame.basis[i + d * k] * frame.mean[i];
        }
    return result;
}

/// The training set in the coordinates of the frame.
template <class Batch>
[[nodiscard]] training_set<Batch> in_coordinates_of(const gaussian_frame<Batch>& frame, const training_set<Batch>& data) {
    Batch rotated(data.context(), data.points().rows(), data.points().columns()), buffer;
    const auto points = frame.into(data.points().read(), buffer);
    data.context().copy(points.data(), points.size(), rotated.data());
    std::vector<std::int32_t> labels(data.labels() ? static_cast<std::size_t>(data.points().columns()) : 0);
    if (data.labels()) data.context().to_host(data.labels(), data.points().columns(), labels.data());
    return {std::move(rotated), data.bandwidth(), std::move(labels)};
}

} // namespace diamond
