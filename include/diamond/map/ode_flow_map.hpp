/// The flow map of a velocity field by an ODE solver.
#pragma once

#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/map/runge_kutta.hpp>
#include <diamond/schedule/field_evaluator.hpp>

namespace diamond {

/// X_{t,s}(x): integrates dx/dt = u(x, t) from t to s. Cost: one evaluation a stage of the solver; vjp: the forward run twice and one
/// vector-Jacobian product a stage. [FM], section 3.
template <class Field, class Solver>
class ode_flow_map {
    static_assert(diagnose_velocity_field<Field>() && diagnose_solver<Solver>());

public:
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    ode_flow_map(Field field, Solver solver) : field_(std::move(field)), solver_(std::move(solver)) {}

    [[nodiscard]] index_t     dimension() const { return field_.dimension(); }
    [[nodiscard]] const cost& spent() const { return field_.spent(); }
    [[nodiscard]] const Field& field() const { return field_.field(); }

    /// out = X_{from,to}(x | condition), d x N. @throws std::invalid_argument where shapes differ or a time leaves [0, 1].
    void operator()(const_view x, interval span, const condition_type& condition, view out) {
        check(x, span, out);
        x.context().copy(x.data(), x.size(), out.data());
        solver_(system{field_, condition}, span, out);
    }
    /// out = cotangent^T dX/dx, exactly that of the discrete map.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent, view out)
        requires differentiable_velocity_field<Field>
    {
        check(x, span, out);
        require_same_shape("ode_flow_map::vjp", x, cotangent);
        x.context().copy(cotangent.data(), x.size(), out.data());
        solver_.vjp(system{field_, condition}, span, x, out);
    }

private:
    struct system {
        field_evaluator<Field>& field;
        const condition_type&   condition;
        void operator()(const_view x, double t, view out) const { field(x, time_view(t), condition, out); }
        void vjp(const_view x, double t, const_view cotangent, view out) const
            requires differentiable_velocity_field<Field>
        {
            field.vjp(x, time_view(t), condition, cotangent, out);
        }
    };
    static void check(const_view x, interval span, const_view out) {
        require_same_shape("ode_flow_map", x, out);
        require(span.from >= 0.0 && span.from <= 1.0 && span.to >= 0.0 && span.to <= 1.0, [&] {
            return "a flow map from t = " + digits_of(span.from) + " to " + digits_of(span.to) + ": times lie in [0, 1]";
        });
    }

    field_evaluator<Field>          field_;
    runge_kutta<Solver, batch_type> solver_;
};
template <class Field, class Solver>
ode_flow_map(Field, Solver) -> ode_flow_map<Field, Solver>;

} // namespace diamond
