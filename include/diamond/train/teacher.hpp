/// Where a training's velocities come from: nowhere but the data, or a velocity field through GLASS. [DM], section 5.
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/density/inner_divergence.hpp>
#include <diamond/glass/inner_velocity.hpp>
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
/// What a teacher says of its divergence, where it has one: whether that is a random number of the right mean.
template <class Field>
struct teaches {};
template <class Field>
    requires is_divergence<Field>
struct teaches<Field> {
    static constexpr bool random = Field::random;
};
} // namespace detail

/// GLASS's inner velocity of a velocity field is the target, on the diagonal and off it. `Field` is the velocity field, or a divergence of one
/// (exact_divergence{field}): then div ubar is a target, too, for networks with divergence. Cost: one evaluation of the field a column, and the
/// divergence.
template <class Schedule, class Field>
class glass_teacher : public detail::teaches<Field> {
    static_assert(diagnose_schedule<Schedule>() && detail::diagnose_field_or_divergence<Field>());

public:
    using field_type = detail::velocity_of_t<Field>;
    using batch_type = typename field_type::batch_type;

    glass_teacher(Schedule schedule, Field field)
        : velocity_(schedule, detail::velocity_of<Field>::get(field), linear_schedule{}), divergence_(std::move(schedule), std::move(field)) {}

    /// out = ubar, d x n.
    template <class Arguments, class Condition>
    void operator()(const Arguments& at, const Condition& condition, view_t<batch_type> out) {
        velocity_(at.xbar, at.s, at.x_t, at.t, posterior_kernel_coefficients, detail::known_condition<field_type>(condition), out);
    }
    /// out[j] = div ubar, or an estimate.
    template <class Arguments, class Condition>
        requires detail::is_divergence<Field>
    void divergence(const Arguments& at, const Condition& condition, noise_stream stream, double* out) {
        divergence_(at.xbar, at.s, at.x_t, at.t, detail::known_condition<field_type>(condition), stream, out);
    }
private:
    using inner_divergence_type = detail::inner_divergence_of<Schedule, Field>;

    inner_velocity<Schedule, field_type, linear_schedule> velocity_;
    [[no_unique_address]] inner_divergence_type           divergence_;
};

} // namespace diamond
