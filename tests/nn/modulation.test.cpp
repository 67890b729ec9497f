/// Modulations and gated sums in graphs: values against plain loops, derivatives against differences, and
/// what every layer must hold on every back end.
#include <vector>

#include <diamond/nn/layer_graph.hpp>

#include <support/back_ends.hpp>
#include <support/graphs.hpp>
#include <support/numbers.hpp>

namespace nn_modulation_test {

using diamond::feature_shape, diamond::gated_sum, diamond::index_t, diamond::input_rows, diamond::layer_graph,
    diamond::layer_list, diamond::modulation, numbers::at;

namespace {

using batch = diamond::eigen::batch<double>;

/// The three layers of a block of a transformer, by one map of all channels that act.
struct make_blocks {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 3, .shape = {2, 3, 5}});
        const auto t = list.add(input_rows{.first = 0, .shape = {3, 1, 1}});
        const auto act = list.add(
            diamond::convolution{.outputs = 6 * 19, .kernel = 1, .padding = 0, .gain = 1.0}, t);
        const auto h = list.add(diamond::convolution{.outputs = 19}, x);
        const auto a = list.add(modulation{.first = 0}, h, act);
        const auto b = list.add(gated_sum{.first = 2 * 19}, h, a, act);
        const auto c = list.add(modulation{.first = 3 * 19}, b, act);
        const auto d = list.add(gated_sum{.first = 5 * 19}, b, c, act);
        const auto e = list.add(gated_sum{.first = 1}, t, t, act); // one map twice
        list.outputs = {d, e};
        return {33, list};
    }
};

} // namespace

TEST_CASE("a modulation scales and shifts each channel, and a gated sum adds what its gates let through") {
    for (const feature_shape shape : {feature_shape{3, 2, 5}, {21, 9, 8}, {5, 1, 1}}) {
        CAPTURE(shape.channels);
        const index_t C = shape.channels, n = 3, all = 4 * C, rows = 2 * shape.size() + all;
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 0, .shape = shape});
        const auto z = list.add(input_rows{.first = shape.size(), .shape = shape});
        const auto act = list.add(input_rows{.first = 2 * shape.size(), .shape = {all, 1, 1}});
        list.outputs = {list.add(modulation{.first = 2}, x, act),
                        list.add(gated_sum{.first = 3 * C}, x, z, act)};
        const layer_graph<batch> graph(rows, list);
        const graphs::numbers_of_call call(graph, n);
        const auto found = graphs::run<batch>(diamond::eigen::context{.threads = 1}, graph, call, false);
        for (index_t j = 0; j < n; ++j)
            for (index_t i = 0; i < shape.size(); ++i) {
                const index_t c = i / shape.pixels();
                const auto of_x = at(call.x, i + rows * j), of_z = at(call.x, i + shape.size() + rows * j);
                const auto acting = [&](index_t row) {
                    return at(call.x, 2 * shape.size() + row + rows * j);
                };
                REQUIRE(at(found.y, i + graph.outputs() * j) ==
                        doctest::Approx(of_x * (1.0 + acting(2 + c)) + acting(2 + C + c)).epsilon(1e-14));
                REQUIRE(at(found.y, i + shape.size() + graph.outputs() * j) ==
                        doctest::Approx(of_x + acting(3 * C + c) * of_z).epsilon(1e-14));
            }
    }
}

TEST_CASE("tangents and gradients through modulations and gated sums agree with differences") {
    graphs::check_derivatives(make_blocks{}.operator()<batch>(), 5);
}

TEST_CASE_TEMPLATE("modulations give the same on every back end", back_end, ALL_BACK_ENDS) {
    graphs::check_back_end<back_end>(make_blocks{}, 7, 64 * back_end::tolerance);
}

TEST_CASE("maps that cannot act are refused, with the node") {
    const auto refused = [](feature_shape acting, auto layer, const char* sentence) {
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 0, .shape = {6, 2, 2}});
        const auto act = list.add(input_rows{.first = 0, .shape = acting});
        if constexpr (std::is_same_v<decltype(layer), modulation>)
            list.outputs = {list.add(layer, x, act)};
        else
            list.outputs = {list.add(layer, x, x, act)};
        CHECK_THROWS_WITH_AS(layer_graph<batch>(24, list), doctest::Contains(sentence),
                             std::invalid_argument);
    };
    refused(
        {11, 1, 1}, modulation{},
        "node 2 of a graph: a modulation by 12 channels from 0 on of a feature map of 11 x 1 x 1: it must "
        "have them, and one pixel");
    refused({12, 2, 1}, modulation{}, "a modulation by 12 channels from 0 on of a feature map of 12 x 2 x 1");
    refused({13, 1, 1}, modulation{.first = -1}, "a modulation by 12 channels from -1 on");
    refused({7, 1, 1}, gated_sum{.first = 2},
            "a gated sum by 6 channels from 2 on of a feature map of 7 x 1 x 1: it must have them, and one "
            "pixel");
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = {6, 2, 2}});
    const auto y = list.add(input_rows{.first = 0, .shape = {3, 2, 2}});
    list.outputs = {list.add(gated_sum{}, x, y, x)};
    CHECK_THROWS_WITH_AS(
        layer_graph<batch>(24, list),
        doctest::Contains("a gated sum of feature maps of 6 x 2 x 2 and 3 x 2 x 2: they must "
                          "have one shape"),
        std::invalid_argument);
}

} // namespace nn_modulation_test
