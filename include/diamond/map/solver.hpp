/// Explicit Runge-Kutta methods, each of which is a Butcher tableau with a number of steps or with
/// tolerances.
#pragma once

#include <array>
#include <concepts>

#include <diamond/core/scalar.hpp>

namespace diamond {

/// k_i = f(x + h sum_j stage[i][j] k_j, t + node[i] h), x' = x + h sum_i weight[i] k_i; `error` holds the
/// weights minus those of the embedded method, and zeros for a method without one.
template <int Stages>
struct butcher_tableau {
    /// The number of stages, as the extent of arrays.
    static constexpr auto size = static_cast<std::size_t>(Stages);

    /// The times of the stages after t, in units of the step h.
    std::array<double, size> node{};
    /// The weights stage[i][j] of the earlier k_j, j < i, in the state of stage i.
    std::array<std::array<double, size>, size> stage{};
    std::array<double, size> weight{};    ///< the weight of each k_i in the step
    std::array<double, size> error{};     ///< the weights minus those of the embedded method
    static constexpr int stages = Stages; ///< The number of stages, evaluations for each step.
};

/// Euler's method, of order 1. Cost: one evaluation for each step.
struct euler {
    index_t steps = 32;
    static constexpr int order = 1;
    static constexpr butcher_tableau<1> tableau{{0.0}, {}, {1.0}, {}};
};

/// The midpoint method, of order 2. Cost: two evaluations for each step.
struct explicit_midpoint {
    index_t steps = 16;
    static constexpr int order = 2;
    static constexpr butcher_tableau<2> tableau{{0.0, 0.5}, {{{}, {0.5}}}, {0.0, 1.0}, {}};
};

/// Heun's method, of order 2. Cost: two evaluations for each step.
struct heun {
    index_t steps = 16;
    static constexpr int order = 2;
    static constexpr butcher_tableau<2> tableau{{0.0, 1.0}, {{{}, {1.0}}}, {0.5, 0.5}, {}};
};

/// The classical fourth-order method. Cost: four evaluations for each step.
struct runge_kutta_4 {
    index_t steps = 8;
    static constexpr int order = 4;
    static constexpr butcher_tableau<4> tableau{{0.0, 0.5, 0.5, 1.0},
                                                {{{}, {0.5}, {0.0, 0.5}, {0.0, 0.0, 1.0}}},
                                                {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6},
                                                {}};
};

/// Dormand and Prince's embedded pair 5(4) with step control.
///
/// All particles of a batch take the same steps, which are chosen so that the largest error of any particle
/// stays below 1: the root mean square over coordinates of the error divided by absolute_tolerance +
/// relative_tolerance |x|. Cost: six evaluations for each step.
struct dormand_prince {
    double relative_tolerance = 1e-6; ///< above 0
    double absolute_tolerance = 1e-6; ///< above 0
    index_t most_steps = 10000;       ///< at least 1; the integration fails if it needs more steps
    static constexpr int order = 5;
    // J. R. Dormand, P. J. Prince, A family of embedded Runge-Kutta formulae, J. Comput. Appl. Math. 6
    // (1980).
    static constexpr butcher_tableau<7> tableau{
        {0.0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1.0, 1.0},
        {{{},
          {1.0 / 5},
          {3.0 / 40, 9.0 / 40},
          {44.0 / 45, -56.0 / 15, 32.0 / 9},
          {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
          {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
          {35.0 / 384, 0.0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}}},
        {35.0 / 384, 0.0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84, 0.0},
        {71.0 / 57600, 0.0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40}};
};

/// The order of a solver: its `order`, or 2 for a solver that does not state one.
template <class Solver>
inline constexpr int order_of = 2;
/// The order p that a solver states: its error falls as h^p.
template <class Solver>
    requires requires { int{Solver::order}; }
inline constexpr int order_of<Solver> = Solver::order;

/// Says whether a solver chooses its own steps, which those with a relative_tolerance do.
template <class Solver>
inline constexpr bool is_adaptive = requires(const Solver& solver) { solver.relative_tolerance; };

namespace detail {
template <int Stages>
void takes_tableau(const butcher_tableau<Stages>&); // nvcc refuses a generic lambda in its place
template <class Solver>
concept has_tableau = std::copy_constructible<Solver> && requires { takes_tableau(Solver::tableau); };
template <class Solver>
concept has_steps = requires(const Solver& solver) {
    { solver.steps } -> std::convertible_to<index_t>;
} || requires(const Solver& solver) {
    { solver.relative_tolerance } -> std::convertible_to<double>;
    { solver.absolute_tolerance } -> std::convertible_to<double>;
    { solver.most_steps } -> std::convertible_to<index_t>;
};
} // namespace detail

/// The ladder: the first clause that Solver breaks says what to write.
template <class Solver>
consteval bool diagnose_solver() {
    static_assert(detail::has_tableau<Solver>,
                  "a solver needs `static constexpr butcher_tableau<Stages> tableau`: euler, "
                  "explicit_midpoint, heun, runge_kutta_4 and dormand_prince have one");
    static_assert(detail::has_steps<Solver>, "a solver needs index_t steps, or relative_tolerance, "
                                             "absolute_tolerance and most_steps where it chooses its own");
    return true;
}

} // namespace diamond
