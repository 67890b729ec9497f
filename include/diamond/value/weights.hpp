/// Weighted samples of one particle: the log mean of the weights, its standard error, the effective sample
/// size, the normalised weights, and the guidance that they give. The value estimators share these functors.
/// See (eq. posterior-value-error), (eq. weighted-value-error), (eq. guidance-few-draws).
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/core/weight_sums.hpp>

namespace diamond::detail {

/// Says whether the samples of options are stratified in each coordinate; some estimators have no such
/// option.
template <class Options>
[[nodiscard]] bool in_latin_hypercube(const Options& options) {
    if constexpr (requires { options.latin_hypercube; })
        return options.latin_hypercube;
    else
        return false;
}
/// The noise stream of an estimator's samples, as its options say: `samples` a particle, in antithetic pairs
/// or of a Latin hypercube, and the same at every step.
template <class Options>
[[nodiscard]] noise_stream value_stream(noise_stream stream, const Options& options) {
    noise_stream own = stream.with_samples(options.samples);
    own.antithetic = options.antithetic;
    own.latin_hypercube = in_latin_hypercube(options);
    if (options.fixed_noise) own.step = 0;
    return own;
}
/// The number of consecutive draws that depend on each other, by an estimator's options.
template <class Options>
[[nodiscard]] index_t unit_of(const Options& options) {
    if (in_latin_hypercube(options)) return options.samples;
    return options.antithetic ? 2 : 1;
}
/// Checks an estimator's options. @throws std::invalid_argument unless 1 <= samples <=
/// noise_stream::most_samples, samples is even where antithetic, and the draws are not of a Latin hypercube,
/// too.
template <class Options>
void require_samples(const char* what, const Options& options) {
    require(options.samples <= noise_stream::most_samples, [&] {
        return std::string(what) + " of " + digits_of(options.samples) +
               " samples: at most 2^24 a particle can be told apart";
    });
    require(options.samples >= 1 && (!options.antithetic || options.samples % 2 == 0), [&] {
        return std::string(what) + " of " + digits_of(options.samples) + " samples" +
               (options.antithetic ? " in antithetic pairs" : "") +
               ": at least 1 is needed, and pairs need an even number";
    });
    require(!(options.antithetic && in_latin_hypercube(options)),
            [&] { return std::string(what) + ": draws are antithetic or of a Latin hypercube, not both"; });
}
/// Checks that guidance has samples to compare: the tilted mean of one sample is its plain mean, and guidance
/// by their difference would be 0 in silence. @throws std::invalid_argument with the time unless samples >=
/// 2.
inline void require_spread(const char* what, double t, index_t samples) {
    require(samples >= 2, [&] {
        return std::string("guidance at t = ") + digits_of(t) + " by " + what +
               " of 1 sample is 0 whatever the reward: samples >= 2 is needed";
    });
}

/// The posterior estimator of particle j, from the rewards of its samples: V = log mean exp r and
/// se^2 = (M/ESS - 1)/(M - 1), NaN for M = 1. With `pairs` the M units are the means of antithetic pairs.
template <class Context>
struct summarise_posterior {
    row_view<const double, Context> rewards;
    index_t samples;
    bool pairs;
    value_rows<Context> out;
    DIAMOND_HD void operator()(index_t j) const {
        const weight_sums sums = sum_weights(rewards.data() + j * samples, samples, pairs);
        const index_t units = pairs ? samples / 2 : samples;
        out.value[j] = sums.log_mean(units);
        if (out.ess) out.ess[j] = sums.ess();
        if (out.ess_base) out.ess_base[j] = NAN;
        if (out.standard_error) {
            const double m = static_cast<double>(units);
            out.standard_error[j] = units > 1 && sums.second > 0.0
                                      ? std::sqrt(std::fmax(m / sums.ess() - 1.0, 0.0) / (m - 1.0))
                                      : NAN;
        }
    }
};

/// The self-normalised estimator of particle j, from the logarithms of its samples' weights with the reward,
/// `full`, and without it, `base`: V = logsumexp(full) - logsumexp(base) and se^2 = M/(M - 1) sum (p_i -
/// q_i)^2, where p and q are the softmaxes of the two. With `pairs` the M units are antithetic pairs.
template <class Context>
struct summarise_weighted {
    row_view<const double, Context> full, base, p, q;
    index_t samples;
    bool pairs;
    value_rows<Context> out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t unit = pairs ? 2 : 1, units = samples / unit;
        const weight_sums tilted = sum_weights(full.data() + j * samples, samples, pairs);
        const weight_sums plain = sum_weights(base.data() + j * samples, samples, pairs);
        // Where no sample has a weight nothing is known, and the particle is forbidden.
        out.value[j] = plain.high == -infinity ? -infinity : tilted.log_mean(units) - plain.log_mean(units);
        if (out.ess) out.ess[j] = tilted.ess();
        if (out.ess_base) out.ess_base[j] = plain.ess();
        if (out.standard_error) {
            double sum = 0.0;
            for (index_t m = j * samples; m < (j + 1) * samples; m += unit)
                sum += square(p[m] - q[m] + (pairs ? p[m + 1] - q[m + 1] : 0.0));
            const double count = static_cast<double>(units);
            out.standard_error[j] = units > 1 && tilted.second > 0.0 ? std::sqrt(count / (count - 1.0) * sum)
                                                                     : NAN;
        }
    }
};

/// The normalised weights of particle j's samples, the softmax of their log weights; 1/M each where all are
/// -inf, so that no NaN is made.
template <class Row, class ConstRow>
struct soft_weights {
    ConstRow log_weight;
    index_t samples;
    Row weight;
    DIAMOND_HD void operator()(index_t j) const {
        const weight_sums sums = sum_weights(log_weight.data() + j * samples, samples, false);
        for (index_t i = j * samples; i < (j + 1) * samples; ++i)
            weight[i] = sums.high == -infinity ? 1.0 / static_cast<double>(samples)
                                               : std::exp(log_weight[i] - sums.high) / sums.first;
    }
};

/// out = factor (D^r - D): the tilted minus the plain mean of a particle's draws, unbiased where the tilt is
/// weak. `plain` is the weights of the plain mean, or without data for 1/M each.
///
/// To first order in r the difference over the same draws is their covariance of r and z less the covariance
/// of the two means. Of M draws the latter is 1/M of the former, and the difference times M/(M - 1) has the
/// right mean; of draws with weights v it is sum v^2. Of independent pairs the covariance of the means is
/// that of the pairs' means, which the difference of these tells: nothing for the pairs of a Gaussian, whose
/// means are all the same. In general it is that of units of draws that depend on each other: the draws of a
/// Latin hypercube are one unit, which tells nothing, and the covariance of their means is near 0.
template <class View, class ConstView, class Row>
struct tilted_mean_shift {
    /// Where 1 - sum v^2 is below this, one unit has all of the weight, and what the others say is rounding
    /// error.
    static constexpr double least_rest = 0x1p-26;

    ConstView z;
    Row tilted, plain;
    double factor;
    index_t samples;
    index_t unit; ///< 1 of independent draws, 2 of pairs
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double uniform = 1.0 / static_cast<double>(samples);
        double shift = 0.0, shift_of_units = 0.0, squares = 0.0;
        for (index_t first = j * samples; first < (j + 1) * samples; first += unit) {
            double tilted_unit = 0.0, plain_unit = 0.0, sum = 0.0;
            for (index_t m = first; m < first + unit; ++m) {
                const double v = plain ? plain[m] : uniform, at = static_cast<double>(z(i, m));
                shift += (tilted[m] - v) * at;
                tilted_unit += tilted[m];
                plain_unit += v;
                sum += v * at;
            }
            squares += square(plain_unit);
            if (plain_unit > 0.0) shift_of_units += (tilted_unit - plain_unit) / plain_unit * sum;
        }
        const double rest = 1.0 - squares;
        const double whole = rest > least_rest ? shift + squares / rest * shift_of_units : shift;
        out(i, j) = static_cast<typename View::value_type>(factor * whole);
    }
};

/// The share of the tilt that the tilted mean of particle j's draws lacks, where r is Gaussian among them:
/// sum p^2, p the normalised weights, or of antithetic pairs the squared differences in them. By Stein's
/// identity E sum p_i (r_i - mean r) is Var r times 1 minus the mean of this, whatever the variance. It is 1,
/// all of the tilt, where the logarithms of the weights, if they are given, forbid all draws.
template <class Row>
struct lost_of_tilt {
    Row tilted;
    index_t samples;
    bool pairs;
    Row log_weight = {};
    DIAMOND_HD double operator()(index_t j) const {
        bool forbidden = static_cast<bool>(log_weight);
        for (index_t m = j * samples; forbidden && m < (j + 1) * samples; ++m)
            forbidden = log_weight[m] == -infinity;
        if (forbidden) return 1.0;
        double lost = 0.0;
        for (index_t m = j * samples; m < (j + 1) * samples; m += pairs ? 2 : 1)
            lost += square(tilted[m] - (pairs ? tilted[m + 1] : 0.0));
        return lost;
    }
};

/// The mean of lost_of_tilt over the particles and the calls of a run, in the memory of the back end.
template <class Context>
class tilt_record {
public:
    /// Adds the mean over the particles of one call; it does not wait for a device.
    void add(const Context& context, index_t particles,
             const lost_of_tilt<row_view<const double, Context>>& lost) {
        numbers_.resize(context, 1, 2);
        const auto sum = row(context, 1, numbers_.data()), means = row(context, 1, numbers_.data() + 1);
        context.sum(particles, lost, sum.data());
        if (calls_ == 0) assign(means, 0.0);
        assign(means, means + sum / static_cast<double>(particles));
        ++calls_;
    }
    [[nodiscard]] bool empty() const { return calls_ == 0; }
    /// Returns the mean over all calls since the last take or reset, of which there must be one, and begins
    /// anew. It waits for a device.
    [[nodiscard]] double take() {
        return to_host(numbers_)[1] / static_cast<double>(std::exchange(calls_, 0));
    }
    void reset() { calls_ = 0; }

private:
    scratch<double, Context> numbers_; ///< the sum of the latest call, and the sum of the calls' means
    index_t calls_ = 0;
};

/// A share of the tilt below this is worth a warning.
inline constexpr double share_to_warn_of = 0.95;
/// The warning, if one is due, that guidance without derivatives gives less than the tilt. @param lost is the
/// mean of lost_of_tilt over a run.
template <class Options>
[[nodiscard]] std::vector<std::string> warn_of_weak_guidance(const Options& options, double lost) {
    const double share = (1.0 - lost) /
                         (options.antithetic ? 1.0 : 1.0 - 1.0 / static_cast<double>(options.samples));
    if (share >= share_to_warn_of) return {};
    return {"guidance by " + digits_of(options.samples) + " draws a particle gives a share of about " +
            rounded(share, 2) +
            " of the tilt, for so few do not reach where the reward pulls: more samples help"};
}
/// The warning, if one is due, that few draws carry pathwise guidance. @param lost is the mean of
/// lost_of_tilt over a run.
template <class Options>
[[nodiscard]] std::vector<std::string> warn_of_strong_guidance(const Options& options, double lost) {
    const double effective = 1.0 / lost;
    if (1.0 - lost >= share_to_warn_of) return {};
    return {"pathwise guidance by an effective " + rounded(effective, 2) + " of " +
            digits_of(options.samples) +
            " draws a particle tilts concave rewards too far, as the reward of the posterior's mean does: "
            "more samples help; a linear reward is tilted right"};
}

/// Writes NaN for the standard error and the effective sample sizes, where they are asked for, of an estimate
/// without samples.
template <class Context>
void write_no_spread(const value_rows<Context>& values) {
    const row_view<double, Context> spreads[] = {values.standard_error, values.ess, values.ess_base};
    for (const auto& each : spreads)
        if (each) assign(each, not_a_number);
}

} // namespace diamond::detail
