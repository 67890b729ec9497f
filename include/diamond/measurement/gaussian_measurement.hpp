/// The Gaussian measurement reward: the log-likelihood of an observation y = A(z) + noise.
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/concepts/reward.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

/// The reward r(z) = -|A(z) - y|^2 / (2 s^2): the log-likelihood, up to its constant, of an observation y =
/// A(z) + s eps in R^m, eps ~ N(0, I). Copies share y.
template <class Measurement>
class gaussian_measurement_reward {
    static_assert(diagnose_measurement<Measurement>());

public:
    using batch_type = typename Measurement::batch_type;
    using value_type = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @param measurement is A. @param seen is y, m numbers. @param standard_deviation is s.
    /// @throws std::invalid_argument unless y has the measurement's m entries, all finite, and 0 < s <
    /// infinity.
    gaussian_measurement_reward(const context_type& context, Measurement measurement,
                                const std::vector<value_type>& seen, double standard_deviation)
        : measurement_(std::move(measurement)), precision_(1.0 / square(standard_deviation)) {
        require(detail::count_of(seen) == outputs(), [&] {
            return "gaussian_measurement_reward: " + digits_of(seen.size()) +
                   " numbers were seen, the measurement gives " + digits_of(outputs());
        });
        detail::require_finite("gaussian_measurement_reward: seen", seen);
        require(standard_deviation > 0.0 && std::isfinite(standard_deviation) && std::isfinite(precision_),
                [&] {
                    return "gaussian_measurement_reward: standard deviation " +
                           digits_of(standard_deviation) + " must be positive and finite";
                });
        seen_ = detail::share(context, outputs(), 1, seen);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(measurement_.dimension()); } ///< d
    /// Returns the measurement A: R^d -> R^m.
    [[nodiscard]] const Measurement& measurement() const { return measurement_; }

    /// Returns y, m x 1, for work on a context. @throws std::invalid_argument as read_on does.
    [[nodiscard]] const_view seen(const context_type& context) const { return seen_->read_on(context); }
    /// Returns the precision 1/s^2 of the noise of each output.
    [[nodiscard]] double precision() const { return precision_; }

    /// Writes values[j] = r(z_j) for z d x n. @throws std::invalid_argument unless z has d rows.
    void operator()(const_view z, row_t<batch_type> values) {
        const view measured = measure(z);
        const auto y = each_column(seen(z.context()));
        assign(values, column_sums(-0.5 * precision_ * square(measured - y)));
    }

    /// Writes out = (dA/dz)^T (y - A(z)) / s^2, d x n. @throws std::invalid_argument unless z has d rows and
    /// out the shape of z.
    void gradient(const_view z, view out)
        requires differentiable_measurement<Measurement>
    {
        require_same_shape("gaussian_measurement_reward: gradient", z, out);
        const view measured = measure(z);
        assign(measured, precision_ * (each_column(seen(z.context())) - measured));
        measurement_.vjp(z, const_view(measured), out);
    }

    /// The reward as a quadratic form: a coordinate that is seen as y_k has curvature 1/s^2 and slope
    /// y_k/s^2, their sums where it is seen more than once, and the others have 0. @throws
    /// std::invalid_argument unless the measurement's coordinates() are m places in [0, d).
    [[nodiscard]] diamond::quadratic_form quadratic_form() const
        requires selecting_measurement<Measurement>
    {
        const auto d = static_cast<std::size_t>(dimension());
        const auto y = to_host(*seen_);
        const std::vector<index_t> coordinates = measurement_.coordinates();
        require(coordinates.size() == y.size(), [&] {
            return "gaussian_measurement_reward: coordinates() of the measurement has " +
                   digits_of(coordinates.size()) + " entries, outputs() says " + digits_of(y.size());
        });
        detail::require_each("gaussian_measurement_reward: coordinates()", coordinates,
                             "a row of the sample, from 0 to dimension() - 1",
                             [&](index_t i) { return i >= 0 && i < dimension(); });
        diamond::quadratic_form form{0.0, std::vector<double>(d, 0.0), std::vector<double>(d, 0.0)};
        for (std::size_t k = 0; k < y.size(); ++k) {
            const auto i = static_cast<std::size_t>(coordinates[k]);
            form.curvature[i] += precision_;
            form.linear[i] += precision_ * static_cast<double>(y[k]);
            form.constant -= 0.5 * precision_ * square(static_cast<double>(y[k]));
        }
        return form;
    }

private:
    [[nodiscard]] index_t outputs() const { return static_cast<index_t>(measurement_.outputs()); }

    /// A(z), m x n, in working space.
    view measure(const_view z) {
        detail::require_rows("gaussian_measurement_reward", dimension(), z);
        measured_.resize(z.context(), outputs(), z.columns());
        measurement_(z, measured_.mutable_view());
        return measured_;
    }

    Measurement measurement_;
    std::shared_ptr<const batch_type> seen_;
    double precision_;
    scratch<value_type, context_type> measured_;
};

} // namespace diamond
