/// The Gaussian frame of a training set: its mean, principal directions and variances, and the coordinates
/// that they define.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/oracle/symmetric_eigen.hpp>
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

DIAMOND_HD inline double magnitude_of_number(double x) { return std::fabs(x); }
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
} // namespace detail

/// Computes N(mean, U diag(variance) U^T), the Gaussian of the points plus their noise, N(0, diag(h^2)).
///
/// In the basis U of principal directions the network's residual need not learn correlations, and a network
/// whose residual is 0 has the maps of the full-covariance Gaussian. Cost: n d^2 operations by the back end's
/// product, and the eigenvectors of a d x d matrix.
/// @throws std::invalid_argument if the variance in a direction is not positive; a bandwidth above 0 prevents
/// that.
template <class Batch>
[[nodiscard]] gaussian_frame_numbers fit_gaussian_frame(const training_set<Batch>& data) {
    std::vector<double> mean, covariance;
    detail::moments_of_points(data.points().read(), mean, covariance);
    for (std::size_t i = 0; i < mean.size(); ++i)
        covariance[i + mean.size() * i] += data.bandwidths()[i] * data.bandwidths()[i];
    detail::covariance_eigen eigen(data.context(), covariance, data.points().rows());
    return {std::move(mean), std::move(eigen.values), std::move(eigen.vectors)};
}

/// Returns the frame's Gaussian in its own coordinates U^T x, in which training works.
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
    Batch rotated = detail::rotated_points(frame, data.points());
    std::vector<std::int32_t> labels(data.labels() ? static_cast<std::size_t>(data.points().columns()) : 0);
    if (data.labels()) data.context().to_host(data.labels(), data.points().columns(), labels.data());
    return {std::move(rotated), data.bandwidths(), std::move(labels)};
}

namespace detail {
/// @throws std::invalid_argument that names the first point with a coordinate that is not finite.
template <class Batch>
void require_finite_points(const Batch& points) {
    const auto& context = points.context();
    const auto numbers = row(context, points.size(), points.data());
    const index_t bad = context.find_first(points.size(), elementwise<is_not_finite>(numbers));
    if (bad == points.size()) return;
    typename Batch::value_type value{};
    context.to_host(points.data() + bad, 1, &value);
    throw std::invalid_argument("a training set's point " + digits_of(bad / points.rows()) + " has " +
                                digits_of(value) + " as coordinate " + digits_of(bad % points.rows()) +
                                ": it must be finite");
}
/// Decomposes the covariance of smoothed points. @throws std::invalid_argument where the variance along a
/// direction is no more than the rounding of the points or of the covariance.
template <class Batch>
[[nodiscard]] covariance_eigen eigen_of_points(const Batch& points, const std::vector<double>& covariance) {
    using real = typename Batch::value_type;
    const auto& context = points.context();
    const char* const
        flat = "the points have no variance along a direction, as where coordinates add up to a constant or "
               "one is the same for all: give smooth.bandwidth > 0, or leave that direction out";
    const auto numbers = row(context, points.size(), points.data());
    const double rounding = static_cast<double>(std::numeric_limits<real>::epsilon()) *
                            context.max(points.size(), elementwise<magnitude_of_number>(numbers));
    const auto d = static_cast<double>(points.rows());
    const auto found = [&]() -> covariance_eigen {
        try {
            return {context, covariance, points.rows()};
        } catch (const std::invalid_argument& error) {
            throw std::invalid_argument(std::string(flat) + " (" + error.what() + ")");
        }
    };
    const covariance_eigen eigen = found();
    const double least = std::max(square(rounding), 16.0 * d * 0x1p-52 * eigen.values.back());
    require(eigen.values.front() > least, flat);
    return eigen;
}
} // namespace detail

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
/// direction is not positive; a bandwidth above 0 prevents that.
template <class Batch>
[[nodiscard]] framed_points<Batch> smooth_points(const Batch& points, const smoothing& by,
                                                 std::vector<std::int32_t> labels = {}) {
    detail::require_not_negative("bandwidth", by.bandwidth);
    detail::require_not_negative("relative_bandwidth", by.relative_bandwidth);
    require(points.size() > 0, "a training set needs points");
    detail::require_finite_points(points);
    std::vector<double> mean, covariance;
    detail::moments_of_points(points.read(), mean, covariance);
    const std::size_t d = mean.size();
    const double h = square(by.bandwidth), share = square(by.relative_bandwidth);
    for (double& entry : covariance) entry *= 1.0 + share;
    for (std::size_t i = 0; i < d; ++i) covariance[i + d * i] += h;
    const detail::covariance_eigen eigen = detail::eigen_of_points(points, covariance);
    std::vector<double> deviations;
    // Along a direction C + H is `variance`, of which C's part is (variance - h)/(1 + share).
    for (const double variance : eigen.values)
        deviations.push_back(std::sqrt(h + share / (1.0 + share) * std::max(variance - h, 0.0)));
    gaussian_frame<Batch> frame(points.context(), {std::move(mean), eigen.values, eigen.vectors});
    Batch rotated = detail::rotated_points(frame, points);
    return {std::move(frame), {std::move(rotated), std::move(deviations), std::move(labels)}};
}

} // namespace diamond
