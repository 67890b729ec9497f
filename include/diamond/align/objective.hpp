/// Objectives are functions of the noise x_0 with their gradients, down which self-guidance moves it. See
/// (eq. negative-log-prior) to (eq. negative-log-posterior).
///
/// An objective f has batch_type, dimension(), f(x_0, condition, row out), which writes N numbers,
/// f.gradient(x_0, condition, out) and spent(); x_0 and the gradient are d x N.
#pragma once

#include <concepts>
#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/log_density.hpp>
#include <diamond/density/log_likelihood.hpp>
#include <diamond/reward/reward_caller.hpp>

namespace diamond {

/// The options of objectives.
struct objective_options {
    double base_deviation = 1.0; ///< s0 > 0: x_0 ~ N(0, s0^2 I)
};

namespace detail {
template <class F>
concept descends = std::copy_constructible<F> && names_batch<F> && has_dimension<F> && counts_cost<F> &&
                   requires(F& f, const_view_t<typename F::batch_type> x, const condition_of_t<F>& c,
                            view_t<typename F::batch_type> out, row_t<typename F::batch_type> values) {
                       f(x, c, values);
                       f.gradient(x, c, out);
                   };
/// -log N(x; 0, s0^2 I) and its gradient x/s0^2.
template <class Batch>
struct base_term {
    double deviation;
    void value(const_view_t<Batch> x, row_t<Batch> out) const {
        assign(out, column_sums(-elementwise<log_normal_density>(x, deviation)));
    }
    /// out += x/s0^2.
    void add_gradient(const_view_t<Batch> x, view_t<Batch> out) const {
        assign(out, out + x / square(deviation));
    }
};
} // namespace detail

/// -log N(x_0; 0, s0^2 I) alone: the control that shrinks the noise and knows nothing of the data. It costs
/// no evaluations.
template <class Batch>
class negative_log_prior {
public:
    using batch_type = Batch;

    /// @throws std::invalid_argument with the number for a base deviation that is not positive and finite.
    explicit negative_log_prior(index_t dimension, objective_options options = {})
        : dimension_(dimension), base_{options.base_deviation} {
        detail::require_base_deviation(options.base_deviation);
    }

    [[nodiscard]] index_t dimension() const { return dimension_; }
    [[nodiscard]] cost spent() const { return {}; }

    /// Writes the negative logarithm of the prior density at x_j into out[j]; x is d x N.
    template <class Condition>
    void operator()(const_view_t<Batch> x, const Condition&, row_t<Batch> out) const {
        base_.value(x, out);
    }
    /// out = x / base_deviation^2, d x N.
    template <class Condition>
    void gradient(const_view_t<Batch> x, const Condition&, view_t<Batch> out) const {
        assign(out, x / square(base_.deviation));
    }

private:
    index_t dimension_;
    detail::base_term<Batch> base_;
};

/// l(x_0) = -log N(x_0; 0, s0^2 I) + m(x_0, 0, 1), with m the map's mean divergence: it estimates -log
/// p_1(X_{0,1}(x_0)).
/// Cost: one evaluation with divergence; a gradient costs one vjp of the map with divergence. [F2]
template <class FlowMap>
class negative_log_likelihood {
    static_assert(diagnose_differentiable_flow_map_with_divergence<FlowMap>());

public:
    using batch_type = typename FlowMap::batch_type;
    using condition_type = condition_of_t<FlowMap>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument with the number for a base deviation that is not positive and finite, or
    /// not the map's.
    explicit negative_log_likelihood(FlowMap map, objective_options options = {})
        : map_(std::move(map)), base_{options.base_deviation} {
        detail::require_base_deviation(map_, options.base_deviation);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] cost spent() const { return map_.spent(); }

    /// Writes l(x_j) into out[j]; x is d x N.
    void operator()(const_view x, const condition_type& condition, row_t<batch_type> out) {
        sample_.resize(x.context(), x.rows(), x.columns());
        value_and_sample(x, condition, sample_.mutable_view(), out);
    }
    /// Writes the gradient in x, d x N. Cost: one vjp of the map a column.
    void gradient(const_view x, const condition_type& condition, view out) {
        gradient(x, condition, const_view(nullptr, x.rows(), x.columns(), &x.context()), out);
    }

    /// Writes l(x_0) into out, and the sample X_{0,1}(x_0) into sample.
    void value_and_sample(const_view x, const condition_type& condition, view sample, row_t<batch_type> out) {
        numbers_.resize(x.context(), 1, x.columns());
        map_(x, whole, condition, sample, row(numbers_));
        base_.value(x, out);
        assign(out, out + row(numbers_));
    }
    /// Writes the sample X_{0,1}(x_0) alone.
    void sample(const_view x, const condition_type& condition, view out) { map_(x, whole, condition, out); }
    /// out = grad l + cotangent^T dX_{0,1}/dx_0; a cotangent whose data are null stands for none.
    void gradient(const_view x, const condition_type& condition, const_view cotangent, view out) {
        numbers_.resize(x.context(), 1, x.columns());
        assign(row(numbers_), 1.0);
        map_.vjp(x, whole, condition, cotangent, row(numbers_), out);
        base_.add_gradient(x, out);
    }

private:
    static constexpr interval whole{0.0, 1.0}; // of length 1: m is the whole integral

    FlowMap map_;
    detail::base_term<batch_type> base_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> sample_;
    scratch<double, backend_of_t<batch_type>> numbers_;
};

/// l(x_0) - r(X_{0,1}(x_0)), with l of negative_log_likelihood: its minimum has the sample that is most
/// probable under p_1 exp r.
///
/// Cost: one evaluation with divergence and one reward; a gradient costs one evaluation, one vjp and one
/// gradient of the reward.
/// @throws numeric_error naming the particle where the reward is NaN or +inf, or throws.
template <class FlowMap, class Reward>
class negative_log_posterior {
public:
    using batch_type = typename FlowMap::batch_type;
    using condition_type = condition_of_t<FlowMap>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    static_assert(diagnose_differentiable_reward<Reward, batch_type, condition_type>());

    /// Takes a flow map with divergence that has vjp, and a differentiable reward. @throws
    /// std::invalid_argument for a base deviation out of range.
    negative_log_posterior(FlowMap map, Reward reward, objective_options options = {})
        : likelihood_(std::move(map), options), reward_(std::move(reward)) {}

    [[nodiscard]] index_t dimension() const { return likelihood_.dimension(); }
    /// Returns the reward r whose value at the end of the map the objective subtracts.
    [[nodiscard]] const Reward& reward() const { return reward_.reward(); }
    [[nodiscard]] cost spent() const { return likelihood_.spent() + cost{.reward = reward_.calls()}; }

    /// out[j] = l(x_j) - r(X_{0,1}(x_j)) for x of d x N. Cost: one evaluation of the map with divergence a
    /// column, and a reward.
    void operator()(const_view x, const condition_type& condition, row_t<batch_type> out) {
        sample_.resize(x.context(), x.rows(), x.columns());
        rewards_.resize(x.context(), 1, x.columns());
        likelihood_.value_and_sample(x, condition, sample_.mutable_view(), out);
        reward_(sample_.read(), condition, no_step, 1, row(rewards_));
        assign(out, out - row(rewards_));
    }
    /// Writes the gradient in x, d x N. Cost: an evaluation and a vjp of the map a column, and a gradient of
    /// the reward.
    void gradient(const_view x, const condition_type& condition, view out) {
        sample_.resize(x.context(), x.rows(), x.columns());
        slope_.resize(x.context(), x.rows(), x.columns());
        likelihood_.sample(x, condition, sample_.mutable_view());
        reward_.gradient(sample_.read(), condition, no_step, slope_.mutable_view());
        assign(slope_, -slope_);
        likelihood_.gradient(x, condition, slope_.read(), out);
    }

private:
    using real = typename batch_type::value_type;
    static constexpr index_t no_step = -1; // self_guidance counts them, an objective does not

    negative_log_likelihood<FlowMap> likelihood_;
    reward_caller<Reward, batch_type, condition_type> reward_;
    scratch<real, backend_of_t<batch_type>> sample_, slope_;
    scratch<double, backend_of_t<batch_type>> rewards_;
};

} // namespace diamond
