// xtensor's view of a batch of images, and a reward written on it. No other header names xtensor.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/io/image_shape.hpp>

#if __has_include(<xtensor/containers/xadapt.hpp>) // 0.26 sorted its headers into folders
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/core/xmath.hpp>
#include <xtensor/core/xnoalias.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xnoalias.hpp>
#include <xtensor/xview.hpp>
#endif

#include <array>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace diamond::io {

/// A d x N batch on the host, with d = channels height width, as an xtensor expression of shape (N, channels, height,
/// width) on the same memory: constant where the batch's data() is. It must not outlive the batch.
/// @throws std::invalid_argument when the shape's size is not the batch's number of rows.
template <class Batch>
auto images(Batch&& batch, const image_shape& shape) {
    const auto rows = static_cast<std::size_t>(batch.rows()), count = static_cast<std::size_t>(batch.columns());
    if (shape.size() != rows)
        throw std::invalid_argument{"images: shape " + to_string(shape) + " takes " + digits_of(shape.size()) +
                                    " rows, the batch has " + digits_of(rows)};
    const std::array<std::size_t, 4> extents{count, shape.channels, shape.height, shape.width};
    return xt::adapt<xt::layout_type::row_major>(batch.data(), rows * count, xt::no_ownership(), extents);
}

/// The stock reward for images that look the same in a mirror, r(z) = -weight mean_p (z_p - z_p')^2 over all pixels and
/// channels p, p' the pixel that a left-right mirror puts there. Greatest, 0, for symmetric images when weight > 0.
class mirror_symmetry_reward {
public:
    /// @throws std::invalid_argument when the shape has no pixels or the weight is not finite.
    explicit mirror_symmetry_reward(const image_shape& shape, double weight = 1) : shape_{shape}, weight_{weight} {
        if (shape.size() == 0 || !std::isfinite(weight))
            throw std::invalid_argument{"mirror_symmetry_reward: shape " + to_string(shape) + " and weight " + digits_of(weight)};
    }

    /// values[j] = r(column j of z), z d x N. @throws std::invalid_argument when z's rows are not the shape's.
    template <class View, class Values>
    void operator()(const View& z, Values values) const {
        const auto all   = images(z, shape_);
        const auto scale = -weight_ / static_cast<double>(shape_.size());
        const auto sums  = xt::sum<double>(xt::square(all - mirrored(all)), {1, 2, 3}, xt::evaluation_strategy::lazy);
        for (std::size_t j = 0; j < all.shape(0); ++j) values[j] = scale * sums(j);
    }

    /// Column j of `out` = grad r(column j of z) = -(4 weight / d) (z_p - z_p'); the two batches must not overlap.
    /// @throws std::invalid_argument when z's or out's rows are not the shape's or they differ in columns.
    template <class View, class GradientView>
    void gradient(const View& z, GradientView&& out) const {
        const auto from = images(z, shape_);
        auto to         = images(out, shape_);
        if (from.shape(0) != to.shape(0))
            throw std::invalid_argument{"mirror_symmetry_reward: gradients of " + digits_of(from.shape(0)) + " columns into " +
                                        digits_of(to.shape(0))};
        using real       = std::remove_cvref_t<decltype(*z.data())>;
        const auto scale = static_cast<real>(-4 * weight_ / static_cast<double>(shape_.size()));
        xt::noalias(to)  = scale * (from - mirrored(from));
    }

    const image_shape& shape() const noexcept { return shape_; }
    double weight() const noexcept { return weight_; }

private:
    /// The image (channels, height, width) with its columns in reverse.
    template <class Image>
    static auto mirrored(const Image& image) {
        using namespace xt::placeholders;
        return xt::view(image, xt::all(), xt::all(), xt::all(), xt::range(_, _, -1));
    }

    image_shape shape_;
    double weight_;
};

} // namespace diamond::io
