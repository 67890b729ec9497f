/// An architecture with its parameters: a Diamond network that maps and kernels take by value.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/digits_of.hpp>

namespace diamond {

/// Copies share the parameters. Models diamond_network, and differentiable_diamond_network where the architecture has vjp and jvp.
template <class Architecture>
class trained_diamond_network {
    static_assert(diagnose_trainable_network<Architecture>());

public:
    using batch_type     = typename Architecture::batch_type;
    using condition_type = typename Architecture::condition_type;
    using workspace      = typename Architecture::workspace;
    using view           = view_t<batch_type>;
    using const_view     = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless there are as many parameters as the architecture has.
    trained_diamond_network(Architecture architecture, batch_type parameters)
        : architecture_(std::move(architecture)), parameters_(std::make_shared<const batch_type>(std::move(parameters))) {
        require(parameters_->size() == architecture_.parameters(), [&] {
            return "a network of " + digits_of(architecture_.parameters()) + " parameters was given " + digits_of(parameters_->size());
        });
    }

    [[nodiscard]] index_t dimension() const { return architecture_.dimension(); }
    [[nodiscard]] auto schedule() const { return architecture_.schedule(); }
    [[nodiscard]] auto inner_schedule() const { return architecture_.inner_schedule(); }
    [[nodiscard]] const Architecture& architecture() const { return architecture_; }
    [[nodiscard]] const batch_type& parameters() const { return *parameters_; }
    [[nodiscard]] workspace make_workspace(const backend_of_t<batch_type>& context, index_t columns) const { return architecture_.make_workspace(context, columns); }

    void operator()(const diamond_arguments<batch_type>& at, const condition_type& condition, workspace& space, view out) const {
        architecture_(theta(at), at, condition, space, out);
    }
    void jvp(const diamond_arguments<batch_type>& at, const condition_type& condition, const_view tangent, workspace& space, view out) const
        requires detail::has_parameter_products<Architecture>
    {
        architecture_.jvp(theta(at), at, condition, tangent, space, out);
    }
    void vjp(const diamond_arguments<batch_type>& at, const condition_type& condition, const_view cotangent, workspace& space, view out_xbar, view out_x_t) const
        requires detail::has_parameter_products<Architecture>
    {
        architecture_.vjp(theta(at), at, condition, cotangent, space, out_xbar, out_x_t);
    }

private:
    [[nodiscard]] const typename batch_type::value_type* theta(const diamond_arguments<batch_type>& at) const {
        return parameters_->read_on(at.xbar.context()).data();
    }

    Architecture architecture_;
    std::shared_ptr<const batch_type> parameters_;
};

} // namespace diamond
