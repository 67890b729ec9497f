/// The exact densities of a Diamond network's own maps, by log-determinants in place of a divergence head.
/// See (eq. jacobian-divergence).
#pragma once

#include <cmath>
#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/core/row.hpp>
#include <diamond/density/divergence.hpp>

namespace diamond {

namespace detail {
/// Copies a product J e_k, d x N, to column k of each particle's Jacobian J; column j of `jacobian`, d^2 x N,
/// is the d x d Jacobian of particle j.
template <class Product, class Jacobian>
struct store_product {
    Product product;
    index_t k;
    Jacobian jacobian;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        jacobian(i + product.rows() * k, j) = static_cast<double>(product(i, j));
    }
};
/// m = log det(I + (r - s) J)/(r - s), tr J where r = s, and NaN where the determinant is not positive, for
/// there the map folds; or, where signs are asked for, m = log |det|/(r - s) and the sign of the determinant,
/// 1, -1 or, where m is infinite, 0. It is computed by Gaussian elimination with partial pivoting, in place.
template <class Jacobian, class Row>
struct mean_log_determinant {
    static constexpr index_t relative_cost = 4096;

    index_t rows;
    time_view s, r;
    Jacobian jacobian;
    Row out, sign; ///< sign may be without data

    DIAMOND_HD void operator()(index_t j) const {
        double* const a = jacobian.column(j).begin();
        const double length = r[j] - s[j];
        double sum = 0.0;
        if (length == 0.0) {
            for (index_t k = 0; k < rows; ++k) sum += a[k + rows * k];
            return write(j, sum, 1.0);
        }
        for (index_t at = 0; at < rows * rows; ++at) a[at] *= length;
        for (index_t k = 0; k < rows; ++k) a[k + rows * k] += 1.0;
        bool positive = true;
        for (index_t k = 0; k < rows; ++k) {
            index_t pivot = k;
            for (index_t i = k + 1; i < rows; ++i)
                if (std::fabs(a[i + rows * k]) > std::fabs(a[pivot + rows * k])) pivot = i;
            if (pivot != k) {
                positive = !positive;
                for (index_t l = k; l < rows; ++l) {
                    const double swapped = a[k + rows * l];
                    a[k + rows * l] = a[pivot + rows * l];
                    a[pivot + rows * l] = swapped;
                }
            }
            const double diagonal = a[k + rows * k];
            if (diagonal == 0.0) return write(j, length > 0.0 ? -infinity : infinity, 0.0);
            if (diagonal < 0.0) positive = !positive;
            sum += std::log(std::fabs(diagonal));
            for (index_t i = k + 1; i < rows; ++i) a[i + rows * k] /= diagonal;
            for (index_t l = k + 1; l < rows; ++l) { // columns: the inner loop runs along memory
                const double factor = a[k + rows * l];
                for (index_t i = k + 1; i < rows; ++i) a[i + rows * l] -= a[i + rows * k] * factor;
            }
        }
        write(j, sum / length, positive ? 1.0 : -1.0);
    }

private:
    DIAMOND_HD void write(index_t j, double m, double its_sign) const {
        out[j] = sign || its_sign > 0.0 ? m : not_a_number;
        if (sign) sign[j] = its_sign;
    }
};
} // namespace detail

/// m = log det(I + (r - s) dv/d xbar)/(r - s), by which the density of a draw of X_{s,r} is that of the map
/// as it is, however well or badly it was trained. Where the determinant is not positive the map folds, and m
/// is NaN.
///
/// The density is that of the draw's own branch. Near a fold, and wherever else several xbar are mapped to
/// one point with positive determinants, the other branches are left out, and importance weights then average
/// more than 1, of which SMC warns. The density of a given point, by way of X_{1,0}, is not that of draws by
/// X_{0,1}, because a learned X_{1,0} is only approximately its inverse.
///
/// Models diamond_network_with_divergence for any differentiable Diamond network; a divergence head that the
/// network may have is not evaluated. m holds for jumps of any length and is the divergence of the flow only
/// where r = s. Cost with m: one evaluation, d Jacobian-vector products and d^3/3 multiplications for each
/// column, and d^2 doubles of memory, which suits dimensions of some tens.
template <class Network>
class jacobian_network {
    static_assert(diagnose_diamond_network<Network>());
    static_assert(differentiable_diamond_network<Network>,
                  "a jacobian_network needs a differentiable Diamond network: one with vjp and jvp");

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    /// The arguments of a call: xbar and x_t, d x N, and the times t, s and r.
    using arguments = diamond_arguments<batch_type>;
    struct workspace {
        workspace_t<Network> network; ///< The workspace that calls of the network are given.
        /// A direction and the product of the Jacobian with it, d x N.
        scratch<typename batch_type::value_type, backend_of_t<batch_type>> tangent, product;
        /// The Jacobians in double, d^2 x N; column j has particle j's, column-major.
        scratch<double, backend_of_t<batch_type>> jacobian;
    };

    /// Takes the network whose Jacobian's determinant gives the divergence.
    explicit jacobian_network(Network network) : network_(std::move(network)) {}

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(network_.dimension()); }
    [[nodiscard]] auto schedule() const { return network_.schedule(); }
    [[nodiscard]] auto inner_schedule() const { return network_.inner_schedule(); }
    /// Says that the density is exact, wherever the map is one to one.
    [[nodiscard]] bool exact_density() const { return true; }
    /// The cost of a column of a call with divergence: an evaluation and d Jacobian-vector products.
    [[nodiscard]] cost divergence_cost() const { return {.forward = 1, .jvp = dimension()}; }
    [[nodiscard]] workspace make_workspace(const backend_of_t<batch_type>& context, index_t columns) const {
        return {network_.make_workspace(context, columns), {}, {}, {}};
    }

    /// out = v, d x N, by the network alone.
    void operator()(const arguments& at, const condition_type& condition, workspace& space, view out) const {
        network_(at, condition, space.network, out);
    }
    /// out = (dv/d xbar) tangent, d x N, by the network alone.
    void jvp(const arguments& at, const condition_type& condition, const_view tangent, workspace& space,
             view out) const {
        network_.jvp(at, condition, tangent, space.network, out);
    }
    /// out_xbar = cotangent^T dv/d xbar and out_x_t = cotangent^T dv/dx_t, both d x N, by the network alone.
    void vjp(const arguments& at, const condition_type& condition, const_view cotangent, workspace& space,
             view out_xbar, view out_x_t) const {
        network_.vjp(at, condition, cotangent, space.network, out_xbar, out_x_t);
    }
    /// out = v, d x N, and divergence[j] = m of column j.
    void operator()(const arguments& at, const condition_type& condition, workspace& space, view out,
                    row_t<batch_type> divergence) const {
        with_sign(at, condition, space, out, divergence, {});
    }
    /// out = v, d x N, divergence[j] = log |det|/(r - s) and sign[j] = 1 or -1, the sign of the determinant,
    /// or 0 where it is 0; where r = s the trace, and 1. Without data of `sign` it is the call above.
    void with_sign(const arguments& at, const condition_type& condition, workspace& space, view out,
                   row_t<batch_type> divergence, row_t<batch_type> sign) const {
        const auto& context = out.context();
        const index_t d = out.rows(), n = out.columns();
        require_columns("jacobian_network", divergence, n);
        if (sign) require_columns("jacobian_network", sign, n);
        for (auto* buffer : {&space.tangent, &space.product}) buffer->resize(context, d, n);
        space.jacobian.resize(context, d * d, n);
        for (index_t k = 0; k < d; ++k) {
            context.for_each(d, n, detail::unit_tangent<view>{.k = k, .out = space.tangent.mutable_view()});
            network_.jvp(at, condition, space.tangent.read(), space.network, space.product.mutable_view());
            context.for_each(
                d, n,
                detail::store_product<const_view, jacobian_view>{
                    .product = space.product.read(), .k = k, .jacobian = space.jacobian.mutable_view()});
        }
        context.for_each(n, detail::mean_log_determinant<jacobian_view, row_view<double, context_type>>{
                                .rows = d,
                                .s = at.s,
                                .r = at.r,
                                .jacobian = space.jacobian.mutable_view(),
                                .out = divergence,
                                .sign = sign});
        network_(at, condition, space.network, out);
    }

private:
    using context_type = backend_of_t<batch_type>;
    using jacobian_view = batch_view<double, context_type>;

    Network network_;
};

} // namespace diamond
