/// What M weighted samples a particle say: log mean, standard error, effective number, soft weights. Functors shared by the estimators.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/core/weight_sums.hpp>

namespace diamond::detail {

/// The noise of an estimator's samples, by its options: `samples` a particle, in antithetic pairs, the same at every step.
template <class Options>
[[nodiscard]] noise_stream value_stream(noise_stream stream, const Options& options) {
    noise_stream own = stream.with_samples(options.samples);
    own.antithetic   = options.antithetic;
    if (options.fixed_noise) own.step = 0;
    return own;
}
/// @throws std::invalid_argument unless samples >= 1, and even where antithetic.
template <class Options>
void require_samples(const char* what, const Options& options) {
    require(options.samples <= noise_stream::most_samples, [&] {
        return std::string(what) + " of " + digits_of(options.samples) + " samples: at most 2^24 a particle can be told apart";
    });
    require(options.samples >= 1 && (!options.antithetic || options.samples % 2 == 0), [&] {
        return std::string(what) + " of " + digits_of(options.samples) + " samples" + (options.antithetic ? " in antithetic pairs" : "") +
               ": at least 1 is needed, and pairs need an even number";
    });
}
/// One sample has no spread: its tilted mean is its plain mean, and guidance by their difference would be 0 without a word.
inline void require_spread(const char* what, double t, index_t samples) {
    require(samples >= 2, [&] {
        return std::string("guidance at t = ") + digits_of(t) + " by " + what + " of 1 sample is 0 whatever the reward: samples >= 2 is needed";
    });
}

/// Posterior estimator: V = log mean exp r, se^2 = (M/ESS - 1)/(M - 1); none for one unit.
struct summarise_posterior {
    const double* rewards;
    index_t       samples;
    bool          pairs;
    value_batch   out;
    DIAMOND_HD void operator()(index_t j) const {
        const weight_sums sums  = sum_weights(rewards + j * samples, samples, pairs);
        const index_t     units = pairs ? samples / 2 : samples;
        out.value[j]            = sums.log_mean(units);
        if (out.ess) out.ess[j] = sums.ess();
        if (out.ess_base) out.ess_base[j] = NAN;
        if (out.standard_error) {
            const double m        = static_cast<double>(units);
            out.standard_error[j] = units > 1 && sums.second > 0.0 ? std::sqrt(std::fmax(m / sums.ess() - 1.0, 0.0) / (m - 1.0)) : NAN;
        }
    }
};

/// V = logsumexp(full) - logsumexp(base), se^2 = M/(M-1) sum (p_i - q_i)^2, p and q the softmaxes; of M/2 pairs, where these are the units.
struct summarise_weighted {
    const double *full, *base, *p, *q;
    index_t       samples;
    bool          pairs;
    value_batch   out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t     unit = pairs ? 2 : 1, units = samples / unit;
        const weight_sums tilted = sum_weights(full + j * samples, samples, pairs), plain = sum_weights(base + j * samples, samples, pairs);
        out.value[j] = plain.high == -infinity ? -infinity : tilted.log_mean(units) - plain.log_mean(units); // no sample weighs anything: nothing is known
        if (out.ess) out.ess[j] = tilted.ess();
        if (out.ess_base) out.ess_base[j] = plain.ess();
        if (out.standard_error) {
            double sum = 0.0;
            for (index_t m = j * samples; m < (j + 1) * samples; m += unit) sum += square(p[m] - q[m] + (pairs ? p[m + 1] - q[m + 1] : 0.0));
            const double count    = static_cast<double>(units);
            out.standard_error[j] = units > 1 && tilted.second > 0.0 ? std::sqrt(count / (count - 1.0) * sum) : NAN;
        }
    }
};
struct sum_of_two {
    const double *a, *b;
    double*       out;
    DIAMOND_HD void operator()(index_t m) const { out[m] = a[m] + b[m]; }
};

/// weight[i] = softmax over a particle's samples of log_weight; uniform where all are -inf, so that no NaN is made.
struct soft_weights {
    const double* log_weight;
    index_t       samples;
    double*       weight;
    DIAMOND_HD void operator()(index_t j) const {
        const weight_sums sums = sum_weights(log_weight + j * samples, samples, false);
        for (index_t i = j * samples; i < (j + 1) * samples; ++i)
            weight[i] = sums.high == -infinity ? 1.0 / static_cast<double>(samples) : std::exp(log_weight[i] - sums.high) / sums.first;
    }
};

/// out = factor (D^r - D): the tilted minus the plain mean of a particle's draws, unbiased where the tilt is weak. With `weight` of the plain mean null, it is 1/M.
///
/// To first order in r the difference over the same draws is their covariance of r and z, which lacks that of the two means. Of M draws that is 1/M
/// of it, and the difference times M/(M - 1) has the right mean; of weighted draws of weights v it is sum v^2. Of independent pairs the means' covariance
/// is that of the pairs' means, known from the difference of these: nothing for a Gaussian's pairs, whose means are all the same.
template <class Real>
struct tilted_mean_shift {
    static constexpr double least_rest = 0x1p-26; // of 1 - sum v^2: below it one unit has all of the weight, and what the others say is rounding

    const Real*   z;
    const double *tilted, *plain;
    double        factor;
    index_t       rows, samples;
    bool          pairs;
    Real*         out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double  uniform = 1.0 / static_cast<double>(samples);
        const index_t unit    = pairs ? 2 : 1;
        double        shift = 0.0, shift_of_units = 0.0, squares = 0.0;
        for (index_t first = j * samples; first < (j + 1) * samples; first += unit) {
            double tilted_unit = 0.0, plain_unit = 0.0, sum = 0.0;
            for (index_t m = first; m < first + unit; ++m) {
                const double v = plain ? plain[m] : uniform, at = static_cast<double>(z[i + rows * m]);
                shift += (tilted[m] - v) * at;
                tilted_unit += tilted[m];
                plain_unit += v;
                sum += v * at;
            }
            squares += square(plain_unit);
            if (plain_unit > 0.0) shift_of_units += (tilted_unit - plain_unit) / plain_unit * sum;
        }
        const double rest = 1.0 - squares;
        out[i + rows * j] = static_cast<Real>(factor * (rest > least_rest ? shift + squares / rest * shift_of_units : shift));
    }
};

/// What the tilted mean of one particle's draws lacks of the tilt, where r is Gaussian among them: sum p^2, p the soft weights, or of pairs the squared
/// differences in them. By Stein's identity E sum p_i (r_i - mean r) is Var r times 1 minus the mean of this, whatever the variance. It is 1, all of the
/// tilt, where all draws are forbidden by the logarithms of their weights, if these are given.
struct lost_of_tilt {
    const double* tilted;
    index_t       samples;
    bool          pairs;
    const double* log_weight = nullptr;
    DIAMOND_HD double operator()(index_t j) const {
        bool forbidden = log_weight != nullptr;
        for (index_t m = j * samples; forbidden && m < (j + 1) * samples; ++m) forbidden = log_weight[m] == -infinity;
        if (forbidden) return 1.0;
        double lost = 0.0;
        for (index_t m = j * samples; m < (j + 1) * samples; m += pairs ? 2 : 1) lost += square(tilted[m] - (pairs ? tilted[m + 1] : 0.0));
        return lost;
    }
};
struct add_mean {
    const double* sum;
    double        count;
    bool          first;
    double*       out;
    DIAMOND_HD void operator()(index_t) const { *out = (first ? 0.0 : *out) + *sum / count; }
};

/// The mean of lost_of_tilt over the particles and calls of a run, kept in the memory of the back end.
template <class Context>
class tilt_record {
public:
    void add(const Context& context, index_t particles, const lost_of_tilt& of) {
        numbers_.resize(context, 1, 2);
        context.sum(particles, of, numbers_.data());
        context.for_each(1, add_mean{numbers_.data(), static_cast<double>(particles), calls_ == 0, numbers_.data() + 1});
        ++calls_;
    }
    [[nodiscard]] bool empty() const { return calls_ == 0; }
    /// The mean since the last call of this, of which there is at least one; waits for a device.
    [[nodiscard]] double take() { return to_host(numbers_)[1] / static_cast<double>(std::exchange(calls_, 0)); }
    void reset() { calls_ = 0; }

private:
    scratch<double, Context> numbers_; // the sum of a call, and of the calls' means
    index_t                  calls_ = 0;
};

/// Below it a share of the tilt is worth a warning.
inline constexpr double share_to_warn_of = 0.95;
[[nodiscard]] inline std::string rounded(double x) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2g", x);
    return text;
}
/// `lost`: the mean of lost_of_tilt over a run.
template <class Options>
[[nodiscard]] std::vector<std::string> warn_of_weak_guidance(const Options& options, double lost) {
    const double share = (1.0 - lost) / (options.antithetic ? 1.0 : 1.0 - 1.0 / static_cast<double>(options.samples));
    if (share >= share_to_warn_of) return {};
    return {"guidance by " + digits_of(options.samples) + " draws a particle gives a share of about " + rounded(share) +
            " of the tilt, for so few do not reach where the reward pulls: more samples help"};
}
template <class Options>
[[nodiscard]] std::vector<std::string> warn_of_strong_guidance(const Options& options, double lost) {
    const double effective = 1.0 / lost;
    if (1.0 - lost >= share_to_warn_of) return {};
    return {"pathwise guidance by an effective " + rounded(effective) + " of " + digits_of(options.samples) +
            " draws a particle tilts concave rewards too far, as the reward of the posterior's mean does: more samples help; a linear reward is tilted right"};
}

/// Scales column m of a batch by weight[m]; a weight of 0, a forbidden sample's, switches its column off, whatever is there.
template <class Real>
struct scale_columns {
    const double* weight;
    Real*         data;
    index_t       rows;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real& value = data[i + rows * j];
        value       = weight[j] == 0.0 ? Real{0} : static_cast<Real>(weight[j] * static_cast<double>(value));
    }
};

/// An estimate without samples: no standard error, no ESS.
struct no_samples {
    value_batch out;
    DIAMOND_HD void operator()(index_t j) const {
        if (out.standard_error) out.standard_error[j] = NAN;
        if (out.ess) out.ess[j] = NAN;
        if (out.ess_base) out.ess_base[j] = NAN;
    }
};

} // namespace diamond::detail
