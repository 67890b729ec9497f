/// The elementwise work beside the products of Gaussian mixtures: features of x, the matrices they meet, and what is made of the results.
/// Indices and names are those of mixture_functors.hpp.
#pragma once

#include <diamond/oracle/mixture_parts.hpp>
#include <diamond/oracle/reading.hpp>

namespace diamond::detail {

/// Features phi of x with l_k = (row k of a matrix) . phi up to a constant in k. Shared variance: alpha/V x, -alpha^2/(2 V), 1, so that the matrix
/// is the same at all times. Isotropic: x, |x|^2, 1. Diagonal: x, x^2, 1.
template <class Real, class View>
struct logit_features {
    mixture_kind      kind;
    double            shared_variance;
    gaussian_readings at;
    View              x;
    index_t           rows; ///< of the features
    Real*             out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t d     = x.rows();
        double        value = 1.0;
        if (kind == mixture_kind::shared) {
            const double scale = at[j].alpha / at[j].total(shared_variance);
            if (i < d) value = scale * static_cast<double>(x(i, j));
            if (i == d) value = -0.5 * at[j].alpha * scale;
        } else if (i < d) {
            value = static_cast<double>(x(i, j));
        } else if (i + 1 < rows) {
            value = 0.0;
            if (kind == mixture_kind::diagonal)
                value = square(static_cast<double>(x(i - d, j)));
            else
                for (index_t l = 0; l < d; ++l) value += square(static_cast<double>(x(l, j)));
        }
        out[i + rows * j] = static_cast<Real>(value);
    }
};

/// The derivative of the features along w: of a shared variance's logits, too, up to a constant in k.
template <class Real, class View>
struct tangent_features {
    mixture_kind      kind;
    double            shared_variance;
    gaussian_readings at;
    View              x, w;
    index_t           rows;
    Real*             out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t d     = x.rows();
        double        value = 0.0;
        if (i < d) {
            value = static_cast<double>(w(i, j)) * (kind == mixture_kind::shared ? at[j].alpha / at[j].total(shared_variance) : 1.0);
        } else if (i + 1 < rows && kind == mixture_kind::diagonal) {
            value = 2.0 * static_cast<double>(x(i - d, j)) * static_cast<double>(w(i - d, j));
        } else if (i + 1 < rows && kind == mixture_kind::isotropic) {
            for (index_t l = 0; l < d; ++l) value += 2.0 * static_cast<double>(x(l, j)) * static_cast<double>(w(l, j));
        }
        out[i + rows * j] = static_cast<Real>(value);
    }
};

/// The matrix that the features meet, at one reading, column k of it: alpha m/V, -1/(2 V), log weight and normalisation.
template <class Real>
struct logit_matrix {
    mixture_view     parts;
    gaussian_reading at;
    index_t          rows;
    Real*            out;
    DIAMOND_HD void operator()(index_t i, index_t k) const {
        double value = 0.0;
        if (i < parts.rows) {
            value = at.alpha * parts.mean(i, k) / at.total(parts.variance(i, k));
        } else if (i + 1 < rows) {
            value = -0.5 / at.total(parts.variance(i - parts.rows, k));
        } else {
            for (index_t l = 0; l < parts.rows; ++l) {
                const double total = at.total(parts.variance(l, k));
                value += square(at.alpha * parts.mean(l, k)) / total + std::log(total);
            }
            value = parts.log_weights[k] - 0.5 * value;
        }
        out[i + rows * k] = static_cast<Real>(value);
    }
};

/// The matrices P m (d x K) and Q (1 x K or d x K) at one reading, one above the other.
template <class Real>
struct reading_matrices {
    mixture_view     parts;
    gaussian_reading at;
    Real *           mean_part, *state_part;
    DIAMOND_HD void operator()(index_t i, index_t k) const {
        if (i < parts.rows) {
            mean_part[i + parts.rows * k] = static_cast<Real>(at.mean_weight(parts.variance(i, k)) * parts.mean(i, k));
        } else {
            const index_t row                        = i - parts.rows;
            state_part[row + parts.variance_rows * k] = static_cast<Real>(at.state_weight(parts.variance(row, k)));
        }
    }
};

/// f = P m + Q x from the products; for a shared variance the means alone were multiplied.
template <class Real, class View>
struct combine_reading {
    bool              shared;
    double            shared_variance;
    gaussian_readings at;
    View              x;
    const Real *      mean_sums, *state_sums;
    index_t           state_rows;
    Real*             out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t element = i + x.rows() * j;
        const auto    m = static_cast<double>(mean_sums[element]), x_i = static_cast<double>(x(i, j));
        if (shared)
            out[element] = static_cast<Real>(at[j].mean_weight(shared_variance) * m + at[j].state_weight(shared_variance) * x_i);
        else
            out[element] = static_cast<Real>(m + static_cast<double>(state_sums[(state_rows == 1 ? 0 : i) + state_rows * j]) * x_i);
    }
};

/// Jacobian times w from the products; deltas sum to 0, so a shared Q meets w alone.
template <class Real, class View>
struct combine_product {
    bool              shared;
    double            shared_variance;
    gaussian_readings at;
    View              x, w;
    const Real *      mean_deltas, *state_deltas, *state_sums;
    index_t           state_rows;
    Real*             out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t element = i + x.rows() * j, state = (state_rows == 1 ? 0 : i) + state_rows * j;
        const auto    m = static_cast<double>(mean_deltas[element]), w_i = static_cast<double>(w(i, j));
        if (shared)
            out[element] = static_cast<Real>(at[j].mean_weight(shared_variance) * m + at[j].state_weight(shared_variance) * w_i);
        else
            out[element] = static_cast<Real>(m + static_cast<double>(state_deltas[state]) * static_cast<double>(x(i, j)) +
                                             static_cast<double>(state_sums[state]) * w_i);
    }
};

/// The divergence for a shared variance: d Q + P alpha/V (sum_k r_k |m_k|^2 - |sum_k r_k m_k|^2), P and Q numbers.
template <class Real>
struct square_norm_term {
    const Real*   responsibilities;
    const double* square_norms;
    index_t       rows;
    DIAMOND_HD double operator()(index_t k, index_t j) const { return static_cast<double>(responsibilities[k + rows * j]) * square_norms[k]; }
};
template <class Real>
struct shared_divergence {
    double            variance;
    gaussian_readings at;
    const Real*       mean_sums;
    index_t           rows;
    double*           out; ///< holds the sums of r_k |m_k|^2
    DIAMOND_HD void operator()(index_t j) const {
        double spread = out[j];
        for (index_t i = 0; i < rows; ++i) spread -= square(static_cast<double>(mean_sums[i + rows * j]));
        out[j] = static_cast<double>(rows) * at[j].state_weight(variance) + at[j].mean_weight(variance) * at[j].alpha / at[j].total(variance) * spread;
    }
};

/// log p_t from the logits' log-sum-exp: what the logits left out as constant in k.
template <class Real, class View>
struct finish_density {
    bool              shared_products;
    double            shared_variance;
    gaussian_readings at;
    View              x;
    const double*     log_sums;
    double*           out;
    DIAMOND_HD void operator()(index_t j) const {
        const auto d     = static_cast<double>(x.rows());
        double     value = log_sums[j] - 0.5 * d * std::log(2.0 * pi);
        if (shared_products) {
            const double total = at[j].total(shared_variance);
            double       norm  = 0.0;
            for (index_t i = 0; i < x.rows(); ++i) norm += square(static_cast<double>(x(i, j)));
            value -= 0.5 * (norm / total + d * std::log(total));
        }
        out[j] = value;
    }
};

} // namespace diamond::detail
