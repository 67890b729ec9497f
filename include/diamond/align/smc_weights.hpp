/// What sequential Monte Carlo does to values and weights, particle by particle, and what the weights of a step say. Section 7.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include <diamond/align/fixed_point.hpp>
#include <diamond/align/smc_result.hpp>

namespace diamond::detail {

/// What the step under way has summed up, and what the run has, in the back end's memory: the functors that need a number read it there,
/// so that nothing waits for the host.
struct step_numbers {
    double best = 0, floor = 0, floored = 0;                      // of the values
    double high = 0, sum = 0, sum_square = 0;                     // of the weights, relative to the highest
    double minus_least = 0, largest = 0, sum_of_values = 0, log_mean = 0;
    double correction_high = 0, correction_sum = 0, correction_sum_square = 0, corrected = 0; // of a weighted kernel's own weights
};
struct run_numbers {
    double       log_z = 0, log_delta = -infinity;
    std::int64_t resamplings = 0;
};

/// V_k = logaddexp(max(V_k, floor), log delta); V_{k-1} again where that is -inf: the whole step was forbidden.
struct raise_values {
    const step_numbers* step;
    const run_numbers*  run;
    const double*       before;
    double*             value;
    DIAMOND_HD void operator()(index_t j) const {
        const double raised = log_add_exp(value[j] > step->floor ? value[j] : step->floor, run->log_delta);
        value[j]            = raised > -infinity ? raised : before[j];
    }
};
/// 1 where a value is left to the floor: below it, or -inf with nothing else to raise it.
struct below_floor {
    const double*       value;
    const step_numbers* step;
    const run_numbers*  run;
    DIAMOND_HD double operator()(index_t j) const { return value[j] < step->floor || (value[j] == -infinity && run->log_delta == -infinity) ? 1.0 : 0.0; }
};
struct write_number {
    double  number;
    double* out;
    DIAMOND_HD void operator()(index_t) const { *out = number; }
};
struct own_index {
    std::int32_t* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = static_cast<std::int32_t>(j); }
};

/// By how much a step changes log w: V_k - V_{k-1}, and the kernel's own weight where there is one. V_{k-1} is finite.
struct weight_increment {
    const double *value, *before, *correction = nullptr; // the last null for a kernel without weights
    DIAMOND_HD double operator()(index_t j) const { return value[j] - before[j] + (correction ? correction[j] : 0.0); }
};
struct add_increment {
    weight_increment increment;
    const double*    log_weight;
    double*          out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = log_weight[j] + increment(j); }
};
struct relative_weight {
    const double* log_weight;
    const double* high;
    int           power;
    DIAMOND_HD double operator()(index_t j) const { return exp_nonpositive(power * (log_weight[j] - *high)); }
};
struct weighted_value_entry {
    const double *log_weight, *value, *high;
    DIAMOND_HD double operator()(index_t j) const {
        const double weight = exp_nonpositive(log_weight[j] - *high);
        return weight > 0.0 ? weight * value[j] : 0.0;
    }
};
/// The increment of a live particle, times `sign`: the maximum of minus the increments is minus the least.
struct live_increment {
    const double*    log_weight;
    weight_increment increment;
    double           sign;
    DIAMOND_HD double operator()(index_t j) const { return log_weight[j] == -infinity ? -infinity : sign * increment(j); }
};

/// The kernel's own weight of particles that were alive before it.
struct live_correction {
    const double *log_weight, *correction;
    DIAMOND_HD double operator()(index_t j) const { return log_weight[j] == -infinity ? -infinity : correction[j]; }
};
struct relative_correction {
    live_correction of;
    const double*   high;
    int             power; // 0 counts the living
    DIAMOND_HD double operator()(index_t j) const { return power == 0 ? (of.log_weight[j] == -infinity ? 0.0 : 1.0) : exp_nonpositive(power * (of(j) - *high)); }
};

/// A density of a particle whose weight is `log_weight`, or of any where that is null: what the next weight would be made of.
struct not_a_log_density {
    const double *log_density, *log_weight;
    DIAMOND_HD bool operator()(index_t j) const {
        return (log_weight == nullptr || log_weight[j] > -infinity) && (std::isnan(log_density[j]) || log_density[j] == infinity);
    }
};

struct is_dead {
    const double* high;
    DIAMOND_HD bool operator()(index_t) const { return *high == -infinity; }
};
struct log_of_mean {
    const step_numbers* step;
    index_t             columns;
    double*             out;
    DIAMOND_HD void operator()(index_t) const {
        *out = step->high == -infinity ? step->high : step->high + std::log(step->sum / static_cast<double>(columns));
    }
};

/// *out = log of the mean of exp x_j; -inf where all are.
template <class Context>
void log_mean_exp(const Context& context, index_t columns, const double* x, step_numbers* step, double* out) {
    context.max(columns, log_weight_entry{x}, &step->high);
    context.sum(columns, relative_weight{x, &step->high, 1}, &step->sum);
    context.for_each(1, log_of_mean{step, columns, out});
}

/// Where a step's values are forbidden or hopeless and neither floor nor delta is given: so many nats below the best of them. exp(-1000) is
/// 0, so such a particle weighs nothing beside the best; and differences of values so near each other are exact to 1e-12.
inline constexpr double depth_of_floor = 1000.0;

struct find_floor {
    const run_numbers* run;
    step_numbers*      step;
    DIAMOND_HD void operator()(index_t) const { step->floor = run->log_delta == -infinity ? step->best - depth_of_floor : -infinity; }
};

/// Makes V_k finite, k < K, and counts how many values the floor raised.
///
/// A floor that depends on the whole step leaves Z-hat unbiased. For given particles, the offspring j of i have E[sum_j exp(-V_k(j)) f(x_j)]
/// mean w = sum_i w_i exp(-V_k(i)) f(x_i)/N with w_i = w'_i exp(V_k(i) - V_{k-1}(i)): V_k cancels, whatever finite numbers its entries
/// are, as long as they were fixed before the resampler drew. And it moves with the values, so r and r + c run alike.
template <class Context>
void make_finite(const Context& context, index_t columns, std::optional<double> floor, const double* before, double* value, const run_numbers* run, step_numbers* step) {
    if (floor)
        context.for_each(1, write_number{*floor, &step->floor});
    else {
        context.max(columns, log_weight_entry{value}, &step->best);
        context.for_each(1, find_floor{run, step});
    }
    context.sum(columns, below_floor{value, step, run}, &step->floored);
    context.for_each(columns, raise_values{step, run, before, value});
}

/// What the host knows of a step.
struct step_plan {
    index_t k;
    double  time;
    double  least_ess; ///< below it the particles are resampled
    bool    last;      ///< there values are rewards, and nothing is resampled
};
/// A step's line in the trace, and the log of the mean weight.
struct conclude_step {
    step_plan     plan;
    index_t       columns;
    step_numbers* step;
    bool          weighted;
    smc_step*     line;
    DIAMOND_HD void operator()(index_t) const {
        const double ess  = step->sum * step->sum / step->sum_square;
        *line             = {plan.time, ess, !plan.last && ess < plan.least_ess, -step->minus_least, step->largest, 1.0 / step->sum, step->sum_of_values / step->sum,
                             plan.last ? 0 : static_cast<index_t>(step->floored), not_a_number, not_a_number};
        if (weighted) {
            line->correction_ess      = step->correction_sum * step->correction_sum / step->correction_sum_square;
            line->log_mean_correction = step->correction_high + std::log(step->correction_sum / step->corrected);
        }
        step->log_mean    = step->high + std::log(step->sum / static_cast<double>(columns));
    }
};
/// The step is taken: log Z and the count of resamplings follow it.
struct settle_step {
    const step_numbers* step;
    const smc_step*     line;
    run_numbers*        run;
    bool                last;
    DIAMOND_HD void operator()(index_t) const {
        if (line->resampled || last) run->log_z += step->log_mean;
        run->resamplings += line->resampled ? 1 : 0;
    }
};
[[noreturn]] inline void throw_dead_weights(const deferred_error& why, index_t) { throw dead_weights(static_cast<long>(why.step)); }

/// The trace's line of a step with these log weights, which `increment` has just made of `before`.
/// @throws dead_weights naming the step where all weights are zero; a device throws when the host next waits.
template <class Context>
void summarise_weights(const Context& context, index_t columns, const double* before, const double* log_weight, const weight_increment& increment, const step_plan& plan, step_numbers* step, smc_step* line) {
    context.max(columns, log_weight_entry{log_weight}, &step->high);
    context.forbid(1, is_dead{&step->high}, deferred_error{.what = "all weights are zero", .step = plan.k, .raise = throw_dead_weights});
    context.sum(columns, relative_weight{log_weight, &step->high, 1}, &step->sum);
    context.sum(columns, relative_weight{log_weight, &step->high, 2}, &step->sum_square);
    context.max(columns, live_increment{log_weight, increment, -1.0}, &step->minus_least);
    context.max(columns, live_increment{log_weight, increment, 1.0}, &step->largest);
    context.sum(columns, weighted_value_entry{log_weight, increment.value, &step->high}, &step->sum_of_values);
    if (increment.correction) {
        const live_correction live{before, increment.correction};
        context.max(columns, live, &step->correction_high);
        context.sum(columns, relative_correction{live, &step->correction_high, 0}, &step->corrected);
        context.sum(columns, relative_correction{live, &step->correction_high, 1}, &step->correction_sum);
        context.sum(columns, relative_correction{live, &step->correction_high, 2}, &step->correction_sum_square);
    }
    context.for_each(1, conclude_step{plan, columns, step, increment.correction != nullptr, line});
}

/// Where the host does not know whether a step resamples, all of its work is done, and comes to nothing where it does not.
struct weight_to_resample {
    const smc_step* line;
    const double*   log_weight;
    double*         out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = line->resampled ? log_weight[j] : 0.0; }
};
/// What a resampler wrote that must not be followed.
struct no_particle {
    const std::int32_t* ancestors;
    index_t             columns;
    DIAMOND_HD bool     operator()(index_t j) const { return ancestors[j] < 0 || ancestors[j] >= columns; }
};
/// Nor is it on a device, which goes on until the host asks.
struct stay_unless_resampled {
    const smc_step* line;
    index_t         columns;
    std::int32_t*   ancestors;
    DIAMOND_HD void operator()(index_t j) const {
        if (!line->resampled || no_particle{ancestors, columns}(j)) ancestors[j] = static_cast<std::int32_t>(j);
    }
};
struct forget_weight {
    const smc_step* line;
    double*         log_weight;
    DIAMOND_HD void operator()(index_t j) const {
        if (line->resampled) log_weight[j] = 0.0;
    }
};

} // namespace diamond::detail
