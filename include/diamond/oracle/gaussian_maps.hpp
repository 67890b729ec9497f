/// These are the flow map and the Diamond map of Gaussian data in closed form, which stand in for trained
/// networks as exact ones. See (eq. gaussian-flow-map), (eq. gaussian-diamond-map).
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/cost.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

namespace detail {
/// Returns alpha^2 v + sigma^2, the variance at a noise level of data of variance v, v an expression.
template <expression Variance>
[[nodiscard]] auto noised_variance(noise_level level, const Variance& v) {
    return square(level.alpha) * v + square(level.sigma);
}
/// Returns sqrt(W_r/W_s), W = a^2 v + b^2: the factor by which a flow from (a_s, b_s) to (a_r, b_r) stretches
/// the deviations of data of variance v. It is 1 where nothing moves, and 0 on the way back from a point.
DIAMOND_HD inline double deviation_ratio(double v, double a_s, double b_s, double a_r, double b_r) {
    const double first = square(a_s) * v + square(b_s), last = square(a_r) * v + square(b_r);
    if (first == last) return 1.0;
    return first == 0.0 ? 0.0 : std::sqrt(last / first);
}
/// Returns a_r m + ratio (x - a_s m).
DIAMOND_HD inline double carried(double m, double ratio, double x, double a_s, double a_r) {
    return a_r * m + ratio * (x - a_s * m);
}
/// Writes the cotangents of xbar, in place of w, and of x_t in the eigenbasis of a Gaussian.
template <class Batch>
struct gaussian_posterior_product {
    gaussian_readings denoiser;
    element_of_vector<double, backend_of_t<Batch>> variance;
    noise_level from, to;
    view_t<Batch> w, w_t;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        using real = typename Batch::value_type;
        const double v = posterior_variance(denoiser[j], variance(i, j));
        const double ratio = deviation_ratio(v, from.alpha, from.sigma, to.alpha, to.sigma);
        const double value = static_cast<double>(w(i, j)), slope = reading_slope(denoiser[j], variance(i, j));
        w_t(i, j) = static_cast<real>((to.alpha - ratio * from.alpha) * slope * value);
        w(i, j) = static_cast<real>(ratio * value);
    }
};

/// Requires a and b of d rows and equally many columns. @throws std::invalid_argument with both shapes.
template <class A, class B>
void require_gaussian_batch(const char* where, index_t d, const A& a, const B& b) {
    require(a.rows() == d && b.rows() == d && a.columns() == b.columns(), [&] {
        return std::string(where) + ": batches of " + digits_of(a.rows()) + " x " + digits_of(a.columns()) +
               " and " + digits_of(b.rows()) + " x " + digits_of(b.columns()) + " for dimension " +
               digits_of(d);
    });
}
} // namespace detail

/// X_{t,s}(x) = alpha(s) mu + V_s^{1/2} V_t^{-1/2} (x - alpha(t) mu), V_t = alpha^2 C + sigma^2 I, in either
/// direction of time.
///
/// It models differentiable_flow_map and differentiable_flow_map_with_divergence. x and out are d x N. A call
/// costs one forward evaluation a column, with its divergence or without, and its vjp one vjp. The calls
/// throw std::invalid_argument on batches of another shape, and on a device's context other than the model's.
/// [FM], [F2]
template <class Batch, class Schedule>
class gaussian_flow_map {
public:
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// Takes the model whose flow map it is.
    explicit gaussian_flow_map(diamond::gaussian<Batch, Schedule> model) : model_(std::move(model)) {}

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return model_.schedule(); }
    [[nodiscard]] const diamond::gaussian<Batch, Schedule>& model() const { return model_; }
    [[nodiscard]] bool exact() const { return true; }
    [[nodiscard]] cost spent() const { return spent_; }

    /// out = X_{t,s}(x), t = span.from, s = span.to.
    void operator()(const_view x, interval span, no_condition, view out) {
        detail::require_gaussian_batch("gaussian_flow_map", dimension(), x, out);
        spent_.forward += x.columns();
        rotate(x, x.columns());
        const auto data = model_.parts().view_on(x.context());
        const auto from = level(span.from), to = level(span.to);
        assign(rotated_,
               to.alpha * data.mean + ratio(data.variance, span) * (rotated_ - from.alpha * data.mean));
        model_.parts().rotate_back(rotated_.read(), out);
    }
    /// Also writes divergence[j] = m(x_j, t, s) = (log p_t(x_t) - log p_s(x_s))/(s - t), the mean of div u
    /// along the path, which is div u at s = t. It is the same at every x. [F2]
    void operator()(const_view x, interval span, no_condition none, view out, row_t<batch_type> divergence) {
        require_columns("gaussian_flow_map", divergence, x.columns());
        (*this)(x, span, none, out);
        const auto variance = model_.parts().view_on(x.context()).variance;
        if (span.length() == 0.0) {
            const gaussian_readings velocity = reading_at(schedule(), reading_kind::velocity, span.from);
            assign(divergence, column_sums(elementwise<detail::reading_slope>(velocity, variance)));
        } else {
            assign(divergence, column_sums(log(ratio(variance, span)) / span.length()));
        }
    }
    /// out = cotangent^T dX/dx, the same at every x.
    void vjp(const_view x, interval span, no_condition, const_view cotangent, view out) {
        detail::require_gaussian_batch("gaussian_flow_map::vjp", dimension(), x, out);
        spent_.vjp += x.columns();
        rotate(cotangent, x.columns());
        assign(rotated_, ratio(model_.parts().view_on(x.context()).variance, span) * rotated_);
        model_.parts().rotate_back(rotated_.read(), out);
    }
    /// Takes a cotangent of m, too, which adds nothing: dm/dx = 0. A cotangent of X without data stands for
    /// zero.
    void vjp(const_view x, interval span, no_condition none, const_view cotangent, const_row_t<batch_type>,
             view out) {
        if (cotangent.data()) return vjp(x, span, none, cotangent, out);
        spent_.vjp += x.columns();
        set_to_zero(out);
    }

private:
    /// Returns alpha and sigma at t as the ODE takes them: time 0 is not pure noise where alpha(0) > 0.
    [[nodiscard]] noise_level level(double t) const { return {schedule().alpha(t), schedule().sigma(t)}; }
    /// Returns sqrt(V_s/V_t) of data of variance v, an expression.
    template <expression Variance>
    [[nodiscard]] auto ratio(const Variance& v, interval span) const {
        return sqrt(detail::noised_variance(level(span.to), v) /
                    detail::noised_variance(level(span.from), v));
    }
    void rotate(const_view x, index_t columns) {
        rotated_.resize(x.context(), dimension(), columns);
        model_.parts().rotate(x, rotated_);
    }

    diamond::gaussian<Batch, Schedule> model_;
    cost spent_;
    scratch<real, backend_of_t<Batch>> rotated_;
};

/// X_{s,r}(xbar | x_t, t) = a_r m + W_r^{1/2} W_s^{-1/2} (xbar - a_s m), where m and C_p are the mean and
/// covariance of p_{1|t}(. | x_t), a and b the inner schedule and W_s = a_s^2 C_p + b_s^2 I.
///
/// It models differentiable_diamond_map and diamond_map_with_divergence, for any inner interval in either
/// direction, t one value or one per column. It is exact at t = 0 and at t = 1, where the posterior is the
/// point x_t; what cannot be undone, the way back from s = 1 at t = 1, gives a_r x_t. xbar, x_t and out are
/// d x N. A call costs one forward evaluation a column, with its divergence or without, and its vjp one vjp.
/// The calls throw std::invalid_argument on batches of another shape, and on a device's context other than
/// the model's. [DM]
template <class Batch, class Schedule, class InnerSchedule = linear_schedule>
class gaussian_diamond_map {
    static_assert(diagnose_schedule<InnerSchedule>());

public:
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// Takes the model whose Diamond map it is, and the inner schedule. @throws std::invalid_argument where a
    /// schedule is none, see check_schedule.
    explicit gaussian_diamond_map(diamond::gaussian<Batch, Schedule> model, InnerSchedule inner_schedule = {})
        : model_(std::move(model)), inner_(detail::checked_schedule(std::move(inner_schedule))) {}

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return model_.schedule(); }
    [[nodiscard]] const InnerSchedule& inner_schedule() const { return inner_; }
    [[nodiscard]] bool exact() const { return true; }
    /// Says that the densities of its draws are exactly theirs.
    [[nodiscard]] bool exact_density() const { return true; }
    [[nodiscard]] const diamond::gaussian<Batch, Schedule>& model() const { return model_; }
    [[nodiscard]] cost spent() const { return spent_; }

    /// out = X_{s,r}(xbar | x_t, t), s = inner.from, r = inner.to.
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t, no_condition, view out) {
        detail::require_gaussian_batch("gaussian_diamond_map", dimension(), xbar, out);
        detail::require_gaussian_batch("gaussian_diamond_map", dimension(), xbar, x_t);
        spent_.forward += xbar.columns();
        rotate(xbar, xbar.columns(), first_);
        rotate(x_t, xbar.columns(), second_);
        const auto denoiser = denoiser_at(xbar, t);
        const auto data = model_.parts().view_on(xbar.context());
        const auto mean = elementwise<detail::affine_reading>(denoiser, data.mean, data.variance, second_);
        const auto from = level_at(inner_, inner.from), to = level_at(inner_, inner.to);
        const auto stretch = ratio(denoiser, data.variance, inner);
        assign(first_, elementwise<detail::carried>(mean, stretch, first_, from.alpha, to.alpha));
        model_.parts().rotate_back(first_.read(), out);
    }
    /// Also writes divergence[j] = m(xbar_j, x_t_j, t, s, r), the mean of the inner velocity's divergence
    /// along the path, which is that divergence at r = s. It is the same at every xbar and x_t. See
    /// (eq. gaussian-mean-divergence).
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t, no_condition none, view out,
                    row_t<batch_type> divergence) {
        require_columns("gaussian_diamond_map", divergence, xbar.columns());
        (*this)(xbar, inner, x_t, t, none, out);
        const auto denoiser = denoiser_at(xbar, t);
        const auto data = model_.parts().view_on(xbar.context());
        if (inner.length() == 0.0) { // half the logarithmic derivative of W_s
            const auto level = level_at(inner_, inner.from);
            const double a_d_a = level.alpha * inner_.d_alpha(inner.from),
                         b_d_b = sigma_d_sigma(inner_, inner.from);
            const auto spread = elementwise<detail::posterior_variance>(denoiser, data.variance);
            assign(divergence,
                   column_sums((a_d_a * spread + b_d_b) / detail::noised_variance(level, spread)));
        } else {
            assign(divergence, column_sums(log(ratio(denoiser, data.variance, inner)) / inner.length()));
        }
    }
    /// out_xbar = cotangent^T dX/dxbar and out_x_t = cotangent^T dX/dx_t; both Jacobians are the same at
    /// every xbar and x_t.
    void vjp(const_view xbar, interval inner, const_view x_t, time_view t, no_condition, const_view cotangent,
             view out_xbar, view out_x_t) {
        detail::require_gaussian_batch("gaussian_diamond_map::vjp", dimension(), xbar, out_xbar);
        detail::require_gaussian_batch("gaussian_diamond_map::vjp", dimension(), x_t, out_x_t);
        spent_.vjp += xbar.columns();
        rotate(cotangent, xbar.columns(), first_);
        second_.resize(xbar.context(), dimension(), xbar.columns());
        xbar.context().for_each(dimension(), xbar.columns(),
                                detail::gaussian_posterior_product<Batch>{
                                    .denoiser = denoiser_at(xbar, t),
                                    .variance = model_.parts().view_on(xbar.context()).variance,
                                    .from = level_at(inner_, inner.from),
                                    .to = level_at(inner_, inner.to),
                                    .w = first_,
                                    .w_t = second_});
        model_.parts().rotate_back(first_.read(), out_xbar);
        model_.parts().rotate_back(second_.read(), out_x_t);
    }

private:
    void rotate(const_view x, index_t columns, scratch<real, backend_of_t<Batch>>& rotated) const {
        rotated.resize(x.context(), dimension(), columns);
        model_.parts().rotate(x, rotated);
    }
    [[nodiscard]] gaussian_readings denoiser_at(const_view xbar, time_view t) {
        return detail::gaussian_readings_of(schedule(), reading_kind::denoiser, xbar.context(), t,
                                            xbar.columns(), readings_);
    }
    /// Returns sqrt(W_r/W_s) in the eigenbasis, v the variances of the data.
    template <expression Variance>
    [[nodiscard]] auto ratio(const gaussian_readings& denoiser, const Variance& v, interval inner) const {
        const auto spread = elementwise<detail::posterior_variance>(denoiser, v);
        const auto from = level_at(inner_, inner.from), to = level_at(inner_, inner.to);
        return elementwise<detail::deviation_ratio>(spread, from.alpha, from.sigma, to.alpha, to.sigma);
    }

    diamond::gaussian<Batch, Schedule> model_;
    InnerSchedule inner_;
    cost spent_;
    scratch<real, backend_of_t<Batch>> first_, second_;
    scratch<gaussian_reading, backend_of_t<Batch>> readings_;
};

} // namespace diamond
