/// Islands: independent runs of sequential Monte Carlo, dealt to ranks, and one log Z and one set of weighted
/// particles of them all. See (eq. log-z-islands).
///
/// Island i draws by rng.split(i), whichever rank has it, so that the islands, and all that is said of them,
/// are the same bits on any number of ranks.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/align/islands_snapshot.hpp>
#include <diamond/align/run.hpp>
#include <diamond/align/smc.hpp>
#include <diamond/mpi/communicator.hpp>
#include <diamond/mpi/packed.hpp>

namespace diamond::mpi {

/// The options of islands.
struct islands_options {
    index_t islands = 8; ///< I, on all ranks together, 2 ... 2^20
    /// After a step whose effective number of islands, (sum Z)^2 / sum Z^2, is below threshold I, whole
    /// islands are resampled by their Z: 0 never exchanges any, above 1 always does. Where pilots have chosen
    /// plain weights, whose log Z is not known before the last step, none is exchanged.
    double threshold = 0.0;
};

/// What all islands have come to. Everything but `own` is the same on all ranks.
template <class Batch>
struct islands_result {
    part here;                          ///< the numbers of this rank's islands
    std::vector<smc_result<Batch>> own; ///< their results; one whose weights died has no particles
    /// log Z of each of the I islands, -inf where its weights died. Of islands that were exchanged these, and
    /// the log_z of `own`, are not for combine_islands: they were chosen by their Z, and their mean is too
    /// large.
    std::vector<double> log_z_of;
    /// The share of each island in the weight of all particles, I numbers that sum to 1; empty where all
    /// weights died, or the run was stopped.
    std::vector<double> shares;
    double log_z = NAN; ///< log Z of all, whose exp is unbiased as that of one run is; NaN where it was
                        ///< stopped
    /// By the spread of the islands; where islands were exchanged by that of their families. NaN where that
    /// does not tell: `warnings` then says why.
    double log_z_standard_error = NAN;
    log_z_error log_z_method = log_z_error::none; ///< how the error was estimated
    double spread = NAN;                          ///< the standard deviation of the islands' log Z in nats
    double ess = NAN;                             ///< the effective sample size of all particles together
    index_t exchanges = 0;                        ///< how often islands were resampled
    std::vector<std::int32_t> families;           ///< the first island that each descends from
    bool complete = false;                        ///< says whether the last step was taken
    bool exact_for_sampler = false;               ///< as in smc_result
    bool exact_for_density = false;               ///< as in smc_result
    bool exact_for_model = false;                 ///< as in smc_result
    bool reliable = false;                        ///< says whether it is complete and nothing warns
    std::vector<std::string> warnings;            ///< reasons why the run should not be trusted
    cost spent;                                   ///< all evaluations on all ranks
    double seconds = 0.0;                         ///< the time of the call on the rank that took longest

    /// Returns the weights of the particles of own[i] among those of all islands; over all islands they sum
    /// to
    /// 1. @throws std::invalid_argument where there are none, since all weights died or the run was stopped.
    [[nodiscard]] std::vector<double> weights(index_t i) const {
        require(!shares.empty(), "islands without weights: they all died, or the run was stopped");
        const auto at = static_cast<std::size_t>(i);
        auto result = own.at(at).weights();
        for (double& weight : result) weight *= shares[static_cast<std::size_t>(here.first) + at];
        return result;
    }
};

/// The state of islands between two steps: the states of this rank's, and what all ranks know of all.
template <class Sampler>
struct islands_state {
    using condition_type = typename Sampler::condition_type;

    const typename Sampler::context_type* context; ///< the context of the run, which must outlive it
    philox rng;                                    ///< that of the run, from which the islands' are split
    condition_type condition;                      ///< the condition of every island
    part here;                                     ///< the numbers of this rank's islands
    /// Their states; none where the weights died.
    std::vector<std::optional<typename Sampler::state>> own = {};
    index_t steps_done = 0, step_count = 0; ///< k and K
    double log_z = 0.0;                     ///< what exchanges of islands have added up, in nats
    /// log Z of the state of each island when islands were last resampled, from which it counts.
    std::vector<double> base = {};
    std::vector<std::int32_t> families = {}; ///< the first island that each descends from
    index_t exchanges = 0;                   ///< how often islands were resampled
    index_t plain = 0;                       ///< how many of the I islands have chosen plain weights
    cost spent = {};                         ///< the evaluations of this rank
    stopwatch clock = {};                    ///< runs from when the state was made

    [[nodiscard]] index_t step() const { return steps_done; }  ///< k, the number of steps done
    [[nodiscard]] index_t steps() const { return step_count; } ///< K
    /// Says whether the last step has been taken.
    [[nodiscard]] bool done() const { return steps_done == step_count; }
};

namespace detail {

/// log of the sum of exp of numbers, and their effective number: the shares sum to 1, and are empty where all
/// numbers are -inf.
struct weighed_islands {
    double log_mean = -infinity, effective = 0.0;
    std::vector<double> shares;

    explicit weighed_islands(const std::vector<double>& log_weights) {
        const double high = *std::max_element(log_weights.begin(), log_weights.end());
        if (high == -infinity) return;
        double sum = 0.0, squares = 0.0;
        for (const double w : log_weights) {
            shares.push_back(std::exp(w - high));
            sum += shares.back();
            squares += square(shares.back());
        }
        for (double& share : shares) share /= sum;
        log_mean = high + std::log(sum / static_cast<double>(log_weights.size()));
        effective = sum * sum / squares;
    }
};

/// log Z of a state with the weights that it has not yet added up.
template <class State>
[[nodiscard]] double log_z_of(const State& s) {
    const double before = s.log_z_so_far();
    if (s.done() || s.step() == 0) return before;
    return before + weighed_islands(to_host(s.log_w)).log_mean;
}

/// Draws the island from which each goes on, by their shares (multinomial); one that has offspring is its
/// own, so that as little as can be is sent.
[[nodiscard]] inline std::vector<std::int32_t> island_ancestors(const std::vector<double>& shares,
                                                                noise_stream stream) {
    const std::size_t count = shares.size();
    std::vector<std::int32_t> offspring(count), result(count, -1);
    for (std::size_t i = 0; i < count; ++i) {
        const double u = stream.uniform(static_cast<index_t>(i));
        double sum = 0.0;
        std::size_t chosen = 0, last = 0;
        for (std::size_t a = 0; a < count; ++a) {
            if (shares[a] > 0.0) last = a; // where rounding leaves u above the sum of all
            sum += shares[a];
            if (u < sum) break;
            chosen = a + 1;
        }
        ++offspring[std::min(chosen, last)];
    }
    for (std::size_t a = 0; a < count; ++a)
        if (offspring[a] > 0) {
            result[a] = static_cast<std::int32_t>(a);
            --offspring[a];
        }
    std::size_t from = 0;
    for (auto& ancestor : result) {
        if (ancestor >= 0) continue;
        while (offspring[from] == 0) ++from;
        ancestor = static_cast<std::int32_t>(from);
        --offspring[from];
    }
    return result;
}

} // namespace detail

/// Runs I islands of a sampler, an smc, of N particles each, over the ranks.
///
/// Z-hat is the mean of the islands' Z-hat, unbiased as they are, and particle j of island i weighs share_i
/// W_ij, its share of all islands' Z by its weight in its island. With a threshold, whole islands are
/// resampled by their Z after steps before the last: Z-hat is then the product of the means between, unbiased
/// as well, dead islands come alive again as copies of others, and copies part at once, since an island draws
/// by its own rng. Without one, nothing is sent between the start and the end.
///
/// An island whose pilot chose plain weights has no log Z before its last step, with which others could be
/// compared: while there is one, a threshold exchanges none, and the result of unlike islands warns of it. A
/// sampler with plain_ratio = 0 has none.
///
/// Cost: I runs of the sampler. What is sent: with a threshold, 8 I bytes a step, and the state of each
/// island that another rank goes on from; at the end some 100 bytes an island.
template <class Sampler>
class islands {
public:
    using batch_type = typename Sampler::batch_type;
    using condition_type = typename Sampler::condition_type;
    using context_type = typename Sampler::context_type;
    using result_type = islands_result<batch_type>; ///< what a run returns
    using state = islands_state<Sampler>;           ///< what a run is between two steps
    using snapshot_type = islands_snapshot<typename batch_type::value_type>; ///< a state of all ranks, on
                                                                             ///< rank 0

    /// @throws std::invalid_argument naming the option that is out of its range.
    /// The ranks must outlive it.
    islands(const communicator& ranks, Sampler sampler, islands_options options = {})
        : ranks_(&ranks), sampler_(std::move(sampler)), options_(options) {
        constexpr index_t most = index_t{1} << 20;
        require(options_.islands >= 2 && options_.islands <= most, [&] {
            return digits_of(options_.islands) + " islands: 2 to 2^20 are taken, as one has no spread";
        });
        require(options_.threshold >= 0.0 && options_.threshold < infinity, [&] {
            return "a threshold of islands of " + digits_of(options_.threshold) +
                   ": it is a share of their number, 0 or more, and finite";
        });
    }

    /// Deleted, because temporary ranks would not outlive the islands.
    islands(communicator&&, Sampler, islands_options = {}) = delete;

    /// Runs all steps. The observer gets the state after each of them on every rank, and stops the run where
    /// it returns false on rank 0. All ranks make this call, with the same arguments.
    /// @throws numeric_error as the sampler does, with the island.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const condition_type& condition = {},
                           Observer observer = {}) {
        return run(start(context, rng, condition), observer);
    }
    /// Runs the rest of a run from a snapshot that rank 0 has; the number of ranks may be another. The same
    /// arguments give the same bits as the run that it was taken from.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const snapshot_type& from,
                           const condition_type& condition = {}, Observer observer = {}) {
        return run(resume(context, rng, from, condition), observer);
    }

    /// The state at t = 0. All ranks make this call.
    /// @throws as the sampler does; where it does so on some ranks alone, std::runtime_error with its
    /// sentence on the others.
    state start(const context_type& context, philox rng, const condition_type& condition = {}) {
        state s = new_state(context, rng, condition);
        ranks_->on_each([&] {
            for (index_t i = 0; i < s.here.count; ++i) {
                auto& island = s.own[static_cast<std::size_t>(i)];
                as_island(s.here.first + i, [&] {
                    island.emplace(sampler_.start(context, of_island(rng, s.here.first + i), condition));
                });
                s.step_count = island->steps();
                s.spent += island->spent;
            }
        });
        agree(s);
        return s;
    }
    /// Takes one step of all islands, and exchanges islands where they differ. All ranks make this call.
    /// @throws numeric_error as the sampler does, with the island.
    void step(state& s) {
        require_of(s);
        require(!s.done(), "these islands have taken their last step");
        const cost before = sampler_.spent();
        const auto log_z = each_own(s, [&](auto& island) {
            sampler_.step(*island);
            return options_.threshold > 0.0 ? detail::log_z_of(*island) : island->log_z_so_far();
        });
        s.spent += sampler_.spent() - before;
        ++s.steps_done;
        if (options_.threshold > 0.0 && s.plain == 0 && !s.done()) exchange(s, log_z);
    }
    /// The result of islands that are done, or that were stopped early: incomplete, and without log Z. All
    /// ranks make this call.
    result_type finish(state s) {
        require_of(s);
        result_type result;
        result.here = s.here;
        result.complete = s.done();
        result.exchanges = s.exchanges;
        result.families = s.families;
        const auto log_z = each_own(s, [&](auto& island) {
            result.own.push_back(sampler_.finish(std::move(*island)));
            return result.own.back().log_z;
        });
        for (std::size_t i = 0; i < log_z.size(); ++i)
            if (log_z[i] == -infinity)
                result.own.insert(result.own.begin() + static_cast<std::ptrdiff_t>(i), died());
        result.log_z_of = ranks_->all_gather(log_z);
        tell_exactness(result);
        if (result.complete)
            combine(s, result);
        else
            result.warnings.emplace_back("the run was stopped after step " + digits_of(s.step()) + " of " +
                                         digits_of(s.steps()) + ": it has no log Z");
        result.reliable = result.warnings.empty();
        result.spent = sum_of(s.spent);
        const auto seconds = ranks_->all_gather(std::vector<double>{s.clock.seconds()});
        result.seconds = *std::max_element(seconds.begin(), seconds.end());
        return result;
    }

    /// Returns the states of all islands on rank 0, and an empty snapshot elsewhere. All ranks make this
    /// call.
    [[nodiscard]] snapshot_type snapshot(const state& s) const {
        require_of(s);
        const cost spent = sum_of(s.spent);
        snapshot_type result;
        if (ranks_->first())
            result = {.step = s.step(),
                      .islands = std::vector<snapshot_of>(static_cast<std::size_t>(options_.islands)),
                      .log_z = s.log_z,
                      .base = s.base,
                      .families = s.families,
                      .exchanges = s.exchanges,
                      .spent = spent,
                      .seed = s.rng.seed,
                      .threshold = options_.threshold};
        for (index_t i = 0; i < options_.islands; ++i) {
            snapshot_of one;
            if (owner(i) == ranks_->rank()) {
                const auto& island = s.own[static_cast<std::size_t>(i - s.here.first)];
                if (island) one = island->snapshot();
            }
            pass_on(one, owner(i), 0);
            if (ranks_->first()) result.islands[static_cast<std::size_t>(i)] = std::move(one);
        }
        return result;
    }
    /// The state that a snapshot was taken of, from what rank 0 has of it. All ranks make this call.
    /// @throws std::invalid_argument where it belongs to other islands or another seed, and as the sampler
    /// does; where it does so on some ranks alone, std::runtime_error with its sentence on the others.
    state resume(const context_type& context, philox rng, const snapshot_type& from,
                 const condition_type& condition = {}) {
        ranks_->on_first([&] { require_own(rng, from); });
        state s = new_state(context, rng, condition);
        if (ranks_->first()) {
            s.steps_done = from.step;
            s.exchanges = from.exchanges;
            s.log_z = from.log_z;
            s.base = from.base;
            s.families = from.families;
            s.spent = from.spent;
        }
        ranks_->broadcast(std::span(&s.steps_done, 1));
        ranks_->broadcast(std::span(&s.exchanges, 1));
        ranks_->broadcast(std::span(&s.log_z, 1));
        ranks_->broadcast(s.base);
        ranks_->broadcast(s.families);
        std::vector<snapshot_of> own;
        for (index_t i = 0; i < options_.islands; ++i) {
            snapshot_of one;
            if (ranks_->first()) one = from.islands[static_cast<std::size_t>(i)];
            pass_on(one, 0, owner(i));
            if (owner(i) == ranks_->rank()) own.push_back(std::move(one));
        }
        ranks_->on_each([&] { // when all has been sent, so that none waits where one is refused
            for (std::size_t i = 0; i < own.size(); ++i) {
                if (own[i].values.empty()) continue;
                const index_t number = s.here.first + static_cast<index_t>(i);
                as_island(number, [&] {
                    s.own[i].emplace(sampler_.resume(context, of_island(rng, number), own[i], condition));
                });
                s.step_count = s.own[i]->steps();
            }
        });
        agree(s);
        require(s.exchanges == 0 || s.plain == 0,
                "this snapshot has exchanged islands and plain weights, whose log Z is not known before the "
                "last step, so that no run exchanges them: begin anew");
        return s;
    }

    /// Returns all particles as the result of one run, on rank 0; elsewhere it has no particles. Island by
    /// island they are d x (I N), with log weights of all, families of all, and the combined log Z; traces
    /// and ancestors stay with the islands. Particles of islands that descend from one by exchanges share its
    /// families. All ranks make this call. What is sent: all particles and their numbers.
    /// @throws std::invalid_argument on all ranks where they are more than 2^31 - 1 particles.
    [[nodiscard]] smc_result<batch_type> gather(const context_type& context, const result_type& from) const {
        smc_result<batch_type> all;
        all.log_z = from.log_z;
        all.log_z_standard_error = from.log_z_standard_error;
        all.log_z_method = from.log_z_method;
        all.ess = from.ess;
        all.reliable = from.reliable;
        all.warnings = from.warnings;
        all.complete = from.complete;
        all.exact_for_sampler = from.exact_for_sampler;
        all.exact_for_density = from.exact_for_density;
        all.exact_for_model = from.exact_for_model;
        all.spent = from.spent;
        all.seconds = from.seconds;
        index_t count = 0;
        for (const auto& island : from.own) count += static_cast<index_t>(island.log_weights.size());
        const auto counts = ranks_->all_gather(std::vector<index_t>{count});
        count = std::accumulate(counts.begin(), counts.end(), index_t{0});
        if (count > 0) diamond::detail::require_particles("islands gathered", count);
        std::vector<typename batch_type::value_type> particles;
        std::map<std::int32_t, std::int32_t> first_of; // where the first island of a family has its particles
        index_t rows = 0;
        for (index_t i = 0; i < options_.islands; ++i) {
            gathered one;
            if (owner(i) == ranks_->rank()) {
                const auto& island = from.own[static_cast<std::size_t>(i - from.here.first)];
                one = {.rows = island.particles.rows(),
                       .particles = to_host(island.particles),
                       .log_weights = island.log_weights,
                       .rewards = island.rewards,
                       .log_densities = island.log_densities,
                       .families = island.families};
            }
            pass_on(one, owner(i), 0);
            if (!ranks_->first() || one.log_weights.empty()) continue;
            rows = one.rows;
            const std::int32_t before = first_of
                                            .try_emplace(from.families[static_cast<std::size_t>(i)],
                                                         static_cast<std::int32_t>(all.log_weights.size()))
                                            .first->second;
            const double share = from.shares.empty() ? 0.0
                                                     : std::log(from.shares[static_cast<std::size_t>(i)]);
            const double own = detail::weighed_islands(one.log_weights).log_mean;
            for (double& w : one.log_weights) w += share - own;
            for (auto& family : one.families) family += before;
            const auto append = [](auto& to, const auto& more) {
                to.insert(to.end(), more.begin(), more.end());
            };
            append(particles, one.particles);
            append(all.log_weights, one.log_weights);
            append(all.rewards, one.rewards);
            append(all.log_densities, one.log_densities);
            append(all.families, one.families);
        }
        all.particles = from_host<typename batch_type::value_type>(
            context, rows, static_cast<index_t>(all.log_weights.size()), particles);
        return all;
    }

private:
    using snapshot_of = typename Sampler::snapshot_type;
    /// What gather() sends of an island.
    struct gathered {
        index_t rows = 0;
        std::vector<typename batch_type::value_type> particles;
        std::vector<double> log_weights, rewards, log_densities;
        std::vector<std::int32_t> families;
    };
    template <class Archive>
    static void pack(Archive& archive, gathered& one) {
        archive(one.rows, one.particles, one.log_weights, one.rewards, one.log_densities, one.families);
    }
    template <class Archive>
    static void pack(Archive& archive, snapshot_of& one) {
        detail::pack_snapshot(archive, one);
    }
    /// Brings what rank `from` has in `one` to rank `to`.
    template <class One>
    void pass_on(One& one, int from, int to) const {
        if (from == to) return;
        if (ranks_->rank() == from) {
            detail::packer bytes;
            pack(bytes, one);
            ranks_->send(bytes.bytes(), to);
        } else if (ranks_->rank() == to) {
            const auto bytes = ranks_->receive(from);
            detail::unpacker numbers{bytes};
            pack(numbers, one);
        }
    }
    [[nodiscard]] static philox of_island(philox rng, index_t i) {
        return rng.split(static_cast<std::uint64_t>(i));
    }
    [[nodiscard]] static smc_result<batch_type> died() {
        smc_result<batch_type> none;
        none.complete = true;
        none.log_z = -infinity;
        return none;
    }

    /// Returns the rank that has an island.
    [[nodiscard]] int owner(index_t island) const { return ranks_->owner_of(island, options_.islands); }

    [[nodiscard]] state new_state(const context_type& context, philox rng,
                                  const condition_type& condition) const {
        state s{.context = &context,
                .rng = rng,
                .condition = condition,
                .here = ranks_->part_of(options_.islands)};
        s.own.resize(static_cast<std::size_t>(s.here.count));
        s.base.assign(static_cast<std::size_t>(options_.islands), 0.0);
        for (index_t i = 0; i < options_.islands; ++i) s.families.push_back(static_cast<std::int32_t>(i));
        return s;
    }
    /// Tells all ranks how many steps the islands have, which one without islands does not know, and how many
    /// of all have chosen plain weights.
    void agree(state& s) const {
        const auto plain = std::count_if(s.own.begin(), s.own.end(),
                                         [](const auto& island) { return island && island->plan.plain(); });
        const auto all = ranks_->all_gather(std::vector<index_t>{s.step_count, plain});
        s.step_count = s.steps_done;
        for (std::size_t i = 0; i < all.size(); i += 2) {
            s.step_count = std::max(s.step_count, all[i]);
            s.plain += all[i + 1];
        }
    }
    void require_of(const state& s) const {
        const part here = ranks_->part_of(options_.islands);
        require(s.here.first == here.first && s.here.count == here.count &&
                    s.base.size() == static_cast<std::size_t>(options_.islands),
                [&] {
                    return "this state has the islands from " + digits_of(s.here.first) + ", " +
                           digits_of(s.here.count) + " of " + digits_of(s.base.size()) +
                           ", and this rank those from " + digits_of(here.first) + ", " +
                           digits_of(here.count) + " of " + digits_of(options_.islands) +
                           ": take a snapshot of it to go on with others";
                });
    }
    void require_own(philox rng, const snapshot_type& from) const {
        require(static_cast<index_t>(from.islands.size()) == options_.islands &&
                    from.base.size() == from.islands.size() && from.families.size() == from.islands.size(),
                [&] {
                    return "this snapshot has " + digits_of(from.islands.size()) + " islands, this run " +
                           digits_of(options_.islands);
                });
        require(from.seed == rng.seed, [&] {
            return "this snapshot of islands belongs to the seed " + digits_of(from.seed) +
                   ", this run is of seed " + digits_of(rng.seed);
        });
        require(from.threshold == options_.threshold, [&] {
            return "this snapshot of islands has a threshold of " + digits_of(from.threshold) +
                   ", this run one of " + digits_of(options_.threshold);
        });
        require(from.exchanges >= 0 && std::isfinite(from.log_z),
                "this snapshot of islands has a log Z or a number of exchanges that no run has");
        for (std::size_t i = 0; i < from.islands.size(); ++i) {
            require(std::isfinite(from.base[i]) && from.families[i] >= 0 &&
                        from.families[i] < options_.islands,
                    [&] {
                        return "this snapshot's island " + digits_of(i) +
                               " has a base or a family that no run has: " + digits_of(from.base[i]) +
                               " and " + digits_of(from.families[i]);
                    });
            require(from.islands[i].values.empty() || from.islands[i].step == from.step, [&] {
                return "this snapshot of step " + digits_of(from.step) + " has island " + digits_of(i) +
                       " at step " + digits_of(from.islands[i].step);
            });
        }
    }

    /// Does the work of an island. @throws numeric_error with the island where the work throws one.
    template <class Work>
    static void as_island(index_t number, const Work& work) {
        try {
            work();
        } catch (const dead_weights&) {
            throw;
        } catch (const numeric_error& error) {
            std::throw_with_nested(numeric_error("island " + digits_of(number) + ": " + error.reason(),
                                                 error.step(), error.particle()));
        }
    }
    /// Does `work(island)` for each of this rank's islands that lives, and returns the numbers that it
    /// returns: -inf for those that are dead or die.
    template <class Work>
    static std::vector<double> each_own(state& s, const Work& work) {
        std::vector<double> numbers(s.own.size(), -infinity);
        for (std::size_t i = 0; i < s.own.size(); ++i) {
            if (!s.own[i]) continue;
            try {
                as_island(s.here.first + static_cast<index_t>(i), [&] { numbers[i] = work(s.own[i]); });
            } catch (const dead_weights&) {
                s.own[i].reset();
            }
        }
        return numbers;
    }

    /// Resamples islands by their Z where their effective number is below the threshold.
    void exchange(state& s, const std::vector<double>& own) {
        const auto log_z = ranks_->all_gather(own);
        auto log_weights = log_z;
        for (std::size_t i = 0; i < log_weights.size(); ++i) log_weights[i] -= s.base[i];
        const detail::weighed_islands weighed(log_weights);
        if (weighed.shares.empty() ||
            weighed.effective >= options_.threshold * static_cast<double>(options_.islands))
            return;
        const auto ancestors = detail::island_ancestors(weighed.shares,
                                                        s.rng.stream(purpose::resampling, s.step()));
        s.log_z += weighed.log_mean;
        ++s.exchanges;
        std::map<index_t, snapshot_of> leaving; // those of this rank from which others go on, as they are now
        for (index_t i = 0; i < options_.islands; ++i) {
            const index_t from = ancestors[static_cast<std::size_t>(i)];
            if (from != i && owner(from) == ranks_->rank())
                leaving.try_emplace(from, s.own[static_cast<std::size_t>(from - s.here.first)]->snapshot());
        }
        const auto families = s.families;
        for (index_t i = 0; i < options_.islands; ++i) {
            const auto at = static_cast<std::size_t>(i);
            const index_t from = ancestors[at];
            s.base[at] = log_z[static_cast<std::size_t>(from)];
            s.families[at] = families[static_cast<std::size_t>(from)];
            if (from == i) continue;
            snapshot_of one;
            if (owner(from) == ranks_->rank()) one = leaving.at(from);
            pass_on(one, owner(from), owner(i));
            if (owner(i) != ranks_->rank()) continue;
            const philox rng = of_island(s.rng, i); // it goes on by draws of its own
            one.seed = rng.seed;
            s.own[static_cast<std::size_t>(i - s.here.first)].emplace(
                sampler_.resume(*s.context, rng, one, s.condition));
        }
    }

    /// Tells all ranks what all islands are exact for.
    void tell_exactness(result_type& result) const {
        std::vector<std::uint8_t> exact; // three bits of each island that lives
        for (const auto& one : result.own)
            if (one.log_z > -infinity)
                exact.push_back(static_cast<std::uint8_t>(one.exact_for_sampler + 2 * one.exact_for_density +
                                                          4 * one.exact_for_model));
        exact = ranks_->all_gather(exact);
        const auto all = [&](int bit) {
            return !exact.empty() && std::all_of(exact.begin(), exact.end(),
                                                 [bit](std::uint8_t bits) { return (bits & bit) != 0; });
        };
        result.exact_for_sampler = all(1);
        result.exact_for_density = all(2);
        result.exact_for_model = all(4);
    }
    /// Writes log Z, its error, the islands' shares and the warnings.
    void combine(const state& s, result_type& result) const {
        auto log_weights = result.log_z_of;
        for (std::size_t i = 0; i < log_weights.size(); ++i) log_weights[i] -= s.base[i];
        const auto warned = first_warnings(result);
        std::vector<smc_result<batch_type>> told(log_weights.size());
        for (std::size_t i = 0; i < told.size(); ++i) {
            told[i].log_z = log_weights[i];
            if (!warned[i].empty()) told[i].warnings.push_back(warned[i]);
        }
        combined_log_z all = combine_islands(told);
        if (s.exchanges > 0 && !all.shares.empty()) {
            const auto warn = std::count_if(warned.begin(), warned.end(),
                                            [](const std::string& one) { return !one.empty(); });
            const auto about_spread = all.warnings.size() - (warn > 0 ? 1 : 0);
            all.warnings.erase(all.warnings.begin(),
                               all.warnings.begin() + static_cast<std::ptrdiff_t>(about_spread));
            judge_by_families(s, 2 * warn >= options_.islands, all);
        }
        result.log_z = s.log_z + all.log_z;
        result.shares = all.shares;
        result.spread = all.spread;
        result.warnings = all.warnings;
        if (options_.threshold > 0.0 && s.plain > 0 && s.plain < options_.islands)
            result.warnings.push_back(
                digits_of(s.plain) + " of " + digits_of(options_.islands) +
                " islands have plain weights, whose log Z is not known before the last step, so that none "
                "was exchanged: give the sampler .plain_ratio = 0, or no threshold");
        result.log_z_method = all.method;
        result.log_z_standard_error = all.standard_error;

        std::vector<double> squares; // the sums of the squared weights of each island
        for (const auto& one : result.own) squares.push_back(one.log_z > -infinity ? 1.0 / one.ess : 0.0);
        squares = ranks_->all_gather(squares);
        double sum = 0.0;
        for (std::size_t i = 0; i < result.shares.size(); ++i) sum += square(result.shares[i]) * squares[i];
        if (sum > 0.0) result.ess = 1.0 / sum;
    }
    /// Returns the first warning of each island that concerns more than its own error of log Z; empty where
    /// there is none.
    [[nodiscard]] std::vector<std::string> first_warnings(const result_type& result) const {
        std::string own;
        for (const auto& one : result.own) {
            for (const auto& warning : one.warnings)
                if (warning != one.one_run_warning) {
                    own += warning;
                    break;
                }
            own += '\0';
        }
        const auto all = ranks_->all_gather(std::vector<char>(own.begin(), own.end()));
        std::vector<std::string> warnings(1);
        for (const char letter : all)
            if (letter == '\0')
                warnings.emplace_back();
            else
                warnings.back() += letter;
        return warnings;
    }
    /// Takes the error of log Z from the families of islands, as that of one run is taken from its
    /// particles', in place of their spread: islands that were resampled are not independent. There is none
    /// where many warn.
    void judge_by_families(const state& s, bool many_warn, combined_log_z& all) const {
        all.method = log_z_error::lee_whiteley;
        const double variance = relative_variance_of_z(all.method, family_square(all.shares, s.families),
                                                       options_.islands, s.exchanges);
        const bool trusted = variance >= 0.0 && variance <= trusted_relative_variance;
        all.standard_error = trusted && !many_warn ? std::sqrt(variance) : NAN;
        if (!trusted)
            all.warnings.push_back(
                "the relative variance of Z by the families of the islands is " + rounded(variance, 3) +
                ", good only from 0 to " + digits_of(trusted_relative_variance) +
                ", so that log Z has no standard error: take more islands, or more particles in each");
    }
    [[nodiscard]] cost sum_of(const cost& own) const {
        cost all;
        for (const cost& one : ranks_->all_gather(std::vector<cost>{own})) all += one;
        return all;
    }

    template <class Observer>
    result_type run(state s, Observer& observer) {
        while (!s.done()) {
            step(s);
            if constexpr (!std::is_same_v<Observer, no_observer>) {
                int goes_on = diamond::detail::keep_going(observer, s) ? 1 : 0;
                ranks_->broadcast(std::span(&goes_on, 1));
                if (goes_on == 0) break;
            }
        }
        return finish(std::move(s));
    }

    const communicator* ranks_;
    Sampler sampler_;
    islands_options options_;
};

} // namespace diamond::mpi
