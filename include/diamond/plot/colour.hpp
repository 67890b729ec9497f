/// This header defines colours and colour maps that colour-blind readers can tell apart, too.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace diamond::plot {

/// An rgb is a colour on a screen; each component lies in [0, 255].
struct rgb {
    std::uint8_t red = 0;   ///< the red light of a pixel: 0 is none, 255 all
    std::uint8_t green = 0; ///< the green light, likewise
    std::uint8_t blue = 0;  ///< the blue light, likewise

    /// Says whether red, green and blue all agree.
    friend bool operator==(const rgb&, const rgb&) = default;
};

namespace colours {

/// The colour of the paper: red, green and blue are 255.
inline constexpr rgb white{255, 255, 255};
/// The darkest colour: red, green and blue are 0.
inline constexpr rgb black{0, 0, 0};
inline constexpr rgb ink{38, 38, 38};         ///< text and axes
inline constexpr rgb faded{110, 110, 110};    ///< text that stands back, reference lines
inline constexpr rgb hairline{226, 226, 226}; ///< grid lines, frames of images
inline constexpr rgb alarm{230, 0, 126};      ///< a value that is not finite, where nothing else is magenta

/// The palette consists of the colours of Okabe and Ito for eight categories, without their yellow, which is
/// hard to see on white.
inline constexpr std::array<rgb, 7> palette{{{0, 114, 178},
                                             {213, 94, 0},
                                             {0, 158, 115},
                                             {204, 121, 167},
                                             {230, 159, 0},
                                             {86, 180, 233},
                                             {70, 70, 70}}};

/// These are nine points of matplotlib's colour map viridis: low values are dark, and lightness grows evenly.
inline constexpr std::array<rgb, 9> viridis{{{68, 1, 84},
                                             {71, 44, 122},
                                             {59, 81, 139},
                                             {44, 113, 142},
                                             {33, 144, 141},
                                             {39, 173, 129},
                                             {92, 200, 99},
                                             {170, 220, 50},
                                             {253, 231, 37}}};

/// These are the blues of ColorBrewer, beginning with white: low values look like the paper, so that points
/// can be drawn on top.
inline constexpr std::array<rgb, 6> blues{
    {{255, 255, 255}, {222, 235, 247}, {158, 202, 225}, {66, 146, 198}, {8, 81, 156}, {8, 48, 107}}};

} // namespace colours

/// A colour map consists of its colours at equal distances from low to high, of which there is at least one.
using colour_map = std::span<const rgb>;

/// Returns the colour that lies a share of `amount` in [0, 1] of the way from a to b.
inline rgb mix(rgb a, rgb b, double amount) noexcept {
    const auto channel = [amount](std::uint8_t from, std::uint8_t to) {
        return static_cast<std::uint8_t>(std::lround(from + amount * (to - from)));
    };
    return {channel(a.red, b.red), channel(a.green, b.green), channel(a.blue, b.blue)};
}

/// Returns the colour of a share, 0 for low and 1 for high. Shares outside of [0, 1] have the colour of the
/// nearer end, and NaN has colours::alarm. `map` must not be empty.
inline rgb colour_at(colour_map map, double share) noexcept {
    if (std::isnan(share)) return colours::alarm;
    const double place = std::clamp(share, 0.0, 1.0) * static_cast<double>(map.size() - 1);
    const auto below = std::min(static_cast<std::size_t>(place), map.size() - 1);
    return mix(map[below], map[std::min(below + 1, map.size() - 1)], place - static_cast<double>(below));
}

} // namespace diamond::plot
