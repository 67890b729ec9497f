/// Concatenations, up-sampling and pooling in graphs: values against plain loops, derivatives against
/// differences, and what every layer must hold on every back end.
#include <vector>

#include <diamond/nn/layer_graph.hpp>

#include <support/back_ends.hpp>
#include <support/graphs.hpp>
#include <support/numbers.hpp>

namespace nn_resize_test {

using diamond::average_pooling, diamond::concatenation, diamond::feature_shape, diamond::index_t,
    diamond::input_rows, diamond::layer_graph, diamond::layer_list, diamond::up_sampling, numbers::at;

namespace {

using batch = diamond::eigen::batch<double>;

/// A small U-Net's ways: down, up, and across; whose cotangents are written and added.
struct make_ways {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 1, .shape = {2, 6, 9}});
        const auto a = list.add(diamond::convolution{.outputs = 18}, x);
        const auto down = list.add(average_pooling{.size = 3}, a);
        const auto b = list.add(diamond::activation_layer{}, down);
        const auto up = list.add(up_sampling{.factor = 3}, b);
        const auto both = list.add(concatenation{}, up, a);
        const auto c = list.add(diamond::convolution{.outputs = 2, .kernel = 1, .padding = 0}, both);
        const auto all = list.add(average_pooling{.size = 0}, both);
        const auto twice = list.add(concatenation{}, x, x);
        const auto more = list.add(up_sampling{}, x);
        const auto less = list.add(average_pooling{.size = 6}, more); // whose pixels are 3 x 3 of x
        list.outputs = {c, all, twice, more, less};
        return {109, list};
    }
};

} // namespace

TEST_CASE("maps are joined, repeated and averaged") {
    const index_t n = 3;
    for (const index_t C : {2, 19}) {
        const feature_shape shape{C, 4, 6}, other{3, 4, 6};
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 0, .shape = shape});
        const auto z = list.add(input_rows{.first = shape.size(), .shape = other});
        list.outputs = {list.add(concatenation{}, z, x), list.add(up_sampling{.factor = 3}, x),
                        list.add(average_pooling{}, x), list.add(average_pooling{.size = 0}, x)};
        const layer_graph<batch> graph(shape.size() + other.size(), list);
        const graphs::numbers_of_call call(graph, n);
        const auto found = graphs::run<batch>(diamond::eigen::context{.threads = 1}, graph, call, false);
        for (index_t j = 0; j < n; ++j) {
            const auto in = [&](index_t c, index_t y, index_t x_at) {
                return at(call.x, x_at + 6 * (y + 4 * c) + graph.inputs() * j);
            };
            index_t row = graph.outputs() * j;
            for (index_t i = 0; i < other.size(); ++i)
                REQUIRE(at(found.y, row++) == at(call.x, shape.size() + i + graph.inputs() * j));
            for (index_t i = 0; i < shape.size(); ++i)
                REQUIRE(at(found.y, row++) == at(call.x, i + graph.inputs() * j));
            for (index_t c = 0; c < C; ++c)
                for (index_t y = 0; y < 12; ++y)
                    for (index_t x_at = 0; x_at < 18; ++x_at)
                        REQUIRE(at(found.y, row++) == in(c, y / 3, x_at / 3));
            for (index_t c = 0; c < C; ++c)
                for (index_t y = 0; y < 4; y += 2)
                    for (index_t x_at = 0; x_at < 6; x_at += 2)
                        REQUIRE(at(found.y, row++) ==
                                doctest::Approx(0.25 * (in(c, y, x_at) + in(c, y, x_at + 1) +
                                                        in(c, y + 1, x_at) + in(c, y + 1, x_at + 1)))
                                    .epsilon(1e-14)
                                    .scale(1.0));
            for (index_t c = 0; c < C; ++c) {
                double sum = 0.0;
                for (index_t i = 0; i < 24; ++i) sum += in(c, i / 6, i % 6);
                REQUIRE(at(found.y, row++) == doctest::Approx(sum / 24.0).epsilon(1e-14).scale(1.0));
            }
        }
    }
}

TEST_CASE("tangents and gradients through joined, repeated and averaged maps agree with differences") {
    graphs::check_derivatives(make_ways{}.operator()<batch>(), 5);
}

TEST_CASE_TEMPLATE("joined, repeated and averaged maps are the same on every back end", back_end,
                   ALL_BACK_ENDS) {
    graphs::check_back_end<back_end>(make_ways{}, 7, 16 * back_end::tolerance);
}

TEST_CASE("maps that cannot be joined, repeated or averaged are refused, with the node") {
    const auto refused = [](auto layer, const char* sentence) {
        layer_list<> list;
        const auto x = list.add(input_rows{.first = 0, .shape = {2, 4, 6}});
        list.outputs = {list.add(layer, x)};
        CHECK_THROWS_WITH_AS(layer_graph<batch>(48, list), doctest::Contains(sentence),
                             std::invalid_argument);
    };
    refused(up_sampling{.factor = 0}, "node 1 of a graph: an up-sampling by 0: 1 to 64 is needed");
    refused(average_pooling{.size = 4},
            "an average pooling of 4 rows and columns of a feature map of 2 x 4 x "
            "6: its height and width must divide by them; 0 is the whole map");
    refused(average_pooling{.size = -1}, "an average pooling of -1 rows");
    refused(concatenation{}, "a layer 'concatenation' was given 1 feature maps, and needs 2");
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = {2, 4, 6}});
    const auto y = list.add(input_rows{.first = 0, .shape = {2, 6, 4}});
    list.outputs = {list.add(concatenation{}, x, y)};
    CHECK_THROWS_WITH_AS(layer_graph<batch>(48, list),
                         doctest::Contains("a concatenation of feature maps of 2 x 4 x 6 and 2 x 6 x 4: they "
                                           "must have the same height and width"),
                         std::invalid_argument);
}

} // namespace nn_resize_test
