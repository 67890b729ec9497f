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

/// Each column becomes its inclusive sums, accumulated in double.
template <class Real>
struct accumulate_column {
    Real*   columns;
    index_t rows;
    DIAMOND_HD void operator()(index_t j) const {
        double total = 0.0;
        for (index_t k = 0; k < rows; ++k) {
            total += static_cast<double>(columns[k + rows * j]);
            columns[k + rows * j] = static_cast<Real>(total);
        }
    }
};

/// Component of draw j (of particle first + j / samples) from the particle's summed responsibilities.
template <class Real>
struct choose_posterior_component {
    noise_stream  stream;
    index_t       first;
    const Real*   sums;
    index_t       count;
    std::int32_t* out;
    DIAMOND_HD void operator()(index_t j) const {
        const double u = stream.uniform(first * stream.samples + j);
        out[j]         = static_cast<std::int32_t>(choose(sums + count * (j / stream.samples), count, u));
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
