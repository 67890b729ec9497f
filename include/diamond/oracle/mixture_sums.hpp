/// These are the sums over a Gaussian mixture's components: responsibilities, readings, Jacobian products,
/// divergences and densities.
///
/// i is a coordinate, k a component and j a column. Component k has f_k = P_k m_k + Q_k x for a reading, the
/// log density l_k up to a constant, and the score s_k = (alpha m_k - x)/V_k. The mixture's reading is
/// sum_k r_k f_k, r = softmax l; its Jacobian times w is sum_k [r_k Q_k w + delta_k f_k] with
/// delta_k = r_k (s_k - sum_l r_l s_l) . w.
///
/// There are two ways to the same numbers: products (oracle/mixture_products.hpp), and the definitions,
/// element by element, which serve few components, times per column with unequal variances, and mixtures of
/// which products would lose half the digits. See (eq. mixture-reading), (eq. mixture-jacobian).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include <diamond/core/expression.hpp>
#include <diamond/oracle/gaussian_reading.hpp>
#include <diamond/oracle/mixture_parts.hpp>
#include <diamond/oracle/mixture_products.hpp>

namespace diamond {

/// This is the way in which a mixture is summed; `automatic` takes the faster one that is accurate.
enum class mixture_path { automatic, products, elementwise };

/// This is the workspace of a gaussian_mixture. It allocates in the first call, and again only for a larger
/// batch or another context.
template <class Batch>
struct mixture_workspace {
    using real = typename Batch::value_type;
    using context = backend_of_t<Batch>; ///< The back end that the batches are of.
    /// The components' shares, their tangents, and sums over components, for each column.
    scratch<real, context> responsibilities, tangents, reading, score;
    /// The logarithms of sums over components, and means of tangents.
    scratch<double, context> log_sums, tangent_means;
    scratch<std::int32_t, context> components; ///< The component 0 ... K - 1 that each draw takes.
    /// The coefficients at the times of the columns, where these differ.
    scratch<gaussian_reading, context> readings;
    /// The operands and results of sums that are products of matrices.
    detail::mixture_product_space<Batch> products;
};

namespace detail {

/// Writes l_k of column j from its definition.
template <class Batch>
struct direct_logit {
    static constexpr index_t relative_cost = 8;

    mixture_view<backend_of_t<Batch>> parts;
    gaussian_readings at;
    const_view_t<Batch> x;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        const gaussian_reading& r = at[j];
        double sum = 0.0;
        if (parts.variances.rows() == 1) {
            const double total = r.total(parts.variances[k]);
            for (index_t i = 0; i < parts.rows(); ++i)
                sum += square(static_cast<double>(x(i, j)) - r.alpha * parts.mean(i, k));
            sum = sum / total + static_cast<double>(parts.rows()) * std::log(total);
        } else {
            for (index_t i = 0; i < parts.rows(); ++i) {
                const double total = r.total(parts.variance(i, k));
                sum += square(static_cast<double>(x(i, j)) - r.alpha * parts.mean(i, k)) / total +
                       std::log(total);
            }
        }
        out(k, j) = static_cast<typename Batch::value_type>(parts.log_weights[k] - 0.5 * sum);
    }
};

/// Writes s_k . w of column j.
template <class Batch>
struct direct_tangent {
    mixture_view<backend_of_t<Batch>> parts;
    gaussian_readings at;
    const_view_t<Batch> x, w;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        const gaussian_reading& r = at[j];
        double sum = 0.0;
        for (index_t i = 0; i < parts.rows(); ++i)
            sum += (r.alpha * parts.mean(i, k) - static_cast<double>(x(i, j))) /
                   r.total(parts.variance(i, k)) * static_cast<double>(w(i, j));
        out(k, j) = static_cast<typename Batch::value_type>(sum);
    }
};

/// Writes coordinate i of column j of sum_k r_k f_k, or of sum_k r_k s_k where `score` is set.
template <class Batch>
struct direct_reading {
    mixture_view<backend_of_t<Batch>> parts;
    gaussian_readings at;
    bool score;
    const_view_t<Batch> x, responsibilities;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const gaussian_reading r = score ? at[j].score() : at[j];
        const auto x_i = static_cast<double>(x(i, j));
        double sum = 0.0;
        for (index_t k = 0; k < parts.count(); ++k) {
            const double v = parts.variance(i, k);
            sum += static_cast<double>(responsibilities(k, j)) *
                   (r.mean_weight(v) * parts.mean(i, k) + r.state_weight(v) * x_i);
        }
        out(i, j) = static_cast<typename Batch::value_type>(sum);
    }
};

/// Writes coordinate i of column j of sum_k [r_k Q_k w + delta_k f_k].
template <class Batch>
struct direct_product {
    mixture_view<backend_of_t<Batch>> parts;
    gaussian_readings at;
    const_view_t<Batch> x, w, responsibilities, deltas;
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const gaussian_reading& r = at[j];
        const auto x_i = static_cast<double>(x(i, j)), w_i = static_cast<double>(w(i, j));
        double sum = 0.0;
        for (index_t k = 0; k < parts.count(); ++k) {
            const double v = parts.variance(i, k), q = r.state_weight(v);
            sum += static_cast<double>(responsibilities(k, j)) * q * w_i +
                   static_cast<double>(deltas(k, j)) * (r.mean_weight(v) * parts.mean(i, k) + q * x_i);
        }
        out(i, j) = static_cast<typename Batch::value_type>(sum);
    }
};

/// Returns component k's share of the divergence in column j, r_k [trace Q_k + (f_k - f) . (s_k - s)], f and
/// s the mixture's own.
template <class Batch>
struct divergence_term {
    mixture_view<backend_of_t<Batch>> parts;
    gaussian_readings at;
    const_view_t<Batch> x, responsibilities, f, s;
    DIAMOND_HD double operator()(index_t k, index_t j) const {
        const gaussian_reading& r = at[j];
        double sum = 0.0;
        for (index_t i = 0; i < parts.rows(); ++i) {
            const double v = parts.variance(i, k), q = r.state_weight(v), mean = parts.mean(i, k);
            const auto x_i = static_cast<double>(x(i, j));
            const double f_k = r.mean_weight(v) * mean + q * x_i - static_cast<double>(f(i, j));
            const double s_k = (r.alpha * mean - x_i) / r.total(v) - static_cast<double>(s(i, j));
            sum += q + f_k * s_k;
        }
        return static_cast<double>(responsibilities(k, j)) * sum;
    }
};

/// Writes log p_t of column j: the logits' log-sum-exp, and what the logits left out as constant in k.
template <class Batch>
struct finish_density {
    using row_type = row_view<double, backend_of_t<Batch>>;
    using const_row_type = row_view<const double, backend_of_t<Batch>>;

    bool shared_products; ///< the logits are products for a shared variance
    double shared_variance;
    gaussian_readings at;
    const_view_t<Batch> x;
    const_row_type log_sums;
    row_type out;
    DIAMOND_HD void operator()(index_t j) const {
        const auto d = static_cast<double>(x.rows());
        double value = log_sums[j] - 0.5 * d * std::log(2.0 * pi);
        if (shared_products) {
            const double total = at[j].total(shared_variance);
            double norm = 0.0;
            for (index_t i = 0; i < x.rows(); ++i) norm += square(static_cast<double>(x(i, j)));
            value -= 0.5 * (norm / total + d * std::log(total));
        }
        out[j] = value;
    }
};

/// Returns how many columns are worked on together: as many as keep the K x columns buffer in the memory that
/// the context says it works well in, `working_set_bytes()`, or else each thread's part of it in its
/// second-level cache; in whole blocks of the product, so that no column's bits depend on how many there are.
template <class Real, class Context>
[[nodiscard]] index_t mixture_chunk(const Context& context, index_t count, index_t columns) {
    constexpr index_t cache = index_t{3} << 19, block = 256; // 1.5 MiB a thread
    index_t bytes = cache, threads = 1;
    if constexpr (requires { context.working_set_bytes(); })
        bytes = context.working_set_bytes();
    else
        threads = context.concurrency();
    const index_t fitting = bytes / (count * static_cast<index_t>(sizeof(Real))) / block * block;
    return std::min(columns, threads * std::max(block, fitting));
}

/// Calls body(first, count) for each chunk of the columns.
template <class Real, class Context, class Body>
void for_mixture_chunks(const Context& context, index_t components, index_t columns, const Body& body) {
    const index_t chunk = mixture_chunk<Real>(context, components, columns);
    for (index_t first = 0; first < columns; first += chunk) body(first, std::min(chunk, columns - first));
}

/// This class computes the sums of one call on a mixture: `at` are the readings of all its columns, of which
/// each function takes those from `first` on. All but responsibilities and log_density need those of their
/// columns in the workspace, where responsibilities(x, first) leaves them; log_density needs only their
/// log-sum-exps, which both overloads leave there.
template <class Batch>
class mixture_sums {
public:
    using real = typename Batch::value_type;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using context_type = backend_of_t<Batch>;

    /// `context` is that of the batches of the call.
    mixture_sums(const context_type& context, const mixture_parts<Batch>& parts,
                 mixture_workspace<Batch>& space, gaussian_readings at, mixture_path path)
        : context_(context), parts_(parts), view_(parts.view_on(context)), space_(space), at_(at) {
        if (takes_products(parts, at, path)) products_.emplace(context, parts, space.products, at);
    }

    /// Writes to `to` r, K x n: the softmax of the logits of x. Their log-sum-exps stay in the workspace.
    void responsibilities(const_view x, index_t first, view to) {
        space_.log_sums.resize(context_, 1, x.columns());
        if (products_)
            products_->logits(x, first, to);
        else
            context_.for_each(parts_.count(), x.columns(),
                              direct_logit<Batch>{.parts = view_, .at = at_.from(first), .x = x, .out = to});
        context_.softmax(to, space_.log_sums.data());
    }
    void responsibilities(const_view x, index_t first) {
        space_.responsibilities.resize(context_, parts_.count(), x.columns());
        responsibilities(x, first, space_.responsibilities.mutable_view());
    }

    /// out[j] = log p_t(x_j).
    void log_density(const_view x, index_t first, row_t<Batch> out) {
        context_.for_each(x.columns(),
                          finish_density<Batch>{.shared_products = products_ && products_->shared(),
                                                .shared_variance = parts_.variances().front(),
                                                .at = at_.from(first),
                                                .x = x,
                                                .log_sums = row(space_.log_sums),
                                                .out = out});
    }

    /// out = sum_k r_k f_k, d x n.
    void reading(const_view x, index_t first, view out) {
        if (products_)
            products_->reading(x, space_.responsibilities.read(), first, out);
        else
            read_directly(false, x, first, out);
    }

    /// Writes to out the reading's Jacobian times w, d x n.
    void product(const_view x, const_view w, index_t first, view out) {
        const index_t count = parts_.count(), columns = x.columns();
        space_.tangents.resize(context_, count, columns);
        space_.tangent_means.resize(context_, 1, columns);
        if (products_)
            products_->tangents(x, w, first, space_.tangents);
        else
            context_.for_each(
                count, columns,
                direct_tangent<Batch>{
                    .parts = view_, .at = at_.from(first), .x = x, .w = w, .out = space_.tangents});
        const auto& r = space_.responsibilities;
        auto& deltas = space_.tangents;
        assign(row(space_.tangent_means), column_sums(r * space_.tangents));
        assign(deltas, r * (space_.tangents - row(space_.tangent_means)));
        if (products_)
            products_->product(x, w, r.read(), deltas.read(), first, out);
        else
            context_.for_each(parts_.dimension(), columns,
                              direct_product<Batch>{.parts = view_,
                                                    .at = at_.from(first),
                                                    .x = x,
                                                    .w = w,
                                                    .responsibilities = r,
                                                    .deltas = deltas.read(),
                                                    .out = out});
    }

    /// Writes to out[j] the reading's divergence.
    void divergence(const_view x, index_t first, row_t<Batch> out) {
        const const_view r = space_.responsibilities;
        if (products_ && products_->shared()) {
            products_->divergence(r, first, out);
            return;
        }
        const index_t d = parts_.dimension(), columns = x.columns();
        space_.reading.resize(context_, d, columns);
        space_.score.resize(context_, d, columns);
        reading(x, first, space_.reading);
        read_directly(true, x, first, space_.score);
        context_.column_sums(parts_.count(), columns,
                             divergence_term<Batch>{.parts = view_,
                                                    .at = at_.from(first),
                                                    .x = x,
                                                    .responsibilities = r,
                                                    .f = space_.reading.read(),
                                                    .s = space_.score.read()},
                             out.data());
    }

private:
    static bool takes_products(const mixture_parts<Batch>& parts, const gaussian_readings& at,
                               mixture_path path) {
        // Below this many multiplications a column the elementwise way is as fast, and more accurate.
        constexpr index_t least_work = 16;
        if (parts.kind() != mixture_kind::shared && !at.broadcast()) return false;
        if (path != mixture_path::automatic) return path == mixture_path::products;
        return parts.precise() && parts.count() * parts.dimension() >= least_work;
    }
    void read_directly(bool score, const_view x, index_t first, view out) {
        context_.for_each(parts_.dimension(), x.columns(),
                          direct_reading<Batch>{.parts = view_,
                                                .at = at_.from(first),
                                                .score = score,
                                                .x = x,
                                                .responsibilities = space_.responsibilities.read(),
                                                .out = out});
    }

    const context_type& context_;
    const mixture_parts<Batch>& parts_;
    mixture_view<context_type> view_;
    mixture_workspace<Batch>& space_;
    gaussian_readings at_;
    std::optional<mixture_products<Batch>> products_;
};

} // namespace detail
} // namespace diamond
