/// log p_t of a model, exactly or by the trapezoid of [DM], by which the weighted estimator corrects its
/// proposal. See (eq. weighted-value-weight), (eq. trapezoid-density).
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/readings.hpp>

namespace diamond {

namespace detail {
/// A density that gives log p_t up to a constant of each particle by d(x, t, condition, anchor, samples,
/// out), `samples` columns of x belonging to each column of anchor.
template <class D, class Map>
concept relative_density = std::copy_constructible<D> && names_schedule<D> && has_dimension<D> &&
                           counts_cost<D> &&
                           requires(D& d, const_view_t<typename Map::batch_type> x, double t,
                                    const condition_of_t<D>& c,
                                    row_t<typename D::batch_type> out) { d(x, t, c, x, index_t{1}, out); };
template <class D, class Map>
concept absolute_density = marginal_density<D> &&
                           std::is_same_v<typename D::batch_type, typename Map::batch_type>;
template <class D, class Map>
concept absolute_or_relative_density = absolute_density<D, Map> || relative_density<D, Map>;
template <class D, class Map>
concept corrects_proposal = absolute_or_relative_density<D, Map> &&
                            has_condition<condition_of_t<D>, condition_of_t<Map>>;
} // namespace detail

/// The ladder for the density of a weighted_value; it has one clause.
template <class D, class Map>
consteval bool diagnose_density() {
    static_assert(
        detail::corrects_proposal<D, Map>,
        "a weighted value needs a marginal_density for its map's batches (exact_density, flow_density), or "
        "what knows it up to a number a particle, with (x, t, condition, anchor, samples, row out), "
        "schedule(), dimension() and spent(): best_density(schedule, field) makes one");
    return true;
}

/// log p_t(x) and its score as the model gives them. Models scored_marginal_density. Cost: one evaluation for
/// each column and call.
template <class Schedule, class Field>
class exact_density {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field_with_density<Field>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;

    /// Takes the schedule and the field. @throws std::invalid_argument where the schedule is none, see
    /// check_schedule.
    exact_density(Schedule schedule, Field field) : model_(std::move(schedule), std::move(field)) {}

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return model_.schedule(); }
    [[nodiscard]] const cost& spent() const { return model_.spent(); }
    [[nodiscard]] bool exact() const { return true; }

    /// out[j] = log p_t(x_j).
    void operator()(const_view_t<batch_type> x, instant t, const condition_type& condition,
                    row_t<batch_type> out) {
        model_.field().log_density(x, time_view(t), condition, out);
    }
    /// out = grad log p_t(x), d x N.
    void score(const_view_t<batch_type> x, instant t, const condition_type& condition,
               view_t<batch_type> out) {
        model_.score(x, time_view(t), condition, out);
    }

private:
    readings<Schedule, Field> model_;
};

namespace detail {
/// One coordinate's term of the trapezoid between x and anchor.
DIAMOND_HD constexpr double trapezoid(double x, double anchor, double score_x, double score_anchor) {
    return 0.5 * (score_x + score_anchor) * (x - anchor);
}
} // namespace detail

/// log p_t(x) - log p_t(anchor) ~ 1/2 (score_t(anchor) + score_t(x)) . (x - anchor), both scores at t.
///
/// It is exact for Gaussian p_t only. Cost: two evaluations for each column of x. [DM]
template <class Schedule, class Field>
class trapezoid_density {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;

    /// Takes the schedule and the field. @throws std::invalid_argument where the schedule is none, see
    /// check_schedule.
    trapezoid_density(Schedule schedule, Field field) : model_(std::move(schedule), std::move(field)) {}

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return model_.schedule(); }
    [[nodiscard]] const cost& spent() const { return model_.spent(); }
    /// out = grad log p_t(x), d x N.
    void score(const_view_t<batch_type> x, instant t, const condition_type& condition,
               view_t<batch_type> out) {
        model_.score(x, time_view(t), condition, out);
    }

    /// out[m] = the trapezoid between x_m and column m / samples of anchor; x is d x (N M), anchor d x N, M =
    /// samples, and `condition` is that of the columns of x.
    void operator()(const_view_t<batch_type> x, instant t, const condition_type& condition,
                    const_view_t<batch_type> anchor, index_t samples, row_t<batch_type> out) {
        const auto& context = x.context();
        repeated_.resize(context, x.rows(), x.columns());
        there_.resize(context, x.rows(), x.columns());
        here_.resize(context, x.rows(), x.columns());
        repeat_columns(anchor, samples, repeated_.mutable_view());
        model_.score(x, time_view(t), condition, here_);
        model_.score(repeated_, time_view(t), condition, there_);
        assign(out, column_sums(elementwise<detail::trapezoid>(x, repeated_, here_, there_)));
    }

private:
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    readings<Schedule, Field> model_;
    scratch<real, context_type> repeated_, here_, there_;
};

/// Returns exact_density where the field has a density, and trapezoid_density otherwise.
template <class Schedule, class Field>
[[nodiscard]] auto best_density(Schedule schedule, Field field) {
    if constexpr (velocity_field_with_density<Field>)
        return exact_density<Schedule, Field>(std::move(schedule), std::move(field));
    else
        return trapezoid_density<Schedule, Field>(std::move(schedule), std::move(field));
}

} // namespace diamond
