/// This header makes images that are not quite digits, or no digits at all, each from one held-out image.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/random/philox.hpp>

#include "data_set.hpp"

namespace digits {

/// A corruption changes an image, with another image of another class and random numbers at hand.
struct corruption {
    std::string name;
    std::function<floats(const floats& image, const floats& other,
                         const std::function<double(index_t)>& uniform)>
        make;
};

namespace detail {

inline constexpr index_t side = 8;
inline constexpr real paper = -1;

/// Returns an image whose pixel (y, x) is made(y, x).
template <class Make>
floats drawn(const Make& made) {
    floats result;
    for (index_t y = 0; y < side; ++y)
        for (index_t x = 0; x < side; ++x) result.push_back(made(y, x));
    return result;
}
inline real at(const floats& image, index_t y, index_t x) {
    return image[static_cast<std::size_t>(side * y + x)];
}

} // namespace detail

/// Returns all corruptions, from the slightest to the strongest.
inline std::vector<corruption> corruptions() {
    using namespace detail;
    using numbers = std::function<double(index_t)>;
    return {{"shifted by one pixel",
             [](const floats& a, const floats&, const numbers&) {
                 return drawn([&](index_t y, index_t x) { return x == 0 ? paper : at(a, y, x - 1); });
             }},
            {"mirrored",
             [](const floats& a, const floats&, const numbers&) {
                 return drawn([&](index_t y, index_t x) { return at(a, y, side - 1 - x); });
             }},
            {"upside down",
             [](const floats& a, const floats&, const numbers&) {
                 return drawn([&](index_t y, index_t x) { return at(a, side - 1 - y, side - 1 - x); });
             }},
            {"a patch of another",
             [](const floats& a, const floats& b, const numbers&) {
                 const auto inside = [](index_t i) { return i >= side / 4 && i < side - side / 4; };
                 return drawn([&](index_t y, index_t x) { return at(inside(y) && inside(x) ? b : a, y, x); });
             }},
            {"left half of one, right of another",
             [](const floats& a, const floats& b, const numbers&) {
                 return drawn([&](index_t y, index_t x) { return at(x < side / 2 ? a : b, y, x); });
             }},
            {"mean of two",
             [](const floats& a, const floats& b, const numbers&) {
                 return drawn([&](index_t y, index_t x) { return (at(a, y, x) + at(b, y, x)) / 2; });
             }},
            {"pixels shuffled",
             [](const floats& a, const floats&, const numbers& uniform) {
                 auto result = a;
                 for (index_t i = pixels - 1; i > 0; --i)
                     std::swap(result[static_cast<std::size_t>(i)],
                               result[static_cast<std::size_t>(uniform(i) * static_cast<double>(i + 1))]);
                 return result;
             }},
            {"noise", [](const floats&, const floats&, const numbers& uniform) {
                 return drawn([&](index_t y, index_t x) {
                     return static_cast<real>(
                         2.0 * std::floor(levels * uniform(side * y + x)) / (levels - 1) - 1.0);
                 });
             }}};
}

/// Returns one changed image for each of the first `count` images. The partners of other classes are the same
/// for all corruptions.
/// @throws std::invalid_argument if all images are of one class.
inline floats corrupted(const corruption& kind, const images& originals, index_t count, diamond::philox rng) {
    diamond::require(
        std::ranges::any_of(originals.labels, [&](int label) { return label != originals.labels[0]; }),
        "images of one class: a half or a patch of another has no other to come from");
    const auto partners = rng.stream(diamond::purpose::data), own = rng.stream(diamond::purpose::user);
    floats result;
    for (index_t j = 0; j < count; ++j) {
        const auto label = [&](index_t i) { return originals.labels[static_cast<std::size_t>(i)]; };
        index_t other = j;
        for (index_t attempt = 0; label(other) == label(j); ++attempt)
            other = static_cast<index_t>(partners.uniform(j, attempt) *
                                         static_cast<double>(originals.count()));
        const auto made = kind.make(originals.image(j), originals.image(other),
                                    [&](index_t i) { return own.uniform(j, i); });
        result.insert(result.end(), made.begin(), made.end());
    }
    return result;
}

} // namespace digits
