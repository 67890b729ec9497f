// A file whose metadata say any graph of layers: it loads, is written again as it was, and works, or is a
// file_error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/layer_graph.hpp>

#include "draws.hpp"

using namespace diamond;

namespace {

using batch = eigen::batch<float>;
using layers = any_layer<>;

/// Draws a field, mostly in range.
struct draw_field {
    diamond_fuzz::draws& in;
    template <class Field>
    void operator()(const char*, Field& field) const {
        if constexpr (std::is_same_v<Field, bool>)
            field = in.boolean();
        else if constexpr (std::is_enum_v<Field>)
            field = io::file_names<Field>::table[in.integer<std::size_t>(
                                                     0, io::file_names<Field>::table.size() - 1)]
                        .first;
        else if constexpr (std::is_integral_v<Field>)
            field = static_cast<Field>(in.integer(0, 15) == 0
                                           ? in.integer<index_t>(-io::max_graph_number, io::max_graph_number)
                                           : in.integer<index_t>(0, 6));
        else
            field = static_cast<Field>(in.boolean() ? 1e-5 : in.number(-1, 1));
    }
};
template <std::size_t... Kinds>
layers any_kind(std::size_t kind, std::index_sequence<Kinds...>) {
    layers result;
    static_cast<void>(((kind == Kinds && (result.emplace<Kinds>(), true)) || ...));
    return result;
}
/// Returns the text of a graph of drawn layers, which need not fit.
std::string any_graph(diamond_fuzz::draws& in) {
    constexpr std::size_t kinds = std::variant_size_v<layers>;
    nlohmann::ordered_json root, nodes = nlohmann::ordered_json::array();
    root["inputs"] = in.integer<index_t>(0, 40);
    for (int left = in.integer(0, 8), k = 0; k < left; ++k) {
        auto layer = k == 0
                       ? layers{}
                       : any_kind(in.integer<std::size_t>(0, kinds - 1), std::make_index_sequence<kinds>{});
        nlohmann::ordered_json fields = nlohmann::ordered_json::object(), node;
        std::visit(
            [&]<class Layer>(Layer& of) {
                of.fields(draw_field{in});
                of.fields(io::detail::field_writer{.layer = Layer::name, .to = fields});
                node["layer"] = std::string(Layer::name);
            },
            layer);
        node["fields"] = fields;
        node["from"] = nlohmann::ordered_json::array();
        for (int from = k == 0 ? 0 : in.integer(0, 3); from > 0; --from)
            node["from"].push_back(in.integer(0, std::max(0, k - 1)));
        nodes.push_back(node);
    }
    root["outputs"] = {in.integer<std::size_t>(0, nodes.size())};
    root["nodes"] = std::move(nodes);
    return root.dump();
}
/// Runs all passes.
void run(const eigen::context& context, const io::stored_graph<batch>& of) {
    const index_t n = 3;
    batch x(context, of.graph.inputs(), n), x_dot(context, of.graph.inputs(), n),
        y(context, of.graph.outputs(), n), y_dot(context, of.graph.outputs(), n),
        gradient(context, of.graph.parameters(), 1);
    for (batch* const each : {&x, &x_dot, &y, &y_dot})
        for (index_t i = 0; i < each->size(); ++i) each->data()[i] = 0.1f;
    for (index_t i = 0; i < gradient.size(); ++i) gradient.data()[i] = 0.0f;
    layer_graph<batch>::workspace space;
    of.graph.record(context, of.theta.data(), {x.data(), x_dot.data()}, n, {y.data(), y_dot.data()}, space);
    of.graph.backward(context, of.theta.data(), space, {y.data(), y_dot.data()}, {x.data(), x_dot.data()},
                      gradient.data());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const eigen::context context{.threads = 1};
    io::tensor_file file;
    file.metadata = {{"format", "layer_graph"}, {"version", "1.0"}};
    if (size > 0 && data[0] == '{') { // a text
        file.metadata["graph"] = std::string(reinterpret_cast<const char*>(data), size);
    } else {
        diamond_fuzz::draws in(data, size);
        file.metadata["graph"] = any_graph(in);
        if (in.integer(0, 7) == 0) file.metadata["graph"][in.integer<std::size_t>(0, 20)] = '9';
    }
    constexpr index_t most = 1 << 14;
    try {
        const auto graph = io::detail::described_graph<batch>(file);
        if (graph.parameters() > most || graph.inputs() > most || graph.recorded_rows() > most) {
            static_cast<void>(io::graph_from<batch>(context, file)); // its tensors are missing
            return 0;
        }
        batch theta(context, graph.parameters(), 1);
        for (index_t i = 0; i < theta.size(); ++i) theta.data()[i] = static_cast<float>(i % 7) / 4.0f - 0.7f;
        io::tensor_file again;
        again.metadata = {{"format", "layer_graph"}, {"version", "1.0"}};
        io::detail::put_graph(again, graph, theta, io::precision::own);
        const auto read = io::graph_from<batch>(context, again);
        if (to_host(read.theta) != to_host(theta)) std::abort();
        if (io::detail::graph_text(read.graph) != again.metadata.at("graph")) std::abort();
        run(context, read);
    } catch (const io::file_error&) { // what is refused is refused
    }
    return 0;
}
