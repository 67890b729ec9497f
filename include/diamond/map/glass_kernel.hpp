/// The transition kernel of GLASS: the inner flow of (eq. glass-velocity), integrated by an ODE solver, for
/// any correlation.
#pragma once

#include <utility>

#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/glass/inner_velocity.hpp>
#include <diamond/map/runge_kutta.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// x_t' = xbar_1, where d xbar/ds = ubar_s(xbar | x_t, t) and xbar_0 = gamma x_t + noise.
///
/// It preserves the marginals up to the solver's error. Cost: one evaluation for each stage of the solver.
/// [GF]
template <class Schedule, class Field, class Solver, class Correlation = ddpm_correlation,
          class InnerSchedule = linear_schedule>
class glass_kernel {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>() &&
                  diagnose_solver<Solver>());
    static_assert(diagnose_correlation<Correlation, Schedule>() && diagnose_schedule<InnerSchedule>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    /// Of all correlations DDPM's is that of the noising process.
    static constexpr bool reverses_noising = std::is_same_v<Correlation, ddpm_correlation>;

    /// Takes the schedule, the field, the solver of the inner flow, the correlation rho of x_t' with x_t, and
    /// the inner schedule. @throws std::invalid_argument where a schedule is none, see check_schedule, or the
    /// solver's steps are out of range.
    glass_kernel(Schedule schedule, Field field, Solver solver, Correlation correlation = {},
                 InnerSchedule inner = {})
        : velocity_(std::move(schedule), std::move(field), std::move(inner)),
          solver_(std::move(solver)),
          correlation_(std::move(correlation)) {}

    [[nodiscard]] index_t dimension() const { return velocity_.dimension(); }
    [[nodiscard]] const cost& spent() const { return velocity_.spent(); }
    [[nodiscard]] const Schedule& schedule() const { return velocity_.schedule(); }
    [[nodiscard]] bool exact() const { return false; } // a solver has an error

    /// Draws x_t' given x, both d x N, into out. @throws std::invalid_argument if shapes or times do not fit.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream,
                    view out) {
        require_same_shape("glass_kernel", x, const_view(out));
        require_apart("glass_kernel", x, const_view(out));
        const kernel_coefficients kernel = kernel_at(velocity_.schedule(), span, correlation_);
        draw_normal(stream, out);
        // The inner flow does not start from noise alone, but from gamma x_t too: x_t' keeps some of the
        // noise of x_t.
        assign(out, out + kernel.gamma * x);
        solver_(system{velocity_, x, span.from, kernel, condition}, interval{0.0, 1.0}, out);
    }

private:
    struct system {
        inner_velocity<Schedule, Field, InnerSchedule>& velocity;
        const_view x_t;
        double t;
        const kernel_coefficients& kernel;
        const condition_type& condition;
        void operator()(const_view xbar, double s, view out) const {
            velocity(xbar, time_view(s), x_t, time_view(t), kernel, condition, out);
        }
    };

    inner_velocity<Schedule, Field, InnerSchedule> velocity_;
    runge_kutta<Solver, batch_type> solver_;
    Correlation correlation_;
};

} // namespace diamond
