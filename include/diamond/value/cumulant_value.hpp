/// The value of a reward that is nearly Gaussian among the draws of the posterior, by its first two
/// cumulants. (eq. cumulant-value), (eq. cumulant-gradient), (eq. shrunk-variance).
#pragma once

#include <cmath>
#include <utility>

#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/value/detail/covariance_along.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

namespace detail {
/// Writes the mean of particle j's rewards and an unbiased estimate of their variance, and replaces each
/// reward by its deviation from the mean. Independent draws give the sum of squared deviations over M - 1; P
/// pairs the mean square of half their differences, and the variance of their means over P - 1.
template <class Context>
struct cumulants_of_draws {
    row_view<double, Context> rewards;
    index_t samples;
    bool pairs;
    row_view<double, Context> mean, variance;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t begin = j * samples, end = begin + samples;
        double sum = 0.0;
        for (index_t m = begin; m < end; ++m) sum += rewards[m];
        const double middle = sum / static_cast<double>(samples);
        double within = 0.0, between = 0.0; // pairs, and of them
        for (index_t m = begin; m < end; ++m) rewards[m] -= middle;
        for (index_t m = begin; m < end; m += pairs ? 2 : 1) {
            const double own = rewards[m], partner = pairs ? rewards[m + 1] : own;
            within += square(0.5 * (own - partner));
            between += square(0.5 * (own + partner));
        }
        const double units = static_cast<double>(pairs ? samples / 2 : samples);
        mean[j] = middle;
        variance[j] = within / units + between / (units - 1.0);
    }
};
/// The variance of one particle drawn towards the mean over all, see shrunk_variance. `sum` and `squares` are
/// those of the estimates of N particles, of `degrees` each.
DIAMOND_HD inline double drawn_to_mean(double own, double sum, double squares, double particles,
                                       double degrees) {
    const double mean = sum / particles, spread = squares / particles - square(mean),
                 noise = squares / particles * 2.0 / (degrees + 2.0);
    return spread > noise ? mean + (1.0 - noise / spread) * (own - mean) : mean;
}
} // namespace detail

/// The variance of a particle's reward by its own draws alone: unbiased whatever the others are, of relative
/// variance 2/(M - 1) where the reward is Gaussian.
struct own_variance {
    static constexpr bool fresh = true; ///< a particle's value is its own
    /// Leaves the estimates as they are.
    template <class Context>
    void operator()(const Context&, row_view<double, Context>, index_t, scratch<double, Context>&) const {}
};
/// The mean of the variances over all particles of a call, for each of them: with no noise to speak of, and
/// right where the posterior's spread is the same at every x_t, as of Gaussian data.
struct pooled_variance {
    static constexpr bool fresh = false; ///< a particle's value depends on the others
    /// Replaces N estimates by their mean.
    template <class Context>
    void operator()(const Context& context, row_view<double, Context> variance, index_t,
                    scratch<double, Context>& numbers) const {
        numbers.resize(context, 1, 1);
        context.sum(variance.columns(), variance, numbers.data());
        assign(variance, number_at(numbers.data()) / static_cast<double>(variance.columns()));
    }
};
/// Each particle's own estimate s_j^2 drawn towards their mean, as far as their scatter is that of k degrees
/// of freedom: v_j = m + (1 - e/S)_+ (s_j^2 - m), with m and S mean and variance of the s_j^2 over the
/// particles and e = 2/(k + 2) times the mean of s_j^4, what S is where all have one variance, if the reward
/// is Gaussian. It is pooled_variance where the spreads are alike, and near own_variance where they differ or
/// the draws are many. Source: (eq. shrunk-variance); after James and Stein.
struct shrunk_variance {
    static constexpr bool fresh = false; ///< a particle's value depends on the others
    /// Replaces N estimates of so many degrees of freedom.
    template <class Context>
    void operator()(const Context& context, row_view<double, Context> variance, index_t degrees,
                    scratch<double, Context>& numbers) const {
        numbers.resize(context, 1, 2);
        const index_t n = variance.columns();
        context.sum(n, variance, numbers.data());
        context.sum(n, square(variance), numbers.data() + 1);
        assign(variance, elementwise<detail::drawn_to_mean>(
                             variance, number_at(numbers.data()), number_at(numbers.data() + 1),
                             static_cast<double>(n), static_cast<double>(degrees)));
    }
};

/// Options of cumulant_value.
struct cumulant_value_options {
    index_t samples = 4; ///< M, the number of posterior draws a particle, at least 2 and at most 2^24
    /// Draws pairs with opposite noise, whose mean is exact where the reward is affine in the noise; M must
    /// then be even, and at least 4.
    bool antithetic = true;
    bool fixed_noise = false; ///< draws with the same noise at every step
};

/// The value of a reward r(z) = a . f(z), linear in a feature that is nearly Gaussian given x_t, by mean and
/// variance of r over M posterior draws,
///
///   V = mean r + var r/2.
///
/// It is exact, up to the error of the two, where r(z) given x_t is Gaussian: a linear reward of Gaussian
/// data, or any r of whose many parts none prevails. There V is unbiased, and exp V is not: it is too large,
/// while exp V of posterior_value is unbiased and its V too low. Elsewhere the third cumulant is missing, and
/// where r is peaked V is wrong by many nats: moment_value is for those. As any finite value it leaves Z-hat
/// unbiased, if no move is accepted by it that depends on other particles.
///
/// The feature need not be named: only r is asked. `Variance` says how few draws know the variance:
/// shrunk_variance, the default, pooled_variance or own_variance, whose values alone are a particle's own
/// (fresh()).
///
/// Its guidance is b grad V = (alpha' - alpha sigma'/sigma) Cov(z, r), the variance held, by the particle's
/// own draws and without the reward's derivative: unbiased where z and r given x_t are jointly Gaussian. At t
/// = 1 it is b(1) grad r, for which the reward must be differentiable where b(1) is not 0.
///
/// It has no standard error and no effective number of samples: NaN where they are asked for. Cost a
/// particle: M posterior draws and M rewards. Source: (eq. cumulant-value).
template <class Sampler, class Reward, class Variance = shrunk_variance>
class cumulant_value {
    static_assert(diagnose_posterior_sampler_without_weights<Sampler>());
    static_assert(diagnose_condition<condition_of_t<Sampler>, backend_of_t<typename Sampler::batch_type>>());
    static_assert(diagnose_reward<Reward, typename Sampler::batch_type, condition_of_t<Sampler>>());

public:
    using batch_type = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless 2 <= samples <= 2^24, even and at least 4 where antithetic, and
    /// for a schedule that breaks its promises (check_schedule).
    cumulant_value(Sampler sampler, Reward reward, cumulant_value_options options = {},
                   Variance variance = {})
        : sampler_(std::move(sampler)),
          reward_(std::move(reward)),
          variance_(std::move(variance)),
          options_(options) {
        detail::require_samples("a cumulant value", options);
        require(options.samples >= (options.antithetic ? 4 : 2), [&] {
            return "a cumulant value of " + digits_of(options.samples) + " samples a particle" +
                   (options.antithetic ? " in antithetic pairs" : "") +
                   " has no variance: at least 2 are needed, and 2 pairs";
        });
        check_schedule(sampler_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    /// The reward, which drivers evaluate at t = 1.
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    /// Says whether a particle's value is its own, and of fresh noise.
    [[nodiscard]] bool fresh() const { return Variance::fresh && !options_.fixed_noise; }
    [[nodiscard]] cost spent() const {
        cost total = sampler_.spent();
        total.reward += reward_.calls();
        return total;
    }

    /// Writes values.value[j] = V_t(x_j), d x N particles, t in [0, 1]; at t = 1 it is r(x_j) itself; the
    /// spreads that are asked for are NaN.
    /// @throws numeric_error naming the step and the particle where the reward of a draw is not finite.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("cumulant_value", t);
        require_columns("cumulant_value", values, x.columns());
        detail::write_no_spread(values);
        if (t >= 1.0) return reward_(x, condition, stream.step, 1, values.value);
        if (x.columns() == 0) return;
        draw(x, t, condition, stream);
        variance_(x.context(), row(variances_),
                  options_.antithetic ? options_.samples / 2 : options_.samples - 1, numbers_);
        assign(values.value, row(means_) + 0.5 * row(variances_));
    }

    /// Writes out = b(t) grad V_t(x), d x N, t in [0, 1], the variance held fixed.
    /// @throws as operator() does; std::invalid_argument at t = 1 for a reward without a gradient where b(1)
    /// is not 0.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out) {
        require_time("cumulant_value::guidance", t);
        require_same_shape("cumulant_value::guidance", x, const_view(out));
        if (t >= 1.0)
            return detail::write_final_guidance(sampler_.schedule(), reward_, x, condition, stream.step, out);
        if (x.columns() == 0) return;
        draw(x, t, condition, stream);
        x.context().for_each(out.rows(), out.columns(),
                             detail::covariance_along<view, const_view, row_view<const double, context_type>>{
                                 .z = draws_.read(),
                                 .q = row(rewards_.read()),
                                 .factor = mean_shift_factor(sampler_.schedule(), t),
                                 .samples = options_.samples,
                                 .pairs = options_.antithetic,
                                 .out = out});
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    /// Draws M samples z a particle, and writes means and variances of their rewards, and the rewards less
    /// their means.
    void draw(const_view x, double t, const condition_type& condition, noise_stream stream) {
        const auto& context = x.context();
        const index_t n = x.columns(), samples = options_.samples;
        const index_t columns = extent_product("a cumulant value's particles and samples", n, samples);
        draws_.resize(context, x.rows(), columns);
        rewards_.resize(context, 1, columns);
        means_.resize(context, 1, n);
        variances_.resize(context, 1, n);
        sampler_(x, t, condition, detail::value_stream(stream, options_), draws_);
        reward_(draws_, repeated_.repeat(context, condition, n, samples), stream.step, samples,
                row(rewards_));
        context.forbid(
            columns, elementwise<detail::is_not_finite>(row(rewards_)),
            deferred_error{.what = "the reward of a posterior draw is -infinity, and has no cumulants: "
                                   "take posterior_value, or a surrogate_value that is finite",
                           .step = static_cast<index_t>(stream.step),
                           .samples = samples,
                           .values = rewards_.data()});
        context.for_each(n, detail::cumulants_of_draws<context_type>{.rewards = row(rewards_),
                                                                     .samples = samples,
                                                                     .pairs = options_.antithetic,
                                                                     .mean = row(means_),
                                                                     .variance = row(variances_)});
    }

    Sampler sampler_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    Variance variance_;
    cumulant_value_options options_;
    scratch<real, context_type> draws_;
    scratch<double, context_type> rewards_, means_, variances_, numbers_;
    condition_store<condition_type, context_type> repeated_;
};

} // namespace diamond
