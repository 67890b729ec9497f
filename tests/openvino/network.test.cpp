// A velocity field from an ONNX file has the values and the products that JAX computed before it was written.
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/concepts/velocity_field.hpp>
#include <diamond/openvino/network.hpp>

#include "data.hpp"

using diamond::index_t, diamond::time_view, diamond_test::batch, diamond_test::error;

namespace {

constexpr index_t n = diamond_test::reference::columns;
using network = diamond::differentiable_openvino_network<batch>;
static_assert(diamond::velocity_field<diamond::openvino_network<batch>>);
static_assert(!diamond::differentiable_velocity_field<diamond::openvino_network<batch>>);
static_assert(diamond::differentiable_velocity_field<network>);

} // namespace

TEST_CASE("a velocity network from a file has JAX's values, cotangents and tangents") {
    const diamond::eigen::context context{.threads = 2};
    const network net(context, diamond_test::file("flow.onnx"));
    REQUIRE(net.dimension() == 3);
    const diamond_test::reference expected("flow");
    const batch x = expected.rows(context, "x"), direction = expected.rows(context, "direction");
    const auto t = expected.numbers("t");
    batch out(context, 3, n);
    auto space = net.make_workspace(context, n);

    net(x, time_view(t.data()), {}, space, out);
    CHECK(error(out, expected.numbers("out")) < 1e-5);
    net.vjp(x, time_view(t.data()), {}, direction, space, out);
    CHECK(error(out, expected.numbers("of_x")) < 1e-5);
    net.jvp(x, time_view(t.data()), {}, direction, space, out);
    CHECK(error(out, expected.numbers("jvp")) < 1e-5);
}
