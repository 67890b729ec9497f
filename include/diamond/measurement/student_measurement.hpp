/// The reward of a measurement whose noise is not known: its variance has a prior, and is integrated out.
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

namespace detail {
/// log(1 + x/b) for x >= 0 and b > 0, where x/b may be beyond the largest number: 1 is nothing beside it
/// then.
DIAMOND_HD inline double log_of_one_and_ratio(double x, double b) {
    const double ratio = x / b;
    return ratio < infinity ? std::log1p(ratio) : std::log(x) - std::log(b);
}
} // namespace detail

/// The inverse gamma law of a variance s^2, of density proportional to s^(-2 (shape + 1)) exp(-scale/s^2).
/// Its mean is scale/(shape - 1) for a shape above 1.
struct inverse_gamma {
    double shape = 2.0; ///< a > 0
    double scale = 1.0; ///< b > 0, in squared units of what is measured
};

/// The reward r(z) = -(a + m/2) log(1 + |A(z) - y|^2/(2 b)): the log-likelihood, up to its constant, of an
/// observation y = A(z) + s eps in R^m, eps ~ N(0, I), whose variance s^2 has the prior inverse_gamma{a, b}
/// and is integrated out: y - A(z) is a multivariate Student's t of 2 a degrees of freedom. Given z, s^2 has
/// the law inverse_gamma{a + m/2, b + |A(z) - y|^2/2}. Copies share y. (eq. student-measurement)
template <class Measurement>
class student_measurement_reward {
    static_assert(diagnose_measurement<Measurement>());

public:
    using batch_type = typename Measurement::batch_type;
    using value_type = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @param measurement is A. @param seen is y, m numbers. @param prior is that of s^2. @throws
    /// std::invalid_argument unless y has the measurement's m entries, all finite, and 0 < a, b < infinity.
    student_measurement_reward(const context_type& context, Measurement measurement,
                               const std::vector<value_type>& seen, inverse_gamma prior)
        : measurement_(std::move(measurement)), prior_(prior) {
        require(detail::count_of(seen) == outputs(), [&] {
            return "student_measurement_reward: " + digits_of(seen.size()) +
                   " numbers were seen, the measurement gives " + digits_of(outputs());
        });
        detail::require_finite("student_measurement_reward: seen", seen);
        require(prior.shape > 0.0 && std::isfinite(prior.shape) && prior.scale >= least_normal &&
                    std::isfinite(prior.scale),
                [&] {
                    return "student_measurement_reward: a prior of shape " + digits_of(prior.shape) +
                           " and scale " + digits_of(prior.scale) + ": both must be positive and finite";
                });
        seen_ = detail::share(context, outputs(), 1, seen);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(measurement_.dimension()); } ///< d
    /// Returns the measurement A: R^d -> R^m.
    [[nodiscard]] const Measurement& measurement() const { return measurement_; }
    /// Returns the prior of s^2.
    [[nodiscard]] inverse_gamma prior() const { return prior_; }

    /// Writes values[j] = r(z_j) for z d x n. @throws std::invalid_argument unless z has d rows.
    void operator()(const_view z, row_t<batch_type> values) {
        half_squares(z, values);
        const double power = posterior_shape();
        assign(values, -power * elementwise<detail::log_of_one_and_ratio>(values, prior_.scale));
    }
    /// Writes values[j] = (b + |A(z_j) - y|^2/2)/(a + m/2 - 1), the mean of s^2 given z_j and y, for z d x n:
    /// its mean over particles of the posterior is that of s^2 given y. @throws std::invalid_argument unless
    /// z has d rows, and where a + m/2 is at most 1, for which there is no mean.
    void noise_variance(const_view z, row_t<batch_type> values) {
        const double freedom = posterior_shape() - 1.0;
        require(freedom > 0.0, [&] {
            return "student_measurement_reward: noise_variance of a prior of shape " +
                   digits_of(prior_.shape) + " and " + digits_of(outputs()) +
                   " numbers: shape + numbers/2 must be above 1";
        });
        half_squares(z, values);
        assign(values, (values + prior_.scale) / freedom);
    }

    /// Writes out = (a + m/2)/(b + |A(z) - y|^2/2) (dA/dz)^T (y - A(z)), d x n. @throws std::invalid_argument
    /// unless z has d rows and out the shape of z.
    void gradient(const_view z, view out)
        requires differentiable_measurement<Measurement>
    {
        require_same_shape("student_measurement_reward: gradient", z, const_view(out));
        const view measured = measure(z);
        const auto& context = z.context();
        precision_.resize(context, 1, z.columns());
        const auto y = each_column(seen_->read_on(context));
        assign(row(precision_), column_sums(0.5 * square(measured - y)));
        // 1/(b + h) is finite for every b that is allowed; (a + m/2)/b need not be.
        assign(row(precision_), 1.0 / (prior_.scale + row(precision_)));
        assign(measured, posterior_shape() * (row(precision_) * (y - measured)));
        measurement_.vjp(z, const_view(measured), out);
    }

private:
    [[nodiscard]] index_t outputs() const { return static_cast<index_t>(measurement_.outputs()); }
    /// a + m/2
    [[nodiscard]] double posterior_shape() const {
        return prior_.shape + 0.5 * static_cast<double>(outputs());
    }
    void half_squares(const_view z, row_t<batch_type> values) {
        const view measured = measure(z);
        const auto y = each_column(seen_->read_on(z.context()));
        assign(values, column_sums(0.5 * square(measured - y)));
    }
    /// A(z), m x n, in working space.
    view measure(const_view z) {
        detail::require_rows("student_measurement_reward", dimension(), z);
        measured_.resize(z.context(), outputs(), z.columns());
        measurement_(z, measured_.mutable_view());
        return measured_;
    }

    Measurement measurement_;
    inverse_gamma prior_;
    std::shared_ptr<const batch_type> seen_;
    scratch<value_type, context_type> measured_;
    scratch<double, context_type> precision_;
};

} // namespace diamond
