// Graphs of layers through files: exact round trips with a user's own layers, in every precision, and
// refusals of whatever a damaged or a foreign file may hold.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/layer_graph.hpp>

#include "scratch.hpp"

namespace io_layer_graph_test {

namespace io = diamond::io;
using diamond::activation, diamond::convolution, diamond::feature_shape, diamond::index_t,
    diamond::input_rows, diamond::layer_graph, diamond::layer_list, diamond::layer_tensor,
    diamond_test::message, diamond_test::reason;
using span_of_shapes = std::span<const feature_shape>;

enum class edge { zeros, repeated };
enum class tensor_fault { none, twice, beyond, gap };

/// A layer that has a field of every kind, and a tensor of three axes whose places are its own.
struct own_layer {
    static constexpr std::string_view name = "own";
    index_t width = 2;
    int shift = -3;
    std::uint8_t small = 7;
    double rate = 0.1;
    float factor = 0.2f;
    bool centred = true;
    edge at_edge = edge::zeros;
    activation kind = activation::tanh;
    diamond::normalisation norm = diamond::normalisation::none;
    tensor_fault fault = tensor_fault::none; // of no file

    template <class Visit>
    void fields(const Visit& visit) {
        visit("width", width);
        visit("shift", shift);
        visit("small", small);
        visit("rate", rate);
        visit("factor", factor);
        visit("centred", centred);
        visit("at_edge", at_edge);
        visit("kind", kind);
        visit("norm", norm);
    }
    feature_shape output(span_of_shapes from) const {
        diamond::require_inputs(name, from, 1);
        diamond::require(width > 0, "an own layer of no width");
        return from[0];
    }
    std::vector<layer_tensor> tensors(span_of_shapes from) const {
        const index_t C = from[0].channels;
        std::vector<layer_tensor> result{
            {.name = "taps", .shape = {C, 3, width}, .strides = {width, width * C, 1}, .deviation = 1.0},
            {.name = "gain", .shape = {C}, .strides = {-1}, .offset = 3 * C * width + C - 1, .mean = 1.0}};
        if (fault == tensor_fault::twice) result[1].name = "taps";
        if (fault == tensor_fault::beyond) result[1].offset += 1;
        if (fault == tensor_fault::gap) result[1].strides = {0};
        return result;
    }
    index_t scratch(span_of_shapes, index_t, index_t) const { return 0; }
    template <class Visit>
    void products(span_of_shapes, index_t, index_t, index_t, const Visit&) const {}
};

/// Its tensors leave parameters out.
struct gapped_layer : own_layer {
    gapped_layer() { fault = tensor_fault::gap; }
};

} // namespace io_layer_graph_test

template <>
struct diamond::io::file_names<io_layer_graph_test::edge> {
    static constexpr std::array<std::pair<io_layer_graph_test::edge, const char*>, 2> table{
        {{io_layer_graph_test::edge::zeros, "zeros"}, {io_layer_graph_test::edge::repeated, "repeated"}}};
};

namespace io_layer_graph_test {

namespace {

using batch = diamond::eigen::batch<float>;
using wide_batch = diamond::eigen::batch<double>;

template <class... Own>
layer_list<Own...> body(own_layer own) {
    layer_list<Own...> list;
    const auto x = list.add(input_rows{.first = 1, .shape = {2, 5, 4}});
    const auto a = list.add(convolution{.outputs = 3}, x);
    const auto b = list.add(diamond::activation_layer{.kind = activation::gelu}, a);
    auto c = list.add(convolution{.outputs = 3, .kernel = 1, .padding = 0}, b);
    if constexpr (sizeof...(Own) > 0) c = list.add(own, c);
    list.outputs = {list.add(diamond::sum_layer{}, c, b), a};
    return list;
}
layer_graph<batch> plain() { return {42, body<>({})}; }
template <class Batch>
Batch numbers_for(const diamond::eigen::context& context, index_t count) {
    Batch theta(context, count, 1);
    diamond::draw_normal(diamond::philox{4}.stream(diamond::purpose::user), theta.mutable_view());
    return theta;
}
/// The values of a graph at some columns.
template <class Graph, class Batch>
auto values_of(const diamond::eigen::context& context, const Graph& graph, const Batch& theta) {
    const index_t n = 5;
    Batch x(context, graph.inputs(), n), y(context, graph.outputs(), n);
    diamond::draw_normal(diamond::philox{5}.stream(diamond::purpose::user), x.mutable_view());
    typename Graph::workspace space;
    graph.forward(context, theta.data(), {x.data()}, n, {y.data()}, space);
    return diamond::to_host(y);
}
const diamond::eigen::context& one_thread() {
    static const diamond::eigen::context context{.threads = 1};
    return context;
}
io::tensor_file written(const own_layer& own = {}) {
    const layer_graph<batch, own_layer> graph(42, body<own_layer>(own));
    const diamond_test::scratch folder;
    io::save_graph(folder / "graph", graph, numbers_for<batch>(one_thread(), graph.parameters()));
    return io::read_safetensors(folder / "graph");
}
/// The reason for which a file is refused after a change, whole in memory and, before its data are read, on
/// disk.
template <class Change>
doctest::String refused(const Change& change) {
    auto file = written();
    file.metadata.erase(io::checksum_key);
    change(file);
    const auto why = reason([&] { static_cast<void>(io::graph_from<batch, own_layer>(one_thread(), file)); });
    const diamond_test::scratch folder;
    io::write_safetensors(folder / "graph", file);
    CHECK(why == reason([&] {
              static_cast<void>(io::load_graph<batch, own_layer>(one_thread(), folder / "graph"));
          }));
    return why;
}
/// The reason for which a graph is refused when a piece of its text is another one.
doctest::String refused_text(const std::string& piece, const std::string& other) {
    return refused([&](io::tensor_file& file) {
        auto& text = file.metadata.at("graph");
        const auto at = text.find(piece);
        REQUIRE(at != text.npos);
        text.replace(at, piece.size(), other);
    });
}

} // namespace

TEST_CASE("a graph comes back bit for bit, in float and double") {
    const diamond_test::scratch folder;
    const auto check = [&]<class Batch>(Batch) {
        const layer_graph<Batch> graph(42, body<>({}));
        const auto theta = numbers_for<Batch>(one_thread(), graph.parameters());
        io::save_graph(folder / "graph", graph, theta, {{"note", "from a test"}});
        const auto back = io::load_graph<Batch>(one_thread(), folder / "graph");
        CHECK(diamond::to_host(back.theta) == diamond::to_host(theta));
        CHECK(values_of(one_thread(), back.graph, back.theta) == values_of(one_thread(), graph, theta));
        CHECK(back.graph.output_nodes() == graph.output_nodes());
        CHECK(io::read_safetensors(folder / "graph").metadata.at("note") == "from a test");
        // Written again it is the same file.
        const auto first = diamond_test::contents(folder / "graph");
        io::save_graph(folder / "graph", back.graph, back.theta, {{"note", "from a test"}});
        CHECK(diamond_test::contents(folder / "graph") == first);
    };
    check(batch());
    check(wide_batch());
}

TEST_CASE("tensors have the names and the layout of PyTorch") {
    const diamond_test::scratch folder;
    const auto graph = plain();
    const auto theta = numbers_for<batch>(one_thread(), graph.parameters());
    io::save_graph(folder / "graph", graph, theta);
    const auto file = io::read_safetensors(folder / "graph");
    CHECK(file.tensors.size() == 4);
    const auto& weight = file.require("nodes.1.weight", io::dtype::f32, {3, 2, 3, 3});
    static_cast<void>(file.require("nodes.1.bias", io::dtype::f32, {3}));
    static_cast<void>(file.require("nodes.3.weight", io::dtype::f32, {3, 3, 1, 1}));
    static_cast<void>(file.require("nodes.3.bias", io::dtype::f32, {3}));
    // W(o, c, ky, kx) stands at o + outputs (c + C (kx + kernel ky)).
    for (index_t o = 0, k = 0; o < 3; ++o)
        for (index_t c = 0; c < 2; ++c)
            for (index_t ky = 0; ky < 3; ++ky)
                for (index_t kx = 0; kx < 3; ++kx, ++k)
                    CHECK(weight.values<float>()[static_cast<std::size_t>(k)] ==
                          theta.data()[o + 3 * (c + 2 * (kx + 3 * ky))]);
    CHECK(file.metadata.at("format") == "layer_graph");
    CHECK(file.metadata.at("version") == "1.0");
    CHECK(file.metadata.at("graph") ==
          R"({"inputs":42,"nodes":[)"
          R"({"layer":"input","fields":{"first":1,"channels":2,"height":5,"width":4},"from":[]},)"
          R"({"layer":"convolution","fields":{"outputs":3,"kernel":3,"stride":1,"padding":1},"from":[0]},)"
          R"({"layer":"activation","fields":{"kind":"gelu"},"from":[1]},)"
          R"({"layer":"convolution","fields":{"outputs":3,"kernel":1,"stride":1,"padding":0},"from":[2]},)"
          R"({"layer":"sum","fields":{},"from":[3,2]}],"outputs":[4,1]})");
}

TEST_CASE("halves are the parameters rounded, and come back as such") {
    const diamond_test::scratch folder;
    const auto graph = plain();
    const auto theta = numbers_for<batch>(one_thread(), graph.parameters());
    for (const auto& [as, error] :
         {std::pair{io::precision::f16, 1.0 / 2048}, {io::precision::bf16, 1.0 / 256}}) {
        io::save_graph(folder / "graph", graph, theta, {}, as);
        const auto back = io::load_graph<batch>(one_thread(), folder / "graph");
        const auto exact = diamond::to_host(theta), rounded = diamond::to_host(back.theta);
        CHECK(exact != rounded);
        for (std::size_t i = 0; i < exact.size(); ++i)
            CHECK(std::abs(exact[i] - rounded[i]) <= error * std::abs(exact[i]));
        io::save_graph(folder / "graph", back.graph, back.theta, {}, as); // exactly, by now
        CHECK(diamond::to_host(io::load_graph<batch>(one_thread(), folder / "graph").theta) == rounded);
    }
    auto large = numbers_for<batch>(one_thread(), graph.parameters());
    large.data()[0] = 1e5f;
    CHECK_THROWS_WITH_AS(io::save_graph(folder / "graph", graph, large, {}, io::precision::f16),
                         doctest::Contains("nodes.1.weight"), std::invalid_argument);
}

TEST_CASE("a layer of one's own comes back with all of its fields, and its tensors where they were") {
    const own_layer own{.width = 4,
                        .shift = 5,
                        .small = 200,
                        .rate = 1.0 / 3.0,
                        .factor = 0.7f,
                        .centred = false,
                        .at_edge = edge::repeated,
                        .kind = activation::relu,
                        .norm = diamond::normalisation::rms};
    const auto file = written(own);
    CHECK(file.metadata.at("graph").find(R"({"layer":"own","fields":{"width":4,"shift":5,"small":200,"rate":)"
                                         R"(0.3333333333333333,"factor":0.699999988079071,"centred":false,)"
                                         R"("at_edge":"repeated","kind":"relu","norm":"rms"},"from":[3]})") !=
          std::string::npos);
    const auto back = io::graph_from<batch, own_layer>(one_thread(), file);
    const auto& node = back.graph.nodes()[4];
    const auto& layer = std::get<own_layer>(node.layer);
    CHECK(layer.width == 4);
    CHECK(layer.shift == 5);
    CHECK(layer.small == 200);
    CHECK(layer.rate == 1.0 / 3.0);
    CHECK(layer.factor == 0.7f);
    CHECK(!layer.centred);
    CHECK(layer.at_edge == edge::repeated);
    CHECK(layer.kind == activation::relu);
    CHECK(layer.norm == diamond::normalisation::rms);
    const auto theta = numbers_for<batch>(one_thread(), back.graph.parameters());
    CHECK(diamond::to_host(back.theta) == diamond::to_host(theta));
    const auto taps = file.require("nodes.4.taps", io::dtype::f32, {3, 3, 4}).values<float>(),
               gain = file.require("nodes.4.gain", io::dtype::f32, {3}).values<float>();
    for (index_t c = 0, k = 0; c < 3; ++c)
        for (index_t row = 0; row < 3; ++row)
            for (index_t i = 0; i < 4; ++i, ++k)
                CHECK(taps[static_cast<std::size_t>(k)] == theta.data()[node.offset + i + 4 * (c + 3 * row)]);
    CHECK(gain[0] == theta.data()[node.offset + 38]);
    CHECK(gain[2] == theta.data()[node.offset + 36]);
}

TEST_CASE("what is written would be read") {
    const diamond_test::scratch folder;
    const auto why = [&](own_layer own) {
        return message<std::invalid_argument>([&] {
            const layer_graph<batch, own_layer> graph(42, body<own_layer>(own));
            io::save_graph(folder / "graph", graph, numbers_for<batch>(one_thread(), graph.parameters()));
        });
    };
    CHECK(why({}) == "nothing thrown");
    CHECK(why({.shift = -(1 << 24)}) == "node 4 of a graph: the field 'shift' of a layer 'own' is -16777216: "
                                        "files hold finite numbers, whole "
                                        "ones up to 8388608, and values that have a name");
    CHECK(why({.rate = NAN}) == doctest::Contains("the field 'rate' of a layer 'own' is nan"));
    CHECK(why({.factor = -HUGE_VALF}) == doctest::Contains("the field 'factor' of a layer 'own' is -inf"));
    CHECK(why({.at_edge = static_cast<edge>(2)}) ==
          doctest::Contains("the field 'at_edge' of a layer 'own' is a value without a name"));
    const auto faulty = [&](tensor_fault fault) { return why({.fault = fault}); };
    CHECK(faulty(tensor_fault::twice) == "the tensor 'taps' of a layer 'own': it needs a name of its own, a "
                                         "stride for each axis, extents of 1 or "
                                         "more, and places among the layer's 21 parameters");
    CHECK(faulty(tensor_fault::beyond) == doctest::Contains("the tensor 'gain' of a layer 'own'"));
    CHECK(reason([&] { static_cast<void>(io::graph_from<batch, gapped_layer>(one_thread(), written())); }) ==
          "the tensors of a layer do not hold all of its parameters");
    const auto graph = plain();
    auto theta = numbers_for<batch>(one_thread(), graph.parameters());
    CHECK_THROWS_WITH_AS(io::save_graph(folder / "graph", graph, theta, {{"graph", "a note"}}),
                         "a note 'graph': the name is the format's own", std::invalid_argument);
    theta.data()[7] = NAN;
    CHECK_THROWS_WITH_AS(io::save_graph(folder / "graph", graph, theta),
                         "parameter 7 is nan: what is not finite is not saved", std::invalid_argument);
    CHECK_THROWS_WITH_AS(io::save_graph(folder / "graph", graph, numbers_for<batch>(one_thread(), 5)),
                         "a graph of 69 parameters was given 5", std::invalid_argument);
}

TEST_CASE("a file that is of another format, newer or spoilt is refused") {
    CHECK(refused([](auto&) {}) == "nothing thrown");
    CHECK(refused([](auto& file) { file.metadata.erase("format"); }) == "the metadata do not say 'format'");
    CHECK(refused([](auto& file) { file.metadata["format"] = "diamond_network"; }) ==
          "the metadata say format 'diamond_network', and 'layer_graph' is expected");
    CHECK(refused([](auto& file) { file.metadata["version"] = "2.0"; }) ==
          "written by format version 2.0, and this library reads up to 1.x: a newer diamond is needed");
    CHECK(refused([](auto& file) { file.metadata.erase("graph"); }) ==
          "the metadata's graph: the metadata do not say 'graph'");
    CHECK(refused([](auto& file) { file.metadata["version"] = "1.9"; }) == "nothing thrown");
    auto file = written();
    file.metadata["note"] = "of later";
    const diamond_test::scratch folder;
    io::write_safetensors(folder / "graph", file);
    CHECK(reason([&] {
              static_cast<void>(io::load_graph<batch, own_layer>(one_thread(), folder / "graph"));
          }) == "nothing thrown"); // the checksum is renewed
    auto bytes = diamond_test::contents(folder / "graph");
    bytes[bytes.size() - 1] ^= 1;
    diamond_test::overwrite(folder / "graph", bytes);
    CHECK(reason([&] {
              static_cast<void>(io::load_graph<batch, own_layer>(one_thread(), folder / "graph"));
          }) == doctest::Contains("spoilt, or changed since it was written"));
}

TEST_CASE("a graph whose text is none is refused, with the node") {
    const auto text = [](const char* all) {
        return refused([&](io::tensor_file& file) { file.metadata["graph"] = all; });
    };
    CHECK(text("") == doctest::Contains("the metadata's graph: no valid JSON"));
    CHECK(text("[[[[[[[]]]]]]]") == "the metadata's graph: nested deeper than 5 levels");
    CHECK(text("[1, 2]") ==
          "the metadata's graph: an object of 'inputs', 'nodes', 'outputs' is expected, and "
          "[1,2] found");
    CHECK(text(R"({"inputs":1,"nodes":[],"outputs":[],"more":0})") ==
          doctest::Contains("an object of 'inputs', 'nodes', 'outputs' is expected"));
    CHECK(text(R"({"inputs":1,"inputs":1})") ==
          doctest::Contains("entry 'inputs' stands twice in one object"));
    CHECK(text(R"({"inputs":0,"nodes":[],"outputs":[]})") ==
          "the metadata's graph: 'inputs' is 0: a whole number from 1 to 2147483648 is expected");
    CHECK(text(R"({"inputs":1e300,"nodes":[],"outputs":[]})") == doctest::Contains("'inputs' is 1e+300"));
    CHECK(text(R"({"inputs":18446744073709551615,"nodes":[],"outputs":[]})") ==
          doctest::Contains("'inputs' is 18446744073709551615"));
    CHECK(text(R"({"inputs":1,"nodes":{},"outputs":[]})") ==
          "the metadata's graph: 'nodes' is {}: a list of at most 8192 nodes is expected");
    CHECK(text(R"({"inputs":1,"nodes":[],"outputs":[]})") ==
          doctest::Contains("the metadata's graph: a graph of layers needs an output"));
    CHECK(refused([](io::tensor_file& file) {
              std::string all = R"({"inputs":1,"nodes":[0)";
              for (int i = 0; i < 8192; ++i) all += ",0";
              file.metadata["graph"] = all + R"(],"outputs":[]})";
          }) == doctest::Contains("a list of at most 8192 nodes is expected"));

    CHECK(refused_text(R"("layer":"sum")", R"("layer":"product")") ==
          "the metadata's graph: node 5: there is no layer \"product\": name your own where it is "
          "read, behind all other types");
    CHECK(refused_text(R"("layer":"sum")", R"("layer":3)") ==
          doctest::Contains("node 5: there is no layer 3"));
    CHECK(refused_text(R"("layer":"sum","fields":{})", R"("layer":"sum")") ==
          doctest::Contains("node 5: an object of 'layer', 'fields', 'from' is expected"));
    CHECK(refused_text(R"("layer":"sum","fields":{})", R"("layer":"sum","fields":[])") ==
          "the metadata's graph: node 5: 'fields' is []: an object is expected");
    CHECK(refused_text(R"("from":[4,2])", R"("from":4)") ==
          "the metadata's graph: node 5: 'from' is 4: a list of the places of nodes is expected");
    CHECK(refused_text(R"("from":[4,2])", R"("from":[-4])") ==
          "the metadata's graph: node 5: a place in 'from' is -4: a whole number from 0 to 8192 is expected");
    CHECK(refused_text(R"("from":[4,2])", R"("from":[4,5])") ==
          "the metadata's graph: node 5 of a graph: it is made of node 5, which is not before it");
    CHECK(refused_text(R"("from":[4,2])", R"("from":[4,0])") ==
          doctest::Contains("node 5 of a graph: a sum of feature maps"));
    CHECK(refused_text(R"("outputs":[5)", R"("outputs":[6)") ==
          doctest::Contains("node 6 is an output of a graph of 6 nodes"));
    CHECK(refused_text(R"("outputs":[5)", R"("outputs":[true)") ==
          doctest::Contains("a place in 'outputs' is true"));
}

TEST_CASE("fields that are missing, of another type or out of range are refused") {
    CHECK(refused_text(R"("kernel":3,)", "") ==
          "the metadata's graph: node 1: the field 'kernel' of a layer 'convolution' is missing");
    CHECK(refused_text(R"("kernel":3,)", R"("kernel":3,"dilation":2,)") ==
          "the metadata's graph: node 1: a layer 'convolution' has no field \"dilation\"");
    CHECK(refused_text(R"("kernel":3)", R"("kernel":3.0)") ==
          "the metadata's graph: node 1: the field 'kernel' of a layer 'convolution' is 3.0: a whole number "
          "from "
          "-8388608 to 8388608 is expected");
    for (const char* other : {"\"3\"", "true", "null", "[3]", "8388609", "-8388609", "1e400", "[[3]]"}) {
        CAPTURE(other);
        CHECK(refused_text(R"("kernel":3)", std::string(R"("kernel":)") + other) != "nothing thrown");
    }
    CHECK(refused_text(R"("kernel":3)", R"("kernel":0)") ==
          doctest::Contains("node 1 of a graph: a convolution to 3 channels, of kernel 0"));
    CHECK(refused_text(R"("kind":"gelu")", R"("kind":"softsign")") ==
          doctest::Contains(
              "node 2: the field 'kind' of a layer 'activation' is \"softsign\": one of 'identity', "
              "'silu', 'gelu', 'tanh', 'relu', 'leaky_relu' is expected"));
    CHECK(refused_text(R"("kind":"gelu")", R"("kind":2)") == doctest::Contains("is 2: one of 'identity'"));
    CHECK(refused_text(R"("width":2,"shift")", R"("width":0,"shift")") ==
          doctest::Contains("an own layer of no width"));
    CHECK(refused_text(R"("small":7)", R"("small":256)") ==
          doctest::Contains("is 256: a whole number from 0 to 255 is expected"));
    CHECK(refused_text(R"("small":7)", R"("small":-1)") != "nothing thrown");
    CHECK(refused_text(R"("rate":0.1)", R"("rate":"0.1")") ==
          doctest::Contains("the field 'rate' of a layer 'own' is \"0.1\": a finite number is expected"));
    CHECK(refused_text(R"("rate":0.1)", R"("rate":null)") != "nothing thrown");
    CHECK(refused_text(R"("rate":0.1)", R"("rate":1)") == "nothing thrown"); // a whole number is a number
    CHECK(refused_text(R"("factor":0.2)", R"("factor":4e38,"rest":0.2)") ==
          doctest::Contains("a finite number is expected"));
    CHECK(refused_text(R"("centred":true)", R"("centred":1)") ==
          doctest::Contains("the field 'centred' of a layer 'own' is 1: true or false is expected"));
    CHECK(refused_text(R"("at_edge":"zeros")", R"("at_edge":"mirrored")") ==
          doctest::Contains("one of 'zeros', 'repeated' is expected"));
    // Sizes that no memory holds, and whose products no index counts.
    CHECK(refused_text(R"("channels":2,"height":5,"width":4)",
                       R"("channels":8388608,"height":8388608,"width":8388608)") ==
          "the metadata's graph: node 0 of a graph: a feature map of 8388608 x 8388608 x 8388608: it has 1 "
          "or more of "
          "each, and at most 2147483648 numbers");
    CHECK(refused_text(R"("outputs":3,"kernel":3)", R"("outputs":8388608,"kernel":64)") != "nothing thrown");
    CHECK(refused_text(R"("outputs":3,"kernel":1)", R"("outputs":8388608,"kernel":1)") != "nothing thrown");
}

TEST_CASE("tensors that are missing, superfluous, of another shape or not finite are refused") {
    CHECK(refused([](auto& file) { file.tensors.erase("nodes.3.bias"); }) ==
          doctest::Contains("no tensor 'nodes.3.bias' among 'nodes.1.bias'"));
    CHECK(refused([](auto& file) { file.tensors["nodes.5.bias"] = file.tensors["nodes.3.bias"]; }) ==
          "7 tensors found, and the metadata account for 6");
    CHECK(refused([](auto& file) {
              file.tensors["nodes.1.weight"] = io::make_tensor({3, 3, 2, 3}, std::vector<float>(54));
          }) == "tensor 'nodes.1.weight': F32 of shape (3, 3, 2, 3) found, F32 or F64 of shape (3, 2, 3, 3) "
                "expected");
    CHECK(refused([](auto& file) {
              file.tensors["nodes.3.bias"] = io::make_tensor({3}, std::vector<std::int32_t>(3));
          }) == doctest::Contains("I32 of shape (3,) found"));
    CHECK(refused([](auto& file) {
              file.tensors["nodes.3.bias"] = io::make_tensor({3}, std::vector<float>{0, 1, NAN});
          }) == "number 2 of tensor 'nodes.3.bias' is nan");
    CHECK(refused([](auto& file) { // beyond the range of float
              file.tensors["nodes.3.bias"] = io::make_tensor({3}, std::vector<double>{0, 1e300, 0});
          }) == "number 1 of tensor 'nodes.3.bias' is inf");
}

} // namespace io_layer_graph_test
