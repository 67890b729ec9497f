/// Norms of feature maps in graphs: values against plain loops, derivatives against differences, and what
/// every layer must hold on every back end.
#include <limits>
#include <vector>

#include <diamond/nn/layer_graph.hpp>

#include <support/back_ends.hpp>
#include <support/graphs.hpp>
#include <support/numbers.hpp>

namespace nn_norms_test {

using diamond::feature_shape, diamond::group_norm, diamond::index_t, diamond::input_rows,
    diamond::layer_graph, diamond::layer_list, diamond::normalisation, diamond::pixel_norm, numbers::at;

namespace {

using batch = diamond::eigen::batch<double>;

template <class Layer>
layer_list<> one(feature_shape shape, Layer layer) {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = shape});
    list.outputs = {list.add(layer, x)};
    return list;
}
/// Norms of maps that are narrower and wider than packets, of one pixel and more, whose cotangents are
/// written and added.
struct make_group_norms {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 2, .shape = {3, 5, 2}});
        const auto a = list.add(diamond::convolution{.outputs = 42}, x);
        const auto b = list.add(group_norm{.groups = 6}, a);
        const auto c = list.add(group_norm{.groups = 3, .epsilon = 1e-3}, x);
        const auto d = list.add(diamond::convolution{.outputs = 3}, b);
        const auto e = list.add(diamond::sum_layer{}, c, d);
        const auto f = list.add(diamond::sum_layer{}, e, x);
        const auto g = list.add(diamond::convolution{.outputs = 8, .kernel = 2, .stride = 5, .padding = 0},
                                b);
        const auto h = list.add(group_norm{.groups = 2}, g);
        list.outputs = {f, h};
        return {32, list};
    }
};
/// Pixel norms of all kinds, of one map and of each other.
struct make_pixel_norms {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 0, .shape = {3, 3, 5}});
        const auto a = list.add(diamond::convolution{.outputs = 21}, x);
        const auto b = list.add(pixel_norm{}, a);
        const auto c = list.add(pixel_norm{.kind = normalisation::rms, .epsilon = 1e-3}, a);
        const auto d = list.add(pixel_norm{.affine = false}, c);
        const auto e = list.add(pixel_norm{.kind = normalisation::rms, .affine = false}, b);
        const auto f = list.add(diamond::sum_layer{}, d, e);
        list.outputs = {list.add(pixel_norm{.epsilon = 0.5}, x), f};
        return {45, list};
    }
};

} // namespace

TEST_CASE("a group norm takes mean and variance of the channels of its groups") {
    for (const auto& [shape, groups] : {std::pair{feature_shape{6, 3, 5}, 3},
                                        {{6, 3, 5}, 1},
                                        {{6, 3, 5}, 6},
                                        {{40, 9, 8}, 4},
                                        {{40, 1, 1}, 4}}) {
        CAPTURE(shape.channels);
        CAPTURE(groups);
        const group_norm layer{.groups = groups, .epsilon = 1e-2};
        const layer_graph<batch> graph(shape.size(), one(shape, layer));
        const index_t n = 3;
        const graphs::numbers_of_call call(graph, n);
        const auto found = graphs::run<batch>(diamond::eigen::context{.threads = 1}, graph, call, false);
        const index_t size = shape.size() / groups;
        for (index_t j = 0; j < n; ++j)
            for (index_t g = 0; g < groups; ++g) {
                double mean = 0.0, variance = 0.0;
                for (index_t i = 0; i < size; ++i) mean += at(call.x, i + size * g + shape.size() * j);
                mean /= static_cast<double>(size);
                for (index_t i = 0; i < size; ++i)
                    variance += std::pow(at(call.x, i + size * g + shape.size() * j) - mean, 2);
                variance /= static_cast<double>(size);
                for (index_t i = 0; i < size; ++i) {
                    const index_t row = i + size * g, c = row / shape.pixels();
                    const double u = (at(call.x, row + shape.size() * j) - mean) /
                                     std::sqrt(variance + layer.epsilon);
                    REQUIRE(at(found.y, row + shape.size() * j) ==
                            doctest::Approx(at(call.theta, c) * u + at(call.theta, shape.channels + c))
                                .epsilon(1e-12)
                                .scale(1.0));
                }
            }
    }
}

TEST_CASE("a group norm begins as u itself, and bears a large mean") {
    const feature_shape shape{4, 6, 6};
    using of_float = diamond::eigen::batch<float>;
    const layer_graph<of_float> graph(shape.size(), one(shape, group_norm{.groups = 2}));
    const diamond::eigen::context context{.threads = 1};
    of_float theta(context, graph.parameters(), 1), y(context, graph.outputs(), 1);
    diamond::initialise(graph, diamond::philox(1), theta);
    auto numbers = numbers::normals<float>(shape.size(), 3);
    for (auto& number : numbers) number += 1000.0F;
    const auto x = diamond::from_host<float>(context, shape.size(), 1, numbers);
    layer_graph<of_float>::workspace space;
    graph.forward(context, theta.data(), {x.data()}, 1, {y.data()}, space);
    const auto found = diamond::to_host(y);
    for (index_t g = 0; g < 2; ++g) {
        double mean = 0.0, square = 0.0;
        for (index_t i = 0; i < 72; ++i) {
            mean += at(found, i + 72 * g) / 72.0;
            square += std::pow(at(found, i + 72 * g), 2) / 72.0;
        }
        CHECK(std::abs(mean) < 1e-4);
        CHECK(std::abs(square - 1.0) < 1e-4);
    }
}

TEST_CASE("a group norm of single precision bears an outlier, wherever it stands, in large maps") {
    constexpr index_t side = 256, n = side * side;
    const layer_graph<diamond::eigen::batch<float>> graph(n, one({1, side, side}, group_norm{}));
    const diamond::eigen::context context{.threads = 1};
    for (const index_t place : {index_t{0}, n / 2})
        for (const double size : {1e3, 1e5}) {
            CAPTURE(size);
            auto numbers = numbers::normals<float>(n, 3);
            numbers[static_cast<std::size_t>(place)] = static_cast<float>(size);
            double mean = 0.0, variance = 0.0;
            for (const float number : numbers) mean += static_cast<double>(number) / n;
            for (const float number : numbers)
                variance += std::pow(static_cast<double>(number) - mean, 2) / n;
            diamond::eigen::batch<float> y(context, n, 1);
            const auto theta = diamond::from_host<float>(context, 2, 1, std::vector<float>{1.0F, 0.0F});
            const auto x = diamond::from_host<float>(context, n, 1, numbers);
            layer_graph<diamond::eigen::batch<float>>::workspace space;
            graph.forward(context, theta.data(), {x.data()}, 1, {y.data()}, space);
            const auto found = diamond::to_host(y);
            double worst = 0.0;
            for (index_t i = 0; i < n; ++i)
                worst = std::max(
                    worst, std::abs(at(found, i) - (at(numbers, i) - mean) / std::sqrt(variance + 1e-5)));
            CHECK(worst < 256 * 1e-5); // the outlier itself is some 250
        }
}

TEST_CASE("tangents and gradients through group norms agree with differences") {
    graphs::check_derivatives(make_group_norms{}.operator()<batch>(), 3);
    graphs::check_derivatives(layer_graph<batch>(60, one({4, 3, 5}, group_norm{.groups = 2})), 5);
}

TEST_CASE_TEMPLATE("group norms give the same on every back end", back_end, ALL_BACK_ENDS) {
    graphs::check_back_end<back_end>(make_group_norms{}, 7, 64 * back_end::tolerance);
}

TEST_CASE("a pixel norm takes the channels of each pixel") {
    const feature_shape shape{21, 3, 5};
    for (const pixel_norm layer : {pixel_norm{.epsilon = 1e-2},
                                   {.kind = normalisation::rms, .epsilon = 1e-2},
                                   {.epsilon = 1e-2, .affine = false},
                                   {.kind = normalisation::rms, .epsilon = 1e-2, .affine = false}}) {
        const bool centred = layer.kind == normalisation::layer;
        CAPTURE(centred);
        CAPTURE(layer.affine);
        const layer_graph<batch> graph(shape.size(), one(shape, layer));
        REQUIRE(graph.parameters() == (layer.affine ? centred ? 42 : 21 : 0));
        const index_t n = 3;
        const graphs::numbers_of_call call(graph, n);
        const auto found = graphs::run<batch>(diamond::eigen::context{.threads = 1}, graph, call, false);
        for (index_t j = 0; j < n; ++j)
            for (index_t p = 0; p < shape.pixels(); ++p) {
                const auto x = [&](index_t c) {
                    return at(call.x, p + shape.pixels() * c + shape.size() * j);
                };
                double mean = 0.0, variance = 0.0;
                for (index_t c = 0; c < 21; ++c) mean += centred ? x(c) / 21.0 : 0.0;
                for (index_t c = 0; c < 21; ++c) variance += std::pow(x(c) - mean, 2) / 21.0;
                for (index_t c = 0; c < 21; ++c) {
                    double expected = (x(c) - mean) / std::sqrt(variance + layer.epsilon);
                    if (layer.affine) expected *= at(call.theta, c);
                    if (layer.affine && centred) expected += at(call.theta, 21 + c);
                    REQUIRE(at(found.y, p + shape.pixels() * c + shape.size() * j) ==
                            doctest::Approx(expected).epsilon(1e-12).scale(1.0));
                }
            }
    }
}

TEST_CASE("tangents and gradients through pixel norms agree with differences") {
    graphs::check_derivatives(make_pixel_norms{}.operator()<batch>(), 5);
}

TEST_CASE_TEMPLATE("pixel norms give the same on every back end", back_end, ALL_BACK_ENDS) {
    graphs::check_back_end<back_end>(make_pixel_norms{}, 7, 64 * back_end::tolerance);
}

TEST_CASE("gradients of parameters need no cotangents of the input") {
    for (const auto& list : {one({5, 3, 4}, group_norm{.groups = 5}), one({5, 3, 4}, pixel_norm{})}) {
        const layer_graph<batch> graph(60, list);
        const graphs::numbers_of_call call(graph, 3);
        const diamond::eigen::context context{.threads = 1};
        const auto expected = graphs::run<batch>(context, graph, call);
        graphs::call_on<batch> on(context, graph, call);
        layer_graph<batch>::workspace space;
        graph.record(context, on.theta.data(), {on.x.data(), on.x_dot.data()}, 3,
                     {on.y.data(), on.y_dot.data()}, space);
        auto gradient = diamond::from_host<double>(context, graph.parameters(), 1,
                                                   std::vector<double>(10, 0.0));
        graph.backward(context, on.theta.data(), space, {on.k.data(), on.k_dot.data()}, {nullptr},
                       gradient.data());
        CHECK(graphs::fetched(gradient) == expected.theta);
    }
}

TEST_CASE("norms that do not fit are refused, with the node") {
    const auto refused = [](auto layer, const char* sentence) {
        CHECK_THROWS_WITH_AS(layer_graph<batch>(24, one({6, 2, 2}, layer)), doctest::Contains(sentence),
                             std::invalid_argument);
    };
    refused(group_norm{.groups = 4},
            "node 1 of a graph: a group norm of 4 groups of a feature map of 6 x 2 x "
            "2: its channels must divide by the groups, and these be 1 or more");
    refused(group_norm{.groups = 0}, "a group norm of 0 groups");
    refused(group_norm{.groups = 2, .epsilon = 0.0},
            "a group norm of epsilon 0, and a finite one of at least 1e-30 is needed");
    refused(group_norm{.groups = 2, .epsilon = std::numeric_limits<double>::infinity()},
            "a group norm of epsilon inf");
    refused(pixel_norm{.epsilon = -1.0}, "a pixel norm of epsilon -1, and a finite one of at least 1e-30");
    refused(pixel_norm{.kind = normalisation::none},
            "a pixel norm of no kind: normalisation::layer or normalisation::rms is needed");
}

} // namespace nn_norms_test
