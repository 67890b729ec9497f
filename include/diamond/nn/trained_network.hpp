/// An architecture with its parameters is a Diamond network, which maps and kernels take by value.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/nn/rows.hpp>

namespace diamond {

/// A trainable network, the architecture, with parameters, which copies share. It models diamond_network;
/// differentiable_diamond_network where the architecture has vjp and jvp; and
/// diamond_network_with_divergence, with its derivatives, where the architecture has a divergence head, whose
/// v and m are one evaluation.
template <class Architecture>
class trained_network {
    static_assert(diagnose_any_trainable_network<Architecture>());
    static constexpr bool has_divergence = detail::has_divergence_row<Architecture>;

public:
    using batch_type = typename Architecture::batch_type;
    using condition_type = typename Architecture::condition_type;
    using real = typename batch_type::value_type;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;
    using arguments = diamond_arguments<batch_type>;
    using numbers_view = batch_view<const double, backend_of_t<batch_type>>;

    /// What a call works in.
    struct workspace {
        typename Architecture::workspace network;     ///< The architecture's own.
        scratch<real, backend_of_t<batch_type>> rows; ///< v, and below it m, where there is one
    };

    /// @throws std::invalid_argument unless there are as many parameters as the architecture needs.
    trained_network(Architecture architecture, batch_type parameters)
        : architecture_(std::move(architecture)),
          parameters_(std::make_shared<const batch_type>(std::move(parameters))) {
        require(parameters_->size() == architecture_.parameters(), [&] {
            return "a network of " + digits_of(architecture_.parameters()) + " parameters was given " +
                   digits_of(parameters_->size());
        });
    }

    [[nodiscard]] index_t dimension() const { return architecture_.dimension(); }
    [[nodiscard]] auto schedule() const { return architecture_.schedule(); }
    [[nodiscard]] auto inner_schedule() const { return architecture_.inner_schedule(); }
    /// The network as a function of its parameters.
    [[nodiscard]] const Architecture& architecture() const { return architecture_; }
    /// The parameters, a column of numbers.
    [[nodiscard]] const batch_type& parameters() const { return *parameters_; }
    [[nodiscard]] workspace make_workspace(const backend_of_t<batch_type>& context, index_t columns) const {
        return {architecture_.make_workspace(context, columns), {}};
    }

    /// Writes v into out, d x N. Cost: one evaluation.
    void operator()(const arguments& at, const condition_type& condition, workspace& space, view out) const {
        if constexpr (has_divergence) {
            architecture_(theta(at), at, condition, space.network, rows(at, space));
            split(space, out, {});
        } else {
            architecture_(theta(at), at, condition, space.network, out);
        }
    }
    /// Writes v into out and m into divergence, one number a column. Cost: one evaluation.
    void operator()(const arguments& at, const condition_type& condition, workspace& space, view out,
                    row_t<batch_type> divergence) const
        requires has_divergence
    {
        require_columns("trained_network", divergence, at.xbar.columns());
        architecture_(theta(at), at, condition, space.network, rows(at, space));
        split(space, out, divergence);
    }
    /// Writes dv/d xbar tangent into out. Cost: one jvp.
    void jvp(const arguments& at, const condition_type& condition, const_view tangent, workspace& space,
             view out) const
        requires detail::has_parameter_products<Architecture>
    {
        if constexpr (has_divergence) {
            architecture_.jvp(theta(at), at, condition, tangent, space.network, rows(at, space));
            split(space, out, {});
        } else {
            architecture_.jvp(theta(at), at, condition, tangent, space.network, out);
        }
    }
    /// Writes the cotangents of xbar and x_t, given that of v. Cost: one vjp.
    void vjp(const arguments& at, const condition_type& condition, const_view cotangent, workspace& space,
             view out_xbar, view out_x_t) const
        requires detail::has_parameter_products<Architecture>
    {
        if constexpr (has_divergence)
            vjp(at, condition, cotangent, {}, space, out_xbar, out_x_t);
        else
            architecture_.vjp(theta(at), at, condition, cotangent, space.network, out_xbar, out_x_t);
    }
    /// Writes the cotangents of xbar and x_t, given those of v and of m; one without data means zero. Cost:
    /// one vjp.
    void vjp(const arguments& at, const condition_type& condition, const_view cotangent,
             const_row_t<batch_type> divergence_cotangent, workspace& space, view out_xbar,
             view out_x_t) const
        requires(has_divergence && detail::has_parameter_products<Architecture>)
    {
        using const_rows = detail::rows_from<const_view>;
        const view both = rows(at, space);
        if (divergence_cotangent)
            require_columns("trained_network::vjp", divergence_cotangent, both.columns());
        detail::write_rows<1>(both.context(), dimension(), const_rows{cotangent},
                              detail::rows_from<view>{both});
        detail::write_rows<1>(both.context(), 1,
                              detail::rows_from<numbers_view>{numbers_view(divergence_cotangent.data(), 1,
                                                                           both.columns(), &both.context())},
                              detail::rows_from<view>{both, dimension()});
        architecture_.vjp(theta(at), at, condition, both, space.network, out_xbar, out_x_t);
    }

private:
    [[nodiscard]] const real* theta(const arguments& at) const {
        return parameters_->read_on(at.xbar.context()).data();
    }
    view rows(const arguments& at, workspace& space) const {
        space.rows.resize(at.xbar.context(), dimension() + 1, at.xbar.columns());
        return space.rows.mutable_view();
    }
    /// Copies the first d rows to out, and the last one to divergence; what is without data is not written.
    static void split(workspace& space, view out, row_t<batch_type> divergence) {
        if (out.data()) detail::assign_rows(out, 0, out.rows(), space.rows);
        if (divergence) assign(divergence, row_of(space.rows, out.rows()));
    }

    Architecture architecture_;
    std::shared_ptr<const batch_type> parameters_;
};

} // namespace diamond
