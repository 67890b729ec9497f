/// The value of a Gaussian measurement by the denoiser and the variance of the data: one evaluation, no draw.
/// (eq. moment-value) with the moments of (eq. denoised-moments).
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/singular_vectors.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/schedule/readings.hpp>
#include <diamond/value/guidance_factor.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

namespace detail {
/// What an output of variance c w^2 adds to V: -q^2/(2 (c w^2 + s^2)) - log(1 + c w^2/s^2)/2, q = U^T (y -
/// A D).
template <class ConstNumbers, class ConstView>
struct value_along {
    ConstNumbers value; ///< w, k x 1
    ConstView miss;     ///< q, k x N
    double variance, noise;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        const double spread = variance * square(value(i, 0)), q = static_cast<double>(miss(i, j));
        return -0.5 * square(q) / (spread + noise) - 0.5 * std::log1p(spread / noise);
    }
};
/// Replaces q_i by factor c w_i q_i/(c w_i^2 + s^2).
template <class ConstNumbers, class View>
struct slope_along {
    ConstNumbers value;
    View miss;
    double variance, noise, factor;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double w = value(i, 0);
        miss(i, j) = static_cast<typename View::value_type>(
            factor * variance * w * static_cast<double>(miss(i, j)) / (variance * square(w) + noise));
    }
};
} // namespace detail

/// Options of denoised_moment_value.
struct denoised_moment_value_options {
    double variance = 1.0; ///< v > 0, the variance of a coordinate of the data, or of one of its parts
};

/// The value of r(z) = -|y - A(z)|^2/(2 s^2), A affine, as if the data given x_t were N(D(x_t), c I), with
/// the model's denoiser D and c = v sigma^2/(sigma^2 + alpha^2 v), the posterior variance of data of variance
/// v:
///
///   V = -(y - A D)^T (c W W^T + s^2 I)^{-1} (y - A D)/2 - log det(I + c W W^T/s^2)/2,
///
/// by the singular vectors of W. It has no noise, whatever the peak of r, for one evaluation, and is exact
/// for data N(., v I); elsewhere it is biased, and leaves Z-hat unbiased as any finite value does.
/// moment_value, of draws, finds the covariance itself.
///
/// Its guidance is b grad V = (alpha' - alpha sigma'/sigma) c W^T (c W W^T + s^2 I)^{-1} (y - A D), the
/// Jacobian of D taken as that of such data; it asks the network for no derivative, and begins after t = 0.
///
/// Cost a particle: one evaluation of the field and one of the measurement, which counts as a reward. Source:
/// arXiv 2310.06721 and (eq. moment-value).
template <class Schedule, class Field, class Measurement>
class denoised_moment_value {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using reward_type = gaussian_measurement_reward<Measurement>; ///< the reward whose value it is
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool begins_after_noise = true;

    /// @throws std::invalid_argument for dimensions that differ, for a measurement that is not affine, for a
    /// variance that is not positive and finite, and for a schedule that breaks its promises
    /// (check_schedule).
    denoised_moment_value(const backend_of_t<batch_type>& context, Schedule schedule, Field field,
                          reward_type reward, denoised_moment_value_options options = {})
        : model_(std::move(schedule), std::move(field)),
          measurement_(reward.measurement()),
          reward_(std::move(reward)),
          data_variance_(options.variance),
          singular_(singular_vectors_of(context, measurement_)) {
        require(data_variance_ > 0.0 && std::isfinite(data_variance_), [&] {
            return "denoised_moment_value: the variance of a coordinate of the data is " +
                   digits_of(data_variance_) + ": it must be positive and finite";
        });
        require(reward_.reward().dimension() == dimension(), [&] {
            return "denoised_moment_value: the field has dimension " + digits_of(dimension()) +
                   ", the measurement " + digits_of(reward_.reward().dimension());
        });
    }

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    /// The reward, which drivers evaluate at t = 1.
    [[nodiscard]] reward_type& reward() { return reward_.reward(); }
    [[nodiscard]] cost spent() const {
        cost total = model_.spent();
        total.reward += reward_.calls() + measured_columns_;
        return total;
    }

    /// Writes values.value[j] = V_t(x_j), d x N particles, t in [0, 1]; at t = 1 it is r(x_j) itself; the
    /// spreads that are asked for are NaN. @throws std::invalid_argument at t = 0 where the field's
    /// prediction says nothing of the data.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("denoised_moment_value", t);
        require_columns("denoised_moment_value", values, x.columns());
        detail::write_no_spread(values);
        if (t >= 1.0) return reward_(x, condition, stream.step, 1, values.value);
        const auto& context = x.context();
        const double variance = measure(x, t, condition);
        spread_.resize(context, 1, x.columns());
        context.column_sums(
            miss_.rows(), miss_.columns(),
            detail::value_along<numbers_view, const_view>{.value = singular_.values_on(context),
                                                          .miss = miss_.read(),
                                                          .variance = variance,
                                                          .noise = noise()},
            spread_.data());
        if (miss_.rows() == measured_.rows()) return assign(values.value, row(spread_));
        // What no z can explain, y - A D - U q: the difference of two squares would lose it to rounding.
        rest_.resize(context, measured_.rows(), measured_.columns());
        singular_.left().compose(miss_.read(), rest_.mutable_view());
        assign(rest_, measured_ - rest_);
        assign(values.value, column_sums(-0.5 / noise() * square(rest_)));
        assign(values.value, values.value + row(spread_));
    }

    /// Writes out = b(t) grad V_t(x), d x N, t in (0, 1]. @throws std::invalid_argument at t = 0, and at t =
    /// 1 for a measurement without vjp where b(1) is not 0.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out) {
        require(t > 0.0 && t <= 1.0, [&] {
            return "guidance by the denoised value at t = " + digits_of(t) +
                   ": it begins after t = 0, where b is infinite";
        });
        require_same_shape("denoised_moment_value::guidance", x, const_view(out));
        if (t >= 1.0)
            return detail::write_final_guidance(model_.schedule(), reward_, x, condition, stream.step, out);
        const double variance = measure(x, t, condition);
        x.context().for_each(
            miss_.rows(), miss_.columns(),
            detail::slope_along<numbers_view, view>{.value = singular_.values_on(x.context()),
                                                    .miss = miss_.mutable_view(),
                                                    .variance = variance,
                                                    .noise = noise(),
                                                    .factor = mean_shift_factor(model_.schedule(), t)});
        singular_.right().compose(miss_.read(), out);
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using numbers_view = const_view_t<rebind_t<batch_type, double>>;

    [[nodiscard]] double noise() const { return 1.0 / reward_.reward().precision(); } ///< s^2

    /// Writes y - A D, m x N, to measured_ and U^T of it to miss_; returns c.
    double measure(const_view x, double t, const condition_type& condition) {
        const auto& context = x.context();
        const index_t n = x.columns();
        denoised_.resize(context, x.rows(), n);
        model_.denoiser(x, time_view(t), condition, denoised_.mutable_view());
        measured_.resize(context, static_cast<index_t>(measurement_.outputs()), n);
        measurement_(denoised_.read(), measured_.mutable_view());
        measured_columns_ += n;
        assign(measured_, each_column(reward_.reward().seen(context)) - measured_);
        miss_.resize(context, singular_.rank(), n);
        singular_.left().parts(measured_.read(), miss_.mutable_view());
        return posterior_variance(level_at(model_.schedule(), t), data_variance_);
    }

    readings<Schedule, Field> model_;
    Measurement measurement_;
    reward_caller<reward_type, batch_type, condition_type> reward_;
    double data_variance_;
    std::int64_t measured_columns_ = 0;
    singular_vectors<batch_type> singular_;
    scratch<real, context_type> denoised_, measured_, miss_, rest_;
    scratch<double, context_type> spread_;
};

} // namespace diamond
