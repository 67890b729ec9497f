/// Brute force to hold the oracles against: textbook sums in long double, quadrature over the data, and
/// finite differences.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <diamond/core/batch.hpp>
#include <diamond/core/condition.hpp>

#include "support/any_schedule.hpp"

namespace reference {

using diamond::index_t, diamond::square;
using real = long double;
using vector = std::vector<real>;

using any_schedule = schedules::any;
inline constexpr any_schedule linear{schedules::kind::linear}, trigonometric{schedules::kind::trigonometric},
    variance_preserving{schedules::kind::variance_preserving}, cosine{schedules::kind::cosine};

/// Calls f(schedule, its name) for the four schedules.
template <class F>
void for_each_schedule(const F& f) {
    for (const auto kind : schedules::every_kind)
        f(any_schedule{kind}, std::string(any_schedule{kind}.name()));
}

/// A mixture as a list of diagonal Gaussians, and its noised law from the definitions. 0 < t < 1.
struct mixture {
    std::vector<double> weights, means, variances; // K, d x K, d x K
    index_t d = 0;

    mixture(std::vector<double> w, std::vector<double> m, std::vector<double> v)
        : weights(std::move(w)),
          means(std::move(m)),
          variances(std::move(v)),
          d(static_cast<index_t>(means.size() / weights.size())) {
        if (variances.size() == weights.size()) {
            std::vector<double> spread;
            for (const double value : variances)
                spread.insert(spread.end(), static_cast<std::size_t>(d), value);
            variances = spread;
        }
        double total = 0.0;
        for (const double value : weights) total += value;
        for (double& value : weights) value /= total;
    }
    [[nodiscard]] index_t count() const { return static_cast<index_t>(weights.size()); }
    [[nodiscard]] real mean(index_t i, index_t k) const {
        return static_cast<real>(means[static_cast<std::size_t>(i + d * k)]);
    }
    [[nodiscard]] real variance(index_t i, index_t k) const {
        return static_cast<real>(variances[static_cast<std::size_t>(i + d * k)]);
    }

    /// log of w_k N(x; alpha m_k, alpha^2 v_k + sigma^2).
    [[nodiscard]] real log_part(const vector& x, real alpha, real sigma, index_t k) const {
        real sum = std::log(static_cast<real>(weights[static_cast<std::size_t>(k)]));
        for (index_t i = 0; i < d; ++i) {
            const real total = alpha * alpha * variance(i, k) + sigma * sigma,
                       off = x[static_cast<std::size_t>(i)] - alpha * mean(i, k);
            sum -= (off * off / total + std::log(2 * std::acos(real{-1}) * total)) / 2;
        }
        return sum;
    }
    [[nodiscard]] real log_density(const vector& x, real alpha, real sigma) const {
        real high = -std::numeric_limits<real>::infinity(), total = 0;
        for (index_t k = 0; k < count(); ++k) high = std::max(high, log_part(x, alpha, sigma, k));
        for (index_t k = 0; k < count(); ++k) total += std::exp(log_part(x, alpha, sigma, k) - high);
        return high + std::log(total);
    }
    /// E[z | x] by Bayes' rule, component by component: each posterior has precision 1/v + alpha^2/sigma^2.
    [[nodiscard]] vector denoiser(const vector& x, real alpha, real sigma) const {
        const real whole = log_density(x, alpha, sigma);
        vector result(static_cast<std::size_t>(d));
        for (index_t k = 0; k < count(); ++k) {
            const real share = std::exp(log_part(x, alpha, sigma, k) - whole);
            for (index_t i = 0; i < d; ++i) {
                const real precision = 1 / variance(i, k) + alpha * alpha / (sigma * sigma);
                result[static_cast<std::size_t>(i)] += share *
                                                       (mean(i, k) / variance(i, k) +
                                                        alpha * x[static_cast<std::size_t>(i)] /
                                                            (sigma * sigma)) /
                                                       precision;
            }
        }
        return result;
    }
};

/// Fourth-order central difference of f along coordinate i.
template <class F>
[[nodiscard]] auto difference(const F& f, vector x, std::size_t i, real h = 1e-3L) {
    const auto at = [&](real step) {
        vector moved = x;
        moved[i] += step;
        return f(moved);
    };
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

/// One column of a d x N host array.
[[nodiscard]] inline vector column(const std::vector<double>& x, index_t d, index_t j) {
    return vector(x.begin() + d * j, x.begin() + d * (j + 1));
}

/// Calls f(x.read(), out.mutable_view()) on d x N batches of a back end and brings the result home in double.
template <class BackEnd, class F>
[[nodiscard]] std::vector<double> call(const typename BackEnd::context& context, index_t d,
                                       const std::vector<double>& x, const F& f) {
    using number = typename BackEnd::real;
    const index_t n = static_cast<index_t>(x.size()) / d;
    const auto in = diamond::from_host<number>(context, d, n, std::vector<number>(x.begin(), x.end()));
    auto out = diamond::from_host<number>(context, d, n, std::vector<number>(x.size(), number{-77}));
    f(in.read(), out.mutable_view());
    const auto host = diamond::to_host(out);
    return {host.begin(), host.end()};
}
/// Calls f(x.read(), row out), which writes a number a column, and brings the numbers home.
template <class BackEnd, class F>
[[nodiscard]] std::vector<double> call_numbers(const typename BackEnd::context& context, index_t d,
                                               const std::vector<double>& x, const F& f) {
    using number = typename BackEnd::real;
    const index_t n = static_cast<index_t>(x.size()) / d;
    const auto in = diamond::from_host<number>(context, d, n, std::vector<number>(x.begin(), x.end()));
    auto out = diamond::from_host<double>(context, 1, n,
                                          std::vector<double>(static_cast<std::size_t>(n), -77.0));
    f(in.read(), diamond::row(out));
    return diamond::to_host(out);
}

/// Numbers that a float holds exactly, so that both number types see the same input; spread about +-3, never
/// symmetric.
[[nodiscard]] inline std::vector<double> spread_points(index_t count, double scale = 2.0,
                                                       unsigned start = 1) {
    std::vector<double> x(static_cast<std::size_t>(count));
    unsigned state = start * 2654435761u;
    for (double& value : x) {
        state = state * 1664525u + 1013904223u;
        value = static_cast<double>(
            static_cast<float>(scale * (static_cast<double>(state >> 8) / (1 << 23) - 0.93)));
    }
    return x;
}

} // namespace reference
