/// This header writes the shapes of arrays as text and counts their elements.
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include <diamond/core/digits_of.hpp>

namespace diamond::io {

/// In an expected shape, this extent accepts any number.
inline constexpr std::size_t any_extent = std::numeric_limits<std::size_t>::max();

namespace detail {

/// Returns the shape as text, "(3, 4)", with "any" for any_extent.
template <class Shape>
std::string shape_text(const Shape& shape) {
    std::string text = "(";
    for (const auto extent : shape)
        text += (text.size() > 1 ? ", " : "") +
                (std::cmp_equal(extent, any_extent) ? std::string{"any"} : digits_of(extent));
    return text + (shape.size() == 1 ? ",)" : ")");
}

/// Returns the number of elements of an array, or std::nullopt if it does not fit into size_t. A negative
/// extent counts as too large.
template <class Shape>
std::optional<std::size_t> element_count(const Shape& shape) {
    std::size_t count = 1;
    for (const auto signed_extent : shape) {
        const auto extent = static_cast<std::size_t>(signed_extent);
        if (extent != 0 && count > std::numeric_limits<std::size_t>::max() / extent) return std::nullopt;
        count *= extent;
    }
    return count;
}

} // namespace detail

} // namespace diamond::io
