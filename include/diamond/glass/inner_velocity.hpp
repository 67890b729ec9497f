/// The velocity of a GLASS kernel's inner flow, by one evaluation of the network. [GF], (eq. inner-noise),
/// (eq. glass-velocity):
///   ubar_s = abar_s' D(x*, t*) + sbar_s' E[eps'],
///   E[eps'] = (abar_s sigma/h) N(x*, t*) + (alpha sbar_s/h^2)(alpha y - abar_s x_t).
#pragma once

#include <cmath>
#include <stdexcept>
#include <utility>

#include <diamond/core/combine.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/glass/sufficient_statistic.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/readings.hpp>

namespace diamond {

/// The coefficients of the inner velocity ubar = velocity u(x*, time) + outer x_t + inner xbar, whose one
/// evaluation of the network is at x* = input_outer x_t + input_inner xbar and `time`. The prediction u is
/// the velocity, D or N; `velocity` is not finite where u does not depend on the data.
struct inner_velocity_coefficients {
    instant time; ///< The time t* in [0, 1] at which the network is evaluated.
    /// The weights of x_t and xbar in the network's input; the weights of the prediction, of x_t and of xbar.
    double input_outer, input_inner, velocity, outer, inner;
};

/// Computes these coefficients at the outer time t and the inner time s, both in [0, 1], for the prediction u
/// that `from` names.
template <class Schedule, class InnerSchedule>
[[nodiscard]] DIAMOND_HD inner_velocity_coefficients
inner_velocity_at(const Schedule& schedule, const InnerSchedule& inner_schedule, double t, double s,
                  const kernel_coefficients& kernel, prediction from = prediction::velocity) {
    const noise_level outer = level_at(schedule, t);
    const inner_level inner = inner_level_at(inner_schedule, s, kernel);
    const sufficient_statistic best = sufficient_statistic_at(schedule, outer, inner);
    const velocity_readings read = readings_at(schedule, best.time, from);

    // E[eps'] = noise N + from_y y + from_outer x_t
    double noise = 0.0, from_y = 0.0, from_outer = 0.0;
    if (best.h > 0.0) {
        noise = inner.abar * outer.sigma / best.h;
        const double pull = outer.alpha * inner.sbar / square(best.h);
        from_y = pull * outer.alpha;
        from_outer = -pull * inner.abar;
    } else if (best.time == 0.0) {
        from_y = 1.0;
    }
    // Where abar' = 0, D is not needed, which may not follow from what is predicted.
    const double velocity = (inner.d_abar == 0.0 ? 0.0 : inner.d_abar * read.denoiser_u) +
                            inner.d_sbar * noise * read.noise_u;
    const double input = (inner.d_abar == 0.0 ? 0.0 : inner.d_abar * read.denoiser_x) +
                         inner.d_sbar * noise * read.noise_x;
    const double y = input * best.from_inner + inner.d_sbar * from_y;
    return {.time = best.time,
            .input_outer = best.from_outer - kernel.gamma * best.from_inner,
            .input_inner = best.from_inner,
            .velocity = velocity,
            .outer = input * best.from_outer + inner.d_sbar * from_outer - kernel.gamma * y,
            .inner = y};
}

namespace detail {
/// The coefficients of ubar at (t, s), by the prediction that `from` names.
template <class Schedule, class InnerSchedule>
struct coefficients_of_velocity {
    Schedule schedule;
    InnerSchedule inner_schedule;
    kernel_coefficients kernel;
    prediction from;
    [[nodiscard]] DIAMOND_HD inner_velocity_coefficients operator()(double t, double s) const {
        return inner_velocity_at(schedule, inner_schedule, t, s, kernel, from);
    }
};
/// The coefficients of div ubar at (t, s): those of the velocity, but where that hides the data (t* = 0 with
/// alpha'(0) = 0) those of D, which is the same for all x there and has no divergence.
template <class Schedule, class InnerSchedule>
struct coefficients_of_divergence {
    Schedule schedule;
    InnerSchedule inner_schedule;
    kernel_coefficients kernel;
    [[nodiscard]] DIAMOND_HD inner_velocity_coefficients operator()(double t, double s) const {
        inner_velocity_coefficients c = inner_velocity_at(schedule, inner_schedule, t, s, kernel);
        if (!std::isfinite(c.velocity)) {
            c = inner_velocity_at(schedule, inner_schedule, t, s, kernel, prediction::denoiser);
            c.velocity = 0.0;
        }
        return c;
    }
};

/// Writes the coefficients of column j, whose times are its own, to the tables of inner_velocity_tables.
template <class Coefficients, class Table>
struct write_inner_velocity {
    Coefficients at;
    time_view t, s;
    Table time, input, output, to_outer, to_inner;
    DIAMOND_HD void operator()(index_t j) const {
        const inner_velocity_coefficients c = at(t[j], s[j]);
        time(j, 0) = c.time.t;
        time(j, 1) = c.time.rest;
        input(0, j) = c.input_outer;
        input(1, j) = c.input_inner;
        output(0, j) = c.velocity;
        output(1, j) = c.outer;
        output(2, j) = c.inner;
        to_outer(0, j) = 1.0;
        to_outer(1, j) = c.velocity * c.input_outer;
        to_outer(2, j) = c.outer;
        to_inner(0, j) = c.velocity * c.input_inner;
        to_inner(1, j) = c.inner;
    }
};
[[noreturn]] inline void throw_infinite_end(const deferred_error& why, index_t) {
    throw std::invalid_argument(why.what);
}

/// The coefficients of inner velocities whose times are one per column, in the memory of the back end.
template <class Context>
class inner_velocity_tables {
public:
    /// Computes the coefficients of n columns, at(t_j, s_j) for column j.
    template <class Coefficients>
    void fill(const Context& context, index_t n, const Coefficients& at, time_view t, time_view s) {
        time_.resize(context, n, 2);
        for (auto* two : {&input_, &to_inner_}) two->resize(context, 2, n);
        for (auto* three : {&output_, &to_outer_}) three->resize(context, 3, n);
        context.for_each(n, write_inner_velocity<Coefficients, batch_view<double, Context>>{
                                .at = at,
                                .t = t,
                                .s = s,
                                .time = time_.mutable_view(),
                                .input = input_.mutable_view(),
                                .output = output_.mutable_view(),
                                .to_outer = to_outer_.mutable_view(),
                                .to_inner = to_inner_.mutable_view()});
    }
    /// Refuses columns whose prediction does not depend on the data: throws what `why` says.
    void forbid_hidden_data(const deferred_error& why) const {
        output_.context().forbid(output_.columns(), elementwise<is_not_finite>(row_of(output_, 0)), why);
    }

    [[nodiscard]] time_view time() const { return time_view(time_.data(), time_.data() + time_.rows()); }
    /// The coefficients of x_t and xbar in x*.
    [[nodiscard]] coefficients<2> input() const { return coefficients<2>(input_.data()); }
    /// The coefficients of u, x_t and xbar in ubar.
    [[nodiscard]] coefficients<3> output() const { return coefficients<3>(output_.data()); }
    /// The coefficients of the vjp to x_t.
    [[nodiscard]] coefficients<3> to_outer() const { return coefficients<3>(to_outer_.data()); }
    /// The coefficients of the vjp to xbar.
    [[nodiscard]] coefficients<2> to_inner() const { return coefficients<2>(to_inner_.data()); }
    /// The coefficients to_inner() as a 2 x n batch: velocity input_inner, and inner.
    [[nodiscard]] batch_view<const double, Context> to_inner_table() const { return to_inner_.read(); }

private:
    scratch<double, Context> time_, input_, output_, to_outer_, to_inner_;
};
} // namespace detail

/// The inner velocity ubar_s(xbar | x_t, t) of a GLASS kernel.
/// Cost: one evaluation of the network a column; vjp one vector-Jacobian product. Where the batch has one t*
/// and it is 1, at s = 1 of the posterior, D is x* itself and the network is not called: with sigma'(1)
/// infinite it may have no answer.
template <class Schedule, class Field, class InnerSchedule>
class inner_velocity {
    static_assert(diagnose_schedule<Schedule>() && diagnose_schedule<InnerSchedule>() &&
                  diagnose_velocity_field<Field>());
    static_assert(detail::agrees_with<Field, Schedule>,
                  "a field must be used with the noise schedule that it was made with: wrap its network with "
                  "this one");

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument for schedules that break their promises (check_schedule).
    inner_velocity(Schedule schedule, Field field, InnerSchedule inner)
        : schedule_(detail::checked_schedule(std::move(schedule))),
          inner_(detail::checked_schedule(std::move(inner))),
          field_(std::move(field)),
          from_(best_prediction<Field>(schedule_)),
          pulled_from_(from_ == prediction::denoiser && !detail::has_denoiser_products<Field>
                           ? prediction::velocity
                           : from_) {}

    [[nodiscard]] index_t dimension() const { return field_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] const InnerSchedule& inner_schedule() const { return inner_; }
    [[nodiscard]] const cost& spent() const { return field_.spent(); }
    [[nodiscard]] const Field& field() const { return field_.field(); }

    /// Writes out = ubar_s(xbar | x_t, t), d x N; t and s are in [0, 1], one value or one per column. out
    /// must not overlap x_t or xbar.
    /// @throws std::invalid_argument at s = 1 for an inner schedule whose sigma'(1) is infinite, and at t = s
    /// = 0 where what the network predicts does not depend on the data (readings_at).
    void operator()(const_view xbar, time_view s, const_view x_t, time_view t,
                    const kernel_coefficients& kernel, const condition_type& condition, view out) {
        const step_coefficients c = at(xbar, s, t, kernel, from_);
        input_.resize(xbar.context(), xbar.rows(), xbar.columns());
        combine(c.input, input_.mutable_view(), x_t, xbar);
        if (c.evaluates) field_.predict(from_, input_, c.time, condition, out);
        combine(c.output, out, out, x_t, xbar);
    }

    /// Writes out_xbar = cotangent^T d ubar/d xbar, and adds cotangent^T d ubar/d x_t to out_x_t, all d x N.
    /// @throws std::invalid_argument where a call does.
    void vjp(const_view xbar, time_view s, const_view x_t, time_view t, const kernel_coefficients& kernel,
             const condition_type& condition, const_view cotangent, view out_xbar, view out_x_t)
        requires differentiable_velocity_field<Field>
    {
        const step_coefficients c = at(xbar, s, t, kernel, pulled_from_);
        input_.resize(xbar.context(), xbar.rows(), xbar.columns());
        pulled_.resize(xbar.context(), xbar.rows(), xbar.columns());
        combine(c.input, input_.mutable_view(), x_t, xbar);
        if (c.evaluates) field_.predict_vjp(pulled_from_, input_, c.time, condition, cotangent, pulled_);
        combine(c.to_outer, out_x_t, out_x_t, pulled_, cotangent);
        combine(c.to_inner, out_xbar, pulled_, cotangent);
    }

private:
    using context_type = backend_of_t<batch_type>;

    struct step_coefficients {
        time_view time;
        coefficients<2> input;
        coefficients<3> output;
        coefficients<3> to_outer; ///< 1, velocity input_outer, outer
        coefficients<2> to_inner; ///< velocity input_inner, inner
        bool evaluates;           ///< false where the coefficient of the network is 0 in all columns
    };

    /// Refuses s = 1 where the inner velocity is infinite there. For times that are one per column a device
    /// throws when the host next waits.
    void require_finite(const_view xbar, time_view s) const {
        constexpr const char* what = "the inner velocity at s = 1 is infinite for this inner schedule: stop "
                                     "short of it, or use linear_schedule";
        if (std::isfinite(inner_.d_sigma(1.0))) return;
        if (s.broadcast())
            require(s.value() < 1.0, what);
        else
            xbar.context().forbid(xbar.columns(), s >= 1.0,
                                  deferred_error{.what = what, .raise = detail::throw_infinite_end});
    }

    /// The coefficients of one call, for the prediction that `from` names.
    step_coefficients at(const_view xbar, time_view s, time_view t, const kernel_coefficients& kernel,
                         prediction from) {
        require_finite(xbar, s);
        const detail::coefficients_of_velocity<Schedule, InnerSchedule> of_time{
            .schedule = schedule_, .inner_schedule = inner_, .kernel = kernel, .from = from};
        if (s.broadcast() && t.broadcast()) {
            const inner_velocity_coefficients c = of_time(t.value(), s.value());
            require(std::isfinite(c.velocity) || c.time > 0.0, detail::hidden_data(from));
            return {.time = time_view(c.time),
                    .input = numbers<2>{{c.input_outer, c.input_inner}},
                    .output = numbers<3>{{c.velocity, c.outer, c.inner}},
                    .to_outer = numbers<3>{{1.0, c.velocity * c.input_outer, c.outer}},
                    .to_inner = numbers<2>{{c.velocity * c.input_inner, c.inner}},
                    .evaluates = c.velocity != 0.0};
        }
        tables_.fill(xbar.context(), xbar.columns(), of_time, t, s);
        if (!std::isfinite(readings_at(schedule_, 0.0, from).denoiser_u))
            tables_.forbid_hidden_data(
                {.what = detail::hidden_data(from), .raise = detail::throw_infinite_end});
        return {.time = tables_.time(),
                .input = tables_.input(),
                .output = tables_.output(),
                .to_outer = tables_.to_outer(),
                .to_inner = tables_.to_inner(),
                .evaluates = true};
    }

    Schedule schedule_;
    InnerSchedule inner_;
    field_evaluator<Field> field_;
    prediction from_, pulled_from_;
    scratch<typename batch_type::value_type, context_type> input_, pulled_;
    detail::inner_velocity_tables<context_type> tables_;
};

} // namespace diamond
