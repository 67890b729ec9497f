/// What M weighted samples a particle say: log mean, standard error, effective number, soft weights. Functors shared by the estimators.
#pragma once

#include <cmath>
#include <string>

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

/// out = factor (D^r - D): the tilted minus the plain mean of a particle's draws. With `weight` of the plain mean null, it is 1/M.
template <class Real>
struct tilted_mean_shift {
    const Real*   z;
    const double *tilted, *plain;
    double        factor;
    index_t       rows, samples;
    Real*         out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        double       shift   = 0.0;
        const double uniform = 1.0 / static_cast<double>(samples);
        for (index_t m = j * samples; m < (j + 1) * samples; ++m) shift += (tilted[m] - (plain ? plain[m] : uniform)) * static_cast<double>(z[i + rows * m]);
        out[i + rows * j] = static_cast<Real>(factor * shift);
    }
};

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
