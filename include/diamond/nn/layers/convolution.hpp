/// The convolution of a feature map, as products of blocks of its pixels' surroundings.
///
/// The surroundings of a pixel are k k C numbers, those of the k x k pixels around it that the kernel meets,
/// written one below the other (and zeros outside of the map). Of a block of output pixels they are the
/// columns of a matrix that stays in the cache, and W times it is the convolution there. Back go, given the
/// cotangents, W gets them times the transposed surroundings, made once more, and the map gets the
/// convolution of the cotangents by the turned kernel, which is the same work: each pixel of the map
/// collects from the outputs that met it. A tangent is n more images without the bias.
#pragma once

#include <algorithm>
#include <cstring>
#include <numeric>

#include <diamond/core/kernel_window.hpp>
#include <diamond/nn/layers/layer.hpp>

namespace diamond {

namespace detail {

/// Says how a kernel meets a map: kernel x kernel pixels, one every `stride` pixels, with `padding` rows and
/// columns of zeros around the map.
struct kernel_geometry {
    index_t kernel = 3, stride = 1, padding = 1;
};
/// Writes the surroundings of rows of output pixels: f(ky, j) those in row ky of the kernel, for the j-th row
/// of output pixels of the block.
template <class Real>
struct unfold_rows {
    static constexpr index_t relative_cost = 256;
    kernel_geometry at;
    feature_shape from, to; ///< of the map, and of the output
    index_t first;          ///< the first of the block's rows of output pixels, of all images
    const Real* map;
    Real* out;
    DIAMOND_HD void operator()(index_t ky, index_t j) const {
        const index_t row = first + j, image = row / to.height, y = row % to.height,
                      in_y = y * at.stride + ky - at.padding, run = at.kernel * from.channels;
        Real* write = out + (j * to.width * at.kernel + ky) * run;
        const Real* const line = map + from.channels * from.width * (in_y + from.height * image);
        const bool outside = in_y < 0 || in_y >= from.height;
        for (index_t x = 0; x < to.width; ++x, write += at.kernel * run) {
            const index_t left = x * at.stride - at.padding, begin = left < 0 ? -left : 0,
                          end = left + at.kernel > from.width ? from.width - left : at.kernel;
            if (outside || end <= begin) {
                zero(write, run);
                continue;
            }
            zero(write, begin * from.channels);
            std::memcpy(write + begin * from.channels, line + (left + begin) * from.channels,
                        static_cast<std::size_t>((end - begin) * from.channels) * sizeof(Real));
            zero(write + end * from.channels, (at.kernel - end) * from.channels);
        }
    }
    static DIAMOND_HD void zero(Real* to, index_t count) {
        for (index_t i = 0; i < count; ++i) to[i] = Real{0};
    }
};
/// Writes what rows of pixels of the map collect from: f(ky, j) the channels of the output pixels that meet
/// the pixels of the j-th row of the block by row ky of the kernel, and zeros where none does.
template <class Real>
struct collect_rows {
    static constexpr index_t relative_cost = 256;
    kernel_geometry at;
    feature_shape from, to; ///< of the map, and of the output
    index_t first;          ///< the first of the block's rows of pixels of the map, of all images
    const Real* k;          ///< of the shape of the output
    Real* out;
    DIAMOND_HD void operator()(index_t ky, index_t j) const {
        const index_t row = first + j, image = row / from.height, up = row % from.height + at.padding - ky,
                      y = up / at.stride;
        const bool outside = up < 0 || up % at.stride != 0 || y >= to.height;
        Real* write = out + (j * from.width * at.kernel + ky) * at.kernel * to.channels;
        const Real* const line = k + to.channels * to.width * (y + to.height * image);
        for (index_t x = 0; x < from.width; ++x, write += at.kernel * (at.kernel - 1) * to.channels)
            for (index_t kx = 0; kx < at.kernel; ++kx, write += to.channels) {
                const index_t across = x + at.padding - kx, out_x = across / at.stride;
                if (outside || across < 0 || across % at.stride != 0 || out_x >= to.width)
                    unfold_rows<Real>::zero(write, to.channels);
                else
                    std::memcpy(write, line + out_x * to.channels,
                                static_cast<std::size_t>(to.channels) * sizeof(Real));
            }
    }
};
/// Writes the weights of the turned kernel, C x k k outputs, of the outputs x k k C of a convolution.
template <class Real>
struct turn_weights {
    const Real* weights;
    Real* to;
    index_t outputs, channels;
    DIAMOND_HD void operator()(index_t o, index_t column) const { // of W
        const index_t tap = column / channels, c = column % channels;
        to[c + channels * (o + outputs * tap)] = weights[o + outputs * column];
    }
};

} // namespace detail

/// The layer y(o, p) = b(o) + sum over c and the kernel of W(o, ky, kx, c) x(c, p stride - padding + (ky,
/// kx)): a convolution of feature maps, by kernel x kernel pixels, one every `stride` pixels, with `padding`
/// rows and columns of zeros around the map. With kernel 1 it is a dense layer on each pixel; of maps of one
/// pixel, a dense layer; with kernel and stride p and no padding, the embedding of patches. Its parameters
/// are W, outputs x (kernel kernel channels), and b; in files they have the shapes and names of a PyTorch
/// Conv2d.
struct convolution {
    static constexpr std::string_view name = "convolution";
    index_t outputs = 1; ///< the channels that it gives
    index_t kernel = 3;  ///< the rows and columns of its kernel
    index_t stride = 1;  ///< the pixels from one place of the kernel to the next
    index_t padding = 1; ///< the rows and columns of zeros on each side of the map
    /// The deviation of the first weights, in units of 1/sqrt(the inputs of an output). A file does not keep
    /// it; with 0 the layer begins as zero, as the last of a network should.
    double gain = 1.0;

    template <class Visit>
    void fields(const Visit& visit) {
        visit("outputs", outputs);
        visit("kernel", kernel);
        visit("stride", stride);
        visit("padding", padding);
    }
    /// @throws std::invalid_argument for numbers out of range, or a map that the kernel does not fit in.
    [[nodiscard]] feature_shape output(std::span<const feature_shape> from) const {
        require_inputs(name, from, 1);
        require(outputs > 0 && kernel > 0 && stride > 0 && padding >= 0 && padding < kernel &&
                    kernel <= most_kernel,
                [&] {
                    return "a convolution to " + digits_of(outputs) + " channels, of kernel " +
                           digits_of(kernel) + ", stride " + digits_of(stride) + " and padding " +
                           digits_of(padding) +
                           ": channels, kernel and stride are 1 or more, the padding "
                           "is less than the kernel, and that at most " +
                           digits_of(most_kernel);
                });
        const index_t high = from[0].height + 2 * padding - kernel,
                      wide = from[0].width + 2 * padding - kernel;
        require(high >= 0 && wide >= 0, [&] {
            return "a convolution of kernel " + digits_of(kernel) + " and padding " + digits_of(padding) +
                   " does not fit in a feature map of " + to_string(from[0]);
        });
        require(outputs <= most_numbers / (kernel * kernel) / from[0].channels, [&] {
            return "a convolution to " + digits_of(outputs) + " channels, of kernel " + digits_of(kernel) +
                   ", of a feature map of " + to_string(from[0]) + ": its weights are at most " +
                   digits_of(most_numbers);
        });
        return {outputs, high / stride + 1, wide / stride + 1};
    }
    [[nodiscard]] std::vector<layer_tensor> tensors(std::span<const feature_shape> from) const {
        const index_t C = from[0].channels, inputs = kernel * kernel * C;
        return {{.name = "weight",
                 .shape = {outputs, C, kernel, kernel},
                 .strides = {1, outputs, outputs * C * kernel, outputs * C},
                 .deviation = gain / std::sqrt(static_cast<double>(inputs))},
                {.name = "bias", .shape = {outputs}, .strides = {1}, .offset = outputs * inputs}};
    }
    [[nodiscard]] index_t scratch(std::span<const feature_shape> from, index_t, index_t) const {
        if (pixel_by_pixel()) return 0;
        const feature_shape to = output(from);
        const auto taps = kernel * kernel;
        return std::max(taps * from[0].channels * least_columns(to),
                        taps * to.channels * (least_columns(from[0]) + from[0].channels)) +
               window(from[0], to).least_room() + turned(from[0], to).least_room();
    }
    /// Returns the multiplications and additions of the products of one image.
    [[nodiscard]] double operations(std::span<const feature_shape> from) const {
        const feature_shape to = output(from);
        return 2.0 * static_cast<double>(kernel * kernel * from[0].channels * to.size());
    }
    template <class Visit>
    void products(std::span<const feature_shape> from, index_t images, index_t parts, index_t scratch,
                  const Visit& visit) const {
        const feature_shape to = output(from);
        const index_t C = from[0].channels, inputs = kernel * kernel * C;
        if (pixel_by_pixel()) {
            const index_t all = parts * to.columns(images);
            visit(outputs, all, C);
            visit(C, all, outputs);
            visit(outputs, C, to.pixels() * images);
            return;
        }
        const auto in_blocks = [&](const feature_shape& shape, index_t numbers, index_t room,
                                   const auto& see) {
            const index_t rows = block_rows(shape, numbers, room), all = shape.height * images;
            for (const index_t n : {std::min(rows, all), all % rows})
                if (n > 0) see(n * shape.width);
        };
        in_blocks(to, inputs, scratch, [&](index_t n) {
            visit(outputs, (n + 3) / 4 * 4, inputs);
            visit(outputs, inputs, n);
        });
        const index_t depth = kernel * kernel * outputs;
        in_blocks(from[0], depth, scratch - depth * C, [&](index_t n) { visit(C, (n + 3) / 4 * 4, depth); });
    }

    template <class Lane, class Real>
    void forward(const layer_push<Lane, Real>& call) const {
        const index_t C = call.from[0].channels, inputs = kernel * kernel * C;
        const Real* const bias = call.theta + outputs * inputs;
        if (pixel_by_pixel())
            return call.lane.affine(call.theta, bias, call.in[0], call.out, outputs,
                                    call.shape.columns(call.images), C, call.parts);
        if constexpr (lane_convolves<Lane, Real>) {
            for (index_t part = 0; part < call.parts; ++part)
                call.lane.convolve(window(call.from[0], call.shape),
                                   kernel_weights<Real>{call.theta, 1, outputs * C, outputs},
                                   part == 0 ? bias : nullptr, call.in[0] + part * call.part(0), call.images,
                                   call.out + part * call.part(), false, call.scratch, call.scratch_size);
            return;
        }
        for (index_t part = 0; part < call.parts; ++part)
            over_rows(call, call.shape, inputs, call.scratch_size, [&](index_t first, index_t n) {
                unfold(call, part, first, n);
                const index_t columns = (n * call.shape.width + 3) / 4 * 4;
                Real* const out = call.out + part * call.part() + outputs * call.shape.width * first;
                if (part == 0) {
                    call.lane.affine(call.theta, bias, call.scratch, out, outputs, columns, inputs,
                                     index_t{1});
                } else {
                    call.lane.fill(out, outputs * columns, Real{0});
                    call.lane.product(transpose::no, call.theta, transpose::no, call.scratch, out, outputs,
                                      columns, inputs);
                }
            });
    }
    template <class Lane, class Real>
    void backward(const layer_pull<Lane, Real>& call) const {
        const index_t C = call.from[0].channels, inputs = kernel * kernel * C,
                      exact = call.shape.pixels() * call.images;
        if (call.gradient)
            call.lane.add_columns(static_cast<const Real*>(call.k), outputs, exact,
                                  call.gradient + outputs * inputs);
        if (pixel_by_pixel()) {
            for (index_t part = 0; call.gradient && part < call.parts; ++part)
                call.lane.product(transpose::no, call.k + part * call.part(), transpose::yes,
                                  call.in[0] + part * call.part(0), call.gradient, outputs, C, exact);
            if (call.to[0])
                call.lane.product(transpose::yes, call.theta, transpose::no, call.k, call.into(0), C,
                                  call.parts * call.shape.columns(call.images), outputs);
            return;
        }
        if constexpr (lane_convolves<Lane, Real>) {
            for (index_t part = 0; call.gradient && part < call.parts; ++part)
                call.lane.correlate(window(call.from[0], call.shape),
                                    static_cast<const Real*>(call.k) + part * call.part(),
                                    call.in[0] + part * call.part(0), call.images, call.gradient,
                                    call.scratch, call.scratch_size);
            const index_t last = outputs * C * (kernel * kernel - 1);
            for (index_t part = 0; call.to[0] && part < call.parts; ++part)
                call.lane.convolve(turned(call.from[0], call.shape),
                                   kernel_weights<Real>{call.theta + last, outputs, -outputs * C, 1},
                                   static_cast<const Real*>(nullptr),
                                   static_cast<const Real*>(call.k) + part * call.part(), call.images,
                                   call.to[0] + part * call.part(0), call.adds[0], call.scratch,
                                   call.scratch_size);
            return;
        }
        for (index_t part = 0; call.gradient && part < call.parts; ++part)
            over_rows(call, call.shape, inputs, call.scratch_size, [&](index_t first, index_t n) {
                unfold(call, part, first, n);
                const Real* const k = call.k + part * call.part() + outputs * call.shape.width * first;
                call.lane.product(transpose::no, k, transpose::yes, call.scratch, call.gradient, outputs,
                                  inputs, n * call.shape.width);
            });
        if (!call.to[0]) return;
        const index_t depth = kernel * kernel * outputs;
        Real* const weights = call.scratch;
        Real* const room = call.scratch + depth * C;
        call.lane.for_each(outputs, inputs,
                           detail::turn_weights<Real>{
                               .weights = call.theta, .to = weights, .outputs = outputs, .channels = C});
        Real* const to = call.into(0);
        for (index_t part = 0; part < call.parts; ++part)
            over_rows(call, call.from[0], depth, call.scratch_size - depth * C,
                      [&](index_t first, index_t n) {
                          call.lane.for_each(kernel, n,
                                             detail::collect_rows<Real>{.at = geometry(),
                                                                        .from = call.from[0],
                                                                        .to = call.shape,
                                                                        .first = first,
                                                                        .k = call.k + part * call.part(),
                                                                        .out = room});
                          call.lane.product(transpose::no, static_cast<const Real*>(weights), transpose::no,
                                            static_cast<const Real*>(room),
                                            to + part * call.part(0) + C * call.from[0].width * first, C,
                                            (n * call.from[0].width + 3) / 4 * 4, depth);
                      });
    }

private:
    static constexpr index_t most_kernel = 64, most_numbers = index_t{1} << 40;

    [[nodiscard]] bool pixel_by_pixel() const { return kernel == 1 && stride == 1 && padding == 0; }
    /// Says whether a lane has convolutions of its own.
    template <class Lane, class Real>
    static constexpr bool lane_convolves = requires(Lane& lane, const kernel_window& at, const Real* in,
                                                    Real* out, index_t n) {
        lane.convolve(at, kernel_weights<Real>{}, in, in, n, out, false, out, n);
        lane.correlate(at, in, in, n, out, out, n);
    };
    [[nodiscard]] kernel_window window(const feature_shape& from, const feature_shape& to) const {
        return {.kernel = kernel,
                .stride = stride,
                .padding = padding,
                .channels = from.channels,
                .height = from.height,
                .width = from.width,
                .outputs = to.channels,
                .out_height = to.height,
                .out_width = to.width};
    }
    /// Returns the window by which cotangents go back: its kernel is turned by half a turn.
    [[nodiscard]] kernel_window turned(const feature_shape& from, const feature_shape& to) const {
        return {.kernel = kernel,
                .stride = 1,
                .padding = kernel - 1 - padding,
                .spread = stride,
                .channels = to.channels,
                .height = to.height,
                .width = to.width,
                .outputs = from.channels,
                .out_height = from.height,
                .out_width = from.width};
    }
    [[nodiscard]] detail::kernel_geometry geometry() const { return {kernel, stride, padding}; }
    /// Returns how many rows of pixels make a multiple of four columns.
    [[nodiscard]] static index_t row_group(const feature_shape& shape) {
        return 4 / std::gcd(shape.width, index_t{4});
    }
    [[nodiscard]] static index_t least_columns(const feature_shape& shape) {
        return row_group(shape) * shape.width;
    }
    /// Returns how many rows of pixels make a block, whose columns of so many numbers fit into the room.
    [[nodiscard]] static index_t block_rows(const feature_shape& shape, index_t numbers, index_t room) {
        const index_t group = row_group(shape);
        return std::max(room / (numbers * shape.width * group), index_t{1}) * group;
    }
    /// Calls body(first, n) for the blocks of rows of pixels of all images.
    template <class Call, class Body>
    static void over_rows(const Call& call, const feature_shape& shape, index_t numbers, index_t room,
                          const Body& body) {
        const index_t rows = shape.height * call.images, block = block_rows(shape, numbers, room);
        for (index_t first = 0; first < rows; first += block) body(first, std::min(block, rows - first));
    }
    /// Writes the surroundings of n rows of output pixels to the scratch.
    template <class Call>
    void unfold(const Call& call, index_t part, index_t first, index_t n) const {
        using real = typename Call::real;
        call.lane.for_each(kernel, n,
                           detail::unfold_rows<real>{.at = geometry(),
                                                     .from = call.from[0],
                                                     .to = call.shape,
                                                     .first = first,
                                                     .map = call.in[0] + part * call.part(0),
                                                     .out = call.scratch});
    }
};

} // namespace diamond
