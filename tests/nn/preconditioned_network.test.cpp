// A preconditioned network of a user's own graph: it sees pixels with a frame's basis or without one, its
// derivatives agree with differences, and what does not fit is refused.
#include <optional>
#include <vector>

#include <diamond/io/checkpoint.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/nn/preconditioned_network.hpp>

#include <support/back_ends.hpp>
#include <support/image_networks.hpp>

namespace nn_preconditioned_network_test {

using diamond::convolution, diamond::feature_shape, diamond::index_t, diamond::input_rows,
    diamond::layer_graph, diamond::layer_list, diamond::linear_schedule, diamond::network_rows,
    diamond::preconditioned_network;

namespace {

using batch = diamond::eigen::batch<double>;

/// Convolutions of e and g of 2 x 3 x 3 pixels beside a dense layer of times and conditions, which is added
/// at each pixel of its own.
layer_list<> own(const network_rows& rows, bool divergence = false) {
    layer_list<> list;
    const auto dense = [](index_t outputs) {
        return convolution{.outputs = outputs, .kernel = 1, .padding = 0, .gain = 0.0};
    };
    const auto x = list.add(input_rows{.first = 0, .shape = {4, 3, 3}});
    const auto c = list.add(input_rows{.first = rows.first_condition(), .shape = {rows.conditions(), 1, 1}});
    const auto h = list.add(diamond::activation_layer{}, list.add(convolution{.outputs = 3}, x));
    const auto time = list.add(diamond::activation_layer{},
                               list.add(convolution{.outputs = 9, .kernel = 1, .padding = 0}, c));
    list.outputs = {list.add(convolution{.outputs = 2, .gain = 0.0}, h)};
    if (divergence) list.outputs.push_back(list.add(dense(1), time));
    return list;
}
template <class Head>
struct make_own {
    index_t classes = 0, vector_size = 0;
    bool basis = false;
    template <class Batch>
    auto operator()(const diamond::backend_of_t<Batch>& context) const {
        const network_rows rows{.dimension = 18, .classes = classes, .vector_size = vector_size};
        std::optional<diamond::gaussian_frame<Batch>> of_vectors;
        if (vector_size > 0) of_vectors.emplace(context, image_networks::frame_numbers(vector_size));
        return preconditioned_network<layer_graph<Batch>, linear_schedule, Head>(
            {}, diamond::gaussian_frame<Batch>(context, image_networks::frame_numbers(18, basis)), of_vectors,
            classes, layer_graph<Batch>(rows.total(), own(rows, Head::rows == 1)));
    }
};

/// Parameters of a network, as a training begins with them.
template <class Network>
batch first_theta(const diamond::eigen::context& context, const Network& network) {
    batch theta(context, network.parameters(), 1);
    network.initialise(diamond::philox{1}, theta.mutable_view());
    return theta;
}

} // namespace

TEST_CASE("tangents, products and gradients of a graph's network agree with differences") {
    const diamond::eigen::context context{.threads = 2};
    image_networks::check_derivatives(make_own<diamond::no_head>{}.operator()<batch>(context), 5);
    for (const bool basis : {false, true})
        image_networks::check_derivatives(
            make_own<diamond::divergence_head>{2, 3, basis}.operator()<batch>(context), 6);
}

TEST_CASE("it begins as its frame's Gaussian, and is the same in its own coordinates") {
    const diamond::eigen::context context{.threads = 2};
    for (const bool basis : {false, true}) {
        auto network = make_own<diamond::divergence_head>{0, 0, basis}.operator()<batch>(context);
        const diamond::diamond_mlp_with_divergence<batch, linear_schedule> gaussian(
            {}, network.frame(), {.mlp = {.width = 4, .blocks = 0}});
        image_networks::check_begins_as(network, gaussian, 5);

        const image_networks::numbers_of_call at(network, 5);
        image_networks::call_on call(context, network, at);
        const auto expected = call.value();
        auto inside = network;
        inside.leave_basis(context);
        CHECK(!inside.frame().has_basis());
        CHECK(inside.left_basis() == basis);
        if (basis) {
            const diamond::network_flow_map map{
                diamond::trained_network(inside, first_theta(context, inside))};
            CHECK_THROWS_WITH_AS(diamond::io::save_flow_map("nowhere", map),
                                 doctest::Contains("a network that left its frame's basis"),
                                 std::invalid_argument);
        }
        image_networks::call_on turned(context, inside, at);
        batch buffer;
        for (batch* const x : {&turned.xbar, &turned.x_t}) {
            const auto to = network.frame().into(x->read(), buffer);
            context.copy(to.data(), to.size(), x->data());
        }
        batch v(context, 19, 5), out(context, 19, 5);
        inside(turned.theta.data(), turned.arguments(), turned.condition(), turned.space, v.mutable_view());
        if (basis)
            network.frame().out_of(v.read(), out.mutable_view());
        else
            context.copy(v.data(), v.size(), out.data());
        const auto found = graphs::fetched(out);
        for (std::size_t i = 0; i < found.size(); ++i)
            CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-10).scale(1.0));
    }
}

TEST_CASE_TEMPLATE("a graph's network gives the same on every back end, and the same bits on any number of "
                   "threads",
                   back_end, ALL_BACK_ENDS) {
    for (const bool basis : {false, true})
        image_networks::check_back_end<back_end>(make_own<diamond::divergence_head>{2, 3, basis}, 6,
                                                 64 * back_end::tolerance);
}

TEST_CASE("times that all columns share give the same bits as equal ones") {
    const diamond::eigen::context context{.threads = 2};
    const auto network = make_own<diamond::no_head>{}.operator()<batch>(context);
    image_networks::numbers_of_call at(network, 5);
    for (auto* times : {&at.t, &at.s, &at.r}) times->assign(5, times->back());
    image_networks::call_on call(context, network, at);
    const auto expected = call.value();
    batch v(context, 18, 5);
    network(call.theta.data(),
            {call.xbar.read(), call.x_t.read(), diamond::time_view(at.t[0]), diamond::time_view(at.s[0]),
             diamond::time_view(at.r[0])},
            {}, call.space, v.mutable_view());
    CHECK(graphs::fetched(v) == expected);
}

TEST_CASE("layers that do not read and write what the network does are refused") {
    const diamond::eigen::context context{.threads = 1};
    const diamond::gaussian_frame<batch> frame(context, image_networks::frame_numbers(18));
    const network_rows rows{.dimension = 18, .classes = 2};
    using network = preconditioned_network<layer_graph<batch>, linear_schedule>;
    CHECK_THROWS_WITH_AS(network({}, frame, std::nullopt, 3, layer_graph<batch>(rows.total(), own(rows))),
                         "a network of dimension 18, 3 classes and vectors of 0 numbers has layers from 85 "
                         "rows to 18, and was given some from 84 to 18",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        network({}, frame, std::nullopt, 2, layer_graph<batch>(rows.total(), own(rows, true))),
        doctest::Contains("from 84 rows to 18, and was given some from 84 to 19"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(network({}, frame, std::nullopt, -1, layer_graph<batch>(rows.total(), own(rows))),
                         doctest::Contains("a network of -1 classes"), std::invalid_argument);
}

TEST_CASE("a vector-Jacobian product of many large images is taken in pieces, and no bit depends on them") {
    constexpr index_t d = 128 * 128, n = 70;
    using real = float;
    using images = diamond::eigen::batch<real>;
    const diamond::eigen::context context{.threads = 2};
    const network_rows rows{.dimension = d};
    layer_list<> list;
    auto x = list.add(input_rows{.first = 0, .shape = {1, 128, 128}});
    for (int layer = 0; layer < 64; ++layer) x = list.add(diamond::sum_layer{}, x, x);
    list.outputs = {list.add(diamond::activation_layer{.kind = diamond::activation::tanh}, x)};
    const layer_graph<images> graph(rows.total(), list);
    REQUIRE(graph.recorded_rows() * n > index_t{1} << 26);
    const preconditioned_network<layer_graph<images>, linear_schedule> network(
        {}, diamond::gaussian_frame<images>(context, image_networks::frame_numbers(d)), std::nullopt, 0,
        graph);
    const auto normals = [&](unsigned seed) {
        return diamond::from_host<real>(context, d, n, numbers::normals<real>(d * n, seed));
    };
    const images xbar = normals(1), x_t = normals(2), k = normals(3);
    images of_xbar(context, d, n), of_x_t(context, d, n), alone(context, d, 1), alone_t(context, d, 1);
    decltype(network)::workspace space;
    const auto pull = [&](index_t first, index_t count, images& to, images& to_t) {
        network.vjp(nullptr,
                    {xbar.read().columns(first, count), x_t.read().columns(first, count),
                     diamond::time_view(0.5), diamond::time_view(0.4), diamond::time_view(0.8)},
                    {}, k.read().columns(first, count), space, to.mutable_view(), to_t.mutable_view());
    };
    pull(0, n, of_xbar, of_x_t);
    const auto all = diamond::to_host(of_xbar);
    for (const index_t column : {index_t{0}, index_t{62}, n - 1}) {
        pull(column, 1, alone, alone_t);
        const auto one = diamond::to_host(alone);
        CHECK(std::equal(one.begin(), one.end(), all.begin() + column * d));
    }
}

} // namespace nn_preconditioned_network_test
