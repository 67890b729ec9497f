/// Posterior draws that correct themselves: importance weights by their own density and that of the data. Section 8.
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/core/weight_sums.hpp>
#include <diamond/map/detail/correction.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

namespace detail {
struct correct_posterior_weight {
    const double *density, *likelihood;
    double*       log_weight; // log q before
    DIAMOND_HD void operator()(index_t m) const { log_weight[m] = density[m] + likelihood[m] - log_weight[m]; }
};
} // namespace detail

/// z ~ q(. | x_t) with log w = log p_1(z) + log N(x_t; alpha z, sigma^2 I) - log q(z | x_t), whose mean of w is p_t(x_t).
///
/// By these weights the draws follow the posterior of p_1 as `Density` knows it, whatever the map that drew them, as long as it draws wherever
/// that has mass and its log q is its own, which it says by exact_density(). The density is asked at t = 1 alone, where all noise schedules agree.
/// Models weighted_posterior_sampler. Cost: one draw with density and one density of data a draw.
template <class Sampler, class Density>
class corrected_posterior {
    static_assert(diagnose_posterior_sampler_with_density<Sampler>() && diagnose_marginal_density<Density>());
    static_assert(diagnose_condition<condition_of_t<Sampler>, backend_of_t<typename Sampler::batch_type>>());
    static_assert(std::is_same_v<typename Sampler::batch_type, typename Density::batch_type>, "draws and the density that corrects them must be of the same batch type");
    static_assert(std::is_same_v<condition_of_t<Sampler>, condition_of_t<Density>>, "draws and the density that corrects them must take the same condition");

public:
    using batch_type     = typename Sampler::batch_type;
    using condition_type = condition_of_t<Sampler>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// @throws std::invalid_argument where their dimensions differ.
    corrected_posterior(Sampler sampler, Density density) : sampler_(std::move(sampler)), density_(std::move(density)) {
        detail::require_density_of("posterior sampler", sampler_, density_);
        check_schedule(sampler_.schedule());
    }

    [[nodiscard]] index_t        dimension() const { return static_cast<index_t>(sampler_.dimension()); }
    [[nodiscard]] auto           schedule() const { return sampler_.schedule(); }
    [[nodiscard]] cost           spent() const { return cost(sampler_.spent()) + cost(density_.spent()); }
    [[nodiscard]] bool           exact() const { return density_.exact() && detail::knows_own_density(sampler_); }
    [[nodiscard]] const Sampler& sampler() const { return sampler_; }

    /// out, d x (N M), M = stream.samples, and log_weights of as many. @throws numeric_error naming step and particle where a weight is NaN or +inf;
    /// std::invalid_argument at t = 1.
    void operator()(const_view x_t, double t, const condition_type& condition, noise_stream stream, view out, double* log_weights) {
        const auto&       context = x_t.context();
        const noise_level here    = level_at(sampler_.schedule(), t);
        numbers_.resize(context, 2, out.columns());
        double *const density = numbers_.data(), *const likelihood = density + out.columns();
        sampler_.draw_with_density(x_t, t, condition, stream, out, log_weights);
        density_(out, 1.0, repeated_.repeat(context, condition, x_t.columns(), stream.samples), density);
        context.column_sums(out.rows(), out.columns(), detail::transition_density_term<real>{x_t.data(), out.data(), here.alpha, here.sigma, out.rows(), stream.samples}, likelihood);
        context.for_each(out.columns(), detail::correct_posterior_weight{density, likelihood, log_weights});
        context.forbid(out.columns(), detail::not_a_weight{log_weights}, deferred_error{.what = detail::bad_correction, .step = static_cast<index_t>(stream.step), .samples = stream.samples, .values = log_weights});
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    Sampler                                       sampler_;
    Density                                       density_;
    scratch<double, context_type>                 numbers_;
    condition_store<condition_type, context_type> repeated_;
};

} // namespace diamond
