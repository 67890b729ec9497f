// Axes: where a value stands between the ends of an axis, and which values are marked.
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

namespace diamond::io {

enum class axis_scale { linear, logarithmic };

/// The two ends of an axis, from < to; of shades, the values of black and white in any order.
struct value_range {
    double from = 0;
    double to   = 1;
};

/// An axis of a plot: its range is that of the data, a little wider, unless given.
struct axis {
    std::string label           = {};
    axis_scale scale            = axis_scale::linear;
    std::optional<value_range> range = std::nullopt;
};

/// A marked value; one without a label is a small mark between two.
struct tick {
    double value      = 0;
    std::string label = {};
};

/// A finite number, and on a logarithmic axis above zero: all else has no place on the axis.
inline bool has_place(axis_scale scale, double value) noexcept {
    return std::isfinite(value) && (scale == axis_scale::linear || value > 0);
}

/// Where a value stands: 0 at `from`, 1 at `to`.
class axis_map {
public:
    /// @throws std::invalid_argument unless from < to, both have a place and are further apart than rounding; a linear axis has an end at 1e-300
    /// or beyond, a logarithmic one begins at 2.3e-308 or above.
    axis_map(axis_scale scale, value_range range) : scale_{scale}, range_{range} {
        if (!has_place(scale, range.from) || !has_place(scale, range.to) || !(range.from < range.to) ||
            !std::isfinite(range.to - range.from) || is_narrow(range) || is_tiny(scale, range))
            throw std::invalid_argument{"axis: no " + std::string{scale == axis_scale::linear ? "linear" : "logarithmic"} + " axis from " +
                                        digits_of(range.from) + " to " + digits_of(range.to)};
    }

    axis_scale scale() const noexcept { return scale_; }
    value_range range() const noexcept { return range_; }

    double operator()(double value) const noexcept { return (place(value) - place(range_.from)) / (place(range_.to) - place(range_.from)); }

    /// Ends so close that marks between them would differ by rounding alone.
    static bool is_narrow(value_range range) noexcept {
        constexpr double relative = 1e-10; // a hundred marks between still have four digits to differ in
        return range.to - range.from <= relative * std::max(std::abs(range.from), std::abs(range.to));
    }

    /// So near to zero that steps between marks, or the powers of ten in their labels, are no doubles.
    static bool is_tiny(axis_scale scale, value_range range) noexcept {
        constexpr double least = 1e-300;
        return scale == axis_scale::linear ? std::max(std::abs(range.from), std::abs(range.to)) < least
                                           : range.from < std::numeric_limits<double>::min();
    }

private:
    double place(double value) const noexcept { return scale_ == axis_scale::linear ? value : std::log10(value); }

    axis_scale scale_;
    value_range range_;
};

/// The range of the values that have a place, widened by `margin` of itself to both sides; one value alone gets a
/// range around it. None when no value has a place. @throws std::invalid_argument when they are too far apart for an axis.
inline std::optional<value_range> range_of(axis_scale scale, std::span<const double> values, double margin) {
    value_range range{std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()};
    for (const double value : values)
        if (has_place(scale, value)) range = {std::min(range.from, value), std::max(range.to, value)};
    if (range.from > range.to) return std::nullopt;
    const bool tiny   = axis_map::is_tiny(axis_scale::linear, range); // no axis tells them from 0
    const bool narrow = range.from == range.to || axis_map::is_narrow(range) || (scale == axis_scale::linear && tiny);
    const auto wider = [&](value_range to) {
        if (!std::isfinite(to.to - to.from) || (scale == axis_scale::logarithmic && to.from <= 0))
            throw std::invalid_argument{"axis: values from " + digits_of(range.from) + " to " + digits_of(range.to) + " are too far apart for an axis"};
        return to;
    };
    if (scale == axis_scale::logarithmic) {
        const double ratio  = range.to / range.from; // of 1e300 and 1e-300 it is none
        const double factor = narrow ? 2 : std::isfinite(ratio) ? std::pow(ratio, margin) : std::pow(range.to, margin) / std::pow(range.from, margin);
        return wider({range.from / factor, range.to * factor});
    }
    const double widest = std::max(std::abs(range.from), std::abs(range.to));
    const double pad    = !narrow ? margin * (range.to - range.from) : !tiny ? widest / 10 : 1;
    return wider({range.from - pad, range.to + pad});
}

namespace detail {

inline std::string with_superscript(int exponent) {
    constexpr std::array<std::string_view, 10> digits{"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    std::string text = exponent < 0 ? "10⁻" : "10";
    for (const char digit : digits_of(std::abs(exponent))) text += digits[static_cast<std::size_t>(digit - '0')];
    return text;
}

/// A number with this many decimals, in any locale, and a true minus sign.
inline std::string decimal_text(double value, int decimals) {
    std::array<char, 64> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::abs(value), std::chars_format::fixed, decimals);
    const std::string digits{buffer.data(), end.ptr};
    const bool zero = digits.find_first_not_of("0.") == std::string::npos;
    return (value < 0 && !zero ? "−" : "") + digits;
}

/// The label of a multiple of `step`, an axis reaching to `largest`: plain digits, powers of ten beyond a million.
inline std::string number_text(double value, double step, double largest) {
    constexpr int plain_digits = 6, plain_decimals = 4;
    const int step_exponent = static_cast<int>(std::floor(std::log10(step) + 1e-9));
    const int exponent      = static_cast<int>(std::floor(std::log10(largest) + 1e-9));
    if (exponent < plain_digits && step_exponent >= -plain_decimals) return decimal_text(value, std::max(0, -step_exponent));
    if (value == 0) return "0";
    return decimal_text(value * std::pow(10.0, -exponent), std::max(0, exponent - step_exponent)) + "·" + with_superscript(exponent);
}

/// Multiples of 1, 2 or 5 times a power of ten, as near to `wanted` of them as there is.
inline std::vector<tick> linear_ticks(value_range range, int wanted) {
    const double rough = (range.to - range.from) / wanted;
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    double step        = power;
    for (const double factor : {2.0, 5.0, 10.0})
        if (std::abs(std::log(factor * power / rough)) < std::abs(std::log(step / rough))) step = factor * power;
    const double slack = 1e-9; // an end that is a multiple but for rounding is marked
    const double first = std::ceil(range.from / step - slack), last = std::floor(range.to / step + slack);
    const double largest = std::max({std::abs(first), std::abs(last), 1.0}) * step; // 0 has no power of ten
    std::vector<tick> ticks;
    for (double k = first; k <= last; ++k) ticks.push_back({k * step, number_text(k * step, step, largest)});
    return ticks;
}

/// Powers of ten; 1, 2, 5 times them where there is one power only; a linear axis' marks where there is less.
inline std::vector<tick> logarithmic_ticks(value_range range, int wanted) {
    const double slack       = 1e-9;
    const auto exponent_from = static_cast<int>(std::floor(std::log10(range.from) + slack));
    const auto exponent_to   = static_cast<int>(std::floor(std::log10(range.to) + slack));
    const auto inside        = [&](double value) { return value >= range.from * (1 - slack) && value <= range.to * (1 + slack); };
    const int decades        = exponent_to - exponent_from + (inside(std::pow(10.0, exponent_from)) ? 1 : 0);
    const int stride         = std::max(1, (decades + wanted - 1) / wanted);

    std::vector<tick> ticks;
    std::size_t labelled = 0;
    for (int exponent = exponent_from; exponent <= exponent_to; ++exponent) {
        const double power = std::pow(10.0, exponent);
        for (int factor = 1; factor < 10; ++factor) {
            const double value = factor * power;
            if (!inside(value) || (stride > 1 && factor > 1)) continue;
            const bool label = decades >= 2 ? factor == 1 && exponent % stride == 0 : factor == 1 || factor == 2 || factor == 5;
            std::string text;
            if (label) text = decades >= 2 ? with_superscript(exponent) : number_text(value, power, value);
            labelled += label ? 1 : 0;
            ticks.push_back({value, std::move(text)});
        }
    }
    return labelled >= 2 ? ticks : linear_ticks(range, wanted);
}

} // namespace detail

/// The marks of an axis in rising order, about `wanted` with a label. @throws std::invalid_argument unless it is from 1 to 1,000.
inline std::vector<tick> ticks(const axis_map& map, int wanted) {
    constexpr int most = 1000; // more do not fit a picture
    if (wanted < 1 || wanted > most) throw std::invalid_argument{"axis: " + digits_of(wanted) + " marks, where 1 to " + digits_of(most) + " are drawn"};
    return map.scale() == axis_scale::linear ? detail::linear_ticks(map.range(), wanted) : detail::logarithmic_ticks(map.range(), wanted);
}

} // namespace diamond::io
