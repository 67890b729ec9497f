/// These are the components of a Gaussian mixture: checked, on the host and in a context's memory, with their
/// moments and what they become under a quadratic reward.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/row.hpp>
#include <diamond/oracle/tilt.hpp>

namespace diamond {

/// The kind says how the variances of a mixture are given; each kind has its own cheapest products.
enum class mixture_kind {
    shared,    ///< one variance for all components and coordinates: a data set with a bandwidth
    isotropic, ///< one variance a component
    diagonal   ///< one variance a component and coordinate
};

/// These are views of the components for functors: i is a coordinate, k a component.
template <class Context>
struct mixture_view {
    batch_view<const double, Context> means;     ///< d x K
    batch_view<const double, Context> variances; ///< 1 x K, or d x K where they differ between coordinates
    row_view<const double, Context> log_weights; ///< K

    [[nodiscard]] DIAMOND_HD index_t rows() const { return means.rows(); }
    /// The number of components K.
    [[nodiscard]] DIAMOND_HD index_t count() const { return means.columns(); }
    /// Coordinate i of the mean of component k.
    [[nodiscard]] DIAMOND_HD double mean(index_t i, index_t k) const { return means(i, k); }
    /// The variance of coordinate i in component k.
    [[nodiscard]] DIAMOND_HD double variance(index_t i, index_t k) const {
        return variances(variances.rows() == 1 ? 0 : i, k);
    }
};

/// These are the K components of a mixture in dimension d. They never change, and copies of a model share
/// them.
template <class Batch>
class mixture_parts {
public:
    using context_type = backend_of_t<Batch>;
    using real = typename Batch::value_type;

    /// @param weights K numbers, not negative, which are normalised here.
    /// @param means d x K, column by column.
    /// @param variances K (isotropic) or d x K (diagonal), positive.
    /// @throws std::invalid_argument on shapes that do not fit, weights that are negative or all 0, variances
    /// that are not positive, numbers that are not finite, and where draws would leave the range of the
    /// batch's number type.
    mixture_parts(const context_type& context, std::vector<double> weights, std::vector<double> means,
                  std::vector<double> variances)
        : weights_(std::move(weights)), means_(std::move(means)), variances_(std::move(variances)) {
        const std::size_t count = weights_.size();
        require(count > 0 && !means_.empty() && means_.size() % count == 0, [&] {
            return "a Gaussian mixture of " + digits_of(count) + " weights cannot have " +
                   digits_of(means_.size()) + " numbers as means: d x K are needed";
        });
        require(variances_.size() == count || variances_.size() == means_.size(), [&] {
            return "a Gaussian mixture of " + digits_of(count) + " components in dimension " +
                   digits_of(means_.size() / count) + " has " + digits_of(variances_.size()) +
                   " variances: K or d x K are needed";
        });
        require_all("weight", "not negative", weights_, [](double w) { return w >= 0.0; });
        require_all("mean", "a number", means_, [](double) { return true; });
        require_all("variance", "positive", variances_, [](double v) { return v > 0.0; });
        const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
        require(total > 0.0 && total < infinity,
                [&] { return "a Gaussian mixture's weights sum to " + digits_of(total); });
        for (double& w : weights_) w /= total;
        dimension_ = static_cast<index_t>(means_.size() / count);
        const bool same = std::all_of(variances_.begin(), variances_.end(),
                                      [&](double v) { return v == variances_.front(); });
        kind_ = same                       ? mixture_kind::shared
              : variances_.size() == count ? mixture_kind::isotropic
                                           : mixture_kind::diagonal;
        if (same) variances_.resize(count);
        require_range();
        move_to(context);
    }

    [[nodiscard]] index_t dimension() const { return dimension_; }
    /// The number of components K.
    [[nodiscard]] index_t count() const { return static_cast<index_t>(weights_.size()); }
    /// Says whether the components share one variance, have one each, or one for each coordinate.
    [[nodiscard]] mixture_kind kind() const { return kind_; }
    /// The weights, K numbers whose sum is 1.
    [[nodiscard]] const std::vector<double>& weights() const { return weights_; }
    [[nodiscard]] const std::vector<double>& means() const { return means_; } ///< d x K, column by column
    /// Returns K variances, or d x K, column by column, if diagonal.
    [[nodiscard]] const std::vector<double>& variances() const { return variances_; }
    /// Returns the variance of coordinate i in component k.
    [[nodiscard]] double variance(index_t i, index_t k) const {
        return variances_[static_cast<std::size_t>(kind_ == mixture_kind::diagonal ? i + dimension_ * k : k)];
    }

    /// Returns the context that the components were made on.
    [[nodiscard]] const context_type& context() const { return device_means_.context(); }

    /// Returns the components for functors that `reader` runs.
    /// @throws std::invalid_argument where they are in a device's memory and `reader` is not the context that
    /// they were made on.
    [[nodiscard]] mixture_view<context_type> view_on(const context_type& reader) const {
        return {device_means_.read_on(reader), device_variances_.read_on(reader),
                row(device_log_weights_.read_on(reader))};
    }
    /// Returns inclusive sums of the weights, K, which end in 1. @throws std::invalid_argument as view_on
    /// does.
    [[nodiscard]] row_view<const double, context_type> cumulative_on(const context_type& reader) const {
        return row(device_cumulative_.read_on(reader));
    }
    /// Returns |m_k|^2, 1 x K. @throws std::invalid_argument as view_on does.
    [[nodiscard]] batch_view<const double, context_type> square_norms_on(const context_type& reader) const {
        return device_norms_.read_on(reader);
    }
    /// Returns the means, d x K, in the batch's number type. @throws std::invalid_argument as view_on does.
    [[nodiscard]] const_view_t<Batch> real_means_on(const context_type& reader) const {
        return real_means_.read_on(reader);
    }
    /// Returns the (d + 2) x K matrix with the rows m_k, |m_k|^2, log w_k, for mixture_kind::shared alone:
    /// their logits are products with this matrix at every time. @throws std::invalid_argument as view_on
    /// does.
    [[nodiscard]] const_view_t<Batch> shared_logits_on(const context_type& reader) const {
        return shared_logits_.read_on(reader);
    }

    /// Returns true where logits by products keep half the digits of the number type: they are differences of
    /// numbers up to |m|^2 / v.
    [[nodiscard]] bool precise() const { return precise_; }

private:
    template <class Test>
    static void require_all(const char* what, const char* wanted, const std::vector<double>& numbers,
                            Test test) {
        for (std::size_t k = 0; k < numbers.size(); ++k)
            require(std::isfinite(numbers[k]) && test(numbers[k]), [&] {
                return "a Gaussian mixture's " + std::string(what) + " number " + digits_of(k) + " is " +
                       digits_of(numbers[k]) + ": it must be finite and " + wanted;
            });
    }

    /// Refuses means and deviations whose draws the batch's number type does not hold.
    void require_range() const {
        constexpr double reach = 16.0; // deviations; no draw lies beyond
        const double most = static_cast<double>(std::numeric_limits<real>::max());
        const double finest = static_cast<double>(std::numeric_limits<real>::min());
        for (index_t k = 0; k < count(); ++k)
            for (index_t i = 0; i < dimension_; ++i) {
                const double m = means_[static_cast<std::size_t>(i + dimension_ * k)],
                             deviation = std::sqrt(variance(i, k));
                require(std::abs(m) + reach * deviation <= most && deviation >= finest, [&] {
                    return "a Gaussian mixture's component " + digits_of(k) + " of mean " + digits_of(m) +
                           " and deviation " + digits_of(deviation) +
                           " has draws outside the range of the batch's type, " + digits_of(finest) + " to " +
                           digits_of(most) + ": choose another unit";
                });
            }
    }

    void move_to(const context_type& context) {
        std::vector<double> log_weights(weights_.size()), cumulative(weights_.size()), norms(weights_.size());
        // A weight of 0 must not make a product infinite: exp of this is 0, and it is a float.
        constexpr double log_zero = -1e30;
        std::transform(weights_.begin(), weights_.end(), log_weights.begin(),
                       [](double w) { return w > 0.0 ? std::log(w) : log_zero; });
        std::partial_sum(weights_.begin(), weights_.end(), cumulative.begin());
        cumulative.back() = 1.0;
        std::vector<real> logits;
        for (std::size_t k = 0; k < weights_.size(); ++k) {
            const auto d = static_cast<std::size_t>(dimension_);
            for (std::size_t i = 0; i < d; ++i) {
                norms[k] += square(means_[i + d * k]);
                logits.push_back(static_cast<real>(means_[i + d * k]));
            }
            logits.push_back(static_cast<real>(norms[k]));
            logits.push_back(static_cast<real>(log_weights[k]));
        }
        const double least = *std::min_element(variances_.begin(), variances_.end());
        const double widest = *std::max_element(norms.begin(), norms.end());
        const double most = static_cast<double>(std::numeric_limits<real>::max());
        // Squares of states and inverse variances are numbers of the type, with a margin for thousands of
        // coordinates and deviations.
        constexpr double margin = 0x1p20;
        const double most_variance = *std::max_element(variances_.begin(), variances_.end());
        const bool fits = margin * (widest + most_variance) <= most && margin / least <= most;
        precise_ = fits &&
                   widest / least * std::sqrt(static_cast<double>(std::numeric_limits<real>::epsilon())) <=
                       1.0;

        device_means_ = from_host<double>(context, dimension_, count(), means_);
        device_variances_ = from_host<double>(context, kind_ == mixture_kind::diagonal ? dimension_ : 1,
                                              count(), variances_);
        device_log_weights_ = from_host<double>(context, 1, count(), log_weights);
        device_cumulative_ = from_host<double>(context, 1, count(), cumulative);
        device_norms_ = from_host<double>(context, 1, count(), norms);
        real_means_ = from_host<real>(context, dimension_, count(),
                                      std::vector<real>(means_.begin(), means_.end()));
        if (kind_ == mixture_kind::shared)
            shared_logits_ = from_host<real>(context, dimension_ + 2, count(), logits);
    }

    std::vector<double> weights_, means_, variances_;
    index_t dimension_ = 0;
    mixture_kind kind_ = mixture_kind::diagonal;
    bool precise_ = false;
    rebind_t<Batch, double> device_means_, device_variances_, device_log_weights_, device_cumulative_,
        device_norms_;
    Batch real_means_, shared_logits_;
};

namespace detail {

/// Returns E z, d numbers: sum_k w_k m_k.
template <class Batch>
[[nodiscard]] std::vector<double> mixture_mean(const mixture_parts<Batch>& parts) {
    const auto d = static_cast<std::size_t>(parts.dimension());
    std::vector<double> mean(d);
    for (std::size_t k = 0; k < parts.weights().size(); ++k)
        for (std::size_t i = 0; i < d; ++i) mean[i] += parts.weights()[k] * parts.means()[i + d * k];
    return mean;
}

/// Returns Cov[z], d x d: sum_k w_k [diag(v_k) + (m_k - mean)(m_k - mean)^T].
template <class Batch>
[[nodiscard]] std::vector<double> mixture_covariance(const mixture_parts<Batch>& parts) {
    const auto d = static_cast<std::size_t>(parts.dimension());
    const std::vector<double> mean = mixture_mean(parts);
    std::vector<double> covariance(d * d);
    for (std::size_t k = 0; k < parts.weights().size(); ++k)
        for (std::size_t j = 0; j < d; ++j) {
            const double weight = parts.weights()[k], centred = parts.means()[j + d * k] - mean[j];
            for (std::size_t i = 0; i < d; ++i)
                covariance[i + d * j] += weight * centred * (parts.means()[i + d * k] - mean[i]);
            covariance[j + d * j] += weight *
                                     parts.variance(static_cast<index_t>(j), static_cast<index_t>(k));
        }
    return covariance;
}

/// These are the components of p^r and log Z. Isotropic components stay isotropic under an isotropic
/// curvature.
struct tilted_components {
    std::vector<double> weights, means, variances;
    double log_z = 0.0;

    /// @throws std::invalid_argument where the form does not fit the dimension, or the tilted density has no
    /// integral.
    template <class Batch>
    tilted_components(const mixture_parts<Batch>& parts, const quadratic_form& reward)
        : weights(parts.weights()), means(parts.means()) {
        const index_t d = parts.dimension();
        const quadratic_form form = filled_form(reward, d);
        const auto& q = form.curvature;
        const bool flat = std::all_of(q.begin(), q.end(), [&](double value) { return value == q.front(); });
        const bool isotropic = flat && parts.kind() != mixture_kind::diagonal;
        variances.reserve(isotropic ? weights.size() : means.size());
        std::vector<double> log_shares(weights.size());
        for (index_t k = 0; k < parts.count(); ++k) {
            log_shares[static_cast<std::size_t>(k)] = std::log(weights[static_cast<std::size_t>(k)]);
            for (index_t i = 0; i < d; ++i) {
                const auto l = static_cast<std::size_t>(i);
                double& mean = means[static_cast<std::size_t>(i + d * k)];
                const tilted_coordinate part(mean, parts.variance(i, k), form.linear[l], q[l]);
                mean = part.mean;
                log_shares[static_cast<std::size_t>(k)] += part.log_integral;
                if (!isotropic || i == 0) variances.push_back(part.variance);
            }
        }
        const double high = *std::max_element(log_shares.begin(), log_shares.end());
        double total = 0.0;
        for (std::size_t k = 0; k < weights.size(); ++k) total += weights[k] = std::exp(log_shares[k] - high);
        log_z = form.constant + high + std::log(total);
    }
};

} // namespace detail
} // namespace diamond
