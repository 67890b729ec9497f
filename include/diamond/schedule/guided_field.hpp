/// Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): an extrapolation from the unconditional to
/// the conditional velocity of one network. See (eq. classifier-free-guidance).
#pragma once

#include <cmath>
#include <concepts>
#include <string>
#include <utility>

#include <diamond/concepts/schedule.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/field_evaluator.hpp>

namespace diamond {

namespace detail {
/// Says whether a condition of this type may stand for none: its default does.
template <class Condition>
inline constexpr bool may_be_none = false;
template <>
inline constexpr bool may_be_none<labels> = true;
template <class Batch>
inline constexpr bool may_be_none<condition_vectors<Batch>> = true;
template <class Batch>
inline constexpr bool may_be_none<label_and_vector<Batch>> = true;
} // namespace detail

/// The field u_0(x, t) + w (u(x, t | c) - u_0(x, t)), where u_0 is the velocity of the same field without a
/// condition: under labels::unconditional, or no vectors.
///
/// w = 1 gives the conditional field and w = 0 the unconditional one. With any other w the field preserves
/// the marginals of no data: its samples follow no tilt of a distribution, and where the target matters a
/// classifier's reward should be used. The formula holds for denoisers, noises and scores as well, so the
/// network may predict those, as in denoiser_network, noise_network and score_network. Batches are d x N.
/// Cost: two evaluations a call, or two products.
template <class Field>
class guided_field {
    static_assert(diagnose_velocity_field<Field>());
    static_assert(detail::may_be_none<condition_of_t<Field>>,
                  "a guided field needs a network with `using condition_type = diamond::labels;`, whose "
                  "labels::unconditional gives u_0, or diamond::condition_vectors<batch>");

public:
    using batch_type = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    using context_type = backend_of_t<batch_type>;

    static constexpr index_t evaluations = 2 * detail::evaluations_of<Field>;
    static constexpr prediction predicts = detail::predicts<Field>;

    struct workspace_type {
        workspace_t<Field> field; ///< The workspace that calls of the field are given.
        /// What the field gives without a class, d x N.
        scratch<typename batch_type::value_type, context_type> unconditional;
    };

    /// @param weight is w. @throws std::invalid_argument unless it is finite.
    guided_field(Field field, double weight) : field_(std::move(field)), weight_(weight) {
        require(std::isfinite(weight), [&] {
            return "classifier-free guidance of weight " + digits_of(weight) + ": it must be finite";
        });
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(field_.dimension()); }
    [[nodiscard]] auto schedule() const
        requires detail::names_schedule<Field>
    {
        return field_.schedule();
    }
    [[nodiscard]] workspace_type make_workspace(const context_type& context, index_t columns) const {
        workspace_type space{field_.make_workspace(context, columns), {}};
        space.unconditional.resize(context, dimension(), columns);
        return space;
    }
    /// Writes out = the guided u(x, t | c).
    void operator()(const_view x, time_view t, const condition_type& c, workspace_type& space,
                    view out) const {
        blend(
            x, space, out,
            [&](const condition_type& label, view to) { field_(x, t, label, space.field, to); }, c);
    }
    /// Writes out = cotangent^T du/dx.
    void vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace_type& space,
             view out) const
        requires differentiable_velocity_field<Field>
    {
        blend(
            x, space, out,
            [&](const condition_type& label, view to) {
                field_.vjp(x, t, label, cotangent, space.field, to);
            },
            c);
    }
    /// Writes out = du/dx tangent.
    void jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace_type& space,
             view out) const
        requires differentiable_velocity_field<Field>
    {
        blend(
            x, space, out,
            [&](const condition_type& label, view to) { field_.jvp(x, t, label, tangent, space.field, to); },
            c);
    }

    /// Writes out = D of the guided field, by the same formula, where the network predicts it; denoiser_vjp
    /// and denoiser_jvp write its products, and noise, noise_vjp and noise_jvp do so for N.
    void denoiser(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const
        requires detail::has_denoiser<Field>
    {
        blend(
            x, space, out,
            [&](const condition_type& label, view to) { field_.denoiser(x, t, label, space.field, to); }, c);
    }
    /// Writes out = cotangent^T dD/dx, with D the guided denoiser.
    void denoiser_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent,
                      workspace_type& space, view out) const
        requires detail::has_denoiser_products<Field>
    {
        blend(
            x, space, out,
            [&](const condition_type& l, view to) {
                field_.denoiser_vjp(x, t, l, cotangent, space.field, to);
            },
            c);
    }
    /// Writes out = dD/dx tangent, with D the guided denoiser.
    void denoiser_jvp(const_view x, time_view t, const condition_type& c, const_view tangent,
                      workspace_type& space, view out) const
        requires detail::has_denoiser_products<Field>
    {
        blend(
            x, space, out,
            [&](const condition_type& l, view to) { field_.denoiser_jvp(x, t, l, tangent, space.field, to); },
            c);
    }
    /// Writes the guided noise, of a field that has it.
    void noise(const_view x, time_view t, const condition_type& c, workspace_type& space, view out) const
        requires detail::has_noise<Field>
    {
        blend(
            x, space, out,
            [&](const condition_type& label, view to) { field_.noise(x, t, label, space.field, to); }, c);
    }
    /// Writes out = cotangent^T dN/dx, with N the guided noise.
    void noise_vjp(const_view x, time_view t, const condition_type& c, const_view cotangent,
                   workspace_type& space, view out) const
        requires detail::has_noise_products<Field>
    {
        blend(
            x, space, out,
            [&](const condition_type& l, view to) { field_.noise_vjp(x, t, l, cotangent, space.field, to); },
            c);
    }
    /// Writes out = dN/dx tangent, with N the guided noise.
    void noise_jvp(const_view x, time_view t, const condition_type& c, const_view tangent,
                   workspace_type& space, view out) const
        requires detail::has_noise_products<Field>
    {
        blend(
            x, space, out,
            [&](const condition_type& l, view to) { field_.noise_jvp(x, t, l, tangent, space.field, to); },
            c);
    }

private:
    /// Writes out = (1 - w) call(unconditional) + w call(c).
    template <class Call>
    void blend(const_view x, workspace_type& space, view out, const Call& call,
               const condition_type& c) const {
        space.unconditional.resize(x.context(), x.rows(), x.columns());
        call(condition_type(), space.unconditional.mutable_view());
        call(c, out);
        assign(out, (1.0 - weight_) * space.unconditional + weight_ * out);
    }

    Field field_;
    double weight_;
};

} // namespace diamond
