/// Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): a conditional network pushed beyond its unconditional self. Section 2.
#pragma once

#include <cmath>
#include <concepts>
#include <string>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/field_evaluator.hpp>

namespace diamond {

/// u(x, t | c) = u_0(x, t) + w (u(x, t | c) - u_0(x, t)), u_0 the field's own velocity under labels::unconditional.
///
/// w = 1 is the conditional field, w = 0 the unconditional one. Any other w is not marginal-preserving for any p_data: what it samples is no
/// tilt of anything, and where the target matters a classifier's reward is the way. The same formula holds for denoisers, noises and scores,
/// so the field may be what denoiser_network and its like convert. Cost: two evaluations a call, or products.
template <class Field>
class guided_field {
    static_assert(diagnose_velocity_field<Field>());
    static_assert(std::same_as<condition_of_t<Field>, labels>,
                  "a guided field needs a network with `using condition_type = diamond::labels;`, whose labels::unconditional gives u_0");

public:
    using batch_type     = typename Field::batch_type;
    using condition_type = labels;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;
    using context_type   = backend_of_t<batch_type>;

    static constexpr index_t    evaluations = 2 * detail::evaluations_of<Field>;
    static constexpr prediction predicts    = detail::predicts<Field>;

    struct workspace_type {
        detail::workspace_t<Field>                             field;
        scratch<typename batch_type::value_type, context_type> unconditional;
    };

    /// @throws std::invalid_argument unless the weight is finite.
    guided_field(Field field, double weight) : field_(std::move(field)), weight_(weight) {
        require(std::isfinite(weight), [&] { return "classifier-free guidance of weight " + digits_of(weight) + ": it must be finite"; });
    }

    [[nodiscard]] index_t        dimension() const { return static_cast<index_t>(field_.dimension()); }
    [[nodiscard]] workspace_type make_workspace(const context_type& context, index_t columns) const {
        workspace_type space{field_.make_workspace(context, columns), {}};
        space.unconditional.resize(context, dimension(), columns);
        return space;
    }
    void operator()(const_view x, time_view t, const labels& c, workspace_type& space, view out) const {
        blend(x, space, out, [&](const labels& label, view to) { field_(x, t, label, space.field, to); }, c);
    }
    /// out = cotangent^T du/dx.
    void vjp(const_view x, time_view t, const labels& c, const_view cotangent, workspace_type& space, view out) const
        requires differentiable_velocity_field<Field>
    {
        blend(x, space, out, [&](const labels& label, view to) { field_.vjp(x, t, label, cotangent, space.field, to); }, c);
    }
    /// out = du/dx tangent.
    void jvp(const_view x, time_view t, const labels& c, const_view tangent, workspace_type& space, view out) const
        requires differentiable_velocity_field<Field>
    {
        blend(x, space, out, [&](const labels& label, view to) { field_.jvp(x, t, label, tangent, space.field, to); }, c);
    }

    /// D, or N, of the guided field, where its network predicts that: the formula is the same.
    void denoiser(const_view x, time_view t, const labels& c, workspace_type& space, view out) const
        requires detail::has_denoiser<Field>
    {
        blend(x, space, out, [&](const labels& label, view to) { field_.denoiser(x, t, label, space.field, to); }, c);
    }
    void denoiser_vjp(const_view x, time_view t, const labels& c, const_view cotangent, workspace_type& space, view out) const
        requires detail::has_denoiser_products<Field>
    {
        blend(x, space, out, [&](const labels& l, view to) { field_.denoiser_vjp(x, t, l, cotangent, space.field, to); }, c);
    }
    void denoiser_jvp(const_view x, time_view t, const labels& c, const_view tangent, workspace_type& space, view out) const
        requires detail::has_denoiser_products<Field>
    {
        blend(x, space, out, [&](const labels& l, view to) { field_.denoiser_jvp(x, t, l, tangent, space.field, to); }, c);
    }
    void noise(const_view x, time_view t, const labels& c, workspace_type& space, view out) const
        requires detail::has_noise<Field>
    {
        blend(x, space, out, [&](const labels& label, view to) { field_.noise(x, t, label, space.field, to); }, c);
    }
    void noise_vjp(const_view x, time_view t, const labels& c, const_view cotangent, workspace_type& space, view out) const
        requires detail::has_noise_products<Field>
    {
        blend(x, space, out, [&](const labels& l, view to) { field_.noise_vjp(x, t, l, cotangent, space.field, to); }, c);
    }
    void noise_jvp(const_view x, time_view t, const labels& c, const_view tangent, workspace_type& space, view out) const
        requires detail::has_noise_products<Field>
    {
        blend(x, space, out, [&](const labels& l, view to) { field_.noise_jvp(x, t, l, tangent, space.field, to); }, c);
    }

private:
    /// out = (1 - w) call(unconditional) + w call(c)
    template <class Call>
    void blend(const_view x, workspace_type& space, view out, const Call& call, const labels& c) const {
        space.unconditional.resize(x.context(), x.rows(), x.columns());
        call(labels(), space.unconditional.mutable_view());
        call(c, out);
        assign(out, (1.0 - weight_) * space.unconditional + weight_ * out);
    }

    Field  field_;
    double weight_;
};

} // namespace diamond
