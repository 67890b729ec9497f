/// Guidance: integrates the tilted velocity u + c b(t) grad V. See (eq. guidance-ode).
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/map/runge_kutta.hpp>
#include <diamond/schedule/field_evaluator.hpp>

namespace diamond {

/// The options of guidance.
struct guidance_options {
    index_t particles = 1024; ///< N, 1 ... 2^31 - 1
    index_t steps = 32;       ///< the number of equal outer steps where `times` is empty
    /// The outer grid 0 = t_0 < ... < t_K = 1; `steps` equal steps where it is empty.
    std::vector<double> times = {};
    double strength = 1.0; ///< c, any finite number; 1 is exact for the tilted target
    /// Scales the guidance of each particle to `strength` times |u|: no consistency claim holds then.
    bool norm_matched = false;
};

namespace detail {
/// The factors (1, strength |u|/|g|) of velocity u and guidance g, from |u|^2 and |g|^2. The second is 0
/// where g is but the rounding of u, for its direction would be noise. A g that is not finite makes the
/// particle NaN, which is refused: a factor of 0 would switch it off, and leave the particle without
/// guidance.
DIAMOND_HD inline numbers<2> matched_scale(double velocity, double guidance, double strength,
                                           double rounding) {
    if (guidance <= square(rounding) * velocity) return {{1.0, 0.0}};
    return {{1.0, guidance < infinity ? strength * std::sqrt(velocity / guidance) : not_a_number}};
}
} // namespace detail

/// Solves dx/dt = u(x, t) + c b(t) grad V_t(x) from x_0 ~ N(0, I): x_1 are draws of the tilted model, up to
/// the solver's error and the bias of the estimated gradient.
///
/// Where an estimator's guidance begins after t = 0 (denoised_value, pathwise_posterior_value), its limit at
/// 0 is that of the polynomial through its guidance at p - 1 equally spaced times within the first step, p
/// the solver's order, so that the order is kept. `Solver` works inside each outer step. The default is one
/// step of the midpoint method, which never asks for u or grad V at t = 1, where denoiser networks of some
/// schedules have no velocity.
/// Cost: one evaluation of u and one guidance of V a stage and particle.
template <class Field, class Value, class Solver = explicit_midpoint>
class guidance {
    static_assert(diagnose_velocity_field<Field>() && diagnose_value_estimator_with_gradient<Value>() &&
                  diagnose_solver<Solver>());
    static_assert(std::is_same_v<typename Field::batch_type, typename Value::batch_type>,
                  "velocity field and value estimator must run on the same batch type: float and double "
                  "particles do not mix");

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using context_type = backend_of_t<batch_type>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument for no particles, no steps, an unsorted grid or a strength that is not
    /// finite.
    guidance(Field field, Value value, guidance_options options = {}, Solver solver = {.steps = 1})
        : field_(std::move(field)),
          value_(std::move(value)),
          solver_(std::move(solver)),
          grid_(time_grid_of(options)),
          options_(std::move(options)) {
        detail::require_particles("guidance", options_.particles);
        require(std::isfinite(options_.strength), [&] {
            return "guidance of strength " + digits_of(options_.strength) + ": it must be finite";
        });
        detail::require_same_dimension("velocity field", field_, value_);
    }

    /// Runs all steps; the observer gets a chain_view after each of them, and stops the run where it returns
    /// false.
    /// @throws numeric_error naming step and particle where a reward is NaN or +inf, or throws, where the
    /// gradient of V is not finite, and where a coordinate is NaN or infinite. What a device tells later
    /// names the evaluation of V in place of the step.
    template <class Observer = no_observer>
    chain_result<batch_type> operator()(const context_type& context, philox rng,
                                        const condition_type& condition = {}, Observer observer = {}) {
        const stopwatch clock;
        const cost before = field_.spent() + cost(value_.spent());
        chain_result<batch_type> result;
        if constexpr (detail::warns_of_guidance<Value>) value_.begin_guidance();
        result.particles.resize(context, field_.dimension(), options_.particles);
        draw_normal(rng.stream(purpose::initial), result.particles.mutable_view());
        system tilted{*this, condition, rng};
        result.complete = detail::walk<batch_type>(grid_, observer, [&](index_t k, interval span) {
            tilted.first_step = solver_.first_step(span);
            detail::at_step(k, [&] { solver_(tilted, span, result.particles.mutable_view()); });
            detail::require_particles(result.particles.read(), k);
            return result.particles.read();
        });
        if constexpr (detail::warns_of_guidance<Value>) result.warnings = value_.guidance_warnings();
        result.spent = field_.spent() + cost(value_.spent()) - before;
        result.seconds = clock.seconds();
        return result;
    }
    template <class Rng, class Observer = no_observer>
    chain_result<batch_type> operator()(const context_type&, const Rng&, const condition_type& = {},
                                        Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

private:
    using real = typename batch_type::value_type;

    struct system {
        guidance& owner;
        const condition_type& condition;
        philox rng;
        index_t evaluation = 0;  // each evaluation draws its own noise
        double first_step = 0.0; // of the span under way
        void operator()(const_view x, double t, view out) {
            owner.tilted_velocity(x, t, condition, rng.stream(purpose::value, ++evaluation), first_step, out);
        }
    };

    static constexpr const char*
        not_guiding = "the gradient of the value is NaN or infinite: the reward's gradient is not finite "
                      "there, or the network or its derivative";

    void tilted_velocity(const_view x, double t, const condition_type& condition, noise_stream stream,
                         double step, view out) {
        gradient_.resize(x.context(), x.rows(), x.columns());
        field_(x, time_view(t), condition, out);
        if (detail::begins_after_noise<Value> && t <= 0.0)
            guide_noise(x, step, condition, stream);
        else
            value_.guidance(x, t, detail::condition_for<Value>(condition), stream, gradient_);
        if constexpr (!is_adaptive<Solver>) // which may try a step that is too long, and shortens it
            if (options_.strength != 0.0)
                detail::require_finite_columns(
                    gradient_.read(),
                    deferred_error{.what = not_guiding, .step = static_cast<index_t>(stream.step)});
        if (!options_.norm_matched) {
            assign(out, out + options_.strength * gradient_);
            return;
        }
        // The rounding of a sum of many terms, relative to it.
        constexpr double rounding = 64.0 * static_cast<double>(std::numeric_limits<real>::epsilon());
        const auto& context = x.context();
        const index_t n = x.columns();
        norms_.resize(context, 1, 2 * n);
        const auto velocity = row(context, n, norms_.data()), guided = row(context, n, norms_.data() + n);
        assign(velocity, column_sums(square(out)));
        assign(guided, column_sums(square(gradient_)));
        const auto scales = elementwise<detail::matched_scale>(velocity, guided, options_.strength, rounding);
        combine(matched_(context, false, n, scales), out, out, gradient_);
    }

    /// Extrapolates the guidance to t = 0 from m equally spaced times within the first step, with the same
    /// noise at all of them: sum_i (-1)^(i+1) binomial(m, i) g(x, t_i).
    void guide_noise(const_view x, double step, const condition_type& condition, noise_stream stream) {
        constexpr int points = order_of<Solver> > 1 ? order_of<Solver> - 1 : 1;
        const double apart = step / (points + 1);
        value_.guidance(x, apart, detail::condition_for<Value>(condition), stream, gradient_);
        if constexpr (points > 1) {
            double weight = points;
            assign(gradient_, weight * gradient_);
            later_.resize(x.context(), x.rows(), x.columns());
            for (int i = 2; i <= points; ++i) {
                weight *= -static_cast<double>(points - i + 1) / i;
                value_.guidance(x, i * apart, detail::condition_for<Value>(condition), stream, later_);
                assign(gradient_, gradient_ + weight * later_);
            }
        }
    }

    field_evaluator<Field> field_;
    Value value_;
    runge_kutta<Solver, batch_type> solver_;
    std::vector<double> grid_;
    guidance_options options_;
    scratch<real, context_type> gradient_, later_;
    scratch<double, context_type> norms_;
    coefficient_table<2, context_type> matched_;
};

} // namespace diamond
