/// On Gaussian data every transition is affine in its state and its noises, and the noises are known: they
/// are the stream's. So a kernel's matrices are solved for, exactly, and means and covariances are propagated
/// without a random number.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/random/draw.hpp>

#include "support/batches.hpp"
#include "support/small_matrix.hpp"

namespace affine {

using diamond::index_t;
using batch = diamond::eigen::batch<double>;

/// x' = state x + noise eps + end_noise eps' + constant, eps the stream's normals and eps' those of purpose
/// transition_end.
struct transition {
    small::matrix state, noise, end_noise, constant;
    double misfit = 0.0; ///< how far the kernel is from any such transition
};

/// Solves for the transition from many more columns than unknowns.
template <class Kernel>
[[nodiscard]] transition probe(Kernel& kernel, const diamond::eigen::context& context,
                               diamond::interval span) {
    const auto d = static_cast<std::size_t>(kernel.dimension()), unknowns = 3 * d + 1;
    const index_t rows = kernel.dimension(), n = 2 * static_cast<index_t>(unknowns) + 7;
    const auto stream = diamond::philox{20240607}.stream(diamond::purpose::transition, 3);
    const auto x = batches::normal<batch>(context, rows, n, 99, 1.5);
    batch eps(context, rows, n), end(context, rows, n), out(context, rows, n);
    diamond::draw_normal(stream, eps.mutable_view());
    diamond::draw_normal(stream.with(diamond::purpose::transition_end), end.mutable_view());
    kernel(x, span, diamond::no_condition{}, stream, out);

    const auto columns = static_cast<std::size_t>(n);
    small::matrix design(columns, unknowns), response(columns, d);
    for (std::size_t j = 0; j < columns; ++j) {
        design(j, 3 * d) = 1;
        for (std::size_t i = 0; i < d; ++i) {
            const auto at = d * j + i;
            design(j, i) = x.data()[at];
            design(j, d + i) = eps.data()[at];
            design(j, 2 * d + i) = end.data()[at];
            response(j, i) = out.data()[at];
        }
    }
    const auto fitted = small::solve(design.transposed() * design, design.transposed() * response).x;
    transition result{small::matrix(d, d), small::matrix(d, d), small::matrix(d, d), small::matrix(d, 1)};
    for (std::size_t i = 0; i < d; ++i) {
        for (std::size_t k = 0; k < d; ++k) {
            result.state(i, k) = fitted(k, i);
            result.noise(i, k) = fitted(d + k, i);
            result.end_noise(i, k) = fitted(2 * d + k, i);
        }
        result.constant(i, 0) = fitted(3 * d, i);
    }
    result.misfit = small::size(design * fitted - response);
    return result;
}

struct law {
    small::matrix mean, covariance;

    static law standard_normal(std::size_t d) { return {small::matrix(d, 1), small::matrix::identity(d)}; }
    [[nodiscard]] law after(const transition& t) const {
        return {t.state * mean + t.constant, t.state * covariance * t.state.transposed() +
                                                 t.noise * t.noise.transposed() +
                                                 t.end_noise * t.end_noise.transposed()};
    }
};

/// The law at t = 1 of a chain from N(0, I) over `steps` equal steps, and the largest misfit met.
struct outcome {
    law end;
    double misfit = 0.0;
};
template <class Kernel>
[[nodiscard]] outcome run(Kernel& kernel, const diamond::eigen::context& context, index_t steps,
                          double from = 0.0, const std::function<law()>& start = {}) {
    outcome result{start ? start() : law::standard_normal(static_cast<std::size_t>(kernel.dimension()))};
    const auto time = [&](index_t k) {
        return k == steps ? 1.0 : from + (1.0 - from) * static_cast<double>(k) / static_cast<double>(steps);
    };
    for (index_t k = 0; k < steps; ++k) {
        const transition step = probe(kernel, context, {time(k), time(k + 1)});
        result.misfit = std::max(result.misfit, step.misfit);
        result.end = result.end.after(step);
    }
    return result;
}

/// The largest entry by which mean or covariance miss.
[[nodiscard]] inline double distance(const law& a, const law& b) {
    return std::max(small::size(a.mean - b.mean), small::size(a.covariance - b.covariance));
}

} // namespace affine
