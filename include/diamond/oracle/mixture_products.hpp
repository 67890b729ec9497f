/// Sums over the components of a Gaussian mixture are computed as matrix products, so that thousands of
/// components run at the speed of the back end's product: logits are a (features x K)^T (features x columns)
/// product, means a (d x K) (K x columns) one.
///
/// i is a coordinate, k a component and j a column; P_k, Q_k, f_k, l_k and delta_k are those of
/// oracle/mixture_sums.hpp. Where all components share one variance, P and Q are numbers, and the matrices
/// are the same at all times; else they belong to one time, which all columns must have. See
/// (eq. mixture-reading), (eq. mixture-jacobian).
#pragma once

#include <cmath>

#include <diamond/core/expression.hpp>
#include <diamond/oracle/gaussian_reading.hpp>
#include <diamond/oracle/mixture_parts.hpp>
#include <diamond/oracle/operands.hpp>

namespace diamond::detail {

/// Writes features phi of x for which l_k = (column k of a matrix) . phi up to a constant in k. For a shared
/// variance they are alpha/V x, -alpha^2/(2 V), 1, and the matrix is the same at all times; for isotropic
/// variances x, |x|^2, 1; for diagonal ones x, x^2, 1.
template <class Batch>
struct logit_features {
    mixture_kind kind;
    double shared_variance;
    gaussian_readings at;
    const_view_t<Batch> x;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t d = x.rows();
        double value = 1.0;
        if (kind == mixture_kind::shared) {
            const double scale = at[j].alpha / at[j].total(shared_variance);
            if (i < d) value = scale * static_cast<double>(x(i, j));
            if (i == d) value = -0.5 * at[j].alpha * scale;
        } else if (i < d) {
            value = static_cast<double>(x(i, j));
        } else if (i + 1 < out.rows()) {
            value = 0.0;
            if (kind == mixture_kind::diagonal)
                value = square(static_cast<double>(x(i - d, j)));
            else
                for (index_t l = 0; l < d; ++l) value += square(static_cast<double>(x(l, j)));
        }
        out(i, j) = static_cast<typename Batch::value_type>(value);
    }
};

/// Writes the derivative of the features along w, for a shared variance, too, up to a constant in k.
template <class Batch>
struct tangent_features {
    mixture_kind kind;
    double shared_variance;
    gaussian_readings at;
    const_view_t<Batch> x, w;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t d = x.rows();
        double value = 0.0;
        if (i < d) {
            value = static_cast<double>(w(i, j)) *
                    (kind == mixture_kind::shared ? at[j].alpha / at[j].total(shared_variance) : 1.0);
        } else if (i + 1 < out.rows() && kind == mixture_kind::diagonal) {
            value = 2.0 * static_cast<double>(x(i - d, j)) * static_cast<double>(w(i - d, j));
        } else if (i + 1 < out.rows() && kind == mixture_kind::isotropic) {
            for (index_t l = 0; l < d; ++l)
                value += 2.0 * static_cast<double>(x(l, j)) * static_cast<double>(w(l, j));
        }
        out(i, j) = static_cast<typename Batch::value_type>(value);
    }
};

/// Writes column k of the matrix that the features are multiplied with, at one time: alpha m/V, -1/(2 V), and
/// the logarithm of the weight over the normalisation.
template <class Batch>
struct fill_logit_matrix {
    mixture_view<backend_of_t<Batch>> parts;
    gaussian_reading at;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t i, index_t k) const {
        const index_t d = parts.rows();
        double value = 0.0;
        if (i < d) {
            value = at.alpha * parts.mean(i, k) / at.total(parts.variance(i, k));
        } else if (i + 1 < out.rows()) {
            value = -0.5 / at.total(parts.variance(i - d, k));
        } else {
            for (index_t l = 0; l < d; ++l) {
                const double total = at.total(parts.variance(l, k));
                value += square(at.alpha * parts.mean(l, k)) / total + std::log(total);
            }
            value = parts.log_weights[k] - 0.5 * value;
        }
        out(i, k) = static_cast<typename Batch::value_type>(value);
    }
};

/// Writes the divergence for a shared variance v: d Q + P alpha/V (sum_k r_k |m_k|^2 - |sum_k r_k m_k|^2).
template <class Batch>
struct shared_divergence {
    double variance;
    gaussian_readings at;
    const_view_t<Batch> mean_sums;             ///< sum_k r_k m_k, d x n
    row_view<double, backend_of_t<Batch>> out; ///< holds sum_k r_k |m_k|^2 before
    DIAMOND_HD void operator()(index_t j) const {
        double spread = out[j];
        for (index_t i = 0; i < mean_sums.rows(); ++i) spread -= square(static_cast<double>(mean_sums(i, j)));
        out[j] = static_cast<double>(mean_sums.rows()) * at[j].state_weight(variance) +
                 at[j].mean_weight(variance) * at[j].alpha / at[j].total(variance) * spread;
    }
};

/// This is the workspace of mixture_products. It allocates in the first call, and again only for a larger
/// batch or another context.
template <class Batch>
struct mixture_product_space {
    scratch<typename Batch::value_type, backend_of_t<Batch>> features, logit_matrix, mean_matrix,
        state_matrix;
    scratch<typename Batch::value_type, backend_of_t<Batch>> mean_sums, state_sums, mean_deltas, state_deltas;
};

/// This class computes the sums of one call by products: `at` are the readings of all its columns, of which
/// each function takes those from `first` on.
template <class Batch>
class mixture_products {
public:
    using real = typename Batch::value_type;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using context_type = backend_of_t<Batch>;

    /// `context` is that of the batches of the call. Unless all components share one variance, it makes the
    /// matrices of the call's time.
    mixture_products(const context_type& context, const mixture_parts<Batch>& parts,
                     mixture_product_space<Batch>& space, gaussian_readings at)
        : context_(context), parts_(parts), view_(parts.view_on(context)), space_(space), at_(at) {
        const index_t d = parts.dimension(), count = parts.count(), state_rows = view_.variances.rows();
        feature_rows_ = parts.kind() == mixture_kind::diagonal ? 2 * d + 1 : d + 2;
        if (shared()) return;
        space_.logit_matrix.resize(context_, feature_rows_, count);
        space_.mean_matrix.resize(context_, d, count);
        space_.state_matrix.resize(context_, state_rows, count);
        context_.for_each(feature_rows_, count,
                          fill_logit_matrix<Batch>{.parts = view_, .at = at[0], .out = space_.logit_matrix});
        for_every_row(
            [&](const auto& variances) {
                assign(space_.mean_matrix, elementwise<reading_mean_weight>(at_, variances) * view_.means);
            },
            view_.variances);
        assign(space_.state_matrix, elementwise<reading_slope>(at_, view_.variances));
    }

    [[nodiscard]] bool shared() const { return parts_.kind() == mixture_kind::shared; }
    [[nodiscard]] double shared_variance() const { return parts_.variances().front(); }

    /// out = l_k up to a constant in k, K x n for x of n columns.
    void logits(const_view x, index_t first, view out) {
        space_.features.resize(context_, feature_rows_, x.columns());
        context_.for_each(feature_rows_, x.columns(),
                          logit_features<Batch>{.kind = parts_.kind(),
                                                .shared_variance = shared_variance(),
                                                .at = at_.from(first),
                                                .x = x,
                                                .out = space_.features});
        context_.product(transpose::yes, logit_matrix(), space_.features.read(), out);
    }
    /// out = s_k . w up to a constant in k, K x n.
    void tangents(const_view x, const_view w, index_t first, view out) {
        space_.features.resize(context_, feature_rows_, x.columns());
        context_.for_each(feature_rows_, x.columns(),
                          tangent_features<Batch>{.kind = parts_.kind(),
                                                  .shared_variance = shared_variance(),
                                                  .at = at_.from(first),
                                                  .x = x,
                                                  .w = w,
                                                  .out = space_.features});
        context_.product(transpose::yes, logit_matrix(), space_.features.read(), out);
    }

    /// out = sum_k r_k f_k, d x n, for responsibilities r, K x n.
    void reading(const_view x, const_view r, index_t first, view out) {
        multiply(r, space_.mean_sums, space_.state_sums);
        const auto mean_sums = space_.mean_sums.read();
        if (shared())
            assign(out, elementwise<affine_reading>(at_.from(first), mean_sums, shared_variance(), x));
        else
            for_every_row([&](const auto& state_sums) { assign(out, mean_sums + state_sums * x); },
                          space_.state_sums.read());
    }
    /// out = sum_k [r_k Q_k w + delta_k f_k], d x n. The deltas sum to 0, so that a shared Q meets w alone.
    void product(const_view x, const_view w, const_view r, const_view deltas, index_t first, view out) {
        multiply(deltas, space_.mean_deltas, space_.state_deltas);
        const auto mean_deltas = space_.mean_deltas.read();
        if (shared()) {
            assign(out, elementwise<affine_reading>(at_.from(first), mean_deltas, shared_variance(), w));
            return;
        }
        sum_states(r, space_.state_sums);
        for_every_row(
            [&](const auto& state_deltas, const auto& state_sums) {
                assign(out, mean_deltas + state_deltas * x + state_sums * w);
            },
            space_.state_deltas.read(), space_.state_sums.read());
    }
    /// Writes to out[j] the divergence of the reading, for a shared variance.
    void divergence(const_view r, index_t first, row_t<Batch> out) {
        multiply(r, space_.mean_sums, space_.state_sums);
        const auto square_norms = each_column(parts_.square_norms_on(context_));
        assign(out, column_sums(r * square_norms));
        context_.for_each(r.columns(), shared_divergence<Batch>{.variance = shared_variance(),
                                                                .at = at_.from(first),
                                                                .mean_sums = space_.mean_sums.read(),
                                                                .out = out});
    }

private:
    using scratch_type = scratch<real, context_type>;

    [[nodiscard]] const_view logit_matrix() const {
        return shared() ? parts_.shared_logits_on(context_) : space_.logit_matrix.read();
    }
    /// means = (P m) weights, or m weights for a shared variance; states = Q weights unless Q is shared.
    void multiply(const_view weights, scratch_type& means, scratch_type& states) {
        means.resize(context_, parts_.dimension(), weights.columns());
        const auto matrix = shared() ? parts_.real_means_on(context_) : space_.mean_matrix.read();
        context_.product(transpose::no, matrix, weights, means.mutable_view());
        if (!shared()) sum_states(weights, states);
    }
    void sum_states(const_view weights, scratch_type& states) {
        states.resize(context_, space_.state_matrix.rows(), weights.columns());
        context_.product(transpose::no, space_.state_matrix.read(), weights, states.mutable_view());
    }

    const context_type& context_;
    const mixture_parts<Batch>& parts_;
    mixture_view<context_type> view_;
    mixture_product_space<Batch>& space_;
    gaussian_readings at_;
    index_t feature_rows_ = 0;
};

} // namespace diamond::detail
