/// A measurement in units of its noise: how noise of each output's own deviation is told to every method.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <diamond/concepts/measurement.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/singular_vectors.hpp>
#include <diamond/reward/detail/parameters.hpp>

namespace diamond {

/// The measurement A(z)_k / s_k, whose noise is N(0, I) where that of A is N(0, diag(s^2)). Copies share s.
template <class Measurement>
class whitened_measurement {
    static_assert(diagnose_measurement<Measurement>());

public:
    using batch_type = typename Measurement::batch_type;
    using value_type = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @param measurement is A. @param deviations is s, m numbers. @throws std::invalid_argument unless there
    /// are m of them, each above 0 and finite, and 1/s^2 too.
    whitened_measurement(const context_type& context, Measurement measurement,
                         const std::vector<double>& deviations)
        : measurement_(std::move(measurement)) {
        require(detail::count_of(deviations) == outputs(), [&] {
            return "whitened_measurement: " + digits_of(deviations.size()) +
                   " standard deviations, the measurement gives " + digits_of(outputs());
        });
        detail::require_each("whitened_measurement: deviations", deviations, "positive and finite",
                             [](double s) { return s > 0.0 && s < infinity && 1.0 / (s * s) < infinity; });
        std::vector<double> inverse;
        for (const double s : deviations) inverse.push_back(1.0 / s);
        on_host_ = std::make_shared<const std::vector<double>>(inverse);
        inverse_ = detail::share(context, outputs(), 1, inverse);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(measurement_.dimension()); } ///< d
    [[nodiscard]] index_t outputs() const { return static_cast<index_t>(measurement_.outputs()); }     ///< m

    /// Writes A(z)_k / s_k, d x n to m x n. @throws as A does.
    void operator()(const_view z, view out) {
        measurement_(z, out);
        assign(out, each_column(inverse_->read_on(z.context())) * out);
    }
    /// Writes (dA/dz)^T (cotangent / s), m x n to d x n. @throws as A does.
    void vjp(const_view z, const_view cotangent, view out)
        requires differentiable_measurement<Measurement>
    {
        scaled_.resize(z.context(), cotangent.rows(), cotangent.columns());
        assign(scaled_, each_column(inverse_->read_on(z.context())) * cotangent);
        measurement_.vjp(z, scaled_.read(), out);
    }
    /// The singular vectors: those of A, of values 1/s_k.
    [[nodiscard]] diamond::singular_vectors<batch_type> singular_vectors(const context_type& context) const
        requires selecting_measurement<Measurement> && measurement_with_singular_vectors<Measurement>
    {
        auto of = measurement_.singular_vectors(context);
        return {context, of.left(), of.right(), *on_host_};
    }

private:
    Measurement measurement_;
    std::shared_ptr<const std::vector<double>> on_host_; ///< 1/s
    std::shared_ptr<const rebind_t<batch_type, double>> inverse_;
    scratch<value_type, context_type> scaled_;
};

/// Returns the reward -sum_k (A(z)_k - y_k)^2 / (2 s_k^2) of an observation y with noise of deviation s_k in
/// output k, for every method that takes a gaussian_measurement_reward. @param seen is y, @param deviations
/// is s, m numbers each. @throws std::invalid_argument as whitened_measurement and
/// gaussian_measurement_reward do.
template <class Measurement>
[[nodiscard]] gaussian_measurement_reward<whitened_measurement<Measurement>> whitened_measurement_reward(
    const backend_of_t<typename Measurement::batch_type>& context, Measurement measurement,
    const std::vector<typename Measurement::batch_type::value_type>& seen,
    const std::vector<double>& deviations) {
    whitened_measurement<Measurement> whitened{context, std::move(measurement), deviations};
    auto in_units = seen;
    for (std::size_t k = 0; k < in_units.size() && k < deviations.size(); ++k)
        in_units[k] = static_cast<typename Measurement::batch_type::value_type>(
            static_cast<double>(in_units[k]) / deviations[k]);
    return {context, std::move(whitened), in_units, 1.0};
}

} // namespace diamond
