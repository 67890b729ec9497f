/// A layer is one step of a layer_graph (nn/layer_graph.hpp): it makes one feature map of others, with a
/// tangent beside the value and the gradient through both.
///
/// A feature map of n images is channels x columns, column-major: element (c, y, x) of image j is row c of
/// the column x + width (y + height j), so that the channels of a pixel lie side by side. Behind the
/// columns of the images stand up to three more, so that there is a multiple of four, which a product takes
/// at once; what they hold means nothing. Where there are two parts, the tangents follow as a second map.
///
/// A type L models `layer` if it is copyable and has a default constructor, and if, for the shapes of what it
/// is made of, const functions give, but for `fields`, which a file fills in,
///   1. L::name, what files call it, and l.fields(visit), which calls visit("name", field) for each number
///      that a file holds of it;
///   2. l.output(from), the shape that it gives, or a std::invalid_argument that says why there is none;
///   3. l.tensors(from), its parameters (layer_tensor), and l.scratch(from, images, parts), how many numbers
///      of room it works in: at least that many are there in a call;
///   4. l.products(from, images, parts, scratch, visit), which calls visit(rows, columns, depth) for the
///      products of its two passes, so that room for them is made beforehand;
///   5. l.forward(call), which writes call.out of call.in, and the tangent of it where call.parts is 2;
///   6. l.backward(call), which is given the cotangent call.k of what it wrote, and of its tangent behind it
///      where there are two parts. It writes the cotangents of its inputs to call.to, or adds them there,
///      see layer_pull::into, and adds the gradient of its parameters to call.gradient, unless that is null.
///      It may use k up.
/// A call works in the lane of a back end (concepts/backend.hpp): its products, its elementwise work through
/// for_each, its copies. What an image gives may not depend on the images beside it, nor on their number.
///
/// Models: the layers of this folder. Used by: layer_graph.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

/// Holds the extents of a feature map of one image.
struct feature_shape {
    index_t channels = 1; ///< the numbers of a pixel
    index_t height = 1;   ///< the rows of pixels
    index_t width = 1;    ///< the pixels of a row

    /// Returns the number of pixels.
    [[nodiscard]] DIAMOND_HD constexpr index_t pixels() const { return height * width; }
    /// Returns the numbers of the map of one image.
    [[nodiscard]] DIAMOND_HD constexpr index_t size() const { return channels * pixels(); }
    /// Returns how many columns the maps of so many images have, with those that stand behind them.
    [[nodiscard]] DIAMOND_HD constexpr index_t columns(index_t images) const {
        return (pixels() * images + 3) / 4 * 4;
    }
    /// Returns how many numbers a part of the maps of so many images has.
    [[nodiscard]] DIAMOND_HD constexpr index_t part(index_t images) const {
        return channels * columns(images);
    }
    /// Says whether channels, height and width all agree.
    friend bool operator==(const feature_shape&, const feature_shape&) = default;
};
/// Writes "channels x height x width".
[[nodiscard]] inline std::string to_string(const feature_shape& shape) {
    return digits_of(shape.channels) + " x " + digits_of(shape.height) + " x " + digits_of(shape.width);
}

/// Describes some of a layer's parameters: a tensor of a file and its place among them. Element (i, j, ...)
/// of the tensor is the parameter offset + i strides[0] + j strides[1] + ...; `shape` is that of the PyTorch
/// module of the same kind.
struct layer_tensor {
    std::string name;             ///< in a file, behind the name of the layer: "weight"
    std::vector<index_t> shape;   ///< in the file, the last axis fastest
    std::vector<index_t> strides; ///< of each axis among the parameters
    index_t offset = 0;           ///< of the first number among the layer's parameters
    double mean = 0.0;            ///< of the normal draws with which a training begins
    double deviation = 0.0;       ///< of these draws; with 0 all numbers are the mean

    /// Returns how many numbers it has.
    [[nodiscard]] index_t size() const {
        index_t result = 1;
        for (const index_t extent : shape) result *= extent;
        return result;
    }
};

/// The most feature maps that a layer is made of.
inline constexpr std::size_t most_layer_inputs = 3;

/// Holds what both passes of a layer are given of a block of images.
template <class Lane, class Real>
struct layer_call {
    using real = Real;
    Lane& lane;                                    ///< of the back end, in which it works
    const Real* theta;                             ///< the layer's own parameters
    std::span<const feature_shape> from;           ///< the shapes of what it is made of
    feature_shape shape;                           ///< of what it gives
    index_t images, parts;                         ///< 1 part, or 2 where there is a tangent
    std::array<const Real*, most_layer_inputs> in; ///< the maps that it is made of
    Real* scratch;                                 ///< room to work in
    index_t scratch_size;                          ///< the numbers of that room
    /// Returns how many numbers a part of the map at `in` has: its tangent begins behind them.
    [[nodiscard]] index_t part(std::size_t input) const { return from[input].part(images); }
    /// Returns how many numbers a part of the map that the layer gives has.
    [[nodiscard]] index_t part() const { return shape.part(images); }
};
/// Holds what the forward pass of a layer is given.
template <class Lane, class Real>
struct layer_push : layer_call<Lane, Real> {
    Real* out; ///< where the map goes
};
/// Holds what the backward pass of a layer is given.
template <class Lane, class Real>
struct layer_pull : layer_call<Lane, Real> {
    const Real* out;                          ///< the map that it gave
    Real* k;                                  ///< the cotangent of that map
    std::array<Real*, most_layer_inputs> to;  ///< where the cotangents of the inputs go; null: not wanted
    std::array<bool, most_layer_inputs> adds; ///< whether they are added to what stands there
    Real* gradient;                           ///< of the layer's own parameters; null: not wanted

    /// Returns where the cotangent of an input is to be added: what stands there, or zeros.
    [[nodiscard]] Real* into(std::size_t input) const {
        if (!adds[input]) this->lane.fill(to[input], this->parts * this->part(input), Real{0});
        return to[input];
    }
    /// Adds numbers of the shape of an input to its cotangent, or writes them where none stands there.
    void give(std::size_t input, const Real* numbers) const {
        const index_t count = this->parts * this->part(input);
        if (!to[input]) return;
        if (adds[input])
            this->lane.activate(activation::identity, numbers, static_cast<const Real*>(to[input]), to[input],
                                count, index_t{1});
        else
            this->lane.copy(numbers, count, to[input]);
    }
};

namespace detail {
struct field_probe {
    template <class Field>
    void operator()(const char*, Field&) const {}
};
struct product_probe {
    void operator()(index_t, index_t, index_t) const {}
};
template <class L>
concept describes_itself = requires(L& l) {
    { L::name } -> std::convertible_to<std::string_view>;
    l.fields(field_probe{});
};
template <class L>
concept has_output = requires(const L& l, std::span<const feature_shape> from) {
    { l.output(from) } -> std::same_as<feature_shape>;
};
template <class L>
concept has_tensors = requires(const L& l, std::span<const feature_shape> from, index_t n) {
    { l.tensors(from) } -> std::same_as<std::vector<layer_tensor>>;
    { l.scratch(from, n, n) } -> std::same_as<index_t>;
    l.products(from, n, n, n, product_probe{});
};
} // namespace detail

/// A layer, by the numbered clauses. Those of its passes are found where a graph calls them.
template <class L>
concept layer = std::copyable<L> && std::default_initializable<L> && detail::describes_itself<L> &&
                detail::has_output<L> && detail::has_tensors<L>;

/// The ladder of the concept: its static_asserts say what to write where L breaks a clause, the first one
/// first.
template <class L>
consteval bool diagnose_layer() {
    static_assert(std::copyable<L> && std::default_initializable<L>,
                  "a layer must be copyable and have a default constructor: a graph holds it by value, and a "
                  "file fills its fields in");
    static_assert(detail::describes_itself<L>,
                  "a layer needs static constexpr std::string_view name, and fields(visit), which calls "
                  "visit(\"name\", field) for each number that a file holds of it");
    static_assert(detail::has_output<L>, "a layer needs feature_shape output(std::span<const feature_shape> "
                                         "from) const, the shape that it gives");
    static_assert(detail::has_tensors<L>,
                  "a layer needs std::vector<layer_tensor> tensors(from), index_t scratch(from, images, "
                  "parts) and products(from, images, parts, scratch, visit), const");
    return true;
}

/// Returns the shapes of what a layer is made of, which its output() checks before it reads one.
/// @throws std::invalid_argument unless they are so many.
inline std::span<const feature_shape> require_inputs(std::string_view name,
                                                     std::span<const feature_shape> from, std::size_t count) {
    require(from.size() == count, [&] {
        return "a layer '" + std::string(name) + "' was given " + digits_of(from.size()) +
               " feature maps, and needs " + digits_of(count);
    });
    return from;
}

} // namespace diamond
