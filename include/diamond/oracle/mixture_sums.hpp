/// Sums over the components of a Gaussian mixture, for chunks of columns: responsibilities, readings, Jacobian products, divergences.
///
/// Two ways lead to the same numbers. By products: logits are a (features x K)^T (features x columns) product, means a (d x K) (K x columns) one,
/// so that thousands of components run at the speed of the back end's product. Elementwise: each logit from its definition, for few
/// components, for times per column with unequal variances, and where products would lose half the digits.
#pragma once

#include <algorithm>

#include <diamond/oracle/mixture_functors.hpp>
#include <diamond/oracle/mixture_product_functors.hpp>

namespace diamond {

/// Which way a mixture is summed; `automatic` takes the faster one that is accurate.
enum class mixture_path { automatic, products, elementwise };

/// Working space of a mixture; it grows on the first call and then stays.
template <class Batch>
struct mixture_workspace {
    using real    = typename Batch::value_type;
    using context = backend_of_t<Batch>;
    scratch<real, context>             features, logit_matrix, mean_matrix, state_matrix, responsibilities, tangents;
    scratch<real, context>             mean_sums, state_sums, mean_deltas, state_deltas, reading, score;
    scratch<double, context>           log_sums, tangent_means;
    scratch<std::int32_t, context>     components;
    scratch<gaussian_reading, context> readings;
};

namespace detail {

/// Columns worked on together: as many as keep each thread's part of the K x columns buffer in its second-level cache, in whole blocks of the
/// product, so that no column's bits depend on how many there are.
template <class Real, class Context>
[[nodiscard]] index_t mixture_chunk(const Context& context, index_t count, index_t columns) {
    constexpr index_t bytes = index_t{3} << 19, block = 256; // 1.5 MiB a thread
    const index_t     fitting = bytes / (count * static_cast<index_t>(sizeof(Real))) / block * block;
    index_t           threads = 8; // where the back end does not say
    if constexpr (requires { context.concurrency(); }) threads = context.concurrency();
    return std::min(columns, threads * std::max(block, fitting));
}

/// Calls body(first, count) for each chunk.
template <class Real, class Context, class Body>
void for_mixture_chunks(const Context& context, index_t components, index_t columns, const Body& body) {
    const index_t chunk = mixture_chunk<Real>(context, components, columns);
    for (index_t first = 0; first < columns; first += chunk) body(first, std::min(chunk, columns - first));
}

/// One call on a mixture: `at` are the readings of all its columns.
template <class Batch>
class mixture_sums {
public:
    using real       = typename Batch::value_type;
    using view       = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    /// `context` is that of the batches of the call.
    mixture_sums(const backend_of_t<Batch>& context, const mixture_parts<Batch>& parts, mixture_workspace<Batch>& space,
                 gaussian_readings at, mixture_path path)
        : context_(context), parts_(parts), view_(parts.view_on(context)), space_(space), at_(at),
          products_(takes_products(parts, at, path)) {
        if (!products_) return;
        feature_rows_ = parts.kind() == mixture_kind::diagonal ? 2 * parts.dimension() + 1 : parts.dimension() + 2;
        if (shared()) return;
        const index_t d = parts.dimension(), count = parts.count(), state_rows = view_.variance_rows;
        space_.logit_matrix.resize(context_, feature_rows_, count);
        space_.mean_matrix.resize(context_, d, count);
        space_.state_matrix.resize(context_, state_rows, count);
        context_.for_each(feature_rows_, count, logit_matrix<real>{view_, at[0], feature_rows_, space_.logit_matrix.data()});
        context_.for_each(d + state_rows, count, reading_matrices<real>{view_, at[0], space_.mean_matrix.data(), space_.state_matrix.data()});
    }

    /// r = softmax of the logits of columns first ..., K x n, into `to`; log-sum-exps stay in the workspace.
    void responsibilities(const_view x, index_t first, view to) {
        space_.log_sums.resize(context_, 1, x.columns());
        if (products_) {
            space_.features.resize(context_, feature_rows_, x.columns());
            context_.for_each(feature_rows_, x.columns(),
                              logit_features<real, const_view>{parts_.kind(), shared_variance(), at_.from(first), x, feature_rows_, space_.features.data()});
            context_.product(transpose::yes, logits(), space_.features.read(), to);
        } else {
            context_.for_each(parts_.count(), x.columns(), direct_logit<real, const_view>{view_, at_.from(first), x, to.data()});
        }
        context_.softmax(to, space_.log_sums.data());
    }
    void responsibilities(const_view x, index_t first) {
        space_.responsibilities.resize(context_, parts_.count(), x.columns());
        responsibilities(x, first, space_.responsibilities.mutable_view());
    }

    /// log p_t, after responsibilities.
    void log_density(const_view x, index_t first, double* out) {
        context_.for_each(x.columns(), finish_density<real, const_view>{products_ && shared(), shared_variance(), at_.from(first), x,
                                                                        space_.log_sums.data(), out});
    }

    /// sum_k r_k f_k, after responsibilities.
    void reading(const_view x, index_t first, view out) {
        if (!products_) {
            context_.for_each(parts_.dimension(), x.columns(),
                              direct_reading<real, const_view>{view_, at_.from(first), false, x, space_.responsibilities.data(), out.data()});
            return;
        }
        multiply(space_.responsibilities.read(), space_.mean_sums, space_.state_sums);
        context_.for_each(parts_.dimension(), x.columns(),
                          combine_reading<real, const_view>{shared(), shared_variance(), at_.from(first), x, space_.mean_sums.data(),
                                                            space_.state_sums.data(), space_.state_sums.rows(), out.data()});
    }

    /// The reading's Jacobian times w, after responsibilities.
    void product(const_view x, const_view w, index_t first, view out) {
        const index_t count = parts_.count(), columns = x.columns();
        space_.tangents.resize(context_, count, columns);
        space_.tangent_means.resize(context_, 1, columns);
        if (products_) {
            context_.for_each(feature_rows_, columns, tangent_features<real, const_view>{parts_.kind(), shared_variance(), at_.from(first), x, w,
                                                                                         feature_rows_, space_.features.data()});
            context_.product(transpose::yes, logits(), space_.features.read(), space_.tangents.mutable_view());
        } else {
            context_.for_each(count, columns, direct_tangent<real, const_view>{view_, at_.from(first), x, w, space_.tangents.data()});
        }
        context_.column_sums(count, columns, weighted_tangent<real>{space_.responsibilities.data(), space_.tangents.data(), count},
                             space_.tangent_means.data());
        context_.for_each(count, columns,
                          centre_tangent<real>{space_.responsibilities.data(), space_.tangent_means.data(), count, space_.tangents.data()});
        if (!products_) {
            context_.for_each(parts_.dimension(), columns, direct_product<real, const_view>{view_, at_.from(first), x, w, space_.responsibilities.data(),
                                                                                            space_.tangents.data(), out.data()});
            return;
        }
        multiply(space_.tangents.read(), space_.mean_deltas, space_.state_deltas);
        if (!shared()) {
            space_.state_sums.resize(context_, space_.state_matrix.rows(), columns);
            context_.product(transpose::no, space_.state_matrix.read(), space_.responsibilities.read(), space_.state_sums.mutable_view());
        }
        context_.for_each(parts_.dimension(), columns,
                          combine_product<real, const_view>{shared(), shared_variance(), at_.from(first), x, w, space_.mean_deltas.data(),
                                                            space_.state_deltas.data(), space_.state_sums.data(), space_.state_deltas.rows(), out.data()});
    }

    /// The reading's divergence, after responsibilities.
    void divergence(const_view x, index_t first, double* out) {
        const index_t count = parts_.count(), d = parts_.dimension(), columns = x.columns();
        const real*   r     = space_.responsibilities.data();
        if (products_ && shared()) {
            multiply(space_.responsibilities.read(), space_.mean_sums, space_.state_sums);
            context_.column_sums(count, columns, square_norm_term<real>{r, parts_.square_norms(), count}, out);
            context_.for_each(columns, shared_divergence<real>{shared_variance(), at_.from(first), space_.mean_sums.data(), d, out});
            return;
        }
        space_.reading.resize(context_, d, columns);
        space_.score.resize(context_, d, columns);
        reading(x, first, space_.reading.mutable_view());
        context_.for_each(d, columns, direct_reading<real, const_view>{view_, at_.from(first), true, x, r, space_.score.data()});
        context_.column_sums(count, columns,
                             divergence_term<real, const_view>{view_, at_.from(first), x, r, space_.reading.data(), space_.score.data()}, out);
    }

private:
    static bool takes_products(const mixture_parts<Batch>& parts, const gaussian_readings& at, mixture_path path) {
        constexpr index_t least_work = 16; // multiplications a column, below which the elementwise way is as fast, and more accurate
        if (parts.kind() != mixture_kind::shared && !at.broadcast()) return false;
        if (path != mixture_path::automatic) return path == mixture_path::products;
        return parts.precise() && parts.count() * parts.dimension() >= least_work;
    }
    [[nodiscard]] bool       shared() const { return parts_.kind() == mixture_kind::shared; }
    [[nodiscard]] double     shared_variance() const { return parts_.variances().front(); }
    [[nodiscard]] const_view logits() const {
        return shared() ? parts_.shared_logits().read_on(context_) : space_.logit_matrix.read();
    }

    void multiply(const_view weights, scratch<real, backend_of_t<Batch>>& means, scratch<real, backend_of_t<Batch>>& states) {
        means.resize(context_, parts_.dimension(), weights.columns());
        const auto matrix = shared() ? parts_.real_means().read_on(context_) : space_.mean_matrix.read();
        context_.product(transpose::no, matrix, weights, means.mutable_view());
        if (shared()) return;
        states.resize(context_, space_.state_matrix.rows(), weights.columns());
        context_.product(transpose::no, space_.state_matrix.read(), weights, states.mutable_view());
    }

    const backend_of_t<Batch>&  context_;
    const mixture_parts<Batch>& parts_;
    mixture_view                view_;
    mixture_workspace<Batch>&   space_;
    gaussian_readings           at_;
    bool                        products_;
    index_t                     feature_rows_ = 0;
};

} // namespace detail
} // namespace diamond
