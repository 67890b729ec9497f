/// Standard normals of a Latin hypercube (McKay, Beckman and Conover, Technometrics 21, 1979). (eq.
/// latin-hypercube).
///
/// Of the M draws of a particle each coordinate has one in each of M strata of equal probability, in an order
/// that is random and its own for each coordinate. Each draw alone is exactly N(0, I), and what is a sum of
/// functions of single coordinates is integrated almost without error; no function is integrated with more
/// than M/(M - 1) times the variance of independent draws (Owen, Annals of Statistics 25, 1997), in any
/// dimension.
#pragma once

#include <cstdint>

#include <diamond/core/batch.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/random/inverse_normal.hpp>
#include <diamond/random/philox.hpp>

namespace diamond::detail {

/// Writes coordinate i of the M draws of particle slot j, M = stream.samples; x is d x (N M). One block of
/// random words serves a number: the first chooses its stratum among those that are left (Fisher and Yates),
/// the last two its place in it.
template <class View>
struct latin_hypercube_normals {
    static constexpr index_t relative_cost = 128;
    noise_stream stream;
    View x;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        using real = typename View::value_type;
        const index_t samples = stream.samples, begin = j * samples;
        for (index_t m = 0; m < samples; ++m)
            x(i, begin + m) = static_cast<real>(m); // exact, see most_samples
        for (index_t m = samples - 1; m >= 0; --m) {
            const philox_block words = stream.words(begin + m, i);
            const auto other = static_cast<index_t>(
                std::uint64_t{words.word[0]} * static_cast<std::uint64_t>(m + 1) >> 32);
            const real stratum = x(i, begin + other);
            x(i, begin + other) = x(i, begin + m);
            x(i, begin + m) = normal_in(static_cast<double>(stratum),
                                        noise_stream::uniform_53(words.word[2], words.word[3]));
        }
    }

private:
    /// The normal at the share `place` of a stratum.
    DIAMOND_HD typename View::value_type normal_in(double stratum, double place) const {
        const double count = static_cast<double>(stream.samples), below = (stratum + place) / count,
                     above = ((count - 1.0 - stratum) + (1.0 - place)) / count;
        return static_cast<typename View::value_type>(below < above ? -normal_exceeded_with(below)
                                                                    : normal_exceeded_with(above));
    }
};

} // namespace diamond::detail
