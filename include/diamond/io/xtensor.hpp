/// This header views batches of images as xtensor expressions, and defines a reward written with them. No
/// other header uses xtensor.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/core/image_shape.hpp>

#if __has_include(<xtensor/containers/xadapt.hpp>) // version 0.26 moved its headers into folders
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

/// Returns a d x N batch in host memory, where d = channels height width, as an xtensor expression of shape
/// (N, channels, height, width) on the same memory. The expression is constant if the batch's data() is, and
/// must not outlive the batch.
/// @throws std::invalid_argument if the size of the shape is not the number of rows of the batch.
template <class Batch>
auto images(Batch&& batch, const image_shape& shape) {
    const auto rows = static_cast<std::size_t>(batch.rows()),
               count = static_cast<std::size_t>(batch.columns());
    if (shape.size() != rows)
        throw std::invalid_argument{"images: shape " + to_string(shape) + " takes " +
                                    digits_of(shape.size()) + " rows, the batch has " + digits_of(rows)};
    const std::array<std::size_t, 4> extents{count, shape.channels, shape.height, shape.width};
    return xt::adapt<xt::layout_type::row_major>(batch.data(), rows * count, xt::no_ownership(), extents);
}

/// This stock reward favours images that equal their mirror image: r(z) = -weight mean_p (z_p - z_p')^2 over
/// all pixels and channels p, where p' is the pixel to which a left-right reflection sends p. For weight > 0
/// its maximum is 0, at symmetric images.
class mirror_symmetry_reward {
public:
    /// Makes the reward for images of this shape.
    /// @throws std::invalid_argument if the shape has no pixels or the weight is not finite.
    explicit mirror_symmetry_reward(const image_shape& shape, double weight = 1)
        : shape_{shape}, weight_{weight} {
        if (shape.size() == 0 || !std::isfinite(weight))
            throw std::invalid_argument{"mirror_symmetry_reward: shape " + to_string(shape) + " and weight " +
                                        digits_of(weight)};
    }

    /// Writes values[j] = r(column j of z), where z is d x N in host memory.
    /// @throws std::invalid_argument if the rows of z do not match the shape.
    template <class View, class Values>
    void operator()(const View& z, Values values) const {
        const auto all = images(z, shape_);
        const auto scale = -weight_ / static_cast<double>(shape_.size());
        const auto sums = xt::sum<double>(xt::square(all - mirrored(all)), {1, 2, 3},
                                          xt::evaluation_strategy::lazy);
        for (std::size_t j = 0; j < all.shape(0); ++j) values[j] = scale * sums(j);
    }

    /// Writes grad r(column j of z) = -(4 weight / d) (z_p - z_p') into column j of `out`. The two batches
    /// are d x N and must not overlap.
    /// @throws std::invalid_argument if the rows of z or out do not match the shape, or their numbers of
    /// columns differ.
    template <class View, class GradientView>
    void gradient(const View& z, GradientView&& out) const {
        const auto from = images(z, shape_);
        auto to = images(out, shape_);
        if (from.shape(0) != to.shape(0))
            throw std::invalid_argument{"mirror_symmetry_reward: gradients of " + digits_of(from.shape(0)) +
                                        " columns into " + digits_of(to.shape(0))};
        using real = std::remove_cvref_t<decltype(*z.data())>;
        const auto scale = static_cast<real>(-4 * weight_ / static_cast<double>(shape_.size()));
        xt::noalias(to) = scale * (from - mirrored(from));
    }

    /// Returns the shape of an image, whose size is the number of rows d of a batch.
    const image_shape& shape() const noexcept { return shape_; }
    /// Returns the factor `weight` of the mean square in r(z).
    double weight() const noexcept { return weight_; }

private:
    /// Returns the image (channels, height, width) with its columns in reverse order.
    template <class Image>
    static auto mirrored(const Image& image) {
        using namespace xt::placeholders;
        return xt::view(image, xt::all(), xt::all(), xt::all(), xt::range(_, _, -1));
    }

    image_shape shape_;
    double weight_;
};

} // namespace diamond::io
