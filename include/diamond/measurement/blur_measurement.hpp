/// The measurement of a blurred image: its circular convolution with a kernel, diagonal in Fourier space.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/image_shape.hpp>
#include <diamond/measurement/singular_vectors.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

/// The weights of a convolution: the value at a pixel is the sum of weights[v width + u] times the pixel v -
/// (height - 1)/2 rows above and u - (width - 1)/2 columns to the left. Both extents are odd; a width or a
/// height of 1 blurs along one axis.
struct blur_kernel {
    std::size_t height = 1;              ///< the rows of weights
    std::size_t width = 1;               ///< the weights of a row
    std::vector<double> weights = {1.0}; ///< height x width numbers, row by row
};
/// Returns the kernel of the mean over size x size pixels. @throws std::invalid_argument for an even size.
[[nodiscard]] inline blur_kernel box_blur(std::size_t size) {
    require(size % 2 == 1,
            [&] { return "box_blur of size " + digits_of(size) + ": an odd number of pixels is needed"; });
    return {size, size, std::vector<double>(size * size, 1.0 / static_cast<double>(size * size))};
}
/// Returns the kernel of size x size weights in proportion to exp(-(u^2 + v^2)/(2 deviation^2)), with sum 1.
/// @throws std::invalid_argument for an even size, and unless 0 < deviation < infinity.
[[nodiscard]] inline blur_kernel gaussian_blur(double deviation, std::size_t size) {
    require(size % 2 == 1 && deviation > 0.0 && std::isfinite(deviation), [&] {
        return "gaussian_blur of deviation " + digits_of(deviation) + " and size " + digits_of(size) +
               ": a positive deviation in pixels and an odd size are needed";
    });
    const auto offset = [&](std::size_t place) {
        return static_cast<double>(place) - static_cast<double>(size / 2);
    };
    blur_kernel kernel{size, size, {}};
    double sum = 0.0;
    for (std::size_t v = 0; v < size; ++v)
        for (std::size_t u = 0; u < size; ++u) {
            kernel.weights.push_back(
                std::exp(-0.5 * (square(offset(u)) + square(offset(v))) / square(deviation)));
            sum += kernel.weights.back();
        }
    for (double& weight : kernel.weights) weight /= sum;
    return kernel;
}

namespace detail {

/// The circular convolution of each channel of each image, or with `sign` = -1 its transpose.
template <class Weights, class ConstView, class View>
struct convolve {
    static constexpr index_t relative_cost = 16;
    Weights weights; ///< width x height, a row of the kernel in a column
    index_t height, width, sign;
    ConstView in;
    View out;
    /// A place less than n beyond either end, on the circle of n.
    DIAMOND_HD static index_t wrapped(index_t place, index_t n) {
        return place < 0 ? place + n : place >= n ? place - n : place;
    }
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t pixels = height * width, begin = i / pixels * pixels, y = (i - begin) / width,
                      x = (i - begin) % width;
        const index_t columns = weights.rows(), rows = weights.columns();
        double sum = 0.0;
        for (index_t v = 0; v < rows; ++v) {
            const index_t from_y = wrapped(y - sign * (v - rows / 2), height);
            for (index_t u = 0; u < columns; ++u) {
                const index_t from_x = wrapped(x - sign * (u - columns / 2), width);
                sum += weights(u, v) * static_cast<double>(in(begin + from_y * width + from_x, j));
            }
        }
        out(i, j) = static_cast<typename View::value_type>(sum);
    }
};

/// The product of a matrix, or of its transpose, with every line of pixels along one axis.
template <class Matrix, class ConstView, class View>
struct along_axis {
    static constexpr index_t relative_cost = 16;
    Matrix matrix; ///< n x n
    bool transposed;
    index_t stride; ///< of neighbours along the axis
    ConstView in;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t n = matrix.rows(), place = i / stride % n, first = i - place * stride;
        double sum = 0.0;
        for (index_t k = 0; k < n; ++k)
            sum += static_cast<double>(transposed ? matrix(k, place) : matrix(place, k)) *
                   static_cast<double>(in(first + k * stride, j));
        out(i, j) = static_cast<typename View::value_type>(sum);
    }
};
/// Mixes up to four modes of a channel: out_p = sum_l share_{p l} in_{mode_{p l}}.
template <class Modes, class Shares, class ConstView, class View>
struct mix_modes {
    Modes modes;   ///< 4 x pixels
    Shares shares; ///< 4 x pixels
    ConstView in;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t p = i % modes.columns(), begin = i - p;
        double sum = 0.0;
        for (index_t l = 0; l < modes.rows(); ++l)
            sum += static_cast<double>(shares(l, p)) * static_cast<double>(in(begin + modes(l, p), j));
        out(i, j) = static_cast<typename View::value_type>(sum);
    }
};

/// The real Fourier modes of n pixels on a circle, n x n and orthonormal: 1, cos x, sin x, cos 2x, sin 2x ...
/// and, for even n, the one of alternating signs.
[[nodiscard]] inline std::vector<double> real_fourier_modes(index_t n) {
    constexpr double two_pi = 6.283185307179586476925;
    std::vector<double> modes(static_cast<std::size_t>(n * n));
    const double unit = std::sqrt(1.0 / static_cast<double>(n)), wave = std::sqrt(2.0) * unit;
    for (index_t k = 0; k < n; ++k)
        for (index_t x = 0; x < n; ++x) {
            const index_t turns = (k + 1) / 2 * x % n;
            const double angle = two_pi * static_cast<double>(turns) / static_cast<double>(n);
            const bool alone = k == 0 || (n % 2 == 0 && k == n - 1);
            modes[static_cast<std::size_t>(x + n * k)] = alone      ? (turns == 0 ? unit : -unit)
                                                       : k % 2 == 1 ? wave * std::cos(angle)
                                                                    : wave * std::sin(angle);
        }
    return modes;
}

/// Orthonormal plane waves of an image, each a mixture of up to four products of axes' modes.
template <class Batch>
class plane_waves {
public:
    using real = typename Batch::value_type;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using places = rebind_t<Batch, std::int32_t>;

    /// What the waves share: the axes' modes, and which of their products a wave is made of.
    struct parameters {
        Batch of_height, of_width;
        places modes;               ///< 4 x pixels
        Batch into_waves, of_waves; ///< 4 x pixels: the shares of the products in a wave, and the transpose
    };
    explicit plane_waves(std::shared_ptr<const parameters> shared) : shared_(std::move(shared)) {}

    void parts(const_view x, view out) {
        make_room(x);
        along(shared_->of_height, true, shared_->of_width.rows(), x, first_.mutable_view());
        along(shared_->of_width, true, 1, first_.read(), second_.mutable_view());
        mix(shared_->into_waves, second_.read(), out);
    }
    void compose(const_view p, view out) {
        make_room(p);
        mix(shared_->of_waves, p, first_.mutable_view());
        along(shared_->of_width, false, 1, first_.read(), second_.mutable_view());
        along(shared_->of_height, false, shared_->of_width.rows(), second_.read(), out);
    }

private:
    void make_room(const_view x) {
        for (auto* batch : {&first_, &second_}) batch->resize(x.context(), x.rows(), x.columns());
    }
    void along(const Batch& modes, bool transposed, index_t stride, const_view in, view out) const {
        out.context().for_each(
            out.rows(), out.columns(),
            along_axis<const_view, const_view, view>{.matrix = modes.read_on(out.context()),
                                                     .transposed = transposed,
                                                     .stride = stride,
                                                     .in = in,
                                                     .out = out});
    }
    void mix(const Batch& shares, const_view in, view out) const {
        out.context().for_each(out.rows(), out.columns(),
                               mix_modes<const_view_t<places>, const_view, const_view, view>{
                                   .modes = shared_->modes.read_on(out.context()),
                                   .shares = shares.read_on(out.context()),
                                   .in = in,
                                   .out = out});
    }

    std::shared_ptr<const parameters> shared_;
    scratch<real, backend_of_t<Batch>> first_, second_;
};

/// Finds the waves in which a circular convolution is diagonal. Of a pair of frequencies +-(f, g) the
/// convolution turns cos(f y + g x) and sin(f y + g x) by the phase of its response lambda and stretches both
/// by |lambda|: right vectors are the waves, left ones the turned waves.
class wave_finder {
public:
    wave_finder(const blur_kernel& kernel, index_t height, index_t width)
        : kernel_(kernel), height_(height), width_(width) {
        const auto size = static_cast<std::size_t>(4 * height * width);
        modes.resize(size);
        for (auto* shares : {&right, &right_transposed, &left, &left_transposed}) shares->resize(size);
        values.resize(static_cast<std::size_t>(height * width));
        for (index_t a = 0; a < height; ++a)
            for (index_t b = 0; b < width; ++b) add(a, b);
    }

    std::vector<std::int32_t> modes; ///< 4 x pixels: the group of products that a wave is made of
    std::vector<double> right, right_transposed, left, left_transposed; ///< 4 x pixels
    std::vector<double> values;                                         ///< |lambda| of each wave

private:
    /// A wave of its group: its right vector's shares in the group's products, and the response to it.
    struct response {
        double real, imaginary;
    };
    [[nodiscard]] static bool alone(index_t k, index_t n) { return k == 0 || (n % 2 == 0 && k == n - 1); }

    /// lambda = sum weight exp(-i (f v/height + g u/width) 2 pi), with (v, u) counted from the middle.
    [[nodiscard]] response respond(index_t f, index_t g) const {
        constexpr double two_pi = 6.283185307179586476925;
        const auto rows = static_cast<index_t>(kernel_.height), columns = static_cast<index_t>(kernel_.width);
        response sum{0.0, 0.0};
        for (index_t v = 0; v < rows; ++v)
            for (index_t u = 0; u < columns; ++u) {
                const auto turn = [](index_t product, index_t n) {
                    return static_cast<double>((product % n + n) % n) / static_cast<double>(n);
                };
                const double angle = two_pi * (turn(f * (v - rows / 2), height_) +
                                               turn(g * (u - columns / 2), width_));
                const double weight = kernel_.weights[static_cast<std::size_t>(v * columns + u)];
                sum.real += weight * std::cos(angle);
                sum.imaginary -= weight * std::sin(angle);
            }
        return sum;
    }
    /// Adds the group of the product (a, b) of modes, once, by its first member.
    void add(index_t a, index_t b) {
        const index_t f = (a + 1) / 2, g = (b + 1) / 2;
        const bool one_y = alone(a, height_), one_x = alone(b, width_);
        if ((!one_y && a % 2 == 0) || (!one_x && b % 2 == 0)) return; // a sine: its cosine adds the group
        const auto place = [&](index_t y, index_t x) { return static_cast<std::int32_t>(y * width_ + x); };
        const double half = std::sqrt(0.5);
        if (one_y && one_x) {
            const response lambda = respond(f, g);
            write({place(a, b)}, {1.0}, {lambda.real < 0.0 ? -1.0 : 1.0}, {std::abs(lambda.real)});
        } else if (one_y || one_x) {
            const auto sine = one_y ? place(a, b + 1) : place(a + 1, b);
            write_pairs({place(a, b), sine}, {1.0, 0.0, 0.0, 1.0}, {respond(f, g)});
        } else {
            // cos cos, sin sin, sin cos, cos sin; and cos(f y +- g x), sin(f y +- g x) of them
            write_pairs(
                {place(a, b), place(a + 1, b + 1), place(a + 1, b), place(a, b + 1)},
                {half, -half, 0.0, 0.0, 0.0, 0.0, half, half, half, half, 0.0, 0.0, 0.0, 0.0, half, -half},
                {respond(f, g), respond(f, -g)});
        }
    }
    /// Writes waves that come in pairs of a cosine and a sine, a row of `shares` each, a response a pair.
    void write_pairs(const std::vector<std::int32_t>& group, const std::vector<double>& shares,
                     const std::vector<response>& responses) {
        const std::size_t n = group.size();
        std::vector<double> turned(n * n), sizes;
        for (std::size_t pair = 0; pair < responses.size(); ++pair) {
            const double size = std::hypot(responses[pair].real, responses[pair].imaginary);
            const double cosine = size > 0.0 ? responses[pair].real / size : 1.0,
                         sine = size > 0.0 ? responses[pair].imaginary / size : 0.0;
            sizes.insert(sizes.end(), {size, size});
            for (std::size_t l = 0; l < n; ++l) {
                const double of_cosine = shares[2 * pair * n + l], of_sine = shares[(2 * pair + 1) * n + l];
                turned[2 * pair * n + l] = cosine * of_cosine - sine * of_sine;
                turned[(2 * pair + 1) * n + l] = sine * of_cosine + cosine * of_sine;
            }
        }
        write(group, shares, turned, sizes);
    }
    /// Writes a group: wave k of it is kept in the place of its product k.
    void write(const std::vector<std::int32_t>& group, const std::vector<double>& of_right,
               const std::vector<double>& of_left, const std::vector<double>& sizes) {
        const std::size_t n = group.size();
        for (std::size_t k = 0; k < n; ++k) {
            const auto p = static_cast<std::size_t>(group[k]);
            values[p] = sizes[k];
            for (std::size_t l = 0; l < 4; ++l) modes[4 * p + l] = group[l < n ? l : k];
            for (std::size_t l = 0; l < n; ++l) {
                right[4 * p + l] = of_right[k * n + l];
                left[4 * p + l] = of_left[k * n + l];
                right_transposed[4 * p + l] = of_right[l * n + k];
                left_transposed[4 * p + l] = of_left[l * n + k];
            }
        }
    }

    const blur_kernel& kernel_;
    index_t height_, width_;
};

} // namespace detail

/// The measurement A(z) = k * z, the circular convolution of each channel of an image C x H x W with a
/// kernel: d = m = C H W, and beyond an edge the image begins anew at the other one. Copies share the kernel.
///
/// Its singular vectors are plane waves, products of the two axes' Fourier modes and their pairwise mixtures,
/// found for a kernel of any shape; to take a batch apart by them costs C H W (H + W) operations an image.
template <class Batch>
class blur_measurement {
public:
    using batch_type = Batch;
    using value_type = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// @param shape is C x H x W. @param kernel is k, in numbers of double whatever the images are.
    /// @throws std::invalid_argument unless the shape has pixels, the kernel's extents are odd and not larger
    /// than the image's, its weights are height x width finite numbers, and one of them is not 0.
    blur_measurement(const context_type& context, const image_shape& shape, blur_kernel kernel)
        : shape_(shape) {
        require(shape.size() > 0 && kernel.height % 2 == 1 && kernel.width % 2 == 1 &&
                    kernel.height <= shape.height && kernel.width <= shape.width,
                [&] {
                    return "blur_measurement: a kernel of " + digits_of(kernel.height) + " x " +
                           digits_of(kernel.width) + " of an image of " + to_string(shape) +
                           ": odd extents are needed, not larger than the image's";
                });
        require(kernel.weights.size() == kernel.height * kernel.width, [&] {
            return "blur_measurement: " + digits_of(kernel.weights.size()) + " weights for a kernel of " +
                   digits_of(kernel.height) + " x " + digits_of(kernel.width);
        });
        detail::require_finite("blur_measurement: weights", kernel.weights);
        bool any = false;
        for (const double weight : kernel.weights) any = any || weight != 0.0;
        require(any, "blur_measurement: all weights of the kernel are 0, and nothing is measured");
        weights_ = detail::share(context, static_cast<index_t>(kernel.width),
                                 static_cast<index_t>(kernel.height), kernel.weights);
        kernel_ = std::make_shared<const blur_kernel>(std::move(kernel));
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(shape_.size()); } ///< d
    [[nodiscard]] index_t outputs() const { return dimension(); }                           ///< m
    /// The shape of the image, before and after.
    [[nodiscard]] const image_shape& shape() const { return shape_; }
    /// The kernel k.
    [[nodiscard]] const blur_kernel& kernel() const { return *kernel_; }

    /// Writes the blurred images, d x n to d x n. @throws std::invalid_argument for other shapes, and where
    /// out overlaps z.
    void operator()(const_view z, view out) const { convolve(1, z, out); }
    /// Writes the convolution of the cotangent with the kernel turned upside down, d x n to d x n. @throws
    /// std::invalid_argument for other shapes, and where out overlaps the cotangent.
    void vjp(const_view, const_view cotangent, view out) const { convolve(-1, cotangent, out); }

    /// The singular vectors: plane waves on the right, the same waves out of phase on the left, and the
    /// kernel's response |lambda| to each.
    [[nodiscard]] diamond::singular_vectors<Batch> singular_vectors(const context_type& context) const {
        const auto height = static_cast<index_t>(shape_.height), width = static_cast<index_t>(shape_.width),
                   pixels = height * width;
        const detail::wave_finder found(*kernel_, height, width);
        const auto rounded = [](const std::vector<double>& numbers) {
            return std::vector<value_type>(numbers.begin(), numbers.end());
        };
        const auto of_height = rounded(detail::real_fourier_modes(height)),
                   of_width = rounded(detail::real_fourier_modes(width));
        const auto waves = [&](const std::vector<double>& shares, const std::vector<double>& transposed) {
            using vectors = detail::plane_waves<Batch>;
            return orthonormal_basis<Batch>{
                vectors{std::make_shared<const typename vectors::parameters>(typename vectors::parameters{
                    .of_height = from_host<value_type>(context, height, height, of_height),
                    .of_width = from_host<value_type>(context, width, width, of_width),
                    .modes = from_host<std::int32_t>(context, 4, pixels, found.modes),
                    .into_waves = from_host<value_type>(context, 4, pixels, rounded(shares)),
                    .of_waves = from_host<value_type>(context, 4, pixels, rounded(transposed))})}};
        };
        std::vector<double> values, lengths;
        for (std::size_t channel = 0; channel < shape_.channels; ++channel)
            for (index_t p = 0; p < pixels; ++p) {
                values.push_back(found.values[static_cast<std::size_t>(p)]);
                lengths.push_back(squared_length(found, rounded(found.right), of_height, of_width, p));
            }
        return {context, waves(found.left, found.left_transposed), waves(found.right, found.right_transposed),
                values, lengths};
    }

private:
    void convolve(index_t sign, const_view in, view out) const {
        detail::require_map("blur_measurement", dimension(), dimension(), in, out);
        require_apart("blur_measurement", in, out);
        using numbers = const_view_t<rebind_t<Batch, double>>;
        out.context().for_each(
            out.rows(), out.columns(),
            detail::convolve<numbers, const_view, view>{.weights = weights_->read_on(out.context()),
                                                        .height = static_cast<index_t>(shape_.height),
                                                        .width = static_cast<index_t>(shape_.width),
                                                        .sign = sign,
                                                        .in = in,
                                                        .out = out});
    }
    /// The squared length of wave p as its numbers are rounded.
    [[nodiscard]] static double squared_length(const detail::wave_finder& found,
                                               const std::vector<value_type>& shares,
                                               const std::vector<value_type>& of_height,
                                               const std::vector<value_type>& of_width, index_t p) {
        const auto inner = [](const std::vector<value_type>& modes, index_t n, index_t k, index_t l) {
            double sum = 0.0;
            for (index_t x = 0; x < n; ++x)
                sum += static_cast<double>(modes[static_cast<std::size_t>(x + n * k)]) *
                       static_cast<double>(modes[static_cast<std::size_t>(x + n * l)]);
            return sum;
        };
        const auto side = [](const std::vector<value_type>& modes) {
            return static_cast<index_t>(std::llround(std::sqrt(static_cast<double>(modes.size()))));
        };
        const index_t height = side(of_height), width = side(of_width);
        double sum = 0.0;
        for (std::size_t k = 0; k < 4; ++k)
            for (std::size_t l = 0; l < 4; ++l) {
                const auto at = static_cast<std::size_t>(4 * p);
                const double share = static_cast<double>(shares[at + k]) *
                                     static_cast<double>(shares[at + l]);
                if (share == 0.0) continue;
                const auto one = static_cast<index_t>(found.modes[at + k]),
                           other = static_cast<index_t>(found.modes[at + l]);
                sum += share * inner(of_height, height, one / width, other / width) *
                       inner(of_width, width, one % width, other % width);
            }
        return sum;
    }

    image_shape shape_;
    std::shared_ptr<const rebind_t<Batch, double>> weights_;
    std::shared_ptr<const blur_kernel> kernel_;
};

} // namespace diamond
