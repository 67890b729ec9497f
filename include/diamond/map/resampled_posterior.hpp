/// Posterior draws by the weights of a weighted sampler: sampling, importance resampling. Section 8.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include <diamond/concepts/posterior_sampler.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/core/weight_sums.hpp>

namespace diamond {

struct resampled_posterior_options {
    index_t proposals = 8; ///< K weighted draws, of which one is taken
};

namespace detail {
/// The first of a group's weights whose running sum passes a uniform share of the whole.
struct take_by_weight {
    static constexpr index_t relative_cost = 64;

    const double* log_weight;
    index_t       group;
    noise_stream  uniforms;
    std::int32_t* chosen;
    DIAMOND_HD void operator()(index_t j) const {
        constexpr index_t own_block = index_t{1} << 30; // a sampler that draws by uniforms of this stream begins at 0
        const double*     weights   = log_weight + j * group;
        const weight_sums sums      = sum_weights(weights, group, false);
        const double      wanted    = uniforms.uniform(j, own_block) * sums.first;
        index_t           at = 0, last = 0;
        double            sum = 0.0;
        for (index_t i = 0; i < group && sum <= wanted; ++i) {
            const double weight = sums.high == -infinity ? 0.0 : std::exp(weights[i] - sums.high);
            sum += weight;
            at = i;
            if (weight > 0.0) last = i;
        }
        chosen[j] = static_cast<std::int32_t>(j * group + (sum > wanted ? at : last)); // rounding may keep the sum below the whole
    }
};
struct group_is_dead {
    const double* log_weight;
    index_t       group;
    DIAMOND_HD bool operator()(index_t j) const {
        for (index_t i = 0; i < group; ++i)
            if (log_weight[j * group + i] > -infinity) return false;
        return true;
    }
};
} // namespace detail

/// Each draw is one of K draws of `Sampler` of its own, taken by their weights: independent, without weights, and nearer the corrected posterior the
/// larger K; the bias is of order 1/K. Antithetic pairs are not to be had: draws are choices. Models posterior_sampler, and is never exact(). Cost: K weighted draws a draw.
template <class Sampler>
class resampled_posterior {
    static_assert(diagnose_weighted_posterior_sampler<Sampler>());

public:
    using batch_type     = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless there is at least one proposal, and no more than samples of a particle can be told apart.
    explicit resampled_posterior(Sampler sampler, resampled_posterior_options options = {}) : sampler_(std::move(sampler)), options_(options) {
        require(options.proposals >= 1 && options.proposals <= noise_stream::most_samples,
                [&] { return "a resampled posterior of " + digits_of(options.proposals) + " proposals: at least 1 is needed, and at most 2^24 a particle can be told apart"; });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    [[nodiscard]] auto    schedule() const { return sampler_.schedule(); }
    [[nodiscard]] cost    spent() const { return sampler_.spent(); }
    [[nodiscard]] bool    exact() const { return false; }

    /// out, d x (N M), M = stream.samples. @throws numeric_error where a weight is NaN or +inf, or all K weights of a draw are zero.
    void operator()(const_view x_t, double t, const condition_type& condition, noise_stream stream, view out) {
        const auto&   context = x_t.context();
        const index_t all     = out.columns() * options_.proposals;
        require(all <= INT32_MAX && stream.samples * options_.proposals <= noise_stream::most_samples, [&] {
            return "a resampled posterior of " + digits_of(options_.proposals) + " proposals for " + digits_of(out.columns()) + " draws, " + digits_of(stream.samples) +
                   " a particle: at most 2^31 - 1 in all and 2^24 a particle";
        });
        stream.antithetic = false; // it would mirror proposals, not draws
        proposals_.resize(context, out.rows(), all);
        log_weights_.resize(context, 1, all);
        chosen_.resize(context, 1, out.columns());
        sampler_(x_t, t, condition, stream.with_samples(stream.samples * options_.proposals), proposals_.mutable_view(), log_weights_.data());
        context.forbid(all, detail::not_a_weight{log_weights_.data()},
                       deferred_error{.what = "the weight of a posterior draw is NaN or +inf", .step = static_cast<index_t>(stream.step), .samples = stream.samples * options_.proposals, .values = log_weights_.data()});
        context.forbid(out.columns(), detail::group_is_dead{log_weights_.data(), options_.proposals},
                       deferred_error{.what = "all proposals for a resampled posterior draw weigh nothing: use more of them", .step = static_cast<index_t>(stream.step), .samples = stream.samples});
        const auto uniforms = stream.with(stream.purpose == purpose::value ? purpose::value_component : purpose::component);
        context.for_each(out.columns(), detail::take_by_weight{log_weights_.data(), options_.proposals, uniforms, chosen_.data()});
        context.gather(proposals_.read(), chosen_.data(), out);
        detail::require_finite_columns(const_view(out), deferred_error{.what = "a coordinate of a posterior draw is NaN or infinite", .step = static_cast<index_t>(stream.step), .samples = stream.samples});
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    Sampler                             sampler_;
    resampled_posterior_options         options_;
    scratch<real, context_type>         proposals_;
    scratch<double, context_type>       log_weights_;
    scratch<std::int32_t, context_type> chosen_;
};
template <class Sampler>
resampled_posterior(Sampler) -> resampled_posterior<Sampler>;
template <class Sampler>
resampled_posterior(Sampler, resampled_posterior_options) -> resampled_posterior<Sampler>;

} // namespace diamond
