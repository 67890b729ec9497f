/// Pixel shuffles in graphs: the order of PyTorch, that they take images apart and put them together again,
/// and what every layer must hold on every back end.
#include <vector>

#include <diamond/nn/layer_graph.hpp>

#include <support/back_ends.hpp>
#include <support/graphs.hpp>
#include <support/numbers.hpp>

namespace nn_pixel_shuffle_test {

using diamond::feature_shape, diamond::index_t, diamond::input_rows, diamond::layer_graph,
    diamond::layer_list, diamond::pixel_shuffle, numbers::at;

namespace {

using batch = diamond::eigen::batch<double>;

/// Embeds patches, takes them back to pixels, and shuffles a map that another layer reads, too.
layer_list<> patches() {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 1, .shape = {2, 4, 6}});
    const auto a = list.add(diamond::convolution{.outputs = 8, .kernel = 2, .stride = 2, .padding = 0}, x);
    const auto b = list.add(pixel_shuffle{}, a);
    const auto c = list.add(diamond::activation_layer{}, a);
    const auto d = list.add(pixel_shuffle{}, c);
    list.outputs = {list.add(diamond::sum_layer{}, b, d), a};
    return list;
}
struct make_patches {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        return {49, patches()};
    }
};
layer_list<> alone(feature_shape shape, index_t factor) {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = shape});
    list.outputs = {list.add(pixel_shuffle{.factor = factor}, x)};
    return list;
}

} // namespace

TEST_CASE("a pixel becomes a square of pixels, in the order of PyTorch") {
    const feature_shape shape{.channels = 18, .height = 3, .width = 2};
    for (const index_t f : {1, 3}) {
        CAPTURE(f);
        const layer_graph<batch> graph(shape.size(), alone(shape, f));
        const feature_shape to = graph.nodes().back().shape;
        CHECK(to == feature_shape{18 / (f * f), 3 * f, 2 * f});
        const graphs::numbers_of_call call(graph, 3);
        const auto found = graphs::run<batch>(diamond::eigen::context{.threads = 1}, graph, call);
        for (index_t image = 0; image < 3; ++image)
            for (index_t c = 0; c < to.channels; ++c)
                for (index_t y = 0; y < to.height; ++y)
                    for (index_t x = 0; x < to.width; ++x) {
                        const index_t channel = f * f * c + f * (y % f) + x % f,
                                      from = x / f + 2 * (y / f + 3 * channel) + shape.size() * image,
                                      row = x + to.width * (y + to.height * c) + shape.size() * image;
                        REQUIRE(at(found.y, row) == at(call.x, from));
                        REQUIRE(at(found.y_dot, row) == at(call.x_dot, from));
                        REQUIRE(at(found.x, from) == at(call.k, row));
                        REQUIRE(at(found.x_dot, from) == at(call.k_dot, row));
                    }
    }
}

TEST_CASE("tangents and gradients through shuffles agree with differences") {
    graphs::check_derivatives(layer_graph<batch>(49, patches()), 3);
}

TEST_CASE_TEMPLATE("shuffles give the same on every back end, and the same bits on any number of threads",
                   back_end, ALL_BACK_ENDS) {
    graphs::check_back_end<back_end>(make_patches{}, 11, 16 * back_end::tolerance);
}

TEST_CASE("channels that are no multiple of the square are refused, with the node") {
    const auto refused = [](feature_shape shape, index_t factor, const char* sentence) {
        CHECK_THROWS_WITH_AS(layer_graph<batch>(shape.size(), alone(shape, factor)),
                             doctest::Contains(sentence), std::invalid_argument);
    };
    refused({6, 2, 2}, 2, "node 1 of a graph: a pixel shuffle of factor 2 of a feature map of 6 x 2 x 2");
    refused({6, 2, 2}, 0, "its channels are a multiple of the factor's square");
    refused({6, 2, 2}, index_t{1} << 62, "a pixel shuffle of factor");
}

} // namespace nn_pixel_shuffle_test
