/// For Gaussian data N(mu, C), C any covariance, there is an exact model whose maps have a closed form, too
/// (oracle/gaussian_maps.hpp).
///
/// In the basis of the eigenvectors of C everything about it is elementwise, so that the model's work is a
/// rotation, an expression and the rotation back. See (eq. gaussian-velocity), (eq. gaussian-posterior).
#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/oracle/gaussian_reading.hpp>
#include <diamond/oracle/operands.hpp>
#include <diamond/oracle/tilt.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/reward/detail/symmetric_eigen.hpp>
#include <diamond/schedule/check_schedule.hpp>

namespace diamond {

namespace detail {
/// These are U^T mu and the eigenvalues of C = U diag(v) U^T as operands of expressions: i is the
/// eigenvector.
template <class Context>
struct rotated_gaussian {
    element_of_vector<double, Context> mean, variance;
};
} // namespace detail

/// These are the parameters of a Gaussian: mu and C on the host, and what the eigenbasis of C needs in a
/// context's memory. They never change, and copies of a model share them.
template <class Batch>
class gaussian_parts {
public:
    using context_type = backend_of_t<Batch>;
    using real = typename Batch::value_type;

    /// @throws std::invalid_argument unless mean has d >= 1 finite numbers and covariance is d x d, symmetric
    /// and positive definite, and where draws would leave the range of the batch's number type.
    gaussian_parts(const context_type& context, std::vector<double> mean, std::vector<double> covariance)
        : mean_(std::move(mean)),
          covariance_(std::move(covariance)),
          eigen_(context, covariance_, static_cast<index_t>(mean_.size())) {
        require(!mean_.empty(), "a Gaussian needs a mean of at least one coordinate");
        for (const double m : mean_)
            require(std::isfinite(m), [&] {
                return "a Gaussian's mean has " + digits_of(m) + " as a coordinate: it must be finite";
            });
        require_range();
        const index_t d = dimension();
        basis_ = from_host<real>(context, d, d,
                                 std::vector<real>(eigen_.vectors.begin(), eigen_.vectors.end()));
        rotated_mean_ = from_host<double>(context, d, 1, eigen_.rotated(mean_));
        rotated_variance_ = from_host<double>(context, d, 1, eigen_.values);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(mean_.size()); }
    /// Returns the mean of the data, d numbers on the host.
    [[nodiscard]] const std::vector<double>& mean() const { return mean_; }
    /// Returns the d x d numbers, column by column.
    [[nodiscard]] const std::vector<double>& covariance() const { return covariance_; }
    /// Returns the eigenvalues and eigenvectors of the covariance, on the host.
    [[nodiscard]] const detail::covariance_eigen& eigen() const { return eigen_; }
    /// Returns the context that the parameters were made on.
    [[nodiscard]] const context_type& context() const { return basis_.context(); }
    /// Returns the parameters in the eigenbasis, for expressions that `reader` runs.
    /// @throws std::invalid_argument where they are in a device's memory and `reader` is not the context that
    /// they were made on.
    [[nodiscard]] detail::rotated_gaussian<context_type> view_on(const context_type& reader) const {
        return {{rotated_mean_.read_on(reader)}, {rotated_variance_.read_on(reader)}};
    }

    /// out = U^T x, by the context of out. @throws std::invalid_argument as view_on does.
    void rotate(const_view_t<Batch> x, view_t<Batch> out) const { rotate(transpose::yes, x, out); }
    /// out = U y, by the context of out. @throws std::invalid_argument as view_on does.
    void rotate_back(const_view_t<Batch> y, view_t<Batch> out) const { rotate(transpose::no, y, out); }

private:
    void rotate(transpose op, const_view_t<Batch> x, view_t<Batch> out) const {
        out.context().product(op, basis_.read_on(out.context()), x, out);
    }

    /// Refuses deviations and means whose draws the batch's number type does not hold.
    void require_range() const {
        constexpr double reach = 16.0; // deviations; no draw lies beyond
        const double most = static_cast<double>(std::numeric_limits<real>::max()),
                     wide = reach * std::sqrt(eigen_.values.back());
        for (const double m : mean_)
            require(std::abs(m) + wide <= most, [&] {
                return "a Gaussian of mean " + digits_of(m) + " and deviation " + digits_of(wide / reach) +
                       " has draws beyond " + digits_of(most) +
                       ", the largest number of the batch's type: choose another unit";
            });
        const double least = std::sqrt(eigen_.values.front()),
                     finest = static_cast<double>(std::numeric_limits<real>::min());
        require(least >= finest, [&] {
            return "a Gaussian of deviation " + digits_of(least) + " has draws below " + digits_of(finest) +
                   ", the least number of the batch's type: choose another unit";
        });
    }

    std::vector<double> mean_, covariance_;
    detail::covariance_eigen eigen_;
    Batch basis_;                                             // U, d x d
    rebind_t<Batch, double> rotated_mean_, rotated_variance_; // d x 1 each
};

namespace detail {

/// This is N(mu, C) times exp(constant + c . z - 1/2 z^T Q z), Q diagonal, and log Z, on the host.
///
/// With R = C^{1/2}, S = R Q R and g = c - Q mu the covariance is R (I + S)^{-1} R and the mean
/// mu + covariance g. No matrix is inverted that may be nearly singular.
struct tilted_gaussian {
    std::vector<double> mean, covariance;
    double log_z;

    /// @param mu the mean. @param c the decomposition of C. @throws std::invalid_argument if the tilted
    /// density has no integral.
    template <class Context>
    tilted_gaussian(const Context& context, const std::vector<double>& mu, const symmetric_eigen& c,
                    const quadratic_form& reward)
        : mean(mu) {
        const index_t d = c.d;
        const quadratic_form form = filled_form(reward, d);
        const auto at = [d](index_t i, index_t j) { return static_cast<std::size_t>(i + d * j); };
        std::vector<double> root_values(c.values);
        for (double& value : root_values) value = std::sqrt(value);
        const std::vector<double> root = c.compose(root_values);
        std::vector<double> weighted(root); // Q R
        for (index_t j = 0; j < d; ++j)
            for (index_t k = 0; k < d; ++k) weighted[at(k, j)] *= form.curvature[static_cast<std::size_t>(k)];
        const symmetric_eigen shape(context, multiply(root, weighted, d), d);
        std::vector<double> shrink(shape.values);
        log_z = form.constant;
        for (double& value : shrink) {
            require(1.0 + value > 0.0, [&] {
                return "a curvature that outweighs the covariance by " + digits_of(value) +
                       ": the tilted density has no integral";
            });
            log_z -= 0.5 * std::log1p(value);
            value = 1.0 / (1.0 + value);
        }
        const std::vector<double> middle = shape.compose(shrink);
        covariance = multiply(multiply(root, middle, d), root, d);
        std::vector<double> g(form.linear);
        for (index_t i = 0; i < d; ++i) {
            const auto k = static_cast<std::size_t>(i);
            log_z += form.linear[k] * mu[k] - 0.5 * form.curvature[k] * mu[k] * mu[k];
            g[k] -= form.curvature[k] * mu[k];
        }
        for (index_t j = 0; j < d; ++j)
            for (index_t i = 0; i < d; ++i) {
                const double step = covariance[at(i, j)] * g[static_cast<std::size_t>(j)];
                mean[static_cast<std::size_t>(i)] += step;
                log_z += 0.5 * g[static_cast<std::size_t>(i)] * step;
            }
    }
};

} // namespace detail

/// This is the workspace of a `gaussian`. It allocates in the first call, and again only for a larger batch
/// or another context.
template <class Batch>
struct gaussian_workspace {
    /// States and noise in the covariance's eigenvectors, d x N.
    scratch<typename Batch::value_type, backend_of_t<Batch>> rotated, noise;
    /// The coefficients at the times of the columns, where these differ.
    scratch<gaussian_reading, backend_of_t<Batch>> readings;
};

/// This is the exact model of Gaussian data under a noise schedule.
///
/// It models differentiable_velocity_field, velocity_field_with_density, scored_velocity_field and
/// velocity_field_with_denoiser. x and out are d x N, times one value or one per column; each call costs one
/// evaluation a column, two d x d products. At t = 0 and t = 1 everything takes its limit. Copies share the
/// parameters, and calls run on the context of their batches: several threads, each with a context of its
/// own, may call one const model; parameters in a device's memory serve the context that they were made on.
/// All calls throw std::invalid_argument on batches of another dimension and, on a device, of another
/// context.
template <class Batch, class Schedule>
class gaussian {
    static_assert(diagnose_schedule<Schedule>());

public:
    using batch_type = Batch;
    using schedule_type = Schedule;
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using workspace_type = gaussian_workspace<Batch>;

    /// @param mean d numbers. @param covariance d x d, column by column, symmetric and positive definite.
    /// @throws std::invalid_argument where they are not.
    gaussian(const context_type& context, Schedule schedule, std::vector<double> mean,
             std::vector<double> covariance)
        : schedule_(detail::checked_schedule(std::move(schedule))),
          parts_(std::make_shared<const gaussian_parts<Batch>>(context, std::move(mean),
                                                               std::move(covariance))) {}

    [[nodiscard]] index_t dimension() const { return parts_->dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    /// Mean, covariance and its eigenvectors, which copies share.
    [[nodiscard]] const gaussian_parts<Batch>& parts() const { return *parts_; }
    [[nodiscard]] workspace_type make_workspace(const context_type&, index_t) const { return {}; }
    /// The mean of the data, d numbers.
    [[nodiscard]] const std::vector<double>& mean() const { return parts_->mean(); }
    /// The covariance of the data, d x d numbers, column by column.
    [[nodiscard]] const std::vector<double>& covariance() const { return parts_->covariance(); }

    /// u(x, t) = alpha' mu + (alpha alpha' C + sigma sigma' I) V_t^{-1} (x - alpha mu), V_t = alpha^2
    /// C + sigma^2 I.
    void operator()(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        read(reading_kind::velocity, x, t, space, out);
    }
    /// D = E[z | x_t].
    void denoiser(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        read(reading_kind::denoiser, x, t, space, out);
    }
    /// N = E[eps | x_t] = sigma V_t^{-1} (x - alpha mu).
    void noise(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        read(reading_kind::noise, x, t, space, out);
    }
    /// grad log p_t = -V_t^{-1} (x - alpha mu).
    void score(const_view x, time_view t, no_condition, workspace_type& space, view out) const {
        read(reading_kind::score, x, t, space, out);
    }

    /// out = (du/dx) tangent; du/dx is the same at every x.
    void jvp(const_view x, time_view t, no_condition, const_view tangent, workspace_type& space,
             view out) const {
        product(reading_kind::velocity, x, t, tangent, space, out);
    }
    /// out = cotangent^T (du/dx), which is jvp: du/dx is symmetric.
    void vjp(const_view x, time_view t, no_condition none, const_view cotangent, workspace_type& space,
             view out) const {
        jvp(x, t, none, cotangent, space, out);
    }

    /// out = (dD/dx) tangent; dD/dx is the same at every x.
    void denoiser_jvp(const_view x, time_view t, no_condition, const_view tangent, workspace_type& space,
                      view out) const {
        product(reading_kind::denoiser, x, t, tangent, space, out);
    }
    /// out = cotangent^T (dD/dx), which is denoiser_jvp: dD/dx is symmetric.
    void denoiser_vjp(const_view x, time_view t, no_condition, const_view cotangent, workspace_type& space,
                      view out) const {
        product(reading_kind::denoiser, x, t, cotangent, space, out);
    }

    /// out[j] = div u(x_j, t_j), the same at every x.
    void divergence(const_view x, time_view t, no_condition, workspace_type& space,
                    row_t<batch_type> out) const {
        require_columns("gaussian::divergence", out, x.columns());
        const auto data = parts_->view_on(x.context());
        const auto slope = elementwise<detail::reading_slope>(at(reading_kind::velocity, x, t, space),
                                                              data.variance);
        assign(out, column_sums(slope));
    }
    /// out[j] = log p_t(x_j).
    void log_density(const_view x, time_view t, no_condition, workspace_type& space,
                     row_t<batch_type> out) const {
        check("gaussian::log_density", x, x.columns(), x);
        rotate(x, space.rotated);
        const auto readings = at(reading_kind::score, x, t, space);
        const auto data = parts_->view_on(x.context());
        const auto shares = elementwise<detail::noised_log_density>(readings, data.mean, data.variance,
                                                                    space.rotated);
        assign(out, column_sums(shares));
    }

    /// Fills out, d x N, with draws mu + C^{1/2} eps of the data, C^{1/2} the symmetric root.
    void draw(noise_stream stream, workspace_type& space, view out) const {
        check("gaussian::draw", out, out.columns(), out);
        rotated_noise(stream, space, out);
        const auto data = parts_->view_on(out.context());
        assign(space.noise, data.mean + sqrt(data.variance) * space.noise);
        parts_->rotate_back(space.noise.read(), out);
    }
    /// Draws data, d x N, as with a workspace of the call's own.
    void draw(noise_stream stream, view out) const {
        workspace_type space;
        draw(stream, space, out);
    }

    /// Draws z = E[z | x_t] + Cov[z | x_t]^{1/2} eps, M = stream.samples a particle: x_t is d x N, out
    /// d x (N M), and draw i of particle j is column j M + i. gaussian_diamond_map's X_{0,1} makes the same
    /// draws of the same noise.
    void draw_posterior(const_view x_t, double t, no_condition, noise_stream stream, workspace_type& space,
                        view out) const {
        check("gaussian::draw_posterior", out, x_t.columns() * stream.samples, x_t);
        rotate(x_t, space.rotated);
        rotated_noise(stream, space, out);
        const gaussian_readings denoiser = reading_at(schedule_, reading_kind::denoiser, t);
        const auto data = parts_->view_on(x_t.context());
        const auto x = repeated_column<real, context_type>{.x = space.rotated.read(),
                                                           .times = stream.samples};
        const auto mean = elementwise<detail::affine_reading>(denoiser, data.mean, data.variance, x);
        assign(space.noise,
               mean + sqrt(elementwise<detail::posterior_variance>(denoiser, data.variance)) * space.noise);
        parts_->rotate_back(space.noise.read(), out);
    }
    /// out, d x N, is the sum over a particle's draws of cotangent^T dz/dx_t, cotangent d x (N M);
    /// dz/dx_t = alpha C V_t^{-1} does not depend on the noise.
    void draw_posterior_vjp(const_view x_t, double t, no_condition, noise_stream stream, const_view cotangent,
                            workspace_type& space, view out) const {
        check("gaussian::draw_posterior_vjp", cotangent, x_t.columns() * stream.samples, out);
        const auto& context = x_t.context();
        space.noise.resize(context, dimension(), x_t.columns());
        sum_columns(cotangent, stream.samples, space.noise.mutable_view());
        rotate(space.noise.read(), space.rotated);
        multiply_by_slope(reading_at(schedule_, reading_kind::denoiser, t), space);
        parts_->rotate_back(space.rotated.read(), out);
    }

    /// Returns p^r for r(z) = constant + c . z - 1/2 sum_i q_i z_i^2, a Gaussian on the context that this one
    /// was made on, and log Z.
    /// @throws std::invalid_argument if it has no integral.
    [[nodiscard]] tilt<gaussian> tilted(const quadratic_form& reward) const {
        const detail::tilted_gaussian result(parts_->context(), parts_->mean(), parts_->eigen(), reward);
        return {gaussian(parts_->context(), schedule_, result.mean, result.covariance), result.log_z};
    }

private:
    void read(reading_kind kind, const_view x, time_view t, workspace_type& space, view out) const {
        check("gaussian", x, out.columns(), out);
        rotate(x, space.rotated);
        const auto readings = at(kind, x, t, space);
        const auto data = parts_->view_on(x.context());
        assign(space.rotated,
               elementwise<detail::affine_reading>(readings, data.mean, data.variance, space.rotated));
        parts_->rotate_back(space.rotated.read(), out);
    }
    void product(reading_kind kind, const_view x, time_view t, const_view tangent, workspace_type& space,
                 view out) const {
        check("gaussian::jvp", tangent, x.columns(), out);
        space.rotated.resize(x.context(), dimension(), x.columns());
        parts_->rotate(tangent, space.rotated);
        multiply_by_slope(at(kind, x, t, space), space);
        parts_->rotate_back(space.rotated.read(), out);
    }
    /// space.rotated becomes the Jacobian of the readings, which is diagonal in this basis, times
    /// space.rotated.
    void multiply_by_slope(const gaussian_readings& readings, workspace_type& space) const {
        const auto data = parts_->view_on(space.rotated.context());
        assign(space.rotated, elementwise<detail::reading_slope>(readings, data.variance) * space.rotated);
    }
    /// `rotated` = U^T x.
    void rotate(const_view x, scratch<real, context_type>& rotated) const {
        rotated.resize(x.context(), dimension(), x.columns());
        parts_->rotate(x, rotated);
    }
    /// space.noise = U^T eps, for which `eps` is overwritten with normals. In this basis a diagonal factor is
    /// a symmetric root.
    void rotated_noise(noise_stream stream, workspace_type& space, view eps) const {
        space.noise.resize(eps.context(), dimension(), eps.columns());
        draw_normal(stream, eps);
        parts_->rotate(eps, space.noise);
    }
    [[nodiscard]] gaussian_readings at(reading_kind kind, const_view x, time_view t,
                                       workspace_type& space) const {
        return detail::gaussian_readings_of(schedule_, kind, x.context(), t, x.columns(), space.readings);
    }
    void check(const char* where, const_view a, index_t columns, const_view b) const {
        require(a.rows() == dimension() && b.rows() == dimension() && a.columns() == columns, [&] {
            return std::string(where) + ": batches of " + digits_of(a.rows()) + " x " +
                   digits_of(a.columns()) + " and " + digits_of(b.rows()) + " rows, wanted dimension " +
                   digits_of(dimension()) + " and " + digits_of(columns) + " columns";
        });
    }

    Schedule schedule_;
    std::shared_ptr<const gaussian_parts<Batch>> parts_;
};

} // namespace diamond
