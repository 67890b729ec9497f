/// This header defines a Diamond network that is no model of anything. Its Jacobian is known, depends on
/// every time and is not symmetric: v_i = size [(1 + s) sum_k A_ik xbar_k + (1 + t) waves sin(xbar_i + r)] +
/// x_t_i, where A_ik = sin(1.7 (i + d k) + 0.4) - shift (i == k).
#pragma once

#include <cmath>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/schedule/linear.hpp>

#include "support/small_matrix.hpp"

namespace crooked {

using diamond::index_t;

struct numbers {
    index_t d = 3;
    double size = 0.3, waves = 1.0, shift = 0.0;

    [[nodiscard]] DIAMOND_HD double entry(index_t i, index_t k) const {
        return std::sin(1.7 * static_cast<double>(i + d * k) + 0.4) - (i == k ? shift : 0.0);
    }
    /// Returns dv_i/d xbar_k at a column.
    [[nodiscard]] DIAMOND_HD double slope(index_t i, index_t k, double xbar_i, double t, double s,
                                          double r) const {
        return size * ((1.0 + s) * entry(i, k) + (i == k ? (1.0 + t) * waves * std::cos(xbar_i + r) : 0.0));
    }
};

template <class Batch>
struct network {
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using view = diamond::view_t<Batch>;
    using const_view = diamond::const_view_t<Batch>;
    using arguments = diamond::diamond_arguments<Batch>;
    struct workspace {};

    numbers of;

    struct write_velocity {
        numbers of;
        arguments at;
        view out;
        DIAMOND_HD void operator()(index_t i, index_t j) const {
            double sum = of.size * (1.0 + at.t[j]) * of.waves *
                         std::sin(static_cast<double>(at.xbar(i, j)) + at.r[j]);
            for (index_t k = 0; k < of.d; ++k)
                sum += of.size * (1.0 + at.s[j]) * of.entry(i, k) * static_cast<double>(at.xbar(k, j));
            out(i, j) = static_cast<real>(sum + static_cast<double>(at.x_t(i, j)));
        }
    };
    struct write_product {
        numbers of;
        arguments at;
        const_view direction;
        bool transposed;
        view out;
        DIAMOND_HD void operator()(index_t i, index_t j) const {
            double sum = 0.0;
            for (index_t k = 0; k < of.d; ++k) {
                const index_t row = transposed ? k : i, column = transposed ? i : k;
                sum += of.slope(row, column, static_cast<double>(at.xbar(row, j)), at.t[j], at.s[j],
                                at.r[j]) *
                       static_cast<double>(direction(k, j));
            }
            out(i, j) = static_cast<real>(sum);
        }
    };

    [[nodiscard]] index_t dimension() const { return of.d; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::linear_schedule inner_schedule() const { return {}; }
    [[nodiscard]] workspace make_workspace(const diamond::backend_of_t<Batch>&, index_t) const { return {}; }
    void operator()(const arguments& at, diamond::no_condition, workspace&, view out) const {
        out.context().for_each(out.rows(), out.columns(), write_velocity{of, at, out});
    }
    void jvp(const arguments& at, diamond::no_condition, const_view tangent, workspace&, view out) const {
        out.context().for_each(out.rows(), out.columns(), write_product{of, at, tangent, false, out});
    }
    void vjp(const arguments& at, diamond::no_condition, const_view cotangent, workspace&, view out_xbar,
             view out_x_t) const {
        out_xbar.context().for_each(out_xbar.rows(), out_xbar.columns(),
                                    write_product{of, at, cotangent, true, out_xbar});
        out_x_t.context().copy(cotangent.data(), cotangent.size(), out_x_t.data());
    }
};

/// Returns det(I + length dv/d xbar) with its sign, by expansion along the first row, which is another way
/// than elimination.
[[nodiscard]] inline small::number determinant(const small::matrix& a) {
    if (a.rows == 0) return 1;
    small::number sum = 0;
    for (std::size_t k = 0; k < a.columns; ++k) {
        small::matrix minor(a.rows - 1, a.columns - 1);
        for (std::size_t j = 0; j + 1 < a.columns; ++j)
            for (std::size_t i = 0; i + 1 < a.rows; ++i) minor(i, j) = a(i + 1, j < k ? j : j + 1);
        sum += (k % 2 == 0 ? 1 : -1) * a(0, k) * determinant(minor);
    }
    return sum;
}
[[nodiscard]] inline small::matrix jacobian(const numbers& of, const double* xbar, double t, double s,
                                            double r) {
    const auto d = static_cast<std::size_t>(of.d);
    small::matrix result(d, d);
    for (std::size_t k = 0; k < d; ++k)
        for (std::size_t i = 0; i < d; ++i)
            result(i, k) = of.slope(static_cast<index_t>(i), static_cast<index_t>(k), xbar[i], t, s, r);
    return result;
}

} // namespace crooked
