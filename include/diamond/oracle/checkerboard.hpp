/// The checkerboard: density 1/32 on the 8 cells of [-4, 4]^2 where floor(x/2) + floor(y/2) is even. Section 9.
///
/// Models differentiable_velocity_field, velocity_field_with_density and scored_velocity_field, in dimension 2.
#pragma once

#include <string>
#include <utility>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/oracle/checkerboard_functors.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

/// The exact model of the checkerboard under a noise schedule.
///
/// x and out are 2 x N, times one value or one per column. At t = 1 it knows the inside of its cells: D = x, N = 0, score 0; log density
/// -inf outside. Every t < 1 is finite everywhere. @throws std::invalid_argument on batches of another dimension.
template <class Batch, class Schedule>
class checkerboard {
    static_assert(diagnose_schedule<Schedule>());

public:
    using batch_type    = Batch;
    using schedule_type = Schedule;
    using real          = typename Batch::value_type;
    using context_type  = backend_of_t<Batch>;
    using view          = view_t<Batch>;
    using const_view    = const_view_t<Batch>;

    struct workspace_type {};

    /// The context only tells the type of its batches: the model keeps nothing in its memory.
    checkerboard(const context_type&, Schedule schedule)
        : schedule_(detail::checked_schedule(std::move(schedule))) {}

    [[nodiscard]] index_t         dimension() const { return 2; }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] workspace_type  make_workspace(const context_type&, index_t) const { return {}; }

    /// u(x, t) = alpha' D + sigma' N.
    void operator()(const_view x, time_view t, no_condition, workspace_type&, view out) const { read(reading_kind::velocity, x, t, out); }
    /// D = E[z | x_t]: a mean of truncated normals over the cells.
    void denoiser(const_view x, time_view t, no_condition, workspace_type&, view out) const { read(reading_kind::denoiser, x, t, out); }
    /// N = E[eps | x_t].
    void noise(const_view x, time_view t, no_condition, workspace_type&, view out) const { read(reading_kind::noise, x, t, out); }
    /// grad log p_t = -N/sigma.
    void score(const_view x, time_view t, no_condition, workspace_type&, view out) const { read(reading_kind::score, x, t, out); }

    /// (du/dx) tangent, du/dx = alpha' alpha/sigma^2 Cov[z | x_t] + sigma'/sigma (I - alpha^2/sigma^2 Cov[z | x_t]).
    void jvp(const_view x, time_view t, no_condition, const_view tangent, workspace_type&, view out) const {
        check("checkerboard::jvp", x, tangent.columns(), out);
        x.context().for_each(x.columns(), detail::checkerboard_product<Schedule, real, const_view>{schedule_, t, x, tangent, out.data()});
    }
    /// cotangent^T (du/dx): du/dx is symmetric.
    void vjp(const_view x, time_view t, no_condition none, const_view cotangent, workspace_type& space, view out) const {
        jvp(x, t, none, cotangent, space, out);
    }
    /// out[j] = div u(x_j, t_j).
    void divergence(const_view x, time_view t, no_condition, workspace_type&, double* out) const {
        check("checkerboard::divergence", x, x.columns(), x);
        x.context().for_each(x.columns(), detail::checkerboard_divergence<Schedule, const_view>{schedule_, t, x, out});
    }
    /// out[j] = log p_t(x_j).
    void log_density(const_view x, time_view t, no_condition, workspace_type&, double* out) const {
        check("checkerboard::log_density", x, x.columns(), x);
        x.context().for_each(x.columns(), detail::checkerboard_density<Schedule, const_view>{schedule_, t, x, out});
    }

    /// Fills out, 2 x N, with draws from p_data.
    void draw(noise_stream stream, view out) const {
        check("checkerboard::draw", out, out.columns(), out);
        out.context().for_each(out.columns(), detail::checkerboard_draw<real>{stream, out.data()});
    }
    /// Draws z ~ p_{1|t}(. | x_t): M = stream.samples a particle, out 2 x (N M), draw i of particle j in column j M + i.
    ///
    /// Positions in a cell come from uniforms of `stream`, cells from stream.with(purpose::value_component) for values,
    /// purpose::component otherwise. The opposite of a draw is the same place from the cell's other side.
    void draw_posterior(const_view x_t, double t, no_condition, noise_stream stream, workspace_type&, view out) const {
        check("checkerboard::draw_posterior", out, x_t.columns() * stream.samples, x_t);
        out.context().for_each(out.columns(),
                               detail::checkerboard_posterior_draw<real, const_view>{level_at(schedule_, t), stream, detail::choices_of(stream), x_t, out.data()});
    }

private:
    void read(reading_kind kind, const_view x, time_view t, view out) const {
        check("checkerboard", x, out.columns(), out);
        x.context().for_each(x.columns(), detail::checkerboard_reading<Schedule, real, const_view>{schedule_, kind, t, x, out.data()});
    }
    void check(const char* where, const_view a, index_t columns, const_view b) const {
        require(a.rows() == 2 && b.rows() == 2 && a.columns() == columns, [&] {
            return std::string(where) + ": batches of " + digits_of(a.rows()) + " x " + digits_of(a.columns()) + " and " +
                   digits_of(b.rows()) + " rows, wanted dimension 2 and " + digits_of(columns) + " columns";
        });
    }

    Schedule schedule_;
};

} // namespace diamond
