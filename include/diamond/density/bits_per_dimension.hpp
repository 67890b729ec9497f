/// Bits per dimension of data that have L levels: uniform dequantisation, and the log-determinant of scaling
/// to [-1, 1]. See (eq. dequantisation), (eq. bits-per-dimension).
#pragma once

#include <cmath>
#include <string>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>

namespace diamond {

namespace detail {
/// out = scale (level + u) - 1 with u uniform in (0, 1), drawn for each element.
template <class Levels, class View>
struct dequantise_level {
    static constexpr index_t relative_cost = 32; // ten rounds of Philox for each number

    Levels level;
    double scale;
    noise_stream stream;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double from = static_cast<double>(level(i, j));
        out(i, j) = static_cast<typename View::value_type>(scale * (from + stream.uniform(j, i)) - 1.0);
    }
};
/// Says whether `value` is none of 0, 1 ... count - 1.
DIAMOND_HD inline bool is_no_level(double value, double count) {
    return !(value >= 0.0 && value <= count - 1.0 && value == std::floor(value));
}
inline void require_dimension(index_t d) {
    require(d >= 1,
            [&] { return "bits per dimension of " + digits_of(d) + " dimensions: at least 1 is needed"; });
}
inline void require_levels(index_t levels) {
    require(levels >= 2, [&] { return "data of " + digits_of(levels) + " levels: at least 2 are needed"; });
}
} // namespace detail

/// Turns levels into continuous data: out = 2 (k + u)/L - 1 for levels k = 0 ... L - 1, with an independent u
/// uniform in (0, 1) for each number.
///
/// `levels` and `out` are d x N and may be the same memory; `count` is L >= 2. @throws std::invalid_argument
/// if L < 2, if the shapes differ, and if a number is no level, naming it and its place.
template <class In, class Real, class Context>
void dequantise(batch_view<In, Context> levels, index_t count, noise_stream stream,
                batch_view<Real, Context> out) {
    detail::require_levels(count);
    require_same_shape("dequantise", levels, out);
    const auto& context = out.context();
    const auto numbers = row(context, levels.size(), levels.data());
    const index_t bad = context.find_first(
        levels.size(), elementwise<detail::is_no_level>(numbers, static_cast<double>(count)));
    if (bad < levels.size()) {
        Real value{};
        context.to_host(levels.data() + bad, 1, &value);
        require(false, [&] {
            return "dequantise: " + digits_of(value) + " in row " + digits_of(bad % levels.rows()) +
                   " of column " + digits_of(bad / levels.rows()) + " is no level: they are 0 to " +
                   digits_of(count - 1);
        });
    }
    context.for_each(
        out.rows(), out.columns(),
        detail::dequantise_level<batch_view<In, Context>, batch_view<Real, Context>>{
            .level = levels, .scale = 2.0 / static_cast<double>(count), .stream = stream, .out = out});
}

/// -(log p + d log(2/L))/(d log 2), the bits per dimension of data with L levels, log p being the density of
/// what `dequantise` made of them.
///
/// Uniform data have log2 L. The mean over data and u is an upper bound of the bits that a code of the levels
/// by this model takes. @throws std::invalid_argument unless d >= 1 and L >= 2.
[[nodiscard]] inline double bits_per_dimension(double log_density, index_t d, index_t levels) {
    detail::require_levels(levels);
    detail::require_dimension(d);
    const auto rows = static_cast<double>(d);
    return -(log_density + rows * std::log(2.0 / static_cast<double>(levels))) / (rows * std::log(2.0));
}
/// Replaces a row of log-densities by their bits per dimension, as defined for one number above. @throws
/// std::invalid_argument unless d >= 1 and L >= 2.
template <class Context>
void bits_per_dimension(row_view<double, Context> log_density, index_t d, index_t levels) {
    detail::require_levels(levels);
    detail::require_dimension(d);
    const auto rows = static_cast<double>(d);
    const double shift = rows * std::log(2.0 / static_cast<double>(levels)),
                 scale = -1.0 / (rows * std::log(2.0));
    assign(log_density, scale * (log_density + shift));
}

} // namespace diamond
