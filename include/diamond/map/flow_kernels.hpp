/// Transitions of an ordinary flow model, for comparison: by its ODE, by its SDE, ancestral steps and DDIM's.
#pragma once

#include <cmath>
#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/glass/correlation.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/readings.hpp>

namespace diamond {

/// x_t' = X_{t,t'}(x_t), without noise. It keeps the marginals as well as the map does. Cost: one call of the
/// map.
template <class Map>
class ode_kernel {
    static_assert(diagnose_flow_map<Map>());

public:
    using batch_type = typename Map::batch_type;
    using condition_type = condition_of_t<Map>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes the flow map that carries the particles.
    explicit ode_kernel(Map map) : map_(std::move(map)) {}

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] cost spent() const { return map_.spent(); }
    [[nodiscard]] bool exact() const { return detail::is_exact(map_); }
    /// Writes x_t', d x N, into out. @throws std::invalid_argument unless 0 <= t < t' <= 1.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream, view out) {
        require_transition(span);
        require_apart("ode_kernel", x, const_view(out));
        map_(x, span, condition, out);
    }

private:
    Map map_;
};

/// x_t' = abar D(x_t, t) + gamma x_t + sbar eps', the kernel of (eq. glass-transition) with the denoiser in
/// place of z.
///
/// With DDPM's correlation it is the ancestral step, with correlation 1 DDIM's. Its marginals are narrower
/// than the model's. Cost: one evaluation for each column.
template <class Schedule, class Field, class Correlation = ddpm_correlation>
class ancestral_kernel {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>() &&
                  diagnose_correlation<Correlation, Schedule>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes the schedule, the field and the correlation rho of x_t' with x_t. @throws std::invalid_argument
    /// where the schedule is none, see check_schedule.
    ancestral_kernel(Schedule schedule, Field field, Correlation correlation = {})
        : model_(std::move(schedule), std::move(field)), correlation_(std::move(correlation)) {}

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] const cost& spent() const { return model_.spent(); }
    [[nodiscard]] bool exact() const { return false; }

    /// Draws x_t' given x, both d x N, into out. @throws std::invalid_argument if shapes or times do not fit.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream,
                    view out) {
        require_apart("ancestral_kernel", x, const_view(out));
        const kernel_coefficients kernel = kernel_at(model_.schedule(), span, correlation_);
        model_.denoiser(x, time_view(span.from), condition, out);
        noise_.resize(x.context(), x.rows(), x.columns());
        draw_normal(stream, noise_.mutable_view());
        assign(out, kernel.abar * out + kernel.gamma * x + kernel.sbar * noise_);
    }

private:
    readings<Schedule, Field> model_;
    Correlation correlation_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> noise_;
};

/// One Euler-Maruyama step of dx = (u + nu^2/2 score) dt + nu dW with nu^2 = 2 b(t), DDPM's noise.
///
/// It is of order 1 in law and 1/2 along paths. At t = 0, where b is infinite, it takes the ancestral step
/// alpha(t') D(x, 0) + sigma(t') eps', with D(x, 0) the mean of the data: the covariance then lacks
/// alpha(t')^2 times that of the data, which is of second order in the step, so that the order of a chain is
/// kept. Cost: one evaluation for each column.
template <class Schedule, class Field>
class euler_maruyama_kernel {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes the schedule and the field. @throws std::invalid_argument where the schedule is none, see
    /// check_schedule.
    euler_maruyama_kernel(Schedule schedule, Field field) : model_(std::move(schedule), std::move(field)) {}

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] const cost& spent() const { return model_.spent(); }
    [[nodiscard]] bool exact() const { return false; }

    /// Draws x_t' given x, both d x N, into out. @throws std::invalid_argument unless 0 <= t < t' <= 1.
    void operator()(const_view x, interval span, const condition_type& condition, noise_stream stream,
                    view out) {
        require(span.from >= 0.0 && span.from < span.to && span.to <= 1.0, [&] {
            return "Euler-Maruyama from t = " + digits_of(span.from) + " to " + digits_of(span.to) +
                   ": 0 <= t < t' <= 1 is needed";
        });
        require_apart("euler_maruyama_kernel", x, const_view(out));
        const bool begins = span.from <= 0.0;
        if (begins)
            model_.denoiser(x, time_view(0.0), condition, out);
        else
            model_.velocity(x, time_view(span.from), condition, out);
        noise_.resize(x.context(), x.rows(), x.columns());
        draw_normal(stream, noise_.mutable_view());
        combine(coefficients<3>(begins ? first_step(span) : later_step(span)), out, out, x, noise_);
    }

private:
    /// The coefficients of u, x and noise in a step from t > 0.
    [[nodiscard]] numbers<3> later_step(interval span) const {
        const Schedule& schedule = model_.schedule();
        const velocity_readings read = readings_at(schedule, span.from);
        const double b = guidance_factor(schedule, span.from);
        const double pull = -b / schedule.sigma(span.from); // b score = pull N
        const double h = span.length();
        return {{h * (1.0 + pull * read.noise_u), 1.0 + h * pull * read.noise_x, std::sqrt(2.0 * b * h)}};
    }
    /// The coefficients of D, x and noise in the step from t = 0.
    [[nodiscard]] numbers<3> first_step(interval span) const {
        const kernel_coefficients kernel = kernel_at(model_.schedule(), span, ddpm_correlation{});
        return {{kernel.abar, kernel.gamma, kernel.sbar}};
    }

    readings<Schedule, Field> model_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> noise_;
};

} // namespace diamond
