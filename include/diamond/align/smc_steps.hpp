/// The steps of sequential Monte Carlo on its state, in the order of (eq. smc-weights) to (eq. smc-log-z):
/// make_finite, relax, weigh, choose, advance, take.
///
/// None of them waits for the host: sums stay in the back end's memory, where the next line reads them by
/// number_at.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include <diamond/align/resampling.hpp>
#include <diamond/align/smc_result.hpp>
#include <diamond/align/smc_state.hpp>
#include <diamond/core/expression.hpp>

namespace diamond::detail {

/// What the host knows of a step beforehand.
struct step_plan {
    index_t k;                          ///< 1 ... K
    double time;                        ///< t_k
    double least_ess;                   ///< the effective sample size below which the particles are resampled
    double least_conditional_ess = 0.0; ///< the share of N below which values count in part
    bool last; ///< says that k = K: values are rewards there, and nothing is resampled
};

/// log(1/N sum_j exp x_j) from the highest x and the sum of exp(x - highest); -inf where all x are.
DIAMOND_HD inline double log_of_mean(double highest, double sum, double count) {
    return highest == -infinity ? highest : highest + std::log(sum / count);
}
/// *out = log(1/N sum_j exp x_j); step->high and step->sum are overwritten.
template <class Context>
void log_mean_exp(row_view<const double, Context> x, step_numbers* step, double* out) {
    const Context& context = x.context();
    const index_t n = x.columns();
    const auto high = number_at(&step->high), sum = number_at(&step->sum);
    context.max(n, x, &step->high);
    context.sum(n, elementwise<exp_nonpositive>(x - high), &step->sum);
    assign(row(context, 1, out), elementwise<log_of_mean>(high, sum, static_cast<double>(n)));
}

/// The floor of a step's values where neither a floor nor delta is given: so many nats below the best of
/// them. exp(-1000) is 0, so such a particle weighs nothing beside the best; and differences of values so
/// near each other are exact to 1e-12.
inline constexpr double depth_of_floor = 1000.0;

/// 1 where a value is left to the floor: where it is below it, or is -inf with no delta to raise it; else 0.
DIAMOND_HD inline double left_to_floor(double value, double floor, double log_delta) {
    return value < floor || (value == -infinity && log_delta == -infinity) ? 1.0 : 0.0;
}
/// V_k = logaddexp(max(V_k, floor), log delta); V_{k-1} again where that is -inf, as the whole step was
/// forbidden.
DIAMOND_HD inline double raised_value(double value, double floor, double log_delta, double before) {
    const double raised = log_add_exp(value > floor ? value : floor, log_delta);
    return raised > -infinity ? raised : before;
}

/// Makes V_k finite, k < K, and counts how many values the floor raised. `floor` is the option value_floor.
///
/// A floor that depends on the whole step leaves Z-hat unbiased. For given particles, the offspring j of i
/// have
///   E[sum_j exp(-V_k(j)) f(x_j)] mean w = sum_i w_i exp(-V_k(i)) f(x_i)/N,
///   w_i = w'_i exp(V_k(i) - V_{k-1}(i)):
/// V_k cancels, whatever finite numbers its entries are, as long as they were fixed before the resampler
/// drew. And the floor moves with the values, so r and r + c run alike.
template <class State>
void make_finite(State& s, std::optional<double> floor) {
    const auto& context = *s.context;
    const index_t n = s.x.columns();
    step_numbers* const step = s.step_sums.data();
    const auto value = row(s.next_v);
    const auto lowest = number_at(&step->floor), log_delta = number_at(&s.totals.data()->log_delta);
    if (floor) {
        assign(row(context, 1, &step->floor), *floor);
    } else {
        context.max(n, value, &step->best);
        const auto below_best = number_at(&step->best) - depth_of_floor;
        assign(row(context, 1, &step->floor), select(log_delta == -infinity, below_best, -infinity));
    }
    context.sum(n, elementwise<left_to_floor>(value, lowest, log_delta), &step->floored);
    assign(value, elementwise<raised_value>(value, lowest, log_delta, row(s.v)));
}

/// The terms of the sums over particles i, by which the conditional effective sample size is told for each
/// candidate beta_b. With l_i = log w_i before the step, a_i the step's increment in full, and the bound
/// h_b = (1 - beta_b) max l + beta_b max(l + a) of l + beta_b a:
///   sum 0 is sum exp(l - max l), sum 1 + 2 b is sum exp(l + beta_b a - h_b), and
///   sum 2 + 2 b is sum exp(l + 2 beta_b a - 2 h_b + max l).
/// They give N (sum 1)^2 / (sum 0 sum 2), (eq. smc-conditional-ess).
template <class Before, class Increment>
struct conditional_sums {
    Before log_weight;
    Increment increment;
    number_in_memory high_before, high_after;
    DIAMOND_HD double operator()(index_t i, index_t column) const {
        const double l = log_weight(i), high = high_before(i);
        if (l == -infinity) return 0.0;
        if (column == 0) return std::exp(l - high);
        const double beta = relaxations::at((column - 1) / 2),
                     relative = l + beta * increment(i) - ((1.0 - beta) * high + beta * high_after(i));
        if (relative == -infinity) return 0.0;
        return std::exp(column % 2 == 1 ? relative : 2.0 * relative + (high - l));
    }
};
/// Says whether the sums of one beta keep the conditional effective sample size; false for those that are no
/// numbers, as beta is then too large.
DIAMOND_HD inline bool keeps_conditional_ess(double share, double before, double sum, double sum_square) {
    return sum * sum >= share * before * sum_square && sum_square < infinity && sum > 0.0;
}
/// Takes the largest beta that keeps the conditional effective sample size.
template <class Context>
struct choose_relaxation {
    double share;
    row_view<const double, Context> sums;
    row_view<step_numbers, Context> step; ///< one
    DIAMOND_HD void operator()(index_t) const {
        step[0].relaxation = 0.0;
        for (index_t b = relaxations::count; b-- > 0;)
            if (keeps_conditional_ess(share, sums[0], sums[1 + 2 * b], sums[2 + 2 * b]))
                step[0].relaxation = relaxations::at(b);
    }
};
/// V - (1 - beta) increment, which makes the increment beta times what it is; V of a particle whose weight is
/// 0 for good.
DIAMOND_HD inline double relaxed_value(double value, double increment, double beta) {
    return beta < 1.0 && increment > -infinity ? value - (1.0 - beta) * increment : value;
}
/// Lets the step's values count by beta, (eq. smc-relaxation), where they would leave less than the least
/// conditional effective sample size. Like the floor beta may depend on all particles, and Z-hat remains
/// unbiased.
template <class State>
void relax(State& s, const step_plan& plan) {
    const auto& context = *s.context;
    const index_t n = s.x.columns();
    step_numbers* const step = s.step_sums.data();
    const auto beta = row(context, 1, &step->relaxation);
    assign(beta, 1.0);
    if (plan.last || plan.least_ess == 0.0 || plan.least_conditional_ess == 0.0) return;

    const auto value = row(s.next_v);
    const auto before = row(std::as_const(s.log_w));
    const auto increment = row(std::as_const(s.next_v)) - row(std::as_const(s.v)) + row(s.correction);
    context.max(n, before, &step->high_before);
    context.max(n, before + increment, &step->high_after);
    const conditional_sums<decltype(before), decltype(increment)> terms{
        before, increment, number_at(&step->high_before), number_at(&step->high_after)};
    if constexpr (State::context_type::host_memory) { // most steps need no more than beta = 1
        const auto sum = [&](index_t column) {
            return context.sum(n, [&](index_t i) { return terms(i, column); });
        };
        if (keeps_conditional_ess(plan.least_conditional_ess, sum(0), sum(1), sum(2))) return;
    }
    context.column_sums(n, relaxations::sums, terms, s.relaxation_sums.data());
    context.for_each(
        1, choose_relaxation<typename State::context_type>{.share = plan.least_conditional_ess,
                                                           .sums = row(std::as_const(s.relaxation_sums)),
                                                           .step = row(s.step_sums)});
    assign(value, elementwise<relaxed_value>(value, increment, number_at(&step->relaxation)));
}

/// w V of a particle, with log w <= 0; 0 where the weight is 0, whatever V is.
DIAMOND_HD inline double weighted_value(double log_weight, double value) {
    const double weight = exp_nonpositive(log_weight);
    return weight > 0.0 ? weight * value : 0.0;
}
/// Writes the trace's line of a step from its sums, and the logarithm of the mean weight.
template <class Context>
struct conclude_step {
    step_plan plan;
    index_t particles;
    bool weighted;                        ///< says whether the kernel carries weights of its own
    row_view<step_numbers, Context> sums; ///< one
    row_view<smc_step, Context> line;     ///< one
    DIAMOND_HD void operator()(index_t) const {
        step_numbers& step = sums[0];
        smc_step& to = line[0];
        to.time = plan.time;
        to.ess = step.sum * step.sum / step.sum_square;
        to.least_increment = -step.minus_least;
        to.largest_increment = step.largest;
        to.largest_share = 1.0 / step.sum;
        to.mean_value = step.sum_of_values / step.sum;
        if (step.high == -infinity) // no particle lives
            to.ess = to.least_increment = to.largest_increment = to.largest_share = to.mean_value =
                not_a_number;
        to.resampled = !plan.last && to.ess < plan.least_ess; // false for NaN
        to.floored = plan.last ? 0 : static_cast<index_t>(step.floored);
        to.relaxation = step.relaxation;

        to.correction_ess = to.log_mean_correction = to.acceptance = not_a_number;
        if (weighted && step.corrected > 0.0) {
            to.correction_ess = step.correction_sum * step.correction_sum / step.correction_sum_square;
            to.log_mean_correction = step.correction_high + std::log(step.correction_sum / step.corrected);
        }
        step.log_mean = log_of_mean(step.high, step.sum, static_cast<double>(particles));
        step.resampled = to.resampled ? 1.0 : 0.0;
    }
};
[[noreturn]] inline void throw_dead_weights(const deferred_error& why, index_t) {
    throw dead_weights(static_cast<long>(why.step));
}

/// log w of the next particles, log w + V_k - V_{k-1} + the log of the kernel's own weight where it has one,
/// and the step's line, whose numbers are NaN where all weights are zero. V_{k-1} is finite.
template <class State>
void weigh(State& s, const step_plan& plan) {
    using context_type = typename State::context_type;
    const context_type& context = *s.context;
    const index_t n = s.x.columns();
    step_numbers* const step = s.step_sums.data();
    const auto value = row(s.next_v);
    const auto log_w = row(s.next_log_w);

    const auto correction = row(s.correction);
    const auto increment = value - row(s.v) + correction;
    assign(log_w, row(s.log_w) + increment);

    const auto high = number_at(&step->high);
    const auto relative = log_w - high;
    const auto dead = log_w == -infinity;
    context.max(n, log_w, &step->high);
    context.sum(n, elementwise<exp_nonpositive>(relative), &step->sum);
    context.sum(n, elementwise<exp_nonpositive>(2.0 * relative), &step->sum_square);
    context.max(n, select(dead, -infinity, -increment), &step->minus_least);
    context.max(n, select(dead, -infinity, increment), &step->largest);
    context.sum(n, elementwise<weighted_value>(relative, value), &step->sum_of_values);
    if constexpr (State::weighted) {
        const auto was_dead = row(s.log_w) == -infinity;
        const auto live = select(was_dead, -infinity, correction);
        const auto corrected = live - number_at(&step->correction_high);
        context.max(n, live, &step->correction_high);
        context.sum(n, select(was_dead, 0.0, 1.0), &step->corrected);
        context.sum(n, elementwise<exp_nonpositive>(corrected), &step->correction_sum);
        context.sum(n, elementwise<exp_nonpositive>(2.0 * corrected), &step->correction_sum_square);
    }
    context.for_each(1, conclude_step<context_type>{.plan = plan,
                                                    .particles = n,
                                                    .weighted = State::weighted,
                                                    .sums = row(s.step_sums),
                                                    .line = s.line(plan.k)});
}

/// @throws dead_weights naming the step where all weights of it are zero; a device throws it when the host
/// next waits.
template <class State>
void require_live(State& s, const step_plan& plan) {
    s.context->forbid(
        1, number_at(&s.step_sums.data()->high) == -infinity,
        deferred_error{.what = "all weights are zero", .step = plan.k, .raise = throw_dead_weights});
}

/// Says whether there is resampling to do. Where the host cannot tell, there is, and it comes to nothing if
/// the step's line says no.
template <class State>
[[nodiscard]] bool may_resample(State& s, const step_plan& plan) {
    if constexpr (State::context_type::host_memory)
        return s.line(plan.k)[0].resampled;
    else
        return !plan.last && plan.least_ess > 0.0;
}

/// The ancestor where the step resamples and the ancestor is a particle; else the place itself, `own`.
DIAMOND_HD inline std::int32_t followed(bool follows, std::int32_t ancestor, double own) {
    return follows ? ancestor : static_cast<std::int32_t>(own);
}
/// Draws ancestors by the next weights into s.chosen, and makes the room to record them. On a device, which
/// goes on until the host asks, it chooses each place itself where the step does not resample, or an ancestor
/// is no particle.
/// @throws numeric_error naming step and place where an ancestor that the resampler wrote is no particle.
template <class State, class Resampler>
void choose(State& s, const Resampler& resampler, const step_plan& plan) {
    constexpr bool on_host = State::context_type::host_memory;
    const auto& context = *s.context;
    const index_t n = s.x.columns();
    const auto resampled = number_at(&s.step_sums.data()->resampled) == 1.0;
    const auto ancestor = row(s.chosen);
    if (!s.recorded.empty()) s.recorded[static_cast<std::size_t>(plan.k - 1)].resize(context, 1, n);

    const double* weights = s.next_log_w.data();
    if constexpr (!on_host) {
        assign(row(s.masked_w), select(resampled, row(s.next_log_w), 0.0));
        weights = s.masked_w.data();
    }
    cumulative_weights(context, weights, n, s.space, s.cumulative.data());
    resampler(context, s.cumulative.data(), n, s.rng.stream(purpose::resampling, plan.k), s.space,
              s.chosen.data());

    const auto is_particle = ancestor >= 0.0 && ancestor < static_cast<double>(n);
    context.forbid(n, !is_particle,
                   deferred_error{.what = "the resampler wrote an ancestor that is no particle",
                                  .step = plan.k,
                                  .indices = s.chosen.data()});
    if constexpr (!on_host)
        assign(ancestor, elementwise<followed>(resampled && is_particle, ancestor, column_number()));
}

/// Adds the step to the run's totals: log Z grows by the log of the mean weight where weights begin anew, or
/// the run ends.
template <class Context>
struct settle_step {
    row_view<step_numbers, Context> sums;  ///< one
    row_view<run_numbers, Context> totals; ///< one
    bool last;
    DIAMOND_HD void operator()(index_t) const {
        const bool resampled = sums[0].resampled == 1.0;
        if (resampled || last) totals[0].log_z += sums[0].log_mean;
        totals[0].resamplings += resampled ? 1 : 0;
    }
};
/// Makes the next particles, values, weights and densities the state's own, and settles the step.
template <class State>
void advance(State& s, const step_plan& plan) {
    s.x.swap(s.next_x);
    s.v.swap(s.next_v);
    s.log_w.swap(s.next_log_w);
    s.log_p.swap(s.next_log_p);
    s.steps_done = plan.k;
    s.context->for_each(1, settle_step<typename State::context_type>{
                               .sums = row(s.step_sums), .totals = row(s.totals), .last = plan.last});
}

/// Lets the chosen ancestors take all places: particle, value, density, family and condition travel together,
/// and weights become 1.
template <class State>
void take(State& s) {
    const auto& context = *s.context;
    const auto gather = [&](auto& carried, auto& next) {
        context.gather(carried.read(), s.chosen.data(), next.mutable_view());
        carried.swap(next);
    };
    gather(s.x, s.next_x);
    gather(s.v, s.next_v);
    if constexpr (State::weighted) gather(s.log_p, s.next_log_p);
    gather(s.family, s.next_family);
    order_conditions(s);

    const auto resampled = number_at(&s.step_sums.data()->resampled) == 1.0;
    assign(row(s.log_w), select(resampled, 0.0, row(s.log_w)));
    if (s.recorded.empty()) return;
    auto& kept = s.recorded[static_cast<std::size_t>(s.steps_done - 1)]; // of which choose has made the room
    context.copy(s.chosen.data(), s.chosen.columns(), kept.data());
}

} // namespace diamond::detail
