/// Sequential Monte Carlo for many problems in one call, as those of a fleet or of a server's batch: their
/// particles stand side by side in one batch for kernel and value, and all else is each problem's own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/align/smc.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

/// The conditions of groups, one column a group, which serves all particles of the group:
/// `condition_by_group{labels(list)}`, or vectors of d_c x G numbers.
template <class Condition>
struct condition_by_group {
    Condition of_groups; ///< G columns, or one condition for all groups

    /// Takes the condition, whose columns are groups.
    explicit condition_by_group(Condition one_a_group) : of_groups(std::move(one_a_group)) {}
};

/// The states of G runs of N particles whose networks are called together.
///
/// grouped_smc::start and grouped_smc::resume make it, grouped_smc::step moves it on, grouped_smc::finish
/// ends it. Each group is the state of a run of its own.
template <class Batch, class Condition, bool Weighted = false, bool Guided = false>
struct grouped_smc_state {
    using context_type = backend_of_t<Batch>;
    using group_type = smc_state<Batch, Condition, Weighted, Guided>; ///< the state of one group
    /// The copies of the groups on the host, by which the runs are saved and resumed, together or alone.
    using snapshot_type = std::vector<typename group_type::snapshot_type>;

    /// The room of so many groups, without their states, and of the columns of all. `given` is one condition
    /// for all, or has G N columns. The context must outlive it.
    grouped_smc_state(const context_type& on, const Condition& given, const smc_sizes& of_all,
                      std::size_t groups_wanted, const smc_setting& setting)
        : joined(on, philox{0}, given, of_all, setting),
          conditions(groups_wanted),
          resamples(groups_wanted) {}

    [[nodiscard]] index_t size() const { return static_cast<index_t>(groups.size()); } ///< G
    [[nodiscard]] index_t step() const { return groups.front().step(); }   ///< k, the number of steps done
    [[nodiscard]] index_t steps() const { return groups.front().steps(); } ///< K
    /// Says whether the last step has been taken.
    [[nodiscard]] bool done() const { return groups.front().done(); }
    /// Everything that the runs depend on beside their own arguments, a snapshot of each group's own. It
    /// waits for a device.
    [[nodiscard]] snapshot_type snapshot() const {
        snapshot_type result;
        for (const auto& group : groups) result.push_back(group.snapshot());
        return result;
    }

    std::vector<group_type> groups; ///< the state of each group
    /// The columns of all groups side by side, d x (G N): what kernel and value read and write in a step.
    group_type joined;
    rebind_t<Batch, std::uint64_t> seeds;              ///< the seed of each group
    condition_store<Condition, context_type> repeated; ///< the memory of conditions that were one a group
    std::vector<condition_store<Condition, context_type>> conditions; ///< the memory of each group's own
    std::vector<char> resamples; ///< says which groups resample in the step under way
};

/// Runs G problems of N particles each as one batch of G N columns: smc for each group of columns, by one
/// call of kernel and value a step for all of them.
///
/// Weights, floor, relaxation, threshold, resampling, families, the pilot's delta, warnings and log Z are a
/// group's own, and all its noise is that of its own generator, slot by slot. So group g has the result of
/// smc{kernel, value, options, resampler}(context, rngs[g], its condition) with its reward: bit for bit where
/// kernel and value promise numbers of a column that do not depend on the columns beside it, as the networks
/// of this library do on the CPU, else to rounding. Rewards that differ by group are a grouped_reward.
///
/// A group all of whose weights are zero does not end the others' runs: its log Z is -infinity, its effective
/// sample sizes are NaN from that step on, its standard error is NaN, and its `warnings` say so; its
/// particles go on by the kernel, without weights, and cost what the others' do. All other errors end the
/// call, with the column j of all, which is particle j % N of group j / N.
///
/// Two things see the batch as a whole, and then a group has the law of its own run, but not its numbers: an
/// estimator inside a guided kernel that looks at all particles of a call, as moment_value does; and what has
/// a stream of its own, as the probes of hutchinson_divergence in a map, or draws by stream.seed alone.
///
/// Cost: G times that of smc, in as many calls as one run makes. Where groups need different things, a group
/// that needs less waits: its columns are moved, and its values taken, with the others', though its `spent`
/// counts only what its own run would have. That is so of pilots that have ended, of values where the pilot
/// has chosen plain weights, and of their further draws where others make more. On a device each group adds
/// some thirty small kernels a step.
template <class Kernel, class Value, class Resampler = systematic>
class grouped_smc {
    using one_group = smc<Kernel, Value, Resampler>;

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type = backend_of_t<batch_type>;
    /// What a group's run returns.
    using result_type = smc_result<batch_type>;
    /// The groups between two steps.
    using state = grouped_smc_state<batch_type, condition_type, one_group::weighted, one_group::guided>;
    /// The groups copied to the host, from which resume() continues the runs bit for bit.
    using snapshot_type = typename state::snapshot_type;

    /// Takes the options of each group's run; `particles` is N. @throws std::invalid_argument as smc does,
    /// and for a value that depends on other particles of its call.
    grouped_smc(Kernel kernel, Value value, smc_options options = {}, Resampler resampler = {})
        : one_(std::move(kernel), std::move(value), std::move(options), std::move(resampler)) {
        require(detail::is_fresh(one_.value_),
                "groups share the calls of the value estimator, and this one's value of a particle depends "
                "on other particles or on the noise of other steps: give one whose values are their own, as "
                "posterior_value is without fixed_noise, or run the groups one by one");
    }

    /// Runs all steps of all groups, one for each rng, and returns a result a group. The condition is one for
    /// all, or has a column for each of the G N particles, or is a condition_by_group.
    /// @throws std::invalid_argument for no groups, or more than 2^31 - 1 particles in all, or a
    /// grouped_reward of another number of groups; numeric_error as smc does.
    template <class Given = condition_type>
        requires(!std::is_same_v<Given, snapshot_type>)
    std::vector<result_type> operator()(const context_type& context, std::span<const philox> rngs,
                                        const Given& condition = {}) {
        return run(start(context, rngs, condition));
    }
    /// Runs the rest of runs from snapshots; the same arguments give the same bits as the runs that they were
    /// taken from.
    template <class Given = condition_type>
    std::vector<result_type> operator()(const context_type& context, std::span<const philox> rngs,
                                        const snapshot_type& from, const Given& condition = {}) {
        return run(resume(context, rngs, from, condition));
    }

    /// Is no call: a sentence says that groups take a generator each.
    template <class Rngs, class... Others>
        requires(!std::is_convertible_v<const Rngs&, std::span<const philox>>)
    std::vector<result_type> operator()(const context_type&, const Rngs&, const Others&...) const {
        static_assert(std::is_convertible_v<const Rngs&, std::span<const philox>>,
                      "groups draw their numbers by a generator each: write std::vector<diamond::philox>, of "
                      "which rng.split(g) makes independent ones");
        return {};
    }

    /// The groups at t = 0, as smc::start makes each of them. @throws as operator() does.
    template <class Given = condition_type>
    state start(const context_type& context, std::span<const philox> rngs, const Given& condition = {}) {
        state s = new_state(context, rngs, condition);
        for (auto& group : s.groups)
            detail::begin(group, one_.options_.initial_value, one_.options_.log_delta.value_or(-infinity));
        if constexpr (one_group::weighted) {
            join(s);
            one_.begin_densities(s.joined);
            for (index_t g = 0; g < s.size(); ++g) copy_out(s.joined.log_p, g, group_of(s, g).log_p);
        }
        if (!one_.options_.log_delta) pilot(s);
        return s;
    }
    /// The groups that the snapshots were taken of. @throws std::invalid_argument where they are not of one
    /// step, or not as many as the rngs, and as smc::resume does: for the snapshot of a group that has died,
    /// too, without which the others go on as they would.
    template <class Given = condition_type>
    state resume(const context_type& context, std::span<const philox> rngs, const snapshot_type& from,
                 const Given& condition = {}) {
        require(from.size() == rngs.size(), [&] {
            return digits_of(from.size()) + " snapshots for " + digits_of(rngs.size()) +
                   " generators: each group has one of each";
        });
        state s = new_state(context, rngs, condition);
        for (std::size_t g = 0; g < from.size(); ++g) {
            require(from[g].step == from.front().step, [&] {
                return "the snapshot of group " + digits_of(g) + " is of step " + digits_of(from[g].step) +
                       ", that of group 0 of step " + digits_of(from.front().step) +
                       ": groups take their steps together";
            });
            detail::restore(s.groups[g], from[g], one_.options_);
        }
        index_t most = 0;
        for (const auto& one : from) most = std::max(most, one.plan.draws);
        make_room(s, most);
        return s;
    }

    /// Takes one step of all groups. Where it throws, the state is as before, as of smc::step.
    /// @throws what smc::step does but dead_weights.
    void step(state& s) {
        detail::require_setting("state", s.joined.setting, one_.setting_);
        require(!s.done(), "this run of SMC has taken its last step");
        const auto reads = [&](const group_type& group) {
            return one_group::reads_values(one_.plan_of(group));
        };
        const auto reading = std::find_if(s.groups.begin(), s.groups.end(), reads);
        const detail::step_plan plan = one_.plan_of(reading == s.groups.end() ? s.groups.front() : *reading);
        const grouped_philox noise{s.seeds.data(), one_.options_.particles, s.groups.front().rng.seed};

        const cost before = one_.spent();
        join(s);
        one_.move(s.joined, noise, plan);
        const cost moved = one_.spent();
        one_.evaluate(s.joined, noise, plan);
        const cost valued = one_.spent();
        for (index_t g = 0; g < s.size(); ++g) {
            auto& group = group_of(s, g);
            copy_out(s.joined.next_x, g, group.next_x);
            copy_out(s.joined.next_v, g, group.next_v);
            copy_out(s.joined.next_log_p, g, group.next_log_p);
            if constexpr (one_group::weighted || one_group::guided)
                copy_out(s.joined.correction, g, group.correction);
        }
        std::vector<further_draws> more;
        if constexpr (one_group::chooses)
            if (plan.last) detail::at_step(plan.k, [&] { more = draw_more(s); });
        for (index_t g = 0; g < s.size(); ++g) {
            auto& group = group_of(s, g);
            const auto own = one_.plan_of(group);
            one_.weigh(group, own);
            s.resamples[static_cast<std::size_t>(g)] = one_.choose(group, own) ? 1 : 0;
        }

        // Nothing has been lost so far, and nothing fails from here on.
        for (index_t g = 0; g < s.size(); ++g) {
            auto& group = group_of(s, g);
            const auto own = one_.plan_of(group);
            if (one_group::reads_values(own)) group.spent += (valued - moved) / s.size();
            one_group::keep(group, own, s.resamples[static_cast<std::size_t>(g)] != 0);
            group.spent += (moved - before) / s.size();
        }
        for (const further_draws& draws : more) {
            auto& group = group_of(s, draws.group);
            group.plan.relative_variance = draws.relative_variance;
            group.spent += draws.spent;
        }
    }

    /// The results of the groups, each as of smc::finish. @throws std::invalid_argument for a state of
    /// another sampler.
    std::vector<result_type> finish(state s) const {
        std::vector<result_type> results;
        for (auto& group : s.groups) results.push_back(one_.finish(std::move(group)));
        return results;
    }

    /// The evaluations of all steps of all groups so far; the pilots' are in the results only.
    [[nodiscard]] cost spent() const { return one_.spent(); }

private:
    using group_type = typename state::group_type;

    [[nodiscard]] static group_type& group_of(state& s, index_t g) {
        return s.groups[static_cast<std::size_t>(g)];
    }

    std::vector<result_type> run(state s) {
        while (!s.done()) step(s);
        return finish(std::move(s));
    }

    /// The condition of all columns of what was given for them, or for their groups.
    [[nodiscard]] static condition_type of_columns(const context_type&, const condition_type& given, index_t,
                                                   index_t, condition_store<condition_type, context_type>&) {
        return given;
    }
    template <class Condition>
    [[nodiscard]] static condition_type of_columns(const context_type& context,
                                                   const condition_by_group<Condition>& given, index_t groups,
                                                   index_t particles,
                                                   condition_store<condition_type, context_type>& memory) {
        return memory.repeat(context, condition_type(given.of_groups), groups, particles);
    }

    template <class Given>
    state new_state(const context_type& context, std::span<const philox> rngs, const Given& condition) {
        const auto groups = static_cast<index_t>(rngs.size());
        const index_t n = one_.options_.particles;
        require(groups >= 1, "SMC of no groups: give a generator for each of them");
        detail::require_particles("groups of SMC", extent_product("the particles of all groups", groups, n));
        const index_t rewarded = detail::groups_of(one_.value_.reward());
        require(rewarded == 0 || rewarded == groups, [&] {
            return "rewards of " + digits_of(rewarded) + " groups for " + digits_of(groups) +
                   " generators: each group has one of each";
        });

        const smc_sizes sizes{.dimension = one_.dimension(),
                              .particles = groups * n,
                              .steps = static_cast<index_t>(one_.options_.times.size()) - 1,
                              .record_ancestors = false};
        condition_store<condition_type, context_type> repeated;
        const condition_type given = of_columns(context, condition, groups, n, repeated);
        state s{context, given, sizes, rngs.size(), one_.setting_};
        s.repeated = std::move(repeated);

        std::vector<std::uint64_t> seeds;
        for (const philox& rng : rngs) seeds.push_back(rng.seed);
        s.seeds = from_host<std::uint64_t>(context, 1, groups, seeds);
        assign(row(s.joined.family), column_number());
        for (std::size_t g = 0; g < rngs.size(); ++g) {
            const std::int32_t* const columns = s.joined.family.data() + static_cast<index_t>(g) * n;
            s.groups.push_back(
                one_.new_state(context, rngs[g], s.conditions[g].gather(context, given, columns, n)));
        }
        return s;
    }

    /// Copies the particles of all groups, and what goes with them into kernel and value, side by side.
    void join(state& s) const {
        const auto& context = *s.joined.context;
        const index_t n = one_.options_.particles;
        for (index_t g = 0; g < s.size(); ++g) {
            auto& group = group_of(s, g);
            context.copy(group.x.data(), group.x.size(), s.joined.x.data() + g * group.x.size());
            if constexpr (one_group::weighted)
                context.copy(group.log_p.data(), n, s.joined.log_p.data() + g * n);
            assign(row(s.joined.family).columns(g * n, n), row(group.family) + static_cast<double>(g * n));
        }
        detail::order_conditions(s.joined);
    }
    /// Copies a group's part of a joined batch into the group's own, which has the size of the part.
    template <class Numbers>
    static void copy_out(const Numbers& joined, index_t g, Numbers& own) {
        own.context().copy(joined.data() + g * own.size(), own.size(), own.data());
    }

    /// The condition of n columns a group, of which column i is that of the group's place at(g) + i.
    template <class At>
    [[nodiscard]] condition_type condition_of_places(state& s, index_t n, const At& at,
                                                     condition_store<condition_type, context_type>& memory) {
        const index_t particles = one_.options_.particles;
        std::vector<std::int32_t> places;
        for (index_t g = 0; g < s.size(); ++g)
            for (index_t i = 0; i < n; ++i)
                places.push_back(static_cast<std::int32_t>(g * particles + (at(g) + i) % particles));
        const auto chosen = from_host<std::int32_t>(*s.joined.context, 1, n * s.size(), places);
        return memory.gather(*s.joined.context, s.joined.given, chosen.data(), n * s.size());
    }
    /// Generators of the groups' own, in the memory of the back end, for n columns a group.
    class generators {
    public:
        template <class RngOf>
        generators(const context_type& context, index_t groups, index_t n, const RngOf& rng_of) : n_(n) {
            std::vector<std::uint64_t> seeds;
            for (index_t g = 0; g < groups; ++g) seeds.push_back(rng_of(g).seed);
            first_ = seeds.front();
            seeds_ = from_host<std::uint64_t>(context, 1, groups, seeds);
        }
        [[nodiscard]] noise_stream stream(purpose of, index_t step = 0) const {
            return grouped_philox{seeds_.data(), n_, first_}.stream(of, step);
        }

    private:
        rebind_t<batch_type, std::uint64_t> seeds_;
        index_t n_;
        std::uint64_t first_ = 0;
    };
    /// The part of a group among numbers of n columns a group: the first `count` of them.
    [[nodiscard]] static std::vector<double> part(const std::vector<double>& numbers, index_t g, index_t n,
                                                  index_t count) {
        const auto begin = numbers.begin() + g * n;
        return {begin, begin + count};
    }

    /// The pilots of all groups, draw by draw those of smc's, and what they decide.
    void pilot(state& s) {
        if (!detail::has_pilot(one_.options_)) return;
        const auto& context = *s.joined.context;
        const auto groups = s.groups.size();
        std::vector<std::vector<double>> seen(groups);
        const auto next = [&] {
            index_t most = 0;
            for (const auto& group : s.groups) most = std::max(most, one_.next_pilot_draws(group.pilot));
            return most;
        };
        const auto first = [](index_t) { return index_t{0}; };
        condition_store<condition_type, context_type> chosen;
        while (const index_t n = next()) {
            const generators noise(context, s.size(), n, [&](index_t g) {
                return one_group::pilot_noise(group_of(s, g).rng, group_of(s, g).pilot);
            });
            const auto found = one_.draw_pilot(context, noise, condition_of_places(s, n, first, chosen),
                                               n * s.size());
            for (index_t g = 0; g < s.size(); ++g)
                if (one_.next_pilot_draws(group_of(s, g).pilot) == n)
                    one_group::note_pilot(group_of(s, g), part(found.rewards, g, n, n),
                                          found.spent / s.size(), seen[static_cast<std::size_t>(g)]);
        }
        for (std::size_t g = 0; g < groups; ++g) one_group::take_pilot(s.groups[g], seen[g]);
        if constexpr (one_group::chooses)
            if (one_.options_.plain_ratio > 0.0) decide(s, seen);
    }
    /// Decides for each group between SMC and plain weights, as smc does.
    void decide(state& s, const std::vector<std::vector<double>>& rewards) {
        const auto& context = *s.joined.context;
        const index_t n = one_.few();
        std::vector<index_t> undecided;
        for (index_t g = 0; g < s.size(); ++g) {
            auto& group = group_of(s, g);
            if (detail::may_be_plain(group.pilot, allowed(rewards, g)))
                undecided.push_back(g);
            else
                group.plan.reason = detail::reason_of_smc(group.pilot);
        }
        if (undecided.empty()) return;
        const generators noise(context, s.size(), n,
                               [&](index_t g) { return one_group::few_noise(group_of(s, g).rng); });
        condition_store<condition_type, context_type> chosen;
        const auto first = [](index_t) { return index_t{0}; };
        const auto found = one_.draw_few(context, noise, condition_of_places(s, n, first, chosen),
                                         n * s.size());
        index_t most = 0;
        for (const index_t g : undecided) {
            one_.follow(group_of(s, g), allowed(rewards, g),
                        {part(found.values, g, n, n), found.moved / s.size(), found.valued / s.size()});
            most = std::max(most, group_of(s, g).plan.draws);
        }
        make_room(s, most);
    }
    [[nodiscard]] static index_t allowed(const std::vector<std::vector<double>>& rewards, index_t g) {
        return one_group::count_allowed(rewards[static_cast<std::size_t>(g)]);
    }
    /// Makes room for the further draws of groups with plain weights, of which one has so many draws.
    void make_room(state& s, index_t draws) const {
        if (draws > one_.options_.particles)
            s.joined.drawing.resize(*s.joined.context, s.joined.x.rows(), s.joined.x.columns());
    }

    /// What a plain group's further draws have told and cost.
    struct further_draws {
        index_t group;
        detail::plain_weights weights;
        cost spent = {};
        double relative_variance = NAN;
    };
    /// Makes the further draws of all plain groups, block by block; groups that need none are moved, too.
    [[nodiscard]] std::vector<further_draws> draw_more(state& s) {
        const auto& context = *s.joined.context;
        const index_t n = one_.options_.particles;
        std::vector<further_draws> plain;
        index_t most = 0;
        for (index_t g = 0; g < s.size(); ++g) {
            if (!group_of(s, g).plan.plain()) continue;
            plain.push_back({.group = g, .weights = detail::plain_weights(to_host(group_of(s, g).next_v))});
            most = std::max(most, group_of(s, g).plan.draws);
        }
        auto& d = s.joined.drawing;
        for (index_t done = n; done < most; done += n) {
            const auto block_of = [&](index_t g) { return one_.block_of(group_of(s, g), done); };
            const generators noise(context, s.size(), n, [&](index_t g) { return block_of(g).rng; });
            const condition_type condition = condition_of_places(
                s, n, [&](index_t g) { return block_of(g).at; }, d.conditions);
            const cost before = one_.spent();
            one_.draw_block(context, noise, condition, n * s.size(), d);
            const cost a_draw = (one_.spent() - before) / (n * s.size());
            const auto rewards = to_host(d.rewards);
            for (further_draws& draws : plain) {
                const auto next = block_of(draws.group);
                if (next.n <= 0) continue;
                one_.take_block(group_of(s, draws.group), draws.weights, next,
                                d.x.read().columns(draws.group * n, n),
                                part(rewards, draws.group, n, next.n));
                draws.spent += a_draw * next.n;
            }
        }
        for (further_draws& draws : plain)
            draws.relative_variance = one_.keep_draws(group_of(s, draws.group), draws.weights);
        return plain;
    }

    one_group one_;
};

} // namespace diamond
