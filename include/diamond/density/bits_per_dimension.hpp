/// Bits per dimension of data that have L levels: uniform dequantisation, and the log-determinant of scaling to [-1, 1]. Section 8.
#pragma once

#include <cmath>
#include <string>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

namespace detail {
template <class Real>
struct dequantise_level {
    static constexpr index_t relative_cost = 32; // ten rounds of Philox a number

    const Real*  level;
    index_t      rows;
    double       scale;
    noise_stream stream;
    Real*        out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        out[i + rows * j] = static_cast<Real>(scale * (static_cast<double>(level[i + rows * j]) + stream.uniform(j, i)) - 1.0);
    }
};
template <class Real>
struct is_no_level {
    const Real* level;
    double      count;
    DIAMOND_HD bool operator()(index_t at) const {
        const double value = static_cast<double>(level[at]);
        return !(value >= 0.0 && value <= count - 1.0 && value == std::floor(value));
    }
};
inline void require_dimension(index_t d) {
    require(d >= 1, [&] { return "bits per dimension of " + digits_of(d) + " dimensions: at least 1 is needed"; });
}
inline void require_levels(index_t levels) {
    require(levels >= 2, [&] { return "data of " + digits_of(levels) + " levels: at least 2 are needed"; });
}
struct density_to_bits {
    double  shift, scale;
    double* values;
    DIAMOND_HD void operator()(index_t j) const { values[j] = scale * (values[j] + shift); }
};
} // namespace detail

/// out = 2 (k + u)/L - 1 for levels k = 0 ... L - 1 and u uniform in (0, 1), every number with its own; both d x N, and may be the same memory.
/// @throws std::invalid_argument where a number is no level, naming it and its place.
template <class In, class Real, class Context>
void dequantise(batch_view<In, Context> levels, index_t count, noise_stream stream, batch_view<Real, Context> out) {
    detail::require_levels(count);
    require_same_shape("dequantise", levels, out);
    const auto&   context = out.context();
    const index_t bad     = context.find_first(levels.size(), detail::is_no_level<Real>{levels.data(), static_cast<double>(count)});
    if (bad < levels.size()) {
        Real value{};
        context.to_host(levels.data() + bad, 1, &value);
        require(false, [&] {
            return "dequantise: " + digits_of(value) + " in row " + digits_of(bad % levels.rows()) + " of column " + digits_of(bad / levels.rows()) +
                   " is no level: they are 0 to " + digits_of(count - 1);
        });
    }
    context.for_each(out.rows(), out.columns(),
                     detail::dequantise_level<Real>{levels.data(), out.rows(), 2.0 / static_cast<double>(count), stream, out.data()});
}

/// -(log p + d log(2/L))/(d log 2), log p the density of what `dequantise` made: uniform data have log2 L. Its mean over data and u is an upper bound
/// of the bits that a code of the levels by this model takes.
[[nodiscard]] inline double bits_per_dimension(double log_density, index_t d, index_t levels) {
    detail::require_levels(levels);
    detail::require_dimension(d);
    const auto rows = static_cast<double>(d);
    return -(log_density + rows * std::log(2.0 / static_cast<double>(levels))) / (rows * std::log(2.0));
}
/// The same for n log-densities in the memory of a context, in their place.
template <class Context>
void bits_per_dimension(const Context& context, index_t n, double* log_density, index_t d, index_t levels) {
    detail::require_levels(levels);
    detail::require_dimension(d);
    const auto rows = static_cast<double>(d);
    context.for_each(n, detail::density_to_bits{rows * std::log(2.0 / static_cast<double>(levels)), -1.0 / (rows * std::log(2.0)), log_density});
}

} // namespace diamond
