/// An ONNX file as a velocity field u(x, t | c), evaluated by OpenVINO.
///
/// A file that predicts the denoiser, the noise or the score becomes one as any other network does:
/// denoiser_network{schedule, openvino_network<batch>{context, file}} (schedule/readings.hpp).
///
/// The file has inputs x, (N, d) or (N, ...) of d numbers in all, and t, of shape () or (1) for one time and
/// (N) or (N, 1) for one a column; perhaps a condition, labels as integers (N) or (N, 1), or vectors (N,
/// d_c); and an output shaped as x. Times are rounded to float, as all that OpenVINO computes. N must be
/// dynamic, or such that OpenVINO can make it so. The numbers of a batch are handed over where they are,
/// without a copy.
///
/// Products with the Jacobian come from files beside it, NAME.vjp.onnx and NAME.jvp.onnx, which have the
/// inputs of NAME.onnx and one more, shaped as x: `cotangent` and `tangent`. Their only outputs are
/// cotangent^T du/dx and du/dx tangent. examples/from_elsewhere/export.py writes all three.
#pragma once

#include <filesystem>
#include <string>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/openvino/condition.hpp>
#include <diamond/openvino/graph.hpp>
#include <diamond/openvino/products.hpp>

namespace diamond {

/// Names what a velocity network's file has, and how it is computed.
template <class Condition = no_condition>
struct openvino_options {
    std::string x = "x"; ///< The input of states.
    std::string t = "t"; ///< The input of times.
    /// The input of conditions: openvino_labels, openvino_vectors or openvino_labels_and_vectors; empty for
    /// no_condition.
    typename detail::openvino_condition<Condition>::options condition = {};
    std::string output = ""; ///< The output; where it is empty the file's only one.
    /// Computes in bfloat16 where the processor can, with errors of some 1e-2; by default in float.
    bool bf16 = false;
};

namespace detail {
/// The file beside another one that has a product with its Jacobian: NAME.vjp.onnx for NAME.onnx.
[[nodiscard]] inline std::filesystem::path sibling_of(std::filesystem::path file, const char* product) {
    return file.replace_extension(product + file.extension().string());
}
/// @throws std::invalid_argument with both numbers unless the product's file is of the network's dimension.
inline void require_sibling(const std::string& file, index_t dimension, index_t of_network) {
    require(dimension == of_network, [&] {
        return file + ": a product with the Jacobian in dimension " + digits_of(dimension) +
               ", where the network beside it has " + digits_of(of_network);
    });
}
} // namespace detail

/// The velocity field that an ONNX file computes. It computes on as many threads as the context had that it
/// was made with; the context's own wait meanwhile. Copies share the compiled graph. Calls of several threads
/// through one network are right, and wait for each other. Cost: one evaluation a column.
template <class Batch, class Condition = no_condition>
class openvino_network {
    using graph_type = detail::openvino_graph<Batch, Condition, 1, 1, 1>;

public:
    using batch_type = Batch;
    using condition_type = Condition;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using options = openvino_options<Condition>; ///< Names what the file has.
    /// What a call works in: a request of the engine, and the times and conditions as the file reads them.
    using workspace = typename graph_type::workspace;

    /// @throws std::invalid_argument, with the file's own inputs and outputs, where it is no ONNX file, or
    /// names, types or shapes are not those that the head of openvino/network.hpp says.
    openvino_network(const context_type& context, const std::filesystem::path& file,
                     const options& named = {})
        : graph_(file,
                 {.states = {named.x},
                  .times = {named.t},
                  .outputs = {named.output},
                  .condition = named.condition},
                 {.threads = static_cast<index_t>(context.concurrency()), .bf16 = named.bf16}) {}

    [[nodiscard]] index_t dimension() const { return graph_.dimension(); }
    [[nodiscard]] workspace make_workspace(const context_type&, index_t) const {
        return graph_.make_workspace();
    }
    /// Writes out = u(x, t), d x N; out must not overlap x. A file that takes one time for all columns is
    /// evaluated once for each run of columns with equal times. @throws std::invalid_argument where shapes
    /// differ or the condition is none that the file takes; std::runtime_error where OpenVINO fails.
    void operator()(const_view x, time_view t, const condition_type& c, workspace& space, view out) const {
        graph_("openvino_network", {x}, {t}, c, space, {out});
    }

private:
    graph_type graph_;
};

/// The velocity field of an ONNX file with products with its Jacobian, from the files beside it. Cost of a
/// product: one vjp or jvp a column.
template <class Batch, class Condition = no_condition>
class differentiable_openvino_network {
    using network_type = openvino_network<Batch, Condition>;
    using product_type = detail::openvino_graph<Batch, Condition, 2, 1, 1>;

public:
    using batch_type = Batch;
    using condition_type = Condition;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using options = openvino_options<Condition>; ///< Names what the file has.
    /// What calls and products work in.
    struct workspace {
        typename network_type::workspace network; ///< That of u.
        typename product_type::workspace vjp;     ///< That of the vector-Jacobian product.
        typename product_type::workspace jvp;     ///< That of the Jacobian-vector product.
    };

    /// Reads NAME.onnx, NAME.vjp.onnx and NAME.jvp.onnx, of which the first is named. @throws
    /// std::invalid_argument, with the inputs and outputs of the file that it is about, where one of them is
    /// missing or does not fit, or where the products are not those of the network (openvino/products.hpp).
    differentiable_openvino_network(const context_type& context, const std::filesystem::path& file,
                                    const options& named = {})
        : network_(context, file, named),
          vjp_(product(context, file, named, "cotangent", ".vjp")),
          jvp_(product(context, file, named, "tangent", ".jvp")) {
        Batch memory(context, 1, 1);
        const condition_type c = vjp_.example(memory);
        workspace space = make_workspace(context, 1);
        detail::require_products<Batch>(
            file.string(), context, dimension(), detail::product_rounding(named.bf16),
            [&](const_view x, view out) { (*this)(x, 0.5, c, space, out); },
            [&](const_view x, const_view v, view out) { jvp(x, 0.5, c, v, space, out); },
            [&](const_view x, const_view w, view out) { vjp(x, 0.5, c, w, space, out); });
    }

    [[nodiscard]] index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] workspace make_workspace(const context_type& context, index_t columns) const {
        return {network_.make_workspace(context, columns), vjp_.make_workspace(), jvp_.make_workspace()};
    }
    /// Writes out = u(x, t), as openvino_network does.
    void operator()(const_view x, time_view t, const condition_type& c, workspace& space, view out) const {
        network_(x, t, c, space.network, out);
    }
    /// Writes out = cotangent^T du/dx, d x N; out must overlap neither x nor cotangent.
    void vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace& space,
             view out) const {
        vjp_("differentiable_openvino_network::vjp", {x, cotangent}, {t}, c, space.vjp, {out});
    }
    /// Writes out = du/dx tangent, d x N; out must overlap neither x nor tangent.
    void jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace& space,
             view out) const {
        jvp_("differentiable_openvino_network::jvp", {x, tangent}, {t}, c, space.jvp, {out});
    }

private:
    product_type product(const context_type& context, const std::filesystem::path& file, const options& named,
                         const char* direction, const char* suffix) const {
        product_type graph(detail::sibling_of(file, suffix),
                           {.states = {named.x, direction},
                            .times = {named.t},
                            .outputs = {""},
                            .condition = named.condition},
                           {.threads = static_cast<index_t>(context.concurrency()), .bf16 = named.bf16});
        detail::require_sibling(graph.name(), graph.dimension(), dimension());
        return graph;
    }

    network_type network_;
    product_type vjp_, jvp_;
};

} // namespace diamond
