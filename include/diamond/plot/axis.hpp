/// This header defines the axes of plots: where a value stands between the ends of an axis, and which values
/// are marked.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <diamond/core/digits_of.hpp>

namespace diamond::plot {

/// The scale of an axis says whether places are linear in the value or in its logarithm.
enum class axis_scale { linear, logarithmic };

/// A range holds the two ends of an axis, from < to. Where it holds shades, the ends are the values drawn
/// first and last, for instance black and white, in either order.
struct value_range {
    double from = 0; ///< the value at the left or the lower end, or of the first shade
    double to = 1;   ///< the value at the right or the upper end, or of the last shade
};

/// These are the options of one axis of a plot. Without a range, the axis covers the data and a small margin.
struct axis {
    std::string label = {};                          ///< the text beside the axis; empty: none
    axis_scale scale = axis_scale::linear;           ///< whether places are linear in the value
    std::optional<value_range> range = std::nullopt; ///< the ends; the data's where there is none
};

/// A tick is a marked value of an axis. A tick without a label is drawn as a small mark between labelled
/// ones.
struct tick {
    double value = 0;       ///< the marked value, in the units of the data
    std::string label = {}; ///< the text beside the mark; empty: a small mark
};

/// Returns whether a value can be drawn on an axis of this scale: it must be finite, and above zero on a
/// logarithmic axis.
inline bool has_place(axis_scale scale, double value) noexcept {
    return std::isfinite(value) && (scale == axis_scale::linear || value > 0);
}

/// This map sends a value to its place on an axis: `from` to 0, `to` to 1, and linearly in between in the
/// value or, on a logarithmic axis, in its logarithm.
class axis_map {
public:
    /// Makes the map of an axis.
    /// @throws std::invalid_argument unless from < to, both ends can be drawn (`has_place`) and lie further
    /// apart than rounding error; in addition, one end of a linear axis must be at least 1e-300 in magnitude,
    /// and a logarithmic axis must begin at 2.3e-308 or above.
    axis_map(axis_scale scale, value_range range) : scale_{scale}, range_{range} {
        if (!has_place(scale, range.from) || !has_place(scale, range.to) || !(range.from < range.to) ||
            !std::isfinite(range.to - range.from) || is_narrow(range) || is_tiny(scale, range))
            throw std::invalid_argument{"axis: no " +
                                        std::string{scale == axis_scale::linear ? "linear" : "logarithmic"} +
                                        " axis from " + digits_of(range.from) + " to " + digits_of(range.to)};
    }

    /// Returns the scale that the map was made with.
    axis_scale scale() const noexcept { return scale_; }
    /// Returns the range that the map was made with.
    value_range range() const noexcept { return range_; }

    /// Returns the place of a value, beyond [0, 1] outside of the range and NaN or infinite for a value that
    /// cannot be drawn.
    double operator()(double value) const noexcept {
        return (place(value) - place(range_.from)) / (place(range_.to) - place(range_.from));
    }

    /// Returns whether the ends are so close that marks between them would differ by rounding alone.
    static bool is_narrow(value_range range) noexcept {
        // At this relative distance a hundred marks between the ends still have four digits in which they
        // differ.
        constexpr double relative = 1e-10;
        return range.to - range.from <= relative * std::max(std::abs(range.from), std::abs(range.to));
    }

    /// Returns whether the range is so near to zero that steps between marks, or the powers of ten in their
    /// labels, cannot be held by a double.
    static bool is_tiny(axis_scale scale, value_range range) noexcept {
        constexpr double least = 1e-300;
        return scale == axis_scale::linear ? std::max(std::abs(range.from), std::abs(range.to)) < least
                                           : range.from < std::numeric_limits<double>::min();
    }

private:
    double place(double value) const noexcept {
        return scale_ == axis_scale::linear ? value : std::log10(value);
    }

    axis_scale scale_;
    value_range range_;
};

/// Returns the range of those values that can be drawn on an axis of this scale, widened on both sides by
/// `margin` times its length, or std::nullopt if there is no such value. If all values are equal, the result
/// is a range around them.
/// @throws std::invalid_argument if the values are too far apart for an axis.
inline std::optional<value_range> range_of(axis_scale scale, std::span<const double> values, double margin) {
    value_range range{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
    for (const double value : values)
        if (has_place(scale, value)) range = {std::min(range.from, value), std::max(range.to, value)};
    if (range.from > range.to) return std::nullopt;
    // Such values cannot be told from 0 on an axis.
    const bool tiny = axis_map::is_tiny(axis_scale::linear, range);
    const bool narrow = range.from == range.to || axis_map::is_narrow(range) ||
                        (scale == axis_scale::linear && tiny);
    const auto wider = [&](value_range to) {
        if (!std::isfinite(to.to - to.from) || (scale == axis_scale::logarithmic && to.from <= 0))
            throw std::invalid_argument{"axis: values from " + digits_of(range.from) + " to " +
                                        digits_of(range.to) + " are too far apart for an axis"};
        return to;
    };
    if (scale == axis_scale::logarithmic) {
        const double ratio = range.to / range.from; // infinite for 1e300 and 1e-300, say
        const double factor = narrow ? 2
                            : std::isfinite(ratio)
                                ? std::pow(ratio, margin)
                                : std::pow(range.to, margin) / std::pow(range.from, margin);
        return wider({range.from / factor, range.to * factor});
    }
    const double widest = std::max(std::abs(range.from), std::abs(range.to));
    const double pad = !narrow ? margin * (range.to - range.from) : !tiny ? widest / 10 : 1;
    return wider({range.from - pad, range.to + pad});
}

namespace detail {

/// Returns "10" with the exponent as superscript digits.
inline std::string with_superscript(int exponent) {
    constexpr std::array<std::string_view, 10> digits{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    std::string text = exponent < 0 ? "10⁻" : "10";
    for (const char digit : digits_of(std::abs(exponent)))
        text += digits[static_cast<std::size_t>(digit - '0')];
    return text;
}

/// Returns the number with this many decimals, independently of the locale and with a true minus sign.
inline std::string decimal_text(double value, int decimals) {
    std::array<char, 64> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(value),
                                   std::chars_format::fixed, decimals);
    const std::string digits{buffer.data(), end.ptr};
    const bool zero = digits.find_first_not_of("0.") == std::string::npos;
    return (value < 0 && !zero ? "−" : "") + digits;
}

/// Returns the label of a multiple of `step` on an axis that reaches to `largest`: plain digits, or a
/// multiple of a power of ten for ends from a million on and for steps below 1e-4.
inline std::string number_text(double value, double step, double largest) {
    constexpr int plain_digits = 6, plain_decimals = 4;
    const int step_exponent = static_cast<int>(std::floor(std::log10(step) + 1e-9));
    const int exponent = static_cast<int>(std::floor(std::log10(largest) + 1e-9));
    if (exponent < plain_digits && step_exponent >= -plain_decimals)
        return decimal_text(value, std::max(0, -step_exponent));
    if (value == 0) return "0";
    return decimal_text(value * std::pow(10.0, -exponent), std::max(0, exponent - step_exponent)) + "·" +
           with_superscript(exponent);
}

/// Returns the multiples in `range` of a step that is 1, 2 or 5 times a power of ten, chosen so that their
/// number is as near as possible to `wanted`.
inline std::vector<tick> linear_ticks(value_range range, int wanted) {
    const double rough = (range.to - range.from) / wanted;
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    double step = power;
    for (const double factor : {2.0, 5.0, 10.0})
        if (std::abs(std::log(factor * power / rough)) < std::abs(std::log(step / rough)))
            step = factor * power;
    // An end that is a multiple up to rounding error is marked, too.
    const double slack = 1e-9;
    const double first = std::ceil(range.from / step - slack), last = std::floor(range.to / step + slack);
    // 1 stands in for 0, whose logarithm is infinite.
    const double largest = std::max({std::abs(first), std::abs(last), 1.0}) * step;
    std::vector<tick> ticks;
    for (double k = first; k <= last; ++k) ticks.push_back({k * step, number_text(k * step, step, largest)});
    return ticks;
}

/// Returns powers of ten in `range`, together with 1, 2 and 5 times them if the range holds only one power.
/// If fewer than two of these would be labelled, the marks are those of a linear axis.
inline std::vector<tick> logarithmic_ticks(value_range range, int wanted) {
    const double slack = 1e-9;
    const auto exponent_from = static_cast<int>(std::floor(std::log10(range.from) + slack));
    const auto exponent_to = static_cast<int>(std::floor(std::log10(range.to) + slack));
    const auto inside = [&](double value) {
        return value >= range.from * (1 - slack) && value <= range.to * (1 + slack);
    };
    const int decades = exponent_to - exponent_from + (inside(std::pow(10.0, exponent_from)) ? 1 : 0);
    const int stride = std::max(1, (decades + wanted - 1) / wanted);

    std::vector<tick> ticks;
    std::size_t labelled = 0;
    for (int exponent = exponent_from; exponent <= exponent_to; ++exponent) {
        const double power = std::pow(10.0, exponent);
        for (int factor = 1; factor < 10; ++factor) {
            const double value = factor * power;
            if (!inside(value) || (stride > 1 && factor > 1)) continue;
            const bool label = decades >= 2 ? factor == 1 && exponent % stride == 0
                                            : factor == 1 || factor == 2 || factor == 5;
            std::string text;
            if (label) text = decades >= 2 ? with_superscript(exponent) : number_text(value, power, value);
            labelled += label ? 1 : 0;
            ticks.push_back({value, std::move(text)});
        }
    }
    return labelled >= 2 ? ticks : linear_ticks(range, wanted);
}

} // namespace detail

/// Returns the marks of an axis in rising order, about `wanted` of them with a label.
/// @throws std::invalid_argument unless `wanted` lies in [1, 1000].
inline std::vector<tick> ticks(const axis_map& map, int wanted) {
    constexpr int most = 1000; // more do not fit into a picture
    if (wanted < 1 || wanted > most)
        throw std::invalid_argument{"axis: " + digits_of(wanted) + " marks, where 1 to " + digits_of(most) +
                                    " are drawn"};
    return map.scale() == axis_scale::linear ? detail::linear_ticks(map.range(), wanted)
                                             : detail::logarithmic_ticks(map.range(), wanted);
}

} // namespace diamond::plot
