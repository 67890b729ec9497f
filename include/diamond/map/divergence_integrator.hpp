/// The integrator of a flow and its divergence together, which ode_flow_map and glass_diamond_map share.
/// See (eq. mean-divergence).
#pragma once

#include <utility>

#include <diamond/concepts/divergence_estimator.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/map/runge_kutta.hpp>

namespace diamond::detail {

/// Writes x, d x N, and below it a row of N numbers into `state`, (d + 1) x N doubles.
template <class Position, class Row, class State>
struct append_row {
    Position x;
    Row last;
    State state;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        state(i, j) = i == x.rows() ? last[j] : static_cast<double>(x(i, j));
    }
};
/// Writes the first d rows of `state`, (d + 1) x N doubles, into x, d x N.
template <class State, class Position>
struct take_position {
    State state;
    Position x;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        x(i, j) = static_cast<typename Position::value_type>(state(i, j));
    }
};

/// Integrates dx/dt = u(x, t) and dl/dt = div u(x, t) together, in double for any type of particles. An
/// adaptive solver chooses its steps by the errors of both.
template <class Batch, class Solver>
class divergence_integrator {
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using state_batch = rebind_t<Batch, double>;

public:
    explicit divergence_integrator(Solver solver) : solver_(std::move(solver)) {}

    /// out = x at span.to, d x N, and divergence = l/(to - from), N numbers; for an interval of length 0, div
    /// u itself. velocity(x, t, view out) writes u, rate(x, t, row out) writes div u.
    template <class Velocity, class Rate>
    void operator()(const_view_t<Batch> x, interval span, const Velocity& velocity, const Rate& rate,
                    view_t<Batch> out, row_t<Batch> divergence) {
        const auto& context = x.context();
        const index_t d = x.rows(), n = x.columns();
        if (span.length() == 0.0) {
            context.copy(x.data(), x.size(), out.data());
            rate(x, span.from, divergence);
            return;
        }
        state_.resize(context, d + 1, n);
        position_.resize(context, d, n);
        velocity_.resize(context, d, n);
        rate_.resize(context, 1, n);
        assign(row(rate_), 0.0);
        append(x, rate_, state_.mutable_view());
        solver_(
            [&](const_view_t<state_batch> state, double t, view_t<state_batch> rates) {
                take(state, position_.mutable_view());
                velocity(position_.read(), t, velocity_.mutable_view());
                rate(position_.read(), t, row(rate_));
                append(velocity_, rate_, rates);
            },
            span, state_.mutable_view());
        take(state_, out);
        assign(divergence, row_of(state_, d) / span.length());
    }

private:
    using row_of_numbers = row_view<const double, context_type>;

    /// Writes x and, below it, the row `last` into `state`.
    static void append(const_view_t<Batch> x, const owning_batch<double, context_type>& last,
                       view_t<state_batch> state) {
        using functor = append_row<const_view_t<Batch>, row_of_numbers, view_t<state_batch>>;
        state.context().for_each(state.rows(), state.columns(),
                                 functor{.x = x, .last = row(last), .state = state});
    }
    /// Writes all rows of `state` but the last into x.
    static void take(const_view_t<state_batch> state, view_t<Batch> x) {
        using functor = take_position<const_view_t<state_batch>, view_t<Batch>>;
        x.context().for_each(x.rows(), x.columns(), functor{.state = state, .x = x});
    }

    runge_kutta<Solver, state_batch> solver_;
    scratch<real, context_type> position_, velocity_;
    scratch<double, context_type> state_, rate_;
};

/// The parts by which a map by an ODE solver has a divergence: the estimator of its velocity's divergence,
/// the integrator of both, and the stream of the probes.
template <class Estimator, class Batch, class Solver>
struct divergence_part {
    divergence_part(Estimator estimator, Solver solver, noise_stream probes)
        : estimate(std::move(estimator)), integrate(std::move(solver)), stream(probes) {}
    [[nodiscard]] cost spent() const { return estimate.spent(); }

    Estimator estimate;
    divergence_integrator<Batch, Solver> integrate;
    noise_stream stream;
};

} // namespace diamond::detail
