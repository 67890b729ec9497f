/// Rejuvenation of particles in sequential Monte Carlo: the policies that smc takes as its last argument. See
/// (eq. crank-nicolson) and (eq. renoise-particle).
///
/// Resampling makes copies; moves take these apart. A move that leaves the step's tilted law as it is may be
/// made of every particle, weighted or just resampled, and Z-hat remains unbiased.
#pragma once

#include <cmath>
#include <concepts>
#include <string>
#include <type_traits>
#include <utility>

#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond {

/// Leaves particles where resampling puts them.
struct no_rejuvenation {};

/// Moves each particle of a step before the last by preconditioned Crank-Nicolson in the last noise of its
/// transition: with the stored parent x_{k-1}, noise e and value V of a particle,
///
///   e' = sqrt(1 - beta^2) e + beta xi,   xi ~ N(0, I),   x' = the kernel's draw for e' from x_{k-1},
///
/// V' from fresh noise, accepted with probability min(1, exp(V' - V)); V is the value that was stored, never
/// drawn again.
///
/// Cost a particle and step before the last: `moves` steered draws and values; and the kernel's centre, once,
/// which of a kernel of a posterior draw is all that a transition costs. (eq. crank-nicolson)
struct crank_nicolson {
    index_t moves = 1; ///< moves a step, 1 ... 2^20
    /// The size of a move, in (0, 1]: small ones are accepted more often, 1 forgets the noise.
    double beta = 0.3;
};

/// Moves each particle of a step before the last by renoising it and drawing it again: with the stored value
/// V of a particle x at t_k, and t < t_k the time at which sigma/alpha is `factor` times what it is at t_k,
///
///   x^ ~ the noising of x to t,   x' ~ the kernel from t to t_k, given x^,
///
/// V' from fresh noise, accepted with probability min(1, exp(V' - V)); V is the value that was stored, never
/// drawn again. Other than crank_nicolson it leaves the parent x_{k-1} behind, so that far copies can be
/// reached; and its target is the model's p_t, tilted: the chain's own law where the kernel is exact, and
/// Z-hat is then unbiased. Where it is not, moves draw particles towards the kernel's own idea of p_t, and
/// the result says exact_for_sampler = false.
///
/// Cost a particle and step before the last: `moves` transitions and values. (eq. renoise-particle)
struct renoise_moves {
    index_t moves = 1;   ///< moves a step, 1 ... 2^20
    double factor = 1.5; ///< the size of a move, above 1: small ones are accepted more often
};

namespace detail {

/// Says whether moves by this policy steer the noise of transitions.
template <class Rejuvenation>
inline constexpr bool steers = std::is_same_v<Rejuvenation, crank_nicolson>;
/// Says whether smc moves particles by this policy.
template <class Rejuvenation>
inline constexpr bool rejuvenates = !std::is_same_v<Rejuvenation, no_rejuvenation>;

/// The ladder for rejuvenation by a kernel.
template <class Kernel, class Rejuvenation>
consteval bool diagnose_rejuvenation() {
    constexpr bool renoises = std::is_same_v<Rejuvenation, renoise_moves>;
    constexpr bool known = std::is_same_v<Rejuvenation, no_rejuvenation> || steers<Rejuvenation> || renoises;
    static_assert(known, "the last argument of smc says how particles are rejuvenated: no_rejuvenation, "
                         "crank_nicolson or renoise_moves");
    if constexpr (renoises) {
        constexpr bool weighted = weighted_transition_kernel<Kernel>;
        static_assert(!weighted, "renoise_moves moves no particles of a weighted transition kernel, whose "
                                 "densities would have to move with them: give smc kernel.kernel(), "
                                 "uncorrected, or no_rejuvenation");
        static_assert(
            weighted ||
                reverses_noising<std::remove_cvref_t<decltype(draws_alone(std::declval<const Kernel&>()))>>,
            "renoise_moves noises particles and draws them again: it needs a kernel that runs the "
            "noising backwards and says reverses_noising, as early_stop_kernel, "
            "ddpm_posterior_kernel and glass_kernel do with DDPM's correlation");
    }
    if constexpr (steers<Rejuvenation>) {
        constexpr bool weighted = weighted_transition_kernel<Kernel>;
        static_assert(!weighted, "crank_nicolson moves no particles of a weighted transition kernel, whose "
                                 "densities would have to move with them: give smc kernel.kernel(), "
                                 "uncorrected, or no_rejuvenation");
        static_assert(weighted || steerable_kernel<Kernel> || guided_kernel_with_noise<Kernel>,
                      "crank_nicolson moves the last noise of a transition: it needs a steerable kernel, as "
                      "early_stop_kernel and ddpm_posterior_kernel are, or a guided kernel with "
                      "draw_with_noise, as value_guided_kernel has");
    }
    return true;
}

/// The kernel that steers moves: the driver's own; or, where that guides another, a copy of this one.
template <class Kernel, bool Guided>
struct mover {
    explicit mover(const Kernel&) {}
    [[nodiscard]] Kernel& of(Kernel& kernel) { return kernel; }
    [[nodiscard]] cost spent() const { return {}; } ///< beside the driver's kernel
};
template <class Kernel>
class mover<Kernel, true> {
public:
    explicit mover(const Kernel& guided) : kernel_(guided.kernel()), before_(kernel_.spent()) {}
    [[nodiscard]] auto& of(Kernel&) { return kernel_; }
    [[nodiscard]] cost spent() const { return cost(kernel_.spent()) - before_; }

private:
    std::remove_cvref_t<decltype(std::declval<const Kernel&>().kernel())> kernel_;
    cost before_;
};

/// @throws std::invalid_argument for a number of moves out of its range, for values that moves cannot be
/// accepted by, and for a threshold of 0, by which there are no values.
template <class Value>
void require_moves(const char* policy, index_t moves, const Value& value, double threshold) {
    constexpr index_t most_moves = index_t{1} << 20; // more would be a mistake, and overflow addresses
    require(moves >= 1 && moves <= most_moves, [&] {
        return std::string(policy) + " makes " + digits_of(moves) +
               " moves a step: 1 to 2^20 are taken, and no_rejuvenation makes none";
    });
    require(threshold > 0.0, [&] {
        return std::string(policy) + " accepts moves by values, and a threshold of 0 takes none: give a "
                                     "threshold above 0, or no_rejuvenation";
    });
    require(is_fresh(value), [&] {
        return std::string(policy) +
               " accepts moves by values, and this estimator's value of a particle depends on other "
               "particles "
               "or on the noise of other steps, by which moves would bias Z-hat: give one whose values are "
               "their own, as posterior_value is without fixed_noise";
    });
}
/// Has nothing to refuse.
template <class Value>
void require_rejuvenation(const no_rejuvenation&, const Value&, double) {}
/// @throws std::invalid_argument for a number out of its range, and as require_moves does.
template <class Value>
void require_rejuvenation(const crank_nicolson& policy, const Value& value, double threshold) {
    require(policy.beta > 0.0 && policy.beta <= 1.0, [&] {
        return "crank_nicolson's beta is " + digits_of(policy.beta) +
               ": the share of fresh noise must be above 0 and at most 1";
    });
    require_moves("crank_nicolson", policy.moves, value, threshold);
}
template <class Value>
void require_rejuvenation(const renoise_moves& policy, const Value& value, double threshold) {
    require(policy.factor > 1.0 && std::isfinite(policy.factor), [&] {
        return "renoise_moves' factor is " + digits_of(policy.factor) +
               ": sigma/alpha must grow, by a finite factor above 1";
    });
    require_moves("renoise_moves", policy.moves, value, threshold);
}

/// Says whether moves leave the law of particles as the chain has it, by a kernel that is exact or not.
[[nodiscard]] inline bool keeps_own_law(const no_rejuvenation&, bool) { return true; }
[[nodiscard]] inline bool keeps_own_law(const crank_nicolson&, bool) { return true; }
[[nodiscard]] inline bool keeps_own_law(const renoise_moves&, bool exact) { return exact; }

/// What the policy adds to the setting of a run: nothing, where it changes nothing.
[[nodiscard]] inline std::string name_of_rejuvenation(const no_rejuvenation&) { return ""; }
[[nodiscard]] inline std::string name_of_rejuvenation(const crank_nicolson& policy) {
    return "crank_nicolson, moves " + digits_of(policy.moves) + ", beta " + digits_of(policy.beta);
}
[[nodiscard]] inline std::string name_of_rejuvenation(const renoise_moves& policy) {
    return "renoise_moves, moves " + digits_of(policy.moves) + ", factor " + digits_of(policy.factor);
}

} // namespace detail

} // namespace diamond
