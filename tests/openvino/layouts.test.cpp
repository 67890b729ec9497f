// Every way in which a file may ask for states, times and conditions, by u = t x and u = x + c.
#include <cmath>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/backend/thrust_cpu.hpp>
#include <diamond/openvino/network.hpp>

#include "data.hpp"

namespace openvino_layouts_test {

using diamond::index_t, diamond::time_view, diamond_test::batch;

namespace {

constexpr index_t d = 3, n = 4;
const std::vector<float> states{1, 2, 3, -4, 5, -6, 7, 8, 9, 0.5, -0.25, 2};
// Powers of two, and two columns that share a time.
const std::vector<double> times{0.5, 0.25, 0.25, 1.0};

template <class Condition = diamond::no_condition>
using network = diamond::openvino_network<batch, Condition>;

/// Evaluates a file of u = t x at both kinds of times.
void check_times(const network<>& net, index_t rows) {
    const diamond::eigen::context context{.threads = 1};
    const batch x = diamond::from_host<float>(context, rows, d * n / rows, states);
    batch out(context, x.rows(), x.columns());
    auto space = net.make_workspace(context, x.columns());
    net(x, 0.5, {}, space, out);
    auto found = diamond::to_host(out);
    for (std::size_t i = 0; i < states.size(); ++i) CHECK(found[i] == 0.5f * states[i]);
    net(x, time_view(times.data()), {}, space, out);
    found = diamond::to_host(out);
    for (std::size_t i = 0; i < states.size(); ++i)
        CHECK(found[i] == static_cast<float>(times[i / static_cast<std::size_t>(rows)]) * states[i]);
}

} // namespace

TEST_CASE("times of every shape and type serve one time and one a column") {
    const diamond::eigen::context context{.threads = 1};
    for (const char* name : {"scalar", "one", "each", "column", "scalar_double", "each_double"}) {
        CAPTURE(name);
        const network<> net(context, diamond_test::file("layouts/time_" + std::string(name) + ".onnx"));
        REQUIRE(net.dimension() == d);
        check_times(net, d);
    }
}
TEST_CASE("a file of a fixed number of columns, of half precision or of pictures serves any batch") {
    const diamond::eigen::context context{.threads = 1};
    check_times(network<>(context, diamond_test::file("layouts/fixed.onnx")), d);
    check_times(network<>(context, diamond_test::file("layouts/half.onnx")), d);
    const network<> image(context, diamond_test::file("layouts/image.onnx")); // 1 x 2 x 2
    REQUIRE(image.dimension() == 4);
    check_times(image, 4);
}
TEST_CASE("inputs and outputs are found by the names in the options") {
    const diamond::eigen::context context{.threads = 1};
    const auto file = diamond_test::file("layouts/named.onnx");
    check_times(network<>(context, file, {.x = "state", .t = "clock", .output = "u"}), d);
    const network<> minus(context, file, {.x = "state", .t = "clock", .output = "minus_u"});
    const batch x = diamond::from_host<float>(context, d, n, states);
    batch out(context, d, n);
    auto space = minus.make_workspace(context, n);
    minus(x, 0.5, {}, space, out);
    CHECK(diamond::to_host(out)[0] == -0.5f);
}
TEST_CASE("labels are one for the batch or one a column, with a number for no class") {
    const diamond::eigen::context context{.threads = 1};
    for (const char* name : {"int32", "int64", "column"}) {
        CAPTURE(name);
        const network<diamond::labels> net(context,
                                           diamond_test::file("layouts/label_" + std::string(name) + ".onnx"),
                                           {.condition = {.classes = 5, .none = 7}});
        const batch x = diamond::from_host<float>(context, d, n, states);
        batch out(context, d, n);
        auto space = net.make_workspace(context, n);
        const auto check = [&](diamond::labels given, const std::vector<std::int32_t>& read) {
            net(x, 0.5, given, space, out);
            const auto found = diamond::to_host(out);
            for (std::size_t i = 0; i < states.size(); ++i)
                CHECK(found[i] == states[i] + static_cast<float>(read[i / d]));
        };
        const std::vector<std::int32_t> each{4, -1, 0, 2};
        check(diamond::labels(3), {3, 3, 3, 3});
        check(diamond::labels(each.data()), {4, 7, 0, 2});
        check({}, {7, 7, 7, 7});
    }
}
TEST_CASE("vectors are one for the batch or one a column, with numbers for none") {
    const diamond::eigen::context context{.threads = 1};
    using vectors = diamond::condition_vectors<batch>;
    const network<vectors> net(context, diamond_test::file("layouts/vector.onnx"),
                               {.condition = {.none = {10, 20, 30}}});
    const batch x = diamond::from_host<float>(context, d, n, states);
    const batch c = diamond::from_host<float>(context, d, n, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    batch out(context, d, n);
    auto space = net.make_workspace(context, n);
    const auto check = [&](const vectors& given, const std::vector<float>& read) {
        net(x, 0.5, given, space, out);
        const auto found = diamond::to_host(out);
        for (std::size_t i = 0; i < states.size(); ++i) CHECK(found[i] == states[i] + read[i]);
    };
    const std::vector<std::int32_t> present{1, 0, 1, 0};
    check(vectors(c.read()), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    check(vectors(c.read(), present.data()), {1, 2, 3, 10, 20, 30, 7, 8, 9, 10, 20, 30});
    check(vectors::for_all(c.read().columns(1, 1)), {4, 5, 6, 4, 5, 6, 4, 5, 6, 4, 5, 6});
    check({}, {10, 20, 30, 10, 20, 30, 10, 20, 30, 10, 20, 30});
}
TEST_CASE("any back end in the host's memory will do") {
    const diamond::thrust_cpu::context context;
    using other = diamond::thrust_cpu::batch<float>;
    const diamond::openvino_network<other> net(context, diamond_test::file("layouts/time_each.onnx"));
    const other x = diamond::from_host<float>(context, d, n, states);
    other out(context, d, n);
    auto space = net.make_workspace(context, n);
    net(x, 0.5, {}, space, out);
    const auto found = diamond::to_host(out);
    for (std::size_t i = 0; i < states.size(); ++i) CHECK(found[i] == 0.5f * states[i]);
}
TEST_CASE("a workspace serves batches of any size and address, and none") {
    const diamond::eigen::context context{.threads = 1};
    const network<> net(context, diamond_test::file("layouts/time_each.onnx"));
    auto space = net.make_workspace(context, 1);
    for (const index_t columns : {1, 0, 70, 3, 70}) {
        const batch x = diamond::from_host<float>(
            context, d, columns, std::vector<float>(static_cast<std::size_t>(d * columns), 2.0f));
        batch out(context, d, columns);
        net(x, 0.25, {}, space, out);
        for (const float u : diamond::to_host(out)) CHECK(u == 0.5f);
    }
}

} // namespace openvino_layouts_test
