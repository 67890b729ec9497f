/// Search: best of N and beam. These maximise the reward and do not sample p^r.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/stopwatch.hpp>

namespace diamond {

/// The result of a search.
template <class Batch>
struct search_result {
    /// The winners, d x winners. Where the observer stopped, a beam's are those of highest V, and those of
    /// best of N each one's first candidate.
    Batch particles;
    /// The winners' rewards; empty where the observer stopped, for a noisy x_t has no reward.
    std::vector<double> rewards;
    bool complete = false; ///< says whether the last step was taken
    cost spent;            ///< evaluations and reward calls
    double seconds = 0.0;  ///< the time of the call
};

namespace detail {
/// The division of candidates into groups of `size` consecutive ones, and of a group into runs of `length`.
/// The `keep` best of a run stand in order, best first, where the run begins.
struct sorted_runs {
    index_t size, keep, length;

    /// The number of runs in a group.
    [[nodiscard]] DIAMOND_HD index_t count() const { return (size + length - 1) / length; }
    /// The number of candidates in the run that begins at place `begin` of its group.
    [[nodiscard]] DIAMOND_HD index_t extent(index_t begin) const {
        return begin >= size ? 0 : size - begin < length ? size - begin : length;
    }
    /// The number of candidates that this run keeps.
    [[nodiscard]] DIAMOND_HD index_t kept(index_t begin) const {
        return extent(begin) < keep ? extent(begin) : keep;
    }
};
/// Compares candidates: of equal scores the lower index is the better, so that there is one order, whoever
/// sorts. No score is NaN.
DIAMOND_HD inline bool is_better(const double* scores, std::int32_t a, std::int32_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

/// Sorts each of the first runs by itself in n log n comparisons: it makes a heap of the best so far, the
/// worst of them on top, and takes it apart from there.
template <class Context>
struct sort_run {
    /// So many candidates are sorted in a core's first cache, and their merging pays.
    static constexpr index_t length = 256;
    static constexpr index_t relative_cost = 4 * length;

    sorted_runs of;
    row_view<const double, Context> scores;
    row_view<std::int32_t, Context> out;
    index_t stride; ///< the distance from a group to the next in out
    DIAMOND_HD void operator()(index_t run) const {
        const index_t group = run / of.count(), begin = (run - group * of.count()) * of.length;
        const index_t kept = of.kept(begin);
        const index_t first = group * of.size + begin, last = first + of.extent(begin);
        std::int32_t* const heap = out.data() + group * stride + begin;
        for (index_t i = 0; i < kept; ++i) heap[i] = static_cast<std::int32_t>(first + i);
        for (index_t top = kept / 2; top-- > 0;) sink(heap, top, kept, heap[top]);
        for (index_t i = first + kept; i < last; ++i)
            if (better(static_cast<std::int32_t>(i), heap[0]))
                sink(heap, 0, kept, static_cast<std::int32_t>(i));
        for (index_t left = kept; left-- > 1;) {
            const std::int32_t worst = heap[0];
            sink(heap, 0, left, heap[left]);
            heap[left] = worst;
        }
    }
    DIAMOND_HD bool better(std::int32_t a, std::int32_t b) const { return is_better(scores.data(), a, b); }
    /// Puts `one` into the heap of `count` in place of its entry `at`.
    DIAMOND_HD void sink(std::int32_t* heap, index_t at, index_t count, std::int32_t one) const {
        for (index_t below = 2 * at + 1; below < count; below = 2 * at + 1) {
            if (below + 1 < count && better(heap[below], heap[below + 1])) ++below;
            if (!better(one, heap[below])) break;
            heap[at] = heap[below];
            at = below;
        }
        heap[at] = one;
    }
};

/// Merges two neighbouring runs: a candidate's place is that in its own run plus how many of the other are
/// better.
template <class Context>
struct merge_runs {
    static constexpr index_t relative_cost = 16;

    sorted_runs from;
    row_view<const double, Context> scores;
    row_view<const std::int32_t, Context> in;
    row_view<std::int32_t, Context> out;
    index_t stride; ///< the distance from a group to the next in out
    DIAMOND_HD void operator()(index_t k) const {
        const index_t group = k / from.size, i = k - group * from.size, run = i / from.length;
        const index_t begin = run * from.length, place = i - begin;
        if (place >= from.kept(begin)) return;
        const index_t left = (run - run % 2) * from.length, other = run % 2 == 0 ? begin + from.length : left;
        const index_t its = group * from.size + other; // where the other run begins
        const std::int32_t own = in[k];
        index_t low = 0, high = from.kept(other);
        while (low < high) {
            const index_t middle = low + (high - low) / 2;
            if (is_better(scores.data(), in[its + middle], own))
                low = middle + 1;
            else
                high = middle;
        }
        if (place + low < from.keep) out[group * stride + left + place + low] = own;
    }
};

/// Chooses the best of each of `groups` groups of `size` candidates, at most 2^31 - 1 in all, by work that
/// all threads share: n log n comparisons, and log n more for each merging.
template <class Context>
class best_of_groups {
public:
    best_of_groups(const Context& context, index_t groups, index_t size)
        : context_(&context), groups_(groups), size_(size) {
        if (first_runs(1).count() == 1) return;
        for (auto* buffer : {&runs_, &merged_}) buffer->resize(context, 1, groups * size);
    }
    /// Writes the indices of the `keep` best of each group, best first, keep <= size: best[g keep + i] for
    /// group g.
    void operator()(index_t keep, const double* scores, std::int32_t* best) {
        const index_t all = groups_ * size_;
        const auto given = row(*context_, all, scores);
        const auto chosen = row(*context_, groups_ * keep, best);
        sorted_runs runs = first_runs(keep);
        if (runs.count() == 1)
            return context_->for_each(
                groups_, sort_run<Context>{.of = runs, .scores = given, .out = chosen, .stride = keep});
        context_->for_each(
            groups_ * runs.count(),
            sort_run<Context>{.of = runs, .scores = given, .out = row(runs_), .stride = size_});
        for (; runs.count() > 1; runs.length *= 2) {
            const bool last = runs.count() == 2;
            context_->for_each(all, merge_runs<Context>{.from = runs,
                                                        .scores = given,
                                                        .in = row(runs_),
                                                        .out = last ? chosen : row(merged_),
                                                        .stride = last ? keep : size_});
            runs_.swap(merged_);
        }
    }

private:
    [[nodiscard]] sorted_runs first_runs(index_t keep) const {
        constexpr index_t length = sort_run<Context>::length;
        return {.size = size_, .keep = keep, .length = length < size_ ? length : size_};
    }

    const Context* context_;
    index_t groups_, size_;
    owning_batch<std::int32_t, Context> runs_, merged_;
};

/// The scores of the chosen candidates, on the host.
template <class Context>
std::vector<double> scores_of(const owning_batch<double, Context>& scores,
                              const owning_batch<std::int32_t, Context>& chosen) {
    owning_batch<double, Context> result(scores.context(), 1, chosen.columns());
    scores.context().gather(scores.read(), chosen.data(), result.mutable_view());
    return to_host(result);
}
} // namespace detail

/// The options of best_of_n.
struct best_of_n_options {
    index_t winners = 16;    ///< the number of samples returned, at least 1
    index_t candidates = 16; ///< N, the samples drawn for each winner, at least 1
    index_t steps = 16;      ///< the number of equal steps where `times` is empty
    /// The outer grid 0 = t_0 < ... < t_K = 1; `steps` equal steps where it is empty.
    std::vector<double> times = {};
};

/// Draws N samples by the kernel for each winner and keeps the one of highest reward: candidates j N ... j N
/// + N - 1 are winner j's, as are the columns of a per-column condition. Cost: N chains and N reward calls a
/// winner.
template <class Kernel, class Reward>
class best_of_n {
    static_assert(diagnose_transition_kernel_without_weights<Kernel>() &&
                  diagnose_reward<Reward, typename Kernel::batch_type, condition_of_t<Kernel>>());

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type = backend_of_t<batch_type>;

    /// @throws std::invalid_argument unless winners, candidates and steps are at least 1, and there are less
    /// than 2^31 particles in all.
    best_of_n(Kernel kernel, Reward reward, best_of_n_options options = {})
        : chain_(std::move(kernel), {.particles = checked(options).winners * options.candidates,
                                     .steps = options.steps,
                                     .times = options.times}),
          reward_(std::move(reward)),
          options_(std::move(options)) {}

    /// Runs all chains; the observer gets a chain_view after each step, and stops the search where it returns
    /// false.
    /// @throws numeric_error naming step and particle where a reward is NaN or +inf, or throws, or a
    /// coordinate is not finite.
    template <class Observer = no_observer>
    search_result<batch_type> operator()(const context_type& context, philox rng,
                                         const condition_type& condition = {}, Observer observer = {}) {
        const stopwatch clock;
        const auto calls = reward_.calls();
        auto prior = chain_(context, rng, condition, observer);
        search_result<batch_type> result;
        result.complete = prior.complete;
        const index_t all = prior.particles.columns();

        owning_batch<double, context_type> scores(context, 1, all);
        owning_batch<std::int32_t, context_type> chosen(context, 1, options_.winners);
        if (prior.complete)
            reward_(prior.particles, condition, chain_.steps(), 1, row(scores));
        else
            assign(row(scores), 0.0);
        detail::best_of_groups(context, options_.winners, options_.candidates)(1, scores.data(),
                                                                               chosen.data());
        result.particles.resize(context, prior.particles.rows(), options_.winners);
        context.gather(prior.particles.read(), chosen.data(), result.particles.mutable_view());
        if (result.complete) result.rewards = detail::scores_of(scores, chosen);
        result.spent = prior.spent;
        result.spent.reward += reward_.calls() - calls;
        result.seconds = clock.seconds();
        return result;
    }
    template <class Rng, class Observer = no_observer>
    search_result<batch_type> operator()(const context_type&, const Rng&, const condition_type& = {},
                                         Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

private:
    static const best_of_n_options& checked(const best_of_n_options& options) {
        require(options.winners >= 1 && options.candidates >= 1, [&] {
            return "best of N with " + digits_of(options.winners) + " winners of " +
                   digits_of(options.candidates) + " candidates: at least 1 of each is needed";
        });
        require(options.candidates <= detail::most_particles / options.winners, [&] {
            return "best of N with " + digits_of(options.winners) + " winners of " +
                   digits_of(options.candidates) +
                   " candidates: at most 2^31 - 1 particles in all are searched";
        });
        return options;
    }

    chain<Kernel> chain_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    best_of_n_options options_;
};

/// The options of beam.
struct beam_options {
    index_t beams = 16;   ///< the number of independent searches, one winner each, at least 1
    index_t width = 4;    ///< the number of survivors of a step, at least 1
    index_t children = 4; ///< the number of transitions drawn from each survivor, at least 1
    index_t steps = 16;   ///< the number of equal steps where `times` is empty
    /// The outer grid 0 = t_0 < ... < t_K = 1; `steps` equal steps where it is empty.
    std::vector<double> times = {};
};

/// Searches by beams: each survivor draws `children` transitions, the `width` of highest V survive, and the
/// winner has the highest reward at t = 1. Cost: width x children transitions and values a step and beam,
/// which are sorted in n log n.
template <class Kernel, class Value>
class beam {
    static_assert(diagnose_transition_kernel_without_weights<Kernel>() && diagnose_value_estimator<Value>());
    static_assert(
        std::is_same_v<typename Kernel::batch_type, typename Value::batch_type>,
        "kernel and value estimator must run on the same batch type: float and double particles do not mix");

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type = backend_of_t<batch_type>;

    /// @throws std::invalid_argument unless beams, width, children and steps are at least 1, and there are
    /// less than 2^31 particles in all.
    beam(Kernel kernel, Value value, beam_options options = {})
        : kernel_(std::move(kernel)),
          value_(std::move(value)),
          grid_(time_grid_of(options)),
          options_(std::move(options)) {
        require(options_.beams >= 1 && options_.width >= 1 && options_.children >= 1, [&] {
            return digits_of(options_.beams) + " beams of width " + digits_of(options_.width) + " with " +
                   digits_of(options_.children) + " children: at least 1 of each is needed";
        });
        require(options_.width <= detail::most_particles / options_.beams &&
                    options_.children <= detail::most_particles / (options_.beams * options_.width),
                [&] {
                    return digits_of(options_.beams) + " beams of width " + digits_of(options_.width) +
                           " with " + digits_of(options_.children) +
                           " children: at most 2^31 - 1 particles in all are searched";
                });
        detail::require_same_dimension("kernel", kernel_, value_);
    }

    /// Runs all steps; the observer gets a chain_view after each of them, and stops the search where it
    /// returns false. A per-column condition has one column for each particle, beams x width x children, the
    /// same within a beam.
    /// @throws numeric_error naming step and particle where a value or reward is NaN or +inf, or a coordinate
    /// NaN or infinite.
    template <class Observer = no_observer>
    search_result<batch_type> operator()(const context_type& context, philox rng,
                                         const condition_type& condition = {}, Observer observer = {}) {
        const stopwatch clock;
        const cost before = cost(kernel_.spent()) + cost(value_.spent());
        const index_t rows = static_cast<index_t>(kernel_.dimension()),
                      group = options_.width * options_.children, all = options_.beams * group;
        batch_type x(context, rows, all), next(context, rows, all),
            survivors(context, rows, options_.beams * options_.width);
        owning_batch<double, context_type> values(context, 1, all);
        owning_batch<std::int32_t, context_type> chosen(context, 1, options_.beams * options_.width);
        detail::best_of_groups best(context, options_.beams, group);
        search_result<batch_type> result;

        // At t = 0 all children are drawn afresh: V_0 is the same for all.
        draw_normal(rng.stream(purpose::initial), x.mutable_view());
        const auto choose = [&](index_t keep) {
            chosen.resize(context, 1, options_.beams * keep);
            best(keep, values.data(), chosen.data());
        };
        result.complete = detail::walk<batch_type>(grid_, observer, [&](index_t k, interval span) {
            if (k > 1) {
                choose(options_.width);
                context.gather(next.read(), chosen.data(), survivors.mutable_view());
                repeat_columns(survivors.read(), options_.children, x.mutable_view());
            }
            detail::at_step(k, [&] {
                kernel_(x.read(), span, condition, rng.stream(purpose::transition, k), next.mutable_view());
                detail::require_particles(next.read(), k);
                value_(next.read(), span.to, detail::condition_for<Value>(condition),
                       rng.stream(purpose::value, k),
                       value_rows<context_type>{.value = unwritten(row(values))});
            });
            detail::require_values(row(values), k);
            return next.read();
        });
        choose(1);
        result.particles.resize(context, rows, options_.beams);
        context.gather(next.read(), chosen.data(), result.particles.mutable_view());
        if (result.complete) result.rewards = detail::scores_of(values, chosen);
        result.spent = cost(kernel_.spent()) + cost(value_.spent()) - before;
        result.seconds = clock.seconds();
        return result;
    }
    template <class Rng, class Observer = no_observer>
    search_result<batch_type> operator()(const context_type&, const Rng&, const condition_type& = {},
                                         Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

private:
    Kernel kernel_;
    Value value_;
    std::vector<double> grid_;
    beam_options options_;
};

} // namespace diamond
