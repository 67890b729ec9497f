/// The velocity of a GLASS kernel's inner flow, from one evaluation of the network. [GF], section 4:
///   ubar_s = abar_s' D(x*, t*) + sbar_s' E[eps'],   E[eps'] = (abar_s sigma/h) N(x*, t*) + (alpha sbar_s/h^2)(alpha y - abar_s x_t).
#pragma once

#include <cmath>
#include <stdexcept>
#include <utility>

#include <diamond/core/combine.hpp>
#include <diamond/glass/sufficient_statistic.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/readings.hpp>

namespace diamond {

/// What one evaluation needs: x* = input_outer x_t + input_inner xbar at `time`, ubar = velocity u(x*, time) + outer x_t + inner xbar; u is the
/// velocity, D or N, as `from` says, and `velocity` is not finite where it tells nothing of the data.
struct inner_velocity_coefficients {
    instant time;
    double  input_outer, input_inner, velocity, outer, inner;
};

template <class Schedule, class InnerSchedule>
[[nodiscard]] DIAMOND_HD inner_velocity_coefficients inner_velocity_at(const Schedule& schedule, const InnerSchedule& inner_schedule, double t,
                                                                       double s, const kernel_coefficients& kernel,
                                                                       prediction from = prediction::velocity) {
    const noise_level          outer = level_at(schedule, t);
    const inner_level          inner = inner_level_at(inner_schedule, s, kernel);
    const sufficient_statistic best  = sufficient_statistic_at(schedule, outer, inner);
    const velocity_readings    read  = readings_at(schedule, best.time, from);

    // E[eps'] = noise N + from_y y + from_outer x_t
    double noise = 0.0, from_y = 0.0, from_outer = 0.0;
    if (best.h > 0.0) {
        noise             = inner.abar * outer.sigma / best.h;
        const double pull = outer.alpha * inner.sbar / square(best.h);
        from_y            = pull * outer.alpha;
        from_outer        = -pull * inner.abar;
    } else if (best.time == 0.0) {
        from_y = 1.0;
    }
    // Where abar' = 0 it does not matter that D may not follow from what is predicted.
    const double velocity = (inner.d_abar == 0.0 ? 0.0 : inner.d_abar * read.denoiser_u) + inner.d_sbar * noise * read.noise_u;
    const double input    = (inner.d_abar == 0.0 ? 0.0 : inner.d_abar * read.denoiser_x) + inner.d_sbar * noise * read.noise_x;
    const double y        = input * best.from_inner + inner.d_sbar * from_y;
    return {best.time, best.from_outer - kernel.gamma * best.from_inner, best.from_inner, velocity,
            input * best.from_outer + inner.d_sbar * from_outer - kernel.gamma * y, y};
}

namespace detail {
template <class Schedule, class InnerSchedule>
struct inner_velocity_table {
    Schedule            schedule;
    InnerSchedule       inner;
    kernel_coefficients kernel;
    time_view               t, s;
    prediction          from = prediction::velocity;
    DIAMOND_HD numbers<7> operator()(index_t j) const {
        const inner_velocity_coefficients c = inner_velocity_at(schedule, inner, t[j], s[j], kernel, from);
        return {{c.time.t, c.time.rest, c.input_outer, c.input_inner, c.velocity, c.outer, c.inner}};
    }
};
/// Rows `first` ... of that table of seven, where times are per column; a smaller table for the functors that need two or three.
template <int K>
struct table_rows {
    const double* table;
    int           first;
    DIAMOND_HD numbers<K> operator()(index_t j) const {
        numbers<K> row{};
        for (int k = 0; k < K; ++k) row.value[k] = table[first + k + 7 * j];
        return row;
    }
};
struct time_of {
    const double* table;
    double *      time, *rest;
    DIAMOND_HD void operator()(index_t j) const {
        time[j] = table[7 * j];
        rest[j] = table[7 * j + 1];
    }
};
struct outer_products {
    const double* table;
    DIAMOND_HD numbers<3> operator()(index_t j) const { return {{1.0, table[7 * j + 4] * table[7 * j + 2], table[7 * j + 5]}}; }
};
struct inner_products {
    const double* table;
    DIAMOND_HD numbers<2> operator()(index_t j) const { return {{table[7 * j + 4] * table[7 * j + 3], table[7 * j + 6]}}; }
};
struct at_end {
    time_view s;
    DIAMOND_HD bool operator()(index_t j) const { return s[j] >= 1.0; }
};
struct hides_data {
    const double* table;
    DIAMOND_HD bool operator()(index_t j) const { return !std::isfinite(table[7 * j + 4]); }
};
[[noreturn]] inline void throw_infinite_end(const deferred_error& why, index_t) { throw std::invalid_argument(why.what); }
} // namespace detail

/// ubar_s(xbar | x_t, t) of a GLASS kernel. Cost: one evaluation a column; vjp one vector-Jacobian product. Where the batch's one t* is 1,
/// at s = 1 of the posterior, D is x* itself: the network is not asked, for with sigma'(1) infinite it may have no answer.
template <class Schedule, class Field, class InnerSchedule>
class inner_velocity {
    static_assert(diagnose_schedule<Schedule>() && diagnose_schedule<InnerSchedule>() && diagnose_velocity_field<Field>());

public:
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    inner_velocity(Schedule schedule, Field field, InnerSchedule inner)
        : schedule_(detail::checked_schedule(std::move(schedule))), inner_(detail::checked_schedule(std::move(inner))),
          field_(std::move(field)), from_(best_prediction<Field>(schedule_)),
          pulled_from_(from_ == prediction::denoiser && !detail::has_denoiser_products<Field> ? prediction::velocity : from_) {}

    [[nodiscard]] index_t              dimension() const { return field_.dimension(); }
    [[nodiscard]] const Schedule&      schedule() const { return schedule_; }
    [[nodiscard]] const InnerSchedule& inner_schedule() const { return inner_; }
    [[nodiscard]] const cost&          spent() const { return field_.spent(); }
    [[nodiscard]] const Field&         field() const { return field_.field(); }

    /// out = ubar_s(xbar | x_t, t), d x N; t and s are one value or one per column. out must not overlap x_t or xbar.
    /// @throws std::invalid_argument at s = 1 for an inner schedule whose sigma'(1) is infinite, and at t = s = 0 where what the network predicts says
    /// nothing of the data (readings_at).
    void operator()(const_view xbar, time_view s, const_view x_t, time_view t, const kernel_coefficients& kernel, const condition_type& condition, view out) {
        const step_coefficients c = at(xbar, s, t, kernel, from_);
        input_.resize(xbar.context(), xbar.rows(), xbar.columns());
        combine(c.input, input_.mutable_view(), x_t, xbar);
        if (c.evaluates) field_.predict(from_, input_, c.time, condition, out);
        combine(c.output, out, out, x_t, xbar);
    }

    /// out_xbar = cotangent^T d ubar/d xbar; cotangent^T d ubar/d x_t is added to out_x_t.
    void vjp(const_view xbar, time_view s, const_view x_t, time_view t, const kernel_coefficients& kernel, const condition_type& condition,
             const_view cotangent, view out_xbar, view out_x_t)
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
        time_view           time;
        coefficients<2> input;
        coefficients<3> output;
        coefficients<3> to_outer; // 1, velocity input_outer, outer
        coefficients<2> to_inner; // velocity input_inner, inner
        bool            evaluates; // whether any column needs the network: a coefficient of 0 switches it off
    };

    /// A device tells of times that are one per column when the host next waits.
    void require_finite(const_view xbar, time_view s) const {
        constexpr const char* what = "the inner velocity at s = 1 is infinite for this inner schedule: stop short of it, or use linear_schedule";
        if (std::isfinite(inner_.d_sigma(1.0))) return;
        if (s.broadcast())
            require(s.value() < 1.0, what);
        else
            xbar.context().forbid(xbar.columns(), detail::at_end{s}, deferred_error{.what = what, .raise = detail::throw_infinite_end});
    }

    step_coefficients at(const_view xbar, time_view s, time_view t, const kernel_coefficients& kernel, prediction from) {
        require_finite(xbar, s);
        if (s.broadcast() && t.broadcast()) {
            const inner_velocity_coefficients c = inner_velocity_at(schedule_, inner_, t.value(), s.value(), kernel, from);
            require(std::isfinite(c.velocity) || c.time > 0.0, detail::hidden_data(from));
            return {time_view(c.time),
                    numbers<2>{{c.input_outer, c.input_inner}},
                    numbers<3>{{c.velocity, c.outer, c.inner}},
                    numbers<3>{{1.0, c.velocity * c.input_outer, c.outer}},
                    numbers<2>{{c.velocity * c.input_inner, c.inner}},
                    c.velocity != 0.0};
        }
        const auto&   context = xbar.context();
        const index_t n       = xbar.columns();
        const detail::inner_velocity_table<Schedule, InnerSchedule> row{schedule_, inner_, kernel, t, s, from};
        all_.resize(context, 7, n);
        time_.resize(context, 2, n);
        context.for_each(n, diamond::detail::fill_coefficients<7, detail::inner_velocity_table<Schedule, InnerSchedule>>{row, all_.data()});
        const double* all = all_.data();
        if (!std::isfinite(readings_at(schedule_, 0.0, from).denoiser_u))
            context.forbid(n, detail::hides_data{all}, deferred_error{.what = detail::hidden_data(from), .raise = detail::throw_infinite_end});
        context.for_each(n, detail::time_of{all, time_.data(), time_.data() + n});
        return {time_view(time_.data(), time_.data() + n), input_table_(context, false, n, detail::table_rows<2>{all, 2}), output_table_(context, false, n, detail::table_rows<3>{all, 4}),
                outer_table_(context, false, n, detail::outer_products{all}), inner_table_(context, false, n, detail::inner_products{all}), true};
    }

    Schedule                           schedule_;
    InnerSchedule                      inner_;
    field_evaluator<Field>             field_;
    prediction                         from_, pulled_from_;
    scratch<typename batch_type::value_type, context_type> input_, pulled_;
    scratch<double, context_type>      all_, time_;
    coefficient_table<2, context_type> input_table_, inner_table_;
    coefficient_table<3, context_type> output_table_, outer_table_;
};

} // namespace diamond
