/// What independent Markov chains say of their own convergence: split R-hat, and the effective number of
/// draws by the spread of the chains' means.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/expression.hpp>

namespace diamond {

/// What both halves of Markov chains say of one number: the mean, the mean variance within a half of a chain,
/// and the variance of the halves' means.
struct chain_moments {
    double mean = 0.0, within = 0.0, between = 0.0; ///< in the number's units, and their squares
};
/// What chains say of all numbers: their coordinates and, last, the reward.
struct chain_agreement {
    index_t chains = 0, moves = 0;      ///< how many chains, and the moves of a half of each
    std::vector<chain_moments> of = {}; ///< d + 1 of them
};

} // namespace diamond

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
/// Returns the moments of row i of the sums of `moves` moves a half. Cost: 4 N operations on the host.
[[nodiscard]] inline chain_moments moments_of(const std::vector<double>* sum,
                                              const std::vector<double>* squares, index_t rows, index_t i,
                                              index_t moves) {
    const auto chains = static_cast<index_t>(sum[0].size()) / rows;
    const auto n = static_cast<double>(moves), m = 2.0 * static_cast<double>(chains);
    chain_moments result;
    const auto of = [&](int half, index_t j) {
        const auto at = static_cast<std::size_t>(i + rows * j);
        const double own = sum[half][at] / n;
        return std::pair{own, std::max(squares[half][at] / n - own * own, 0.0) * n / (n - 1.0)};
    };
    for (int half : {0, 1})
        for (index_t j = 0; j < chains; ++j) {
            const auto [own, variance] = of(half, j);
            result.mean += own / m;
            result.within += variance / m;
        }
    for (int half : {0, 1})
        for (index_t j = 0; j < chains; ++j)
            result.between += square(of(half, j).first - result.mean) / (m - 1.0);
    return result;
}
/// Judges one number by its moments over both halves of `chains` chains, of `moves` moves each.
[[nodiscard]] inline convergence judge(const chain_moments& of, index_t chains, index_t moves) {
    const auto n = static_cast<double>(moves), m = 2.0 * static_cast<double>(chains);
    const double pooled = (n - 1.0) / n * of.within + of.between;
    if (std::isnan(pooled)) return {infinity, NAN}; // rewards of -inf, or squares beyond a double
    if (!(pooled > 0.0)) return {1.0, m * n, false};
    return {std::sqrt(pooled / of.within), std::min(m * pooled / of.between, m * n)};
}

/// The split R-hat up to which chains are taken to agree.
inline constexpr double agreed_r_hat = 1.1;

/// Judges chains by what they say of their coordinates and, last, of their reward: the largest R-hat,
/// infinite where rewards are -inf or chains never moved; and the effective number of draws of the reward, or
/// where that does not vary, as of a constraint, the least of the coordinates'; NaN where R-hat is above
/// agreed_r_hat.
[[nodiscard]] inline convergence judge_chains(const chain_agreement& chains) {
    convergence found = judge(chains.of.back(), chains.chains, chains.moves);
    const bool known = found.r_hat < infinity;
    for (std::size_t i = 0; i + 1 < chains.of.size(); ++i) {
        const convergence one = judge(chains.of[i], chains.chains, chains.moves);
        found.r_hat = std::fmax(found.r_hat, one.r_hat);
        if (!found.varies) found.ess = std::fmin(found.ess, one.ess);
    }
    if (!known) found.r_hat = infinity;
    if (!(found.r_hat <= agreed_r_hat)) found.ess = NAN;
    return found;
}

/// Returns what chains say by the halves of their states, d x N, and of their rewards, `moves` of each half.
template <class Batch>
[[nodiscard]] chain_agreement agreement_of(const half_sums<Batch>& of_z, const half_sums<Batch>& of_reward,
                                           index_t moves) {
    const auto on_host = [](const auto& sums) { return std::vector{to_host(sums[0]), to_host(sums[1])}; };
    const auto z = on_host(of_z.sum), z_squares = on_host(of_z.square_sum), r = on_host(of_reward.sum),
               r_squares = on_host(of_reward.square_sum);
    chain_agreement all{.chains = of_z.sum[0].columns(), .moves = moves};
    const index_t rows = of_z.sum[0].rows();
    for (index_t i = 0; i < rows; ++i)
        all.of.push_back(moments_of(z.data(), z_squares.data(), rows, i, moves));
    all.of.push_back(moments_of(r.data(), r_squares.data(), 1, 0, moves));
    return all;
}
/// Judges chains by the sums of their halves.
template <class Batch>
[[nodiscard]] convergence judge_chains(const half_sums<Batch>& of_z, const half_sums<Batch>& of_reward,
                                       index_t moves) {
    return judge_chains(agreement_of(of_z, of_reward, moves));
}

} // namespace diamond::detail

namespace diamond {

/// Returns what groups of equally many chains, of equally many moves, say together, as one group of all
/// would.
/// @throws std::invalid_argument for no groups, and where they differ in size.
[[nodiscard]] inline chain_agreement combine_chains(const std::vector<chain_agreement>& groups) {
    require(!groups.empty() && !groups.front().of.empty(), "no chains are there to be combined");
    const auto& first = groups.front();
    chain_agreement all{.chains = 0, .moves = first.moves, .of = {}};
    for (const auto& group : groups) {
        require(group.chains == first.chains && group.moves == first.moves &&
                    group.of.size() == first.of.size(),
                [&] {
                    return "groups of " + digits_of(first.chains) + " and of " + digits_of(group.chains) +
                           " chains, with " + digits_of(first.moves) + " and " + digits_of(group.moves) +
                           " moves a half: only groups of one size are combined";
                });
        all.chains += group.chains;
    }
    const auto count = static_cast<double>(groups.size()), m = 2.0 * static_cast<double>(first.chains);
    for (std::size_t i = 0; i < first.of.size(); ++i) {
        chain_moments one;
        for (const auto& group : groups) {
            one.mean += group.of[i].mean / count;
            one.within += group.of[i].within / count;
        }
        for (const auto& group : groups)
            one.between += ((m - 1.0) * group.of[i].between + m * square(group.of[i].mean - one.mean)) /
                           (count * m - 1.0);
        all.of.push_back(one);
    }
    return all;
}

} // namespace diamond
