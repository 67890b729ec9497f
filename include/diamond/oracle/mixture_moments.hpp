/// What is known of a Gaussian mixture on the host: mean, covariance, and what it becomes under a quadratic reward.
#pragma once

#include <algorithm>

#include <diamond/oracle/mixture_parts.hpp>
#include <diamond/oracle/tilt.hpp>

namespace diamond::detail {

template <class Batch>
[[nodiscard]] std::vector<double> mixture_mean(const mixture_parts<Batch>& parts) {
    const auto          d = static_cast<std::size_t>(parts.dimension());
    std::vector<double> mean(d);
    for (std::size_t k = 0; k < parts.weights().size(); ++k)
        for (std::size_t i = 0; i < d; ++i) mean[i] += parts.weights()[k] * parts.means()[i + d * k];
    return mean;
}

/// d x d: sum_k w_k [diag(v_k) + (m_k - mean)(m_k - mean)^T].
template <class Batch>
[[nodiscard]] std::vector<double> mixture_covariance(const mixture_parts<Batch>& parts) {
    const auto                d    = static_cast<std::size_t>(parts.dimension());
    const std::vector<double> mean = mixture_mean(parts);
    std::vector<double>       covariance(d * d);
    for (std::size_t k = 0; k < parts.weights().size(); ++k)
        for (std::size_t j = 0; j < d; ++j) {
            const double weight = parts.weights()[k], centred = parts.means()[j + d * k] - mean[j];
            for (std::size_t i = 0; i < d; ++i) covariance[i + d * j] += weight * centred * (parts.means()[i + d * k] - mean[i]);
            covariance[j + d * j] += weight * parts.variance(static_cast<index_t>(j), static_cast<index_t>(k));
        }
    return covariance;
}

/// Components of p^r and log Z; isotropic components stay so under an isotropic curvature.
struct tilted_components {
    std::vector<double> weights, means, variances;
    double              log_z = 0.0;

    template <class Batch>
    tilted_components(const mixture_parts<Batch>& parts, const quadratic_form& reward) : weights(parts.weights()), means(parts.means()) {
        const index_t        d    = parts.dimension();
        const quadratic_form form = filled_form(reward, d);
        const auto&          q    = form.curvature;
        const bool isotropic      = parts.kind() != mixture_kind::diagonal && std::all_of(q.begin(), q.end(), [&](double value) { return value == q.front(); });
        variances.reserve(isotropic ? weights.size() : means.size());
        std::vector<double> log_shares(weights.size());
        for (index_t k = 0; k < parts.count(); ++k) {
            log_shares[static_cast<std::size_t>(k)] = std::log(weights[static_cast<std::size_t>(k)]);
            for (index_t i = 0; i < d; ++i) {
                const auto              l = static_cast<std::size_t>(i);
                double&                 mean = means[static_cast<std::size_t>(i + d * k)];
                const tilted_coordinate part(mean, parts.variance(i, k), form.linear[l], q[l]);
                mean = part.mean;
                log_shares[static_cast<std::size_t>(k)] += part.log_integral;
                if (!isotropic || i == 0) variances.push_back(part.variance);
            }
        }
        const double high  = *std::max_element(log_shares.begin(), log_shares.end());
        double       total = 0.0;
        for (std::size_t k = 0; k < weights.size(); ++k) total += weights[k] = std::exp(log_shares[k] - high);
        log_z = form.constant + high + std::log(total);
    }
};

} // namespace diamond::detail
