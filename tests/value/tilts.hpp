/// A reward and what it does to the mixture of support/models.hpp, by its own closed forms.
#pragma once

#include <array>
#include <vector>

#include <diamond/core/batch.hpp>
#include <diamond/schedule/schedule.hpp>

#include "support/models.hpp"

namespace tilts {

using diamond::index_t;
/// std::array, whose functions a device may call.
struct point {
    double value[2];
    [[nodiscard]] DIAMOND_HD constexpr double& operator[](std::size_t i) { return value[i]; }
    [[nodiscard]] DIAMOND_HD constexpr const double& operator[](std::size_t i) const { return value[i]; }
    [[nodiscard]] double* begin() { return value; }
    [[nodiscard]] double* end() { return value + 2; }
    [[nodiscard]] const double* data() const { return value; }
    [[nodiscard]] const double* begin() const { return value; }
    [[nodiscard]] const double* end() const { return value + 2; }
};
/// The gradient of the reward below at one column.
template <class ConstView, class View>
struct write_slope {
    point c, q, y;
    ConstView z;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const auto k = static_cast<std::size_t>(i);
        out(i,
            j) = static_cast<typename View::value_type>(c[k] - q[k] * (static_cast<double>(z(i, j)) - y[k]));
    }
};

/// r(z) = c . z - 1/2 sum_i q_i (z_i - y_i)^2, pointwise and differentiable; of opposite signs in its
/// coordinates.
struct reward {
    point c{0.9, -0.6}, q{0.4, 0.1}, y{0.5, -1.0};

    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        double r = 0.0;
        for (index_t i = 0; i < 2; ++i) {
            const auto k = static_cast<std::size_t>(i);
            r += c[k] * static_cast<double>(z[i]) -
                 0.5 * q[k] * diamond::square(static_cast<double>(z[i]) - y[k]);
        }
        return r;
    }
    template <class ConstView, class View>
    void gradient(ConstView z, View out) const {
        out.context().for_each(2, out.columns(), write_slope<ConstView, View>{c, q, y, z, out});
    }
    /// Divided by a temperature.
    [[nodiscard]] reward at(double temperature) const {
        reward cooled = *this;
        for (double& v : cooled.c) v /= temperature;
        for (double& v : cooled.q) v /= temperature;
        return cooled;
    }
};

/// Everything exact at (x, t): component by component, z given x is Gaussian with variance v sigma^2/V, and
/// tilting it keeps it so.
struct exact_value {
    double value = 0.0, log_density = 0.0;
    point denoiser{}, tilted{}; ///< E[z | x], and the same under p^r

    template <class Schedule>
    exact_value(const Schedule& schedule, const reward& r, const point& x, double t)
        : exact_value(diamond::level_at(schedule, t), r, x) {}
    exact_value(diamond::noise_level level, const reward& r, const point& x) {
        const models::mixture_numbers n;
        const double variance = diamond::square(level.sigma);
        const models::mixture_point here(n, level.alpha, variance, x.data());
        log_density = here.log_density;
        double total = 0.0;
        std::array<point, models::mixture_numbers::count> means{};
        std::array<double, models::mixture_numbers::count> weights{};
        for (index_t k = 0; k < n.count; ++k) {
            const auto at = static_cast<std::size_t>(k);
            double logs = 0.0;
            for (std::size_t i = 0; i < 2; ++i) {
                const double v = n.variance[k][i], all = diamond::square(level.alpha) * v + variance;
                const double m = (variance * n.mean[k][i] + level.alpha * v * x[i]) / all,
                             s = v * variance / all;
                // E exp(c z - q (z - y)^2/2) for z ~ N(m, s)
                const double shrink = 1.0 + r.q[i] * s, slope = r.c[i] - r.q[i] * (m - r.y[i]);
                logs += r.c[i] * m - 0.5 * r.q[i] * diamond::square(m - r.y[i]) +
                        0.5 * s * slope * slope / shrink - 0.5 * std::log(shrink);
                means[at][i] = m + s * slope / shrink;
                denoiser[i] += here.share[k] * m;
            }
            total += weights[at] = here.share[k] * std::exp(logs);
        }
        value = std::log(total);
        for (std::size_t k = 0; k < weights.size(); ++k)
            for (std::size_t i = 0; i < 2; ++i) tilted[i] += weights[k] / total * means[k][i];
    }
    /// grad V = alpha/sigma^2 (D^r - D).
    [[nodiscard]] point gradient(diamond::noise_level level) const {
        const double factor = level.alpha / diamond::square(level.sigma);
        return {factor * (tilted[0] - denoiser[0]), factor * (tilted[1] - denoiser[1])};
    }
    /// b grad V by (eq. guidance-mean-shift); its limit alpha'(0)(E_{p^r} z - E z) at t = 0.
    template <class Schedule>
    [[nodiscard]] point guidance(const Schedule& schedule, double t) const {
        const auto level = diamond::level_at(schedule, t);
        const double factor = t == 0.0 ? schedule.d_alpha(0.0)
                                       : schedule.d_alpha(t) - level.alpha / diamond::square(level.sigma) *
                                                                   diamond::sigma_d_sigma(schedule, t);
        return {factor * (tilted[0] - denoiser[0]), factor * (tilted[1] - denoiser[1])};
    }
};

/// The reference checks itself: V by a sum over a grid of z, and its gradient by differences.
[[nodiscard]] inline double value_by_quadrature(diamond::noise_level level, const reward& r, const point& x) {
    const models::mixture_numbers n;
    double with = 0.0, without = 0.0;
    constexpr double h = 0.05; // a fifth of the narrowest deviation: the sum is exact to rounding
    for (int a = -120; a <= 120; ++a)
        for (int b = -120; b <= 120; ++b) {
            const point z{h * a, h * b};
            const double prior = models::mixture_point(n, 1.0, 0.0, z.data()).log_density;
            double miss = 0.0;
            for (std::size_t i = 0; i < 2; ++i)
                miss += diamond::square((x[i] - level.alpha * z[i]) / level.sigma);
            const double weight = std::exp(prior - 0.5 * miss);
            without += weight;
            with += weight * std::exp(r(diamond::column_view<const double>(z.data(), 2)));
        }
    return std::log(with / without);
}

} // namespace tilts
