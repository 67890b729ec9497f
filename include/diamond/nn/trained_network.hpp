/// An architecture with its parameters: a Diamond network that maps and kernels take by value.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

namespace detail {
/// The rows of a network with divergence to a velocity and a mean divergence; either may be null.
template <class Real>
struct split_rows {
    const Real* both;
    index_t d;
    Real* velocity;
    double* divergence;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const double value = static_cast<double>(both[i + (d + 1) * j]);
        if (i == d) {
            if (divergence) divergence[j] = value;
        } else if (velocity) {
            velocity[i + d * j] = both[i + (d + 1) * j];
        }
    }
};
/// The reverse for cotangents; null is zero.
template <class Real>
struct join_rows {
    const Real* velocity;
    const double* divergence;
    index_t d;
    Real* both;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        Real& value = both[i + (d + 1) * j];
        if (i == d)
            value = divergence ? static_cast<Real>(divergence[j]) : Real{0};
        else
            value = velocity ? velocity[i + d * j] : Real{0};
    }
};
} // namespace detail

/// Copies share the parameters. Models diamond_network; differentiable_diamond_network where the architecture has vjp and jvp; and
/// diamond_network_with_divergence, with its derivatives, where the architecture has a divergence head: v and m come of one evaluation.
template <class Architecture>
class trained_network {
    static_assert(diagnose_any_trainable_network<Architecture>());
    static constexpr bool has_divergence = detail::has_divergence_row<Architecture>;

public:
    using batch_type     = typename Architecture::batch_type;
    using condition_type = typename Architecture::condition_type;
    using real           = typename batch_type::value_type;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;
    using arguments      = diamond_arguments<batch_type>;

    struct workspace {
        typename Architecture::workspace        network;
        scratch<real, backend_of_t<batch_type>> rows; ///< v with m below it, where there is one
    };

    /// @throws std::invalid_argument unless there are as many parameters as the architecture has.
    trained_network(Architecture architecture, batch_type parameters)
        : architecture_(std::move(architecture)), parameters_(std::make_shared<const batch_type>(std::move(parameters))) {
        require(parameters_->size() == architecture_.parameters(), [&] {
            return "a network of " + digits_of(architecture_.parameters()) + " parameters was given " + digits_of(parameters_->size());
        });
    }

    [[nodiscard]] index_t             dimension() const { return architecture_.dimension(); }
    [[nodiscard]] auto                schedule() const { return architecture_.schedule(); }
    [[nodiscard]] auto                inner_schedule() const { return architecture_.inner_schedule(); }
    [[nodiscard]] const Architecture& architecture() const { return architecture_; }
    [[nodiscard]] const batch_type&   parameters() const { return *parameters_; }
    [[nodiscard]] workspace           make_workspace(const backend_of_t<batch_type>& context, index_t columns) const {
        return {architecture_.make_workspace(context, columns), {}};
    }

    /// out = v.
    void operator()(const arguments& at, const condition_type& condition, workspace& space, view out) const {
        if constexpr (has_divergence)
            (*this)(at, condition, space, out, nullptr);
        else
            architecture_(theta(at), at, condition, space.network, out);
    }
    /// out = v, divergence[j] = m. Cost: one evaluation.
    void operator()(const arguments& at, const condition_type& condition, workspace& space, view out, double* divergence) const
        requires has_divergence
    {
        architecture_(theta(at), at, condition, space.network, rows(at, space));
        split(space, out, divergence);
    }
    /// out = dv/d xbar tangent.
    void jvp(const arguments& at, const condition_type& condition, const_view tangent, workspace& space, view out) const
        requires detail::has_parameter_products<Architecture>
    {
        if constexpr (has_divergence) {
            architecture_.jvp(theta(at), at, condition, tangent, space.network, rows(at, space));
            split(space, out, nullptr);
        } else {
            architecture_.jvp(theta(at), at, condition, tangent, space.network, out);
        }
    }
    /// Cotangents of xbar and x_t, of v.
    void vjp(const arguments& at, const condition_type& condition, const_view cotangent, workspace& space, view out_xbar, view out_x_t) const
        requires detail::has_parameter_products<Architecture>
    {
        if constexpr (has_divergence)
            vjp(at, condition, cotangent, nullptr, space, out_xbar, out_x_t);
        else
            architecture_.vjp(theta(at), at, condition, cotangent, space.network, out_xbar, out_x_t);
    }
    /// Of v and of m; null data of either cotangent means zero.
    void vjp(const arguments& at, const condition_type& condition, const_view cotangent, const double* divergence_cotangent, workspace& space,
             view out_xbar, view out_x_t) const
        requires(has_divergence && detail::has_parameter_products<Architecture>)
    {
        const view both = rows(at, space);
        both.context().for_each(both.rows(), both.columns(), detail::join_rows<real>{cotangent.data(), divergence_cotangent, dimension(), both.data()});
        architecture_.vjp(theta(at), at, condition, both, space.network, out_xbar, out_x_t);
    }

private:
    [[nodiscard]] const real* theta(const arguments& at) const { return parameters_->read_on(at.xbar.context()).data(); }
    view rows(const arguments& at, workspace& space) const {
        space.rows.resize(at.xbar.context(), dimension() + 1, at.xbar.columns());
        return space.rows.mutable_view();
    }
    static void split(workspace& space, view out, double* divergence) {
        out.context().for_each(out.rows() + 1, out.columns(), detail::split_rows<real>{space.rows.data(), out.rows(), out.data(), divergence});
    }

    Architecture                      architecture_;
    std::shared_ptr<const batch_type> parameters_;
};

} // namespace diamond
