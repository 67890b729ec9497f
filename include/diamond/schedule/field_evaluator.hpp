/// A velocity field together with its workspace and its cost.
#pragma once

#include <utility>

#include <diamond/schedule/counted_network.hpp>

namespace diamond {

namespace detail {
/// The number of network evaluations in one call of a field: 1 unless the field says more, as guided_field
/// does, which makes two.
template <class Field>
inline constexpr index_t evaluations_of = 1;
template <class Field>
    requires requires { index_t{Field::evaluations}; }
inline constexpr index_t evaluations_of<Field> = Field::evaluations;
} // namespace detail

namespace detail {
/// Writes NaN into column j where its own time is none.
template <class View>
struct write_no_answer {
    time_view t;
    View out;
    DIAMOND_HD void operator()(index_t j) const {
        if (is_time(t.at(j))) return;
        for (index_t i = 0; i < out.rows(); ++i)
            out(i, j) = static_cast<typename View::value_type>(not_a_number);
    }
};
/// Makes the columns NaN whose own time lies outside [0, 1].
template <class View>
void forbid_other_times(time_view t, View out) {
    if (!t.broadcast()) out.context().for_each(out.columns(), write_no_answer<View>{.t = t, .out = out});
}
} // namespace detail

/// Calls a velocity field in a workspace of its own and counts the evaluations, N times evaluations_of<Field>
/// a call. Copies are those of counted_network. Batches are d x N, and times are one value or one a column.
/// @throws std::invalid_argument in a call for a batch of another dimension than the field's.
template <class Field>
class field_evaluator {
    static_assert(diagnose_velocity_field<Field>());

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using context_type = backend_of_t<batch_type>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes the field, whose workspace is made by the first call.
    explicit field_evaluator(Field field) : network_(std::move(field)) {}

    [[nodiscard]] index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] const Field& field() const { return network_.network(); }
    [[nodiscard]] const cost& spent() const { return network_.spent(); }

    /// Writes out = u(x, t | condition). Cost: one forward evaluation a column.
    void operator()(const_view x, time_view t, const condition_type& condition, view out) {
        field()(x, t, condition, network_.workspace(x), out);
        network_.spent().forward += x.columns() * detail::evaluations_of<Field>;
    }
    /// Writes out = cotangent^T du/dx. Cost: one vector-Jacobian product a column.
    void vjp(const_view x, time_view t, const condition_type& condition, const_view cotangent, view out)
        requires differentiable_velocity_field<Field>
    {
        field().vjp(x, t, condition, cotangent, network_.workspace(x), out);
        network_.spent().vjp += x.columns() * detail::evaluations_of<Field>;
    }
    /// Writes out = du/dx tangent. Cost: one Jacobian-vector product a column.
    void jvp(const_view x, time_view t, const condition_type& condition, const_view tangent, view out)
        requires differentiable_velocity_field<Field>
    {
        field().jvp(x, t, condition, tangent, network_.workspace(x), out);
        network_.spent().jvp += x.columns() * detail::evaluations_of<Field>;
    }
    /// Writes out = u, D or N, as `reading` says; u for a field that does not give the one it names. Cost:
    /// one forward evaluation a column.
    void predict(prediction reading, const_view x, time_view t, const condition_type& condition, view out) {
        const auto of = [&](auto& space) {
            if constexpr (detail::has_denoiser<Field>)
                if (reading == prediction::denoiser) return field().denoiser(x, t, condition, space, out);
            if constexpr (detail::has_noise<Field>)
                if (reading == prediction::noise) return field().noise(x, t, condition, space, out);
            field()(x, t, condition, space, out);
        };
        of(network_.workspace(x));
        network_.spent().forward += x.columns() * detail::evaluations_of<Field>;
    }
    /// Writes out = cotangent^T times the Jacobian of what predict writes. Cost: one vector-Jacobian product
    /// a column.
    void predict_vjp(prediction reading, const_view x, time_view t, const condition_type& condition,
                     const_view cotangent, view out)
        requires differentiable_velocity_field<Field>
    {
        const auto of = [&](auto& space) {
            if constexpr (detail::has_denoiser_products<Field>)
                if (reading == prediction::denoiser)
                    return field().denoiser_vjp(x, t, condition, cotangent, space, out);
            if constexpr (detail::has_noise_products<Field>)
                if (reading == prediction::noise)
                    return field().noise_vjp(x, t, condition, cotangent, space, out);
            field().vjp(x, t, condition, cotangent, space, out);
        };
        of(network_.workspace(x));
        network_.spent().vjp += x.columns() * detail::evaluations_of<Field>;
    }
    /// Writes out = grad log p_t(x), as the field gives it. Cost: one forward evaluation a column.
    void score(const_view x, time_view t, const condition_type& condition, view out)
        requires scored_velocity_field<Field>
    {
        field().score(x, t, condition, network_.workspace(x), out);
        network_.spent().forward += x.columns() * detail::evaluations_of<Field>;
    }
    /// Writes out[j] = log p_t(x_j), as the field gives it. Cost: one forward evaluation a column.
    void log_density(const_view x, time_view t, const condition_type& condition, row_t<batch_type> out)
        requires velocity_field_with_density<Field>
    {
        field().log_density(x, t, condition, network_.workspace(x), out);
        network_.spent().forward += x.columns() * detail::evaluations_of<Field>;
    }

private:
    counted_network<Field> network_;
};

} // namespace diamond
