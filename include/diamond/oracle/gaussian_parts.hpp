/// A Gaussian's mean and covariance in the basis of its eigenvectors, where everything about it is elementwise.
#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/oracle/reading.hpp>
#include <diamond/oracle/symmetric_eigen.hpp>

namespace diamond {

/// U^T mu and the eigenvalues of C, for functors.
struct gaussian_view {
    const double *mean, *spread;
    index_t      rows;
};

template <class Batch>
class gaussian_parts {
public:
    using context_type = backend_of_t<Batch>;
    using real         = typename Batch::value_type;

    /// @throws std::invalid_argument unless mean has d numbers and covariance is d x d, symmetric and positive definite.
    gaussian_parts(const context_type& context, std::vector<double> mean, std::vector<double> covariance)
        : mean_(std::move(mean)), covariance_(std::move(covariance)), eigen_(context, covariance_, static_cast<index_t>(mean_.size())) {
        require(!mean_.empty(), "a Gaussian needs a mean of at least one coordinate");
        for (const double m : mean_) require(std::isfinite(m), [&] { return "a Gaussian's mean has " + digits_of(m) + " as a coordinate: it must be finite"; });
        require_range();
        const index_t d = dimension();
        basis_          = from_host<real>(context, d, d, std::vector<real>(eigen_.vectors.begin(), eigen_.vectors.end()));
        device_mean_    = from_host<double>(context, d, 1, eigen_.rotated(mean_));
        device_spread_  = from_host<double>(context, d, 1, eigen_.values);
    }

    [[nodiscard]] index_t                        dimension() const { return static_cast<index_t>(mean_.size()); }
    [[nodiscard]] const std::vector<double>&     mean() const { return mean_; }
    [[nodiscard]] const std::vector<double>&     covariance() const { return covariance_; } ///< d x d
    [[nodiscard]] const detail::covariance_eigen& eigen() const { return eigen_; }
    [[nodiscard]] const context_type&            context() const { return basis_.context(); } ///< that it was made on
    /// For functors that `reader` runs.
    [[nodiscard]] gaussian_view view_on(const context_type& reader) const {
        return {device_mean_.read_on(reader).data(), device_spread_.read_on(reader).data(), dimension()};
    }

    /// out = U^T x, by the context of out.
    void rotate(const_view_t<Batch> x, view_t<Batch> out) const { rotate(transpose::yes, x, out); }
    /// out = U y, by the context of out.
    void rotate_back(const_view_t<Batch> y, view_t<Batch> out) const { rotate(transpose::no, y, out); }

private:
    void rotate(transpose op, const_view_t<Batch> x, view_t<Batch> out) const {
        out.context().product(op, basis_.read_on(out.context()), x, out);
    }

    /// Draws have a number type of their own.
    void require_range() const {
        constexpr double reach = 16.0; // deviations, beyond which no draw is
        const double     most  = static_cast<double>(std::numeric_limits<real>::max()), wide = reach * std::sqrt(eigen_.values.back());
        for (const double m : mean_)
            require(std::abs(m) + wide <= most, [&] {
                return "a Gaussian of mean " + digits_of(m) + " and deviation " + digits_of(wide / reach) + " has draws beyond " + digits_of(most) +
                       ", the largest number of the batch's type: choose another unit";
            });
        const double least = std::sqrt(eigen_.values.front()), finest = static_cast<double>(std::numeric_limits<real>::min());
        require(least >= finest, [&] {
            return "a Gaussian of deviation " + digits_of(least) + " has draws below " + digits_of(finest) +
                   ", the least number of the batch's type: choose another unit";
        });
    }

    std::vector<double>     mean_, covariance_;
    detail::covariance_eigen eigen_;
    Batch                   basis_;
    rebind_t<Batch, double> device_mean_, device_spread_;
};

namespace detail {

/// The reading of y = U^T x in place of y.
template <class Real>
struct gaussian_read {
    gaussian_view     parts;
    gaussian_readings at;
    Real*             y;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real&        value = y[i + parts.rows * j];
        const double v     = parts.spread[i];
        value = static_cast<Real>(at[j].mean_weight(v) * parts.mean[i] + at[j].state_weight(v) * static_cast<double>(value));
    }
};
/// The reading's Jacobian times w = U^T(tangent) in place of w.
template <class Real>
struct gaussian_product {
    gaussian_view     parts;
    gaussian_readings at;
    Real*             w;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real& value = w[i + parts.rows * j];
        value       = static_cast<Real>(at[j].state_weight(parts.spread[i]) * static_cast<double>(value));
    }
};
/// A coordinate's share of log p_t.
template <class Real>
struct gaussian_density_term {
    gaussian_view     parts;
    gaussian_readings at;
    const Real*       y;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        const double total = at[j].total(parts.spread[i]);
        return -0.5 * (square(static_cast<double>(y[i + parts.rows * j]) - at[j].alpha * parts.mean[i]) / total + std::log(2.0 * pi * total));
    }
};
struct gaussian_trace_term {
    gaussian_view     parts;
    gaussian_readings at;
    DIAMOND_HD double operator()(index_t i, index_t j) const { return at[j].state_weight(parts.spread[i]); }
};
/// mu + sqrt(v) eps in place of eps.
template <class Real>
struct gaussian_draw {
    gaussian_view parts;
    Real*         e;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real& value = e[i + parts.rows * j];
        value       = static_cast<Real>(parts.mean[i] + std::sqrt(parts.spread[i]) * static_cast<double>(value));
    }
};
/// out = sum of a particle's `samples` columns of x.
template <class Real, class View>
struct sum_samples {
    View    x;
    index_t samples;
    Real*   out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        double sum = 0.0;
        for (index_t l = 0; l < samples; ++l) sum += static_cast<double>(x(i, j * samples + l));
        out[i + x.rows() * j] = static_cast<Real>(sum);
    }
};
/// Posterior mean at y plus sigma sqrt(v/V) eps in place of eps.
template <class Real>
struct gaussian_posterior_draw {
    gaussian_view    parts;
    gaussian_reading denoiser;
    const Real*      y;
    index_t          samples;
    Real*            e;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real&        value = e[i + parts.rows * j];
        const double v     = parts.spread[i];
        const double mean  = denoiser.mean_weight(v) * parts.mean[i] + denoiser.state_weight(v) * static_cast<double>(y[i + parts.rows * (j / samples)]);
        value = static_cast<Real>(mean + std::sqrt(denoiser.variance * (v / denoiser.total(v))) * static_cast<double>(value));
    }
};

} // namespace detail
} // namespace diamond
