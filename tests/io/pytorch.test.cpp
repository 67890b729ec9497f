// A network that PyTorch wrote has here the values that it had there; both files are from
// examples/studies/digits/pytorch/write_network.py.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/checkpoint.hpp>

#include "data.hpp"

namespace io_pytorch_test {

using diamond::index_t, diamond::io::dtype;

TEST_CASE_TEMPLATE("a network written by PyTorch has PyTorch's values", Real, float, double) {
    using batch = diamond::eigen::batch<Real>;
    const double most = std::is_same_v<Real, float> ? 1e-5 : 1e-12;
    const diamond::eigen::context context{.threads = 1};
    const auto network = diamond::io::load_network<batch>(context,
                                                          diamond_test::data("pytorch_network.safetensors"));
    const auto& net = network.architecture();
    REQUIRE(net.dimension() == 3);
    CHECK(net.options().mlp.width == 16);
    CHECK(net.options().mlp.blocks == 2);
    CHECK(net.options().mlp.nonlinearity == diamond::activation::gelu);
    CHECK(net.options().classes == 4);
    CHECK(net.frame().has_basis());

    constexpr index_t d = 3, n = 25;
    const auto file = diamond::io::read_safetensors(diamond_test::data("pytorch_values.safetensors"));
    const auto state = [&](const char* name) { // PyTorch's (n, d) in C order is our d x n
        const auto values = file.require(name, dtype::f32, {n, d}).template values<float>();
        return diamond::from_host<Real>(context, d, n, std::vector<Real>(values.begin(), values.end()));
    };
    const auto time = [&](const char* name) {
        return file.require(name, dtype::f64, {n}).template values<double>();
    };
    const batch xbar = state("xbar"), x_t = state("x_t");
    const auto t = time("t"), s = time("s"), r = time("r");
    const auto label = file.require("label", dtype::i32, {n}).template values<std::int32_t>();
    const auto expected = file.require("v", dtype::f64, {n, d}).template values<double>();

    batch v(context, d, n);
    auto space = network.make_workspace(context, n);
    network({xbar.read(), x_t.read(), diamond::time_view(t.data()), diamond::time_view(s.data()),
             diamond::time_view(r.data())},
            diamond::labels(label.data()), space, v.mutable_view());
    const auto found = diamond::to_host(v);
    for (index_t j = 0; j < n; ++j)
        for (index_t i = 0; i < d; ++i) {
            const auto at = static_cast<std::size_t>(i + d * j), column = static_cast<std::size_t>(j);
            CAPTURE(j);
            CAPTURE(t[column]);
            CAPTURE(s[column]);
            CAPTURE(r[column]);
            CHECK(std::abs(static_cast<double>(found[at]) - expected[at]) <=
                  most * std::max(1.0, std::abs(expected[at])));
        }
}

} // namespace io_pytorch_test
