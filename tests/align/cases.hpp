/// What the tests of alignment share: two models that nothing is symmetric in, rewards whose log Z is known,
/// and all that can be put together on them.
#pragma once

#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/align/smc.hpp>
#include <diamond/backend/eigen.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/exact_value.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/point_values.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/weighted_value.hpp>

#include <support/statistics.hpp>

#include "one_of.hpp"

namespace cases {

using diamond::index_t, diamond::infinity, diamond::philox, diamond::purpose;

template <class Batch>
using mixture_of = diamond::gaussian_mixture<Batch, diamond::linear_schedule>;
template <class Batch>
using gaussian_of = diamond::gaussian<Batch, diamond::linear_schedule>;

/// Three unlike components in the plane.
template <class Batch>
[[nodiscard]] mixture_of<Batch> mixture(const diamond::backend_of_t<Batch>& context) {
    return {context,
            {},
            {0.5, 0.3, 0.2},
            {-1.0, 0.5, 1.5, -0.5, 0.2, -1.4},
            {0.16, 0.36, 0.25, 0.09, 0.04, 0.49}};
}
/// Another mixture, whose posterior is wrong for the first.
template <class Batch>
[[nodiscard]] mixture_of<Batch> wrong_mixture(const diamond::backend_of_t<Batch>& context) {
    return {context, {}, {0.3, 0.7}, {-0.5, 0.0, 1.0, -1.0}, {0.3, 0.2, 0.5, 0.3}};
}
/// A correlated Gaussian in three dimensions, its scales apart.
template <class Batch>
[[nodiscard]] gaussian_of<Batch> gaussian(const diamond::backend_of_t<Batch>& context) {
    return {context, {}, {0.7, -1.2, 0.4}, {1.3, 0.5, -0.2, 0.5, 0.6, 0.1, -0.2, 0.1, 0.25}};
}

/// r(z) = constant + c . z - 1/2 sum q_i z_i^2, with -inf where z_0 < wall, on any back end: one type for
/// every reward of these tests.
template <class Real, int D = 2>
struct form_reward {
    static constexpr bool column_parallel = true;

    double linear[D], curvature[D];
    double constant = 0.0, wall = -infinity;

    DIAMOND_HD double operator()(diamond::column_view<const Real> z) const {
        if (static_cast<double>(z[0]) < wall) return -infinity;
        double value = constant;
        for (int i = 0; i < D; ++i) {
            const double x = static_cast<double>(z[i]);
            value += linear[i] * x - 0.5 * curvature[i] * x * x;
        }
        return value;
    }
    template <class ConstView, class View>
    struct write_gradient {
        form_reward of;
        ConstView z;
        View out;
        DIAMOND_HD void operator()(index_t i, index_t j) const {
            out(i, j) = static_cast<Real>(of.linear[i] - of.curvature[i] * static_cast<double>(z(i, j)));
        }
    };
    template <class ConstView, class View>
    void gradient(ConstView z, View out) const {
        z.context().for_each(z.rows(), z.columns(), write_gradient<ConstView, View>{*this, z, out});
    }
    [[nodiscard]] diamond::quadratic_form quadratic_form() const {
        return {constant, {linear, linear + D}, {curvature, curvature + D}};
    }
};
template <class Real>
[[nodiscard]] form_reward<Real> tilt_2d(double strength = 1.0) {
    return {{0.9 * strength, -0.6 * strength}, {0.0, 0.0}, 0.3};
}
template <class Real>
[[nodiscard]] form_reward<Real> bowl_2d(double strength = 1.0) { // -q/2 |z - y|^2
    const double q0 = 1.5 * strength, q1 = 0.8 * strength, y0 = 0.7, y1 = 0.3;
    return {{q0 * y0, q1 * y1}, {q0, q1}, -0.5 * (q0 * y0 * y0 + q1 * y1 * y1)};
}
template <class Real>
[[nodiscard]] form_reward<Real, 3> bowl_3d(double strength = 1.0) {
    return {{0.5 * strength, -0.4 * strength, 0.8 * strength},
            {1.0 * strength, 0.5 * strength, 2.0 * strength},
            -0.2};
}

/// P(z_0 > wall) of a mixture.
template <class Model>
[[nodiscard]] double log_probability_above(const Model& model, double wall) {
    const auto& parts = model.components();
    double sum = 0.0;
    for (index_t k = 0; k < parts.count(); ++k) {
        const auto at = static_cast<std::size_t>(k);
        sum += parts.weights()[at] * 0.5 *
               std::erfc((wall - parts.means()[at * static_cast<std::size_t>(parts.dimension())]) /
                         std::sqrt(2.0 * parts.variance(0, k)));
    }
    return std::log(sum);
}

/// exp(log Z-hat - log Z) of `runs` independent runs, 0 where all weights died.
template <class Sampler>
[[nodiscard]] std::vector<double> ratios(Sampler& sampler, const diamond::eigen::context& context,
                                         index_t runs, double log_z, std::uint64_t seed) {
    std::vector<double> result;
    for (index_t run = 0; run < runs; ++run) {
        try {
            result.push_back(std::exp(
                sampler(context, philox{seed}.split(static_cast<std::uint64_t>(run))).log_z - log_z));
        } catch (const diamond::dead_weights&) {
            result.push_back(0.0);
        }
    }
    return result;
}

} // namespace cases
