/// The standard error of log Z, from one run and from the spread of several. See (eq. smc-families) to
/// (eq. log-z-islands).
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/resampler.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond {

/// The name that reports give a method.
[[nodiscard]] inline const char* name_of(log_z_error method) {
    switch (method) {
    case log_z_error::lee_whiteley:
        return "Lee and Whiteley";
    case log_z_error::family_weights:
        return "family weights";
    case log_z_error::islands:
        return "islands";
    case log_z_error::none:
        break;
    }
    return "none";
}

/// F = sum over ancestors of (their family's share of the weight)^2, for weights that sum to 1 and families
/// in [0, N).
[[nodiscard]] inline double family_square(std::span<const double> weights,
                                          std::span<const std::int32_t> families) {
    std::vector<double> shares(weights.size());
    for (std::size_t j = 0; j < weights.size(); ++j)
        shares[static_cast<std::size_t>(families[j])] += weights[j];
    double sum = 0.0;
    for (const double share : shares) sum += square(share);
    return sum;
}

/// The relative variance of Z-hat beyond which the one-run formulas are not good.
inline constexpr double trusted_relative_variance = 0.1;

/// The relative variance of Z-hat from one run of N particles and R resamplings, with F = family_square.
/// Multinomial resampling has 1 - (N/(N-1))^(R+1) (1 - F) (A. Lee, N. Whiteley, Variance estimation in the
/// particle filter, Biometrika 2018), which is unbiased and so can be negative; the others have (N F - 1)/(N
/// - 1) >= 0. One particle gives NaN, and so does a resampler that names no formula for one run.
[[nodiscard]] inline double relative_variance_of_z(log_z_error method, double family_square,
                                                   index_t particles, index_t resamplings) {
    if (particles < 2 || method == log_z_error::none || method == log_z_error::islands) return NAN;
    const auto n = static_cast<double>(particles);
    const auto events = static_cast<double>(resamplings) + 1.0;
    const bool unbiased = method == log_z_error::lee_whiteley;
    const double growth = unbiased ? std::expm1(events * -std::log1p(-1.0 / n)) : 1.0 / (n - 1.0);
    const double variance = family_square * (1.0 + growth) - growth;
    // The rounding of a sum of N squares: equal weights have variance 0.
    const double rounding = n * std::numeric_limits<double>::epsilon() * family_square;
    return std::fabs(variance) <= rounding ? 0.0 : variance;
}

/// log Z of independent runs of equal size, and its error from their spread.
struct combined_log_z {
    double log_z;                              ///< The logarithm of the mean of the runs' Z, in nats.
    double standard_error;                     ///< NaN where the runs do not tell: `warnings` then says why
    log_z_error method = log_z_error::islands; ///< How the error was estimated: from the runs' spread.
    std::vector<std::string> warnings = {};    ///< reasons why the error should not be trusted
    /// The standard deviation of the runs' own log Z in nats: infinite where weights of some of them died.
    double spread = NAN;
    /// Z_i / sum Z: particle j of run i, of weight W_ij in its run, weighs shares[i] W_ij among those of all
    /// runs; empty where all weights died.
    std::vector<double> shares = {};
};

/// Combines runs into Z = mean of exp(log_z_i), and takes the standard error of log Z from their spread. -inf
/// stands for a run whose weights all died, a zero in the average.
/// @throws std::invalid_argument for fewer than two runs, and where one is +inf or NaN, as of a run that was
/// stopped.
[[nodiscard]] inline combined_log_z combine_islands(std::span<const double> log_z) {
    require(log_z.size() >= 2, [&] {
        return "islands: " + digits_of(log_z.size()) + " runs have no spread, at least 2 are needed";
    });
    double high = -infinity;
    for (std::size_t i = 0; i < log_z.size(); ++i) {
        require(!std::isnan(log_z[i]) && log_z[i] < infinity, [&] {
            return "islands: log Z of run " + digits_of(i) + " is " + digits_of(log_z[i]) +
                   ": it is finite, or -inf of a run whose weights all died";
        });
        high = std::fmax(high, log_z[i]);
    }
    if (high == -infinity)
        return {
            .log_z = -infinity,
            .standard_error = NAN,
            .warnings = {
                "the weights of all " + digits_of(log_z.size()) +
                " runs died, so that log Z has no standard error: use more particles or a softer reward"}};
    const auto count = static_cast<double>(log_z.size());
    double mean = 0.0, square_sum = 0.0;
    std::vector<double> shares;
    double mean_log = 0.0;
    for (const double z : log_z) {
        mean += std::exp(z - high) / count;
        mean_log += z / count;
        shares.push_back(std::exp(z - high));
    }
    for (double& share : shares) share /= mean * count;
    for (const double z : log_z) square_sum += square(std::exp(z - high) - mean);
    combined_log_z result{.log_z = high + std::log(mean),
                          .standard_error = std::sqrt(square_sum / (count * (count - 1.0))) / mean,
                          .shares = std::move(shares)};
    double squares = 0.0;
    for (const double z : log_z) squares += square(z - mean_log);
    result.spread = mean_log > -infinity ? std::sqrt(squares / (count - 1.0)) : infinity;
    const double variance = square(result.standard_error);
    if (variance > trusted_relative_variance) {
        result.warnings.push_back(
            "the runs differ so much, their log Z by a standard deviation of " + rounded(result.spread, 3) +
            " nats, that the relative variance of their mean is " + digits_of(variance) +
            ", whose estimate is good only below " + digits_of(trusted_relative_variance) +
            ", so that log Z has no standard error: take more runs, or more particles "
            "in each");
        result.standard_error = NAN;
    }
    return result;
}

} // namespace diamond
