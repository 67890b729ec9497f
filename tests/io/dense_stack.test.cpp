// Dense stacks from files of other frameworks: a network that PyTorch wrote has here the outputs that it had
// there; names and shapes that do not fit are refused with the file's own. Files by
// data/make_pytorch_stack.py.
#include <cmath>
#include <cstddef>
#include <fstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <diamond/backend/eigen.hpp>
#include <diamond/io/dense_stack.hpp>

#include "data.hpp"

namespace io_dense_stack_test {

namespace io = diamond::io;
using diamond::activation, diamond::index_t, diamond::normalisation;

namespace {

std::vector<io::named_layer> layers() {
    return {{.weight = "fc1.weight",
             .bias = "fc1.bias",
             .kind = activation::gelu,
             .after = {normalisation::layer, "norm1.weight", "norm1.bias", 1e-5}},
            {.weight = "fc2.weight",
             .bias = "fc2.bias",
             .kind = activation::tanh,
             .residual = true,
             .before = {normalisation::layer, "norm2.weight", "norm2.bias", 1e-3}},
            {.weight = "fc3.weight",
             .bias = "fc3.bias",
             .kind = activation::relu,
             .before = {.kind = normalisation::rms, .weight = "norm3.weight", .epsilon = 1e-6}},
            {.weight = "fc4.weight", .bias = "fc4.bias", .kind = activation::leaky_relu},
            {.weight = "out.weight"}};
}
io::tensor_file stored() { return io::read_safetensors(diamond_test::data("pytorch_stack.safetensors")); }
/// The same weights as Keras and flax lay them out.
io::tensor_file as_kernels() {
    auto file = stored();
    for (auto& [name, tensor] : file.tensors) {
        if (tensor.shape.size() != 2) continue;
        const auto rows = tensor.shape[0], columns = tensor.shape[1];
        const auto numbers = io::detail::numbers_of<float>(file, name, tensor.shape);
        tensor = io::make_tensor({columns, rows}, io::detail::transposed(numbers, columns, rows));
    }
    return file;
}
/// The largest error of the outputs, in units of the largest output.
template <class Real>
double error_of(const std::vector<io::named_layer>& named, const io::tensor_file& file_of_stack = stored(),
                io::weight_layout layout = io::weight_layout::out_in) {
    using batch = diamond::eigen::batch<Real>;
    std::ifstream file(diamond_test::data("pytorch_stack.json"));
    const auto reference = nlohmann::json::parse(file);
    const auto x = reference.at("x").get<std::vector<double>>(),
               expected = reference.at("y").get<std::vector<double>>();
    const diamond::eigen::context context{.threads = 1};
    const auto net = io::dense_stack_from<batch>(context, file_of_stack, layout, named);
    REQUIRE(net.stack.inputs() == 5);
    REQUIRE(net.stack.outputs() == 3);
    constexpr index_t n = 9; // PyTorch's (n, d) in C order is our d x n
    const batch in = diamond::from_host<Real>(context, 5, n, std::vector<Real>(x.begin(), x.end()));
    batch out(context, 3, n);
    typename diamond::dense_stack<batch>::workspace space;
    net.stack.forward(context, net.theta.data(), {in.data()}, n, {out.data()}, space);
    const auto found = diamond::to_host(out);
    double error = 0.0, most = 0.0;
    for (std::size_t k = 0; k < expected.size(); ++k) {
        error = std::max(error, std::abs(static_cast<double>(found[k]) - expected[k]));
        most = std::max(most, std::abs(expected[k]));
    }
    return error / most;
}

} // namespace

TEST_CASE("a network of PyTorch, with norms and foreign names, has PyTorch's outputs") {
    CHECK(error_of<float>(layers()) < 1e-6);
    CHECK(error_of<double>(layers()) < 1e-14);
    // What would go wrong is seen: another epsilon, norm, activation, layout of a square W, or no residual.
    const auto wrong = [](std::size_t l, const auto& change) {
        auto named = layers();
        change(named[l]);
        return error_of<double>(named);
    };
    CHECK(wrong(1, [](auto& layer) { layer.before.epsilon = 1e-5; }) > 1e-5);
    CHECK(wrong(1, [](auto& layer) { layer.residual = false; }) > 1e-2);
    CHECK(wrong(0, [](auto& layer) { layer.kind = activation::silu; }) > 1e-3);
    CHECK(wrong(1, [](auto& layer) { std::swap(layer.before, layer.after); }) > 1e-2);
}

TEST_CASE("a file has one layout: the other one is refused by the first layer that is not square") {
    using batch = diamond::eigen::batch<float>;
    CHECK(error_of<double>(layers(), as_kernels(), io::weight_layout::in_out) < 1e-14);
    const diamond::eigen::context context{.threads = 1};
    const auto path = diamond_test::data("pytorch_stack.safetensors");
    const auto net = io::read_dense_stack<batch>(context, path, io::weight_layout::out_in, layers());
    const auto same = io::dense_stack_from<batch>(context, as_kernels(), io::weight_layout::in_out, layers());
    CHECK(diamond::to_host(net.theta) == diamond::to_host(same.theta));
    CHECK_THROWS_WITH_AS(
        static_cast<void>(io::read_dense_stack<batch>(context, path, io::weight_layout::in_out, layers())),
        doctest::Contains("tensor 'fc1.bias': F32 of shape (8,) found, F32 of shape (5,) expected"),
        io::file_error);
}

TEST_CASE("a norm without an epsilon, and an RMSNorm with a bias, are refused") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    const auto refused = [&](const char* reason, const auto& change) {
        auto named = layers();
        change(named);
        CHECK_THROWS_WITH_AS(static_cast<void>(io::dense_stack_from<batch>(context, stored(),
                                                                           io::weight_layout::out_in, named)),
                             doctest::Contains(reason), std::invalid_argument);
    };
    refused("a norm of layer 'fc1.weight' has the epsilon 0: no file has it, so give that of the training",
            [](auto& named) {
                named[0].after = {normalisation::layer, "norm1.weight", "norm1.bias"};
            });
    refused("a norm of layer 'fc2.weight' has the epsilon nan",
            [](auto& named) { named[1].before.epsilon = NAN; });
    refused("an RMSNorm of layer 'fc3.weight' adds no bias, and 'fc3.bias' is named",
            [](auto& named) { named[2].before.bias = "fc3.bias"; });
}

TEST_CASE("tensors that are missing, do not fit or are forgotten are refused by name") {
    using batch = diamond::eigen::batch<float>;
    const diamond::eigen::context context{.threads = 1};
    const auto file = stored();
    constexpr auto out_in = io::weight_layout::out_in;
    const auto refused = [&](const char* reason, std::size_t l, const auto& change) {
        auto named = layers();
        change(named[l]);
        CHECK_THROWS_WITH_AS(static_cast<void>(io::dense_stack_from<batch>(context, file, out_in, named)),
                             doctest::Contains(reason), io::file_error);
    };
    refused("no tensor 'fc5.weight' among", 1, [](auto& layer) { layer.weight = "fc5.weight"; });
    refused("no tensor 'fc2.offset' among", 1, [](auto& layer) { layer.bias = "fc2.offset"; });
    refused("read as (out, in): it takes 5 numbers, and the layer before, 'fc2.weight', gives 8", 2,
            [](auto& layer) { layer.weight = "fc1.weight"; });
    refused("tensor 'fc1.bias' of shape (8,), read as (out, in): weights have two axes", 0,
            [](auto& layer) { layer.weight = "fc1.bias"; });
    refused("a residual layer gives as many numbers as it takes", 2,
            [](auto& layer) { layer.residual = true; });
    refused("tensor 'fc3.bias': F32 of shape (7,) found, F32 of shape (8,) expected", 0,
            [](auto& layer) { layer.bias = "fc3.bias"; });
    refused("tensor 'fc3.bias': F32 of shape (7,) found", 1,
            [](auto& layer) { layer.before.weight = "fc3.bias"; });
    refused("no layer names 'fc2.bias': name them", 1, [](auto& layer) { layer.bias = ""; });
    refused("no layer names 'norm1.bias', 'norm1.weight'", 0, [](auto& layer) { layer.after = {}; });

    auto more = file;
    more.tensors["step"] = io::make_tensor({}, std::vector<std::int64_t>{7});
    more.tensors["ema.fc1.weight"] = more.tensors["fc1.weight"];
    CHECK_THROWS_WITH_AS(
        static_cast<void>(io::dense_stack_from<batch>(context, more, out_in, layers(), {"ema."})),
        doctest::Contains("no layer names 'step'"), io::file_error);
    const auto net = io::dense_stack_from<batch>(context, more, out_in, layers(), {"ema.", "step"});
    CHECK(net.theta.size() == net.stack.parameters());
    CHECK_THROWS_WITH_AS(static_cast<void>(io::dense_stack_from<batch>(context, more, out_in, {}, {""})),
                         doctest::Contains("at least one layer"), std::invalid_argument);
    more.tensors["fc1.bias"] = io::make_tensor({8}, std::vector<float>(8, NAN));
    CHECK_THROWS_WITH_AS(
        static_cast<void>(io::dense_stack_from<batch>(context, more, out_in, layers(), {"ema.", "step"})),
        doctest::Contains("number 0 of tensor 'fc1.bias' is nan"), io::file_error);
}

} // namespace io_dense_stack_test
