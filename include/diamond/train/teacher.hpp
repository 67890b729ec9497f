/// Teachers: velocity fields that a training has its target velocities from. [DM], (eq. diagonal-loss); [F2],
/// (eq. divergence-loss).
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/density/divergence.hpp>
#include <diamond/density/inner_divergence.hpp>
#include <diamond/glass/inner_velocity.hpp>
#include <diamond/schedule/field_evaluator.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// The absence of a teacher: on the diagonal the target is z - eps', and off it the network's own moving
/// average.
struct no_teacher {};

/// Velocity teacher: a policy of diamond_trainer that gives the inner velocity ubar, on the diagonal and off
/// it.
///
/// A type T models `velocity_teacher` of a network N if teacher(diamond_arguments, condition, out) writes
/// ubar at states xbar of time s, given x_t and t, into `out`, d x n. It may also have
///   1. teacher.divergence(diamond_arguments, condition, noise_stream, row out), which writes div
///      ubar of each column, together with `static constexpr bool random`, which says whether it is an
///      unbiased estimate. Networks with divergence are then taught by it;
///   2. `static constexpr bool knows_no_outer_time`, for a teacher of flow maps: a trainer refuses it
///      unless t is always 0.
/// Models: no_teacher, glass_teacher, flow_teacher.
template <class T, class N>
concept velocity_teacher = std::same_as<T, no_teacher> ||
                           requires(T& teaches, const diamond_arguments<typename N::batch_type>& at,
                                    const condition_of_t<N>& condition,
                                    view_t<typename N::batch_type> out) { teaches(at, condition, out); };

namespace detail {
/// A teacher that gives the divergence, too.
template <class Teacher, class Network>
concept teaches_divergence = requires(
    Teacher& teacher, const diamond_arguments<typename Network::batch_type>& at,
    const condition_of_t<Network>& c, noise_stream stream, row_t<typename Network::batch_type> out) {
    teacher.divergence(at, c, stream, out);
    { Teacher::random } -> std::convertible_to<bool>;
};
/// Says `random` for a teacher made of a divergence, and nothing for one made of a field.
template <class Field>
struct random_of_divergence {};
template <class Field>
    requires is_divergence<Field>
struct random_of_divergence<Field> {
    static constexpr bool random = Field::random;
};
} // namespace detail

/// The teacher of a Diamond map: GLASS's inner velocity of a velocity field.
///
/// `Field` is the velocity field, or a divergence of one (exact_divergence{field}); the divergence of the
/// inner velocity is then a target for networks with divergence, too. Cost: one evaluation of the field for
/// each column, and the divergence.
template <class Schedule, class Field>
class glass_teacher : public detail::random_of_divergence<Field> {
    static_assert(diagnose_schedule<Schedule>() && detail::diagnose_field_or_divergence<Field>());

public:
    using field_type = detail::velocity_of_t<Field>;
    using batch_type = typename field_type::batch_type;

    /// Takes the schedule of the field's times, and the field or its divergence.
    glass_teacher(Schedule schedule, Field field)
        : velocity_(schedule, detail::velocity_of<Field>::get(field), linear_schedule{}),
          divergence_(std::move(schedule), std::move(field)) {}

    /// out = ubar, d x n.
    template <class Condition>
    void operator()(const diamond_arguments<batch_type>& at, const Condition& condition,
                    view_t<batch_type> out) {
        velocity_(at.xbar, at.s, at.x_t, at.t, posterior_kernel_coefficients,
                  detail::condition_as<condition_of_t<field_type>>(condition), out);
    }
    /// out[j] = div ubar, or an unbiased estimate.
    template <class Condition>
        requires detail::is_divergence<Field>
    void divergence(const diamond_arguments<batch_type>& at, const Condition& condition, noise_stream stream,
                    row_t<batch_type> out) {
        divergence_(at.xbar, at.s, at.x_t, at.t, detail::condition_as<condition_of_t<field_type>>(condition),
                    stream, out);
    }

private:
    using inner_divergence_type = detail::inner_divergence_of<Schedule, Field>;

    inner_velocity<Schedule, field_type, linear_schedule> velocity_;
    [[no_unique_address]] inner_divergence_type divergence_;
};

/// The teacher of a flow map with divergence: a velocity field on the inner schedule, such as a trained
/// sampler's, and a divergence of it (density/divergence.hpp).
///
/// It teaches t = 0 only (uniform_time{.at_zero = 1}). Cost: one evaluation of the field for each column, and
/// a divergence.
template <class Field, class Divergence>
class flow_teacher {
    static_assert(diagnose_differentiable_velocity_field<Field>());

public:
    using batch_type = typename Field::batch_type;
    /// Whether the divergence is an estimate by probes, drawn from the stream.
    static constexpr bool random = Divergence::random;
    /// Its field knows no outer time: it teaches flow maps alone.
    static constexpr bool knows_no_outer_time = true;

    /// Takes the divergence of a field, and teaches by that field.
    explicit flow_teacher(Divergence trace) : field_(trace.field()), divergence_(std::move(trace)) {}

    /// out = u, d x n.
    template <class Condition>
    void operator()(const diamond_arguments<batch_type>& at, const Condition& condition,
                    view_t<batch_type> out) {
        field_(at.xbar, at.s, detail::condition_as<condition_of_t<Field>>(condition), out);
    }
    /// out[j] = div u, or an unbiased estimate.
    template <class Condition>
    void divergence(const diamond_arguments<batch_type>& at, const Condition& condition, noise_stream stream,
                    row_t<batch_type> out) {
        divergence_(at.xbar, at.s, detail::condition_as<condition_of_t<Field>>(condition), stream, out);
    }

private:
    field_evaluator<Field> field_;
    Divergence divergence_;
};
/// Deduces the field from the divergence, which names it.
template <class Divergence>
flow_teacher(Divergence) -> flow_teacher<typename Divergence::field_type, Divergence>;

} // namespace diamond
