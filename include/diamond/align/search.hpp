/// Search: best of N and beam. These maximise the reward and do not sample p^r.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

template <class Batch>
struct search_result {
    Batch               particles; ///< d x winners; where the observer stopped a beam those of highest V, best of N each one's first candidate
    std::vector<double> rewards;   ///< of the winners; empty where the observer stopped: a noisy x_t has no reward
    bool                complete = false;
    cost                spent;
    double              seconds = 0.0;
};

namespace detail {
/// The `keep` best of group g of `size` consecutive scores, best first; no score is NaN. Ties go to the lower index.
struct best_of_group {
    const double* scores;
    index_t       size, keep;
    std::int32_t* best;
    DIAMOND_HD void operator()(index_t g) const {
        const index_t first = g * size;
        index_t       last  = -1; // the one chosen before
        for (index_t rank = 0; rank < keep; ++rank) {
            index_t chosen = -1;
            for (index_t i = first; i < first + size; ++i)
                if ((last < 0 || better(last, i)) && (chosen < 0 || better(i, chosen))) chosen = i;
            best[g * keep + rank] = static_cast<std::int32_t>(chosen < 0 ? first : chosen);
            last                  = chosen;
        }
    }
    DIAMOND_HD bool better(index_t a, index_t b) const { return scores[a] > scores[b] || (scores[a] == scores[b] && a < b); }
};
template <class Context>
void best_of_groups(const Context& context, index_t groups, index_t size, index_t keep, const double* scores, std::int32_t* best) {
    context.for_each(groups, best_of_group{scores, size, keep, best});
}
/// The scores of the chosen, on the host.
template <class Context>
std::vector<double> scores_of(const owning_batch<double, Context>& scores, const owning_batch<std::int32_t, Context>& chosen) {
    owning_batch<double, Context> result(scores.context(), 1, chosen.columns());
    scores.context().gather(scores.read(), chosen.data(), result.mutable_view());
    return to_host(result);
}
} // namespace detail

struct best_of_n_options {
    index_t             winners    = 16;
    index_t             candidates = 16; ///< N: samples drawn for each winner
    index_t             steps      = 16;
    std::vector<double> times      = {}; ///< outer grid; `steps` equal ones where empty
};

/// Draws N samples by the kernel for each winner and keeps the one of highest reward: candidates j N ... j N + N - 1 are winner j's, as
/// are the columns of a per-column condition. Cost: N chains and N reward calls a winner.
template <class Kernel, class Reward>
class best_of_n {
    static_assert(diagnose_transition_kernel_without_weights<Kernel>() && diagnose_reward<Reward, typename Kernel::batch_type, condition_of_t<Kernel>>());

public:
    using batch_type     = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type   = backend_of_t<batch_type>;

    /// @throws std::invalid_argument unless winners, candidates and steps are at least 1.
    best_of_n(Kernel kernel, Reward reward, best_of_n_options options = {})
        : chain_(std::move(kernel), {.particles = checked(options).winners * options.candidates, .steps = options.steps, .times = options.times}),
          reward_(std::move(reward)), options_(std::move(options)) {}

    template <class Observer = no_observer>
    search_result<batch_type> operator()(const context_type& context, philox rng, const condition_type& condition = {}, Observer observer = {}) {
        const detail::stopwatch   clock;
        const auto                calls = reward_.calls();
        auto                      prior = chain_(context, rng, condition, observer);
        search_result<batch_type> result;
        result.complete = prior.complete;
        const index_t             all = prior.particles.columns();
        owning_batch<double, context_type>       scores(context, 1, all);
        owning_batch<std::int32_t, context_type> chosen(context, 1, options_.winners);
        if (prior.complete)
            reward_(prior.particles, condition, chain_.steps(), 1, scores.data());
        else
            context.for_each(all, detail::fill_number{0.0, scores.data()});
        detail::best_of_groups(context, options_.winners, options_.candidates, 1, scores.data(), chosen.data());
        result.particles.resize(context, prior.particles.rows(), options_.winners);
        context.gather(prior.particles.read(), chosen.data(), result.particles.mutable_view());
        if (result.complete) result.rewards = detail::scores_of(scores, chosen);
        result.spent = prior.spent;
        result.spent.reward += reward_.calls() - calls;
        result.seconds = clock.seconds();
        return result;
    }

private:
    static const best_of_n_options& checked(const best_of_n_options& options) {
        require(options.winners >= 1 && options.candidates >= 1, [&] {
            return "best of N with " + digits_of(options.winners) + " winners of " + digits_of(options.candidates) + " candidates: at least 1 of each is needed";
        });
        return options;
    }

    chain<Kernel>                                     chain_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    best_of_n_options                                 options_;
};
template <class Kernel, class Reward>
best_of_n(Kernel, Reward) -> best_of_n<Kernel, Reward>;
template <class Kernel, class Reward>
best_of_n(Kernel, Reward, best_of_n_options) -> best_of_n<Kernel, Reward>;

struct beam_options {
    index_t             beams    = 16; ///< independent searches, one winner each
    index_t             width    = 4;  ///< survivors of a step
    index_t             children = 4;  ///< transitions drawn from each survivor
    index_t             steps    = 16;
    std::vector<double> times    = {}; ///< outer grid; `steps` equal ones where empty
};

/// Each survivor draws `children` transitions; the `width` of highest V survive; the winner has the highest reward at t = 1.
/// Cost: width x children transitions and values a step and beam.
template <class Kernel, class Value>
class beam {
    static_assert(diagnose_transition_kernel_without_weights<Kernel>() && diagnose_value_estimator<Value>());
    static_assert(std::is_same_v<typename Kernel::batch_type, typename Value::batch_type>,
                  "kernel and value estimator must run on the same batch type: float and double particles do not mix");

public:
    using batch_type     = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type   = backend_of_t<batch_type>;

    /// @throws std::invalid_argument unless beams, width, children and steps are at least 1.
    beam(Kernel kernel, Value value, beam_options options = {})
        : kernel_(std::move(kernel)), value_(std::move(value)), grid_(time_grid_of(options)), options_(std::move(options)) {
        require(options_.beams >= 1 && options_.width >= 1 && options_.children >= 1, [&] {
            return digits_of(options_.beams) + " beams of width " + digits_of(options_.width) + " with " + digits_of(options_.children) +
                   " children: at least 1 of each is needed";
        });
        detail::require_same_dimension("kernel", kernel_, value_);
    }

    /// A per-column condition has one column a beam's particle, beams x width x children, the same within a beam.
    /// @throws numeric_error naming step and particle where a value or reward is NaN or +inf, or a coordinate NaN or infinite.
    template <class Observer = no_observer>
    search_result<batch_type> operator()(const context_type& context, philox rng, const condition_type& condition = {}, Observer observer = {}) {
        const detail::stopwatch clock;
        const cost              before = cost(kernel_.spent()) + cost(value_.spent());
        const index_t           rows = static_cast<index_t>(kernel_.dimension()), group = options_.width * options_.children, all = options_.beams * group;
        batch_type                       x(context, rows, all), next(context, rows, all), survivors(context, rows, options_.beams * options_.width);
        owning_batch<double, context_type>      values(context, 1, all);
        owning_batch<std::int32_t, context_type> chosen(context, 1, options_.beams * options_.width);
        search_result<batch_type>        result;

        draw_normal(rng.stream(purpose::initial), x.mutable_view()); // at t = 0 all children are drawn afresh: V_0 is the same for all
        const auto choose = [&](index_t keep) {
            chosen.resize(context, 1, options_.beams * keep);
            detail::best_of_groups(context, options_.beams, group, keep, values.data(), chosen.data());
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
                value_(next.read(), span.to, condition, rng.stream(purpose::value, k), value_batch{.value = values.data()});
            });
            detail::require_values(context, all, values.data(), k);
            return next.read();
        });
        choose(1);
        result.particles.resize(context, rows, options_.beams);
        context.gather(next.read(), chosen.data(), result.particles.mutable_view());
        if (result.complete) result.rewards = detail::scores_of(values, chosen);
        result.spent   = cost(kernel_.spent()) + cost(value_.spent()) - before;
        result.seconds = clock.seconds();
        return result;
    }

private:
    Kernel              kernel_;
    Value               value_;
    std::vector<double> grid_;
    beam_options        options_;
};
template <class Kernel, class Value>
beam(Kernel, Value) -> beam<Kernel, Value>;
template <class Kernel, class Value>
beam(Kernel, Value, beam_options) -> beam<Kernel, Value>;

} // namespace diamond
