/// Where a training's velocities come from: nowhere but the data, or a velocity field through GLASS. [DM], section 5.
#pragma once

#include <type_traits>
#include <utility>

#include <diamond/glass/inner_velocity.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// No teacher: on the diagonal the target is z - eps', off it the network's own moving average.
struct no_teacher {};

/// GLASS's inner velocity of a velocity field is the target, on the diagonal and off it. Cost: one evaluation of the field a column.
template <class Schedule, class Field>
class glass_teacher {
public:
    glass_teacher(Schedule schedule, Field field) : velocity_(std::move(schedule), std::move(field), linear_schedule{}) {}
    template <class Arguments, class Condition, class View>
    void operator()(const Arguments& at, const Condition& condition, View out) {
        if constexpr (std::is_same_v<condition_of_t<Field>, Condition>)
            velocity_(at.xbar, at.s, at.x_t, at.t, posterior_kernel_coefficients, condition, out);
        else // a teacher that knows no labels
            velocity_(at.xbar, at.s, at.x_t, at.t, posterior_kernel_coefficients, {}, out);
    }

private:
    inner_velocity<Schedule, Field, linear_schedule> velocity_;
};

} // namespace diamond
