/// Maximum-likelihood self-guidance: moves noise downhill before it becomes samples. See
/// (eq. self-guidance-step).
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/align/objective.hpp>
#include <diamond/align/run.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>

namespace diamond {

/// The step by the sign of each derivative: Adam's first step from zero state, [F2]'s choice.
struct sign_step {
    template <class Real>
    DIAMOND_HD Real operator()(Real g) const {
        return g > Real{0} ? Real{1} : g < Real{0} ? Real{-1} : g; // 0 stays, and so does a NaN
    }
};
/// The step by the gradient itself.
struct gradient_step {
    template <class Real>
    DIAMOND_HD Real operator()(Real g) const {
        return g;
    }
};

/// The options of self_guidance.
struct self_guidance_options {
    index_t steps = 1; ///< the number of steps, at least 0
    /// The step size eta > 0, or the longest that a line search tries; [F2] does not publish its own.
    double step_size = 0.01;
    /// 0 means no line search. Else each particle's eta is halved at most so often until the objective falls
    /// enough; a particle whose objective does not fall by then stays where it is.
    index_t halvings = 0;
};

namespace detail {
/// step(g) of each derivative, in the particles' own number type: an expression, as core/expression.hpp has
/// them.
template <class Step, class View>
struct step_of {
    using is_expression = void;
    Step step;
    View g; ///< d x N
    [[nodiscard]] extents shape() const { return {g.rows(), g.columns()}; }
    DIAMOND_HD auto operator()(index_t i, index_t j) const { return step(g(i, j)); }
};
/// x - eta step; x itself where eta is 0, whatever the step is.
DIAMOND_HD inline double moved_against(double x, double eta, double step) {
    return eta == 0.0 ? x : x - eta * step;
}
DIAMOND_HD inline bool is_nan(double x) { return x != x; }
/// The share of the fall that the slope promises which Armijo's rule asks for. It is the usual constant: any
/// fall in proportion to the slope will do.
inline constexpr double armijo_share = 1e-4;
} // namespace detail

/// Moves noise down an objective f of align/objective.hpp, each particle on its own, in some steps:
///   x_0 <- x_0 - eta step(grad f(x_0)).
/// Each eta is step_size, or is found by Armijo's rule. With negative_log_prior it is the control that must
/// be reported beside the others. Cost: a gradient of f a step and particle, and with a line search a value
/// before and one a trial. [F2]
template <class Objective, class Step = sign_step>
class self_guidance {
    static_assert(detail::descends<Objective>,
                  "an objective needs batch_type, dimension(), operator()(const_view x_0, condition, row "
                  "out), gradient(const_view x_0, condition, view out) and spent()");

public:
    using batch_type = typename Objective::batch_type;
    using condition_type = condition_of_t<Objective>;
    using view = view_t<batch_type>;

    /// @throws std::invalid_argument for a negative number of steps or halvings, and for a step size that is
    /// not positive and finite.
    explicit self_guidance(Objective objective, self_guidance_options options = {}, Step step = {})
        : objective_(std::move(objective)), options_(options), step_(std::move(step)) {
        require(
            options.steps >= 0 && options.halvings >= 0 && options.step_size > 0.0 &&
                std::isfinite(options.step_size),
            [&] {
                return "self-guidance by " + digits_of(options.steps) + " steps of " +
                       digits_of(options.step_size) + " with " + digits_of(options.halvings) +
                       " halvings: counts must not be negative, and a step size must be positive and finite";
            });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(objective_.dimension()); }
    [[nodiscard]] cost spent() const { return objective_.spent(); }
    /// Returns the objective that the steps make smaller; spent() is its cost so far.
    [[nodiscard]] Objective& objective() { return objective_; }

    /// Moves x_0, d x N, in place. @throws numeric_error naming step, from 1 on, and particle where objective
    /// or gradient are no numbers, and where a reward is NaN or +inf, at a trial of the line search, too.
    void operator()(view x_0, const condition_type& condition = {}) {
        require(x_0.rows() == dimension(), [&] {
            return "self_guidance: " + digits_of(x_0.rows()) + " rows for dimension " +
                   digits_of(dimension());
        });
        const auto& context = x_0.context();
        const index_t d = x_0.rows(), n = x_0.columns();
        gradient_.resize(context, d, n);
        for (auto* numbers : {&slope_, &eta_, &value_, &trial_value_, &accepted_})
            numbers->resize(context, 1, n);
        const detail::step_of<Step, view> step{.step = step_, .g = gradient_};
        for (index_t k = 1; k <= options_.steps; ++k) {
            detail::at_step(k, [&] { objective_.gradient(x_0, condition, gradient_.mutable_view()); });
            assign(row(slope_), column_sums(gradient_ * step));
            context.forbid(n, elementwise<detail::is_not_finite>(row(slope_)),
                           deferred_error{.what = "the gradient of the objective is not finite", .step = k});
            assign(gradient_, step);
            assign(row(eta_), options_.step_size);
            if (options_.halvings > 0) search(x_0, condition, k);
            move(x_0, x_0);
            detail::require_finite_columns(
                x_0,
                deferred_error{.what = "a step of self-guidance leaves what is finite: take shorter ones",
                               .step = k});
        }
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    /// out = x_0 - eta step, where gradient_ holds the step; out may be x_0.
    void move(view x_0, view out) {
        assign(out, elementwise<detail::moved_against>(x_0, row(eta_), gradient_));
    }

    /// Finds each particle's eta by Armijo's rule: a trial is accepted where f falls by at least a small
    /// share of eta times the slope; else eta is halved, and is 0 after the last trial.
    void search(view x_0, const condition_type& condition, index_t step) {
        const auto& context = x_0.context();
        const index_t n = x_0.columns();
        const auto slope = row(slope_), eta = row(eta_), value = row(value_), trial = row(trial_value_);
        const auto accepted = row(accepted_); // 1 or 0
        trial_.resize(context, x_0.rows(), n);
        detail::at_step(step, [&] { objective_(x_0, condition, value); });
        context.forbid(n, elementwise<detail::is_nan>(value),
                       deferred_error{.what = "the objective is NaN", .step = step});
        assign(accepted, 0.0);
        for (index_t h = 0; h <= options_.halvings; ++h) {
            move(x_0, trial_);
            detail::at_step(step, [&] { objective_(trial_.read(), condition, trial); });
            const auto falls = trial <= value - detail::armijo_share * eta * slope;
            const double next = h == options_.halvings ? 0.0 : 0.5;
            assign(accepted, select(accepted == 1.0 || falls, 1.0, 0.0));
            assign(eta, select(accepted == 1.0, eta, next * eta));
            if (context.find_first(n, accepted == 0.0) == n) return;
        }
    }
    Objective objective_;
    self_guidance_options options_;
    Step step_;
    scratch<real, context_type> gradient_, trial_;
    /// One number for each particle.
    scratch<double, context_type> slope_, eta_, value_, trial_value_, accepted_;
};

} // namespace diamond
