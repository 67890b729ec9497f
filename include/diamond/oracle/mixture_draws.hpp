/// This draws from a Gaussian mixture and from its posterior: one uniform chooses a component, from whose
/// Gaussian the draw is taken.
#pragma once

#include <cmath>
#include <cstdint>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/row.hpp>
#include <diamond/oracle/gaussian_reading.hpp>
#include <diamond/oracle/mixture_parts.hpp>
#include <diamond/random/philox.hpp>

namespace diamond::detail {

/// This is the block of a stream's counter for the discrete choice of a draw from the data; no coordinate has
/// this number.
inline constexpr index_t choice_block = 0xffffffff;

/// Returns the least k with u sums[count - 1] < sums[k], where sums[k] is the sum of the weights 0 ... k and
/// 0 <= u < 1. It is never a k whose weight is 0.
template <class Real>
[[nodiscard]] DIAMOND_HD index_t choose(const Real* sums, index_t count, double u) {
    const double wanted = u * static_cast<double>(sums[count - 1]);
    index_t low = 0, high = count - 1;
    while (low < high) {
        const index_t middle = low + (high - low) / 2;
        if (wanted < static_cast<double>(sums[middle]))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/// Column j of normals becomes m_k + sqrt(v_k) eps, k chosen by the cumulative weights.
template <class Batch>
struct draw_from_mixture {
    mixture_view<backend_of_t<Batch>> parts;
    noise_stream stream;
    row_view<const double, backend_of_t<Batch>> cumulative;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t k = choose(cumulative.data(), parts.count(), stream.uniform(j, choice_block));
        for (index_t i = 0; i < parts.rows(); ++i) {
            const double eps = static_cast<double>(out(i, j));
            out(i, j) = static_cast<typename Batch::value_type>(parts.mean(i, k) +
                                                                std::sqrt(parts.variance(i, k)) * eps);
        }
    }
};

/// Returns the sum of `count` numbers, taken in lanes, which vectorise, in a fixed order.
template <class Real>
[[nodiscard]] DIAMOND_HD double sum_in_lanes(const Real* numbers, index_t count) {
    constexpr index_t lanes = 16;
    double sum[lanes] = {}, total = 0.0;
    index_t k = 0;
    for (; k + lanes <= count; k += lanes)
        for (index_t l = 0; l < lanes; ++l) sum[l] += static_cast<double>(numbers[k + l]);
    for (index_t l = 0; k + l < count; ++l) sum[l] += static_cast<double>(numbers[k + l]);
    for (index_t l = 0; l < lanes; ++l) total += sum[l];
    return total;
}

/// Returns the least k for which u times the sum of all weights is less than the sum of the weights 0 ... k.
/// It is never a k whose weight is 0. Whole blocks are skipped: running sums over all weights would wait for
/// every single addition, which is slower for fewer than a dozen draws from the same weights.
template <class Real>
[[nodiscard]] DIAMOND_HD index_t choose_by_weight(const Real* weights, index_t count, double u) {
    constexpr index_t block = 64;
    double wanted = 0.0, below = 0.0;
    for (index_t first = 0; first < count; first += block)
        wanted += u * sum_in_lanes(weights + first, first + block < count ? block : count - first);
    index_t k = 0;
    for (; k + block < count; k += block) {
        const double next = below + sum_in_lanes(weights + k, block);
        if (wanted < next) break;
        below = next;
    }
    // The sums differ by their rounding: where none exceeds the wanted one, the last k that has a weight is
    // chosen.
    index_t last = 0;
    for (; k < count; ++k) {
        if (weights[k] > Real{0}) last = k;
        below += static_cast<double>(weights[k]);
        if (wanted < below) break;
    }
    return last;
}

/// Writes the component of draw j of a chunk whose first particle is `first`, chosen by the responsibilities,
/// K x n, of particle first + j / M, M = stream.samples.
template <class Batch>
struct choose_posterior_component {
    static constexpr index_t relative_cost = 64;

    noise_stream stream;
    index_t first;
    const_view_t<Batch> responsibilities;
    row_view<std::int32_t, backend_of_t<Batch>> out;
    DIAMOND_HD void operator()(index_t j) const {
        const double u = stream.uniform(first * stream.samples + j);
        const auto weights = responsibilities.column(j / stream.samples);
        out[j] = static_cast<std::int32_t>(choose_by_weight(weights.begin(), weights.size(), u));
    }
};

/// Writes z = (sigma^2 m_k + alpha v_k x)/V_k + sigma sqrt(v_k/V_k) eps in place of eps, k the draw's
/// component; z is x at t = 1. Column j of out belongs to column j / samples of x.
template <class Batch>
struct draw_posterior_component {
    mixture_view<backend_of_t<Batch>> parts;
    gaussian_reading denoiser;
    const_view_t<Batch> x;
    index_t samples;
    row_view<const std::int32_t, backend_of_t<Batch>> component;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t k = component[j];
        const double v = parts.variance(i, k);
        const double drawn = std::sqrt(posterior_variance(denoiser, v)) * static_cast<double>(out(i, j));
        const double mean = affine_reading(denoiser, parts.mean(i, k), v,
                                           static_cast<double>(x(i, j / samples)));
        out(i, j) = static_cast<typename Batch::value_type>(mean + drawn);
    }
};

} // namespace diamond::detail
