/// Learned positions in graphs: values against plain sums, derivatives against differences, and what every
/// layer must hold on every back end.
#include <cmath>
#include <vector>

#include <diamond/nn/layer_graph.hpp>

#include <support/back_ends.hpp>
#include <support/graphs.hpp>
#include <support/numbers.hpp>

namespace nn_position_embedding_test {

using diamond::feature_shape, diamond::index_t, diamond::input_rows, diamond::layer_graph,
    diamond::layer_list, diamond::position_embedding, numbers::at;

namespace {

using batch = diamond::eigen::batch<double>;

constexpr feature_shape shape{.channels = 3, .height = 5, .width = 3};

/// Positions of an input that another layer reads, too, and of a map that parameters make.
layer_list<> twice() {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 2, .shape = shape});
    const auto a = list.add(position_embedding{}, x);
    const auto b = list.add(diamond::convolution{.outputs = 3}, a);
    const auto c = list.add(position_embedding{}, b);
    const auto d = list.add(diamond::activation_layer{.kind = diamond::activation::tanh}, c);
    list.outputs = {list.add(diamond::sum_layer{}, d, a)};
    return list;
}
struct make_twice {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        return {48, twice()};
    }
};

} // namespace

TEST_CASE("positions are added to every image, as a table of pixels and channels") {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = shape});
    list.outputs = {list.add(position_embedding{}, x)};
    const layer_graph<batch> graph(shape.size(), list);
    const index_t n = 3;
    const graphs::numbers_of_call call(graph, n);
    const auto found = graphs::run<batch>(diamond::eigen::context{.threads = 1}, graph, call);
    const auto tensor = position_embedding{}.tensors(graph.nodes().back().shapes)[0];
    CHECK(tensor.shape == std::vector<index_t>{15, 3});
    for (index_t c = 0; c < shape.channels; ++c)
        for (index_t pixel = 0; pixel < shape.pixels(); ++pixel) {
            const index_t place = pixel * tensor.strides[0] + c * tensor.strides[1];
            double sum = 0.0;
            for (index_t j = 0; j < n; ++j) {
                const index_t row = pixel + shape.pixels() * c + shape.size() * j;
                CHECK(at(found.y, row) == at(call.x, row) + at(call.theta, place));
                CHECK(at(found.y_dot, row) == at(call.x_dot, row));
                sum += at(call.k, row);
            }
            CHECK(at(found.theta, place) == doctest::Approx(sum));
        }
}

TEST_CASE("tangents and gradients through positions agree with differences") {
    graphs::check_derivatives(layer_graph<batch>(48, twice()), 3);
}

TEST_CASE_TEMPLATE("positions give the same on every back end, and the same bits on any number of threads",
                   back_end, ALL_BACK_ENDS) {
    graphs::check_back_end<back_end>(make_twice{}, 11, 16 * back_end::tolerance);
}

TEST_CASE("positions begin with small normal numbers") {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = {64, 8, 8}});
    list.outputs = {list.add(position_embedding{}, x)};
    const layer_graph<batch> graph(4096, list);
    const diamond::eigen::context context{.threads = 1};
    batch theta(context, graph.parameters(), 1);
    initialise(graph, diamond::philox{3}, theta.mutable_view());
    double sum = 0.0, squares = 0.0;
    for (const double number : diamond::to_host(theta)) {
        sum += number;
        squares += number * number;
    }
    CHECK(std::abs(sum / 4096) < 4 * 0.02 / 64);
    CHECK(std::sqrt(squares / 4096) == doctest::Approx(0.02).epsilon(0.05));
}

TEST_CASE("positions of two maps are refused") {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = shape});
    list.outputs = {list.add(position_embedding{}, x, x)};
    CHECK_THROWS_WITH_AS(
        layer_graph<batch>(shape.size(), list),
        "node 1 of a graph: a layer 'position_embedding' was given 2 feature maps, and needs 1",
        std::invalid_argument);
}

} // namespace nn_position_embedding_test
