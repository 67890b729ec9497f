/// The closed joint flow map of Gaussian data: an exact stand-in for a trained one. Section 9.
#pragma once

#include <utility>

#include <diamond/concepts/joint_flow_map.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

namespace diamond {

/// X_{t,s}(x) as gaussian_flow_map's, with m = (log p_t(x_t) - log p_s(x_s))/(s - t), the same at every x.
///
/// Models differentiable_joint_flow_map. x and out are d x N; a call costs one evaluation a column, its vjp one vjp.
template <class Batch, class Schedule>
class gaussian_joint_flow_map {
public:
    using batch_type = Batch;
    using view       = view_t<Batch>;
    using const_view = const_view_t<Batch>;

    explicit gaussian_joint_flow_map(diamond::gaussian<Batch, Schedule> model) : flow_(std::move(model)) {}

    [[nodiscard]] index_t         dimension() const { return flow_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return flow_.schedule(); }
    [[nodiscard]] cost            spent() const { return spent_; }
    [[nodiscard]] bool            exact() const { return true; }
    [[nodiscard]] const auto&     model() const { return flow_.model(); }

    void operator()(const_view x, interval span, no_condition none, view out) {
        flow_(x, span, none, out);
        spent_.forward += x.columns();
    }
    void operator()(const_view x, interval span, no_condition none, view out, double* divergence) {
        (*this)(x, span, none, out);
        flow_.mean_divergence(x, span, none, divergence);
    }
    /// out = cotangent^T dX/dx: dm/dx is 0.
    void vjp(const_view x, interval span, no_condition none, const_view cotangent, view out) { vjp(x, span, none, cotangent, nullptr, out); }
    void vjp(const_view x, interval span, no_condition none, const_view cotangent, const double*, view out) {
        spent_.vjp += x.columns();
        if (cotangent.data())
            flow_.vjp(x, span, none, cotangent, out);
        else
            x.context().for_each(out.size(), detail::set_to_zero<typename Batch::value_type>{out.data()});
    }

private:
    gaussian_flow_map<Batch, Schedule> flow_;
    cost                               spent_;
};

} // namespace diamond
