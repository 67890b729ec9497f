/// The joint flow map of a velocity field by an ODE solver: the many-step reference that learned ones are held against. Section 8.
#pragma once

#include <concepts>
#include <utility>

#include <diamond/concepts/joint_flow_map.hpp>
#include <diamond/likelihood/divergence.hpp>
#include <diamond/map/ode_flow_map.hpp>

namespace diamond {

namespace detail {
template <class D>
concept estimates_divergence = std::copy_constructible<D> && requires(D& d, const_view_t<typename D::batch_type> x, const condition_of_t<typename D::field_type>& c,
                                                                      noise_stream stream, double* out) {
    d(x, times(0.5), c, stream, out, out);
    { d.spent() } -> std::convertible_to<cost>;
    { D::random } -> std::convertible_to<bool>;
    d.field();
};

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
} // namespace detail

/// Integrates dx/dt = u(x, t) and dl/dt = div u(x, t) together, in double whatever the particles are: X_{t,s}(x), and m = l/(s - t).
///
/// Models joint_flow_map where the field names its schedule. An adaptive solver's step is held to both. Cost: one evaluation and one
/// divergence a stage; X alone one evaluation a stage. [F2]
template <class Divergence, class Solver>
class ode_joint_flow_map {
    static_assert(detail::estimates_divergence<Divergence>, "a joint flow map by an ODE solver needs a divergence of likelihood/divergence.hpp, or one called like them");
    static_assert(diagnose_solver<Solver>());

public:
    using field_type     = typename Divergence::field_type;
    using batch_type     = typename field_type::batch_type;
    using condition_type = condition_of_t<field_type>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// For a divergence that draws nothing.
    ode_joint_flow_map(Divergence divergence, Solver solver)
        requires(!Divergence::random)
        : ode_joint_flow_map(std::move(divergence), std::move(solver), noise_stream{}) {}
    /// @param stream where the probes come from, the same all along the path and in every call.
    ode_joint_flow_map(Divergence divergence, Solver solver, noise_stream stream)
        : flow_(divergence.field(), solver), field_(divergence.field()), divergence_(std::move(divergence)), solver_(std::move(solver)), stream_(stream) {}

    [[nodiscard]] index_t dimension() const { return field_.dimension(); }
    [[nodiscard]] auto    schedule() const
        requires detail::names_schedule<field_type>
    {
        return field_.field().schedule();
    }
    [[nodiscard]] cost spent() const { return flow_.spent() + field_.spent() + divergence_.spent(); }

    /// out = X_{from,to}(x | condition) alone.
    void operator()(const_view x, interval span, const condition_type& condition, view out) { flow_(x, span, condition, out); }

    /// out = X_{from,to}(x | condition), divergence[j] = m(x_j, from, to).
    /// @throws std::invalid_argument where shapes differ or a time leaves [0, 1]; numeric_error when an adaptive solver cannot reach its tolerance.
    void operator()(const_view x, interval span, const condition_type& condition, view out, double* divergence) {
        require_same_shape("ode_joint_flow_map", x, const_view(out));
        require_time("ode_joint_flow_map", span.from);
        require_time("ode_joint_flow_map", span.to);
        const auto&   context = x.context();
        const index_t d = x.rows(), n = x.columns();
        if (span.length() == 0.0) {
            context.copy(x.data(), x.size(), out.data());
            divergence_(x, times(span.from), condition, stream_, divergence);
            return;
        }
        state_.resize(context, d + 1, n);
        position_.resize(context, d, n);
        velocity_.resize(context, d, n);
        rate_.resize(context, 1, n);
        context.for_each(d + 1, n, detail::append_zero<real>{x.data(), d, state_.data()});
        solver_(system{*this, condition}, span, state_.mutable_view());
        context.for_each(d, n, detail::take_position<real>{state_.data(), d, out.data()});
        context.for_each(n, detail::take_mean_divergence{state_.data(), d, span.length(), divergence});
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using state_batch  = rebind_t<batch_type, double>;

    struct system {
        ode_joint_flow_map&   owner;
        const condition_type& condition;
        void operator()(const_view_t<state_batch> state, double t, view_t<state_batch> out) const { owner.rates(state, t, condition, out); }
    };
    void rates(const_view_t<state_batch> state, double t, const condition_type& condition, view_t<state_batch> out) {
        const auto&   context = state.context();
        const index_t d = state.rows() - 1, n = state.columns();
        context.for_each(d, n, detail::take_position<real>{state.data(), d, position_.data()});
        field_(position_.read(), times(t), condition, velocity_.mutable_view());
        divergence_(position_.read(), times(t), condition, stream_, rate_.data());
        context.for_each(d + 1, n, detail::append_divergence<real>{velocity_.data(), rate_.data(), d, out.data()});
    }

    ode_flow_map<field_type, Solver>   flow_;
    field_evaluator<field_type>        field_;
    Divergence                         divergence_;
    runge_kutta<Solver, state_batch>   solver_;
    noise_stream                       stream_;
    scratch<real, context_type>        position_, velocity_;
    scratch<double, context_type>      state_, rate_;
};

} // namespace diamond
