/// What self-guidance goes down: functions of the noise x_0 with their gradients. Section 8.
///
/// An objective f has batch_type, dimension(), f(x_0, condition, double* out), f.gradient(x_0, condition, out) and spent(); x_0 and out are d x N.
#pragma once

#include <concepts>
#include <utility>

#include <diamond/concepts/joint_flow_map.hpp>
#include <diamond/concepts/reward.hpp>
#include <diamond/likelihood/log_likelihood.hpp>

namespace diamond {

struct objective_options {
    double base_deviation = 1.0; ///< s0: x_0 ~ N(0, s0^2 I)
};

namespace detail {
template <class F>
concept descends = std::copy_constructible<F> && names_batch<F> && has_dimension<F> && counts_cost<F> &&
                   requires(F& f, const_view_t<typename F::batch_type> x, const condition_of_t<F>& c, view_t<typename F::batch_type> out, double* values) {
                       f(x, c, values);
                       f.gradient(x, c, out);
                   };
/// What a device asks for a pointwise reward.
template <class Reward, class View>
struct reward_of_column {
    Reward  reward;
    View    z;
    double* values;
    DIAMOND_HD void operator()(index_t j) const { values[j] = static_cast<double>(reward(z.column(j))); }
};

/// -log N(x; 0, s0^2 I) and its gradient x/s0^2.
template <class Batch>
struct base_term {
    double deviation;
    void   value(const_view_t<Batch> x, double* out) const {
        x.context().column_sums(x.rows(), x.columns(), base_density_term<typename Batch::value_type>{x.data(), x.rows(), deviation}, out);
        x.context().for_each(x.columns(), add_scaled_number{-1.0, out, true, out});
    }
    /// out += x/s0^2.
    void add_gradient(const_view_t<Batch> x, view_t<Batch> out) const {
        combine(coefficients<2>(numbers<2>{{1.0, 1.0 / square(deviation)}}), out, out, x);
    }
};
} // namespace detail

/// -log N(x_0; 0, s0^2 I) alone: the control that shrinks the noise and knows nothing of the data. Cost: nothing.
template <class Batch>
class negative_log_prior {
public:
    using batch_type = Batch;

    explicit negative_log_prior(index_t dimension, objective_options options = {}) : dimension_(dimension), base_{options.base_deviation} {
        detail::require_base_deviation(options.base_deviation);
    }

    [[nodiscard]] index_t dimension() const { return dimension_; }
    [[nodiscard]] cost    spent() const { return {}; }

    template <class Condition>
    void operator()(const_view_t<Batch> x, const Condition&, double* out) const {
        base_.value(x, out);
    }
    template <class Condition>
    void gradient(const_view_t<Batch> x, const Condition&, view_t<Batch> out) const {
        combine(coefficients<1>(numbers<1>{{1.0 / square(base_.deviation)}}), out, x);
    }

private:
    index_t                  dimension_;
    detail::base_term<Batch> base_;
};

/// l(x_0) = -log N(x_0; 0, s0^2 I) + m(x_0, 0, 1), which estimates -log p_1(X_{0,1}(x_0)). Cost: one joint evaluation; gradient one vjp of m. [F2]
template <class JointMap>
class negative_log_likelihood {
    static_assert(diagnose_differentiable_joint_flow_map<JointMap>());

public:
    using batch_type     = typename JointMap::batch_type;
    using condition_type = condition_of_t<JointMap>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    explicit negative_log_likelihood(JointMap map, objective_options options = {}) : map_(std::move(map)), base_{options.base_deviation} {
        detail::require_base_deviation(map_, options.base_deviation);
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(map_.dimension()); }
    [[nodiscard]] cost    spent() const { return map_.spent(); }

    void operator()(const_view x, const condition_type& condition, double* out) {
        sample_.resize(x.context(), x.rows(), x.columns());
        value_and_sample(x, condition, sample_.mutable_view(), out);
    }
    void gradient(const_view x, const condition_type& condition, view out) {
        gradient(x, condition, const_view(nullptr, x.rows(), x.columns(), &x.context()), out);
    }

    /// Also leaves the sample X_{0,1}(x_0).
    void value_and_sample(const_view x, const condition_type& condition, view sample, double* out) {
        numbers_.resize(x.context(), 1, x.columns());
        map_(x, whole, condition, sample, numbers_.data());
        base_.value(x, out);
        x.context().for_each(x.columns(), detail::add_scaled_number{1.0, numbers_.data(), false, out});
    }
    /// The sample alone.
    void sample(const_view x, const condition_type& condition, view out) { map_(x, whole, condition, out); }
    /// out = grad l + cotangent^T dX_{0,1}/dx_0; null data of the cotangent mean none.
    void gradient(const_view x, const condition_type& condition, const_view cotangent, view out) {
        numbers_.resize(x.context(), 1, x.columns());
        x.context().for_each(x.columns(), detail::fill_number{1.0, numbers_.data()});
        map_.vjp(x, whole, condition, cotangent, numbers_.data(), out);
        base_.add_gradient(x, out);
    }

private:
    static constexpr interval whole{0.0, 1.0}; // of length 1: m is the whole integral

    JointMap                                                            map_;
    detail::base_term<batch_type>                                       base_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> sample_;
    scratch<double, backend_of_t<batch_type>>                           numbers_;
};

/// l(x_0) - r(X_{0,1}(x_0)): down it lies the sample that is most probable under p_1 exp r, one evaluation of the map a trial.
///
/// Cost: one joint evaluation and one reward; gradient one evaluation, one vjp and one gradient of the reward.
template <class JointMap, class Reward>
class negative_log_posterior {
public:
    using batch_type     = typename JointMap::batch_type;
    using condition_type = condition_of_t<JointMap>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;
    static_assert(diagnose_differentiable_reward<Reward, batch_type, condition_type>());

    negative_log_posterior(JointMap map, Reward reward, objective_options options = {}) : likelihood_(std::move(map), options), reward_(std::move(reward)) {}

    [[nodiscard]] index_t       dimension() const { return likelihood_.dimension(); }
    [[nodiscard]] const Reward& reward() const { return reward_; }
    [[nodiscard]] cost          spent() const { return likelihood_.spent() + cost{.reward = reward_calls_}; }

    void operator()(const_view x, const condition_type& condition, double* out) {
        sample_.resize(x.context(), x.rows(), x.columns());
        rewards_.resize(x.context(), 1, x.columns());
        likelihood_.value_and_sample(x, condition, sample_.mutable_view(), out);
        evaluate(sample_.read(), condition, rewards_.data());
        reward_calls_ += x.columns();
        x.context().for_each(x.columns(), detail::add_scaled_number{-1.0, rewards_.data(), false, out});
    }
    void gradient(const_view x, const condition_type& condition, view out) {
        sample_.resize(x.context(), x.rows(), x.columns());
        slope_.resize(x.context(), x.rows(), x.columns());
        likelihood_.sample(x, condition, sample_.mutable_view());
        auto& reward = detail::referred(reward_);
        if constexpr (requires(const_view z, view g) { reward.gradient(z, condition, g); })
            reward.gradient(sample_.read(), condition, slope_.mutable_view());
        else
            reward.gradient(sample_.read(), slope_.mutable_view());
        combine(coefficients<1>(numbers<1>{{-1.0}}), slope_.mutable_view(), slope_.read());
        likelihood_.gradient(x, condition, slope_.read(), out);
    }

private:
    using real = typename batch_type::value_type;

    // As reward/evaluate.hpp, which lies beside this folder and not below it.
    void evaluate(const_view z, const condition_type& condition, double* values) {
        if constexpr (detail::conditional_reward<Reward, batch_type, condition_type>)
            reward_(z, condition, values);
        else if constexpr (detail::batchwise_reward<Reward, batch_type>)
            reward_(z, values);
        else if constexpr (!backend_of_t<batch_type>::host_memory)
            z.context().for_each(z.columns(), detail::reward_of_column<Reward, const_view>{reward_, z, values});
        else
            for (index_t j = 0; j < z.columns(); ++j) values[j] = static_cast<double>(reward_(z.column(j)));
    }

    negative_log_likelihood<JointMap>              likelihood_;
    Reward                                         reward_;
    std::int64_t                                   reward_calls_ = 0;
    scratch<real, backend_of_t<batch_type>>        sample_, slope_;
    scratch<double, backend_of_t<batch_type>>      rewards_;
};

} // namespace diamond
