/// The moves of sequential Monte Carlo that follow resampling, on its state: keep_values, gather_moving,
/// make_move, take_moved. See (eq. crank-nicolson) and (eq. renoise-particle).
///
/// Moves are made on copies, and the state changes only when all is done: a step whose network throws in the
/// midst of them may be tried again.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

#include <diamond/align/rejuvenation.hpp>
#include <diamond/align/run.hpp>
#include <diamond/align/smc_state.hpp>
#include <diamond/align/smc_steps.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/noising.hpp>

namespace diamond::detail {

/// Writes the values by which moves are accepted: the estimates, raised by the option floor and by delta,
/// which are fixed before the run.
///
/// They are a function of a particle and its own noise, as a move's acceptance asks for. What make_finite and
/// relax do beyond that may depend on the whole step: the difference stays with the particle, whatever its
/// moves, so that the increments still telescope.
template <class State>
void keep_values(State& s, row_view<double, typename State::context_type> values,
                 row_view<double, typename State::context_type> kept, std::optional<double> floor) {
    const auto log_delta = number_at(&s.totals.data()->log_delta);
    assign(kept, elementwise<raised_value>(values, floor.value_or(-infinity), log_delta, -infinity));
}

/// Gathers what moves with each particle by the chosen ancestors, beside the state, and returns the condition
/// in their order.
template <class State>
[[nodiscard]] auto gather_moving(State& s) {
    const auto& context = *s.context;
    auto& m = s.moving;
    const std::int32_t* const from = s.chosen.data();
    context.gather(s.next_x.read(), from, m.x.mutable_view());
    if (m.has_noise()) {
        context.gather(s.x.read(), from, m.parent.mutable_view());
        context.gather(m.drawn_noise.read(), from, m.noise.mutable_view());
    }
    if (m.has_centre()) context.gather(m.drawn_centre.read(), from, m.centre.mutable_view());
    context.gather(s.next_v.read(), from, m.v.mutable_view());
    context.gather(m.drawn_value.read(), from, m.value.mutable_view());
    context.gather(s.family.read(), from, s.next_family.mutable_view());
    assign(row(context, 1, &s.step_sums.data()->accepted), 0.0);
    return m.conditions.gather(context, s.given, s.next_family.data(), m.x.columns());
}

/// 1 with probability min(1, exp(after - before)), else 0. A particle whose value is -inf stays: it lives by
/// a floor that depends on the step, by which no move can be accepted.
template <class Context>
struct accept_values {
    noise_stream stream;
    row_view<const double, Context> before, after;
    row_view<double, Context> accepted;
    DIAMOND_HD void operator()(index_t j) const {
        const bool moves = before[j] > -infinity && std::log(stream.uniform(j)) < after[j] - before[j];
        accepted[j] = moves ? 1.0 : 0.0;
    }
};

/// Proposes a move by preconditioned Crank-Nicolson: steer(memory) makes next_x of next_noise.
template <class Memory, class Steer>
void propose_noise(Memory& m, index_t k, double beta, philox rng, Steer&& steer) {
    draw_normal(rng.stream(purpose::transition, k), m.next_noise.mutable_view());
    assign(m.next_noise, std::sqrt((1.0 - beta) * (1.0 + beta)) * m.noise + beta * m.next_noise);
    steer(m);
}
/// Proposes a move by renoising to the time at which sigma/alpha is `factor` times what it is at t_k, and
/// drawing again by the kernel.
template <class Memory, class Kernel, class Condition>
void propose_renoised(Memory& m, index_t k, double time, double factor, philox rng, Kernel& kernel,
                      const Condition& condition) {
    const auto schedule = kernel.schedule();
    const noise_level at = level_at(schedule, time);
    const interval span{time_at(schedule, at.alpha, factor * at.sigma).t, time};
    const noising back = noising_at(schedule, span);
    draw_normal(rng.stream(purpose::guided_noise, k), m.next_noise.mutable_view());
    assign(m.next_noise, back.scale * m.x + back.spread * m.next_noise);
    kernel(m.next_noise.read(), span, condition, rng.stream(purpose::transition, k), m.next_x.mutable_view());
}

/// Makes one move of all particles: propose(memory) makes next_x, and evaluate(memory, stream, values) writes
/// V of it.
template <class State, class Propose, class Evaluate>
void make_move(State& s, const step_plan& plan, philox rng, std::optional<double> floor, Propose&& propose,
               Evaluate&& evaluate) {
    using context_type = typename State::context_type;
    const context_type& context = *s.context;
    auto& m = s.moving;
    const index_t n = m.x.columns();
    propose(m);
    require_particles(m.next_x.read(), plan.k);
    evaluate(m, rng.stream(purpose::value, plan.k), row(m.next_value));
    require_values(row(m.next_value), plan.k);
    keep_values(s, row(m.next_value), row(m.next_value), floor);
    context.for_each(n, accept_values<context_type>{.stream = rng.stream(purpose::resampling, plan.k),
                                                    .before = row(std::as_const(m.value)),
                                                    .after = row(std::as_const(m.next_value)),
                                                    .accepted = row(m.accepted)});
    const auto moved = row(std::as_const(m.accepted)) > 0.0;
    assign(m.x, select(moved, m.next_x, m.x));
    if (m.has_noise()) assign(m.noise, select(moved, m.next_noise, m.noise));
    assign(row(m.v), select(moved, row(m.v) + (row(m.next_value) - row(m.value)), row(m.v)));
    assign(row(m.value), select(moved, row(m.next_value), row(m.value)));
    double* const accepted = &s.step_sums.data()->accepted;
    double* const here = &s.step_sums.data()->accepted_here;
    context.sum(n, row(std::as_const(m.accepted)), here);
    assign(row(context, 1, accepted), number_at(accepted) + number_at(here));
}

/// Writes the acceptance to the trace.
template <class Context>
struct conclude_moves {
    double proposed;
    row_view<const step_numbers, Context> sums; ///< one
    row_view<smc_step, Context> line;           ///< one
    DIAMOND_HD void operator()(index_t) const { line[0].acceptance = sums[0].accepted / proposed; }
};
/// Makes the moved particles and values the state's own, after advance and take.
template <class State>
void take_moved(State& s, const step_plan& plan, index_t moves) {
    using context_type = typename State::context_type;
    auto& m = s.moving;
    s.x.swap(m.x);
    s.v.swap(m.v);
    s.context->for_each(1, conclude_moves<context_type>{.proposed = static_cast<double>(moves) *
                                                                    static_cast<double>(m.x.columns()),
                                                        .sums = row(std::as_const(s.step_sums)),
                                                        .line = s.line(plan.k)});
}

} // namespace diamond::detail
