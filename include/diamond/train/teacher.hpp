/// Where a training's velocities come from: nowhere but the data, or a velocity field through GLASS. [DM], section 5.
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/glass/inner_velocity.hpp>
#include <diamond/likelihood/inner_divergence.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// No teacher: on the diagonal the target is z - eps', off it the network's own moving average.
struct no_teacher {};

namespace detail {
/// The condition as the teacher understands it: none, for one that knows no labels.
template <class Field, class Condition>
[[nodiscard]] condition_of_t<Field> known_condition(const Condition& condition) {
    if constexpr (std::is_same_v<condition_of_t<Field>, Condition>)
        return condition;
    else
        return {};
}
} // namespace detail

/// GLASS's inner velocity of a velocity field is the target, on the diagonal and off it. Cost: one evaluation of the field a column.
template <class Schedule, class Field>
class glass_teacher {
public:
    glass_teacher(Schedule schedule, Field field) : velocity_(std::move(schedule), std::move(field), linear_schedule{}) {}
    template <class Arguments, class Condition, class View>
    void operator()(const Arguments& at, const Condition& condition, View out) {
        velocity_(at.xbar, at.s, at.x_t, at.t, posterior_kernel_coefficients, detail::known_condition<Field>(condition), out);
    }

private:
    inner_velocity<Schedule, Field, linear_schedule> velocity_;
};

/// The same for a joint Diamond map: GLASS's inner velocity and its divergence, as `Divergence` of likelihood/divergence.hpp makes it of the field's.
/// Cost: one evaluation of the field and a divergence a column.
template <class Schedule, class Divergence>
class joint_glass_teacher {
public:
    using field_type             = typename Divergence::field_type;
    using batch_type             = typename field_type::batch_type;
    static constexpr bool random = Divergence::random;

    joint_glass_teacher(Schedule schedule, Divergence divergence) : velocity_(schedule, divergence.field()), divergence_(schedule, std::move(divergence)) {}

    /// out = ubar, d x n.
    template <class Arguments, class Condition>
    void operator()(const Arguments& at, const Condition& condition, view_t<batch_type> out) {
        velocity_(at, condition, out);
    }
    /// out[j] = div ubar, or an estimate.
    template <class Arguments, class Condition>
    void divergence(const Arguments& at, const Condition& condition, noise_stream stream, double* out) {
        divergence_(at.xbar, at.s, at.x_t, at.t, detail::known_condition<field_type>(condition), stream, out);
    }

private:
    glass_teacher<Schedule, field_type>    velocity_;
    inner_divergence<Schedule, Divergence> divergence_;
};

} // namespace diamond
