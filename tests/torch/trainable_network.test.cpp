// TorchScript modules as networks that the library trains: gradients against differences, and trainings.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/training_checkpoint.hpp>
#include <diamond/torch/diamond_network.hpp>
#include <diamond/torch/trainable_network.hpp>

#include "checks.hpp"
#include "reference.hpp"

namespace torch_trainable_network_test {

using diamond::index_t, diamond::labels, diamond::linear_schedule, diamond::philox, diamond::time_view;
using diamond::torch_trainable_network;
using doctest::Contains;
using torch_reference::difference, torch_reference::file;
using wide = diamond::eigen::batch<double>;
using narrow = diamond::eigen::batch<float>;

static_assert(diamond::trainable_network<torch_trainable_network<wide>>);
static_assert(
    diamond::differentiable_diamond_network<diamond::trained_network<torch_trainable_network<wide>>>);

namespace {

// Numbers between -1 and 1 without a pattern.
wide waves(const diamond::eigen::context& context, index_t rows, index_t columns, double phase) {
    wide result(context, rows, columns);
    for (index_t k = 0; k < result.size(); ++k)
        result.data()[k] = std::sin(static_cast<double>(k * k) + phase);
    return result;
}

// A mixture of two Gaussians in the plane.
const std::vector<double> weights{0.5, 0.5}, means{1.2, 0.4, -1.2, -0.4}, variances{0.15, 0.15};

// The root mean square error of posterior means at t = 1/2: the mean of 64 draws of a Diamond map for each of
// 256 states, against the exact one. Exact draws would give 0.1.
template <class Network>
double posterior_error(const diamond::eigen::context& context, const Network& network) {
    constexpr index_t n = 256, samples = 64;
    const diamond::gaussian_mixture<narrow, linear_schedule> model{context, {}, weights, means, variances};
    narrow z(context, 2, n), x(context, 2, n), noise(context, 2, n), exact(context, 2, n),
        draws(context, 2, n * samples);
    const philox rng{7};
    model.draw(rng.stream(diamond::purpose::data), z.mutable_view());
    context.fill_normal(rng.split(1).stream(diamond::purpose::data), noise.mutable_view());
    diamond::assign(x, 0.5 * z + 0.5 * noise);
    auto space = model.make_workspace(context, n);
    model.denoiser(x.read(), 0.5, {}, space, exact.mutable_view());
    diamond::diamond_map_posterior posterior{diamond::network_diamond_map{network}};
    auto stream = rng.split(2).stream(diamond::purpose::data);
    stream.samples = samples;
    posterior(x.read(), 0.5, {}, stream, draws.mutable_view());
    double sum = 0.0;
    for (index_t j = 0; j < n; ++j)
        for (index_t i = 0; i < 2; ++i) {
            double mean = 0.0;
            for (index_t m = 0; m < samples; ++m)
                mean += static_cast<double>(draws.data()[i + 2 * (j * samples + m)]) / samples;
            sum += std::pow(mean - static_cast<double>(exact.data()[i + 2 * j]), 2);
        }
    return std::sqrt(sum / (2.0 * n));
}

} // namespace

TEST_CASE("the gradient of v and v' is that of differences of theta") {
    const diamond::eigen::context context{.threads = 1};
    const torch_trainable_network<wide> network{
        context, file("mean_velocity_double.pt"), {}, {}, {.dimension = 2}};
    const index_t p = network.parameters();
    constexpr index_t n = 4;
    CHECK(p == (10 * 8 + 8) + (8 * 8 + 8) + (8 * 2 + 2));
    wide theta(context, p, 1), gradient(context, p, 1), v(context, 2, n), v_dot(context, 2, n);
    network.initialise(philox{1}, theta.mutable_view());
    const wide xbar = waves(context, 2, n, 1.0), x_t = waves(context, 2, n, 2.0),
               k = waves(context, 2, n, 3.0), k_dot = waves(context, 2, n, 4.0),
               along = waves(context, 2, n, 5.0);
    const std::vector<double> t{0.1, 0.3, 0.6, 0.9}, s{0.0, 0.2, 0.4, 0.6}, r{0.5, 0.2, 1.0, 0.7};
    const diamond::diamond_arguments<wide> at{xbar.read(), x_t.read(), time_view(t.data()),
                                              time_view(s.data()), time_view(r.data())};
    auto space = network.make_workspace(context, n);
    using speeds = diamond::diamond_speeds<double>;
    const auto sum = [&](speeds direction, bool moving) {
        if (moving)
            network.record(theta.data(), at, {}, direction, space, v.mutable_view(), v_dot.mutable_view());
        else
            network.record(theta.data(), at, {}, space, v.mutable_view());
        double result = 0.0;
        for (index_t i = 0; i < v.size(); ++i)
            result += k.data()[i] * v.data()[i] + (moving ? k_dot.data()[i] * v_dot.data()[i] : 0.0);
        return result;
    };
    struct direction_case {
        speeds direction;
        bool moving;
    };
    // What the diagonal, the Lagrangian and the Eulerian and MeanFlow losses record, and one as no loss.
    for (const auto& [direction, moving] :
         {direction_case{{}, false}, direction_case{{nullptr, 0.0, 1.0}, true},
          direction_case{{along.data(), 1.0, 0.0}, true}, direction_case{{along.data(), 0.0, 0.0}, true},
          direction_case{{}, true}}) {
        diamond::set_to_zero(gradient.mutable_view());
        sum(direction, moving);
        network.backward(theta.data(), space, k.read(), moving ? k_dot.data() : nullptr, gradient.data());
        double worst = 0.0, size = 0.0;
        for (index_t q = 0; q < p; ++q) {
            constexpr double h = 1e-5;
            const double before = theta.data()[q];
            theta.data()[q] = before + h;
            const double above = sum(direction, moving);
            theta.data()[q] = before - h;
            const double below = sum(direction, moving);
            theta.data()[q] = before;
            const double slope = (above - below) / (2 * h);
            worst = std::max(worst, std::abs(slope - gradient.data()[q]));
            size = std::max(size, std::abs(slope));
        }
        CHECK(size > 0.1);
        CHECK(worst <= 1e-8 * size);
        // v' itself, as the arguments move.
        if (!moving) continue;
        sum(direction, true);
        const auto found = diamond::to_host(v_dot);
        const auto moved = [&](double h) {
            wide x(context, 2, n);
            std::vector<double> s_moved = s, r_moved = r;
            for (index_t i = 0; i < x.size(); ++i)
                x.data()[i] = xbar.data()[i] + (direction.xbar ? h * direction.xbar[i] : 0.0);
            for (double& time : s_moved) time += h * direction.s;
            for (double& time : r_moved) time += h * direction.r;
            network(theta.data(),
                    {x.read(), x_t.read(), time_view(t.data()), time_view(s_moved.data()),
                     time_view(r_moved.data())},
                    {}, space, v.mutable_view());
            return diamond::to_host(v);
        };
        const auto above = moved(1e-5), below = moved(-1e-5);
        for (std::size_t i = 0; i < found.size(); ++i)
            CHECK(found[i] == doctest::Approx((above[i] - below[i]) / 2e-5).epsilon(1e-8));
    }
    // backward adds, and a spent record adds nothing.
    diamond::set_to_zero(gradient.mutable_view());
    for (int twice = 0; twice < 2; ++twice) {
        sum({}, false);
        network.backward(theta.data(), space, k.read(), nullptr, gradient.data());
    }
    const auto doubled = diamond::to_host(gradient);
    network.backward(theta.data(), space, k.read(), nullptr, gradient.data());
    CHECK(diamond::to_host(gradient) == doubled);
    diamond::set_to_zero(gradient.mutable_view());
    sum({}, false);
    network.backward(theta.data(), space, k.read(), nullptr, gradient.data());
    for (index_t q = 0; q < p; ++q)
        CHECK(2.0 * gradient.data()[q] == doctest::Approx(doubled[static_cast<std::size_t>(q)]));
}

TEST_CASE("a module of diamond_mlp's formulas has its v, its v' and their gradients") {
    // The file is what tests/torch/data/write.py made of the network that the checkpoint has. theta has the
    // weights (out, in) of a layer by rows, and then its bias.
    const diamond::eigen::context context{.threads = 1};
    const torch_trainable_network<narrow, linear_schedule, linear_schedule, labels> network{
        context, file("diamond.pt"), {}, {}, {.dimension = 3, .classes = 4}};
    const auto checkpoint = diamond::io::load_network<narrow>(
        context, std::filesystem::path{DIAMOND_TEST_DATA} / "pytorch_network.safetensors");
    const auto& own = checkpoint.architecture();
    CHECK(network.classes() == 4);
    CHECK(network.spread()(0, 0.5) == doctest::Approx(0.5)); // 1/(1 + 1)
    const index_t p = network.parameters();
    REQUIRE(p == own.parameters());
    narrow theta(context, p, 1), gradient(context, p, 1), own_gradient(context, p, 1);
    network.initialise({}, theta.mutable_view());

    const torch_reference::of reference("diamond");
    const narrow xbar = reference.states(context, "xbar"), x_t = reference.states(context, "x_t"),
                 k = reference.states(context, "cotangent");
    const auto t = reference.times("t"), s = reference.times("s"), r = reference.times("r");
    const auto label = reference.labels("label");
    const index_t n = xbar.columns();
    narrow v(context, 3, n), v_dot(context, 3, n), own_v(context, 3, n), own_v_dot(context, 3, n);
    auto space = network.make_workspace(context, n);
    auto own_space = own.make_workspace(context, n);
    const diamond::diamond_arguments<narrow> at{xbar.read(), x_t.read(), time_view(t.data()),
                                                time_view(s.data()), time_view(r.data())};
    const labels given(label.data());
    using speeds = diamond::diamond_speeds<float>;
    for (const speeds direction : {speeds{nullptr, 0.0, 1.0}, speeds{k.data(), 1.0, 0.0}}) {
        network.record(theta.data(), at, given, direction, space, v.mutable_view(), v_dot.mutable_view());
        own.record(checkpoint.parameters().data(), at, given, direction, own_space, own_v.mutable_view(),
                   own_v_dot.mutable_view());
        CHECK(difference(v, own_v) <= 1e-5);
        CHECK(difference(v_dot, own_v_dot) <= 1e-4);
        for (auto* zero : {&gradient, &own_gradient}) diamond::set_to_zero(zero->mutable_view());
        network.backward(theta.data(), space, k.read(), x_t.data(), gradient.data());
        own.backward(checkpoint.parameters().data(), own_space, k.read(), x_t.data(), own_gradient.data());
        narrow in_our_order(context, p, 1);
        index_t from = 0;
        for (const auto& layer : own.layers()) {
            for (index_t o = 0; o < layer.outputs; ++o)
                for (index_t i = 0; i < layer.inputs; ++i)
                    in_our_order.data()[layer.offset + o + layer.outputs * i] = gradient.data()[from++];
            for (index_t o = 0; o < layer.outputs; ++o)
                in_our_order.data()[layer.bias() + o] = gradient.data()[from++];
        }
        CHECK(from == p);
        CHECK(difference(in_our_order, own_gradient) <= 1e-4);
    }

    const diamond::trained_network trained{network, std::move(theta)};
    auto trained_space = trained.make_workspace(context, n);
    auto checkpoint_space = checkpoint.make_workspace(context, n);
    trained(at, given, trained_space, v.mutable_view());
    CHECK(difference(v, reference.states(context, "value")) <= 1e-5);
    trained.vjp(at, given, k.read(), trained_space, v.mutable_view(), v_dot.mutable_view());
    CHECK(difference(v, reference.vjp(context, 0)) <= 1e-5);
    CHECK(difference(v_dot, reference.vjp(context, 1)) <= 1e-5);
    trained.jvp(at, given, k.read(), trained_space, v.mutable_view());
    checkpoint.jvp(at, given, k.read(), checkpoint_space, own_v.mutable_view());
    CHECK(difference(v, own_v) <= 1e-5);
}

TEST_CASE(
    "a torch module is trained to a Diamond map, is resumed to the same bits, and is saved as TorchScript") {
    const diamond::eigen::context context{.threads = 1};
    const diamond::gaussian_mixture<narrow, linear_schedule> model{context, {}, weights, means, variances};
    narrow points(context, 2, 4000);
    model.draw(philox{1}.stream(diamond::purpose::data), points.mutable_view());
    const diamond::training_set<narrow> data{std::move(points), 0.0};
    const diamond::diamond_training_options options{
        .steps = 1200, .batch = 128, .rate = {.peak = 5e-3}, .average = 0.98};
    const torch_trainable_network<narrow> network{
        context, DIAMOND_FROM_ELSEWHERE "/mean_velocity.pt", {}, {}, {.dimension = 2, .variance = 0.95}};
    diamond::diamond_trainer trainer{network, data, philox{2}, options};
    auto state = trainer.start();
    const double untrained = posterior_error(context,
                                             diamond::trained_network{network, trainer.averaged(state)});

    const auto path = std::filesystem::temp_directory_path() / "diamond_torch_training.safetensors";
    while (state.step < 800) trainer.step(state);
    diamond::io::save_training(path, state, "two clusters");
    trainer.run(state);
    diamond::diamond_trainer again{network, data, philox{2}, options};
    auto resumed = diamond::io::load_training<narrow>(context, path, "two clusters", again.parameters());
    again.run(resumed);
    CHECK(diamond::to_host(resumed.theta) == diamond::to_host(state.theta));
    CHECK(diamond::to_host(resumed.average) == diamond::to_host(state.average));
    std::filesystem::remove(path);

    const diamond::trained_network trained{network, trainer.averaged(state)};
    const double error = posterior_error(context, trained);

    // The library's own network of about as many parameters, in as many steps.
    const diamond::diamond_mlp<narrow, linear_schedule> own{
        {},
        diamond::gaussian_frame<narrow>{context, {.mean = {0.0, 0.0}, .variance = {1.59, 0.31}, .basis = {}}},
        {.mlp = {.width = 48, .blocks = 1}}};
    diamond::diamond_trainer own_trainer{own, data, philox{2}, options};
    auto own_state = own_trainer.start();
    own_trainer.run(own_state);
    const double own_error = posterior_error(context,
                                             diamond::trained_network{own, own_trainer.averaged(own_state)});
    MESSAGE("posterior means: untrained " << untrained << ", trained " << error << ", diamond_mlp "
                                          << own_error);
    CHECK(error < 0.45 * untrained);
    CHECK(error < 3.0 * own_error);

    // The trained module as a file is the same network.
    const auto script = std::filesystem::temp_directory_path() / "diamond_torch_trained.pt";
    network.with(trained.parameters().read()).save(script.string());
    const diamond::torch_diamond_network<narrow> read{context, script, {}, {}, {.dimension = 2}};
    CHECK(posterior_error(context, read) == error);
    CHECK(torch_trainable_network<narrow>{context, script, {}, {}, {.dimension = 2}}.parameters() ==
          network.parameters());
    std::filesystem::remove(script);
}

TEST_CASE("parameters that are parts of one vector stay what they are when a module is copied") {
    const diamond::eigen::context context{.threads = 1};
    const auto all = torch::arange(1.0, 5.0, torch::kFloat);
    torch::jit::Module module("flat");
    module.register_parameter("a", all.narrow(0, 0, 2).requires_grad_(true), false);
    module.register_parameter("b", all.narrow(0, 2, 2).requires_grad_(true), false);
    module.define("def forward(self, xbar, x_t, t, s, r):\n    return xbar * self.a + self.b\n");
    const torch_trainable_network<narrow> network{context, module, {}, {}, {.dimension = 2}};
    narrow theta(context, network.parameters(), 1), out(context, 2, 1);
    network.initialise({}, theta.mutable_view());
    CHECK(diamond::to_host(theta) == std::vector<float>{1, 2, 3, 4});
    const diamond::torch_diamond_network<narrow> plain{context, module, {}, {}, {.dimension = 2}};
    const narrow x = diamond::from_host<float>(context, 2, 1, {1.0f, 1.0f});
    auto space = plain.make_workspace(context, 1);
    plain({x.read(), x.read(), 0.5, 0.5, 0.5}, {}, space, out.mutable_view());
    CHECK(diamond::to_host(out) == std::vector<float>{4, 6});
}

TEST_CASE("shared parameters count once, frozen ones not at all, and a module without any is refused") {
    const diamond::eigen::context context{.threads = 1};
    torch::jit::Module module("parts");
    const auto weight = torch::full({2}, 2.0).requires_grad_(true);
    module.register_parameter("a", weight, false);
    module.register_parameter("b", weight, false);
    module.register_parameter("frozen", torch::full({2}, 7.0), false);
    module.register_parameter("c", torch::full({1, 3}, 5.0).requires_grad_(true), false);
    module.define("def forward(self, xbar, x_t, t, s, r):\n"
                  "    return xbar * self.a + x_t * self.b * self.frozen + self.c.sum()\n");
    const torch_trainable_network<narrow> network{context, module, {}, {}, {.dimension = 2}};
    REQUIRE(network.parameters() == 5);
    narrow theta(context, 5, 1), gradient(context, 5, 1), out(context, 2, 1);
    network.initialise({}, theta.mutable_view());
    CHECK(diamond::to_host(theta) == std::vector<float>{2, 2, 5, 5, 5});
    const narrow xbar = diamond::from_host<float>(context, 2, 1, {1.0f, 2.0f}),
                 x_t = diamond::from_host<float>(context, 2, 1, {3.0f, 4.0f}),
                 k = diamond::from_host<float>(context, 2, 1, {1.0f, 10.0f});
    auto space = network.make_workspace(context, 1);
    network.record(theta.data(), {xbar.read(), x_t.read(), 0.5, 0.5, 0.5}, {}, space, out.mutable_view());
    CHECK(diamond::to_host(out) == std::vector<float>{59.0f, 75.0f});
    diamond::set_to_zero(gradient.mutable_view());
    network.backward(theta.data(), space, k.read(), nullptr, gradient.data());
    CHECK(diamond::to_host(gradient) == std::vector<float>{22.0f, 300.0f, 11.0f, 11.0f, 11.0f});
    CHECK(weight.grad().defined() == false);

    const auto refusal = [&](const torch::jit::Module& of, double variance) -> doctest::String {
        try {
            const torch_trainable_network<narrow> refused{
                context, of, {}, {}, {.dimension = 2, .variance = variance}};
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "nothing was refused";
    };
    CHECK(refusal(module, 0.0) == Contains("variance of torch_options is 0: it must be positive and finite"));
    torch::jit::Module bare("bare");
    bare.define("def forward(self, xbar, x_t, t, s, r):\n    return xbar\n");
    CHECK(refusal(bare, 1.0) == Contains("has no parameters that require a gradient"));
    torch::jit::Module double_weight("of_double");
    double_weight.register_parameter("a", torch::ones({2}, torch::kDouble).requires_grad_(true), false);
    double_weight.define("def forward(self, xbar, x_t, t, s, r):\n    return xbar * self.a.float()\n");
    CHECK(refusal(double_weight, 1.0) ==
          Contains("has parameters of type Double, and the batch's type is Float"));
}

namespace {

// An inner layer's lines h -> f(h) between layers of width 16, and a last layer of zeros or not.
torch::jit::Module network_of(const std::string& lines, bool zero = false) {
    torch::manual_seed(1);
    torch::jit::Module module("with_inner_layer");
    const auto layer = [&](const char* name, torch::Tensor numbers) {
        module.register_parameter(name, numbers.requires_grad_(true), false);
    };
    layer("first", torch::randn({16, 7}) * 0.4);
    layer("gain", torch::ones({16}));
    layer("bias", torch::zeros({16}));
    layer("last", torch::randn({2, 16}) * (zero ? 0.0 : 0.3));
    module.define("def forward(self, xbar, x_t, t, s, r):\n"
                  "    inputs = torch.cat([xbar, x_t, torch.stack([t, s, r], 1)], 1)\n"
                  "    h = torch.silu(torch.linear(inputs, self.first))\n" +
                  lines + "    return torch.linear(torch.tanh(h), self.last)\n");
    return module;
}
const std::string
    layer_norm = "    h = torch.layer_norm(h, [16], self.gain, self.bias)\n",
    group_norm = "    h = torch.group_norm(h, 1, self.gain, self.bias, 1e-5)\n",
    instance_norm = "    h = torch.instance_norm(h.unsqueeze(1), None, None, None, None, True, 0.1, "
                    "1e-5, False).squeeze(1) * self.gain + self.bias\n",
    hand_written = "    h = h - h.mean(1, keepdim=True)\n"
                   "    h = h / torch.sqrt((h * h).mean(1, keepdim=True) + 1e-5) * self.gain + "
                   "self.bias\n",
    relu = "    h = torch.relu(h * self.gain + self.bias - 0.1)\n",
    attention = "    q = (h * self.gain + self.bias).reshape(-1, 4, 4)\n"
                "    h = torch.matmul(torch.softmax(torch.matmul(q, q.transpose(1, 2)), -1), "
                "q).reshape(-1, 16)\n";

// What the constructor says when it refuses a module of dimension d.
template <class Batch = narrow, class Condition = diamond::no_condition>
doctest::String refusal(const torch::jit::Module& module, diamond::torch_options options = {.dimension = 2}) {
    const diamond::eigen::context context{.threads = 1};
    try {
        const torch_trainable_network<Batch, linear_schedule, linear_schedule, Condition> network{
            context, module, {}, {}, options};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "nothing was refused";
}
// A module of one parameter a, (1), with these lines.
torch::jit::Module scaled(const std::string& lines) {
    torch::jit::Module module("scaled");
    module.register_parameter("a", torch::full({1}, 0.5).requires_grad_(true), false);
    module.define("def forward(self, xbar, x_t, t, s, r):\n" + lines);
    return module;
}

} // namespace

TEST_CASE("a module whose third derivatives are wrong in libtorch is refused, and one that is right is not") {
    for (const bool zero : {false, true}) { // a last layer of zeros hides nothing
        for (const auto* wrong : {&layer_norm, &instance_norm})
            CHECK(refusal(network_of(*wrong, zero)) ==
                  Contains(
                      "has other third derivatives in libtorch than those of its numbers, as LayerNorm and "
                      "instance_norm have: train it with GroupNorm(1, width)"));
        for (const auto* right : {&group_norm, &hand_written, &relu, &attention})
            CHECK(refusal(network_of(*right, zero)) == "nothing was refused");
    }
    // What is right is far from the bound of 1e-4, and what is wrong as well.
    const diamond::eigen::context context{.threads = 1};
    const auto error = [&](const std::string& lines, torch::ScalarType type) {
        const diamond::detail::torch_function<narrow, diamond::no_condition> function{
            context, network_of(lines), {{"xbar", "x_t"}, {"t", "s", "r"}, {}}, {.dimension = 2}};
        const diamond::detail::torch_probe probe(function.module(), function.trial_tensors(context), type);
        const double of_value = probe.error_of_derivative(0.0), of_gradient = probe.error_of_gradient(0.0);
        MESSAGE(lines << std::string(c10::toString(type)) << ": v' " << of_value << ", gradient "
                      << of_gradient);
        CHECK(of_value < (type == torch::kDouble ? 1e-7 : 1e-3));
        return of_gradient;
    };
    for (const auto* wrong : {&layer_norm, &instance_norm})
        for (const auto type : {torch::kDouble, torch::kFloat}) CHECK(error(*wrong, type) > 5e-3);
    for (const auto* right : {&group_norm, &hand_written, &relu, &attention}) {
        CHECK(error(*right, torch::kDouble) < 1e-6);
        CHECK(error(*right, torch::kFloat) < 1e-3);
    }
}

TEST_CASE("a module that works in float alone is checked in float") {
    for (const auto* lines : {&layer_norm, &group_norm}) {
        torch::manual_seed(1);
        torch::jit::Module module("of_float");
        module.register_attribute("table", c10::TensorType::get(), torch::randn({2, 16}) * 0.3); // no buffer
        module.register_parameter("gain", torch::ones({16}).requires_grad_(true), false);
        module.register_parameter("bias", torch::zeros({16}).requires_grad_(true), false);
        module.register_parameter("first", (torch::randn({16, 7}) * 0.4).requires_grad_(true), false);
        module.define("def forward(self, xbar, x_t, t, s, r):\n"
                      "    inputs = torch.cat([xbar, x_t, torch.stack([t, s, r], 1)], 1)\n"
                      "    h = torch.silu(torch.linear(inputs, self.first))\n" +
                      *lines + "    return torch.linear(torch.tanh(h), self.table)\n");
        if (lines == &layer_norm)
            CHECK(refusal(module) == Contains("other third derivatives"));
        else
            CHECK(refusal(module) == "nothing was refused");
    }
}

TEST_CASE("times and parameters that autograd does not know of are refused") {
    const std::string hidden = " but hides it from autograd, as by a table of whole steps: v' would be wrong";
    for (const char* time : {"s", "r"}) {
        const std::string lines = "    return xbar * self.a + (" + std::string(time) +
                                  " * 999).long().unsqueeze(1) * self.a\n";
        CHECK(refusal(scaled(lines)) ==
              Contains(("depends on its time " + std::string(time) + hidden).c_str()));
    }
    // A table of zeros would hide it.
    torch::jit::Module table("table");
    table.register_parameter("steps", torch::zeros({1000, 2}).requires_grad_(true), false);
    table.define("def forward(self, xbar, x_t, t, s, r):\n    return xbar + self.steps[(r * 999).long()]\n");
    CHECK(refusal(table) == Contains(("depends on its time r" + hidden).c_str()));
    CHECK(refusal(scaled("    return self.a * (torch.sin(xbar) + torch.sin(xbar).detach())\n")) ==
          Contains("has another derivative in libtorch than that of its numbers, as xbar, s and r move"));
    CHECK(refusal(scaled("    return self.a * x_t + (t * 999).long().unsqueeze(1)\n")) ==
          "nothing was refused"); // no loss moves t

    CHECK(
        refusal(scaled("    return xbar + 0.0 * x_t\n")) ==
        Contains("has no derivative with respect to its parameter 'a': freeze it by requires_grad_(False)"));
    // What a GRU does: it reads its weights from a list.
    const auto weight = torch::full({2}, 2.0).requires_grad_(true);
    torch::jit::Module inner("recurrent");
    inner.register_parameter("weight", weight, false);
    inner.register_attribute("flat_weights", c10::ListType::ofTensors(), c10::List<torch::Tensor>({weight}));
    inner.define("def forward(self, x):\n    return x * self.flat_weights[0]\n");
    torch::jit::Module recurrent("around");
    recurrent.register_parameter("a", torch::full({1}, 0.5).requires_grad_(true), false);
    recurrent.register_module("inner", inner);
    recurrent.define(
        "def forward(self, xbar, x_t, t, s, r):\n    return self.a * self.inner.forward(xbar)\n");
    CHECK(refusal(recurrent) == Contains("with respect to its parameter 'inner.weight'"));
}

TEST_CASE("a table without a row for no label is seen behind a last layer of zeros") {
    const diamond::eigen::context context{.threads = 1};
    const auto says = [&](const char* lines) -> doctest::String {
        torch::jit::Module module("table");
        module.register_parameter("rows", torch::tensor({{1.0f}, {2.0f}, {3.0f}}).requires_grad_(true),
                                  false);
        module.register_parameter("last", torch::zeros({1}).requires_grad_(true), false);
        module.define("def forward(self, xbar, x_t, t, s, r, labels):\n" + std::string(lines));
        const torch_trainable_network<narrow, linear_schedule, linear_schedule, labels> network{
            context, module, {}, {}, {.dimension = 1, .classes = 3}};
        narrow theta(context, network.parameters(), 1), x(context, 1, 1), out(context, 1, 1);
        network.initialise({}, theta.mutable_view());
        auto space = network.make_workspace(context, 1);
        try {
            network(theta.data(), {x.read(), x.read(), 0.5, 0.5, 0.5}, labels(), space, out.mutable_view());
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "taken";
    };
    CHECK(says("    return self.last * torch.sin(xbar + self.rows[labels])\n") ==
          Contains("labels::unconditional in column 0"));
    CHECK(says("    given = (labels >= 0).unsqueeze(1)\n"
               "    return self.last * torch.sin(xbar + self.rows[labels] * given)\n") == "taken");
}

TEST_CASE("a record holds what it needs, whatever becomes of the states, and belongs to its theta") {
    const diamond::eigen::context context{.threads = 1};
    const torch_trainable_network<wide> network{
        context, file("mean_velocity_double.pt"), {}, {}, {.dimension = 2}};
    const index_t p = network.parameters();
    constexpr index_t n = 3;
    wide theta(context, p, 1), other(context, p, 1);
    network.initialise({}, theta.mutable_view());
    network.initialise({}, other.mutable_view());
    const wide k = waves(context, 2, n, 3.0);
    const auto gradient = [&](bool spoil) {
        wide xbar = waves(context, 2, n, 1.0), x_t = waves(context, 2, n, 2.0),
             along = waves(context, 2, n, 5.0), v(context, 2, n), v_dot(context, 2, n), result(context, p, 1);
        auto space = network.make_workspace(context, n);
        network.record(theta.data(), {xbar.read(), x_t.read(), 0.3, 0.2, 0.7}, {}, {along.data(), 1.0, 0.5},
                       space, v.mutable_view(), v_dot.mutable_view());
        if (spoil)
            for (auto* each : {&xbar, &x_t, &along}) diamond::set_to_zero(each->mutable_view());
        CHECK_THROWS_WITH_AS(
            network.backward(other.data(), space, k.read(), k.data(), result.data()),
            Contains("backward is given another theta than the call that the workspace recorded"),
            std::invalid_argument);
        diamond::set_to_zero(result.mutable_view());
        network.backward(theta.data(), space, k.read(), k.data(), result.data());
        return diamond::to_host(result);
    };
    const auto expected = gradient(false);
    CHECK(gradient(true) == expected);
    {
        const c10::InferenceMode of_caller;
        CHECK(gradient(false) == expected);
    }
    // Of no column there is nothing to do.
    wide none(context, 2, 0), sum(context, p, 1);
    diamond::set_to_zero(sum.mutable_view());
    auto space = network.make_workspace(context, 0);
    network.record(theta.data(), {none.read(), none.read(), 0.3, 0.2, 0.7}, {}, {nullptr, 0.0, 1.0}, space,
                   none.mutable_view(), none.mutable_view());
    network.backward(theta.data(), space, none.read(), none.data(), sum.data());
    CHECK(diamond::to_host(sum) == std::vector<double>(static_cast<std::size_t>(p), 0.0));
}

} // namespace torch_trainable_network_test
