/// A marginal density whose score is computed from a velocity field.
#pragma once

#include <string>
#include <type_traits>
#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/schedule/readings.hpp>

namespace diamond {

/// log p_t by one model and grad log p_t by the velocity of another.
///
/// The error of a learned velocity is that of the score, whereas the derivative of a learned density may have
/// any error. Models scored_marginal_density. Cost: that of the density; a score one evaluation of the field.
template <class Density, class Field>
class scored_density {
    static_assert(diagnose_marginal_density<Density>() && diagnose_velocity_field<Field>());
    static_assert(std::is_same_v<typename Density::batch_type, typename Field::batch_type> &&
                      std::is_same_v<condition_of_t<Density>, condition_of_t<Field>>,
                  "density and velocity field must be of the same batch type, and take the same condition");

public:
    using batch_type = typename Density::batch_type;
    using condition_type = condition_of_t<Density>;
    using schedule_type = std::remove_cvref_t<decltype(std::declval<const Density&>().schedule())>;

    /// The field's times are those of the density's schedule. @throws std::invalid_argument if the dimensions
    /// differ.
    scored_density(Density density, Field field)
        : density_(std::move(density)), model_(density_.schedule(), std::move(field)) {
        require(density_.dimension() == model_.dimension(), [&] {
            return "a density of dimension " + digits_of(density_.dimension()) +
                   " with the score of a velocity of dimension " + digits_of(model_.dimension());
        });
    }

    [[nodiscard]] index_t dimension() const { return model_.dimension(); }
    [[nodiscard]] auto schedule() const { return density_.schedule(); }
    [[nodiscard]] cost spent() const { return cost(density_.spent()) + model_.spent(); }
    [[nodiscard]] bool exact() const { return density_.exact(); }

    /// out[j] = log p_t(x_j).
    void operator()(const_view_t<batch_type> x, instant t, const condition_type& condition,
                    row_t<batch_type> out) {
        density_(x, t, condition, out);
    }
    /// out = grad log p_t(x), d x N. @throws std::invalid_argument at t = 1, unless the field gives its
    /// score.
    void score(const_view_t<batch_type> x, instant t, const condition_type& condition,
               view_t<batch_type> out) {
        model_.score(x, time_view(t), condition, out);
    }

private:
    Density density_;
    readings<schedule_type, Field> model_;
};

} // namespace diamond
