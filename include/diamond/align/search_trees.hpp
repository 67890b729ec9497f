/// The trees of tree_search on the host: who is whose child, visits and values. The states themselves are in
/// the back end's memory, state of node i in column i. See (eq. tree-weights) and (eq. tree-value).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <diamond/align/tree_policies.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// A node of a tree: a state at a time of the grid, or a root, which has none.
struct tree_node {
    std::int32_t tree = 0, level = 0; ///< level k is at t_k; roots are at level 0
    std::int32_t parent = -1, first_child = -1, last_child = -1, next_sibling = -1;
    index_t children = 0;
    index_t visits = 0, ends = 0; ///< the descents through it, and those of them that have come to their end
    double log_sum = -infinity;   ///< log sum w exp r of these, w of the choices below it; of a leaf, of all
    double estimate = not_a_number; ///< V by an estimator; the reward of a leaf; NaN where there is none

    /// Its value counts the estimate as one descent; NaN where nothing is known.
    [[nodiscard]] double value() const {
        if (ends == 0) return estimate;
        const bool estimated = !std::isnan(estimate);
        return (estimated ? log_add_exp(log_sum, estimate) : log_sum) -
               std::log(static_cast<double>(ends + (estimated ? 1 : 0)));
    }
};

/// A descent's next node, and the logarithm of the weight of its choice, NaN where that was not drawn.
struct tree_way {
    std::int32_t node;
    double log_weight;
};

/// Trees whose nodes are in one array, in the order of their making: nodes 0 ... T - 1 are the roots.
class search_trees {
public:
    explicit search_trees(index_t trees) : nodes_(static_cast<std::size_t>(trees)) {
        for (index_t t = 0; t < trees; ++t)
            nodes_[static_cast<std::size_t>(t)].tree = static_cast<std::int32_t>(t);
    }

    /// Makes room for so many nodes in all, after which nothing allocates.
    void reserve(index_t nodes) {
        nodes_.reserve(static_cast<std::size_t>(nodes));
        seen_.reserve(static_cast<std::size_t>(nodes));
    }
    [[nodiscard]] index_t size() const { return static_cast<index_t>(nodes_.size()); }
    [[nodiscard]] tree_node& operator[](std::int32_t node) { return nodes_[static_cast<std::size_t>(node)]; }
    [[nodiscard]] const tree_node& operator[](std::int32_t node) const {
        return nodes_[static_cast<std::size_t>(node)];
    }

    /// Makes a child of unknown value, and returns its number.
    std::int32_t add_child(std::int32_t parent) {
        const auto made = static_cast<std::int32_t>(nodes_.size());
        nodes_.push_back(
            {.tree = (*this)[parent].tree, .level = (*this)[parent].level + 1, .parent = parent});
        tree_node& of = (*this)[parent];
        if (of.children++ == 0)
            of.first_child = made;
        else
            (*this)[of.last_child].next_sibling = made;
        of.last_child = made;
        return made;
    }

    /// The way to the child that the selection chooses of those whose values are known: with probability q of
    /// n it weighs 1/(n q). Where none is known, as all were made in this round, it leads to the least
    /// visited, which is a draw of the kernel like any other, and weighs 1.
    template <class Selection>
    [[nodiscard]] tree_way choose(std::int32_t parent, const Selection& selection, double uniform) {
        const tree_node& of = (*this)[parent];
        std::int32_t rarest = of.first_child;
        seen_.clear();
        for (std::int32_t c = of.first_child; c >= 0; c = (*this)[c].next_sibling) {
            const double value = (*this)[c].value();
            if (!std::isnan(value)) seen_.push_back({value, (*this)[c].visits});
            if ((*this)[c].visits < (*this)[rarest].visits) rarest = c;
        }
        if (seen_.empty()) return {rarest, 0.0};
        const auto known = static_cast<index_t>(seen_.size());
        const tree_choice chosen = selection(std::span<const tree_child>(seen_), of.visits, uniform);
        require(chosen.child >= 0 && chosen.child < known, [&] {
            return "the selection of a tree search chose child " + digits_of(chosen.child) + " of " +
                   digits_of(known) + ": children are counted from 0";
        });
        require(!(chosen.probability <= 0.0 || chosen.probability > 1.0), [&] {
            return "the selection of a tree search chose a child with probability " +
                   digits_of(chosen.probability) + ": it is above 0 and at most 1, or NaN where none is told";
        });
        index_t left = chosen.child;
        for (std::int32_t c = of.first_child;; c = (*this)[c].next_sibling)
            if (!std::isnan((*this)[c].value()) && left-- == 0)
                return {c, -std::log(static_cast<double>(known) * chosen.probability)};
    }

    /// Gives a leaf its weight and all nodes above it their share of its reward. `log_weights` are those of
    /// the ways to levels 1, 2, ...; those that are NaN count as 1 in the nodes' values.
    void end(std::int32_t leaf, std::span<const double> log_weights) {
        double sum = (*this)[leaf].estimate, exact = sum;
        auto weight = log_weights.end();
        for (std::int32_t node = (*this)[leaf].parent; node >= 0; node = (*this)[node].parent) {
            const double its = *--weight;
            sum += std::isnan(its) ? 0.0 : its;
            exact += its;
            tree_node& above = (*this)[node];
            above.log_sum = log_add_exp(above.log_sum, sum);
            ++above.ends;
        }
        (*this)[leaf].log_sum = exact;
    }

private:
    std::vector<tree_node> nodes_;
    std::vector<tree_child> seen_;
};

/// The leaves of a tree by their weights w exp r.
class weighted_leaves {
public:
    void clear() { leaves_.clear(); }
    void add(std::int32_t node, double log_weight) { leaves_.push_back({node, log_weight}); }

    /// The logarithm of the mean weight, log Z-hat; NaN where a choice was not drawn.
    [[nodiscard]] double log_mean() const {
        const sums of = add_up();
        return of.high == -infinity ? of.high
                                    : of.high + std::log(of.sum / static_cast<double>(leaves_.size()));
    }
    /// The effective number of the leaves, (sum w)^2/sum w^2; 0 where all weights are 0.
    [[nodiscard]] double ess() const {
        const sums of = add_up();
        return of.high == -infinity ? 0.0 : of.sum * of.sum / of.squares;
    }
    /// Draws `count` leaves by their weights, systematically by one uniform number; the first leaf where all
    /// weights are 0.
    void draw(index_t count, double uniform, std::vector<std::int32_t>& nodes) const {
        const sums of = add_up();
        std::size_t next = 0;
        double below = weight(0, of.high); // the weights up to and with the next
        for (index_t k = 0; k < count; ++k) {
            const double sought = (static_cast<double>(k) + uniform) / static_cast<double>(count) * of.sum;
            while (below < sought && next + 1 < leaves_.size()) below += weight(++next, of.high);
            nodes.push_back(leaves_[next].node);
        }
    }

private:
    struct leaf {
        std::int32_t node;
        double log_weight;
    };
    struct sums {
        double high = -infinity, sum = 0.0, squares = 0.0;
    };
    [[nodiscard]] double weight(std::size_t at, double high) const {
        return high == -infinity ? 0.0 : std::exp(leaves_[at].log_weight - high);
    }
    [[nodiscard]] sums add_up() const {
        sums of;
        for (const leaf& one : leaves_)
            of.high = std::isnan(one.log_weight) ? one.log_weight : std::max(of.high, one.log_weight);
        for (std::size_t i = 0; i < leaves_.size(); ++i) {
            of.sum += weight(i, of.high);
            of.squares += square(weight(i, of.high));
        }
        return of;
    }

    std::vector<leaf> leaves_;
};

} // namespace diamond::detail
