// Graphs of layers against PyTorch: a U-Net and a transformer that PyTorch wrote, as a file of this library
// and under PyTorch's own names, have here the outputs that they had there. Files by
// data/make_pytorch_graph.py.
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/layer_graph.hpp>
#include <diamond/io/npy.hpp>

#include "data.hpp"
#include "scratch.hpp"

namespace io_pytorch_graph_test {

namespace io = diamond::io;
using diamond::activation, diamond::activation_layer, diamond::convolution, diamond::group_norm,
    diamond::index_t, diamond::input_rows, diamond::layer_graph, diamond::layer_list, diamond::normalisation,
    diamond::pixel_norm, diamond_test::message, diamond_test::reason;

namespace {

// [builder]
/// Adds layers to a list, and the names of their tensors in the state_dict.
struct builder {
    layer_list<> list = {};
    io::named_tensors names = {};

    template <class Layer>
    index_t named(Layer layer, index_t from, const std::string& name) {
        const index_t place = list.add(layer, from);
        names[place] = {.prefix = name + "."}; // name.weight and name.bias
        return place;
    }
    index_t dense(index_t from, const std::string& name, index_t outputs) { // a Linear
        return named(convolution{.outputs = outputs, .kernel = 1, .padding = 0}, from, name);
    }
    index_t act(index_t from, activation kind = activation::silu) {
        return list.add(activation_layer{.kind = kind}, from);
    }
    /// A residual block, which the embedding e scales and shifts.
    index_t block(index_t x, index_t e, const std::string& name, index_t outputs, bool skip = false) {
        index_t h = act(named(group_norm{.groups = 2}, x, name + ".norm1"));
        h = named(convolution{.outputs = outputs}, h, name + ".conv1");
        const index_t acting = dense(e, name + ".emb", 2 * outputs);
        h = named(group_norm{.groups = 2, .epsilon = 1e-3}, h, name + ".norm2");
        h = act(list.add(diamond::modulation{}, h, acting));
        h = named(convolution{.outputs = outputs}, h, name + ".conv2");
        names[h].names["bias"] = ""; // made with bias=False
        return list.add(diamond::sum_layer{}, skip ? dense(x, name + ".skip", outputs) : x, h);
    }
};
// [/builder]
builder network() {
    builder b;
    auto& list = b.list;
    const auto x = list.add(input_rows{.first = 0, .shape = {2, 8, 8}});
    const auto e = b.act(b.dense(list.add(input_rows{.first = 128, .shape = {5, 1, 1}}), "embed", 6));
    const auto fine = b.block(b.named(convolution{.outputs = 4}, x, "unet.inp"), e, "unet.block1", 4);
    auto coarse = b.named(convolution{.outputs = 6, .stride = 2}, fine, "unet.down");
    coarse = b.block(coarse, e, "unet.block2", 6);
    auto h = b.dense(b.named(pixel_norm{}, coarse, "unet.attention.norm"), "unet.attention.qkv", 18);
    h = b.dense(list.add(diamond::self_attention{.heads = 2}, h), "unet.attention.proj", 6);
    coarse = list.add(diamond::sum_layer{}, coarse, h);
    h = b.named(convolution{.outputs = 4}, list.add(diamond::up_sampling{}, coarse), "unet.up");
    h = b.block(list.add(diamond::concatenation{}, h, fine), e, "unet.block3", 4, true);
    h = b.act(b.named(group_norm{.groups = 2}, h, "unet.norm"));
    const auto image = b.named(convolution{.outputs = 2}, h, "unet.out");
    const auto score = b.dense(list.add(diamond::average_pooling{.size = 0}, h), "unet.score", 1);

    auto t = b.named(convolution{.outputs = 6, .kernel = 2, .stride = 2, .padding = 0}, x, "vit.patch");
    t = list.add(diamond::position_embedding{}, t);
    b.names[t].names["weight"] = "vit.pos";
    const auto ada = b.dense(e, "vit.ada", 36);
    h = list.add(diamond::modulation{}, list.add(pixel_norm{.affine = false}, t), ada);
    // [attention]
    h = list.add(convolution{.outputs = 18, .kernel = 1, .padding = 0}, h);
    b.names[h] = {.prefix = "vit.attn.in_proj_"}; // in_proj_weight and in_proj_bias, of 3 x 6 channels
    h = b.dense(list.add(diamond::self_attention{.heads = 3}, h), "vit.attn.out_proj", 6);
    // [/attention]
    t = list.add(diamond::gated_sum{.first = 12}, t, h, ada);
    h = b.named(pixel_norm{.kind = normalisation::rms, .epsilon = 1e-6}, t, "vit.norm2");
    h = list.add(diamond::modulation{.first = 18}, h, ada);
    h = b.dense(b.act(b.dense(h, "vit.fc1", 12), activation::gelu), "vit.fc2", 6);
    t = list.add(diamond::gated_sum{.first = 30}, t, h, ada);
    const auto patches = list.add(diamond::pixel_shuffle{}, b.dense(t, "vit.out", 8));
    list.outputs = {image, patches, score};
    return b;
}
io::tensor_file state() {
    return io::read_safetensors(diamond_test::data("pytorch_graph_state.safetensors"));
}
const diamond::eigen::context& one_thread() {
    static const diamond::eigen::context context{.threads = 1};
    return context;
}
/// The largest error of the outputs, in units of the largest output.
template <class Batch>
double error_of(const io::stored_graph<Batch>& net) {
    using real = typename Batch::value_type;
    const auto x = io::read_npy<double>(diamond_test::data("pytorch_graph_x.npy")),
               y = io::read_npy<double>(diamond_test::data("pytorch_graph_y.npy"));
    // PyTorch's (n, d) in C order is our d x n.
    REQUIRE(x.data.size() == static_cast<std::size_t>(3 * net.graph.inputs()));
    REQUIRE(y.data.size() == static_cast<std::size_t>(3 * net.graph.outputs()));
    constexpr index_t n = 3;
    const Batch in = diamond::from_host<real>(one_thread(), net.graph.inputs(), n,
                                              std::vector<real>(x.data.begin(), x.data.end()));
    Batch out(one_thread(), net.graph.outputs(), n);
    typename layer_graph<Batch>::workspace space;
    net.graph.forward(one_thread(), net.theta.data(), {in.data()}, n, {out.data()}, space);
    const auto found = diamond::to_host(out);
    double error = 0.0, most = 0.0;
    for (std::size_t k = 0; k < found.size(); ++k) {
        error = std::max(error, std::abs(static_cast<double>(found[k]) - y.data[k]));
        most = std::max(most, std::abs(y.data[k]));
    }
    return error / most;
}
template <class Batch>
io::stored_graph<Batch> named(const builder& b, const io::tensor_file& file = state(),
                              const std::vector<std::string>& others = {}) {
    // [read]
    constexpr index_t rows = 2 * 8 * 8 + 5; // of the input: an image, and below it five numbers
    auto net = io::layer_graph_from<Batch>(one_thread(), file, rows, b.list, b.names, others);
    // [/read]
    return net;
}
using batch = diamond::eigen::batch<float>;
using wide_batch = diamond::eigen::batch<double>;

} // namespace

TEST_CASE("a U-Net and a transformer of PyTorch have PyTorch's outputs, under PyTorch's names") {
    CHECK(error_of(named<batch>(network())) < 1e-5);
    CHECK(error_of(named<wide_batch>(network())) < 1e-13);
    // What would go wrong is seen.
    const auto wrong = [](const auto& change) {
        auto b = network();
        change(b);
        return error_of(named<wide_batch>(b));
    };
    const auto layer = []<class Layer>(builder& b, Layer, std::size_t which) -> Layer& {
        for (auto& node : b.list.nodes)
            if (auto* const found = std::get_if<Layer>(&node.layer); found && which-- == 0) return *found;
        throw std::out_of_range("no such layer");
    };
    CHECK(wrong([](builder&) {}) < 1e-13);
    CHECK(wrong([&](builder& b) { layer(b, group_norm{}, 1).epsilon = 1e-5; }) > 1e-6);
    CHECK(wrong([&](builder& b) { layer(b, group_norm{}, 0).groups = 1; }) > 1e-3);
    CHECK(wrong([&](builder& b) { layer(b, diamond::self_attention{}, 1).heads = 2; }) > 1e-3);
    CHECK(wrong([&](builder& b) { layer(b, diamond::gated_sum{}, 0).first = 6; }) > 1e-3);
    CHECK(wrong([&](builder& b) { layer(b, activation_layer{}, 0).kind = activation::gelu; }) > 1e-3);
}

TEST_CASE("a file that PyTorch wrote in this library's format is the same graph") {
    const auto path = diamond_test::data("pytorch_graph.safetensors");
    const auto net = io::load_graph<batch>(one_thread(), path);
    CHECK(error_of(net) < 1e-5);
    CHECK(error_of(io::load_graph<wide_batch>(one_thread(), path)) < 1e-13);
    const auto same = named<batch>(network());
    CHECK(diamond::to_host(net.theta) == diamond::to_host(same.theta));
    const diamond_test::scratch folder;
    io::save_graph(folder / "graph", same.graph, same.theta);
    const auto ours = io::read_safetensors(folder / "graph"), theirs = io::read_safetensors(path);
    CHECK(ours.metadata.at("graph") == theirs.metadata.at("graph"));
    CHECK(ours.tensors == theirs.tensors);
}

TEST_CASE("names that are missing, wrong or forgotten are refused") {
    const auto refused = [](const auto& change) {
        auto b = network();
        change(b);
        return reason([&] { static_cast<void>(named<batch>(b)); });
    };
    const auto misused = [](const auto& change) {
        auto b = network();
        change(b);
        return message<std::invalid_argument>([&] { static_cast<void>(named<batch>(b)); });
    };
    CHECK(refused([](builder&) {}) == "nothing thrown");
    CHECK(refused([](builder& b) { b.names[2].prefix = "embedding."; }) ==
          doctest::Contains("no tensor 'embedding.weight' among 'embed.bias', 'embed.weight'"));
    CHECK(refused([](builder& b) { b.names[2].prefix = "vit.ada."; }) ==
          "tensor 'vit.ada.weight': F32 of shape (36, 6) found, F32 of shape (6, 5, 1, 1) expected");
    CHECK(refused([](builder& b) { b.names[2].names["bias"] = ""; }) ==
          "no layer names 'embed.bias': name them, or give what their names begin with as others");
    CHECK(misused([](builder& b) { b.names[2].names["weight"] = ""; }) ==
          "the tensor 'weight' of node 2 of a graph begins as draws, and so must be in the file: give it a "
          "name");
    CHECK(misused([](builder& b) { b.names[2].names["wieght"] = "embed.weight"; }) ==
          "node 2 of a graph has no tensor 'wieght', which is named: it has 'weight', 'bias'");
    CHECK(misused([](builder& b) { b.names.erase(2); }) ==
          "node 2 of a graph has the tensors 'weight', 'bias', and no names for them");
    CHECK(misused([](builder& b) { b.names[3].prefix = "embed."; }) ==
          "node 3 of a graph has no tensors, and names for them");
    CHECK(misused([](builder& b) { b.names[-1].prefix = "embed."; }) ==
          doctest::Contains("names of the tensors of node -1 of a graph of"));
    CHECK(misused([](builder& b) { b.list.outputs.clear(); }) == doctest::Contains("needs an output"));

    auto more = state();
    more.tensors["ema.embed.weight"] = more.tensors["embed.weight"];
    CHECK(reason([&] { static_cast<void>(named<batch>(network(), more)); }) ==
          doctest::Contains("no layer names 'ema.embed.weight'"));
    CHECK(error_of(named<batch>(network(), more, {"ema."})) < 1e-5);
    more.tensors["embed.bias"] = io::make_tensor({6}, std::vector<float>{0, 0, 0, NAN, 0, 0});
    CHECK(reason([&] { static_cast<void>(named<batch>(network(), more, {"ema."})); }) ==
          "number 3 of tensor 'embed.bias' is nan");
    CHECK(reason([&] {
              const auto b = network();
              static_cast<void>(io::read_layer_graph<batch>(one_thread(), diamond_test::data("none"), 133,
                                                            b.list, b.names));
          }) != "nothing thrown");
}

} // namespace io_pytorch_graph_test
