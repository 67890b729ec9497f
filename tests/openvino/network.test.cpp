// A velocity field from an ONNX file has the values and the products that JAX, or PyTorch, computed before it
// was written.
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/concepts/velocity_field.hpp>
#include <diamond/openvino/network.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/readings.hpp>

#include "data.hpp"

namespace openvino_network_test {

using diamond::index_t, diamond::time_view, diamond_test::batch, diamond_test::error, diamond_test::inner;

namespace {

constexpr index_t d = 3, n = diamond_test::reference::columns;
template <class Condition = diamond::no_condition>
using network = diamond::differentiable_openvino_network<batch, Condition>;
static_assert(diamond::velocity_field<diamond::openvino_network<batch>>);
static_assert(!diamond::differentiable_velocity_field<diamond::openvino_network<batch>>);
static_assert(diamond::differentiable_velocity_field<network<>>);
static_assert(diamond::differentiable_velocity_field<network<diamond::labels>>);
static_assert(diamond::differentiable_velocity_field<network<diamond::condition_vectors<batch>>>);
static_assert(diamond::differentiable_velocity_field<network<diamond::label_and_vector<batch>>>);

/// Compares a network's value and products with those of a framework, and the products with each other.
template <class Network>
void has_values_of(const diamond_test::reference& expected, const diamond::eigen::context& context,
                   const Network& net, const typename Network::condition_type& condition) {
    REQUIRE(net.dimension() == d);
    const batch x = expected.rows(context, "x"), direction = expected.rows(context, "direction");
    const auto t = expected.numbers("t");
    batch out(context, d, n), pulled(context, d, n);
    auto space = net.make_workspace(context, n);

    net(x, time_view(t.data()), condition, space, out);
    CHECK(error(out, expected.numbers("out")) < 1e-5);
    net.vjp(x, time_view(t.data()), condition, direction, space, pulled);
    CHECK(error(pulled, expected.numbers("of_x")) < 1e-5);
    net.jvp(x, time_view(t.data()), condition, direction, space, out);
    CHECK(error(out, expected.numbers("jvp")) < 1e-5);

    // w (J v) = (w J) v, for a w that is not v: the state.
    net.vjp(x, time_view(t.data()), condition, x, space, pulled);
    const double forwards = inner(x, out), backwards = inner(pulled, direction);
    CHECK(std::abs(forwards - backwards) < 1e-5 * std::max(1.0, std::abs(forwards)));
}

} // namespace

TEST_CASE("a velocity network from a file has JAX's values, cotangents and tangents") {
    const diamond::eigen::context context{.threads = 2};
    has_values_of(diamond_test::reference("flow"), context,
                  network<>(context, diamond_test::file("flow.onnx")), {});
}
TEST_CASE("a network of labels has JAX's values") {
    const diamond::eigen::context context{.threads = 1};
    const auto label = diamond_test::reference("labelled").numbers<std::int32_t>("condition");
    has_values_of(
        diamond_test::reference("labelled"), context,
        network<diamond::labels>(context, diamond_test::file("labelled.onnx"), {.condition = {.classes = 5}}),
        diamond::labels(label.data()));
}
TEST_CASE("a network of vectors has JAX's values") {
    const diamond::eigen::context context{.threads = 1};
    const batch c = diamond_test::reference("conditioned").rows(context, "condition");
    has_values_of(diamond_test::reference("conditioned"), context,
                  network<diamond::condition_vectors<batch>>(context, diamond_test::file("conditioned.onnx")),
                  diamond::condition_vectors<batch>(c.read()));
}
TEST_CASE("a network of PyTorch's, with layers of its own, has PyTorch's values") {
    const diamond::eigen::context context{.threads = 1};
    const diamond_test::reference expected("torch", "torch.json");
    const auto label = expected.numbers<std::int32_t>("condition");
    has_values_of(
        expected, context,
        network<diamond::labels>(context, diamond_test::file("torch.onnx"), {.condition = {.classes = 4}}),
        diamond::labels(label.data()));
}
TEST_CASE("products that do not depend on the state are taken") {
    const diamond::eigen::context context{.threads = 1};
    const network<> net(context, diamond_test::file("layouts/linear.onnx")); // u = t x
    const batch x(context, d, 2), v = diamond::from_host<float>(context, d, 2, {1, 2, 3, 4, 5, 6});
    batch out(context, d, 2);
    auto space = net.make_workspace(context, 2);
    for (const bool forwards : {true, false}) {
        forwards ? net.jvp(x, 0.5, {}, v, space, out) : net.vjp(x, 0.5, {}, v, space, out);
        const auto found = diamond::to_host(out);
        for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == 0.5f * static_cast<float>(i + 1));
    }
}
TEST_CASE("a file that predicts the denoiser is a velocity field on a schedule") {
    const diamond::eigen::context context{.threads = 1};
    const diamond::openvino_network<batch> net(context, diamond_test::file("layouts/time_each.onnx"));
    const diamond::denoiser_network field{diamond::linear_schedule{}, net}; // D = t x
    const batch x = diamond::from_host<float>(context, d, 2, {1, 2, 3, 4, 5, 6});
    batch out(context, d, 2);
    auto space = field.make_workspace(context, 2);
    field(x, 0.5, {}, space, out); // u = (D - x)/(1 - t) = -x
    const auto found = diamond::to_host(out);
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == -static_cast<float>(i + 1));
}
TEST_CASE("bfloat16 is near float, and not float") {
    const diamond::eigen::context context{.threads = 1};
    const diamond::openvino_network<batch> net(context, diamond_test::file("flow.onnx"), {.bf16 = true});
    const diamond_test::reference expected("flow");
    const batch x = expected.rows(context, "x");
    const auto t = expected.numbers("t");
    batch out(context, d, n);
    auto space = net.make_workspace(context, n);
    net(x, time_view(t.data()), {}, space, out);
    // Eight binary digits; a processor that has no bfloat16 computes in float.
    CHECK(error(out, expected.numbers("out")) < 0.03);
}

} // namespace openvino_network_test
