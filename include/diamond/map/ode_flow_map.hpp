/// The flow map of a velocity field by an ODE solver: the many-step reference for learned maps. See
/// (eq. flow-map), (eq. mean-divergence).
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/concepts/divergence_estimator.hpp>
#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/map/divergence_integrator.hpp>
#include <diamond/map/runge_kutta.hpp>
#include <diamond/schedule/field_evaluator.hpp>

namespace diamond {

/// X_{t,s}(x), by integrating dx/dt = u(x, t) from t to s.
///
/// `Field` is a velocity field, or a divergence of one (exact_divergence{field}): then dl/dt = div u(x, t) is
/// integrated too, both in double for any type of particles, and m = l/(s - t). Models flow_map;
/// differentiable_flow_map where the field is differentiable; flow_map_with_divergence where it is given a
/// divergence and the field names its schedule. An adaptive solver chooses its steps by the errors of both
/// flow and divergence. x and out are d x N. Cost: one evaluation for each stage of the solver, with m one
/// evaluation and one divergence; for a vjp the forward run twice and one vector-Jacobian product for each
/// stage. [FM], [F2]
template <class Field, class Solver>
class ode_flow_map {
    static_assert(detail::diagnose_field_or_divergence<Field>() && diagnose_solver<Solver>());
    static constexpr bool has_divergence = detail::is_divergence<Field>;

public:
    using field_type = detail::velocity_of_t<Field>;
    using batch_type = typename field_type::batch_type;
    using condition_type = condition_of_t<field_type>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes a velocity field, or a divergence that draws nothing.
    ode_flow_map(Field field, Solver solver)
        requires(!detail::needs_stream<Field>)
        : field_(detail::velocity_of<Field>::get(field)),
          solver_(solver),
          divergence_(std::move(field), std::move(solver), noise_stream{}) {}
    /// @param stream gives the probes of a divergence that draws, the same ones along the whole path and in
    /// every call.
    ode_flow_map(Field divergence, Solver solver, noise_stream stream)
        requires detail::is_divergence<Field>
        : field_(detail::velocity_of<Field>::get(divergence)),
          solver_(solver),
          divergence_(std::move(divergence), std::move(solver), stream) {}

    [[nodiscard]] index_t dimension() const { return field_.dimension(); }
    [[nodiscard]] const field_type& field() const { return field_.field(); }
    [[nodiscard]] auto schedule() const
        requires detail::names_schedule<field_type>
    {
        return field().schedule();
    }
    [[nodiscard]] cost spent() const { return field_.spent() + divergence_.spent(); }

    /// out = X_{from,to}(x | condition). @throws std::invalid_argument if shapes differ or a time leaves [0,
    /// 1]; numeric_error if an adaptive solver cannot reach its tolerance.
    void operator()(const_view x, interval span, const condition_type& condition, view out) {
        check(x, span, out);
        x.context().copy(x.data(), x.size(), out.data());
        solver_(system{field_, condition}, span, out);
    }
    /// out = X_{from,to}(x | condition) and divergence[j] = m(x_j, from, to), N numbers in the memory of the
    /// batch. It throws as the call without divergence does.
    void operator()(const_view x, interval span, const condition_type& condition, view out,
                    row_t<batch_type> divergence)
        requires has_divergence
    {
        check(x, span, out);
        divergence_.integrate(
            x, span, [&](const_view at, double t, view rate) { field_(at, time_view(t), condition, rate); },
            [&](const_view at, double t, row_t<batch_type> rate) {
                divergence_.estimate(at, time_view(t), condition, divergence_.stream, rate);
            },
            out, divergence);
    }
    /// out = cotangent^T dX/dx, d x N, exactly that of the discrete map. It throws as operator() does.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent, view out)
        requires differentiable_velocity_field<field_type>
    {
        check(x, span, out);
        require_same_shape("ode_flow_map::vjp", x, cotangent);
        x.context().copy(cotangent.data(), x.size(), out.data());
        solver_.vjp(system{field_, condition}, span, x, out);
    }

private:
    struct system {
        field_evaluator<field_type>& field;
        const condition_type& condition;
        void operator()(const_view x, double t, view out) const { field(x, time_view(t), condition, out); }
        void vjp(const_view x, double t, const_view cotangent, view out) const
            requires differentiable_velocity_field<field_type>
        {
            field.vjp(x, time_view(t), condition, cotangent, out);
        }
    };
    static void check(const_view x, interval span, const_view out) {
        require_same_shape("ode_flow_map", x, out);
        require_apart("ode_flow_map", x, out);
        require(span.from >= 0.0 && span.from <= 1.0 && span.to >= 0.0 && span.to <= 1.0, [&] {
            return "a flow map from t = " + digits_of(span.from) + " to " + digits_of(span.to) +
                   ": times lie in [0, 1]";
        });
    }

    using divergence_part = std::conditional_t<
        has_divergence, detail::divergence_part<Field, batch_type, Solver>, detail::no_divergence>;

    field_evaluator<field_type> field_;
    runge_kutta<Solver, batch_type> solver_;
    [[no_unique_address]] divergence_part divergence_;
};

} // namespace diamond
