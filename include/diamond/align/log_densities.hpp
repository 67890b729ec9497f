/// Log-densities of results: log p_1 of samples, and log p^r of the tilted target at them. See
/// (eq. tilted-density).
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <diamond/align/run.hpp>
#include <diamond/align/smc_result.hpp>
#include <diamond/concepts/marginal_density.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/core/weight_sums.hpp>

namespace diamond {

/// log p_1(x_j) of samples, d x N, of a chain, a search or a file; -inf where the density is 0. Cost: one
/// density of data a sample.
/// @throws numeric_error naming the particle where a density is NaN or +inf.
template <class Density, class Model = std::remove_cvref_t<Density>>
[[nodiscard]] std::vector<double> log_densities_of(Density&& density,
                                                   const_view_t<typename Model::batch_type> samples,
                                                   const condition_of_t<Model>& condition = {}) {
    static_assert(diagnose_marginal_density<Model>());
    require(samples.rows() == density.dimension(), [&] {
        return "samples of " + digits_of(samples.rows()) + " rows for a density of dimension " +
               digits_of(density.dimension());
    });
    rebind_t<typename Model::batch_type, double> values(samples.context(), 1, samples.columns());
    density(samples, 1.0, condition, unwritten(row(values)));
    samples.context().forbid(samples.columns(), elementwise<detail::is_no_log_weight>(row(values)),
                             deferred_error{.what = "a log-density is NaN or +inf", .values = values.data()});
    return to_host(values);
}

/// Puts log p_1 of SMC's particles into result.log_densities, by any density, and adds its cost to
/// result.spent and result.seconds. `condition` is the run's: each particle has that of the x_0 that it
/// descends from. Densities that a weighted kernel has left are replaced. @throws std::invalid_argument for a
/// run that is not complete.
template <class Batch, class Density, class Model = std::remove_cvref_t<Density>>
void add_log_densities(smc_result<Batch>& result, Density&& density,
                       const condition_of_t<Model>& condition = {}) {
    static_assert(diagnose_condition<condition_of_t<Model>, backend_of_t<Batch>>());
    require(result.complete, "densities of an incomplete run of SMC: its particles are not data yet");
    const auto& context = result.particles.context();
    const auto n = static_cast<index_t>(result.families.size());
    const cost before = density.spent();
    const stopwatch clock;
    const auto families = from_host<std::int32_t>(context, 1, n, result.families);

    condition_store<condition_of_t<Model>, backend_of_t<Batch>> conditions;
    result.log_densities = log_densities_of(density, result.particles.read(),
                                            conditions.gather(context, condition, families.data(), n));
    result.spent += cost(density.spent()) - before;
    result.seconds += clock.seconds();
}

/// log p^r(x_j) = log p_1(x_j) + r(x_j) - log Z-hat, the tilted target's log-density at SMC's particles as
/// far as Z-hat goes.
/// @throws std::invalid_argument for a run that is not complete, or whose densities are not known:
/// add_log_densities.
template <class Batch>
[[nodiscard]] std::vector<double> tilted_log_densities(const smc_result<Batch>& result) {
    require(result.complete, "densities of an incomplete run of SMC: it has no log Z");
    require(result.log_densities.size() == result.rewards.size(), [&] {
        return "tilted densities of " + digits_of(result.rewards.size()) + " particles with " +
               digits_of(result.log_densities.size()) + " log-densities: call add_log_densities first";
    });
    std::vector<double> tilted(result.rewards.size());
    for (std::size_t j = 0; j < tilted.size(); ++j)
        tilted[j] = result.log_densities[j] + result.rewards[j] - result.log_z;
    return tilted;
}

} // namespace diamond
