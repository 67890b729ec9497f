/// A value of another reward than the one that counts, of use where the one that counts says too little on
/// the way: a constraint whose draws are all forbidden, or a goal too sharp to be seen from afar.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/value_estimator.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/reward/reward_caller.hpp>
#include <diamond/value/weights.hpp>

namespace diamond {

/// The value of a surrogate for t < 1, and the reward r at t = 1:
///
///   V_t = the value that `value` gives of its own reward, t < 1;   V_1 = r.
///
/// The values of sequential Monte Carlo may be any finite numbers before the last, so that Z-hat stays
/// unbiased and its particles are of p^r, whatever the surrogate: it decides the spread alone
/// (eq. surrogate-value). A surrogate earns its place by a slope where r has none, as the squared depth of a
/// violation has in place of -infinity.
///
/// Its guidance is the surrogate's, at t = 1, too: drivers that carry no weights then reach the law that is
/// tilted by the surrogate's reward, not p^r. Guided kernels carry weights, and may use it.
///
/// SMC must be told .pilot_particles = 0, or a log_delta on the surrogate's scale: a pilot knows the
/// reward's.
///
/// Cost: that of `value`; one evaluation of r a particle at t = 1.
template <class Value, class Reward>
class surrogate_value {
    static_assert(diagnose_value_estimator<Value>());
    static_assert(diagnose_reward<Reward, typename Value::batch_type, condition_of_t<Value>>());

public:
    using batch_type = typename Value::batch_type;
    using condition_type = condition_of_t<Value>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    static constexpr bool begins_after_noise = detail::begins_after_noise<Value>; ///< as the value's
    static constexpr bool on_own_scale = true;                                    ///< see value_estimator

    /// Takes the value of the surrogate, and the reward that counts. @throws std::invalid_argument where the
    /// reward has a dimension of its own and it is not the value's.
    surrogate_value(Value value, Reward reward) : value_(std::move(value)), reward_(std::move(reward)) {
        if constexpr (requires { static_cast<index_t>(reward_.reward().dimension()); })
            require(static_cast<index_t>(reward_.reward().dimension()) == dimension(), [&] {
                return "surrogate_value: the value has dimension " + digits_of(dimension()) +
                       ", the reward " + digits_of(static_cast<index_t>(reward_.reward().dimension()));
            });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(value_.dimension()); }
    /// The reward that counts, which drivers evaluate at t = 1.
    [[nodiscard]] Reward& reward() { return reward_.reward(); }
    /// The value of the surrogate.
    [[nodiscard]] Value& surrogate() { return value_; }
    /// Says whether a particle's value is its own, as the value within says.
    [[nodiscard]] bool fresh() const { return detail::is_fresh(value_); }
    [[nodiscard]] cost spent() const {
        cost total = value_.spent();
        total.reward += reward_.calls();
        return total;
    }

    /// Writes the surrogate's values of x, d x N particles, t in [0, 1); at t = 1 they are r(x_j), without a
    /// spread. @throws as the surrogate and the reward do.
    void operator()(const_view x, double t, const condition_type& condition, noise_stream stream,
                    value_rows<backend_of_t<batch_type>> values) {
        require_time("surrogate_value", t);
        require_columns("surrogate_value", values, x.columns());
        if (t < 1.0) return value_(x, t, condition, stream, values);
        detail::write_no_spread(values);
        reward_(x, condition, stream.step, 1, values.value);
    }
    /// Writes b(t) times the gradient of the surrogate's value, d x N. @throws as the surrogate does.
    void guidance(const_view x, double t, const condition_type& condition, noise_stream stream, view out)
        requires value_estimator_with_gradient<Value>
    {
        value_.guidance(x, t, condition, stream, out);
    }
    /// Begins the surrogate's record of its guidance.
    void begin_guidance()
        requires detail::warns_of_guidance<Value>
    {
        value_.begin_guidance();
    }
    /// Returns what the surrogate warns of in its guidance since begin_guidance().
    [[nodiscard]] std::vector<std::string> guidance_warnings()
        requires detail::warns_of_guidance<Value>
    {
        return value_.guidance_warnings();
    }

private:
    Value value_;
    reward_caller<Reward, batch_type, condition_type> reward_;
};

} // namespace diamond
