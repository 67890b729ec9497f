/// Self-attention in graphs: its value against plain loops, derivatives against differences, large scores,
/// and what every layer must hold on every back end.
#include <cmath>
#include <limits>
#include <vector>

#include <diamond/nn/layer_graph.hpp>

#include <support/back_ends.hpp>
#include <support/graphs.hpp>
#include <support/numbers.hpp>

namespace nn_self_attention_test {

using diamond::feature_shape, diamond::index_t, diamond::input_rows, diamond::layer_graph,
    diamond::layer_list, diamond::self_attention, numbers::at;

namespace {

using batch = diamond::eigen::batch<double>;

layer_list<> alone(feature_shape shape, index_t heads) {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 0, .shape = shape});
    list.outputs = {list.add(self_attention{.heads = heads}, x)};
    return list;
}
/// A block of a transformer: queries, keys and values of a convolution, and the residual connection. The
/// map that attention is made of is read by another layer, too.
layer_list<> block() {
    layer_list<> list;
    const auto x = list.add(input_rows{.first = 1, .shape = {4, 3, 2}});
    const auto qkv = list.add(diamond::convolution{.outputs = 12, .kernel = 1, .padding = 0}, x);
    const auto all = list.add(self_attention{.heads = 2}, qkv);
    const auto back = list.add(diamond::convolution{.outputs = 4, .kernel = 1, .padding = 0}, qkv);
    const auto sum = list.add(diamond::sum_layer{}, x, all);
    list.outputs = {list.add(diamond::sum_layer{}, sum, back)};
    return list;
}
struct make_block {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        return {25, block()};
    }
};
/// 9 x 2 tokens, so that a register holds more and fewer than are left.
struct make_wide {
    template <class Batch>
    layer_graph<Batch> operator()() const {
        return {108, alone({6, 9, 2}, 1)};
    }
};

} // namespace

TEST_CASE("attention is the mean of values by the softmax of scores, with the head the outer index") {
    for (const index_t heads : {1, 2, 3})
        for (const feature_shape shape : {feature_shape{18, 3, 2}, {18, 1, 1}, {18, 5, 7}}) {
            CAPTURE(heads);
            CAPTURE(shape.pixels());
            const layer_graph<batch> graph(shape.size(), alone(shape, heads));
            const index_t n = 3, size = 6 / heads, tokens = shape.pixels();
            const graphs::numbers_of_call call(graph, n);
            const auto found = graphs::run<batch>(diamond::eigen::context{.threads = 1}, graph, call, false);
            for (index_t j = 0; j < n; ++j)
                for (index_t h = 0; h < heads; ++h) {
                    const auto in = [&](index_t kind, index_t i, index_t token) {
                        return at(call.x, token + tokens * (kind * 6 + h * size + i) + shape.size() * j);
                    };
                    for (index_t query = 0; query < tokens; ++query) {
                        std::vector<double> share;
                        double sum = 0.0;
                        for (index_t key = 0; key < tokens; ++key) {
                            double score = 0.0;
                            for (index_t i = 0; i < size; ++i) score += in(1, i, key) * in(0, i, query);
                            share.push_back(std::exp(score / std::sqrt(static_cast<double>(size))));
                            sum += share.back();
                        }
                        for (index_t i = 0; i < size; ++i) {
                            double mean = 0.0;
                            for (index_t key = 0; key < tokens; ++key)
                                mean += at(share, key) / sum * in(2, i, key);
                            REQUIRE(at(found.y, query + tokens * (h * size + i) + 6 * tokens * j) ==
                                    doctest::Approx(mean).epsilon(1e-12).scale(1.0));
                        }
                    }
                }
        }
}

TEST_CASE("tangents and gradients through attention agree with differences") {
    graphs::check_derivatives(layer_graph<batch>(25, block()), 3);
    graphs::check_derivatives(layer_graph<batch>(60, alone({12, 1, 5}, 2)), 2);
    graphs::check_derivatives(layer_graph<batch>(108, alone({6, 9, 2}, 1)), 2);
}

TEST_CASE_TEMPLATE("attention gives the same on every back end, and the same bits on any number of threads",
                   back_end, ALL_BACK_ENDS) {
    graphs::check_back_end<back_end>(make_block{}, 11, 16 * back_end::tolerance);
    graphs::check_back_end<back_end>(make_wide{}, 5, 16 * back_end::tolerance);
}

TEST_CASE_TEMPLATE("scores of 1e4 and more leave attention finite", real, float, double) {
    using own = diamond::eigen::batch<real>;
    const feature_shape shape{3, 4, 5};
    const layer_graph<own> graph(shape.size(), alone(shape, 1));
    graphs::numbers_of_call call(graph, 2);
    for (auto& number : call.x) number *= 200.0;
    const auto found = graphs::run<own>(diamond::eigen::context{.threads = 1}, graph, call);
    for (const auto* all : {&found.y, &found.y_dot, &found.x, &found.x_dot})
        for (const double number : *all) REQUIRE(std::isfinite(number));
    // A query whose best key leads by far takes the value of that key.
    for (index_t query = 0; query < 20; ++query) {
        double best = -1e300, second = -1e300, value = 0.0;
        for (index_t key = 0; key < 20; ++key) {
            const double score = at(call.x, query) * at(call.x, 20 + key);
            second = std::max(second, std::min(score, best));
            if (score > best) value = at(call.x, 40 + key);
            best = std::max(best, score);
        }
        if (best > second + 100.0) CHECK(at(found.y, query) == doctest::Approx(value).epsilon(1e-6));
    }
}

TEST_CASE_TEMPLATE("exponentials of registers are right, 0 far below, and NaN of NaN", real, float, double) {
    using numbers_of = typename diamond::eigen::detail::register_of<real>::type;
    using access = diamond::detail::number_access<numbers_of>;
    const auto power = [](real x) {
        real result[static_cast<std::size_t>(access::lanes)];
        access::write(access::exp_nonpositive(numbers_of{} + x), result);
        for (const real each : result) REQUIRE((each == result[0] || each != each));
        return result[0];
    };
    CHECK(power(0) == 1);
    for (int i = 0; i < 20000; ++i) {
        const real x = static_cast<real>(-i * 0.00434567);
        const double exact = std::exp(static_cast<double>(x));
        REQUIRE(std::abs(power(x) - exact) <= 2 * std::numeric_limits<real>::epsilon() * exact);
    }
    for (const real x : {real(-1e3), real(-1e30), -std::numeric_limits<real>::infinity()})
        CHECK(power(x) == 0);
    CHECK(std::isnan(power(std::numeric_limits<real>::quiet_NaN())));
}

TEST_CASE("channels that are not 3 times the heads are refused, with the node") {
    const auto refused = [](feature_shape shape, index_t heads, const char* sentence) {
        CHECK_THROWS_WITH_AS(layer_graph<batch>(shape.size(), alone(shape, heads)),
                             doctest::Contains(sentence), std::invalid_argument);
    };
    refused({8, 2, 2}, 1, "node 1 of a graph: self-attention of 1 heads in a feature map of 8 x 2 x 2");
    refused({12, 2, 2}, 3, "a multiple of 3 times the heads, which are 1 or more");
    refused({12, 2, 2}, 0, "self-attention of 0 heads");
    refused({12, 2, 2}, index_t{1} << 62, "heads in a feature map of 12 x 2 x 2");
}

} // namespace nn_self_attention_test
