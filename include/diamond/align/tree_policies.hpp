/// The policies of tree_search: how a descent chooses among the children of a node.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <span>

#include <diamond/core/batch.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// What policies know of a child of a node.
struct tree_child {
    double value;   ///< its value in nats, finite or -infinity
    index_t visits; ///< the number of descents through it, at least 0
};
/// What a policy chose.
struct tree_choice {
    index_t child; ///< its place among the children, from 0
    /// The probability with which it was chosen, above 0: descents are weighed by it, (eq. tree-weights). NaN
    /// of a choice that was not drawn, from which no law follows.
    double probability;
};

/// Chooses a child with probability e/n + (1 - e) exp(V/temperature)/sum_c exp(V_c/temperature), one of n;
/// all alike where all values are -infinity. With temperature 1 and e = 0 a descent goes as the tilted law
/// would.
struct boltzmann_selection {
    double temperature = 1.0; ///< above 0: high ones explore
    /// e, the share of choices at random, in [0, 1]: without them a child whose first reward was low by
    /// chance is hardly seen again.
    double uniform_share = 0.1;

    /// Chooses among the children, at least one, by a uniform number in (0, 1).
    [[nodiscard]] tree_choice operator()(std::span<const tree_child> children, index_t,
                                         double uniform) const {
        const auto count = static_cast<double>(children.size());
        double high = -infinity, sum = 0.0;
        for (const tree_child& child : children) high = std::max(high, child.value);
        const auto weight = [&](const tree_child& child) {
            return high == -infinity ? 1.0 : std::exp((child.value - high) / temperature);
        };
        for (const tree_child& child : children) sum += weight(child);
        const auto probability = [&](const tree_child& child) {
            return uniform_share / count + (1.0 - uniform_share) * weight(child) / sum;
        };
        tree_choice chosen{0, 0.0};
        for (std::size_t c = 0; c < children.size(); ++c) {
            const double its = probability(children[c]);
            if (its == 0.0) continue;
            chosen = {static_cast<index_t>(c), its};
            uniform -= its;
            if (uniform < 0.0) break;
        }
        return chosen;
    }
};
/// Chooses the child of highest V + c sqrt(log(1 + N)/(1 + n)), n its visits and N those of its parent: upper
/// confidence bounds on trees (Kocsis, Szepesvari, 2006), for samples of high reward. Of equals it takes the
/// least visited, of these the first.
struct upper_confidence_selection {
    double exploration = 1.0; ///< c in nats, at least 0: high ones explore

    /// Chooses among the children, at least one, of a node of so many visits.
    [[nodiscard]] tree_choice operator()(std::span<const tree_child> children, index_t visits, double) const {
        const double known = std::log1p(static_cast<double>(visits));
        std::size_t best = 0;
        double highest = -infinity;
        for (std::size_t c = 0; c < children.size(); ++c) {
            const double bonus = std::sqrt(known / (1.0 + static_cast<double>(children[c].visits))),
                         bound = children[c].value + exploration * bonus;
            if (bound > highest || (bound == highest && children[c].visits < children[best].visits)) {
                best = c;
                highest = bound;
            }
        }
        return {static_cast<index_t>(best), not_a_number};
    }
};

/// The ladder for the selection of tree_search.
template <class Selection>
consteval bool diagnose_tree_selection() {
    static_assert(
        requires(const Selection& s, std::span<const tree_child> children) {
            { s(children, index_t{1}, 0.5) } -> std::convertible_to<tree_choice>;
        }, "a selection of tree_search needs tree_choice operator()(std::span<const tree_child>, index_t "
           "visits, double uniform) const, the chosen child and its probability, as boltzmann_selection has");
    return true;
}

namespace detail {
/// Has nothing to refuse of a policy of the user's.
template <class Selection>
void require_selection(const Selection&) {}
/// @throws std::invalid_argument with the number that is out of its range.
inline void require_selection(const boltzmann_selection& policy) {
    require(policy.temperature > 0.0 && std::isfinite(policy.temperature), [&] {
        return "boltzmann_selection's temperature is " + digits_of(policy.temperature) +
               ": it must be positive and finite";
    });
    require(policy.uniform_share >= 0.0 && policy.uniform_share <= 1.0, [&] {
        return "boltzmann_selection's uniform_share is " + digits_of(policy.uniform_share) +
               ": it lies between 0 and 1";
    });
}
inline void require_selection(const upper_confidence_selection& policy) {
    require(policy.exploration >= 0.0 && std::isfinite(policy.exploration), [&] {
        return "upper_confidence_selection's exploration is " + digits_of(policy.exploration) +
               ": it must be finite and at least 0";
    });
}
} // namespace detail

} // namespace diamond
