/// The components of a Gaussian mixture, checked, on the host and in a context's memory. They never change, and models share them.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

/// How the variances of a mixture are given; each kind has its own cheapest products.
enum class mixture_kind {
    shared,    ///< one variance for all components and coordinates: a data set with a bandwidth
    isotropic, ///< one variance a component
    diagonal   ///< one variance a component and coordinate
};

/// Pointers to the components for functors: means d x K, variances 1 x K or d x K, log weights K.
struct mixture_view {
    const double *means, *variances, *log_weights;
    index_t       rows, count, variance_rows;

    [[nodiscard]] DIAMOND_HD double mean(index_t i, index_t k) const { return means[i + rows * k]; }
    [[nodiscard]] DIAMOND_HD double variance(index_t i, index_t k) const { return variance_rows == 1 ? variances[k] : variances[i + rows * k]; }
};

template <class Batch>
class mixture_parts {
public:
    using context_type = backend_of_t<Batch>;
    using real         = typename Batch::value_type;

    /// @param weights K numbers, not negative, normalised here.
    /// @param means d x K, column by column. @param variances K (isotropic) or d x K (diagonal), positive.
    /// @throws std::invalid_argument on shapes that do not fit, negative weights or none above 0, variances that are not
    /// positive, means that are not finite.
    mixture_parts(const context_type& context, std::vector<double> weights, std::vector<double> means, std::vector<double> variances)
        : weights_(std::move(weights)), means_(std::move(means)), variances_(std::move(variances)) {
        const std::size_t count = weights_.size();
        require(count > 0 && !means_.empty() && means_.size() % count == 0, [&] {
            return "a Gaussian mixture of " + digits_of(count) + " weights cannot have " + digits_of(means_.size()) +
                   " numbers as means: d x K are needed";
        });
        require(variances_.size() == count || variances_.size() == means_.size(), [&] {
            return "a Gaussian mixture of " + digits_of(count) + " components in dimension " + digits_of(means_.size() / count) + " has " +
                   digits_of(variances_.size()) + " variances: K or d x K are needed";
        });
        require_all("weight", "not negative", weights_, [](double w) { return w >= 0.0; });
        require_all("mean", "a number", means_, [](double) { return true; });
        require_all("variance", "positive", variances_, [](double v) { return v > 0.0; });
        const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
        require(total > 0.0 && total < infinity, [&] { return "a Gaussian mixture's weights sum to " + digits_of(total); });
        for (double& w : weights_) w /= total;
        dimension_ = static_cast<index_t>(means_.size() / count);
        const bool same = std::all_of(variances_.begin(), variances_.end(), [&](double v) { return v == variances_.front(); });
        kind_ = same ? mixture_kind::shared : variances_.size() == count ? mixture_kind::isotropic : mixture_kind::diagonal;
        if (same) variances_.resize(count);
        require_range();
        move_to(context);
    }

    [[nodiscard]] index_t                    dimension() const { return dimension_; }
    [[nodiscard]] index_t                    count() const { return static_cast<index_t>(weights_.size()); }
    [[nodiscard]] mixture_kind               kind() const { return kind_; }
    [[nodiscard]] const std::vector<double>& weights() const { return weights_; }
    [[nodiscard]] const std::vector<double>& means() const { return means_; }
    [[nodiscard]] const std::vector<double>& variances() const { return variances_; } ///< K, or d x K if diagonal
    [[nodiscard]] double                     variance(index_t i, index_t k) const {
        return variances_[static_cast<std::size_t>(kind_ == mixture_kind::diagonal ? i + dimension_ * k : k)];
    }

    [[nodiscard]] const context_type& context() const { return device_means_.context(); } ///< that they were made on
    /// For functors that `reader` runs.
    [[nodiscard]] mixture_view view_on(const context_type& reader) const {
        return {device_means_.read_on(reader).data(), device_variances_.data(), device_log_weights_.data(), dimension_, count(),
                device_variances_.rows()};
    }
    /// Inclusive sums of the weights, ending in 1, beside what view_on shows.
    [[nodiscard]] const double* cumulative() const { return device_cumulative_.data(); }
    /// |m_k|^2, there, too.
    [[nodiscard]] const double* square_norms() const { return device_norms_.data(); }
    /// d x K, in the batch's number type.
    [[nodiscard]] const Batch& real_means() const { return real_means_; }
    /// (d + 2) x K rows m_k, |m_k|^2, log w_k: a shared variance's logits are products with these at every time.
    [[nodiscard]] const Batch& shared_logits() const { return shared_logits_; }

    /// Whether logits by products keep half the digits of the number type: they are differences of numbers up to |m|^2 / v.
    [[nodiscard]] bool precise() const { return precise_; }

private:
    template <class Test>
    static void require_all(const char* what, const char* wanted, const std::vector<double>& numbers, Test test) {
        for (std::size_t k = 0; k < numbers.size(); ++k)
            require(std::isfinite(numbers[k]) && test(numbers[k]), [&] {
                return "a Gaussian mixture's " + std::string(what) + " number " + digits_of(k) + " is " + digits_of(numbers[k]) +
                       ": it must be finite and " + wanted;
            });
    }

    /// Draws have a number type of their own.
    void require_range() const {
        constexpr double reach = 16.0; // deviations, beyond which no draw is
        const double     most = static_cast<double>(std::numeric_limits<real>::max()), finest = static_cast<double>(std::numeric_limits<real>::min());
        for (index_t k = 0; k < count(); ++k)
            for (index_t i = 0; i < dimension_; ++i) {
                const double m = means_[static_cast<std::size_t>(i + dimension_ * k)], deviation = std::sqrt(variance(i, k));
                require(std::abs(m) + reach * deviation <= most && deviation >= finest, [&] {
                    return "a Gaussian mixture's component " + digits_of(k) + " of mean " + digits_of(m) + " and deviation " + digits_of(deviation) +
                           " has draws outside the range of the batch's type, " + digits_of(finest) + " to " + digits_of(most) + ": choose another unit";
                });
            }
    }

    void move_to(const context_type& context) {
        std::vector<double> log_weights(weights_.size()), cumulative(weights_.size()), norms(weights_.size());
        // A weight of 0 must not make a product infinite: exp of this is 0, and it is a float.
        constexpr double log_zero = -1e30;
        std::transform(weights_.begin(), weights_.end(), log_weights.begin(), [](double w) { return w > 0.0 ? std::log(w) : log_zero; });
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
        const double least  = *std::min_element(variances_.begin(), variances_.end());
        const double widest = *std::max_element(norms.begin(), norms.end());
        const double most   = static_cast<double>(std::numeric_limits<real>::max());
        // Squares of states and inverse variances, with room for thousands of coordinates and deviations, are numbers of the type.
        constexpr double margin = 0x1p20;
        const bool       fits = margin * (widest + *std::max_element(variances_.begin(), variances_.end())) <= most && margin / least <= most;
        precise_              = fits && widest / least * std::sqrt(static_cast<double>(std::numeric_limits<real>::epsilon())) <= 1.0;

        device_means_       = from_host<double>(context, dimension_, count(), means_);
        device_variances_   = from_host<double>(context, kind_ == mixture_kind::diagonal ? dimension_ : 1, count(), variances_);
        device_log_weights_ = from_host<double>(context, 1, count(), log_weights);
        device_cumulative_  = from_host<double>(context, 1, count(), cumulative);
        device_norms_       = from_host<double>(context, 1, count(), norms);
        real_means_         = from_host<real>(context, dimension_, count(), std::vector<real>(means_.begin(), means_.end()));
        if (kind_ == mixture_kind::shared) shared_logits_ = from_host<real>(context, dimension_ + 2, count(), logits);
    }

    std::vector<double>     weights_, means_, variances_;
    index_t                 dimension_ = 0;
    mixture_kind            kind_      = mixture_kind::diagonal;
    bool                    precise_   = false;
    rebind_t<Batch, double> device_means_, device_variances_, device_log_weights_, device_cumulative_, device_norms_;
    Batch                   real_means_, shared_logits_;
};

} // namespace diamond
