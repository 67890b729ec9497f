/// What independent Markov chains say of their own convergence: split R-hat, and the effective number of
/// draws by the spread of the chains' means.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/expression.hpp>

namespace diamond::detail {

/// Sums over moves of the numbers of each chain and of their squares, for the two halves of a run.
template <class Batch>
struct half_sums {
    rebind_t<Batch, double> sum[2], square_sum[2];

    template <class Context>
    void clear(const Context& context, index_t rows, index_t columns) {
        for (auto* of : {&sum[0], &sum[1], &square_sum[0], &square_sum[1]}) {
            of->resize(context, rows, columns);
            diamond::set_to_zero(of->mutable_view());
        }
    }
    template <class View>
    void add(int half, const View& x) {
        assign(sum[half], elementwise<plus>(sum[half], x));
        assign(square_sum[half], elementwise<plus_square>(square_sum[half], x));
    }
    DIAMOND_HD static double plus(double total, double x) { return total + x; }
    DIAMOND_HD static double plus_square(double total, double x) { return total + x * x; }
};
/// What halves of chains say of one number: R-hat, and the effective number of draws.
struct convergence {
    double r_hat, ess;
    bool varies = true; ///< says whether the number does
};
/// Judges row i of the sums of `moves` moves a half. Cost: 4 N operations on the host.
[[nodiscard]] inline convergence judge(const std::vector<double>* sum, const std::vector<double>* squares,
                                       index_t rows, index_t i, index_t moves) {
    const auto chains = static_cast<index_t>(sum[0].size()) / rows;
    const auto n = static_cast<double>(moves), m = 2.0 * static_cast<double>(chains);
    double mean = 0.0, within = 0.0, between = 0.0;
    const auto of = [&](int half, index_t j) {
        const auto at = static_cast<std::size_t>(i + rows * j);
        const double own = sum[half][at] / n;
        return std::pair{own, std::max(squares[half][at] / n - own * own, 0.0) * n / (n - 1.0)};
    };
    for (int half : {0, 1})
        for (index_t j = 0; j < chains; ++j) {
            const auto [own, variance] = of(half, j);
            mean += own / m;
            within += variance / m;
        }
    for (int half : {0, 1})
        for (index_t j = 0; j < chains; ++j) between += square(of(half, j).first - mean) / (m - 1.0);
    const double pooled = (n - 1.0) / n * within + between;
    if (std::isnan(pooled)) return {infinity, NAN}; // rewards of -inf, or squares beyond a double
    if (!(pooled > 0.0)) return {1.0, m * n, false};
    return {std::sqrt(pooled / within), std::min(m * pooled / between, m * n)};
}

/// The split R-hat up to which chains are taken to agree.
inline constexpr double agreed_r_hat = 1.1;

/// Judges chains by the halves of their states, d x N, and of their rewards, `moves` of each half: the
/// largest R-hat over the coordinates and the reward, infinite where rewards are -inf or chains never moved;
/// and the effective number of draws of the reward, or where that does not vary, as of a constraint, the
/// least of the coordinates'; NaN where R-hat is above agreed_r_hat.
template <class Batch>
[[nodiscard]] convergence judge_chains(const half_sums<Batch>& of_z, const half_sums<Batch>& of_reward,
                                       index_t moves) {
    const auto on_host = [](const auto& sums) { return std::vector{to_host(sums[0]), to_host(sums[1])}; };
    const auto z = on_host(of_z.sum), z_squares = on_host(of_z.square_sum), r = on_host(of_reward.sum),
               r_squares = on_host(of_reward.square_sum);
    convergence found = judge(r.data(), r_squares.data(), 1, 0, moves);
    const bool known = found.r_hat < infinity;
    const index_t rows = of_z.sum[0].rows();
    for (index_t i = 0; i < rows; ++i) {
        const convergence one = judge(z.data(), z_squares.data(), rows, i, moves);
        found.r_hat = std::fmax(found.r_hat, one.r_hat);
        if (!found.varies) found.ess = std::fmin(found.ess, one.ess);
    }
    if (!known) found.r_hat = infinity;
    if (!(found.r_hat <= agreed_r_hat)) found.ess = NAN;
    return found;
}

} // namespace diamond::detail
