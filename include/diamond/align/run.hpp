/// Drivers share these: the observer, the checks of particles and values, and the step that an error names.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/random/philox.hpp>
#include <diamond/reward/reward_caller.hpp>

namespace diamond {

/// The observer that watches nothing.
struct no_observer {
    /// Ignores the view of a step, and lets the run go on.
    template <class View>
    void operator()(const View&) const {}
};

/// Says why a driver cannot take a call. Drivers hold it in overloads that are chosen only where their own
/// operators do not fit.
template <class Rng>
consteval bool diagnose_driver_call() {
    static_assert(std::is_convertible_v<Rng, philox>,
                  "a run draws its numbers by philox: write diamond::philox{42} where you have a seed, 42");
    static_assert(!std::is_convertible_v<Rng, philox>, "a driver works in memory of its own, so it is not "
                                                       "called const: call one that is not, or a copy of it");
    return true;
}

namespace detail {

/// The largest number of particles: ancestors are 32-bit integers, and a draw's address has 32 bits for its
/// particle.
inline constexpr index_t most_particles = INT32_MAX;
/// @throws std::invalid_argument unless there are 1 ... most_particles particles, which are told apart.
inline void require_particles(const char* what, index_t particles) {
    require(particles >= 1 && particles <= most_particles, [&] {
        return std::string(what) + " of " + digits_of(particles) +
               " particles: at least 1 and at most 2^31 - 1 are needed";
    });
}

/// Calls an observer, and says whether the run goes on: an observer that returns bool stops it by false.
template <class Observer, class View>
bool keep_going(Observer& observer, const View& view) {
    if constexpr (std::is_convertible_v<std::invoke_result_t<Observer&, const View&>, bool>)
        return static_cast<bool>(observer(view));
    else {
        observer(view);
        return true;
    }
}

/// Runs a step of a driver. @throws numeric_error that names step k in place of what its parts count, as
/// evaluations of V, or do not know.
template <class Step>
void at_step(index_t k, const Step& step) {
    try {
        step();
    } catch (const numeric_error& error) {
        if (error.step() == static_cast<long>(k)) throw;
        std::throw_with_nested(numeric_error(error.reason(), static_cast<long>(k), error.particle()));
    }
}

/// @throws numeric_error naming step and particle where a particle has a coordinate that is NaN or infinite,
/// one that no reward reads among them.
template <class Value, class Context>
void require_particles(batch_view<Value, Context> x, index_t step) {
    require_finite_columns(
        x, deferred_error{
               .what = "a coordinate of a particle is NaN or infinite: the network is not finite there",
               .step = step});
}

/// @throws numeric_error naming step and particle where a value is NaN or +inf.
template <class Value, class Context>
void require_values(row_view<Value, Context> values, index_t step) {
    values.context().forbid(values.columns(), elementwise<is_no_log_weight>(values),
                            deferred_error{.what = "the value estimate is NaN or +infinity", .step = step});
}

/// @throws std::invalid_argument with both dimensions unless they agree.
template <class Mover, class Value>
void require_same_dimension(const char* mover, const Mover& moves, const Value& value) {
    require(moves.dimension() == value.dimension(), [&] {
        return std::string("the ") + mover + " has dimension " + digits_of(moves.dimension()) +
               ", the value estimator " + digits_of(value.dimension());
    });
}

} // namespace detail

} // namespace diamond
