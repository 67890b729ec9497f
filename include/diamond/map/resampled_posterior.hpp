/// Posterior draws from a weighted sampler by sampling importance resampling. See
/// (eq. importance-resampling).
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/core/weight_sums.hpp>

namespace diamond {

/// The options of resampled_posterior.
struct resampled_posterior_options {
    index_t proposals = 8; ///< K, the number of weighted draws of which one is taken, 1 to 2^24
};

namespace detail {
/// Chooses one of the K = `group` draws of each j with probabilities proportional to their weights: the first
/// at which the running sum of the weights exceeds a uniform share of their total.
template <class LogWeights, class Chosen>
struct take_by_weight {
    static constexpr index_t relative_cost = 64;

    LogWeights log_weight;
    index_t group;
    noise_stream uniforms;
    Chosen chosen;
    DIAMOND_HD void operator()(index_t j) const {
        // A sampler that draws uniforms from this stream begins at 0.
        constexpr index_t own_block = index_t{1} << 30;
        const double* weights = log_weight.data() + j * group;
        const weight_sums sums = sum_weights(weights, group, false);
        const double wanted = uniforms.uniform(j, own_block) * sums.first;
        index_t at = 0, last = 0;
        double sum = 0.0;
        for (index_t i = 0; i < group && sum <= wanted; ++i) {
            const double weight = sums.high == -infinity ? 0.0 : std::exp(weights[i] - sums.high);
            sum += weight;
            at = i;
            if (weight > 0.0) last = i;
        }
        // Rounding may keep the sum below the total: the last draw that weighs something is taken then.
        chosen[j] = static_cast<std::int32_t>(j * group + (sum > wanted ? at : last));
    }
};
/// Says whether all K = `group` draws of j have weight 0.
template <class LogWeights>
struct group_is_dead {
    LogWeights log_weight;
    index_t group;
    DIAMOND_HD bool operator()(index_t j) const {
        for (index_t i = 0; i < group; ++i)
            if (log_weight[j * group + i] > -infinity) return false;
        return true;
    }
};
} // namespace detail

/// Each draw is chosen from K draws of `Sampler` of its own, with probabilities proportional to their
/// weights.
///
/// The draws are independent and carry no weights; their bias against the corrected posterior is of order
/// 1/K. Antithetic pairs do not exist, because a draw is a choice. Models posterior_sampler, and is never
/// exact(). Cost: K weighted draws for each draw.
template <class Sampler>
class resampled_posterior {
    static_assert(diagnose_weighted_posterior_sampler<Sampler>());

public:
    using batch_type = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless 1 <= options.proposals <= 2^24.
    explicit resampled_posterior(Sampler sampler, resampled_posterior_options options = {})
        : sampler_(std::move(sampler)), options_(options) {
        require(options.proposals >= 1 && options.proposals <= noise_stream::most_samples, [&] {
            return "a resampled posterior of " + digits_of(options.proposals) +
                   " proposals: at least 1 is needed, and at most 2^24 a particle can be told apart";
        });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    [[nodiscard]] auto schedule() const { return sampler_.schedule(); }
    [[nodiscard]] cost spent() const { return sampler_.spent(); }
    [[nodiscard]] bool exact() const { return false; }

    /// Draws M = stream.samples z for each column of x_t, d x N, into out, d x (N M). @throws
    /// std::invalid_argument if there are more than 2^31 - 1 proposals in all, or 2^24 for one particle;
    /// numeric_error naming step and particle if a weight is NaN or +inf, if all K weights of a draw are 0,
    /// or if a draw is not finite.
    void operator()(const_view x_t, double t, const condition_type& condition, noise_stream stream,
                    view out) {
        const auto& context = x_t.context();
        const index_t n = out.columns(), group = options_.proposals, all = n * group;
        require(all <= INT32_MAX && stream.samples * group <= noise_stream::most_samples, [&] {
            return "a resampled posterior of " + digits_of(group) + " proposals for " + digits_of(n) +
                   " draws, " + digits_of(stream.samples) +
                   " a particle: at most 2^31 - 1 in all and 2^24 a particle";
        });
        stream.antithetic = stream.latin_hypercube = false; // they would be of proposals, not of draws
        proposals_.resize(context, out.rows(), all);
        log_weights_.resize(context, 1, all);
        chosen_.resize(context, 1, n);
        sampler_(x_t, t, condition, stream.with_samples(stream.samples * group), proposals_.mutable_view(),
                 unwritten(row(log_weights_)));
        using weights_view = row_view<const double, context_type>;
        using chosen_view = row_view<std::int32_t, context_type>;
        const weights_view weights = row(log_weights_);
        const auto step = static_cast<index_t>(stream.step);
        context.forbid(all, elementwise<detail::is_no_log_weight>(weights),
                       deferred_error{.what = "the weight of a posterior draw is NaN or +inf",
                                      .step = step,
                                      .samples = stream.samples * group,
                                      .values = weights.data()});
        context.forbid(
            n, detail::group_is_dead<weights_view>{.log_weight = weights, .group = group},
            deferred_error{
                .what = "all proposals for a resampled posterior draw weigh nothing: use more of them",
                .step = step,
                .samples = stream.samples});
        const auto uniforms = stream.choices();
        context.for_each(
            n, detail::take_by_weight<weights_view, chosen_view>{
                   .log_weight = weights, .group = group, .uniforms = uniforms, .chosen = row(chosen_)});
        context.gather(proposals_.read(), chosen_.data(), out);
        detail::require_finite_columns(
            const_view(out), deferred_error{.what = "a coordinate of a posterior draw is NaN or infinite",
                                            .step = step,
                                            .samples = stream.samples});
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    Sampler sampler_;
    resampled_posterior_options options_;
    scratch<real, context_type> proposals_;
    scratch<double, context_type> log_weights_;
    scratch<std::int32_t, context_type> chosen_;
};

} // namespace diamond
