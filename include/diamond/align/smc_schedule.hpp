/// The schedule of a run of sequential Monte Carlo: its times and how far the values count at each of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// Times 0 = t_0 < ... < t_K = 1 and exponents beta_1 ... beta_K of the values, V_k = beta_k V_{t_k}, beta_K
/// = 1 (eq. annealed-value).
///
/// The times are given to smc as `.times`; the schedule itself is the exponent of an annealed_value:
/// annealed_value{value, schedule}. It is a plain struct of numbers, which io/smc_schedule.hpp writes and
/// reads, and serves any problem of the kind. fit_smc_schedule finds one.
struct smc_schedule {
    std::vector<double> times; ///< K + 1 times
    std::vector<double> betas; ///< K exponents, of t_1 ... t_K; the last is 1

    /// beta at t in [0, 1]: beta_k at t_k, linear in t between, beta_1 before t_1.
    /// @throws std::invalid_argument unless there is one exponent for each time but the first.
    [[nodiscard]] double operator()(double t) const {
        require(!betas.empty() && times.size() == betas.size() + 1, [&] {
            return "a schedule of SMC has " + digits_of(times.size()) + " times and " +
                   digits_of(betas.size()) + " exponents: one for each time but the first is needed";
        });
        const auto next = std::lower_bound(times.begin() + 1, times.end(), t);
        if (next == times.end()) return betas.back();
        const auto k = static_cast<std::size_t>(next - times.begin());
        if (k == 1 || *next == t) return betas[k - 1];
        const double part = (t - times[k - 1]) / (times[k] - times[k - 1]);
        return (1.0 - part) * betas[k - 2] + part * betas[k - 1];
    }
};

/// @throws std::invalid_argument with the number that is not that of a schedule: times that are no grid, an
/// exponent that is negative, NaN or infinite, a last one that is not 1, and too many or too few of them.
inline void require_smc_schedule(const smc_schedule& schedule) {
    require_time_grid(schedule.times);
    static_cast<void>(schedule(1.0));
    for (std::size_t k = 0; k < schedule.betas.size(); ++k)
        require(schedule.betas[k] >= 0.0 && schedule.betas[k] < infinity, [&] {
            return "a schedule of SMC has the exponent " + digits_of(schedule.betas[k]) +
                   " at t = " + digits_of(schedule.times[k + 1]) +
                   ": it must be a finite number that is not negative";
        });
    require(schedule.betas.back() == 1.0, [&] {
        return "a schedule of SMC ends with the exponent " + digits_of(schedule.betas.back()) +
               ": it is 1, since the reward counts in full at t = 1";
    });
}

} // namespace diamond
