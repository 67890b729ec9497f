/// Gaussian data N(mu, C), C any covariance: the exact model whose maps are closed as well (oracle/gaussian_maps.hpp). Section 9.
///
/// Models differentiable_velocity_field, velocity_field_with_density and scored_velocity_field.
#pragma once

#include <memory>
#include <utility>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/oracle/gaussian_parts.hpp>
#include <diamond/oracle/gaussian_tilt.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

/// Working space of a Gaussian; it grows on the first call and then stays.
template <class Batch>
struct gaussian_workspace {
    scratch<typename Batch::value_type, backend_of_t<Batch>> rotated, noise;
    scratch<gaussian_reading, backend_of_t<Batch>>           readings;
};

/// The exact model of Gaussian data under a noise schedule.
///
/// x and out are d x N, times one value or one per column; each call costs one evaluation, two d x d products. At t = 0 and t = 1
/// everything takes its limit. Copies share the parameters, and the context of the batches works: several threads, each
/// with a context of its own, may call one const model; a device's memory serves the context that the model was made on.
/// @throws std::invalid_argument on batches of another dimension.
template <class Batch, class Schedule>
class gaussian {
    static_assert(diagnose_schedule<Schedule>());

public:
    using batch_type     = Batch;
    using schedule_type  = Schedule;
    using real           = typename Batch::value_type;
    using context_type   = backend_of_t<Batch>;
    using view           = view_t<Batch>;
    using const_view     = const_view_t<Batch>;
    using workspace_type = gaussian_workspace<Batch>;

    /// @param mean d numbers. @param covariance d x d, column by column, symmetric and positive definite.
    /// @throws std::invalid_argument where they are not.
    gaussian(const context_type& context, Schedule schedule, std::vector<double> mean, std::vector<double> covariance)
        : schedule_(detail::checked_schedule(std::move(schedule))),
          parts_(std::make_shared<const gaussian_parts<Batch>>(context, std::move(mean), std::move(covariance))) {}

    [[nodiscard]] index_t                      dimension() const { return parts_->dimension(); }
    [[nodiscard]] const Schedule&              schedule() const { return schedule_; }
    [[nodiscard]] const gaussian_parts<Batch>& parts() const { return *parts_; }
    [[nodiscard]] workspace_type               make_workspace(const context_type&, index_t) const { return {}; }
    [[nodiscard]] const std::vector<double>&   mean() const { return parts_->mean(); }
    [[nodiscard]] const std::vector<double>&   covariance() const { return parts_->covariance(); }

    /// u(x, t) = alpha' mu + (alpha alpha' C + sigma sigma' I) V_t^{-1} (x - alpha mu), V_t = alpha^2 C + sigma^2 I.
    void operator()(const_view x, time_view t, no_condition, workspace_type& space, view out) const { read(reading_kind::velocity, x, t, space, out); }
    /// D = E[z | x_t].
    void denoiser(const_view x, time_view t, no_condition, workspace_type& space, view out) const { read(reading_kind::denoiser, x, t, space, out); }
    /// N = E[eps | x_t] = sigma V_t^{-1} (x - alpha mu).
    void noise(const_view x, time_view t, no_condition, workspace_type& space, view out) const { read(reading_kind::noise, x, t, space, out); }
    /// grad log p_t = -V_t^{-1} (x - alpha mu).
    void score(const_view x, time_view t, no_condition, workspace_type& space, view out) const { read(reading_kind::score, x, t, space, out); }

    /// (du/dx) tangent, the same at every x.
    void jvp(const_view x, time_view t, no_condition, const_view tangent, workspace_type& space, view out) const {
        product(reading_kind::velocity, x, t, tangent, space, out);
    }
    /// cotangent^T (du/dx): du/dx is symmetric.
    void vjp(const_view x, time_view t, no_condition none, const_view cotangent, workspace_type& space, view out) const {
        jvp(x, t, none, cotangent, space, out);
    }

    /// (dD/dx) tangent and cotangent^T (dD/dx), symmetric and the same at every x.
    void denoiser_jvp(const_view x, time_view t, no_condition, const_view tangent, workspace_type& space, view out) const {
        product(reading_kind::denoiser, x, t, tangent, space, out);
    }
    void denoiser_vjp(const_view x, time_view t, no_condition, const_view cotangent, workspace_type& space, view out) const {
        product(reading_kind::denoiser, x, t, cotangent, space, out);
    }

    /// out[j] = div u(x_j, t_j), the same at every x.
    void divergence(const_view x, time_view t, no_condition, workspace_type& space, double* out) const {
        const auto readings = at(reading_kind::velocity, x, t, space);
        x.context().column_sums(dimension(), x.columns(), detail::gaussian_trace_term{parts_->view_on(x.context()), readings}, out);
    }
    /// out[j] = log p_t(x_j).
    void log_density(const_view x, time_view t, no_condition, workspace_type& space, double* out) const {
        check("gaussian::log_density", x, x.columns(), x);
        const auto& context = x.context();
        space.rotated.resize(context, dimension(), x.columns());
        parts_->rotate(x, space.rotated);
        const auto readings = at(reading_kind::score, x, t, space);
        context.column_sums(dimension(), x.columns(),
                            detail::gaussian_density_term<real>{parts_->view_on(context), readings, space.rotated.data()}, out);
    }

    /// Fills out, d x N, with draws mu + C^{1/2} eps, C^{1/2} the symmetric root.
    void draw(noise_stream stream, workspace_type& space, view out) const {
        check("gaussian::draw", out, out.columns(), out);
        rotated_noise(stream, space, out);
        const auto& context = out.context();
        context.for_each(dimension(), out.columns(), detail::gaussian_draw<real>{parts_->view_on(context), space.noise.data()});
        parts_->rotate_back(space.noise.read(), out);
    }
    void draw(noise_stream stream, view out) const {
        workspace_type space;
        draw(stream, space, out);
    }

    /// Draws z = E[z | x_t] + Cov[z | x_t]^{1/2} eps: M = stream.samples a particle, out d x (N M), draw i of particle j in column j M + i.
    ///
    /// The same noise gives what gaussian_diamond_map's X_{0,1} makes of it.
    void draw_posterior(const_view x_t, double t, no_condition, noise_stream stream, workspace_type& space, view out) const {
        check("gaussian::draw_posterior", out, x_t.columns() * stream.samples, x_t);
        const auto& context = x_t.context();
        space.rotated.resize(context, dimension(), x_t.columns());
        parts_->rotate(x_t, space.rotated);
        rotated_noise(stream, space, out);
        const auto denoiser = reading_at<Schedule>{schedule_, reading_kind::denoiser}(t);
        context.for_each(dimension(), out.columns(),
                         detail::gaussian_posterior_draw<real>{parts_->view_on(context), denoiser, space.rotated.data(),
                                                               stream.samples, space.noise.data()});
        parts_->rotate_back(space.noise.read(), out);
    }
    /// out, d x N: sum over a particle's draws of cotangent^T dz/dx_t, dz/dx_t = alpha C V_t^{-1}, whatever the noise.
    void draw_posterior_vjp(const_view x_t, double t, no_condition, noise_stream stream, const_view cotangent, workspace_type& space, view out) const {
        check("gaussian::draw_posterior_vjp", cotangent, x_t.columns() * stream.samples, out);
        const auto& context = x_t.context();
        space.noise.resize(context, dimension(), x_t.columns());
        space.rotated.resize(context, dimension(), x_t.columns());
        const auto denoiser = reading_at<Schedule>{schedule_, reading_kind::denoiser}(t);
        context.for_each(dimension(), x_t.columns(),
                         detail::sum_samples<real, const_view>{cotangent, stream.samples, space.noise.data()});
        parts_->rotate(space.noise.read(), space.rotated);
        context.for_each(dimension(), x_t.columns(),
                         detail::gaussian_product<real>{parts_->view_on(context), denoiser, space.rotated.data()});
        parts_->rotate_back(space.rotated.read(), out);
    }

    /// The Gaussian that p^r is for r(z) = constant + c . z - 1/2 sum_i q_i z_i^2, on this one's context, and log Z.
    /// @throws std::invalid_argument if it has no integral.
    [[nodiscard]] tilt<gaussian> tilted(const quadratic_form& reward) const {
        const detail::tilted_gaussian result(parts_->context(), parts_->mean(), parts_->eigen(), reward);
        return {gaussian(parts_->context(), schedule_, result.mean, result.covariance), result.log_z};
    }

private:
    void product(reading_kind kind, const_view x, time_view t, const_view tangent, workspace_type& space, view out) const {
        check("gaussian::jvp", tangent, x.columns(), out);
        const auto& context = x.context();
        space.rotated.resize(context, dimension(), x.columns());
        parts_->rotate(tangent, space.rotated);
        const auto readings = at(kind, x, t, space);
        context.for_each(dimension(), x.columns(), detail::gaussian_product<real>{parts_->view_on(context), readings, space.rotated.data()});
        parts_->rotate_back(space.rotated.read(), out);
    }
    void read(reading_kind kind, const_view x, time_view t, workspace_type& space, view out) const {
        check("gaussian", x, out.columns(), out);
        const auto& context = x.context();
        space.rotated.resize(context, dimension(), x.columns());
        parts_->rotate(x, space.rotated);
        const auto readings = at(kind, x, t, space);
        context.for_each(dimension(), x.columns(), detail::gaussian_read<real>{parts_->view_on(context), readings, space.rotated.data()});
        parts_->rotate_back(space.rotated.read(), out);
    }
    /// U^T eps in space.noise; `eps` is overwritten. In this basis a diagonal factor is a symmetric root.
    void rotated_noise(noise_stream stream, workspace_type& space, view eps) const {
        space.noise.resize(eps.context(), dimension(), eps.columns());
        draw_normal(stream, eps);
        parts_->rotate(eps, space.noise);
    }
    [[nodiscard]] gaussian_readings at(reading_kind kind, const_view x, time_view t, workspace_type& space) const {
        return detail::gaussian_readings_of(schedule_, kind, x.context(), t, x.columns(), space.readings);
    }
    void check(const char* where, const_view a, index_t columns, const_view b) const {
        require(a.rows() == dimension() && b.rows() == dimension() && a.columns() == columns, [&] {
            return std::string(where) + ": batches of " + digits_of(a.rows()) + " x " + digits_of(a.columns()) + " and " +
                   digits_of(b.rows()) + " rows, wanted dimension " + digits_of(dimension()) + " and " + digits_of(columns) + " columns";
        });
    }

    Schedule                                     schedule_;
    std::shared_ptr<const gaussian_parts<Batch>> parts_;
};

} // namespace diamond
