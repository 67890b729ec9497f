/// A network with its workspace and its bill: what every map, kernel and estimator holds in place of the bare network.
#pragma once

#include <optional>
#include <utility>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/cost.hpp>

namespace diamond {

namespace detail {
/// Evaluations of the network in one call: 1, but for a field that says more, as one that is guided by two of its own.
template <class Field>
inline constexpr index_t evaluations_of = 1;
template <class Field>
    requires requires { index_t{Field::evaluations}; }
inline constexpr index_t evaluations_of<Field> = Field::evaluations;
} // namespace detail

/// Calls a velocity field with a workspace that is made anew only when a batch grows, and counts evaluations. A copy shares the
/// network, not the workspace, and starts a bill of its own.
template <class Field>
class field_evaluator {
    static_assert(diagnose_velocity_field<Field>());

public:
    using batch_type     = typename Field::batch_type;
    using condition_type = condition_of_t<Field>;
    using context_type   = backend_of_t<batch_type>;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    explicit field_evaluator(Field field) : field_(std::move(field)) {}
    field_evaluator(const field_evaluator& other) : field_(other.field_) {}
    field_evaluator(field_evaluator&&) noexcept = default;
    field_evaluator& operator=(const field_evaluator& other) {
        if (this != &other) *this = field_evaluator(other);
        return *this;
    }
    field_evaluator& operator=(field_evaluator&&) noexcept = default;
    ~field_evaluator()                                     = default;

    [[nodiscard]] index_t      dimension() const { return static_cast<index_t>(field_.dimension()); }
    [[nodiscard]] const Field& field() const { return field_; }
    [[nodiscard]] const cost&  spent() const { return spent_; }

    /// out = u(x, t | condition).
    void operator()(const_view x, times t, const condition_type& condition, view out) {
        field_(x, t, condition, workspace(x), out);
        spent_.forward += x.columns() * detail::evaluations_of<Field>;
    }
    /// out = cotangent^T du/dx.
    void vjp(const_view x, times t, const condition_type& condition, const_view cotangent, view out)
        requires differentiable_velocity_field<Field>
    {
        field_.vjp(x, t, condition, cotangent, workspace(x), out);
        spent_.vjp += x.columns() * detail::evaluations_of<Field>;
    }
    /// out = du/dx tangent.
    void jvp(const_view x, times t, const condition_type& condition, const_view tangent, view out)
        requires differentiable_velocity_field<Field>
    {
        field_.jvp(x, t, condition, tangent, workspace(x), out);
        spent_.jvp += x.columns() * detail::evaluations_of<Field>;
    }
    /// out = score at (x, t).
    void score(const_view x, times t, const condition_type& condition, view out)
        requires scored_velocity_field<Field>
    {
        field_.score(x, t, condition, workspace(x), out);
        spent_.forward += x.columns() * detail::evaluations_of<Field>;
    }
    /// out[j] = log p_t(x_j).
    void log_density(const_view x, times t, const condition_type& condition, double* out)
        requires velocity_field_with_density<Field>
    {
        field_.log_density(x, t, condition, workspace(x), out);
        spent_.forward += x.columns() * detail::evaluations_of<Field>;
    }

private:
    using workspace_type = detail::workspace_t<Field>;

    workspace_type& workspace(const_view x) {
        require(x.rows() == dimension(), [&] {
            return "the network has dimension " + std::to_string(dimension()) + ", the batch has " + std::to_string(x.rows()) + " rows";
        });
        if (!workspace_ || x.columns() > capacity_ || context_ != &x.context()) {
            workspace_.reset(); // frees before it allocates
            workspace_.emplace(field_.make_workspace(x.context(), x.columns()));
            capacity_ = x.columns();
            context_  = &x.context();
        }
        return *workspace_;
    }

    Field                         field_;
    std::optional<workspace_type> workspace_;
    const context_type*           context_  = nullptr;
    index_t                       capacity_ = 0;
    cost                          spent_;
};

} // namespace diamond
