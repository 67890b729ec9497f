/// Posterior draws with importance weights that correct them, from their own density and that of the data.
/// See (eq. corrected-posterior-weight).
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/map/detail/correction.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// z ~ q(. | x_t) with log w = log p_1(z) + log N(x_t; alpha z, sigma^2 I) - log q(z | x_t); the mean of w is
/// p_t(x_t).
///
/// With these weights the draws follow the posterior of p_1, the law of data by `Density`. This holds for any
/// sampler that draws wherever that posterior has mass and whose log q is the density of its own draws, as
/// its exact_density() states. The density is evaluated at t = 1 only, where all noise schedules agree.
/// Models weighted_posterior_sampler. Cost: one draw with density and one density of data for each draw.
template <class Sampler, class Density>
class corrected_posterior {
    static_assert(diagnose_posterior_sampler_with_density<Sampler>() && diagnose_marginal_density<Density>());
    static_assert(diagnose_condition<condition_of_t<Sampler>, backend_of_t<typename Sampler::batch_type>>());
    static_assert(std::is_same_v<typename Sampler::batch_type, typename Density::batch_type>,
                  "draws and the density that corrects them must be of the same batch type");
    static_assert(detail::has_condition<condition_of_t<Density>, condition_of_t<Sampler>>,
                  "draws and the density that corrects them must take the same condition");

public:
    using batch_type = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument if their dimensions differ.
    corrected_posterior(Sampler sampler, Density density)
        : sampler_(std::move(sampler)), density_(std::move(density)) {
        detail::require_density_of("posterior sampler", sampler_, density_);
        check_schedule(sampler_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    [[nodiscard]] auto schedule() const { return sampler_.schedule(); }
    [[nodiscard]] cost spent() const { return cost(sampler_.spent()) + cost(density_.spent()); }
    [[nodiscard]] bool exact() const { return density_.exact() && detail::knows_own_density(sampler_); }
    /// The sampler whose draws are corrected.
    [[nodiscard]] const Sampler& sampler() const { return sampler_; }

    /// Draws out, d x (N M), M = stream.samples, given x_t, d x N, with log_weights[m] = log w of column m of
    /// out, N M numbers in the memory of the batch. @throws std::invalid_argument at t = 1; numeric_error
    /// naming step and particle if a weight is NaN or +inf.
    void operator()(const_view x_t, double t, const condition_type& condition, noise_stream stream, view out,
                    row_t<batch_type> log_weights) {
        const auto& context = x_t.context();
        const noise_level here = level_at(sampler_.schedule(), t);
        const index_t all = out.columns();
        density_of_data_.resize(context, 1, all);
        likelihood_.resize(context, 1, all);
        sampler_.draw_with_density(x_t, t, condition, stream, out, log_weights);
        density_(out, 1.0,
                 repeated_.repeat(context, detail::condition_within<condition_of_t<Density>>(condition),
                                  x_t.columns(), stream.samples),
                 unwritten(row(density_of_data_)));
        context.column_sums(
            out.rows(), out.columns(),
            detail::transition_density_term<const_view>{
                .x = x_t, .z = out, .scale = here.alpha, .deviation = here.sigma, .samples = stream.samples},
            likelihood_.data());
        // log_weights is log q so far.
        assign(log_weights, row(density_of_data_) + row(likelihood_) - log_weights);
        context.forbid(all, elementwise<detail::is_no_log_weight>(log_weights),
                       deferred_error{.what = detail::bad_correction,
                                      .step = static_cast<index_t>(stream.step),
                                      .samples = stream.samples,
                                      .values = log_weights.data()});
    }

private:
    using context_type = backend_of_t<batch_type>;

    Sampler sampler_;
    Density density_;
    scratch<double, context_type> density_of_data_, likelihood_;
    condition_store<condition_of_t<Density>, context_type> repeated_;
};

} // namespace diamond
