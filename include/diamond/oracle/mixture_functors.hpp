/// The elementwise work of Gaussian mixtures, from the definitions: indices are i coordinate, k component, j column.
///
/// Component k has f_k = P_k m_k + Q_k x for a reading, log density up to a constant l_k, and score s_k = (alpha m_k - x)/V_k.
/// A mixture's reading is sum_k r_k f_k, r = softmax l; its Jacobian times w is sum_k [r_k Q_k w + delta_k f_k] with
/// delta_k = r_k (s_k - sbar) . w.
#pragma once

#include <diamond/oracle/mixture_parts.hpp>
#include <diamond/oracle/reading.hpp>

namespace diamond::detail {

/// l_k of column j, directly from its definition.
template <class Real, class View>
struct direct_logit {
    static constexpr index_t relative_cost = 8;

    mixture_view      parts;
    gaussian_readings at;
    View              x;
    Real*             out;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        const gaussian_reading& r = at[j];
        double sum = 0.0;
        if (parts.variance_rows == 1) {
            const double total = r.total(parts.variances[k]);
            for (index_t i = 0; i < parts.rows; ++i) sum += square(static_cast<double>(x(i, j)) - r.alpha * parts.mean(i, k));
            sum = sum / total + static_cast<double>(parts.rows) * std::log(total);
        } else {
            for (index_t i = 0; i < parts.rows; ++i) {
                const double total = r.total(parts.variance(i, k));
                sum += square(static_cast<double>(x(i, j)) - r.alpha * parts.mean(i, k)) / total + std::log(total);
            }
        }
        out[k + parts.count * j] = static_cast<Real>(parts.log_weights[k] - 0.5 * sum);
    }
};

/// s_k . w of column j.
template <class Real, class View>
struct direct_tangent {
    mixture_view      parts;
    gaussian_readings at;
    View              x, w;
    Real*             out;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        const gaussian_reading& r = at[j];
        double sum = 0.0;
        for (index_t i = 0; i < parts.rows; ++i)
            sum += (r.alpha * parts.mean(i, k) - static_cast<double>(x(i, j))) / r.total(parts.variance(i, k)) * static_cast<double>(w(i, j));
        out[k + parts.count * j] = static_cast<Real>(sum);
    }
};

/// sum_k r_k f_k, coordinate i of column j; or sum_k r_k s_k.
template <class Real, class View>
struct direct_reading {
    mixture_view      parts;
    gaussian_readings at;
    bool              score;
    View              x;
    const Real*       responsibilities;
    Real*             out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const gaussian_reading r   = score ? at[j].score() : at[j];
        const auto             x_i = static_cast<double>(x(i, j));
        double                 sum = 0.0;
        for (index_t k = 0; k < parts.count; ++k) {
            const double v = parts.variance(i, k);
            sum += static_cast<double>(responsibilities[k + parts.count * j]) * (r.mean_weight(v) * parts.mean(i, k) + r.state_weight(v) * x_i);
        }
        out[i + parts.rows * j] = static_cast<Real>(sum);
    }
};

/// sum_k [r_k Q_k w + delta_k f_k], coordinate i of column j.
template <class Real, class View>
struct direct_product {
    mixture_view      parts;
    gaussian_readings at;
    View              x, w;
    const Real *      responsibilities, *deltas;
    Real*             out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const gaussian_reading& r = at[j];
        const auto x_i = static_cast<double>(x(i, j)), w_i = static_cast<double>(w(i, j));
        double     sum = 0.0;
        for (index_t k = 0; k < parts.count; ++k) {
            const double v = parts.variance(i, k), q = r.state_weight(v);
            sum += static_cast<double>(responsibilities[k + parts.count * j]) * q * w_i +
                   static_cast<double>(deltas[k + parts.count * j]) * (r.mean_weight(v) * parts.mean(i, k) + q * x_i);
        }
        out[i + parts.rows * j] = static_cast<Real>(sum);
    }
};

/// Component k's share of the divergence, without its r_k: trace Q_k + (f_k - f) . (s_k - s), f and s the mixture's own.
template <class Real, class View>
struct divergence_term {
    mixture_view      parts;
    gaussian_readings at;
    View              x;
    const Real *      responsibilities, *f, *s;
    DIAMOND_HD double operator()(index_t k, index_t j) const {
        const gaussian_reading& r = at[j];
        double sum = 0.0;
        for (index_t i = 0; i < parts.rows; ++i) {
            const double v = parts.variance(i, k), q = r.state_weight(v), mean = parts.mean(i, k);
            const auto   x_i = static_cast<double>(x(i, j));
            const double f_k = r.mean_weight(v) * mean + q * x_i - static_cast<double>(f[i + parts.rows * j]);
            const double s_k = (r.alpha * mean - x_i) / r.total(v) - static_cast<double>(s[i + parts.rows * j]);
            sum += q + f_k * s_k;
        }
        return static_cast<double>(responsibilities[k + parts.count * j]) * sum;
    }
};

/// r_k T_k, whose column sum is the mean of T; then T becomes delta = r (T - mean).
template <class Real>
struct weighted_tangent {
    const Real * responsibilities, *tangents;
    index_t      rows;
    DIAMOND_HD double operator()(index_t k, index_t j) const {
        return static_cast<double>(responsibilities[k + rows * j]) * static_cast<double>(tangents[k + rows * j]);
    }
};
template <class Real>
struct centre_tangent {
    const Real*   responsibilities;
    const double* means;
    index_t       rows;
    Real*         tangents;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        Real& t = tangents[k + rows * j];
        t       = static_cast<Real>(static_cast<double>(responsibilities[k + rows * j]) * (static_cast<double>(t) - means[j]));
    }
};

} // namespace diamond::detail
