/// An ONNX file as a Diamond network v(xbar, x_t, t, s, r | c), evaluated by OpenVINO.
///
/// The file has inputs xbar and x_t, (N, d) or (N, ...) of d numbers in all, the times t, s and r, each of
/// shape (), (1), (N) or (N, 1), and perhaps a condition, as openvino/network.hpp says; and an output shaped
/// as xbar, the mean velocity: X_{s,r}(xbar | x_t, t) = xbar + (r - s) v, (eq. diamond-map).
///
/// Products with the Jacobian come from files beside it: NAME.vjp.onnx has one more input, `cotangent`, and
/// the outputs `of_xbar` and `of_x_t`, cotangent^T dv/dxbar and cotangent^T dv/dx_t; NAME.jvp.onnx has one
/// more input, `tangent`, and one output, dv/dxbar tangent.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/openvino/condition.hpp>
#include <diamond/openvino/graph.hpp>
#include <diamond/openvino/network.hpp>
#include <diamond/openvino/products.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/linear.hpp>

namespace diamond {

/// Names what a Diamond network's file has, and how it is computed.
template <class Condition = no_condition>
struct openvino_diamond_options {
    std::string xbar = "xbar"; ///< The input of inner states.
    std::string x_t = "x_t";   ///< The input of noisy states.
    std::string t = "t";       ///< The input of outer times.
    std::string s = "s";       ///< The input of the inner times from which it leads.
    std::string r = "r";       ///< The input of the inner times to which it leads.
    /// The input of conditions, as in openvino_options.
    typename detail::openvino_condition<Condition>::options condition = {};
    std::string output = ""; ///< The output; where it is empty the file's only one.
    bool bf16 = false;       ///< As in openvino_options.
};

/// The Diamond network that an ONNX file computes, which was trained on these schedules. It computes as
/// openvino_network does. Cost: one evaluation a column.
template <class Batch, class Schedule, class Inner = linear_schedule, class Condition = no_condition>
class openvino_diamond_network {
    static_assert(diagnose_schedule<Schedule>() && diagnose_schedule<Inner>());
    using graph_type = detail::openvino_graph<Batch, Condition, 2, 3, 1>;

public:
    using batch_type = Batch;
    using condition_type = Condition;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using arguments = diamond_arguments<Batch>;
    using options = openvino_diamond_options<Condition>; ///< Names what the file has.
    /// What a call works in: a request of the engine, and the times and conditions as the file reads them.
    using workspace = typename graph_type::workspace;

    /// @throws std::invalid_argument for a schedule that breaks its promises (check_schedule), and, with the
    /// file's own inputs and outputs, where it is no ONNX file, or names, types or shapes are not those that
    /// the head of openvino/diamond_network.hpp says.
    openvino_diamond_network(const context_type& context, const std::filesystem::path& file,
                             Schedule schedule, Inner inner = {}, const options& named = {})
        : schedule_(detail::checked_schedule(std::move(schedule))),
          inner_(detail::checked_schedule(std::move(inner))),
          graph_(file,
                 {.states = {named.xbar, named.x_t},
                  .times = {named.t, named.s, named.r},
                  .outputs = {named.output},
                  .condition = named.condition},
                 {.threads = static_cast<index_t>(context.concurrency()), .bf16 = named.bf16}) {}

    [[nodiscard]] index_t dimension() const { return graph_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] const Inner& inner_schedule() const { return inner_; }
    [[nodiscard]] workspace make_workspace(const context_type&, index_t) const {
        return graph_.make_workspace();
    }
    /// Writes v, d x N; out must overlap neither state. @throws as openvino_network does.
    void operator()(const arguments& at, const condition_type& c, workspace& space, view out) const {
        graph_("openvino_diamond_network", {at.xbar, at.x_t}, {at.t, at.s, at.r}, c, space, {out});
    }

private:
    Schedule schedule_;
    Inner inner_;
    graph_type graph_;
};

/// The Diamond network of an ONNX file with products with its Jacobian, from the files beside it. Cost of a
/// product: one vjp or jvp a column.
template <class Batch, class Schedule, class Inner = linear_schedule, class Condition = no_condition>
class differentiable_openvino_diamond_network {
    using network_type = openvino_diamond_network<Batch, Schedule, Inner, Condition>;
    using vjp_type = detail::openvino_graph<Batch, Condition, 3, 3, 2>;
    using jvp_type = detail::openvino_graph<Batch, Condition, 3, 3, 1>;

public:
    using batch_type = Batch;
    using condition_type = Condition;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using arguments = diamond_arguments<Batch>;
    using options = openvino_diamond_options<Condition>; ///< Names what the file has.
    /// What calls and products work in.
    struct workspace {
        typename network_type::workspace network; ///< That of v.
        typename vjp_type::workspace vjp;         ///< That of the vector-Jacobian product.
        typename jvp_type::workspace jvp;         ///< That of the Jacobian-vector product.
    };

    /// Reads NAME.onnx, NAME.vjp.onnx and NAME.jvp.onnx, of which the first is named. @throws
    /// std::invalid_argument as openvino_diamond_network does, where one of them is missing or does not fit,
    /// and where the products along xbar are not those of the network (openvino/products.hpp).
    differentiable_openvino_diamond_network(const context_type& context, const std::filesystem::path& file,
                                            Schedule schedule, Inner inner = {}, const options& named = {})
        : network_(context, file, std::move(schedule), std::move(inner), named),
          vjp_(product<vjp_type>(context, file, named, "cotangent", ".vjp", {"of_xbar", "of_x_t"})),
          jvp_(product<jvp_type>(context, file, named, "tangent", ".jvp", {""})) {
        Batch memory(context, 1, 1), x_t(context, dimension(), 4), of_x_t(context, dimension(), 4);
        draw_normal(philox{1}.stream(purpose::user), x_t.mutable_view());
        const condition_type c = vjp_.example(memory);
        workspace space = make_workspace(context, 1);
        const auto at = [&](const_view xbar) { return arguments{xbar, x_t, 0.5, 0.3, 0.7}; };
        detail::require_products<Batch>(
            file.string(), context, dimension(), detail::product_rounding(named.bf16),
            [&](const_view xbar, view out) { (*this)(at(xbar), c, space, out); },
            [&](const_view xbar, const_view v, view out) { jvp(at(xbar), c, v, space, out); },
            [&](const_view xbar, const_view w, view out) { vjp(at(xbar), c, w, space, out, of_x_t); });
    }

    [[nodiscard]] index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return network_.schedule(); }
    [[nodiscard]] const Inner& inner_schedule() const { return network_.inner_schedule(); }
    [[nodiscard]] workspace make_workspace(const context_type& context, index_t columns) const {
        return {network_.make_workspace(context, columns), vjp_.make_workspace(), jvp_.make_workspace()};
    }
    /// Writes v, as openvino_diamond_network does.
    void operator()(const arguments& at, const condition_type& c, workspace& space, view out) const {
        network_(at, c, space.network, out);
    }
    /// Writes cotangent^T dv/dxbar and cotangent^T dv/dx_t, d x N each; neither may overlap what is read.
    void vjp(const arguments& at, const condition_type& c, const_view cotangent, workspace& space,
             view out_xbar, view out_x_t) const {
        vjp_("differentiable_openvino_diamond_network::vjp", {at.xbar, at.x_t, cotangent}, {at.t, at.s, at.r},
             c, space.vjp, {out_xbar, out_x_t});
    }
    /// Writes out = dv/dxbar tangent, d x N; it must not overlap what is read.
    void jvp(const arguments& at, const condition_type& c, const_view tangent, workspace& space,
             view out) const {
        jvp_("differentiable_openvino_diamond_network::jvp", {at.xbar, at.x_t, tangent}, {at.t, at.s, at.r},
             c, space.jvp, {out});
    }

private:
    template <class Graph>
    Graph product(const context_type& context, const std::filesystem::path& file, const options& named,
                  const char* direction, const char* suffix, decltype(Graph::names::outputs) outputs) const {
        Graph graph(detail::sibling_of(file, suffix),
                    {.states = {named.xbar, named.x_t, direction},
                     .times = {named.t, named.s, named.r},
                     .outputs = std::move(outputs),
                     .condition = named.condition},
                    {.threads = static_cast<index_t>(context.concurrency()), .bf16 = named.bf16});
        detail::require_sibling(graph.name(), graph.dimension(), dimension());
        return graph;
    }

    network_type network_;
    vjp_type vjp_;
    jvp_type jvp_;
};

} // namespace diamond
