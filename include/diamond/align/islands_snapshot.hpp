/// The states of islands on the host, to save and to resume.
#pragma once

#include <cstdint>
#include <vector>

#include <diamond/align/smc_state.hpp>

namespace diamond {

/// The states of all islands between two steps, islands being independent runs of sequential Monte Carlo that
/// may be resampled whole.
template <class Real>
struct islands_snapshot {
    index_t step = 0;                        ///< k, the number of steps done
    std::vector<smc_snapshot<Real>> islands; ///< one each; without particles where the weights died
    double log_z = 0.0;                      ///< what exchanges of islands have added up, in nats
    /// log Z of the state of each island when islands were last resampled, from which it counts.
    std::vector<double> base;
    std::vector<std::int32_t> families; ///< the first island that each descends from
    index_t exchanges = 0;              ///< how often islands were resampled
    cost spent;                         ///< all evaluations
    std::uint64_t seed = 0;             ///< the seed of the rng that the islands' are split from
    double threshold = 0.0;             ///< the share of effective islands below which they are resampled
};

} // namespace diamond
