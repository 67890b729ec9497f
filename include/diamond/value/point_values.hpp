/// Point estimates of V: the reward of the denoised state, and the reward of the look-ahead along the ODE.
/// They are biased, and are here for comparison. See (eq. denoised-value), (eq. look-ahead-value).
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/readings.hpp>
#include <diamond/value/damping.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

/// The estimate V ~ r(D(x, t)), D = E[z | x_t = x], which ignores the spread of the posterior. Of a
/// measurement's log-likelihood, r(D) = log p(y | D(x_t)), its guidance is diffusion posterior sampling (DPS,
/// arXiv 2209.14687), with the gradient through the denoiser and without that paper's step size, for which
/// guidance_options has a strength.
/// Cost a particle: one evaluation of the field and one of the reward; guidance: one evaluation and one
/// vector-Jacobian product of the field, and one gradient of the reward.
template <class Schedule, class Field, class Reward, class Damping = no_damping>
class denoised_value {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    static constexpr bool begins_after_noise = true;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument for a schedule that breaks its promises (check_schedule), and where
    /// numbers of the damping are out of range.
    denoised_value(Schedule schedule, Field field, Reward reward, Damping damping = {})
        : model_(std::move(schedule), std::move(field)), reward_(std::move(reward)), damping_(damping) {
        detail::require_damping(damping_);
    }

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    [[nodiscard]] cost spent() const {
        cost total = model_.spent();
        total.reward += reward_.calls();
        return total;
    }
    /// Writes values.value[j] = r(D(x_j, t)), d x N particles, t in [0, 1]; the spreads that are asked for
    /// are NaN.
    /// @throws numeric_error where the reward is NaN or +inf.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("denoised_value", t);
        require_columns("denoised_value", values, x.columns());
        if (t < 1.0) {
            point_.resize(x.context(), x.rows(), x.columns());
            model_.denoiser(x, time_view(t), condition, point_);
        }
        reward_(t < 1.0 ? point_.read() : x, condition, stream.step, 1, values.value);
        detail::write_no_spread(values);
    }
    /// Writes out = b(t) dr(D(x, t))/dx, d x N, for t in (0, 1]: exact for linear rewards of Gaussian data,
    /// and too strong where r is concave, since it lacks the spread of the posterior, which curvature_damping
    /// undoes. At t = 1 it is b(1) dr/dx.
    /// @throws std::invalid_argument at t = 0, where b is infinite and D does not depend on x: its limit is
    /// the data's covariance times dr/dx, which drivers find at times shortly after.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out)
        requires differentiable_velocity_field<Field> &&
                 differentiable_reward<Reward, batch_type, condition_type>
    {
        require(t > 0.0 && t <= 1.0, [&] {
            return "guidance by the denoised value at t = " + digits_of(t) +
                   ": it begins after t = 0, where b is infinite";
        });
        require_same_shape("denoised_value::guidance", x, const_view(out));
        if (t >= 1.0) // D = x, and a network need not have a velocity where sigma'(1) is infinite
            return detail::write_final_guidance(model_.schedule(), reward_, x, condition, stream.step, out);
        double b = guidance_factor(model_.schedule(), t);
        if constexpr (!std::is_same_v<Damping, no_damping>)
            b *= 1.0 - damping_.share(level_at(model_.schedule(), t)); // of one point, that has all the
                                                                       // weight
        point_.resize(x.context(), x.rows(), x.columns());
        gradient_.resize(x.context(), x.rows(), x.columns());
        model_.denoiser(x, time_view(t), condition, point_);
        reward_.gradient(point_, condition, stream.step, gradient_);
        model_.denoiser_vjp(x, time_view(t), condition, gradient_, b, out);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    readings<Schedule, Field> model_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    Damping damping_;
    scratch<real, context_type> point_, gradient_;
};

/// The estimate V ~ r(X_{t,1}(x)): the reward of the sample to which the ODE carries x, which is no draw of
/// the posterior. Cost a particle: one evaluation of the map and one of the reward; guidance: one evaluation
/// and one vector-Jacobian product of the map, and one gradient of the reward.
template <class Schedule, class Map, class Reward>
class look_ahead_value {
    static_assert(diagnose_schedule<Schedule>() && diagnose_flow_map<Map>());
    static_assert(detail::agrees_with<Map, Schedule>,
                  "a look-ahead value and its flow map must have the same noise schedule: make both with it");

public:
    using batch_type = typename Map::batch_type;
    using condition_type = condition_of_t<Map>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument for a schedule that breaks its promises (check_schedule).
    look_ahead_value(Schedule schedule, Map map, Reward reward)
        : schedule_(detail::checked_schedule(std::move(schedule))),
          map_(std::move(map)),
          reward_(std::move(reward)) {}

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    [[nodiscard]] cost spent() const {
        cost total = map_.spent();
        total.reward += reward_.calls();
        return total;
    }
    /// Writes values.value[j] = r(X_{t,1}(x_j)), d x N particles, t in [0, 1]; the spreads that are asked for
    /// are NaN.
    /// @throws numeric_error where the reward is NaN or +inf.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("look_ahead_value", t);
        require_columns("look_ahead_value", values, x.columns());
        if (t < 1.0) {
            point_.resize(x.context(), x.rows(), x.columns());
            map_(x, interval{t, 1.0}, condition, point_);
        }
        reward_(t < 1.0 ? point_.read() : x, condition, stream.step, 1, values.value);
        detail::write_no_spread(values);
    }
    /// Writes out = b(t) s(t) dr(X_{t,1}(x))/dx, d x N, for t in [0, 1] and s = alpha/hypot(alpha, sigma): it
    /// is alpha'(0) dr/dx at t = 0 and b(1) dr/dx at t = 1.
    ///
    /// Without s it would grow as 1/t, and its sum over a run as the logarithm of the number of steps, since
    /// the look-ahead follows noise that E[z | x_t] averages out. For data of unit variance s is the signal's
    /// share of the standard deviation of x_t, and guidance by a linear reward is then exact on N(0, I); for
    /// other data it is rougher.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out)
        requires differentiable_flow_map<Map> && differentiable_reward<Reward, batch_type, condition_type>
    {
        require_time("look_ahead_value::guidance", t);
        require_same_shape("look_ahead_value::guidance", x, const_view(out));
        const double factor = signal_guidance_factor(schedule_, t);
        if (t >= 1.0) {
            reward_.gradient(x, condition, stream.step, out);
            return assign(out, factor * out);
        }
        point_.resize(x.context(), x.rows(), x.columns());
        gradient_.resize(x.context(), x.rows(), x.columns());
        map_(x, interval{t, 1.0}, condition, point_);
        reward_.gradient(point_, condition, stream.step, gradient_);
        map_.vjp(x, interval{t, 1.0}, condition, gradient_, out);
        assign(out, factor * out);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    Schedule schedule_;
    Map map_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    scratch<real, context_type> point_, gradient_;
};

} // namespace diamond
