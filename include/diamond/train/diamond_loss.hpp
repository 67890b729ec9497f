/// The elementwise part of the losses of a Diamond network, joint or not, and how they are weighted.
#pragma once

#include <cmath>

#include <diamond/core/combine.hpp>
#include <diamond/core/interval.hpp>

namespace diamond {

namespace detail {

/// w_i of the diagonal loss, S^2/(pv + floor), S^2 = s^2 pv + (1 - s)^2: it gives the target z - eps', of variance pv/S^2 given (xbar_s, x_t) for
/// Gaussian data, unit noise at all times; and of the Lagrangian loss, 1/(pv + floor): errors in units of what the posterior spreads.
template <class Spread>
struct posterior_weight {
    Spread spread;
    time_view t, s;
    double floor;
    bool diagonal;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        const double pv = spread(i, t[j]), time = s[j];
        return (diagonal ? time * time * pv + (1.0 - time) * (1.0 - time) : 1.0) / (pv + floor);
    }
};

template <class Spread> // clang 16 deduces no aggregates
posterior_weight(Spread, time_view, time_view, double, bool) -> posterior_weight<Spread>;

/// w of a network with divergence's last row, 1/(the variance in whose units errors of m count): at (s, r), or where the target stands.
template <class Spread>
struct divergence_weight {
    Spread spread;
    time_view s, r;
    DIAMOND_HD double operator()(index_t, index_t j) const { return 1.0 / spread(s[j], r[j]); }
};

template <class Spread>
divergence_weight(Spread, time_view, time_view) -> divergence_weight<Spread>;

/// The error's numbers, of batches of `outputs` rows: error = v + length v' - target, without v' where it is null.
template <class Real>
struct loss_errors {
    const Real *v, *v_dot, *target;
    time_view from, to;
    index_t outputs;
};
/// w error^2 of row first + i.
template <class Real, class Weight>
struct weighted_square {
    Weight weight;
    loss_errors<Real> of;
    index_t first;
    [[nodiscard]] DIAMOND_HD double error(index_t i, index_t j) const {
        const index_t at   = first + i + of.outputs * j;
        const double value = static_cast<double>(of.v[at]) - static_cast<double>(of.target[at]);
        return of.v_dot ? value + (of.to[j] - of.from[j]) * static_cast<double>(of.v_dot[at]) : value;
    }
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        const double e = error(i, j);
        return weight(i, j) * e * e;
    }
};
/// The cotangents of v and v' of sum_j scale m_j mean_i w_i error_i^2, i of `rows`, in place of v and v'; of v' 0 where its gradient is stopped.
template <class Real, class Weight>
struct loss_cotangent {
    weighted_square<Real, Weight> term;
    const double* multiple; // of the columns
    double scale;
    index_t rows;
    bool stopped;
    Real *v, *v_dot;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at = term.first + i + term.of.outputs * j;
        const double k   = 2.0 * scale * multiple[j] * term.weight(i, j) * term.error(i, j) / static_cast<double>(rows);
        v[at]            = static_cast<Real>(k);
        if (v_dot) v_dot[at] = static_cast<Real>(stopped ? 0.0 : k * (term.of.to[j] - term.of.from[j]));
    }
};
struct divide_each {
    double* x;
    double by;
    DIAMOND_HD void operator()(index_t j) const { x[j] /= by; }
};
struct sum_of {
    const double* x;
    DIAMOND_HD double operator()(index_t j) const { return x[j]; }
};

} // namespace detail
} // namespace diamond
