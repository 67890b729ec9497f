/// What the tests of rewards share: points, values and gradients on the host, finite differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/random/philox.hpp>
#include <diamond/reward/evaluate.hpp>

#include <support/back_ends.hpp>

namespace checks {

using diamond::index_t;

template <class Batch>
using real = typename Batch::value_type;
template <class Batch>
using context_of = diamond::backend_of_t<Batch>;
template <class Batch>
using vector_of = std::vector<real<Batch>>;

template <class Batch>
constexpr double tolerance = back_ends::precision<real<Batch>>::tolerance;

/// d x n standard normal numbers, times `spread`.
template <class Batch>
Batch points(const context_of<Batch>& context, index_t d, index_t n, double spread = 1.0,
             std::uint64_t seed = 7) {
    Batch z(context, d, n);
    context.fill_normal(diamond::philox{seed}.stream(diamond::purpose::user), z.mutable_view());
    auto host = diamond::to_host(z);
    for (auto& entry : host) entry *= static_cast<real<Batch>>(spread);
    return diamond::from_host(context, d, n, host);
}

/// Returns standard normal numbers as host numbers of the particle's type, for parameters.
template <class Batch>
vector_of<Batch> parameters(const context_of<Batch>& context, index_t count, std::uint64_t seed) {
    return diamond::to_host(points<Batch>(context, count, 1, 1.0, seed));
}

/// A reward, a condition and a batch's back end behind two functions of host numbers, so that what follows
/// compiles once a back end.
template <class Batch>
struct on_host {
    std::function<std::vector<double>(const Batch&)> values, gradients;
};

template <class Reward, class Batch, class Condition = diamond::no_condition>
std::vector<double> values(Reward& reward, const Batch& z, const Condition& condition = {}) {
    diamond::rebind_t<Batch, double> out(z.context(), 1, z.columns());
    diamond::evaluate_reward(reward, z.read(), condition, diamond::row(out));
    return diamond::to_host(out);
}

template <class Reward, class Batch, class Condition = diamond::no_condition>
std::vector<double> gradients(Reward& reward, const Batch& z, const Condition& condition = {}) {
    Batch out(z.context(), z.rows(), z.columns());
    diamond::evaluate_reward_gradient(reward, z.read(), condition, out.mutable_view());
    const auto host = diamond::to_host(out);
    return {host.begin(), host.end()};
}

/// What a plain loop over the host's columns gives.
template <class Batch>
std::vector<double> expected(const Batch& z, const std::function<double(const std::vector<double>&)>& f) {
    const auto host = diamond::to_host(z);
    std::vector<double> result;
    for (auto column = host.begin(); column != host.end(); column += z.rows())
        result.push_back(f(std::vector<double>(column, column + z.rows())));
    return result;
}

/// The largest |a - b| / (1 + |b|); infinite where one is NaN, or one is infinite and the other is not the
/// same.
inline double difference(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.size() != b.size()) return diamond::infinity;
    double largest = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k) {
        if (a[k] == b[k]) continue;
        const double one = std::abs(a[k] - b[k]) / (1.0 + std::abs(b[k]));
        largest = one <= largest ? largest : std::isnan(one) ? diamond::infinity : std::max(one, largest);
    }
    return largest;
}

/// The largest difference between the reward's gradient and central differences of its values.
template <class Batch>
double gradient_error_of(const on_host<Batch>& reward, const Batch& z) {
    using Real = real<Batch>;
    const auto d = z.rows(), n = z.columns();
    const Real h = sizeof(Real) == 4 ? Real(0x1p-6) : Real(0x1p-16);
    const auto at = diamond::to_host(z);
    std::vector<double> differences(at.size());
    for (index_t i = 0; i < d; ++i) {
        auto above = at, below = at;
        for (index_t j = 0; j < n; ++j) {
            above[static_cast<std::size_t>(i + d * j)] += h;
            below[static_cast<std::size_t>(i + d * j)] -= h;
        }
        const auto high = reward.values(diamond::from_host(z.context(), d, n, above));
        const auto low = reward.values(diamond::from_host(z.context(), d, n, below));
        for (index_t j = 0; j < n; ++j) {
            const auto k = static_cast<std::size_t>(i + d * j), column = static_cast<std::size_t>(j);
            // The step that was taken is not quite 2 h: z + h is rounded.
            differences[k] = (high[column] - low[column]) /
                             (static_cast<double>(above[k]) - static_cast<double>(below[k]));
        }
    }
    return difference(reward.gradients(z), differences);
}
template <class Reward, class Batch>
double gradient_error(Reward& reward, const Batch& z) {
    return gradient_error_of<Batch>({[&](const Batch& x) { return values(reward, x); },
                                     [&](const Batch& x) { return gradients(reward, x); }},
                                    z);
}
/// Truncation h^2/6 |r'''| and rounding eps |r| / h of the differences above, |r| and |r'''| up to about 30.
template <class Batch>
constexpr double gradient_tolerance = sizeof(real<Batch>) == 4 ? 4e-3 : 1e-7;

/// The largest difference between the values of r at z and its quadratic form.
template <class Batch>
double form_error_of(const diamond::quadratic_form& form, const std::vector<double>& r_of_z, const Batch& z) {
    REQUIRE(form.linear.size() == static_cast<std::size_t>(z.rows()));
    REQUIRE(form.curvature.size() == form.linear.size());
    return difference(r_of_z, expected(z, [&](const std::vector<double>& x) {
                          double r = form.constant;
                          for (std::size_t i = 0; i < x.size(); ++i)
                              r += form.linear[i] * x[i] - 0.5 * form.curvature[i] * x[i] * x[i];
                          return r;
                      }));
}

template <class Reward, class Batch>
double form_error(Reward& reward, const Batch& z) {
    return form_error_of(reward.quadratic_form(), values(reward, z), z);
}

} // namespace checks
