/// Integration of dx/dt = f(x, t) over a batch by any solver of map/solver.hpp, and back-propagation through
/// its steps.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/map/solver.hpp>

namespace diamond {

namespace detail {
/// The squared error of one coordinate in a step from x to next, relative to its tolerance.
DIAMOND_HD inline double squared_scaled_error(double error, double x, double next, double absolute,
                                              double relative) {
    const double size = std::fmax(std::fabs(x), std::fabs(next));
    return square(error / (absolute + relative * size));
}
/// Says whether `value` is as large as the largest of its row, NaN being the largest.
DIAMOND_HD inline bool is_largest(double value, double largest) {
    return std::isnan(largest) ? std::isnan(value) : value >= largest;
}
} // namespace detail

/// A solver with the memory of its stages.
///
/// A `System` is called as system(x, t, out), which writes f(x, t), and for vjp as system.vjp(x, t,
/// cotangent, out), which writes cotangent^T df/dx; all are d x N. Cost: one call of the system for each
/// stage of each step.
template <class Solver, class Batch>
class runge_kutta {
    static_assert(diagnose_solver<Solver>());
    using context_type = backend_of_t<Batch>;
    using real = typename Batch::value_type;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    static constexpr auto& tableau = Solver::tableau;
    static constexpr int stages = tableau.stages;

public:
    /// @throws std::invalid_argument unless the solver's tolerances are above 0 and it has at least 1 step.
    explicit runge_kutta(Solver solver) : solver_(solver) {
        if constexpr (is_adaptive<Solver>)
            require(solver.relative_tolerance > 0.0 && solver.absolute_tolerance > 0.0 &&
                        solver.most_steps >= 1,
                    [&] {
                        return "an adaptive solver with tolerances " + digits_of(solver.relative_tolerance) +
                               " and " + digits_of(solver.absolute_tolerance) + " and at most " +
                               digits_of(solver.most_steps) +
                               " steps: tolerances above 0 and at least 1 step are needed";
                    });
        else
            require(solver.steps >= 1, [&] {
                return "an ODE solver with " + digits_of(solver.steps) + " steps: at least 1 is needed";
            });
    }

    /// Returns the solver, which has the tableau and the number of steps or the tolerances.
    [[nodiscard]] const Solver& solver() const { return solver_; }
    /// The length of the first step of operator(), or, for a solver that chooses its steps, of the first step
    /// that it tries.
    [[nodiscard]] double first_step(interval span) const {
        if constexpr (is_adaptive<Solver>)
            return first_share * span.length();
        else
            return span.length() / static_cast<double>(solver_.steps);
    }

    /// Integrates x, in place, from span.from to span.to; either may be the larger. @throws numeric_error if
    /// an adaptive solver, whose step is the same for the whole batch, cannot reach its tolerance, because a
    /// velocity is not finite or the steps do not suffice. It names the particle whose error is the largest
    /// and the solver's own step and time, and x then holds all particles at that time. Other solvers carry a
    /// particle that is NaN to the end, where drivers name it.
    template <class System>
    void operator()(System&& system, interval span, view x) {
        prepare(x);
        if constexpr (is_adaptive<Solver>) {
            walk_adaptively(system, span, x);
        } else {
            for (index_t k = 0; k < solver_.steps; ++k) {
                run_stages(system, x, grid_time(span, k), grid_time(span, k + 1));
                advance(x, grid_time(span, k + 1) - grid_time(span, k));
            }
        }
    }

    /// Replaces `cotangent` at X(x) by cotangent^T dX/dx for the map X of operator(), x being at span.from.
    /// The steps are those of a forward run, whose states are kept, so that the gradient is that of the
    /// discrete map. Cost: at most the forward run twice and one vjp for each stage. It throws as operator()
    /// does.
    template <class System>
    void vjp(System&& system, interval span, const_view x, view cotangent) {
        prepare(x);
        const std::vector<double>& grid = steps_of(system, span, x);
        const index_t count = static_cast<index_t>(grid.size()) - 1;
        const auto& context = x.context();
        states_.resize(context, x.rows(),
                       extent_product("columns and steps that are kept", x.columns(), count));
        const auto state = [&](index_t k) {
            return states_.mutable_view().columns(k * x.columns(), x.columns());
        };
        context.copy(x.data(), x.size(), state(0).data());
        for (index_t k = 0; k + 1 < count; ++k) {
            context.copy(state(k).data(), x.size(), state(k + 1).data());
            run_stages(system, state(k + 1), grid[static_cast<std::size_t>(k)],
                       grid[static_cast<std::size_t>(k + 1)]);
            advance(state(k + 1), grid[static_cast<std::size_t>(k + 1)] - grid[static_cast<std::size_t>(k)]);
        }
        for (index_t k = count - 1; k >= 0; --k)
            pull_back(system, state(k), grid[static_cast<std::size_t>(k)],
                      grid[static_cast<std::size_t>(k + 1)], cotangent);
    }

private:
    // The first step over the span: a guess that the step control soon corrects.
    static constexpr double first_share = 0.01;

    double grid_time(interval span, index_t k) const
        requires(!is_adaptive<Solver>)
    {
        return k == solver_.steps
                 ? span.to
                 : span.from + span.length() * static_cast<double>(k) / static_cast<double>(solver_.steps);
    }

    void prepare(const_view x) {
        for (auto& stage : stage_) stage.resize(x.context(), x.rows(), x.columns());
        point_.resize(x.context(), x.rows(), x.columns());
    }

    /// out = x + h sum_j row[j] k_j over the first `count` stages.
    void accumulate(const_view x, const double* row, int count, double h, view out) {
        detail::sum_of_terms<real, stages + 1> sum;
        sum.add(1.0, x.data());
        for (int j = 0; j < count; ++j) sum.add(h * row[j], stage_[static_cast<std::size_t>(j)].data());
        sum.write(x.context(), out.size(), out.data());
    }

    template <class System>
    void run_stages(System& system, const_view x, double from, double to, int first = 0, int last = stages) {
        const double h = to - from;
        for (int i = first; i < last; ++i) {
            // A stage at the end of the step is evaluated exactly there: `from + h` may be off by an ulp, and
            // 1 + ulp is no time.
            const double t = tableau.node[static_cast<std::size_t>(i)] == 1.0
                               ? to
                               : from + tableau.node[static_cast<std::size_t>(i)] * h;
            if (i == 0) {
                system(x, t, stage_[0].mutable_view());
            } else {
                accumulate(x, tableau.stage[static_cast<std::size_t>(i)].data(), i, h, point_.mutable_view());
                system(point_.read(), t, stage_[static_cast<std::size_t>(i)].mutable_view());
            }
        }
    }
    void advance(view x, double h) { accumulate(x, tableau.weight.data(), stages, h, x); }

    /// The adjoint of one step: kbar_i = h (weight_i lambda + sum_{j > i} stage_ji xbar_j), xbar_i = kbar_i^T
    /// df/dx, lambda += sum_i xbar_i.
    template <class System>
    void pull_back(System& system, const_view x, double from, double to, view lambda) {
        const double h = to - from;
        const auto& context = x.context();
        if (adjoint_.size() < static_cast<std::size_t>(stages))
            adjoint_.resize(static_cast<std::size_t>(stages));
        for (auto& a : adjoint_) a.resize(context, x.rows(), x.columns());
        run_stages(system, x, from, to, 0, stages - 1); // no stage's state needs the last stage's velocity
        for (int i = stages - 1; i >= 0; --i) {
            const auto at = static_cast<std::size_t>(i);
            if (!matters(i)) continue;
            const double t = tableau.node[at] == 1.0 ? to : from + tableau.node[at] * h;
            assign(point_, h * tableau.weight[at] * lambda);
            for (int j = i + 1; j < stages; ++j)
                if (const double a = tableau.stage[static_cast<std::size_t>(j)][at]; a != 0.0 && matters(j))
                    assign(point_, point_ + h * a * adjoint_[static_cast<std::size_t>(j)]);
            // The stage's state is computed again: keeping all of them would take the memory of `stages` more
            // batches.
            state_.resize(context, x.rows(), x.columns());
            accumulate(x, tableau.stage[at].data(), i, h, state_.mutable_view());
            system.vjp(state_.read(), t, point_.read(), adjoint_[at].mutable_view());
        }
        for (int i = 0; i < stages; ++i)
            if (matters(i)) assign(lambda, lambda + adjoint_[static_cast<std::size_t>(i)]);
    }
    /// Says whether x' depends on stage i: the last stage of Dormand and Prince's method serves the error
    /// only.
    static constexpr bool matters(int i) {
        return tableau.weight[static_cast<std::size_t>(i)] != 0.0 || i < stages - 1;
    }

    template <class System>
    const std::vector<double>& steps_of(System& system, interval span, const_view x) {
        if constexpr (is_adaptive<Solver>) {
            state_.resize(x.context(), x.rows(), x.columns());
            x.context().copy(x.data(), x.size(), state_.data());
            walk_adaptively(system, span, state_.mutable_view());
        } else {
            grid_.clear();
            for (index_t k = 0; k <= solver_.steps; ++k) grid_.push_back(grid_time(span, k));
        }
        return grid_;
    }

    template <class System>
    void walk_adaptively(System& system, interval span, view x) {
        // Standard control: h *= 0.9 error^(-1/5) within [0.2, 5]; the last stage of a step is the first of
        // the next.
        constexpr double safety = 0.9, least_change = 0.2, most_change = 5.0;
        grid_.assign(1, span.from);
        if (span.length() == 0.0 || x.columns() == 0) {
            grid_.push_back(span.to);
            return;
        }
        double t = span.from, h = first_step(span);
        bool first_stage_known = false;
        next_.resize(x.context(), x.rows(), x.columns());
        error_.resize(x.context(), x.rows(), x.columns());
        zero_.resize(x.context(), x.rows(), x.columns());
        set_to_zero(zero_.mutable_view());
        for (index_t step = 0; t != span.to; ++step) {
            if (step >= solver_.most_steps)
                throw numeric_error("the adaptive solver took " + digits_of(step) +
                                        " steps and reached t = " + digits_of(t) +
                                        ": raise its tolerances or most_steps",
                                    -1, worst(x));
            const bool last = std::abs(h) >= std::abs(span.to - t);
            const double to = last       ? span.to
                            : t + h == t ? std::nextafter(t, span.to)
                                         : t + h; // a step shorter than an ulp is one
            run_stages(system, x, t, to, first_stage_known ? 1 : 0);
            accumulate(x, tableau.weight.data(), stages, to - t, next_.mutable_view());
            accumulate(zero_.read(), tableau.error.data(), stages, to - t, error_.mutable_view());
            const double error = largest_error(x, next_.read());
            first_stage_known = true;
            if (error <= 1.0) {
                x.context().copy(next_.data(), x.size(), x.data());
                t = to;
                grid_.push_back(t);
                stage_[0].swap(stage_[stages - 1]);
            } else if (!(error < infinity)) {
                h *= least_change; // an infinite or undefined error says only: shorter
                first_stage_known = error == error && first_stage_known;
                if (std::abs(h) < 0x1p-40)
                    throw numeric_error("the velocity is not finite near t = " + digits_of(t) + ", in step " +
                                            digits_of(step + 1) + " of the adaptive solver",
                                        -1, worst(x));
                continue;
            }
            h = (to - grid_[grid_.size() - (error <= 1.0 ? 2 : 1)]) *
                std::clamp(safety * std::pow(error, -0.2), least_change, most_change);
        }
    }
    /// The column with the largest error in the last step tried.
    [[nodiscard]] long worst(const_view x) const {
        const auto& context = x.context();
        const auto norms = row(norms_);
        const double largest = context.max(x.columns(), norms);
        return static_cast<long>(
            context.find_first(x.columns(), elementwise<detail::is_largest>(norms, largest)));
    }
    /// The largest root mean square over coordinates of the scaled errors of any particle.
    double largest_error(const_view x, const_view next) {
        norms_.resize(x.context(), 1, x.columns());
        const auto norms = row(norms_);
        assign(norms, column_sums(elementwise<detail::squared_scaled_error>(
                          error_, x, next, solver_.absolute_tolerance, solver_.relative_tolerance)));
        return std::sqrt(x.context().max(x.columns(), norms) / static_cast<double>(x.rows()));
    }

    Solver solver_;
    std::array<scratch<real, context_type>, static_cast<std::size_t>(stages)> stage_;
    std::vector<scratch<real, context_type>> adjoint_;
    scratch<real, context_type> point_, state_, states_, next_, error_, zero_;
    scratch<double, context_type> norms_;
    std::vector<double> grid_;
};

} // namespace diamond
