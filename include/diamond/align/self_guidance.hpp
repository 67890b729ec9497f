/// Maximum-likelihood self-guidance: moves noise downhill before it becomes samples. Section 8.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/align/objective.hpp>
#include <diamond/align/run.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/finite.hpp>

namespace diamond {

/// Steps by the sign of each derivative: Adam's first step from zero state, [F2]'s choice.
struct sign_step {
    template <class Real>
    DIAMOND_HD Real operator()(Real g) const {
        return g > Real{0} ? Real{1} : g < Real{0} ? Real{-1} : g; // 0 stays, and so does a NaN
    }
};
/// Steps by the gradient itself.
struct gradient_step {
    template <class Real>
    DIAMOND_HD Real operator()(Real g) const {
        return g;
    }
};

struct self_guidance_options {
    index_t steps     = 1;
    double  step_size = 0.01; ///< eta, or the longest that a line search tries; [F2] does not publish its own
    index_t halvings  = 0;    ///< 0: no line search. Else each particle's eta is halved at most so often until the objective falls enough, and then it stays
};

namespace detail {
template <class Step, class Real>
struct turn_to_step {
    Step  step;
    Real* g;
    DIAMOND_HD void operator()(index_t at) const { g[at] = step(g[at]); }
};
template <class Step, class Real>
struct slope_term {
    Step        step;
    const Real* g;
    index_t     rows;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        const Real value = g[i + rows * j];
        return static_cast<double>(value) * static_cast<double>(step(value));
    }
};
struct is_nan {
    const double* values;
    DIAMOND_HD bool operator()(index_t j) const { return values[j] != values[j]; }
};
/// out = x - eta_j step.
template <class Real>
struct move_against {
    const Real *  x, *step;
    const double* eta;
    index_t       rows;
    Real*         out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const index_t at = i + rows * j;
        out[at]          = eta[j] == 0.0 ? x[at] : static_cast<Real>(static_cast<double>(x[at]) - eta[j] * static_cast<double>(step[at]));
    }
};
/// Armijo's rule: accepts a fall of at least a small share of what the slope promises; else halves, and at last gives up.
struct halve_unless_lower {
    static constexpr double share = 1e-4; // the usual constant: any fall in proportion to the slope will do

    const double *slope, *value, *trial;
    bool          last;
    double *      eta, *accepted;
    DIAMOND_HD void operator()(index_t j) const {
        if (accepted[j] != 0.0) return;
        if (trial[j] <= value[j] - share * eta[j] * slope[j])
            accepted[j] = 1.0;
        else
            eta[j] = last ? 0.0 : 0.5 * eta[j];
    }
};
struct unaccepted {
    const double* accepted;
    DIAMOND_HD bool operator()(index_t j) const { return accepted[j] == 0.0; }
};
} // namespace detail

/// x_0 <- x_0 - eta step(grad f(x_0)), some times, f any objective of align/objective.hpp; each particle on its own.
///
/// With negative_log_prior it is the control that must be reported beside it. Cost: a gradient of f a step, and with a line search a value before
/// and one a trial.
template <class Objective, class Step = sign_step>
class self_guidance {
    static_assert(detail::descends<Objective>, "an objective needs batch_type, dimension(), operator()(const_view x_0, condition, double* out), "
                                               "gradient(const_view x_0, condition, view out) and spent()");

public:
    using batch_type     = typename Objective::batch_type;
    using condition_type = condition_of_t<Objective>;
    using view           = view_t<batch_type>;

    /// @throws std::invalid_argument for fewer than no steps, or a step size that is not positive.
    explicit self_guidance(Objective objective, self_guidance_options options = {}, Step step = {})
        : objective_(std::move(objective)), options_(options), step_(std::move(step)) {
        require(options.steps >= 0 && options.halvings >= 0 && options.step_size > 0.0 && std::isfinite(options.step_size), [&] {
            return "self-guidance by " + digits_of(options.steps) + " steps of " + digits_of(options.step_size) + " with " +
                   digits_of(options.halvings) + " halvings: counts must not be negative, and a step size must be positive and finite";
        });
    }

    [[nodiscard]] index_t          dimension() const { return static_cast<index_t>(objective_.dimension()); }
    [[nodiscard]] cost             spent() const { return objective_.spent(); }
    [[nodiscard]] Objective&       objective() { return objective_; }

    /// Moves x_0, d x N, in place. @throws numeric_error naming step, from 1 on, and particle where objective or gradient are no numbers,
    /// and where a reward is NaN or +inf, at a trial of the line search, too.
    void operator()(view x_0, const condition_type& condition = {}) {
        require(x_0.rows() == dimension(), [&] { return "self_guidance: " + digits_of(x_0.rows()) + " rows for dimension " + digits_of(dimension()); });
        const auto&   context = x_0.context();
        const index_t d = x_0.rows(), n = x_0.columns();
        gradient_.resize(context, d, n);
        numbers_.resize(context, 5, n);
        double *const slope = numbers_.data(), *const eta = slope + n;
        for (index_t k = 0; k < options_.steps; ++k) {
            detail::at_step(k + 1, [&] { objective_.gradient(x_0, condition, gradient_.mutable_view()); });
            context.column_sums(d, n, detail::slope_term<Step, real>{step_, gradient_.data(), d}, slope);
            context.forbid(n, detail::not_finite{slope}, deferred_error{.what = "the gradient of the objective is not finite", .step = k + 1});
            context.for_each(d * n, detail::turn_to_step<Step, real>{step_, gradient_.data()});
            context.for_each(n, detail::fill_number{options_.step_size, eta});
            if (options_.halvings > 0) search(x_0, condition, k + 1);
            context.for_each(d, n, detail::move_against<real>{x_0.data(), gradient_.data(), eta, d, x_0.data()});
            detail::require_finite_columns(x_0, deferred_error{.what = "a step of self-guidance leaves what is finite: take shorter ones", .step = k + 1});
        }
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    void search(view x_0, const condition_type& condition, index_t step) {
        const auto&   context = x_0.context();
        const index_t d = x_0.rows(), n = x_0.columns();
        double *const slope = numbers_.data(), *const eta = slope + n, *const value = eta + n, *const trial = value + n, *const accepted = trial + n;
        trial_.resize(context, d, n);
        detail::at_step(step, [&] { objective_(x_0, condition, value); });
        context.forbid(n, detail::is_nan{value}, deferred_error{.what = "the objective is NaN", .step = step});
        context.for_each(n, detail::fill_number{0.0, accepted});
        for (index_t h = 0; h <= options_.halvings; ++h) {
            context.for_each(d, n, detail::move_against<real>{x_0.data(), gradient_.data(), eta, d, trial_.data()});
            detail::at_step(step, [&] { objective_(trial_.read(), condition, trial); });
            context.for_each(n, detail::halve_unless_lower{slope, value, trial, h == options_.halvings, eta, accepted});
            if (context.find_first(n, detail::unaccepted{accepted}) == n) return;
        }
    }
    Objective                     objective_;
    self_guidance_options         options_;
    Step                          step_;
    scratch<real, context_type>   gradient_, trial_;
    scratch<double, context_type> numbers_;
};
template <class Objective>
self_guidance(Objective) -> self_guidance<Objective>;
template <class Objective>
self_guidance(Objective, self_guidance_options) -> self_guidance<Objective>;

} // namespace diamond
