// Diamond networks of graphs of layers through files: exact round trips of all that a network is, trainings
// that go on from theirs, and refusals of a file that means something else.
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/training_checkpoint.hpp>
#include <diamond/nn/dit.hpp>
#include <diamond/nn/unet.hpp>
#include <diamond/train/diamond_trainer.hpp>

#include "scratch.hpp"

namespace io_graph_network_test {

namespace io = diamond::io;
using diamond::convolution, diamond::feature_shape, diamond::gaussian_frame, diamond::index_t,
    diamond::input_rows, diamond::layer_graph, diamond::layer_list, diamond::linear_schedule,
    diamond::no_head, diamond::preconditioned_network, diamond::variance_preserving_schedule,
    diamond_test::reason;

namespace {

using batch = diamond::eigen::batch<float>;
using wide_batch = diamond::eigen::batch<double>;
template <class Batch, class Schedule = linear_schedule, class Head = no_head>
using network = preconditioned_network<layer_graph<Batch>, Schedule, Head>;

constexpr index_t d = 6; // images of 1 x 2 x 3

/// Both states as pixels, the times as an embedding, which has no say, and the output.
layer_list<> layers(index_t rows, index_t extra) {
    layer_list<> list;
    const auto xbar = list.add(input_rows{.first = 0, .shape = {2, 2, 3}});
    const auto times = list.add(input_rows{.first = 2 * d, .shape = {rows - 2 * d, 1, 1}});
    const auto a = list.add(convolution{.outputs = 3}, xbar);
    const auto b = list.add(diamond::activation_layer{}, a);
    const auto c = list.add(convolution{.outputs = 1}, b);
    list.outputs = {c};
    if (extra > 0)
        list.outputs.push_back(list.add(convolution{.outputs = extra, .kernel = 1, .padding = 0}, times));
    return list;
}
template <class Batch, class Schedule, class Head>
network<Batch, Schedule, Head> make(const diamond::eigen::context& context, Schedule schedule, Head head,
                                    index_t classes = 0, bool vectors = false) {
    const index_t rows = diamond::network_rows{d, classes, vectors ? 2 : 0}.total();
    std::optional<gaussian_frame<Batch>> of_vectors;
    if (vectors) of_vectors = gaussian_frame<Batch>(context, {{0.5, -1.0}, {2.0, 0.1}, {}});
    return {std::move(schedule),
            gaussian_frame<Batch>(context, {{0.1, -0.2, 0, 1, 2, 3}, {1.5, 0.3, 1, 1, 0.2, 2}, {}}),
            of_vectors,
            classes,
            layer_graph<Batch>(rows, layers(rows, Head::rows)),
            head};
}
template <class Network>
diamond::trained_network<Network> trained(const diamond::eigen::context& context, Network of) {
    typename Network::batch_type theta(context, of.parameters(), 1);
    diamond::draw_normal(diamond::philox{4}.stream(diamond::purpose::user), theta.mutable_view());
    return {std::move(of), std::move(theta)};
}
template <class Network>
auto values_of(const Network& of, const diamond::eigen::context& context,
               typename Network::condition_type given = {}) {
    using Batch = typename Network::batch_type;
    const index_t n = 5, rows = of.dimension();
    Batch x(context, rows, n), y(context, rows, n), out(context, rows, n);
    diamond::draw_normal(diamond::philox{5}.stream(diamond::purpose::user), x.mutable_view());
    diamond::draw_normal(diamond::philox{6}.stream(diamond::purpose::user), y.mutable_view());
    auto space = of.make_workspace(context, n);
    of({x.read(), y.read(), diamond::time_view(0.3), diamond::time_view(0.2), diamond::time_view(0.9)}, given,
       space, out.mutable_view());
    return diamond::to_host(out);
}
const diamond::eigen::context& one_thread() {
    static const diamond::eigen::context context{.threads = 1};
    return context;
}
io::tensor_file written(index_t classes = 3) {
    const diamond_test::scratch folder;
    io::save_network(folder / "network",
                     trained(one_thread(), make<batch>(one_thread(), linear_schedule{}, no_head{}, classes)));
    return io::read_safetensors(folder / "network");
}
template <class Change>
doctest::String refused(const Change& change) {
    auto file = written();
    file.metadata.erase(io::checksum_key);
    change(file);
    const auto why = reason([&] { static_cast<void>(io::graph_network_from<batch>(one_thread(), file)); });
    const diamond_test::scratch folder;
    io::write_safetensors(folder / "network", file);
    CHECK(why == reason([&] {
              static_cast<void>(io::load_graph_network<batch>(one_thread(), folder / "network"));
          }));
    return why;
}

} // namespace

TEST_CASE("a network of a graph comes back bit for bit, with schedule, frames and classes") {
    const diamond_test::scratch folder;
    const auto& context = one_thread();
    const auto check = [&]<class Batch, class Schedule>(Batch, Schedule schedule) {
        const auto original = trained(context, make<Batch>(context, schedule, no_head{}, 3, true));
        io::save_network(folder / "network", original, {{"note", "from a test"}});
        const auto back = io::load_graph_network<Batch, Schedule>(context, folder / "network", schedule);
        const auto& net = back.architecture();
        CHECK(diamond::to_host(back.parameters()) == diamond::to_host(original.parameters()));
        CHECK(net.classes() == 3);
        CHECK(net.vector_size() == 2);
        CHECK(net.vector_frame()->numbers().mean == std::vector{0.5, -1.0});
        CHECK(net.frame().numbers().variance == original.architecture().frame().numbers().variance);
        const auto vectors = diamond::from_host<typename Batch::value_type>(context, 2, 5,
                                                                            {1, 2, 0, 1, -1, 0, 3, 1, 2, 2});
        const typename diamond::trained_network<network<Batch, Schedule>>::condition_type given{
            diamond::labels(1), diamond::condition_vectors<Batch>(vectors.read())};
        CHECK(values_of(back, context, given) == values_of(original, context, given));
        const auto file = io::read_safetensors(folder / "network");
        CHECK(file.metadata.at("architecture") == "layer_graph");
        CHECK(file.metadata.at("format") == "diamond_network");
        CHECK(file.metadata.at("note") == "from a test");
        CHECK(!file.metadata.contains("width"));
    };
    check(batch(), linear_schedule{});
    check(wide_batch(), variance_preserving_schedule{});
    check(batch(), diamond::cosine_schedule{0.1});
}

TEST_CASE("half of float's bytes keep a network of a graph to their rounding") {
    const diamond_test::scratch folder;
    const auto original = trained(one_thread(), make<batch>(one_thread(), linear_schedule{}, no_head{}));
    const auto exact = values_of(original, one_thread());
    for (const auto& [as, error] : {std::pair{io::precision::f16, 2e-2f}, {io::precision::bf16, 0.2f}}) {
        io::save_network(folder / "network", original, {}, as);
        const auto found = values_of(io::load_graph_network<batch>(one_thread(), folder / "network"),
                                     one_thread());
        CHECK(found != exact);
        for (std::size_t i = 0; i < exact.size(); ++i) CHECK(std::abs(found[i] - exact[i]) < error);
    }
}

TEST_CASE(
    "U-Nets and transformers, which derive from a network of a graph, are written as such, with a basis") {
    const diamond_test::scratch folder;
    std::vector<double> basis(16); // turns the first two of four directions
    for (std::size_t i = 0; i < 4; ++i) basis[5 * i] = 1.0;
    basis[0] = basis[5] = 0.6, basis[1] = 0.8, basis[4] = -0.8;
    const gaussian_frame<batch> frame(one_thread(), {{0, 1, 2, 3}, {0.5, 1, 2, 4}, basis});
    const auto check = [&](const auto& of) {
        const auto original = trained(one_thread(), of);
        io::save_network(folder / "network", original);
        const auto back = io::load_graph_network<batch>(one_thread(), folder / "network");
        CHECK(back.architecture().frame().has_basis());
        CHECK(values_of(back, one_thread()) == values_of(original, one_thread()));
    };
    check(diamond::diamond_unet<batch, linear_schedule>({}, frame,
                                                        {.shape = {1, 2, 2},
                                                         .width = 4,
                                                         .multipliers = {1, 2},
                                                         .attention = {1},
                                                         .heads = 2,
                                                         .groups = 2,
                                                         .embedding = 6}));
    check(diamond::diamond_dit<batch, linear_schedule>(
        {}, frame, {.shape = {1, 2, 2}, .patch = 1, .width = 8, .blocks = 1, .heads = 2}));
}

TEST_CASE("a flow map with divergence of a graph comes back bit for bit") {
    const diamond_test::scratch folder;
    const auto& context = one_thread();
    const diamond::divergence_head head{.divisor = 0.1 + 0.2, .resolution = 1.0 / 3.0, .sign = -1.0};
    const io::graph_flow_map<batch> original(trained(context, make<batch>(context, linear_schedule{}, head)),
                                             {.base_deviation = 1.7});
    io::save_flow_map(folder / "map", original);
    const auto back = io::load_graph_flow_map<batch>(context, folder / "map");
    CHECK(back.base_deviation() == 1.7);
    CHECK(back.network().architecture().head().divisor == 0.1 + 0.2);
    CHECK(back.network().architecture().head().sign == -1.0);
    const auto values = [&](io::graph_flow_map<batch> of) {
        batch x(context, d, 5), out(context, d, 5);
        std::vector<double> m(5);
        diamond::draw_normal(diamond::philox{5}.stream(diamond::purpose::user), x.mutable_view());
        of(x.read(), {0.9, 0.2}, {}, out.mutable_view(), diamond::row(context, 5, m.data()));
        return std::pair{diamond::to_host(out), m};
    };
    CHECK(values(back) == values(original));
    CHECK(reason([&] { static_cast<void>(io::load_graph_network<batch>(context, folder / "map")); }) ==
          "the metadata say format 'joint_network', and 'diamond_network' is expected");
    CHECK(reason([&] { static_cast<void>(io::load_flow_map<batch>(context, folder / "map")); }) ==
          "the metadata say architecture 'layer_graph', and 'residual_mlp' is expected");
    auto file = io::read_safetensors(folder / "map");
    file.metadata.erase("divergence_divisor");
    CHECK(reason([&] { static_cast<void>(io::graph_flow_map_from<batch>(context, file)); }) ==
          "the metadata do not say 'divergence_divisor'");
}

TEST_CASE("a training of a graph goes on from its file as if it had never stopped") {
    const diamond_test::scratch folder;
    const diamond::eigen::context context{.threads = 2};
    batch points(context, d, 8);
    diamond::draw_normal(diamond::philox{7}.stream(diamond::purpose::user), points.mutable_view());
    const diamond::training_set<batch> data(std::move(points), 0.3);
    const auto net = make<batch>(context, linear_schedule{}, no_head{});
    diamond::diamond_trainer trainer(net, data, diamond::philox{1}, {.steps = 6, .batch = 16});
    auto whole = trainer.start();
    trainer.run(whole);
    auto state = trainer.start();
    trainer.run(state, [](const auto& report) { return report.step < 2; });
    io::save_training(folder / "training", state, "a test");
    auto resumed = io::load_training<batch>(context, folder / "training", "a test", net.parameters());
    CHECK(resumed.step == 3);
    trainer.run(resumed);
    CHECK(diamond::to_host(resumed.theta) == diamond::to_host(whole.theta));
    const diamond::trained_network result{net, trainer.averaged(resumed)};
    io::save_network(folder / "network", result);
    CHECK(values_of(io::load_graph_network<batch>(context, folder / "network"), context) ==
          values_of(result, context));
}

TEST_CASE("a network of a graph that means something else is refused") {
    CHECK(refused([](auto&) {}) == "nothing thrown");
    for (const char* key :
         {"format", "version", "schedule", "inner_schedule", "parametrisation", "time_direction",
          "preconditioning", "architecture", "time_frequencies", "classes"}) {
        CHECK(refused([&](auto& file) { file.metadata.erase(key); }) ==
              ("the metadata do not say '" + std::string(key) + "'").c_str());
        CHECK(refused([&](auto& file) { file.metadata[key] = "9x"; }) != "nothing thrown");
    }
    CHECK(refused([](auto& file) { file.metadata["schedule"] = "trigonometric"; }) ==
          "the metadata say schedule 'trigonometric', and 'linear' is expected");
    CHECK(refused([](auto& file) { file.metadata["architecture"] = "residual_mlp"; }) ==
          "the metadata say architecture 'residual_mlp', and 'layer_graph' is expected");
    CHECK(refused([](auto& file) { file.metadata.erase("graph"); }) ==
          "the metadata's graph: the metadata do not say 'graph'");
    CHECK(refused([](auto& file) { file.metadata["classes"] = "2"; }) ==
          doctest::Contains("a network of dimension 6, 2 classes and vectors of 0 numbers has layers from"));
    CHECK(refused([](auto& file) { file.tensors.erase("frame.variance"); }) ==
          doctest::Contains("no tensor 'frame.variance'"));
    CHECK(refused([](auto& file) { file.tensors.erase("nodes.2.bias"); }) ==
          doctest::Contains("no tensor 'nodes.2.bias'"));
    CHECK(refused([](auto& file) { file.tensors["nodes.7.bias"] = file.tensors["nodes.2.bias"]; }) ==
          "7 tensors found, and the metadata account for 6");
    CHECK(refused([](auto& file) {
              file.tensors["nodes.2.bias"] = io::make_tensor({3}, std::vector<float>{0, 0, INFINITY});
          }) == "number 2 of tensor 'nodes.2.bias' is inf");
    CHECK(refused([](auto& file) {
              auto& text = file.metadata["graph"];
              text.replace(text.find("\"activation\""), 12, "\"gating\"");
          }) == doctest::Contains("node 3: there is no layer \"gating\""));
}

} // namespace io_graph_network_test
