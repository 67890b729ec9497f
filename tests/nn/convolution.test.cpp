/// Convolutions and pointwise layers in graphs: values against plain loops, derivatives against differences,
/// and what every layer must hold on every back end.
#include <limits>
#include <vector>

#include <diamond/nn/layer_graph.hpp>

#include <support/back_ends.hpp>
#include <support/graphs.hpp>
#include <support/numbers.hpp>

namespace nn_convolution_test {

using diamond::convolution, diamond::feature_shape, diamond::index_t, diamond::input_rows,
    diamond::layer_graph, diamond::layer_list, numbers::at;

namespace {

using batch = diamond::eigen::batch<double>;

layer_list<> one(feature_shape shape, convolution layer) {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = shape});
    list.outputs = {list.add(layer, x)};
    return list;
}
/// Every kind of convolution, a residual connection, a map that two layers and an output read, and two
/// outputs of different shapes.
layer_list<> several() {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 3, .shape = {2, 6, 5}});
    const auto a = list.add(convolution{.outputs = 3}, x);
    const auto b = list.add(diamond::activation_layer{}, a);
    const auto c = list.add(convolution{.outputs = 3, .stride = 2}, b);
    const auto d = list.add(convolution{.outputs = 3, .kernel = 1, .padding = 0}, c);
    const auto e = list.add(diamond::sum_layer{}, c, d);
    const auto f = list.add(convolution{.outputs = 4, .kernel = 2, .stride = 2, .padding = 0}, e);
    const auto g = list.add(diamond::sum_layer{}, f, f);
    list.outputs = {g, a};
    return list;
}
struct make_several {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        return {65, several()};
    }
};

} // namespace

TEST_CASE("a list keeps a layer whose numbers are all equal but the last") {
    // g++ 12 with AVX-512 passes such constants by value with all words equal: {1, 1, 1, 0} as {1, 1, 1, 1}.
    diamond::layer_list<> list;
    const auto x = list.add(diamond::input_rows{.first = 0, .shape = {2, 3, 3}});
    const auto y = list.add(convolution{.outputs = 1, .kernel = 1, .stride = 1, .padding = 0, .gain = 0.0},
                            x);
    list.outputs = {
        list.add(convolution{.outputs = 1, .kernel = 1, .stride = 1, .padding = 0, .gain = 0.0}, y)};
    for (const index_t node : {y, list.outputs.front()}) {
        const auto& kept = std::get<convolution>(list.nodes[static_cast<std::size_t>(node)].layer);
        CHECK(kept.kernel == 1);
        CHECK(kept.stride == 1);
        CHECK(kept.padding == 0);
    }
}

TEST_CASE("a convolution is the sum over its kernel, as PyTorch lays it out") {
    for (const feature_shape shape : {feature_shape{.channels = 3, .height = 5, .width = 7},
                                      {.channels = 37, .height = 9, .width = 8},
                                      {.channels = 16, .height = 5, .width = 17},
                                      {.channels = 5, .height = 6, .width = 4}})
        for (const convolution layer : {convolution{.outputs = 45},
                                        {.outputs = 24, .kernel = 4, .padding = 2},
                                        {.outputs = 4},
                                        {.outputs = 2, .stride = 2},
                                        {.outputs = 2, .kernel = 1, .padding = 0},
                                        {.outputs = 2, .kernel = 1, .stride = 2, .padding = 0},
                                        {.outputs = 3, .kernel = 5, .padding = 2},
                                        {.outputs = 3, .kernel = 4, .stride = 3, .padding = 1},
                                        {.outputs = 3, .kernel = 2, .stride = 2, .padding = 0}}) {
            CAPTURE(layer.kernel);
            CAPTURE(layer.stride);
            const layer_graph<batch> graph(shape.size(), one(shape, layer));
            const index_t n = 3;
            const graphs::numbers_of_call call(graph, n);
            const auto found = graphs::run<batch>(diamond::eigen::context{.threads = 1}, graph, call, false);
            const auto& node = graph.nodes().back();
            const auto tensors = layer.tensors(node.shapes);
            const auto weight = [&](index_t o, index_t c, index_t y, index_t x) {
                const auto& s = tensors[0].strides;
                return at(call.theta, o * s[0] + c * s[1] + y * s[2] + x * s[3]);
            };
            const feature_shape to = node.shape;
            CHECK(to.height == (shape.height + 2 * layer.padding - layer.kernel) / layer.stride + 1);
            for (index_t j = 0; j < n; ++j)
                for (index_t o = 0; o < to.channels; ++o)
                    for (index_t y = 0; y < to.height; ++y)
                        for (index_t x = 0; x < to.width; ++x) {
                            double sum = at(call.theta, tensors[1].offset + o);
                            for (index_t c = 0; c < shape.channels; ++c)
                                for (index_t ky = 0; ky < layer.kernel; ++ky)
                                    for (index_t kx = 0; kx < layer.kernel; ++kx) {
                                        const index_t in_y = y * layer.stride + ky - layer.padding,
                                                      in_x = x * layer.stride + kx - layer.padding;
                                        if (in_y < 0 || in_x < 0 || in_y >= shape.height ||
                                            in_x >= shape.width)
                                            continue;
                                        sum += weight(o, c, ky, kx) *
                                               at(call.x, in_x + shape.width * (in_y + shape.height * c) +
                                                              shape.size() * j);
                                    }
                            REQUIRE(at(found.y, x + to.width * (y + to.height * o) + to.size() * j) ==
                                    doctest::Approx(sum).epsilon(1e-12).scale(1.0));
                        }
        }
}

TEST_CASE("tangents and gradients through them agree with differences") {
    graphs::check_derivatives(layer_graph<batch>(65, several()), 5);
    for (const auto kind : {diamond::activation::gelu, diamond::activation::tanh}) {
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 0, .shape = {2, 3, 3}});
        const auto a = list.add(convolution{.outputs = 2}, x);
        const auto b = list.add(diamond::activation_layer{.kind = kind}, a);
        list.outputs = {list.add(diamond::sum_layer{}, b, a)};
        graphs::check_derivatives(layer_graph<batch>(18, list), 3);
    }
}

TEST_CASE("gradients of many channels agree with differences") {
    for (const convolution layer : {convolution{.outputs = 37},
                                    {.outputs = 20, .kernel = 4, .stride = 3},
                                    {.outputs = 16, .kernel = 2, .stride = 2, .padding = 0}})
        for (const index_t width : {3, 7, 18})
            graphs::check_derivatives(
                layer_graph<batch>(21 * 6 * width, one({.channels = 21, .height = 6, .width = width}, layer)),
                3);
}

TEST_CASE_TEMPLATE("a graph gives the same on every back end, and the same bits on any number of threads",
                   back_end, ALL_BACK_ENDS) {
    graphs::check_back_end<back_end>(make_several{}, 11, 16 * back_end::tolerance);
}

/// Many channels, and rows that are runs of 4, 7 and 8 pixels and what is left over.
struct make_wide {
    index_t width;
    template <class Batch>
    layer_graph<Batch> operator()() const {
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 0, .shape = {3, 4, width}});
        const auto a = list.add(convolution{.outputs = 33}, x);
        const auto b = list.add(convolution{.outputs = 35}, a);
        list.outputs = {list.add(convolution{.outputs = 2, .stride = 2}, b)};
        return {12 * width, list};
    }
};
TEST_CASE_TEMPLATE("many channels give the same on every back end", back_end, ALL_BACK_ENDS) {
    for (const index_t width : {5, 7, 16})
        graphs::check_back_end<back_end>(make_wide{width}, 5, 64 * back_end::tolerance);
}

TEST_CASE("many images run in blocks, and blocks of rows, of whatever sizes") {
    const layer_graph<diamond::eigen::batch<float>> graph(
        64 * 28 * 28, one({.channels = 64, .height = 28, .width = 28}, {.outputs = 5}));
    const graphs::numbers_of_call call(graph, 11);
    const auto all = graphs::run<diamond::eigen::batch<float>>(diamond::eigen::context{.threads = 2}, graph,
                                                               call);
    const layer_graph<batch> exact(64 * 28 * 28,
                                   one({.channels = 64, .height = 28, .width = 28}, {.outputs = 5}));
    const auto expected = graphs::run<batch>(diamond::eigen::context{.threads = 1}, exact, call);
    double worst = 0.0, worst_x = 0.0;
    for (std::size_t i = 0; i < all.y.size(); ++i)
        worst = std::max(worst, std::abs(all.y[i] - expected.y[i]));
    for (std::size_t i = 0; i < all.x.size(); ++i)
        worst_x = std::max(worst_x, std::abs(all.x[i] - expected.x[i]));
    CHECK(worst < 1e-4); // sums of 576 products of size .3
    CHECK(worst_x < 1e-4);
}

TEST_CASE("what does not fit is refused, with the node") {
    const auto refused = [](layer_list<> list, index_t rows, const char* sentence) {
        CHECK_THROWS_WITH_AS(layer_graph<batch>(rows, list), doctest::Contains(sentence),
                             std::invalid_argument);
    };
    const feature_shape shape{.channels = 2, .height = 4, .width = 4};
    refused(one(shape, {.outputs = 0}), 32, "node 1 of a graph: a convolution to 0 channels");
    refused(one(shape, {.outputs = 1, .padding = 3}), 32, "the padding is less than the kernel");
    refused(one(shape, {.outputs = 1, .kernel = 5, .padding = 0}), 32,
            "does not fit in a feature map of 2 x 4 x 4");
    refused(one(shape, {.outputs = 1}), 31,
            "node 0 of a graph: 32 rows from row 0 on of an input of 31 rows");
    refused(one({.channels = 0}, {.outputs = 1}), 32, "1 or more of each are needed");
    refused({}, 32, "a graph of layers needs an output");
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = shape});
    const auto y = list.add(convolution{.outputs = 3}, x);
    auto sum = list, late = list, many = list, few = list;
    sum.outputs = {sum.add(diamond::sum_layer{}, x, y)};
    refused(sum, 32, "a sum of feature maps of 2 x 4 x 4 and 3 x 4 x 4");
    late.outputs = {late.add(diamond::sum_layer{}, x, 2)};
    refused(late, 32, "node 2 of a graph: it is made of node 2, which is not before it");
    few.outputs = {few.add(diamond::sum_layer{}, x)};
    refused(few, 32, "a layer 'sum' was given 1 feature maps, and needs 2");
    many.outputs = {many.add(diamond::sum_layer{}, x, x, x, x)};
    refused(many, 32, "a layer is made of at most 3 feature maps");
    auto twice = list;
    twice.outputs = {y, y};
    refused(twice, 32, "node 1 is an output of a graph twice");
    list.outputs = {2};
    refused(list, 32, "node 2 is an output of a graph of 2 nodes");
    constexpr index_t most = std::numeric_limits<index_t>::max();
    layer_list<> beyond;
    beyond.outputs = {beyond.add(input_rows{.first = most - 1, .shape = shape})};
    refused(beyond, 32, "rows from row 9223372036854775806 on of an input of 32 rows");
    refused(one(shape, {.outputs = index_t{1} << 60}), 32, "its weights are at most");
    layer_list<> unknown;
    unknown.outputs = {unknown.add(diamond::activation_layer{.kind = static_cast<diamond::activation>(77)},
                                   unknown.add(input_rows{.first = 0, .shape = shape}))};
    refused(unknown, 32, "an activation 77: it is none of ours");
}

TEST_CASE("a tangent is neither given to nor asked of a pass without one") {
    const layer_graph<batch> graph(32, one({.channels = 2, .height = 4, .width = 4}, {.outputs = 1}));
    const diamond::eigen::context context{.threads = 1};
    const graphs::numbers_of_call at(graph, 2);
    graphs::call_on<batch> call(context, graph, at);
    layer_graph<batch>::workspace space;
    const auto refused = [](const auto& pass) {
        CHECK_THROWS_WITH_AS(pass(), "a tangent is given or asked of a pass of a graph that has none",
                             std::invalid_argument);
    };
    const double *const theta = call.theta.data(), *const x = call.x.data(), *const k = call.k.data();
    double *const y = call.y.data(), *const y_dot = call.y_dot.data();
    refused([&] { graph.forward(context, theta, {x}, 2, {y, y_dot}, space); });
    refused([&] { graph.record(context, theta, {x}, 2, {y, y_dot}, space); });
    graph.record(context, theta, {x}, 2, {y}, space);
    batch of_x(context, 32, 2);
    refused([&] { graph.backward(context, theta, space, {k, k}, {of_x.data()}, nullptr); });
    refused([&] { graph.backward(context, theta, space, {k}, {of_x.data(), of_x.data()}, nullptr); });
}

TEST_CASE("the order of a gradient's sums depends on no address: small images, as many as fill a band") {
    using floats = diamond::eigen::batch<float>;
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = {2, 2, 2}});
    const auto a = list.add(diamond::activation_layer{}, list.add(convolution{.outputs = 3}, x));
    list.outputs = {list.add(convolution{.outputs = 5, .kernel = 2, .stride = 2, .padding = 0}, a)};
    const layer_graph<floats> graph(8, list);
    const graphs::numbers_of_call call(graph, 4099);
    const auto one_thread = graphs::run<floats>(diamond::eigen::context{.threads = 1}, graph, call);
    for (const int threads : {2, 5}) {
        const auto more = graphs::run<floats>(diamond::eigen::context{.threads = threads}, graph, call);
        CHECK(more.theta == one_thread.theta);
        CHECK(more.x == one_thread.x);
    }
}

} // namespace nn_convolution_test
