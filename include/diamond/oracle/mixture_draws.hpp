/// This draws from a Gaussian mixture and from its posterior: one uniform chooses a component, from whose
/// Gaussian the draw is taken.
#pragma once

#include <cmath>
#include <cstdint>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/packed.hpp>
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

/// Chooses indices by weights, as often as it is asked, from sums of blocks of 64 weights, or of longer ones
/// where these would be more than 64. A block is searched by parts of 8: running sums over all weights would
/// wait for every single addition.
template <class Real>
class choice_by_weight {
public:
    DIAMOND_HD choice_by_weight(const Real* weights, index_t count) : weights_(weights), count_(count) {
        while (block_ * most_blocks < count) block_ *= 2;
        for (index_t first = 0, b = 0; first < count; first += block_, ++b)
            total_ += sums_[b] = sum_in_lanes(weights + first, length(first, block_, count));
    }
    /// Returns the least k for which u times the sum of all weights is less than the sum of the weights 0 ...
    /// k. It is never a k whose weight is 0.
    [[nodiscard]] DIAMOND_HD index_t operator()(double u) const {
        const double wanted = u * total_;
        double below = 0.0;
        index_t k = 0;
        for (index_t b = 0; k + block_ < count_ && wanted >= below + sums_[b]; ++b, k += block_)
            below += sums_[b];
        for (; k + part < count_; k += part) {
            double of_part[part];
            for (index_t l = 0; l < part; ++l) of_part[l] = static_cast<double>(weights_[k + l]);
            for (index_t half = part / 2; half > 0; half /= 2)
                for (index_t l = 0; l < half; ++l) of_part[l] += of_part[l + half];
            const double next = below + of_part[0];
            if (wanted < next) break;
            below = next;
        }
        // The sums differ by their rounding: where none exceeds the wanted one, the last k that has a weight
        // is chosen.
        index_t last = 0;
        bool any = false;
        for (; k < count_ && !(any && wanted < below); ++k) {
            if (weights_[k] > Real{0}) {
                last = k;
                any = true;
            }
            below += static_cast<double>(weights_[k]);
        }
        for (k = count_ - 1; !any && k > 0 && !(weights_[k] > Real{0});) --k;
        return any ? last : k;
    }

private:
    static constexpr index_t part = 8, most_blocks = 64;
    static DIAMOND_HD index_t length(index_t first, index_t block, index_t count) {
        return first + block < count ? block : count - first;
    }
    const Real* weights_;
    index_t count_, block_ = 64;
    double sums_[most_blocks], total_ = 0.0;
};

/// Writes the components of draws of a chunk whose first particle is `first`, M = stream.samples of a
/// particle, chosen by its responsibilities: those of the g-th of `groups` groups of a particle's draws, for
/// j = groups p + g.
template <class Batch>
struct choose_posterior_components {
    static constexpr index_t relative_cost = 256;

    noise_stream stream;
    index_t first, groups;
    const_view_t<Batch> responsibilities; ///< K x n
    row_view<std::int32_t, backend_of_t<Batch>> out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t particle = j / groups, group = j % groups, samples = stream.samples;
        const auto weights = responsibilities.column(particle);
        const choice_by_weight<typename Batch::value_type> choice(weights.begin(), weights.size());
        for (index_t i = samples * group / groups; i < samples * (group + 1) / groups; ++i)
            out[samples * particle + i] = static_cast<std::int32_t>(
                choice(stream.uniform((first + particle) * samples + i)));
    }
};

/// Writes z = (sigma^2 m_k + alpha v_k x)/V_k + sigma sqrt(v_k/V_k) eps in place of eps, k the draw's
/// component; z is x at t = 1. Column j of out belongs to column j / samples of x.
template <class Batch>
struct draw_posterior_component {
    static constexpr index_t relative_cost = 4;
    mixture_view<backend_of_t<Batch>> parts;
    gaussian_reading denoiser;
    const_view_t<Batch> x;
    index_t samples;
    row_view<const std::int32_t, backend_of_t<Batch>> component;
    view_t<Batch> out;

    template <class N>
    DIAMOND_HD void at(index_t i, index_t j) const {
        const index_t k = component[j];
        const N v = parts.variances.rows() == 1 ? N{} + parts.variances[k]
                                                : read_numbers<N>(parts.variances, i, k),
                total = square(denoiser.alpha) * v + denoiser.variance,
                drawn = number_access<N>::root(denoiser.variance * (v / total)) * read_numbers<N>(out, i, j),
                mean = denoiser.mean / total * read_numbers<N>(parts.means, i, k) +
                       (denoiser.spread * v + denoiser.state) / total * read_numbers<N>(x, i, j / samples);
        write_numbers_to(out, i, j, N(mean + drawn));
    }
};

} // namespace diamond::detail
