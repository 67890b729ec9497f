/// For Gaussian mixtures p_data = sum_k w_k N(m_k, v_k) there is an exact model with everything that has a
/// closed form, (eq. mixture-reading) to (eq. mixture-tilt).
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/oracle/gaussian_reading.hpp>
#include <diamond/oracle/mixture_draws.hpp>
#include <diamond/oracle/mixture_parts.hpp>
#include <diamond/oracle/mixture_sums.hpp>
#include <diamond/oracle/tilt.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

/// This is the exact model of mixture data under a noise schedule.
///
/// It models differentiable_velocity_field, velocity_field_with_density, scored_velocity_field and
/// velocity_field_with_denoiser. x and out are d x N, times one value or one per column; each call costs one
/// evaluation a column, of K components. At t = 0 and t = 1 everything takes its limit. Copies share the
/// components, and calls run on the context of their batches: several threads, each with a context of its
/// own, may call one const model; components in a device's memory serve the context that they were made on.
/// All calls throw std::invalid_argument on batches of another dimension and, on a device, of another
/// context.
template <class Batch, class Schedule>
class gaussian_mixture {
    static_assert(diagnose_schedule<Schedule>());

public:
    using batch_type = Batch;
    using schedule_type = Schedule;
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using workspace_type = mixture_workspace<Batch>;

    /// @param weights K numbers, not negative, which are normalised here.
    /// @param means d x K, column by column.
    /// @param variances K (isotropic) or d x K (diagonal), positive.
    /// @throws std::invalid_argument where they do not fit.
    gaussian_mixture(const context_type& context, Schedule schedule, std::vector<double> weights,
                     std::vector<double> means, std::vector<double> variances)
        : schedule_(detail::checked_schedule(std::move(schedule))),
          parts_(std::make_shared<const mixture_parts<Batch>>(context, std::move(weights), std::move(means),
                                                              std::move(variances))) {}

    [[nodiscard]] index_t dimension() const { return parts_->dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    /// Weights, means and variances, which copies share.
    [[nodiscard]] const mixture_parts<Batch>& components() const { return *parts_; }
    [[nodiscard]] workspace_type make_workspace(const context_type&, index_t) const { return {}; }

    /// Returns a copy that is summed in the given way, for tests and measurements.
    [[nodiscard]] gaussian_mixture with_path(mixture_path path) const {
        gaussian_mixture other = *this;
        other.path_ = path;
        return other;
    }

    /// u(x, t) = sum_k r_k [alpha' m_k + (alpha alpha' v_k + sigma sigma')/V_k (x - alpha m_k)],
    /// V_k = alpha^2 v_k + sigma^2.
    void operator()(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        read(reading_kind::velocity, x, t, space, out);
    }
    /// D = E[z | x_t].
    void denoiser(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        read(reading_kind::denoiser, x, t, space, out);
    }
    /// N = E[eps | x_t] = sigma sum_k r_k (x - alpha m_k)/V_k.
    void noise(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        read(reading_kind::noise, x, t, space, out);
    }
    /// Writes grad log p_t, which is finite at t = 1, too.
    void score(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        read(reading_kind::score, x, t, space, out);
    }

    /// out = (du/dx) tangent.
    void jvp(const_view x, time_view t, no_condition, const_view tangent, workspace_type& space,
             view out) const {
        product(reading_kind::velocity, x, t, tangent, space, out);
    }
    /// out = cotangent^T (du/dx), which is jvp: the velocity is alpha'/alpha x plus a multiple of a gradient,
    /// so that its Jacobian is symmetric.
    void vjp(const_view x, time_view t, no_condition none, const_view cotangent, workspace_type& space,
             view out) const {
        jvp(x, t, none, cotangent, space, out);
    }

    /// out = (dD/dx) tangent; dD/dx is alpha/sigma^2 times the posterior's covariance.
    void denoiser_jvp(const_view x, time_view t, no_condition, const_view tangent, workspace_type& space,
                      view out) const {
        product(reading_kind::denoiser, x, t, tangent, space, out);
    }
    /// out = cotangent^T (dD/dx), which is denoiser_jvp: dD/dx is symmetric.
    void denoiser_vjp(const_view x, time_view t, no_condition, const_view cotangent, workspace_type& space,
                      view out) const {
        product(reading_kind::denoiser, x, t, cotangent, space, out);
    }

    /// out[j] = div u(x_j, t_j), the exact trace.
    void divergence(const_view x, time_view t, no_condition, workspace_type& space,
                    row_t<batch_type> out) const {
        check("gaussian_mixture::divergence", x, x.columns(), x);
        require_columns("gaussian_mixture::divergence", out, x.columns());
        auto sums = sums_of(reading_kind::velocity, x, t, space);
        chunks(x, [&](index_t first, index_t count) {
            sums.responsibilities(x.columns(first, count), first);
            sums.divergence(x.columns(first, count), first, out.columns(first, count));
        });
    }

    /// out[j] = log p_t(x_j).
    void log_density(const_view x, time_view t, no_condition, workspace_type& space,
                     row_t<batch_type> out) const {
        check("gaussian_mixture::log_density", x, x.columns(), x);
        require_columns("gaussian_mixture::log_density", out, x.columns());
        auto sums = sums_of(reading_kind::score, x, t, space);
        chunks(x, [&](index_t first, index_t count) {
            sums.responsibilities(x.columns(first, count), first);
            sums.log_density(x.columns(first, count), first, out.columns(first, count));
        });
    }

    /// out, K x N, is the probability of each component given x_t. At t = 1 these are the component weights
    /// of samples.
    /// @throws std::invalid_argument unless out has K rows.
    void responsibilities(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        check("gaussian_mixture::responsibilities", x, out.columns(), x);
        require(out.rows() == parts_->count(), [&] {
            return "gaussian_mixture::responsibilities: " + digits_of(out.rows()) + " rows for " +
                   digits_of(parts_->count()) + " components";
        });
        auto sums = sums_of(reading_kind::score, x, t, space);
        chunks(x, [&](index_t first, index_t count) {
            sums.responsibilities(x.columns(first, count), first, out.columns(first, count));
        });
    }

    /// Fills out, d x N, with draws from p_data.
    void draw(noise_stream stream, view out) const {
        check("gaussian_mixture::draw", out, out.columns(), out);
        draw_normal(stream, out);
        const auto& context = out.context();
        context.for_each(out.columns(),
                         detail::draw_from_mixture<Batch>{.parts = parts_->view_on(context),
                                                          .stream = stream,
                                                          .cumulative = parts_->cumulative_on(context),
                                                          .out = out});
    }

    /// Draws z ~ p_{1|t}(. | x_t), M = stream.samples a particle: x_t is d x N, out d x (N M), and draw i of
    /// particle j is column j M + i. The normals come from `stream`; the components are chosen by
    /// uniforms of stream.choices().
    void draw_posterior(const_view x_t, double t, no_condition, noise_stream stream, workspace_type& space,
                        view out) const {
        check("gaussian_mixture::draw_posterior", out, x_t.columns() * stream.samples, x_t);
        const auto& context = x_t.context();
        const auto data = parts_->view_on(context);
        const gaussian_reading denoiser = reading_at(schedule_, reading_kind::denoiser, t);
        detail::mixture_sums<Batch> sums(context, *parts_, space, denoiser, path_);
        draw_normal(stream, out);
        chunks(x_t, [&](index_t first, index_t count) {
            const index_t samples = stream.samples, draws = count * samples;
            sums.responsibilities(x_t.columns(first, count), first);
            space.components.resize(context, 1, draws);
            // Many draws of few particles are spread, too.
            const index_t groups = std::clamp<index_t>(256 / count, 1, samples);
            context.for_each(count * groups, detail::choose_posterior_components<Batch>{
                                                 .stream = stream.choices(),
                                                 .first = first,
                                                 .groups = groups,
                                                 .responsibilities = space.responsibilities.read(),
                                                 .out = row(space.components)});
            context.for_each(dimension(), draws,
                             detail::packed{detail::draw_posterior_component<Batch>{
                                 .parts = data,
                                 .denoiser = denoiser,
                                 .x = x_t.columns(first, count),
                                 .samples = samples,
                                 .component = row(space.components),
                                 .out = out.columns(first * samples, draws)}});
        });
    }

    /// Returns p^r for r(z) = constant + c . z - 1/2 sum_i q_i z_i^2, a mixture on the context that this one
    /// was made on, and log Z.
    /// @throws std::invalid_argument if it has no integral.
    [[nodiscard]] tilt<gaussian_mixture> tilted(const quadratic_form& reward) const {
        detail::tilted_components parts(*parts_, reward);
        return {{parts_->context(), schedule_, std::move(parts.weights), std::move(parts.means),
                 std::move(parts.variances)},
                parts.log_z};
    }
    /// Returns E z, d numbers.
    [[nodiscard]] std::vector<double> mean() const { return detail::mixture_mean(*parts_); }
    /// Returns Cov[z], d x d, column by column.
    [[nodiscard]] std::vector<double> covariance() const { return detail::mixture_covariance(*parts_); }

private:
    void product(reading_kind kind, const_view x, time_view t, const_view tangent, workspace_type& space,
                 view out) const {
        check("gaussian_mixture", x, tangent.columns(), out);
        auto sums = sums_of(kind, x, t, space);
        chunks(x, [&](index_t first, index_t count) {
            sums.responsibilities(x.columns(first, count), first);
            sums.product(x.columns(first, count), tangent.columns(first, count), first,
                         out.columns(first, count));
        });
    }
    void read(reading_kind kind, const_view x, time_view t, workspace_type& space, view out) const {
        check("gaussian_mixture", x, out.columns(), out);
        auto sums = sums_of(kind, x, t, space);
        chunks(x, [&](index_t first, index_t count) {
            sums.responsibilities(x.columns(first, count), first);
            sums.reading(x.columns(first, count), first, out.columns(first, count));
        });
    }
    [[nodiscard]] detail::mixture_sums<Batch> sums_of(reading_kind kind, const_view x, time_view t,
                                                      workspace_type& space) const {
        const auto readings = detail::gaussian_readings_of(schedule_, kind, x.context(), t, x.columns(),
                                                           space.readings);
        return {x.context(), *parts_, space, readings, path_};
    }
    template <class Body>
    void chunks(const_view x, const Body& body) const {
        detail::for_mixture_chunks<real>(x.context(), parts_->count(), x.columns(), body);
    }
    void check(const char* where, const_view a, index_t columns, const_view b) const {
        require(a.rows() == dimension() && b.rows() == dimension() && a.columns() == columns, [&] {
            return std::string(where) + ": batches of " + digits_of(a.rows()) + " x " +
                   digits_of(a.columns()) + " and " + digits_of(b.rows()) + " rows, wanted dimension " +
                   digits_of(dimension()) + " and " + digits_of(columns) + " columns";
        });
    }

    Schedule schedule_;
    std::shared_ptr<const mixture_parts<Batch>> parts_;
    mixture_path path_ = mixture_path::automatic;
};

/// Returns the exact model of a data set that is smoothed with a Gaussian of standard deviation h: one
/// component for each column of `points`, d x K. @throws std::invalid_argument unless h^2 is positive.
template <class Real, class Context, class Schedule>
[[nodiscard]] gaussian_mixture<owning_batch<std::remove_const_t<Real>, Context>, Schedule> data_mixture(
    const Context& context, Schedule schedule, batch_view<Real, Context> points, double h) {
    const auto host = to_host(points);
    const auto count = static_cast<std::size_t>(points.columns());
    const std::vector<double> means(host.begin(), host.end());
    return {context, schedule, std::vector<double>(count, 1.0), means, std::vector<double>(count, h * h)};
}

} // namespace diamond
