/// The cumulant value by the denoiser and the variance of the data: one evaluation, no draw.
/// (eq. denoised-cumulants).
#pragma once

#include <cmath>
#include <utility>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/readings.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

/// Options of denoised_cumulant_value.
struct denoised_cumulant_value_options {
    double variance = 1.0; ///< v > 0, the variance of a coordinate of the data, or of one of its parts
};

/// The value of a differentiable reward as if it were linear about the denoised state, and the data given x_t
/// N(D(x_t), c I), c = v sigma^2/(sigma^2 + alpha^2 v) the posterior variance of data of variance v:
///
///   V = r(D) + c |grad r(D)|^2/2.
///
/// It has no noise and draws nothing. It is exact for linear rewards of data N(., v I); a reward that is
/// concave on the scale of sqrt(c) it overrates, the more the steeper it is there. As any finite value it
/// leaves Z-hat unbiased. cumulant_value finds both cumulants by draws.
///
/// Its guidance is b grad V = (alpha' - alpha sigma'/sigma) c grad r(D), the Jacobian of D taken as that of
/// such data, and begins after t = 0.
///
/// Cost a particle: one evaluation of the field, and one reward and its gradient; guidance: one evaluation
/// and one gradient of the reward. Source: (eq. denoised-cumulants).
template <class Schedule, class Field, class Reward>
class denoised_cumulant_value {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());
    static_assert(
        diagnose_differentiable_reward<Reward, typename Field::batch_type, condition_of_t<Field>>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool begins_after_noise = true;

    /// @throws std::invalid_argument for a variance that is not positive and finite, and for a schedule that
    /// breaks its promises (check_schedule).
    denoised_cumulant_value(Schedule schedule, Field field, Reward reward,
                            denoised_cumulant_value_options options = {})
        : model_(std::move(schedule), std::move(field)),
          reward_(std::move(reward)),
          data_variance_(options.variance) {
        require(data_variance_ > 0.0 && std::isfinite(data_variance_), [&] {
            return "denoised_cumulant_value: the variance of a coordinate of the data is " +
                   digits_of(data_variance_) + ": it must be positive and finite";
        });
    }

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    /// The reward, which drivers evaluate at t = 1.
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    [[nodiscard]] cost spent() const {
        cost total = model_.spent();
        total.reward += reward_.calls();
        return total;
    }

    /// Writes values.value[j] = V_t(x_j), d x N particles, t in [0, 1]; at t = 1 it is r(x_j) itself; the
    /// spreads that are asked for are NaN. @throws numeric_error where the reward is NaN or +inf.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("denoised_cumulant_value", t);
        require_columns("denoised_cumulant_value", values, x.columns());
        detail::write_no_spread(values);
        if (t >= 1.0) return reward_(x, condition, stream.step, 1, values.value);
        slope(x, t, condition, stream);
        reward_(point_.read(), condition, stream.step, 1, values.value);
        squares_.resize(x.context(), 1, x.columns());
        assign(row(squares_), column_sums(0.5 * spread(t) * square(gradient_)));
        // where a sample is forbidden its slope says nothing
        assign(values.value, elementwise<raised>(values.value, row(squares_)));
    }

    /// Writes out = b(t) grad V_t(x), d x N, t in (0, 1]. @throws std::invalid_argument at t = 0.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out) {
        require(t > 0.0 && t <= 1.0, [&] {
            return "guidance by the denoised value at t = " + digits_of(t) +
                   ": it begins after t = 0, where b is infinite";
        });
        require_same_shape("denoised_cumulant_value::guidance", x, const_view(out));
        if (t >= 1.0)
            return detail::write_final_guidance(model_.schedule(), reward_, x, condition, stream.step, out);
        slope(x, t, condition, stream);
        assign(out, (mean_shift_factor(model_.schedule(), t) * spread(t)) * gradient_);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    DIAMOND_HD static double raised(double value, double by) {
        return value == -infinity ? value : value + by;
    }
    [[nodiscard]] double spread(double t) const { // c
        return posterior_variance(level_at(model_.schedule(), t), data_variance_);
    }
    /// Writes D to point_, and grad r(D) to gradient_.
    void slope(const_view x, double t, const condition_type& condition, noise_stream stream) {
        point_.resize(x.context(), x.rows(), x.columns());
        gradient_.resize(x.context(), x.rows(), x.columns());
        model_.denoiser(x, time_view(t), condition, point_);
        reward_.gradient(point_, condition, stream.step, gradient_);
    }

    readings<Schedule, Field> model_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    double data_variance_;
    scratch<real, context_type> point_, gradient_;
    scratch<double, context_type> squares_;
};

} // namespace diamond
