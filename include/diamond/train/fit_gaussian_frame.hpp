/// The Gaussian frame of a training set: its mean, principal directions and variances, and the coordinates
/// that they define.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <diamond/core/expression.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/reward/detail/cholesky.hpp>
#include <diamond/reward/detail/symmetric_eigen.hpp>
#include <diamond/train/training_set.hpp>

namespace diamond {

namespace detail {
/// The transpose of a d x n batch as an operand of expressions, n x d: f(j, i) = x(i, j).
template <class View>
struct transposed {
    using is_expression = void;
    View x;
    extents shape() const { return {x.columns(), x.rows()}; }
    DIAMOND_HD double operator()(index_t j, index_t i) const { return static_cast<double>(x(i, j)); }
};

/// Returns sum + factor x, rounded once where the processor can.
DIAMOND_HD constexpr double add_scaled(double sum, double factor, double x) { return sum + factor * x; }

/// Computes the mean of a d x n view, and its covariance with denominator n, d x d, on the host. The points
/// are taken in blocks, with one product of the back end for each.
template <class Real, class Context>
void moments_of_points(batch_view<const Real, Context> points, std::vector<double>& mean,
                       std::vector<double>& covariance) {
    using view = batch_view<const Real, Context>;
    // The number of points in a block: their doubles take little memory beside d x d ones where d is large.
    constexpr index_t block = 1024;
    const auto& context = points.context();
    const index_t d = points.rows(), n = points.columns();
    owning_batch<double, Context> sums(context, d, 1), centred(context, std::min(block, n), d),
        product(context, d, d);
    context.column_sums(n, d, transposed<view>{points}, sums.data());
    auto total = from_host<double>(context, d, d, std::vector<double>(static_cast<std::size_t>(d * d), 0.0));
    for (index_t first = 0; first < n; first += block) {
        const auto part = points.columns(first, std::min(block, n - first));
        centred.resize(context, part.columns(), d);
        assign(centred, transposed<view>{part} - row(context, d, sums.data()) / static_cast<double>(n));
        context.product(transpose::yes, centred.read(), centred.read(), product.mutable_view());
        assign(total, elementwise<add_scaled>(total, 1.0 / static_cast<double>(n), product));
    }
    mean = to_host(sums);
    covariance = to_host(total);
    for (double& m : mean) m /= static_cast<double>(n);
}
/// Decomposes the covariance of points with their noise. @throws std::invalid_argument where a coordinate,
/// given those before it, varies no more than the rounding of points of type Real.
template <class Real, class Context>
[[nodiscard]] covariance_eigen eigen_of_points(const Context& context, const std::vector<double>& mean,
                                               const std::vector<double>& covariance) {
    const std::size_t d = mean.size();
    // The rounding of a coordinate in units of its deviation: points lie within some 4 of these about the
    // mean.
    constexpr double products = 16.0; // by what the rounding of the sums exceeds that of a factorisation
    const double sum_rounding = static_cast<double>(d) * std::numeric_limits<double>::epsilon();
    double rounding = 0.0;
    for (std::size_t i = 0; i < d; ++i) {
        const double deviation = std::sqrt(covariance[i + d * i]),
                     of_mean = static_cast<double>(std::numeric_limits<Real>::epsilon()) * std::abs(mean[i]);
        const bool constant = deviation <= products * std::abs(mean[i]) * sum_rounding;
        require(constant || of_mean <= digits_kept * deviation, [&] {
            return "coordinate " + digits_of(i) + " of the points has mean " + digits_of(mean[i]) +
                   " and deviation " + digits_of(deviation) +
                   ": rounding drowns it, subtract the mean from the points";
        });
        rounding += square(4.0 * static_cast<double>(std::numeric_limits<Real>::epsilon()) +
                           of_mean / deviation);
    }
    const auto size = static_cast<index_t>(d);
    static_cast<void>(
        cholesky("the covariance of the points, which give a bandwidth above 0 where coordinates add "
                 "up to a constant or one is the same for all, or leave it out,",
                 covariance, size, pivot_unit::own, std::max(rounding, products * sum_rounding)));
    return {context, covariance, size};
}
} // namespace detail

/// Computes N(mean, U diag(variance) U^T), the Gaussian of the points plus their noise, N(0, diag(h^2)).
///
/// In the basis U of principal directions the network's residual need not learn correlations, and a network
/// whose residual is 0 has the maps of the full-covariance Gaussian. Cost: n d^2 operations by the back end's
/// product, and the eigenvectors of a d x d matrix.
/// @throws std::invalid_argument if the variance in a direction is not above the rounding of the points; a
/// bandwidth above 0 prevents that.
template <class Batch>
[[nodiscard]] gaussian_frame_numbers fit_gaussian_frame(const training_set<Batch>& data) {
    std::vector<double> mean, covariance;
    detail::moments_of_points(data.points().read(), mean, covariance);
    for (std::size_t i = 0; i < mean.size(); ++i)
        covariance[i + mean.size() * i] += data.bandwidths()[i] * data.bandwidths()[i];
    auto eigen = detail::eigen_of_points<typename Batch::value_type>(data.context(), mean, covariance);
    return {std::move(mean), std::move(eigen.values), std::move(eigen.vectors)};
}

namespace detail {
/// Computes mean and variance of each coordinate of the points.
template <class Batch>
[[nodiscard]] gaussian_frame_numbers pixel_moments(const Batch& given) {
    const auto points = given.read();
    const auto& context = given.context();
    const index_t d = points.rows(), n = points.columns();
    using transposed = detail::transposed<const_view_t<Batch>>;
    rebind_t<Batch, double> sums(context, d, 1), squares(context, d, 1);
    context.column_sums(n, d, transposed{points}, sums.data());
    const auto centred = transposed{points} - row(context, d, sums.data()) / static_cast<double>(n);
    context.column_sums(n, d, centred * centred, squares.data());
    gaussian_frame_numbers frame{to_host(sums), to_host(squares), {}};
    for (double& mean : frame.mean) mean /= static_cast<double>(n);
    for (double& variance : frame.variance) variance /= static_cast<double>(n);
    return frame;
}
} // namespace detail

/// Computes mean and variance of each coordinate of the points plus their noise, N(0, diag(h^2)): a frame
/// without a basis, for images of so many pixels that d x d numbers are too many, or whose layers see pixels
/// and need no correlations taken out. Cost: n d operations by the back end.
/// @throws std::invalid_argument if a coordinate is the same for all points and has no bandwidth.
template <class Batch>
[[nodiscard]] gaussian_frame_numbers fit_pixel_frame(const training_set<Batch>& data) {
    gaussian_frame_numbers frame = detail::pixel_moments(data.points());
    for (std::size_t i = 0; i < frame.mean.size(); ++i) {
        frame.variance[i] += square(data.bandwidths()[i]);
        require(frame.variance[i] > 0.0, [&] {
            return "coordinate " + digits_of(i) + " of the points is " + digits_of(frame.mean[i]) +
                   " for all of them: give them a bandwidth above 0";
        });
    }
    return frame;
}

/// Computes mean and variance of each number of the vectors that a training set's points are conditioned on:
/// the frame by which a diamond_mlp reads them. A number that is the same for all points has the variance 1,
/// since it says nothing. Cost: n d_c operations on the host. @throws std::invalid_argument where the points
/// have no vectors.
template <class Batch>
[[nodiscard]] gaussian_frame_numbers fit_vector_frame(const training_set<Batch>& data) {
    require(data.vectors().size() > 0, "the frame of a training set's vectors, of which it has none");
    const auto vectors = to_host(data.vectors());
    const auto rows = static_cast<std::size_t>(data.vectors().rows()), columns = vectors.size() / rows;
    const double count = static_cast<double>(columns);
    gaussian_frame_numbers frame{std::vector<double>(rows, 0.0), std::vector<double>(rows, 0.0), {}};
    // From the first vector on, so that the rounding of sums leaves what is constant so.
    const auto apart = [&](std::size_t i, std::size_t j) {
        return static_cast<double>(vectors[i + rows * j]) - static_cast<double>(vectors[i]);
    };
    for (std::size_t j = 0; j < columns; ++j)
        for (std::size_t i = 0; i < rows; ++i) frame.mean[i] += apart(i, j) / count;
    for (std::size_t j = 0; j < columns; ++j)
        for (std::size_t i = 0; i < rows; ++i)
            frame.variance[i] += square(apart(i, j) - frame.mean[i]) / count;
    for (std::size_t i = 0; i < rows; ++i) {
        frame.mean[i] += static_cast<double>(vectors[i]);
        const double rounding = static_cast<double>(
                                    std::numeric_limits<typename Batch::value_type>::epsilon()) *
                                frame.mean[i];
        if (!(frame.variance[i] > square(rounding))) frame.variance[i] = 1.0;
    }
    return frame;
}

namespace detail {
/// Returns the points in the coordinates U^T x of the frame.
template <class Batch>
[[nodiscard]] Batch rotated_points(const gaussian_frame<Batch>& frame, const Batch& points) {
    Batch rotated(points.context(), points.rows(), points.columns()), buffer;
    const auto inside = frame.into(points.read(), buffer);
    points.context().copy(inside.data(), inside.size(), rotated.data());
    return rotated;
}
} // namespace detail

/// Returns the training set in the coordinates U^T x of the frame. @throws std::invalid_argument for a frame
/// with a basis and bandwidths that differ: their noise is correlated in its coordinates.
template <class Batch>
[[nodiscard]] training_set<Batch> in_coordinates_of(const gaussian_frame<Batch>& frame,
                                                    const training_set<Batch>& data) {
    require(!frame.has_basis() || data.isotropic(),
            "bandwidths that differ from coordinate to coordinate do not turn with a frame's basis: use "
            "smooth_points, whose noise follows the frame's directions, or a frame without a basis");
    Batch rotated = detail::rotated_points(frame, data.points()), vectors;
    if (const auto& given = data.vectors(); given.size() > 0) {
        vectors = Batch(data.context(), given.rows(), given.columns());
        data.context().copy(given.data(), given.size(), vectors.data());
    }
    std::vector<std::int32_t> labels(data.labels() ? static_cast<std::size_t>(data.points().columns()) : 0);
    if (data.labels()) data.context().to_host(data.labels(), data.points().columns(), labels.data());
    return {std::move(rotated), data.bandwidths(), std::move(labels), std::move(vectors)};
}

/// The noise N(0, H) that makes points a distribution, H = bandwidth^2 I + relative_bandwidth^2 C, where C is
/// the points' covariance. The relative part leaves what correlates the coordinates as it is: smooth
/// trajectories stay smooth.
struct smoothing {
    double bandwidth = 0.0;          ///< h >= 0, in the units of the points
    double relative_bandwidth = 0.1; ///< >= 0, a share of the standard deviation along every direction
};

/// Points smoothed by N(0, H), in the coordinates of their own Gaussian frame.
template <class Batch>
struct framed_points {
    gaussian_frame<Batch> frame; ///< N(mean, C + H), the Gaussian of the smoothed points
    training_set<Batch> inside;  ///< U^T x, with the standard deviations of H along U's columns
};

/// Fits the Gaussian frame of smoothed points and brings the points into its coordinates, in which H is
/// diagonal. Cost: that of fit_gaussian_frame, and one rotation of the points.
/// @throws std::invalid_argument for a bandwidth that is negative or not finite, and where the variance in a
/// direction is not above the rounding of the points; a bandwidth above 0 prevents that.
template <class Batch>
[[nodiscard]] framed_points<Batch> smooth_points(const Batch& points, const smoothing& by,
                                                 std::vector<std::int32_t> labels = {}, Batch vectors = {}) {
    detail::require_not_negative("bandwidth", by.bandwidth);
    detail::require_not_negative("relative_bandwidth", by.relative_bandwidth);
    detail::require_finite_points(points);
    std::vector<double> mean, covariance;
    detail::moments_of_points(points.read(), mean, covariance);
    const std::size_t d = mean.size();
    const double h = square(by.bandwidth), share = square(by.relative_bandwidth);
    for (double& entry : covariance) entry *= 1.0 + share;
    for (std::size_t i = 0; i < d; ++i) covariance[i + d * i] += h;
    const auto eigen = detail::eigen_of_points<typename Batch::value_type>(points.context(), mean,
                                                                           covariance);
    std::vector<double> deviations;
    // Along a direction C + H is `variance`, of which C's part is (variance - h)/(1 + share).
    for (const double variance : eigen.values)
        deviations.push_back(std::sqrt(h + share / (1.0 + share) * std::max(variance - h, 0.0)));
    gaussian_frame<Batch> frame(points.context(), {std::move(mean), eigen.values, eigen.vectors});
    Batch rotated = detail::rotated_points(frame, points);
    return {std::move(frame),
            {std::move(rotated), std::move(deviations), std::move(labels), std::move(vectors)}};
}

/// Does the same for images, pixel by pixel: the frame has no basis, and the noise of a pixel has the
/// variance bandwidth^2 + relative_bandwidth^2 that of the pixel. Where images vary in far fewer directions
/// than they have pixels, the principal directions would show a network of pixels noise as large as all else.
/// Cost: n d operations. @throws std::invalid_argument as above, and where a pixel is the same for all images
/// and the bandwidth 0.
template <class Batch>
[[nodiscard]] framed_points<Batch> smooth_pixels(const Batch& points, const smoothing& by,
                                                 std::vector<std::int32_t> labels = {}, Batch vectors = {}) {
    detail::require_not_negative("bandwidth", by.bandwidth);
    detail::require_not_negative("relative_bandwidth", by.relative_bandwidth);
    detail::require_finite_points(points);
    const gaussian_frame_numbers moments = detail::pixel_moments(points);
    std::vector<double> deviations;
    for (const double variance : moments.variance)
        deviations.push_back(std::sqrt(square(by.bandwidth) + square(by.relative_bandwidth) * variance));
    Batch copy(points.context(), points.rows(), points.columns());
    points.context().copy(points.data(), points.size(), copy.data());
    training_set<Batch> images(std::move(copy), std::move(deviations), std::move(labels), std::move(vectors));
    gaussian_frame<Batch> frame(points.context(), fit_pixel_frame(images));
    return {std::move(frame), std::move(images)};
}

} // namespace diamond
