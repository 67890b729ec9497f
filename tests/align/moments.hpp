/// The moments by which draws of a tilted mixture are known: mean, covariance, component weights.
#pragma once

#include "cases.hpp"

namespace cases {

/// These are moments of the truth, or of weighted particles: the mean, the upper triangle of the second
/// moments about the true mean, and the component weights.
template <class Model>
class mixture_moments {
public:
    using batch_type = typename Model::batch_type;

    explicit mixture_moments(const Model& truth) : model_(truth), mean_(truth.mean()) {
        const auto covariance = truth.covariance();
        const auto d = static_cast<std::size_t>(truth.dimension());
        truth_ = mean_;
        for (std::size_t j = 0; j < d; ++j)
            for (std::size_t i = 0; i <= j; ++i) truth_.push_back(covariance[i + d * j]);
        const auto& weights = truth.components().weights();
        truth_.insert(truth_.end(), weights.begin(), weights.end());
    }
    [[nodiscard]] const std::vector<double>& truth() const { return truth_; }

    /// Returns the moments of each particle, a column of truth().size() numbers each; their weighted mean
    /// estimates the truth.
    [[nodiscard]] std::vector<std::vector<double>> of_each(const batch_type& particles) const {
        const auto d = static_cast<std::size_t>(model_.dimension());
        batch_type shares(particles.context(), model_.components().count(), particles.columns());
        auto space = model_.make_workspace(particles.context(), particles.columns());
        model_.responsibilities(particles, diamond::time_view(1.0), {}, space, shares.mutable_view());
        const auto x = diamond::to_host(particles), share = diamond::to_host(shares);
        const auto count = static_cast<std::size_t>(shares.rows());
        std::vector<std::vector<double>> result;
        for (std::size_t n = 0; n < static_cast<std::size_t>(particles.columns()); ++n) {
            std::vector<double> one;
            for (std::size_t i = 0; i < d; ++i) one.push_back(static_cast<double>(x[i + d * n]));
            for (std::size_t j = 0; j < d; ++j)
                for (std::size_t i = 0; i <= j; ++i) one.push_back((one[i] - mean_[i]) * (one[j] - mean_[j]));
            for (std::size_t k = 0; k < count; ++k) one.push_back(static_cast<double>(share[k + count * n]));
            result.push_back(std::move(one));
        }
        return result;
    }

private:
    Model model_;
    std::vector<double> mean_, truth_;
};

} // namespace cases
