/// This header draws from the Gaussian of points, with which learned laws are compared.
#pragma once

#include <Eigen/Core>

#include <diamond/backend/eigen.hpp>
#include <diamond/random/philox.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

namespace studies {

/// Returns draws of N(mean, C + H), the Gaussian of a training set and its noise with its full covariance, a
/// point in each of `count` columns.
inline diamond::eigen::batch<float> gaussian_draws(
    const diamond::training_set<diamond::eigen::batch<float>>& points, diamond::noise_stream stream,
    diamond::index_t count) {
    const auto fit = diamond::fit_gaussian_frame(points);
    const auto size = static_cast<diamond::index_t>(fit.mean.size());
    diamond::eigen::batch<float> noise(points.context(), size, count);
    draw_normal(stream, noise.mutable_view());
    Eigen::Map<const Eigen::MatrixXd> basis(fit.basis.data(), size, size);
    Eigen::Map<const Eigen::VectorXd> mean(fit.mean.data(), size), variance(fit.variance.data(), size);
    Eigen::Map<Eigen::MatrixXf> drawn(noise.data(), size, count);
    drawn = ((basis * (variance.cwiseSqrt().asDiagonal() * drawn.cast<double>())).colwise() + mean)
                .cast<float>()
                .eval();
    return noise;
}

} // namespace studies
