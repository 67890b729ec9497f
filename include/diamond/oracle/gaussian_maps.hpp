/// The closed maps of Gaussian data: its flow map and its Diamond map, exact stand-ins for trained networks. Section 9.
#pragma once

#include <diamond/concepts/diamond_map.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_map_functors.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// X_{t,s}(x) = alpha(s) mu + V_s^{1/2} V_t^{-1/2} (x - alpha(t) mu), V_t = alpha^2 C + sigma^2 I, in either direction of time.
///
/// Models differentiable_flow_map and differentiable_flow_map_with_divergence. x and out are d x N; a call costs one evaluation a column, with
/// its divergence or without, its vjp one vjp. [FM], [F2]
template <class Batch, class Schedule>
class gaussian_flow_map {
public:
    using batch_type = Batch;
    using real       = typename Batch::value_type;
    using view       = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    explicit gaussian_flow_map(diamond::gaussian<Batch, Schedule> model) : model_(std::move(model)) {}

    [[nodiscard]] index_t                                   dimension() const { return model_.dimension(); }
    [[nodiscard]] const Schedule&                           schedule() const { return model_.schedule(); }
    [[nodiscard]] const diamond::gaussian<Batch, Schedule>& model() const { return model_; }
    [[nodiscard]] bool                                      exact() const { return true; }
    [[nodiscard]] cost                                      spent() const { return spent_; }

    void operator()(const_view x, interval span, no_condition, view out) {
        detail::require_gaussian_batch("gaussian_flow_map", dimension(), x, out);
        spent_.forward += x.columns();
        rotated_.resize(x.context(), dimension(), x.columns());
        model_.parts().rotate(x, rotated_);
        x.context().for_each(dimension(), x.columns(), detail::gaussian_flow<real>{flow(x, span), rotated_.data()});
        model_.parts().rotate_back(rotated_.read(), out);
    }
    /// The same, and divergence[j] = m(x_j, t, s) = (log p_t(x_t) - log p_s(x_s))/(s - t), the mean of div u along the path, div u at s = t;
    /// it is the same at every x. [F2]
    void operator()(const_view x, interval span, no_condition none, view out, double* divergence) {
        (*this)(x, span, none, out);
        const auto velocity = reading_at<Schedule>{schedule(), reading_kind::velocity}(span.from);
        x.context().column_sums(dimension(), x.columns(), detail::gaussian_mean_divergence{flow(x, span), span.length(), velocity}, divergence);
    }
    /// out = cotangent^T dX/dx, the same at every x.
    void vjp(const_view x, interval span, no_condition, const_view cotangent, view out) {
        detail::require_gaussian_batch("gaussian_flow_map::vjp", dimension(), x, out);
        spent_.vjp += x.columns();
        rotated_.resize(x.context(), dimension(), x.columns());
        model_.parts().rotate(cotangent, rotated_);
        x.context().for_each(dimension(), x.columns(), detail::gaussian_flow_product<real>{flow(x, span), rotated_.data()});
        model_.parts().rotate_back(rotated_.read(), out);
    }

    /// The same with a cotangent of m, whose derivative is 0; null data of the other mean zero.
    void vjp(const_view x, interval span, no_condition none, const_view cotangent, const double*, view out) {
        if (cotangent.data()) return vjp(x, span, none, cotangent, out);
        spent_.vjp += x.columns();
        x.context().for_each(out.size(), detail::set_to_zero<real>{out.data()});
    }

private:
    // The flow of an ODE reads the schedule as it is, at time 0, too.
    [[nodiscard]] detail::gaussian_interval flow(const_view x, interval span) const {
        const auto level = [&](double t) { return noise_level{schedule().alpha(t), schedule().sigma(t)}; };
        return {model_.parts().view_on(x.context()), level(span.from), level(span.to)};
    }

    diamond::gaussian<Batch, Schedule>  model_;
    cost                                spent_;
    scratch<real, backend_of_t<Batch>> rotated_;
};

/// X_{s,r}(xbar | x_t, t) = a_r mean + W_r^{1/2} W_s^{-1/2} (xbar - a_s mean), mean and covariance C_p those of p_{1|t}(. | x_t), a and b
/// the inner schedule and W_s = a_s^2 C_p + b_s^2 I.
///
/// Models differentiable_diamond_map and diamond_map_with_divergence: any inner interval either way, t one value or one per column. Exact at t = 0 and at t = 1, where
/// the posterior is x_t; what cannot be undone, the way back from s = 1 at t = 1, gives a_r x_t. xbar, x_t and out are d x N; a call costs
/// one evaluation a column, its vjp one vjp. [DM]
template <class Batch, class Schedule, class InnerSchedule = linear_schedule>
class gaussian_diamond_map {
    static_assert(diagnose_schedule<InnerSchedule>());

public:
    using batch_type = Batch;
    using real       = typename Batch::value_type;
    using view       = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    explicit gaussian_diamond_map(diamond::gaussian<Batch, Schedule> model, InnerSchedule inner_schedule = {})
        : model_(std::move(model)), inner_(detail::checked_schedule(std::move(inner_schedule))) {}

    [[nodiscard]] index_t                                   dimension() const { return model_.dimension(); }
    [[nodiscard]] const Schedule&                           schedule() const { return model_.schedule(); }
    [[nodiscard]] const InnerSchedule&                      inner_schedule() const { return inner_; }
    [[nodiscard]] bool                                      exact() const { return true; }
    [[nodiscard]] bool                                      exact_density() const { return true; }
    [[nodiscard]] const diamond::gaussian<Batch, Schedule>& model() const { return model_; }
    [[nodiscard]] cost                                      spent() const { return spent_; }

    void operator()(const_view xbar, interval inner, const_view x_t, time_view t, no_condition, view out) {
        detail::require_gaussian_batch("gaussian_diamond_map", dimension(), xbar, out);
        detail::require_gaussian_batch("gaussian_diamond_map", dimension(), xbar, x_t);
        spent_.forward += xbar.columns();
        rotate(xbar, x_t);
        xbar.context().for_each(dimension(), xbar.columns(),
                                detail::gaussian_posterior_flow<real>{flow(xbar, inner, t), second_.data(), first_.data()});
        model_.parts().rotate_back(first_.read(), out);
    }
    /// Also divergence[j] = m(xbar_j, x_t_j, t, s, r), the same at every xbar and x_t. [section 8]
    void operator()(const_view xbar, interval inner, const_view x_t, time_view t, no_condition none, view out, double* divergence) {
        (*this)(xbar, inner, x_t, t, none, out);
        const double a_d_a = level_at(inner_, inner.from).alpha * inner_.d_alpha(inner.from), b_d_b = sigma_d_sigma(inner_, inner.from);
        xbar.context().column_sums(dimension(), xbar.columns(),
                                   detail::gaussian_posterior_divergence{flow(xbar, inner, t), inner.length(), a_d_a, b_d_b}, divergence);
    }
    /// Cotangents of xbar and of x_t; both are the same at every xbar and x_t.
    void vjp(const_view xbar, interval inner, const_view x_t, time_view t, no_condition, const_view cotangent, view out_xbar, view out_x_t) {
        detail::require_gaussian_batch("gaussian_diamond_map::vjp", dimension(), xbar, out_xbar);
        detail::require_gaussian_batch("gaussian_diamond_map::vjp", dimension(), x_t, out_x_t);
        spent_.vjp += xbar.columns();
        first_.resize(xbar.context(), dimension(), xbar.columns());
        second_.resize(xbar.context(), dimension(), xbar.columns());
        model_.parts().rotate(cotangent, first_);
        xbar.context().for_each(dimension(), xbar.columns(),
                                detail::gaussian_posterior_product<real>{flow(xbar, inner, t), first_.data(), second_.data()});
        model_.parts().rotate_back(first_.read(), out_xbar);
        model_.parts().rotate_back(second_.read(), out_x_t);
    }

private:
    void rotate(const_view xbar, const_view x_t) {
        first_.resize(xbar.context(), dimension(), xbar.columns());
        second_.resize(xbar.context(), dimension(), xbar.columns());
        model_.parts().rotate(xbar, first_);
        model_.parts().rotate(x_t, second_);
    }
    [[nodiscard]] detail::gaussian_posterior_interval flow(const_view xbar, interval inner, time_view t) {
        const auto& context = xbar.context();
        return {model_.parts().view_on(context),
                detail::gaussian_readings_of(schedule(), reading_kind::denoiser, context, t, xbar.columns(), readings_),
                level_at(inner_, inner.from), level_at(inner_, inner.to)};
    }

    diamond::gaussian<Batch, Schedule>             model_;
    InnerSchedule                                  inner_;
    cost                                           spent_;
    scratch<real, backend_of_t<Batch>>             first_, second_;
    scratch<gaussian_reading, backend_of_t<Batch>> readings_;
};

} // namespace diamond
