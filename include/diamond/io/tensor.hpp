/// This header defines named tensors and the text beside them, which is what a safetensors file holds.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/io/file_error.hpp>
#include <diamond/io/shape.hpp>

namespace diamond::io {

/// A dtype is the element type of a tensor. Those that have a C++ type come first, then further ones that a
/// file may hold.
enum class dtype {
    u8,
    i32,
    i64,
    u64,
    f32,
    f64,
    boolean,
    i8,
    i16,
    u16,
    u32,
    f16,
    bf16,
    c64,
    f4,
    f6_e2m3,
    f6_e3m2,
    f8_e4m3,
    f8_e5m2,
    f8_e8m0,
    f8_e4m3fnuz,
    f8_e5m2fnuz,
};

/// Elements of tensors can be read and written in these C++ types.
template <class T>
concept tensor_scalar = std::same_as<T, std::uint8_t> || std::same_as<T, std::int32_t> ||
                        std::same_as<T, std::int64_t> || std::same_as<T, std::uint64_t> ||
                        std::same_as<T, float> || std::same_as<T, double>;

/// The traits of a dtype are its name in safetensors files and the number of bits of an element.
struct dtype_traits {
    dtype type;            ///< the type that the traits are of
    std::string_view name; ///< its name in safetensors files, such as "F32"
    std::size_t bits;      ///< the size of an element in bits, which can be less than 8
};

/// This table holds the traits of all types in the order of `dtype`. They are the types of safetensors 0.8.
inline constexpr auto dtypes = std::to_array<dtype_traits>({
    {dtype::u8, "U8", 8},
    {dtype::i32, "I32", 32},
    {dtype::i64, "I64", 64},
    {dtype::u64, "U64", 64},
    {dtype::f32, "F32", 32},
    {dtype::f64, "F64", 64},
    {dtype::boolean, "BOOL", 8},
    {dtype::i8, "I8", 8},
    {dtype::i16, "I16", 16},
    {dtype::u16, "U16", 16},
    {dtype::u32, "U32", 32},
    {dtype::f16, "F16", 16},
    {dtype::bf16, "BF16", 16},
    {dtype::c64, "C64", 64},
    {dtype::f4, "F4", 4},
    {dtype::f6_e2m3, "F6_E2M3", 6},
    {dtype::f6_e3m2, "F6_E3M2", 6},
    {dtype::f8_e4m3, "F8_E4M3", 8},
    {dtype::f8_e5m2, "F8_E5M2", 8},
    {dtype::f8_e8m0, "F8_E8M0", 8},
    {dtype::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
    {dtype::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
});

/// Returns the traits of a dtype.
constexpr const dtype_traits& traits_of(dtype type) noexcept {
    return dtypes[static_cast<std::size_t>(type)];
}
/// Returns the name of a dtype in safetensors files.
inline std::string to_string(dtype type) { return std::string{traits_of(type).name}; }
/// Returns the type to which a reader converts elements: halves become floats, which hold all of them
/// exactly, and all other types stay.
constexpr dtype as_read(dtype type) noexcept {
    return type == dtype::f16 || type == dtype::bf16 ? dtype::f32 : type;
}

/// Returns the dtype of a C++ type.
template <tensor_scalar T>
constexpr dtype dtype_of() noexcept {
    if constexpr (std::same_as<T, std::uint8_t>)
        return dtype::u8;
    else if constexpr (std::same_as<T, std::int32_t>)
        return dtype::i32;
    else if constexpr (std::same_as<T, std::int64_t>)
        return dtype::i64;
    else if constexpr (std::same_as<T, std::uint64_t>)
        return dtype::u64;
    else if constexpr (std::same_as<T, float>)
        return dtype::f32;
    else
        return dtype::f64;
}

namespace detail {

/// Returns the number of bytes of a tensor, or std::nullopt if an extent is negative, the bytes are more than
/// index_t can count, or the last byte is not full.
inline std::optional<std::size_t> byte_count(dtype type, std::span<const index_t> shape) {
    if (std::ranges::any_of(shape, [](index_t extent) { return extent < 0; })) return std::nullopt;
    const auto count = element_count(shape);
    const auto bits = traits_of(type).bits;
    // The parts of an element are its bytes, or its bits if elements share a byte.
    const auto parts = bits % 8 == 0 ? bits / 8 : bits;
    if (!count || *count > static_cast<std::size_t>(std::numeric_limits<index_t>::max()) / parts)
        return std::nullopt;
    if (bits % 8 == 0) return *count * parts;
    return *count * parts % 8 == 0 ? std::optional{*count * parts / 8} : std::nullopt;
}

} // namespace detail

/// An array of any number of axes in C order, so that the last index is the fastest. An array without axes
/// holds one number.
struct tensor {
    dtype type = dtype::f32; ///< the type of the elements, which fixes their size in bits
    /// The extent of each axis, the last one the fastest; empty for one number.
    std::vector<index_t> shape = {0};
    std::vector<std::byte> bytes = {}; ///< The elements in C order, little endian and without gaps.

    /// Returns the elements, which stay valid as long as the tensor.
    /// @throws std::invalid_argument if their type is not T.
    template <tensor_scalar T>
    std::span<const T> values() const {
        if (type != dtype_of<T>())
            throw std::invalid_argument{"tensor: " + to_string(type) + " found, " + to_string(dtype_of<T>()) +
                                        " expected"};
        // The memory of a vector is aligned for each of these types.
        return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
    }

    bool operator==(const tensor&) const = default; ///< Says whether type, shape and bytes agree.
};

/// Returns a tensor of this shape with these values.
/// @throws std::invalid_argument if the shape has another number of elements.
template <std::ranges::contiguous_range Values>
    requires tensor_scalar<std::ranges::range_value_t<Values>>
tensor make_tensor(std::vector<index_t> shape, const Values& values) {
    using T = std::ranges::range_value_t<Values>;
    const auto bytes = std::as_bytes(
        std::span<const T>{std::ranges::data(values), std::ranges::size(values)});
    if (detail::byte_count(dtype_of<T>(), shape) != bytes.size())
        throw std::invalid_argument{"make_tensor: " + digits_of(bytes.size() / sizeof(T)) +
                                    " elements for shape " + detail::shape_text(shape)};
    return {dtype_of<T>(), std::move(shape), {bytes.begin(), bytes.end()}};
}

namespace detail {

/// Returns the message that there is no tensor of this name, with the names that there are.
template <class Tensors>
std::string missing_tensor(const Tensors& tensors, const std::string& name) {
    // A network of this library has fewer tensors. Thousands of names would hide the one that is missing.
    constexpr std::size_t most = 32;
    std::string text;
    for (const auto& [other, _] : tensors | std::views::take(most))
        text += (text.empty() ? "'" : ", '") + other + "'";
    if (tensors.size() > most) text += " and " + digits_of(tensors.size() - most) + " more";
    return "no tensor '" + name + "' among " + (text.empty() ? "none" : text);
}

} // namespace detail

/// A tensor_file holds the tensors of a file by their names, its metadata by their keys, and the path from
/// which they were read.
struct tensor_file {
    std::map<std::string, std::string> metadata = {}; ///< The texts of the file's metadata by their keys.
    std::map<std::string, tensor> tensors = {};       ///< The tensors by their names in the file.
    std::filesystem::path path = "tensors in memory"; ///< named in errors

    /// Returns the tensor of this name, type and shape.
    /// @throws file_error if there is none of this name, with the names that there are, or if type or shape
    /// differ, with what was found and what was expected.
    const tensor& require(const std::string& name, dtype type, const std::vector<index_t>& shape) const& {
        const auto found = tensors.find(name);
        if (found == tensors.end()) throw file_error{path, detail::missing_tensor(tensors, name)};
        const auto& [_, tensor] = *found;
        if (tensor.type != type || tensor.shape != shape)
            throw file_error{path, "tensor '" + name + "': " + to_string(tensor.type) + " of shape " +
                                       detail::shape_text(tensor.shape) + " found, " + to_string(type) +
                                       " of shape " + detail::shape_text(shape) + " expected"};
        return tensor;
    }
    // The reference to a temporary's tensor would not outlive the statement.
    const tensor& require(const std::string&, dtype, const std::vector<index_t>&) const&& = delete;

    /// Returns the elements of the tensor of this name, whatever its shape.
    /// @throws file_error if there is no such tensor, or its elements are of another type than T.
    template <tensor_scalar T>
    std::span<const T> values(const std::string& name) const& {
        const auto found = tensors.find(name);
        if (found == tensors.end()) throw file_error{path, detail::missing_tensor(tensors, name)};
        if (const auto type = found->second.type; type != dtype_of<T>())
            throw file_error{path, "tensor '" + name + "': " + to_string(type) + " found, " +
                                       to_string(dtype_of<T>()) + " expected"};
        return found->second.values<T>();
    }
    template <tensor_scalar T>
    std::span<const T> values(const std::string&) const&& = delete;
};

} // namespace diamond::io
