/// The measurement of an image at a lower resolution.
#pragma once

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/image_shape.hpp>
#include <diamond/measurement/singular_vectors.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

namespace detail {
/// Which pixels of the large image a pixel of the small one stands for. The rows of all channels follow each
/// other, and the factor divides the height.
struct down_sampling {
    index_t width, small_width, factor;

    /// The small pixel to whose block pixel i of the large image belongs.
    [[nodiscard]] DIAMOND_HD index_t small(index_t i) const {
        return i / width / factor * small_width + i % width / factor;
    }
    /// The upper left large pixel of the block of small pixel k.
    [[nodiscard]] DIAMOND_HD index_t corner(index_t k) const {
        return k / small_width * factor * width + k % small_width * factor;
    }
};
/// Writes the mean of block k of image j to out(k, j).
template <class View, class ConstView>
struct block_means {
    down_sampling grid;
    ConstView z;
    View out;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        const index_t first = grid.corner(k);
        double sum = 0.0;
        for (index_t y = 0; y < grid.factor; ++y)
            for (index_t x = 0; x < grid.factor; ++x)
                sum += static_cast<double>(z(first + y * grid.width + x, j));
        const index_t pixels = grid.factor * grid.factor;
        out(k, j) = static_cast<typename View::value_type>(sum / static_cast<double>(pixels));
    }
};
/// Writes the cotangent of a block's mean, divided by the number of its pixels, to each of its pixels.
template <class View, class ConstView>
struct spread_blocks {
    down_sampling grid;
    ConstView cotangent;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        using value_type = typename View::value_type;
        out(i, j) = cotangent(grid.small(i), j) / static_cast<value_type>(grid.factor * grid.factor);
    }
};
} // namespace detail

/// The measurement A(z)_{c,y,x} that is the mean of the f x f block (y, x) of channel c: an image of C x H x
/// W becomes one of C x H/f x W/f, so d = C H W and m = d/f^2.
template <class Batch>
class down_sampling_measurement {
public:
    using batch_type = Batch;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// @param shape is C x H x W. @param factor is f.
    /// @throws std::invalid_argument unless the shape has pixels and factor >= 1 divides its height and
    /// width.
    down_sampling_measurement(const image_shape& shape, std::size_t factor) : shape_(shape), factor_(factor) {
        require(shape.size() > 0 && factor > 0 && shape.height % factor == 0 && shape.width % factor == 0,
                [&] {
                    return "down_sampling_measurement: factor " + digits_of(factor) + " of an image of " +
                           to_string(shape);
                });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(shape_.size()); }      ///< d
    [[nodiscard]] index_t outputs() const { return static_cast<index_t>(small_shape().size()); } ///< m
    /// The shape of the measured image, C x H/f x W/f.
    [[nodiscard]] image_shape small_shape() const {
        return {shape_.channels, shape_.height / factor_, shape_.width / factor_};
    }

    /// Writes the means of the blocks, d x n to m x n. @throws std::invalid_argument for other shapes.
    void operator()(const_view z, view out) const {
        detail::require_map("down_sampling_measurement", dimension(), outputs(), z, out);
        out.context().for_each(out.rows(), out.columns(),
                               detail::block_means<view, const_view>{.grid = grid(), .z = z, .out = out});
    }
    /// Writes each block's cotangent, divided by f^2, to each of its pixels, m x n to d x n.
    /// @throws std::invalid_argument for other shapes.
    void vjp(const_view, const_view cotangent, view out) const {
        detail::require_map("down_sampling_measurement", outputs(), dimension(), cotangent, out);
        out.context().for_each(
            out.rows(), out.columns(),
            detail::spread_blocks<view, const_view>{.grid = grid(), .cotangent = cotangent, .out = out});
    }

    /// The singular vectors: unit vectors on the left, the blocks on the right, of value 1/f.
    [[nodiscard]] diamond::singular_vectors<Batch> singular_vectors(const context_type& context) const {
        const auto factor = static_cast<double>(factor_);
        return {context, orthonormal_basis<Batch>{detail::unit_vectors<Batch>{}},
                orthonormal_basis<Batch>{
                    detail::orthogonal_rows<down_sampling_measurement>{.of = *this, .scale = factor}},
                std::vector<double>(small_shape().size(), 1.0 / factor)};
    }

private:
    [[nodiscard]] detail::down_sampling grid() const {
        return {.width = static_cast<index_t>(shape_.width),
                .small_width = static_cast<index_t>(small_shape().width),
                .factor = static_cast<index_t>(factor_)};
    }

    image_shape shape_;
    std::size_t factor_;
};

} // namespace diamond
