/// Integrates a flow and its divergence together: what ode_flow_map and glass_diamond_map share.
#pragma once

#include <utility>

#include <diamond/concepts/divergence_estimator.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/map/runge_kutta.hpp>

namespace diamond::detail {

/// (x, 0) as one column of d + 1 doubles.
template <class Real>
struct append_zero {
    const Real* x;
    index_t     rows;
    double*     state;
    DIAMOND_HD void operator()(index_t i, index_t j) const { state[i + (rows + 1) * j] = i == rows ? 0.0 : static_cast<double>(x[i + rows * j]); }
};
template <class Real>
struct append_divergence {
    const Real*   velocity;
    const double* divergence;
    index_t       rows;
    double*       rate;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        rate[i + (rows + 1) * j] = i == rows ? divergence[j] : static_cast<double>(velocity[i + rows * j]);
    }
};
template <class Real>
struct take_position {
    const double* state;
    index_t       rows;
    Real*         x;
    DIAMOND_HD void operator()(index_t i, index_t j) const { x[i + rows * j] = static_cast<Real>(state[i + (rows + 1) * j]); }
};
struct take_mean_divergence {
    const double* state;
    index_t       rows;
    double        length;
    double*       out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = state[rows + (rows + 1) * j] / length; }
};

/// dx/dt = u(x, t) and dl/dt = div u(x, t) together, in double whatever the particles are. An adaptive solver's step is held to both.
template <class Batch, class Solver>
class divergence_integrator {
    using real         = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using state_batch  = rebind_t<Batch, double>;

public:
    explicit divergence_integrator(Solver solver) : solver_(std::move(solver)) {}

    /// out = x at span.to, divergence = l/(to - from), at no length div u itself. velocity(x, t, view out) writes u, rate(x, t, double* out) div u.
    template <class Velocity, class Rate>
    void operator()(const_view_t<Batch> x, interval span, const Velocity& velocity, const Rate& rate, view_t<Batch> out, double* divergence) {
        const auto&   context = x.context();
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
        context.for_each(d + 1, n, append_zero<real>{x.data(), d, state_.data()});
        solver_([&](const_view_t<state_batch> state, double t, view_t<state_batch> rates) {
            context.for_each(d, n, take_position<real>{state.data(), d, position_.data()});
            velocity(position_.read(), t, velocity_.mutable_view());
            rate(position_.read(), t, rate_.data());
            context.for_each(d + 1, n, append_divergence<real>{velocity_.data(), rate_.data(), d, rates.data()});
        }, span, state_.mutable_view());
        context.for_each(d, n, take_position<real>{state_.data(), d, out.data()});
        context.for_each(n, take_mean_divergence{state_.data(), d, span.length(), divergence});
    }

private:
    runge_kutta<Solver, state_batch> solver_;
    scratch<real, context_type>      position_, velocity_;
    scratch<double, context_type>    state_, rate_;
};

/// What a map by an ODE solver holds beside its velocity where it was given a divergence: the estimator of its velocity's, the integrator of both
/// and the stream of the probes.
template <class Estimator, class Batch, class Solver>
struct divergence_part {
    divergence_part(Estimator estimator, Solver solver, noise_stream probes)
        : estimate(std::move(estimator)), integrate(std::move(solver)), stream(probes) {}
    [[nodiscard]] cost spent() const { return estimate.spent(); }

    Estimator                            estimate;
    divergence_integrator<Batch, Solver> integrate;
    noise_stream                         stream;
};

} // namespace diamond::detail
