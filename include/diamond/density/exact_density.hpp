/// log p_t of a model, exactly or by [DM]'s trapezoid: what the weighted estimator corrects its proposal with. Section 6.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/schedule/readings.hpp>

namespace diamond {

namespace detail {
/// log p_t up to a number that is a particle's: d(x, t, condition, anchor, samples, out), `samples` columns of x to a column of anchor.
template <class D, class Map>
concept relative_density = std::copy_constructible<D> && names_schedule<D> && has_dimension<D> && counts_cost<D> &&
                           requires(D& d, const_view_t<typename Map::batch_type> x, double t, const condition_of_t<Map>& c, double* out) { d(x, t, c, x, index_t{1}, out); };
template <class D, class Map>
concept absolute_density = marginal_density<D> && std::is_same_v<typename D::batch_type, typename Map::batch_type>;
template <class D, class Map>
concept corrects_proposal = absolute_density<D, Map> || relative_density<D, Map>;
} // namespace detail

/// The ladder of weighted_value's density, of one rung.
template <class D, class Map>
consteval bool diagnose_density() {
    static_assert(detail::corrects_proposal<D, Map>,
                  "a weighted value needs a marginal_density for its map's batches (exact_density, flow_density), or what knows it up to a number a particle, with (x, t, condition, anchor, "
                  "samples, double* out), schedule(), dimension() and spent(): best_density(schedule, field) makes one");
    return true;
}

/// log p_t(x) as the model knows it, and its score. Models scored_marginal_density. Cost: one evaluation a column each.
template <class Schedule, class Field>
class exact_density {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field_with_density<Field>());

public:
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;

    exact_density(Schedule schedule, Field field) : model_(std::move(schedule), std::move(field)) {}

    [[nodiscard]] index_t                    dimension() const { return model_.dimension(); }
    [[nodiscard]] const Schedule&            schedule() const { return model_.schedule(); }
    [[nodiscard]] const cost&                spent() const { return model_.spent(); }
    [[nodiscard]] bool                       exact() const { return true; }

    /// out[j] = log p_t(x_j).
    void operator()(const_view_t<batch_type> x, instant t, const condition_type& condition, double* out) { model_.field().log_density(x, time_view(t), condition, out); }
    /// out = grad log p_t(x).
    void score(const_view_t<batch_type> x, instant t, const condition_type& condition, view_t<batch_type> out) { model_.score(x, time_view(t), condition, out); }

private:
    readings<Schedule, Field> model_;
};

namespace detail {
/// 1/2 (score_t(anchor) + score_t(x)) . (x - anchor), coordinate by coordinate.
template <class Real>
struct trapezoid_term {
    const Real *x, *anchor, *score_x, *score_anchor;
    index_t     rows;
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        const index_t at = i + rows * j;
        return 0.5 * (static_cast<double>(score_x[at]) + static_cast<double>(score_anchor[at])) * (static_cast<double>(x[at]) - static_cast<double>(anchor[at]));
    }
};
} // namespace detail

/// log p_t(x) - log p_t(anchor) ~ 1/2 (score_t(anchor) + score_t(x)) . (x - anchor), both scores at t: exact for Gaussian p_t only. [DM]
/// Cost: two evaluations a column.
template <class Schedule, class Field>
class trapezoid_density {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Field>());

public:
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;

    trapezoid_density(Schedule schedule, Field field) : model_(std::move(schedule), std::move(field)) {}

    [[nodiscard]] index_t                    dimension() const { return model_.dimension(); }
    [[nodiscard]] const Schedule&            schedule() const { return model_.schedule(); }
    [[nodiscard]] const cost&                spent() const { return model_.spent(); }
    /// out = grad log p_t(x).
    void score(const_view_t<batch_type> x, instant t, const condition_type& condition, view_t<batch_type> out) { model_.score(x, time_view(t), condition, out); }

    /// out[m] = the trapezoid between x_m and the anchor of its particle; `condition` is that of the columns of x.
    void operator()(const_view_t<batch_type> x, instant t, const condition_type& condition, const_view_t<batch_type> anchor, index_t samples, double* out) {
        const auto& context = x.context();
        repeated_.resize(context, x.rows(), x.columns());
        there_.resize(context, x.rows(), x.columns());
        here_.resize(context, x.rows(), x.columns());
        repeat_columns(anchor, samples, repeated_.mutable_view());
        model_.score(x, time_view(t), condition, here_);
        model_.score(repeated_, time_view(t), condition, there_);
        context.column_sums(x.rows(), x.columns(), detail::trapezoid_term<real>{x.data(), repeated_.data(), here_.data(), there_.data(), x.rows()}, out);
    }

private:
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;

    readings<Schedule, Field>   model_;
    scratch<real, context_type> repeated_, here_, there_;
};

/// The exact density where the model has one, the trapezoid otherwise.
template <class Schedule, class Field>
[[nodiscard]] auto best_density(Schedule schedule, Field field) {
    if constexpr (velocity_field_with_density<Field>)
        return exact_density<Schedule, Field>(std::move(schedule), std::move(field));
    else
        return trapezoid_density<Schedule, Field>(std::move(schedule), std::move(field));
}

} // namespace diamond
