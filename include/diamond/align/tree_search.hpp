/// Search by trees of transitions whose soft values grow truer with every descent: for samples of high
/// reward, and for the tilted law. See (eq. tree-value) to (eq. tree-weights).
///
/// It is read in this order: tree_policies.hpp, search_trees.hpp, this file.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/align/chain.hpp>
#include <diamond/align/search_trees.hpp>
#include <diamond/align/tree_policies.hpp>
#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/random/draw.hpp>
#include <diamond/reward/reward_caller.hpp>

namespace diamond {

/// The options of tree_search. Values are in nats.
struct tree_search_options {
    index_t trees = 16; ///< the number of independent trees, one winner each, at least 1
    /// The budget of each tree in network evaluations, as cost::evaluations() counts them: at least what its
    /// first descents cost. It is not exceeded where a transition of a step always costs the same.
    std::int64_t evaluations = 4096;
    /// The number of descents of each tree that are made together, at least 1: a network is called for all
    /// trees' new states of a level at once. Those made together do not know of each other's rewards.
    index_t descents = 1;
    index_t children = 2;  ///< C, the number of children of a node that was visited once, at least 1
    double widening = 0.3; ///< a: a node that was visited N times has at most C N^a children; in [0, 1)
    index_t draws = 1;     ///< the number of draws from each tree's leaves by their weights, at least 0
    index_t steps = 16;    ///< the number of equal steps where `times` is empty
    /// The outer grid 0 = t_0 < ... < t_K = 1; `steps` equal steps where it is empty.
    std::vector<double> times = {};
};

/// The view of a tree search that its observer gets after each round of descents.
struct tree_search_view {
    index_t round;                  ///< the round just done, 1, 2, ...
    std::int64_t evaluations;       ///< the most that a tree has spent of its budget
    std::int64_t budget;            ///< the budget of each tree
    std::span<const double> best;   ///< the highest reward of each tree so far
    std::span<const double> values; ///< the value of each tree's root so far, see tree_search
};

/// The result of a tree search. It is one whenever the observer stops the search.
template <class Batch>
struct tree_search_result {
    Batch particles;             ///< the sample of highest reward of each tree, d x trees
    std::vector<double> rewards; ///< their rewards
    /// d x (trees draws): draws from each tree's leaves, those of tree j at columns j draws ... By more
    /// descents their law goes to the kernel's own end law, tilted; that of few leans to the kernel's. Empty
    /// where the selection tells no probabilities.
    Batch draws;
    std::vector<double> draw_rewards; ///< their rewards
    /// log Z-hat of each tree, which goes to log Z by more descents; NaN where the selection tells no
    /// probabilities. Take the mean of exp log_z over trees of one condition, and their spread for its error.
    std::vector<double> log_z;
    std::vector<double> ess;    ///< the effective number of each tree's leaves; NaN as above
    std::vector<index_t> nodes; ///< the number of states of each tree
    bool complete = false;      ///< says whether all trees have spent their budgets
    cost spent;                 ///< evaluations and reward calls
    double seconds = 0.0;       ///< the time of the call
};

namespace detail {

/// The part of a tree search that values new states: here a reward, which knows none before t = 1. A descent
/// goes on from its new node to the end.
template <class Kernel, class Leaf>
class tree_leaves {
    static_assert(diagnose_reward<Leaf, typename Kernel::batch_type, condition_of_t<Kernel>>());

public:
    static constexpr bool on_the_way = false;
    using batch_type = typename Kernel::batch_type;

    explicit tree_leaves(Leaf reward) : reward_(std::move(reward)) {}
    [[nodiscard]] cost spent() const { return {.reward = reward_.calls()}; }
    void require_dimension(const Kernel&) const {}
    void operator()(const_view_t<batch_type> x, double, index_t k, const condition_of_t<Kernel>& condition,
                    philox, row_t<batch_type> values) {
        reward_(x, condition, k, 1, values);
    }

private:
    reward_caller<Leaf, batch_type, condition_of_t<Kernel>> reward_;
};
/// And here an estimator of values, which knows them on the way.
template <class Kernel, class Leaf>
    requires requires(Leaf& leaf) { leaf.reward(); }
class tree_leaves<Kernel, Leaf> {
    static_assert(diagnose_value_estimator<Leaf>());
    static_assert(
        std::is_same_v<typename Kernel::batch_type, typename Leaf::batch_type>,
        "kernel and value estimator must run on the same batch type: float and double particles do not mix");

public:
    static constexpr bool on_the_way = true;
    using batch_type = typename Kernel::batch_type;

    explicit tree_leaves(Leaf value) : value_(std::move(value)) {}
    [[nodiscard]] cost spent() const { return value_.spent(); }
    void require_dimension(const Kernel& kernel) const { require_same_dimension("kernel", kernel, value_); }
    void operator()(const_view_t<batch_type> x, double t, index_t k, const condition_of_t<Kernel>& condition,
                    philox rng, row_t<batch_type> values) {
        value_(x, t, condition_for<Leaf>(condition), rng.stream(purpose::value, k),
               value_rows<backend_of_t<batch_type>>{.value = unwritten(values)});
        require_values(values, k);
    }

private:
    Leaf value_;
};

} // namespace detail

/// Grows trees of states x_{t_k}: a root has children x_{t_1} drawn from noise, every other node children
/// drawn by the kernel from its state; one descent after the other, each to a new leaf at t = 1.
///
/// A descent that comes to a node of fewer than C N^a children, N its visits, draws a new one; else the
/// selection chooses a child with a probability q by the children's values, of which it weighs 1/(n q), n
/// their number. At the last step it always draws a new one. The value of a node is the logarithm of the mean
/// of w exp r over the descents through it, w the product of the weights of their choices below it (eq.
/// tree-value): that of the root goes to log Z. `leaf` is a reward: a new node is then valued by the reward
/// at the end of the way on from it. Or it is an estimator of values: a node's missing children are then
/// drawn at once, with a value each that counts as one descent, and the selection chooses among them.
///
/// Selections: boltzmann_selection (default), and upper_confidence_selection, which draws nothing: its trees
/// have winners, but neither draws nor log Z. The winners have the highest rewards. The draws are of the
/// leaves by their weights w exp r (eq. tree-weights): their law goes to the kernel's end law, tilted, with
/// more descents, whatever the probabilities, as long as none goes to 0; for an unbiased Z take smc.
///
/// The same bits on any number of threads. Memory is reserved after the first round: a state, and some 100
/// bytes on the host, for as many nodes as the budget can buy. Source: V. Jain, K. Sareen, M. Pedramfar, S.
/// Ravanbakhsh, Diffusion Tree Sampling, arXiv 2506.20701, 2025; its values are means over children, which
/// are too low for as long as a child whose first reward was low is not seen again, and here are weighted
/// means over descents.
template <class Kernel, class Leaf, class Selection = boltzmann_selection>
class tree_search {
    static_assert(diagnose_transition_kernel_without_weights<Kernel>());
    static_assert(diagnose_tree_selection<Selection>());

public:
    using batch_type = typename Kernel::batch_type;
    using condition_type = condition_of_t<Kernel>;
    using context_type = backend_of_t<batch_type>;
    using result_type = tree_search_result<batch_type>; ///< what a run returns

    /// @throws std::invalid_argument naming the option that is out of its range, for an unsorted grid, and
    /// where kernel and value are of different dimensions.
    tree_search(Kernel kernel, Leaf leaf, tree_search_options options = {}, Selection selection = {})
        : kernel_(std::move(kernel)),
          leaves_(std::move(leaf)),
          grid_(time_grid_of(options)),
          options_(std::move(options)),
          selection_(std::move(selection)) {
        const auto count = [](const char* name, index_t number, index_t least) {
            require(number >= least && number <= (index_t{1} << 20), [&] {
                return "a tree search's " + std::string(name) + " is " + digits_of(number) + ": " +
                       digits_of(least) + " to 2^20 are taken";
            });
        };
        count("trees", options_.trees, 1);
        count("descents", options_.descents, 1);
        count("children", options_.children, 1);
        count("draws", options_.draws, 0);
        require(options_.evaluations >= 1, [&] {
            return "a tree search's budget is " + digits_of(options_.evaluations) +
                   " evaluations a tree: at least 1 is needed";
        });
        require(options_.widening >= 0.0 && options_.widening < 1.0, [&] {
            return "a tree search's widening is " + digits_of(options_.widening) +
                   ": it lies from 0, which is no widening, to 1, without 1";
        });
        detail::require_selection(selection_);
        leaves_.require_dimension(kernel_);
    }

    /// Grows all trees until their budgets are spent, or the observer, who gets a tree_search_view after each
    /// round, returns false. A condition of its own for each column is one for each tree.
    /// @throws std::invalid_argument where the first descents cost more than a tree's budget; numeric_error
    /// naming step and particle where a value or reward is NaN or +inf, or a coordinate NaN or infinite.
    template <class Observer = no_observer>
    result_type operator()(const context_type& context, philox rng, const condition_type& condition = {},
                           Observer observer = {}) {
        const stopwatch clock;
        const cost before = spent();
        growth g(context, *this, rng, condition);
        result_type result;
        for (index_t round = 1; g.plan_round(); ++round) {
            g.descend(round);
            if (round == 1) g.reserve();
            const tree_search_view view{.round = round,
                                        .evaluations = *std::max_element(g.spent.begin(), g.spent.end()),
                                        .budget = options_.evaluations,
                                        .best = g.best,
                                        .values = g.root_values()};
            if (!detail::keep_going(observer, view)) break;
        }
        result.complete = !g.plan_round();
        g.finish(result);
        result.spent = spent() - before;
        result.seconds = clock.seconds();
        return result;
    }
    template <class Rng, class Observer = no_observer>
    result_type operator()(const context_type&, const Rng&, const condition_type& = {}, Observer = {}) const {
        static_assert(diagnose_driver_call<Rng>());
        return {};
    }

    /// The evaluations of all runs so far.
    [[nodiscard]] cost spent() const { return cost(kernel_.spent()) + leaves_.spent(); }

private:
    using rows_type = rebind_t<batch_type, double>;
    using indices_type = rebind_t<batch_type, std::int32_t>;
    /// Where a descent is, and where it goes: -1 where it has yet to choose.
    struct descent {
        std::int32_t node, next;
    };

    /// The trees of a run.
    struct growth {
        const context_type& context;
        tree_search& of;
        philox rng;
        const condition_type& condition;
        index_t levels, dimension;
        detail::search_trees trees;
        batch_type states;  ///< column i is the state of node i; those of roots are unused
        batch_type parents; ///< the states that new nodes are drawn from
        rows_type values;
        indices_type indices;
        condition_store<condition_type, context_type> conditions;
        std::vector<std::int64_t> spent, prices; ///< of each tree; of a new node at each level
        std::vector<double> best, roots, numbers;
        std::vector<double> log_weights;             ///< of the ways of each descent, level by level
        std::vector<std::int32_t> best_node, of_new; ///< the trees' best leaves; an index for each new node
        std::vector<descent> under_way;

        growth(const context_type& on, tree_search& search, philox r, const condition_type& c)
            : context(on),
              of(search),
              rng(r),
              condition(c),
              levels(static_cast<index_t>(search.grid_.size()) - 1),
              dimension(static_cast<index_t>(search.kernel_.dimension())),
              trees(search.options_.trees) {
            const auto count = static_cast<std::size_t>(search.options_.trees);
            const index_t most = most_new_nodes(),
                          first = search.options_.trees + multiply(most, levels); // of one round
            states.resize(context, dimension, first);
            parents.resize(context, dimension, most);
            values.resize(context, 1, most);
            indices.resize(context, 1, most);
            trees.reserve(first);
            spent.assign(count, 0);
            prices.assign(static_cast<std::size_t>(levels) + 1, 0);
            best.assign(count, -infinity);
            roots.assign(count, -infinity);
            best_node.assign(count, -1);
            numbers.resize(static_cast<std::size_t>(most));
            of_new.resize(static_cast<std::size_t>(most));
            const std::size_t together = count * static_cast<std::size_t>(search.options_.descents);
            under_way.reserve(together);
            log_weights.resize(together * static_cast<std::size_t>(levels));
        }

        /// @throws std::invalid_argument for more nodes than there are 32-bit indices.
        static index_t multiply(index_t a, index_t b) {
            require(a <= detail::most_particles / b,
                    "a tree search of at least 2^31 states: take fewer trees, "
                    "descents, children, steps or evaluations");
            return a * b;
        }
        /// The most nodes that a descent makes at a level before the last.
        [[nodiscard]] index_t new_nodes() const { return leaves_type::on_the_way ? of.options_.children : 1; }
        /// The most nodes that all descents of a round make at a level.
        [[nodiscard]] index_t most_new_nodes() const {
            return multiply(multiply(of.options_.trees, of.options_.descents), new_nodes());
        }
        /// The most that a descent may cost; 0 before the first.
        [[nodiscard]] std::int64_t price() const {
            std::int64_t sum = prices.back();
            for (index_t k = 1; k < levels; ++k) sum += new_nodes() * prices[static_cast<std::size_t>(k)];
            return sum;
        }

        /// Begins as many descents as the budgets allow, and says whether there are any.
        bool plan_round() {
            under_way.clear();
            for (index_t t = 0; t < of.options_.trees; ++t) {
                const std::int64_t left = of.options_.evaluations - spent[static_cast<std::size_t>(t)];
                const std::int64_t each = price();
                const index_t allowed = each == 0
                                          ? of.options_.descents
                                          : std::clamp<std::int64_t>(left / each, 0, of.options_.descents);
                under_way.insert(under_way.end(), static_cast<std::size_t>(allowed),
                                 {static_cast<std::int32_t>(t), -1});
            }
            return !under_way.empty();
        }

        /// Makes the descents of a round, level by level, and gives the values on their ways.
        void descend(index_t round) {
            // Any number that no user is likely to split by.
            constexpr std::uint64_t rounds_stream = 0x747265650000;
            const philox own = rng.split(rounds_stream + static_cast<std::uint64_t>(round));
            for (index_t k = 1; k <= levels; ++k) {
                const auto first = static_cast<std::int32_t>(trees.size());
                for (descent& one : under_way) widen(one, k == levels);
                const index_t made = trees.size() - first;
                if (made > 0) detail::at_step(k, [&] { draw(first, made, k, own); });
                choose(k, own);
                if (round == 1)
                    for (const std::int64_t so_far : spent)
                        require(so_far <= of.options_.evaluations, [&] {
                            return "a tree search's budget of " + digits_of(of.options_.evaluations) +
                                   " evaluations a tree is too small: its first descents cost " +
                                   digits_of(so_far) + " up to step " + digits_of(k) + " of " +
                                   digits_of(levels);
                        });
            }
            for (std::size_t e = 0; e < under_way.size(); ++e)
                trees.end(under_way[e].node, std::span<const double>(log_weights)
                                                 .subspan(e * static_cast<std::size_t>(levels),
                                                          static_cast<std::size_t>(levels)));
        }
        /// Makes the children that a descent's node lacks.
        void widen(descent& one, bool last) {
            auto& node = trees[one.node];
            const index_t visits = ++node.visits;
            const double most = static_cast<double>(of.options_.children) *
                                std::pow(static_cast<double>(visits), of.options_.widening);
            one.next = -1;
            if (last) {
                one.next = trees.add_child(one.node);
            } else if constexpr (leaves_type::on_the_way) {
                const auto missing = static_cast<index_t>(std::ceil(most)) - node.children;
                for (index_t i = 0; i < std::min(missing, of.options_.children); ++i)
                    trees.add_child(one.node);
            } else if (static_cast<double>(node.children) < most) {
                one.next = trees.add_child(one.node);
            }
        }
        /// Draws the states of new nodes, with their values where there are any.
        void draw(std::int32_t first, index_t made, index_t k, philox own) {
            const auto at = static_cast<std::size_t>(k);
            const interval span{of.grid_[at - 1], of.grid_[at]};
            const auto x = states.mutable_view().columns(first, made);
            const auto from = parents.mutable_view().columns(0, made);
            const auto node = [&](index_t j) -> auto& { return trees[first + static_cast<std::int32_t>(j)]; };
            if (k == 1) {
                draw_normal(own.stream(purpose::initial), from);
            } else {
                for (index_t j = 0; j < made; ++j) of_new[static_cast<std::size_t>(j)] = node(j).parent;
                context.from_host(of_new.data(), made, indices.data());
                context.gather(states.read(), indices.data(), from);
            }
            for (index_t j = 0; j < made; ++j) of_new[static_cast<std::size_t>(j)] = node(j).tree;
            context.from_host(of_new.data(), made, indices.data());
            const condition_type given = conditions.gather(context, condition, indices.data(), made);

            const cost before = of.spent();
            of.kernel_(const_view_t<batch_type>(from), span, given, own.stream(purpose::transition, k), x);
            detail::require_particles(const_view_t<batch_type>(x), k);
            const bool last = k == levels;
            if (last || leaves_type::on_the_way) {
                const auto row_of = row(values.mutable_view()).columns(0, made);
                of.leaves_(x, span.to, k, given, own, row_of);
                context.to_host(values.data(), made, numbers.data());
                for (index_t j = 0; j < made; ++j) node(j).estimate = numbers[static_cast<std::size_t>(j)];
            }
            const std::int64_t price = (of.spent() - before).evaluations() / made;
            require(price > 0,
                    "a tree search's kernel counts no evaluations in spent(): no budget can hold it");
            prices[at] = std::max(prices[at], price);
            for (index_t j = 0; j < made; ++j) {
                const auto tree = static_cast<std::size_t>(node(j).tree);
                spent[tree] += prices[at]; // at least what it cost: the memory is that of the dearest price
                if (last && (best_node[tree] < 0 || node(j).estimate > best[tree])) {
                    best[tree] = node(j).estimate;
                    best_node[tree] = first + static_cast<std::int32_t>(j);
                }
            }
        }
        /// Takes each descent to its next node.
        void choose(index_t k, philox own) {
            const noise_stream stream = own.stream(purpose::resampling, k);
            for (std::size_t e = 0; e < under_way.size(); ++e) {
                descent& one = under_way[e];
                detail::tree_way way{one.next, 0.0};
                if (one.next < 0)
                    way = trees.choose(one.node, of.selection_, stream.uniform(static_cast<index_t>(e)));
                one.node = way.node;
                log_weights[e * static_cast<std::size_t>(levels) +
                            static_cast<std::size_t>(k - 1)] = way.log_weight;
            }
        }

        /// Makes room for all nodes that the budgets can buy.
        void reserve() {
            const std::int64_t least = *std::min_element(prices.begin() + 1, prices.end());
            const index_t more = multiply(of.options_.trees, of.options_.evaluations / least + 1);
            batch_type larger(context, dimension, std::max(states.columns(), more + of.options_.trees));
            context.copy(states.data(), dimension * trees.size(), larger.data());
            states.swap(larger);
            trees.reserve(states.columns());
        }
        [[nodiscard]] std::span<const double> root_values() {
            for (std::size_t t = 0; t < roots.size(); ++t)
                roots[t] = trees[static_cast<std::int32_t>(t)].value();
            return roots;
        }

        /// Gathers the best leaves, and draws of all.
        void finish(result_type& result) {
            const index_t count = of.options_.trees;
            result.particles.resize(context, dimension, count);
            take(best_node, result.particles, result.rewards);
            std::vector<detail::weighted_leaves> leaves(static_cast<std::size_t>(count));
            result.nodes.assign(static_cast<std::size_t>(count), 0);
            for (auto i = static_cast<std::int32_t>(count); i < static_cast<std::int32_t>(trees.size());
                 ++i) {
                const detail::tree_node& node = trees[i];
                ++result.nodes[static_cast<std::size_t>(node.tree)];
                if (node.level == levels) leaves[static_cast<std::size_t>(node.tree)].add(i, node.log_sum);
            }
            std::vector<std::int32_t> drawn;
            bool known = true;
            for (index_t t = 0; t < count; ++t) {
                const auto& own = leaves[static_cast<std::size_t>(t)];
                result.log_z.push_back(own.log_mean());
                result.ess.push_back(own.ess());
                known = known && !std::isnan(result.log_z.back());
                if (known) own.draw(of.options_.draws, rng.stream(purpose::resampling).uniform(t), drawn);
            }
            if (!known) drawn.clear();
            result.draws.resize(context, dimension, static_cast<index_t>(drawn.size()));
            take(drawn, result.draws, result.draw_rewards);
        }
        void take(const std::vector<std::int32_t>& nodes, batch_type& out, std::vector<double>& rewards) {
            if (nodes.empty()) return;
            const auto chosen = from_host<std::int32_t>(context, 1, static_cast<index_t>(nodes.size()),
                                                        nodes);
            context.gather(states.read(), chosen.data(), out.mutable_view());
            for (const std::int32_t node : nodes) rewards.push_back(trees[node].estimate);
        }
    };

    using leaves_type = detail::tree_leaves<Kernel, Leaf>;

    Kernel kernel_;
    leaves_type leaves_;
    std::vector<double> grid_;
    tree_search_options options_;
    Selection selection_;
};

} // namespace diamond
