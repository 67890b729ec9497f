/// This file has the work of a preconditioned Diamond network where all columns share their times, as in
/// every transition and every value.
///
/// What nn/diamond_features.hpp says is then affine in xbar and x_t, coordinate by coordinate, with the same
/// coefficients in all columns:
///   e = E xbar + E' x_t + E'',  g = G xbar + G' x_t + G'',  v = V xbar + V' x_t + V'' + D F,
/// and the features of times are constants: W of them times their values is added to the bias of the first
/// layer, and so is that of a label that all columns share; but not that of a vector, so that one for all
/// columns gives the same bits as as many equal ones. The derivatives of e, g and v are
/// coefficients of the same table. It is made in double, and so are the sums, since e is a difference of
/// large numbers where s is near 1.
#pragma once

#include <cmath>

#include <diamond/nn/dense_stack.hpp>
#include <diamond/nn/diamond_features.hpp>

namespace diamond::detail {

/// Says whether all columns share their three times.
template <class Batch>
[[nodiscard]] bool shares_times(const diamond_arguments<Batch>& at) {
    return at.t.broadcast() && at.s.broadcast() && at.r.broadcast();
}

/// Names the columns of a table of coefficients, d x coefficient_columns: e, g and v have three each, those
/// of xbar, x_t and 1, and the last is D.
inline constexpr index_t e_column = 0, g_column = 3, v_column = 6, F_column = 9, coefficient_columns = 10;

/// Writes row i of the table.
template <class Context>
struct fill_shared_table {
    static constexpr index_t relative_cost = 32;
    noise_level level;
    double s, r;
    batch_view<const double, Context> mean, variance; ///< d x 1
    batch_view<double, Context> to;                   ///< d x coefficient_columns
    DIAMOND_HD void operator()(index_t i) const {
        const diamond_coordinate<> c(level, s, r, mean[i], variance[i], 0.0); // whose mean is pm at x_t = 0
        const double signal = level.alpha * level.alpha * c.C, q = c.s * c.variance * c.inverse(),
                     from_mu = -signal * c.mu / (level.sigma * level.sigma + signal), // pm - mu at x_t = 0
            unit = 1.0 / std::sqrt(c.C);
        const double e[] = {c.inverse(), -c.s * c.inverse() * c.slope, -c.s * c.inverse() * c.mean};
        const double g[] = {0.0, c.slope, from_mu}, v[] = {0.0, c.slope, c.mean};
        for (index_t k = 0; k < 3; ++k) {
            to(i, e_column + k) = e[k];
            to(i, g_column + k) = (g[k] + q * e[k]) * unit;
            to(i, v_column + k) = v[k] + c.k() * e[k];
        }
        to(i, F_column) = std::sqrt(c.variance);
    }
};

/// Points to one row of the table.
struct shared_coefficients {
    const double* row;
    index_t stride; ///< d
    [[nodiscard]] DIAMOND_HD double operator[](index_t column) const { return row[stride * column]; }
    /// Returns e, g, or v without its F.
    [[nodiscard]] DIAMOND_HD double affine(index_t column, double xbar, double x_t) const {
        return (*this)[column] * xbar + (*this)[column + 1] * x_t + (*this)[column + 2];
    }
};
/// An expression whose element (i, j) is row i of the table, which all columns share.
template <class Context>
struct shared_table {
    using is_expression = void;
    batch_view<const double, Context> table{nullptr, 0, 0, nullptr};
    extents shape() const { return {table.rows(), -1}; }
    DIAMOND_HD shared_coefficients operator()(index_t i, index_t) const {
        return {table.data() + i, table.rows()};
    }
};

/// Returns e and g.
[[nodiscard]] DIAMOND_HD inline numbers<2> shared_inputs(shared_coefficients c, double xbar, double x_t) {
    return {{c.affine(e_column, xbar, x_t), c.affine(g_column, xbar, x_t)}};
}
/// Returns the derivatives of e and g as xbar moves.
[[nodiscard]] DIAMOND_HD inline numbers<2> shared_input_tangents(shared_coefficients c, double xbar_dot) {
    return {{c[e_column] * xbar_dot, c[g_column] * xbar_dot}};
}
/// Returns v, given the network's output F.
[[nodiscard]] DIAMOND_HD inline double shared_velocity(shared_coefficients c, double xbar, double x_t,
                                                       double F) {
    return c.affine(v_column, xbar, x_t) + c[F_column] * F;
}
/// Returns the derivative of v as xbar moves, given that of F.
[[nodiscard]] DIAMOND_HD inline double shared_velocity_tangent(shared_coefficients c, double xbar_dot,
                                                               double F_dot) {
    return c[v_column] * xbar_dot + c[F_column] * F_dot;
}
/// Returns the cotangent of F, given that of v.
[[nodiscard]] DIAMOND_HD inline double shared_cotangent(shared_coefficients c, double of_v) {
    return c[F_column] * of_v;
}
/// Returns the cotangents of xbar and x_t, given those of v, e and g.
[[nodiscard]] DIAMOND_HD inline numbers<2> shared_state_cotangents(shared_coefficients c, double of_v,
                                                                   double of_e, double of_g) {
    return {{c[v_column] * of_v + c[e_column] * of_e + c[g_column] * of_g,
             c[v_column + 1] * of_v + c[e_column + 1] * of_e + c[g_column + 1] * of_g}};
}

/// Writes element i of the first layer's bias with what the features of times add to it, and a label that all
/// columns share.
template <class View>
struct fold_into_bias {
    static constexpr index_t features = network_times * time_features, relative_cost = features;
    using real = typename View::value_type;
    batch_view<const real, typename View::context_type> weights; ///< W of the features, outputs x features
    const real* label_weights;                                   ///< W of the label, outputs numbers; or null
    const real* bias;
    View to; ///< outputs x 1
    double feature[features];
    DIAMOND_HD void operator()(index_t i) const {
        double sum = static_cast<double>(bias[i]);
        for (index_t f = 0; f < features; ++f) sum += static_cast<double>(weights(i, f)) * feature[f];
        if (label_weights) sum += static_cast<double>(label_weights[i]);
        to[i] = static_cast<real>(sum);
    }
};
/// Writes W of e, g and the condition's rows side by side, without what lies between them: that of the
/// features of times, and of a label that all columns share.
template <class ConstView, class View>
struct pack_weights {
    ConstView weights;    ///< outputs x inputs
    index_t states, skip; ///< 2 d, and the number of rows between
    View to;              ///< outputs x (2 d + the condition's rows)
    DIAMOND_HD void operator()(index_t i, index_t k) const {
        to(i, k) = weights(i, k < states ? k : k + skip);
    }
};

/// Writes the rows of labels of a block of columns, 1 or 0.
template <class View>
struct write_label_rows {
    labels label;
    index_t first_column, first_row, classes; ///< of the rows, the last that of no class
    View to;
    DIAMOND_HD void operator()(index_t c, index_t j) const {
        const index_t mine = row_of_label(label[first_column + j], classes);
        to(first_row + c, j) = static_cast<typename View::value_type>(c == mine ? 1.0 : 0.0);
    }
};
/// Writes the rows of vectors of a block of columns.
template <class View, class Vectors>
struct write_vector_rows {
    vector_rows<Vectors> vector;
    index_t first_column, first_row;
    View to;
    DIAMOND_HD void operator()(index_t k, index_t j) const {
        to(first_row + k, j) = static_cast<typename View::value_type>(vector(k, first_column + j));
    }
};
/// Says how the row of a divergence head is read: m = constant + scale F.
struct divergence_row {
    double scale = 0.0, constant = 0.0;
};

} // namespace diamond::detail
