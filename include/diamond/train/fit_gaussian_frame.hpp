/// The Gaussian frame of a data set: its mean, and the principal directions and variances of the data with their bandwidth.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/oracle/symmetric_eigen.hpp>
#include <diamond/train/training_set.hpp>

namespace diamond {

/// N(mean, U diag(variance) U^T) of the points plus N(0, bandwidth^2 I). In the basis U of principal directions the network's residual
/// knows nothing of correlations, and with F = 0 its maps are those of the full-covariance Gaussian.
/// @throws std::invalid_argument where the variance in a direction is not positive: a bandwidth above 0 mends that.
template <class Batch>
[[nodiscard]] gaussian_frame_numbers fit_gaussian_frame(const training_set<Batch>& data) {
    const auto host     = to_host(data.points());
    const auto d        = static_cast<std::size_t>(data.points().rows()), n = static_cast<std::size_t>(data.points().columns());
    std::vector<double> mean(d, 0.0), covariance(d * d, 0.0);
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t i = 0; i < d; ++i) mean[i] += static_cast<double>(host[i + d * j]) / static_cast<double>(n);
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t k = 0; k < d; ++k)
            for (std::size_t i = 0; i < d; ++i)
                covariance[i + d * k] += (static_cast<double>(host[i + d * j]) - mean[i]) * (static_cast<double>(host[k + d * j]) - mean[k]) / static_cast<double>(n);
    for (std::size_t i = 0; i < d; ++i) covariance[i + d * i] += data.bandwidth() * data.bandwidth();
    detail::symmetric_eigen eigen(std::move(covariance), static_cast<index_t>(d));
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
    Batch rotated(data.context(), data.points().rows(), data.points().columns()), room;
    const auto points = frame.into(data.points().read(), room);
    data.context().copy(points.data(), points.size(), rotated.data());
    std::vector<std::int32_t> labels(data.labels() ? static_cast<std::size_t>(data.points().columns()) : 0);
    if (data.labels()) data.context().to_host(data.labels(), data.points().columns(), labels.data());
    return {std::move(rotated), data.bandwidth(), std::move(labels)};
}

} // namespace diamond
