/// What a search and Markov chains do over ranks: groups of independent runs, each by an rng of its own,
/// dealt to the ranks, the same on any number of them.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/convergence.hpp>
#include <diamond/align/renoise_chain.hpp>
#include <diamond/align/search.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/mpi/communicator.hpp>

namespace diamond::mpi {

/// The options of best_of_groups and of chains.
struct groups_options {
    index_t groups = 8; ///< on all ranks together, 1 ... 2^20
};

namespace detail {
inline void require_groups(const groups_options& options) {
    constexpr index_t most = index_t{1} << 20;
    require(options.groups >= 1 && options.groups <= most,
            [&] { return digits_of(options.groups) + " groups over ranks: 1 to 2^20 are taken"; });
}
/// Runs this rank's groups, group g by rng.split(g). @throws numeric_error with the group.
template <class Run>
auto run_groups(part here, philox rng, const Run& run) {
    std::vector<decltype(run(rng))> results;
    for (index_t g = here.first; g < here.first + here.count; ++g) {
        try {
            results.push_back(run(rng.split(static_cast<std::uint64_t>(g))));
        } catch (const numeric_error& error) {
            std::throw_with_nested(numeric_error("group " + digits_of(g) + ": " + error.reason(),
                                                 error.step(), error.particle()));
        }
    }
    return results;
}
[[nodiscard]] inline cost sum_of(const communicator& ranks, const cost& own) {
    cost all;
    for (const cost& one : ranks.all_gather(std::vector<cost>{own})) all += one;
    return all;
}
[[nodiscard]] inline double largest_of(const communicator& ranks, double own) {
    const auto all = ranks.all_gather(std::vector<double>{own});
    return *std::max_element(all.begin(), all.end());
}
} // namespace detail

/// Runs a search, a best_of_n or a beam, in G groups over the ranks, and keeps the best of all groups for
/// each winner: with best_of_n the best of G N candidates.
///
/// Of equal rewards the lowest group's is kept, so that the winners are the same on any number of ranks.
/// Cost: G searches. What is sent: a reward for each winner from each rank, and each winner once, to all.
template <class Search>
class best_of_groups {
public:
    using batch_type = typename Search::batch_type;
    using condition_type = typename Search::condition_type;
    using context_type = typename Search::context_type;

    /// The ranks must outlive it. @throws std::invalid_argument for a number of groups out of range.
    best_of_groups(const communicator& ranks, Search search, groups_options options = {})
        : ranks_(&ranks), search_(std::move(search)), options_(options) {
        detail::require_groups(options_);
    }
    /// Deleted, because temporary ranks would not outlive it.
    best_of_groups(communicator&&, Search, groups_options = {}) = delete;

    /// Searches, and returns the winners and their rewards on all ranks. All ranks make this call, with the
    /// same arguments. @throws numeric_error as the search does, with the group.
    search_result<batch_type> operator()(const context_type& context, philox rng,
                                         const condition_type& condition = {}) {
        using real = typename batch_type::value_type;
        const stopwatch clock;
        const part here = ranks_->part_of(options_.groups);
        auto own = detail::run_groups(here, rng,
                                      [&](philox of_group) { return search_(context, of_group, condition); });
        std::vector<double> best; // of this rank, for each winner
        std::vector<std::size_t> group;
        cost spent;
        index_t rows = 0;
        for (std::size_t g = 0; g < own.size(); ++g) {
            spent += own[g].spent;
            rows = own[g].particles.rows();
            best.resize(own[g].rewards.size(), -infinity);
            group.resize(own[g].rewards.size());
            for (std::size_t j = 0; j < best.size(); ++j)
                if (own[g].rewards[j] > best[j]) {
                    best[j] = own[g].rewards[j];
                    group[j] = g;
                }
        }
        // Who has searched, what each has found, and whose is the best: the first of equal ones.
        const auto who = ranks_->all_gather(own.empty() ? std::vector<int>{}
                                                        : std::vector<int>{ranks_->rank()});
        const auto rewards = ranks_->all_gather(best);
        rows = ranks_->all_gather(std::vector<index_t>{rows})[static_cast<std::size_t>(who.front())];
        const std::size_t winners = rewards.size() / who.size();
        std::vector<std::size_t> chosen(winners, 0); // which of those who have searched
        for (std::size_t i = 0; i < who.size(); ++i)
            for (std::size_t j = 0; j < winners; ++j)
                if (rewards[i * winners + j] > rewards[chosen[j] * winners + j]) chosen[j] = i;
        std::vector<real> columns;
        for (std::size_t j = 0; j < winners; ++j)
            if (who[chosen[j]] == ranks_->rank()) {
                const auto column = to_host(
                    own[group[j]].particles.read().columns(static_cast<index_t>(j), 1));
                columns.insert(columns.end(), column.begin(), column.end());
            }
        const auto all = ranks_->all_gather(columns); // rank by rank, each its winners in order
        const auto d = static_cast<std::size_t>(rows);
        std::vector<real> ordered(d * winners);
        search_result<batch_type> result;
        result.rewards.resize(winners);
        std::size_t at = 0;
        for (std::size_t i = 0; i < who.size(); ++i)
            for (std::size_t j = 0; j < winners; ++j) {
                if (chosen[j] != i) continue;
                result.rewards[j] = rewards[i * winners + j];
                std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(at), d,
                            ordered.begin() + static_cast<std::ptrdiff_t>(d * j));
                at += d;
            }
        result.particles = from_host<real>(context, rows, static_cast<index_t>(winners), ordered);
        result.complete = true;
        result.spent = detail::sum_of(*ranks_, spent);
        result.seconds = detail::largest_of(*ranks_, clock.seconds());
        return result;
    }

private:
    const communicator* ranks_;
    Search search_;
    groups_options options_;
};

/// What groups of Markov chains have come to. Everything but `own` is the same on all ranks.
template <class Batch>
struct chains_result {
    part here;                                    ///< the numbers of this rank's groups
    std::vector<renoise_chain_result<Batch>> own; ///< their results
    double acceptance = NAN;                      ///< the mean share of accepted moves
    /// The largest split R-hat over the coordinates and the reward, of all chains of all groups.
    double r_hat = NAN;
    double ess = NAN;                  ///< the effective number of draws of all; NaN where R-hat is above 1.1
    bool exact_for_model = false;      ///< says whether the stationary law is the model's, tilted
    bool reliable = false;             ///< says whether nothing warns
    std::vector<std::string> warnings; ///< reasons why the chains should not be trusted
    cost spent;                        ///< all evaluations on all ranks
    double seconds = 0.0;              ///< the time of the call on the rank that took longest
};

/// Runs a renoise_chain of N chains in G groups over the ranks, and judges all G N chains together.
///
/// Each group adapts its noise to itself. R-hat compares chains of all groups, and sees modes that some of
/// them alone have found. Cost: G runs of the chains. What is sent: 24 (d + 1) bytes a group, at the end.
template <class Chain>
class chains {
public:
    using batch_type = typename Chain::batch_type;
    using condition_type = typename Chain::condition_type;
    using context_type = typename Chain::context_type;
    using result_type = chains_result<batch_type>; ///< what a run returns

    /// The ranks must outlive it. @throws std::invalid_argument for a number of groups out of range.
    chains(const communicator& ranks, Chain chain, groups_options options = {})
        : ranks_(&ranks), chain_(std::move(chain)), options_(options) {
        detail::require_groups(options_);
    }
    /// Deleted, because temporary ranks would not outlive it.
    chains(communicator&&, Chain, groups_options = {}) = delete;

    /// Runs all chains from draws of the model. All ranks make this call, with the same arguments.
    /// @throws numeric_error as the chain does, with the group.
    result_type operator()(const context_type& context, philox rng, const condition_type& condition = {}) {
        const stopwatch clock;
        result_type result;
        result.here = ranks_->part_of(options_.groups);
        result.own = detail::run_groups(
            result.here, rng, [&](philox of_group) { return chain_(context, of_group, condition); });
        std::vector<chain_moments> moments;
        std::vector<std::array<double, 3>> numbers; // acceptance, exactness and warnings of each group
        index_t sizes[2] = {0, 0};
        cost spent;
        for (const auto& group : result.own) {
            moments.insert(moments.end(), group.agreement.of.begin(), group.agreement.of.end());
            numbers.push_back(
                {group.acceptance, group.exact_for_model ? 1.0 : 0.0, group.warnings.empty() ? 0.0 : 1.0});
            sizes[0] = group.agreement.chains;
            sizes[1] = group.agreement.moves;
            spent += group.spent;
        }
        moments = ranks_->all_gather(moments);
        numbers = ranks_->all_gather(numbers);
        ranks_->broadcast(sizes, ranks_->owner_of(0, options_.groups));

        const auto groups = static_cast<std::size_t>(options_.groups), rows = moments.size() / groups;
        std::vector<chain_agreement> each(groups);
        std::size_t warn = 0;
        double accepted = 0.0;
        result.exact_for_model = true;
        for (std::size_t g = 0; g < groups; ++g) {
            const auto first = moments.begin() + static_cast<std::ptrdiff_t>(g * rows);
            each[g] = {.chains = sizes[0],
                       .moves = sizes[1],
                       .of = {first, first + static_cast<std::ptrdiff_t>(rows)}};
            accepted += numbers[g][0] / static_cast<double>(groups);
            result.exact_for_model = result.exact_for_model && numbers[g][1] == 1.0;
            warn += numbers[g][2] == 1.0 ? 1 : 0;
        }
        result.acceptance = accepted;
        const auto found = diamond::detail::judge_chains(combine_chains(each));
        result.r_hat = found.r_hat;
        result.ess = found.ess;
        if (std::isnan(result.ess))
            result.warnings.push_back("R-hat over all groups is " + rounded(result.r_hat, 3) +
                                      ": the chains have not forgotten where they began; take more steps, or "
                                      "begin from draws of SMC");
        if (warn > 0)
            result.warnings.push_back(digits_of(warn) + " of " + digits_of(groups) +
                                      " groups of chains warn: their own results say of what");
        result.reliable = result.warnings.empty();
        result.spent = detail::sum_of(*ranks_, spent);
        result.seconds = detail::largest_of(*ranks_, clock.seconds());
        return result;
    }

private:
    const communicator* ranks_;
    Chain chain_;
    groups_options options_;
};

} // namespace diamond::mpi
