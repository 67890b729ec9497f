// A Diamond network from an ONNX file has the values and the products that JAX computed before it was
// written, and those of the library's own network with these weights.
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/concepts/diamond_network.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/openvino/diamond_network.hpp>
#include <diamond/schedule/linear.hpp>

#include "data.hpp"

namespace openvino_diamond_network_test {

using diamond::index_t, diamond::linear_schedule, diamond::time_view, diamond_test::batch,
    diamond_test::error, diamond_test::inner;

namespace {

constexpr index_t d = 3, n = diamond_test::reference::columns;
using network = diamond::differentiable_openvino_diamond_network<batch, linear_schedule, linear_schedule,
                                                                 diamond::labels>;
static_assert(
    diamond::diamond_network<diamond::openvino_diamond_network<batch, linear_schedule, linear_schedule>>);
static_assert(!diamond::differentiable_diamond_network<
              diamond::openvino_diamond_network<batch, linear_schedule, linear_schedule>>);
static_assert(diamond::differentiable_diamond_network<network>);

network loaded(const diamond::eigen::context& context, const char* name = "diamond.onnx") {
    return network(context, diamond_test::file(name), {}, {}, {.condition = {.classes = 4, .none = -1}});
}

} // namespace

TEST_CASE("a Diamond network from a file has JAX's values, cotangents and tangents, and the library's") {
    const diamond::eigen::context context{.threads = 2};
    const network net = loaded(context);
    REQUIRE(net.dimension() == d);
    const diamond_test::reference expected("diamond");
    const batch xbar = expected.rows(context, "xbar"), x_t = expected.rows(context, "x_t"),
                direction = expected.rows(context, "direction");
    const auto t = expected.numbers("t"), s = expected.numbers("s"), r = expected.numbers("r");
    const auto label = expected.numbers<std::int32_t>("condition");
    const diamond::diamond_arguments<batch> at{xbar, x_t, time_view(t.data()), time_view(s.data()),
                                               time_view(r.data())};
    const diamond::labels given(label.data());
    batch out(context, d, n), of_xbar(context, d, n), of_x_t(context, d, n);
    auto space = net.make_workspace(context, n);

    net(at, given, space, out);
    CHECK(error(out, expected.numbers("out")) < 1e-5);
    net.vjp(at, given, direction, space, of_xbar, of_x_t);
    CHECK(error(of_xbar, expected.numbers("of_xbar")) < 1e-5);
    CHECK(error(of_x_t, expected.numbers("of_x_t")) < 1e-5);
    net.jvp(at, given, direction, space, out);
    CHECK(error(out, expected.numbers("jvp")) < 1e-5);
    net.vjp(at, given, xbar, space, of_xbar, of_x_t);
    CHECK(std::abs(inner(xbar, out) - inner(of_xbar, direction)) < 1e-5);

    const auto own = diamond::io::load_network<batch>(context, diamond_test::own_network());
    auto own_space = own.make_workspace(context, n);
    own(at, given, own_space, out);
    CHECK(error(out, expected.numbers("out")) < 1e-5);
}
TEST_CASE("a Diamond network from a file has at the ends of times, too, the values that PyTorch gave it") {
    const diamond::eigen::context context{.threads = 1};
    const network net = loaded(context);
    constexpr index_t many = 25; // times 0, 0.999 and 1 among them
    const auto file = diamond::io::read_safetensors(
        diamond_test::file("../../io/data/pytorch_values.safetensors"));
    const auto state = [&](const char* name) {
        const auto values = file.require(name, diamond::io::dtype::f32, {many, d}).template values<float>();
        return diamond::from_host<float>(context, d, many, std::vector<float>(values.begin(), values.end()));
    };
    const auto time = [&](const char* name) {
        return file.require(name, diamond::io::dtype::f64, {many}).template values<double>();
    };
    const auto t = time("t"), s = time("s"), r = time("r");
    const auto label = file.require("label", diamond::io::dtype::i32, {many}).values<std::int32_t>();
    const auto v = file.require("v", diamond::io::dtype::f64, {many, d}).values<double>();
    const batch xbar = state("xbar"), x_t = state("x_t");
    batch out(context, d, many);
    auto space = net.make_workspace(context, many);
    net({xbar, x_t, time_view(t.data()), time_view(s.data()), time_view(r.data())},
        diamond::labels(label.data()), space, out);
    CHECK(error(out, {v.begin(), v.end()}) < 1e-5);
}
TEST_CASE("weights of half precision, read in both passes, give products that agree") {
    const diamond::eigen::context context{.threads = 1};
    const network half = loaded(context, "diamond_half.onnx");
    const diamond_test::reference expected("diamond");
    const batch xbar = expected.rows(context, "xbar"), x_t = expected.rows(context, "x_t"),
                direction = expected.rows(context, "direction");
    batch out(context, d, n), of_xbar(context, d, n), of_x_t(context, d, n);
    auto space = half.make_workspace(context, n);
    const diamond::diamond_arguments<batch> at{xbar, x_t, 0.4, 0.2, 0.9};
    half.jvp(at, diamond::labels(1), direction, space, out);
    half.vjp(at, diamond::labels(1), xbar, space, of_xbar, of_x_t);
    CHECK(std::abs(inner(xbar, out) - inner(of_xbar, direction)) < 1e-5);
}
TEST_CASE("one time for the batch gives the bits of equal times of columns") {
    const diamond::eigen::context context{.threads = 1};
    const network net = loaded(context);
    const diamond_test::reference expected("diamond");
    const batch xbar = expected.rows(context, "xbar"), x_t = expected.rows(context, "x_t");
    const std::vector<double> t(n, 0.3), s(n, 0.1), r(n, 0.8);
    batch one(context, d, n), each(context, d, n);
    auto space = net.make_workspace(context, n);
    net({xbar, x_t, 0.3, 0.1, 0.8}, diamond::labels(2), space, one);
    const std::vector<std::int32_t> label(n, 2);
    net({xbar, x_t, time_view(t.data()), time_view(s.data()), time_view(r.data())},
        diamond::labels(label.data()), space, each);
    CHECK(diamond::to_host(one) == diamond::to_host(each));
}
TEST_CASE("a Diamond network needs schedules that keep their promises") {
    struct backwards : linear_schedule {
        [[nodiscard]] double alpha(diamond::instant t) const { return 1.0 - t; }
    };
    const diamond::eigen::context context{.threads = 1};
    using wrong = diamond::openvino_diamond_network<batch, backwards, linear_schedule, diamond::labels>;
    CHECK_THROWS_AS(wrong(context, diamond_test::file("diamond.onnx"), {}, {}, {.condition = {.classes = 4}}),
                    std::invalid_argument);
}

} // namespace openvino_diamond_network_test
