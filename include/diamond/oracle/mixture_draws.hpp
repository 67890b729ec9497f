/// Draws from a Gaussian mixture and from its posterior: a component by one uniform, then its Gaussian.
#pragma once

#include <diamond/oracle/mixture_functors.hpp>
#include <diamond/random/draw.hpp>

namespace diamond::detail {

/// The block of a stream's counter that holds discrete choices of a draw from the data: no coordinate reaches it.
inline constexpr index_t choice_block = 0xffffffff;

/// The stream of the discrete choices that belong to posterior draws from `stream`.
[[nodiscard]] constexpr noise_stream choices_of(noise_stream stream) {
    return stream.with(stream.purpose == purpose::value ? purpose::value_component : purpose::component);
}

/// The least k with u < sums[k], sums increasing to sums[count - 1]; never a k whose weight is 0.
template <class Real>
[[nodiscard]] DIAMOND_HD index_t choose(const Real* sums, index_t count, double u) {
    const double wanted = u * static_cast<double>(sums[count - 1]);
    index_t      low = 0, high = count - 1;
    while (low < high) {
        const index_t middle = low + (high - low) / 2;
        if (wanted < static_cast<double>(sums[middle]))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/// Column j of normals becomes m_k + sqrt(v_k) eps, k drawn from the cumulative weights.
template <class Real>
struct draw_from_mixture {
    mixture_view  parts;
    noise_stream  stream;
    const double* cumulative;
    Real*         out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t k = choose(cumulative, parts.count, stream.uniform(j, choice_block));
        for (index_t i = 0; i < parts.rows; ++i) {
            Real& z = out[i + parts.rows * j];
            z       = static_cast<Real>(parts.mean(i, k) + std::sqrt(parts.variance(i, k)) * static_cast<double>(z));
        }
    }
};

/// The sum of `count` numbers in lanes, which vectorise, in a fixed order.
template <class Real>
[[nodiscard]] DIAMOND_HD double sum_in_lanes(const Real* numbers, index_t count) {
    constexpr index_t lanes      = 16;
    double            sum[lanes] = {}, total = 0.0;
    index_t           k          = 0;
    for (; k + lanes <= count; k += lanes)
        for (index_t l = 0; l < lanes; ++l) sum[l] += static_cast<double>(numbers[k + l]);
    for (index_t l = 0; k + l < count; ++l) sum[l] += static_cast<double>(numbers[k + l]);
    for (index_t l = 0; l < lanes; ++l) total += sum[l];
    return total;
}

/// The least k with u times all weights < weights 0 ... k; never a k whose weight is 0. It skips whole blocks: running sums over all weights
/// would wait for every single addition, which is slower for fewer than a dozen draws from the same weights.
template <class Real>
[[nodiscard]] DIAMOND_HD index_t choose_by_weight(const Real* weights, index_t count, double u) {
    constexpr index_t block  = 64;
    double            wanted = 0.0, below = 0.0;
    for (index_t first = 0; first < count; first += block) wanted += u * sum_in_lanes(weights + first, first + block < count ? block : count - first);
    index_t k = 0;
    for (; k + block < count; k += block) {
        const double next = below + sum_in_lanes(weights + k, block);
        if (wanted < next) break;
        below = next;
    }
    index_t last = 0; // sums differ by their rounding: where none exceeds what is wanted, the last that has a weight
    for (; k < count; ++k) {
        if (weights[k] > Real{0}) last = k;
        below += static_cast<double>(weights[k]);
        if (wanted < below) break;
    }
    return last;
}

/// Component of draw j (of particle first + j / samples) from the particle's responsibilities.
template <class Real>
struct choose_posterior_component {
    static constexpr index_t relative_cost = 64;

    noise_stream  stream;
    index_t       first;
    const Real*   responsibilities;
    index_t       count;
    std::int32_t* out;
    DIAMOND_HD void operator()(index_t j) const {
        const double u = stream.uniform(first * stream.samples + j);
        out[j]         = static_cast<std::int32_t>(choose_by_weight(responsibilities + count * (j / stream.samples), count, u));
    }
};

/// z = (sigma^2 m + alpha v x)/V + sigma sqrt(v/V) eps in place of eps; exactly x at t = 1.
template <class Real, class View>
struct draw_posterior_component {
    mixture_view        parts;
    gaussian_reading    denoiser;
    View                x;
    index_t             samples;
    const std::int32_t* component;
    Real*               out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t k     = component[j];
        const double  v     = parts.variance(i, k);
        Real&         z     = out[i + parts.rows * j];
        const double  drawn = std::sqrt(denoiser.variance * (v / denoiser.total(v))) * static_cast<double>(z);
        z = static_cast<Real>(denoiser.mean_weight(v) * parts.mean(i, k) + denoiser.state_weight(v) * static_cast<double>(x(i, j / samples)) + drawn);
    }
};

} // namespace diamond::detail
