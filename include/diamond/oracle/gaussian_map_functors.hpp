/// The elementwise work of closed Gaussian maps, in the eigenbasis: i is an eigenvector, j a column.
#pragma once

#include <diamond/core/digits_of.hpp>
#include <diamond/oracle/gaussian_parts.hpp>

namespace diamond::detail {

/// The flow map's coefficients for a variance v.
struct gaussian_interval {
    gaussian_view parts;
    noise_level   from, to;

    [[nodiscard]] DIAMOND_HD static double total(noise_level level, double v) { return square(level.alpha) * v + square(level.sigma); }
    [[nodiscard]] DIAMOND_HD double        ratio(index_t i) const { return std::sqrt(total(to, parts.spread[i]) / total(from, parts.spread[i])); }
};

template <class Real>
struct gaussian_flow {
    gaussian_interval flow;
    Real*             y;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real&        value = y[i + flow.parts.rows * j];
        const double mean  = flow.parts.mean[i];
        value = static_cast<Real>(flow.to.alpha * mean + flow.ratio(i) * (static_cast<double>(value) - flow.from.alpha * mean));
    }
};
template <class Real>
struct gaussian_flow_product {
    gaussian_interval flow;
    Real*             w;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real& value = w[i + flow.parts.rows * j];
        value       = static_cast<Real>(flow.ratio(i) * static_cast<double>(value));
    }
};
/// An eigenvector's share of m: log of the ratio over the length, its derivative where the length is 0.
struct gaussian_mean_divergence {
    gaussian_interval flow;
    double            length;
    gaussian_reading  velocity;
    DIAMOND_HD double operator()(index_t i, index_t) const {
        return length == 0.0 ? velocity.state_weight(flow.parts.spread[i]) : std::log(flow.ratio(i)) / length;
    }
};

/// The Diamond map's coefficients in eigenvector i of column j.
struct gaussian_posterior_interval {
    gaussian_view     parts;
    gaussian_readings denoiser;
    noise_level       from, to;

    /// Variance of the posterior, v sigma^2 / V.
    [[nodiscard]] DIAMOND_HD double spread(index_t i, index_t j) const {
        const double v = parts.spread[i];
        return denoiser[j].variance * (v / denoiser[j].total(v));
    }
    [[nodiscard]] DIAMOND_HD double mean(index_t i, index_t j, double x_t) const {
        const double v = parts.spread[i];
        return denoiser[j].mean_weight(v) * parts.mean[i] + denoiser[j].state_weight(v) * x_t;
    }
    [[nodiscard]] DIAMOND_HD double slope(index_t i, index_t j) const { return denoiser[j].state_weight(parts.spread[i]); }
    /// sqrt(W_r / W_s); 1 where nothing moves, 0 on the way back from a point.
    [[nodiscard]] DIAMOND_HD double ratio(index_t i, index_t j) const {
        const double v = spread(i, j), first = gaussian_interval::total(from, v), last = gaussian_interval::total(to, v);
        if (first == last) return 1.0;
        return first == 0.0 ? 0.0 : std::sqrt(last / first);
    }
};

/// X_{s,r} in place of xbar.
template <class Real>
struct gaussian_posterior_flow {
    gaussian_posterior_interval flow;
    const Real*                 x_t;
    Real*                       xbar;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t element = i + flow.parts.rows * j;
        const double  mean    = flow.mean(i, j, static_cast<double>(x_t[element]));
        xbar[element] = static_cast<Real>(flow.to.alpha * mean + flow.ratio(i, j) * (static_cast<double>(xbar[element]) - flow.from.alpha * mean));
    }
};
/// The cotangents of xbar, in place of w, and of x_t.
template <class Real>
struct gaussian_posterior_product {
    gaussian_posterior_interval flow;
    Real *                      w, *w_t;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t element = i + flow.parts.rows * j;
        const double  ratio   = flow.ratio(i, j), value = static_cast<double>(w[element]);
        w_t[element] = static_cast<Real>((flow.to.alpha - ratio * flow.from.alpha) * flow.slope(i, j) * value);
        w[element]   = static_cast<Real>(ratio * value);
    }
};

/// An eigenvector's share of the inner flow's m: log sqrt(W_r/W_s) over the length; where the length is 0 its derivative, (a a' v + b b')/W.
struct gaussian_posterior_divergence {
    gaussian_posterior_interval flow;
    double                      length, a_d_a, b_d_b;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        const double v = flow.spread(i, j);
        return length == 0.0 ? (a_d_a * v + b_d_b) / gaussian_interval::total(flow.from, v) : std::log(flow.ratio(i, j)) / length;
    }
};

/// d x N against d x N. @throws std::invalid_argument with both shapes.
template <class A, class B>
void require_gaussian_batch(const char* where, index_t d, const A& a, const B& b) {
    require(a.rows() == d && b.rows() == d && a.columns() == b.columns(), [&] {
        return std::string(where) + ": batches of " + digits_of(a.rows()) + " x " + digits_of(a.columns()) + " and " + digits_of(b.rows()) +
               " x " + digits_of(b.columns()) + " for dimension " + digits_of(d);
    });
}

} // namespace diamond::detail
