// TorchScript modules as velocity fields and Diamond networks give the numbers of torch itself, on any
// thread, and what does not fit is refused with a sentence.
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/torch/diamond_network.hpp>
#include <diamond/torch/network.hpp>

#include "checks.hpp"
#include "reference.hpp"

namespace torch_network_test {

using batch = diamond::eigen::batch<float>;
using vectors = diamond::condition_vectors<batch>;
using both = diamond::label_and_vector<batch>;
using diamond::index_t, diamond::labels, diamond::linear_schedule, diamond::time_view;
using diamond::torch_diamond_network, diamond::torch_network;
using doctest::Contains;
using torch_reference::difference, torch_reference::file;

static_assert(diamond::differentiable_velocity_field<torch_network<batch>>);
static_assert(diamond::differentiable_velocity_field<torch_network<batch, labels>>);
static_assert(diamond::differentiable_diamond_network<torch_diamond_network<batch>>);

namespace {

// What the reference says of a module with one state, and of its products.
template <class Condition>
void check_reference(const std::string& name, const diamond::torch_options& options,
                     const Condition& condition) {
    const diamond::eigen::context context{.threads = 1};
    const torch_network<batch, Condition> network{context, file(name + ".pt"), options};
    const torch_reference::of reference(name);
    const batch x = reference.states(context, "x"), value = reference.states(context, "value"),
                k = reference.states(context, "cotangent"), pulled = reference.vjp(context, 0);
    const auto t = reference.times("t");
    const index_t n = x.columns();
    batch out(context, 2, n);
    auto space = network.make_workspace(context, n);
    for (int call = 0; call < 4; ++call) { // libtorch compiles a module anew when it has seen some calls
        network(x.read(), time_view(t.data()), condition, space, out.mutable_view());
        CHECK(difference(out, value) <= 1e-5);
        network.vjp(x.read(), time_view(t.data()), condition, k.read(), space, out.mutable_view());
        CHECK(difference(out, pulled) <= 1e-5);
        // k . J x of each column is x . J^T k.
        network.jvp(x.read(), time_view(t.data()), condition, x.read(), space, out.mutable_view());
        for (index_t j = 0; j < n; ++j) {
            double forward = 0.0, backward = 0.0, size = 0.0;
            for (index_t i = 0; i < 2; ++i) {
                const index_t at = i + 2 * j;
                forward += static_cast<double>(k.data()[at]) * static_cast<double>(out.data()[at]);
                backward += static_cast<double>(x.data()[at]) * static_cast<double>(pulled.data()[at]);
                size += std::abs(static_cast<double>(k.data()[at] * out.data()[at]));
            }
            CHECK(std::abs(forward - backward) <= 1e-5 * size);
        }
    }
}

// A module whose forward has these lines.
torch::jit::Module module_of(const std::string& arguments, const std::string& lines) {
    torch::jit::Module module("written_here");
    module.define("def forward(self, " + arguments + "):\n" + lines);
    return module;
}

// What the constructor of a network says when it refuses.
template <class Condition = diamond::no_condition, class Source>
doctest::String refusal(const Source& source, const diamond::torch_options& options = {.dimension = 2}) {
    const diamond::eigen::context context{.threads = 1};
    try {
        const torch_network<batch, Condition> network{context, source, options};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
    return "nothing was refused";
}
doctest::String refusal_of(const std::string& lines) { return refusal(module_of("x, t", lines)); }

} // namespace

TEST_CASE("a velocity network of a file gives torch's numbers and products") {
    check_reference<diamond::no_condition>("velocity", {.dimension = 2}, {});
}

TEST_CASE("labels reach the module as integers, and vectors as numbers") {
    const auto label = torch_reference::of("labelled").labels("labels");
    check_reference("labelled", {.dimension = 2, .classes = 3}, labels(label.data()));
    const diamond::eigen::context context{.threads = 1};
    const batch vector = torch_reference::of("vectored").states(context, "vectors");
    check_reference("vectored", {.dimension = 2, .vector_size = 3}, vectors(vector.read()));
}

TEST_CASE("what stands for all columns gives the bits of as many equal ones") {
    const diamond::eigen::context context{.threads = 2};
    const torch_network<batch, labels> labelled{context, file("labelled.pt"), {.dimension = 2, .classes = 3}};
    const torch_network<batch, vectors> vectored{
        context, file("vectored.pt"), {.dimension = 2, .vector_size = 3}};
    constexpr index_t n = 5;
    const batch x = torch_reference::of("velocity").states(context, "x"),
                one = diamond::from_host<float>(context, 3, 1, {0.3f, -1.0f, 2.0f});
    const std::vector<double> t(n, 0.3);
    const std::vector<std::int32_t> label(n, 2);
    batch each(context, 3, n), a(context, 2, n), b(context, 2, n);
    for (index_t k = 0; k < each.size(); ++k) each.data()[k] = one.data()[k % 3];
    const auto first = x.read().columns(0, n);
    auto space = labelled.make_workspace(context, n);
    labelled(first, 0.3, labels(2), space, a.mutable_view());
    labelled(first, time_view(t.data()), labels(label.data()), space, b.mutable_view());
    CHECK(diamond::to_host(a) == diamond::to_host(b));
    auto other = vectored.make_workspace(context, n);
    vectored(first, 0.3, vectors::for_all(one.read()), other, a.mutable_view());
    vectored(first, time_view(t.data()), vectors(each.read()), other, b.mutable_view());
    CHECK(diamond::to_host(a) == diamond::to_host(b));
}

TEST_CASE("a label and a vector that are none are what the options say, or are refused") {
    const diamond::eigen::context context{.threads = 1};
    const auto module = module_of("x, t, labels, vectors",
                                  "    return x * (labels + 10).unsqueeze(1) + vectors\n");
    const torch_network<batch, both> network{
        context,
        module,
        {.dimension = 1, .classes = 2, .unconditional = 7, .vector_size = 1, .no_vector = {100.0}}};
    const batch x = diamond::from_host<float>(context, 1, 3, {1.0f, 2.0f, 3.0f}),
                c = diamond::from_host<float>(context, 1, 3, {1.0f, NAN, 3.0f});
    const std::vector<std::int32_t> label{0, -1, 1}, present{1, 0, 1};
    batch out(context, 1, 3);
    auto space = network.make_workspace(context, 3);
    network(x.read(), 0.5, {labels(label.data()), vectors(c.read(), present.data())}, space,
            out.mutable_view());
    CHECK(diamond::to_host(out) == std::vector<float>{11.0f, 134.0f, 36.0f});
    network(x.read(), 0.5, {}, space, out.mutable_view());
    CHECK(diamond::to_host(out) == std::vector<float>{117.0f, 134.0f, 151.0f});
    CHECK_THROWS_WITH_AS(network(x.read(), 0.5, labels(2), space, out.mutable_view()),
                         Contains("label 2 for a network of 2 classes"), std::invalid_argument);

    // An embedding of as many rows as classes has none for -1.
    torch::jit::Module embedded("embedding");
    embedded.register_parameter("rows", torch::ones({2, 1}), false);
    embedded.define("def forward(self, x, t, labels, vectors):\n"
                    "    return x + torch.embedding(self.rows, labels) + vectors\n");
    const torch_network<batch, both> strict{
        context, embedded, {.dimension = 1, .classes = 2, .vector_size = 1}};
    const both without_label{labels(label.data()), vectors(x.read())};
    CHECK_THROWS_WITH_AS(strict(x.read(), 0.5, without_label, space, out.mutable_view()),
                         Contains("labels::unconditional in column 1 for a TorchScript module that refuses "
                                  "the integer -1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(strict(x.read(), 0.5, labels(1), space, out.mutable_view()),
                         Contains("column 0 has no vector: give the module one for it by no_vector"),
                         std::invalid_argument);
    const both without_vector{labels(1), vectors(x.read(), present.data())};
    CHECK_THROWS_WITH_AS(strict(x.read(), 0.5, without_vector, space, out.mutable_view()),
                         Contains("column 1 has no vector"), std::invalid_argument);
}

TEST_CASE("a TorchScript Diamond network is the diamond_mlp of the same weights") {
    const diamond::eigen::context context{.threads = 2};
    const torch_diamond_network<batch, linear_schedule, linear_schedule, labels> network{
        context, file("diamond.pt"), {}, {}, {.dimension = 3, .classes = 4}};
    const auto own = diamond::io::load_network<batch>(context, std::filesystem::path{DIAMOND_TEST_DATA} /
                                                                   "pytorch_network.safetensors");

    const torch_reference::of reference("diamond");
    const batch xbar = reference.states(context, "xbar"), x_t = reference.states(context, "x_t"),
                value = reference.states(context, "value"), k = reference.states(context, "cotangent");
    const auto t = reference.times("t"), s = reference.times("s"), r = reference.times("r");
    const auto label = reference.labels("label");
    const index_t n = xbar.columns();
    const diamond::diamond_arguments<batch> at{xbar.read(), x_t.read(), time_view(t.data()),
                                               time_view(s.data()), time_view(r.data())};
    batch out(context, 3, n), other(context, 3, n), of_own(context, 3, n), other_of_own(context, 3, n);
    auto space = network.make_workspace(context, n);
    auto own_space = own.make_workspace(context, n);
    for (int call = 0; call < 3; ++call) {
        network(at, labels(label.data()), space, out.mutable_view());
        CHECK(difference(out, value) <= 1e-5);
        network.vjp(at, labels(label.data()), k.read(), space, out.mutable_view(), other.mutable_view());
        CHECK(difference(out, reference.vjp(context, 0)) <= 1e-5);
        CHECK(difference(other, reference.vjp(context, 1)) <= 1e-5);
        own.vjp(at, labels(label.data()), k.read(), own_space, of_own.mutable_view(),
                other_of_own.mutable_view());
        CHECK(difference(out, of_own) <= 1e-5);
        CHECK(difference(other, other_of_own) <= 1e-5);
        network.jvp(at, labels(label.data()), k.read(), space, out.mutable_view());
        own.jvp(at, labels(label.data()), k.read(), own_space, of_own.mutable_view());
        CHECK(difference(out, of_own) <= 1e-5);
    }

    // The same SMC run: particles that differ by rounding draw the same ancestors but where a uniform number
    // falls between their cumulative weights, 64 times about 1e-6 for each resampling.
    const auto run = [&](const auto& network_of_run, std::int32_t wanted) {
        const diamond::network_diamond_map map{network_of_run};
        const diamond::linear_reward reward{context, std::vector<float>{2.0f, -1.0f, 1.5f}};
        diamond::smc sampler{
            diamond::early_stop_kernel{map},
            diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}},
            {.particles = 64, .steps = 8, .threshold = 0.95, .record_ancestors = true}};
        return sampler(context, diamond::philox{.seed = 3}, labels(wanted));
    };
    const auto result = run(network, 1), own_result = run(own, 1);
    std::size_t resampled = 0;
    for (const auto& ancestors : result.ancestors) resampled += !ancestors.empty();
    CHECK(resampled >= 1); // or nothing was compared
    CHECK(result.ancestors == own_result.ancestors);
    CHECK(result.ancestors != run(network, 2).ancestors); // another model's are others
    CHECK(std::abs(result.log_z - own_result.log_z) <= 1e-3);
    CHECK(result.spent.forward == own_result.spent.forward);
}

TEST_CASE("a denoiser and a noise are wrapped as those of any network") {
    const diamond::eigen::context context{.threads = 1};
    const auto posterior = [&](const std::string& lines) {
        return torch_network<batch>{context, module_of("x, t", lines), {.dimension = 1}};
    };
    // Data N(0, 1) by the linear schedule: E[z | x] = t x/V, E[eps | x] = (1 - t) x/V, u = (2t - 1) x/V.
    const std::string V = "    t = t.unsqueeze(1)\n    V = t * t + (1 - t) * (1 - t)\n";
    const diamond::denoiser_network by_denoiser{linear_schedule{}, posterior(V + "    return t * x / V\n")};
    const diamond::noise_network by_noise{linear_schedule{}, posterior(V + "    return (1 - t) * x / V\n")};
    const batch x = diamond::from_host<float>(context, 1, 1, {1.5f});
    batch u(context, 1, 1);
    const double t = 0.3, exact = (2 * t - 1) * 1.5 / (t * t + (1 - t) * (1 - t));
    auto space = by_denoiser.make_workspace(context, 1);
    by_denoiser(x.read(), t, {}, space, u.mutable_view());
    CHECK(u.data()[0] == doctest::Approx(exact).epsilon(1e-5));
    auto other = by_noise.make_workspace(context, 1);
    by_noise(x.read(), t, {}, other, u.mutable_view());
    CHECK(u.data()[0] == doctest::Approx(exact).epsilon(1e-5));
}

TEST_CASE("in double, products are exact, and derivatives that are none are 0") {
    using wide = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 1};
    const wide x = diamond::from_host<double>(context, 2, 2, {0.3, -0.7, 1.1, 0.2}),
               k = diamond::from_host<double>(context, 2, 2, {1.0, 2.0, -1.0, 0.5});
    wide out(context, 2, 2);
    // u = (x_0 x_1, sin x_0)
    const torch_network<wide> network{
        context,
        module_of("x, t", "    a, b = x.unbind(1)\n    return torch.stack([a * b, torch.sin(a)], 1)\n"),
        {.dimension = 2}};
    auto space = network.make_workspace(context, 2);
    for (int call = 0; call < 4; ++call) {
        network.vjp(x.read(), 0.5, {}, k.read(), space, out.mutable_view());
        for (index_t j = 0; j < 2; ++j) {
            const double a = x.data()[2 * j], b = x.data()[2 * j + 1], p = k.data()[2 * j],
                         q = k.data()[2 * j + 1];
            CHECK(out.data()[2 * j] == doctest::Approx(p * b + q * std::cos(a)).epsilon(1e-14));
            CHECK(out.data()[2 * j + 1] == doctest::Approx(p * a).epsilon(1e-14));
        }
        network.jvp(x.read(), 0.5, {}, k.read(), space, out.mutable_view());
        for (index_t j = 0; j < 2; ++j) {
            const double a = x.data()[2 * j], b = x.data()[2 * j + 1], p = k.data()[2 * j],
                         q = k.data()[2 * j + 1];
            CHECK(out.data()[2 * j] == doctest::Approx(p * b + q * a).epsilon(1e-14));
            CHECK(out.data()[2 * j + 1] == doctest::Approx(p * std::cos(a)).epsilon(1e-14));
        }
    }
    const std::vector<double> zeros(4, 0.0);
    for (const char* lines : {"    return torch.zeros_like(x) + t.unsqueeze(1)\n", // hides nothing
                              "    return 0 * x.detach() + 1\n"}) {
        const torch_network<wide> constant{context, module_of("x, t", lines), {.dimension = 2}};
        constant.vjp(x.read(), 0.5, {}, k.read(), space, out.mutable_view());
        CHECK(diamond::to_host(out) == zeros);
        constant.jvp(x.read(), 0.5, {}, k.read(), space, out.mutable_view());
        CHECK(diamond::to_host(out) == zeros);
    }
    const torch_network<wide> linear{context, module_of("x, t", "    return 2 * x\n"), {.dimension = 2}};
    linear.jvp(x.read(), 0.5, {}, k.read(), space, out.mutable_view());
    CHECK(diamond::to_host(out) == std::vector<double>{2.0, 4.0, -2.0, 1.0});
}

TEST_CASE("a table that a module makes at its first call, without derivatives, serves a later product") {
    const diamond::eigen::context context{.threads = 1};
    torch::jit::Module module("with_table");
    module.register_attribute("table", c10::OptionalType::ofTensor(), torch::jit::IValue());
    module.define("def forward(self, x, t):\n"
                  "    if self.table is None:\n"
                  "        self.table = torch.full_like(x[:1], 3.0)\n"
                  "    table = self.table\n"
                  "    assert table is not None\n"
                  "    return x * x * table\n");
    const torch_network<batch> network{context, module, {.dimension = 1}};
    const batch x = diamond::from_host<float>(context, 1, 2, {1.0f, 2.0f});
    batch out(context, 1, 2);
    auto space = network.make_workspace(context, 2);
    for (int call = 0; call < 3; ++call) {
        network(x.read(), 0.5, {}, space, out.mutable_view());
        CHECK(diamond::to_host(out) == std::vector<float>{3.0f, 12.0f});
        network.vjp(x.read(), 0.5, {}, x.read(), space, out.mutable_view());
        CHECK(diamond::to_host(out) == std::vector<float>{6.0f, 24.0f});
    }
}

TEST_CASE("two threads call one const network at once, and get what one of them gets") {
    const diamond::eigen::context context{.threads = 1};
    const torch_network<batch> network{context, file("velocity.pt"), {.dimension = 2}};
    constexpr index_t n = 300;
    const auto make = [&](const diamond::eigen::context& of, double shift) {
        batch x(of, 2, n);
        for (index_t k = 0; k < x.size(); ++k)
            x.data()[k] = static_cast<float>(std::sin(static_cast<double>(k) + shift));
        return x;
    };
    struct answers {
        std::vector<float> value, pulled, pushed;
        bool operator==(const answers&) const = default;
    };
    const auto ask = [&](double shift) {
        const diamond::eigen::context mine{.threads = 1};
        const batch x = make(mine, shift);
        batch out(mine, 2, n);
        auto space = network.make_workspace(mine, n);
        answers result;
        network(x.read(), shift, {}, space, out.mutable_view());
        result.value = diamond::to_host(out);
        network.vjp(x.read(), shift, {}, x.read(), space, out.mutable_view());
        result.pulled = diamond::to_host(out);
        network.jvp(x.read(), shift, {}, x.read(), space, out.mutable_view());
        result.pushed = diamond::to_host(out);
        return result;
    };
    const answers first = ask(0.25), second = ask(0.75);
    REQUIRE(!(first == second));
    int differ[2] = {};
    const auto work = [&](int which) {
        for (int call = 0; call < 50; ++call)
            differ[which] += !(ask(which == 0 ? 0.25 : 0.75) == (which == 0 ? first : second));
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    CHECK(differ[0] == 0);
    CHECK(differ[1] == 0);
}

TEST_CASE("libtorch has as many threads as the context that it works for") {
    const diamond::eigen::context one{.threads = 1}, two{.threads = 2};
    const torch_network<batch> network{one, file("velocity.pt"), {.dimension = 2}};
    for (const auto* context : {&two, &one, &two}) {
        const batch x(*context, 2, 4);
        batch out(*context, 2, 4);
        auto space = network.make_workspace(*context, 4);
        network(x.read(), 0.5, {}, space, out.mutable_view());
        CHECK(at::get_num_threads() == context->threads);
    }
}

TEST_CASE("a module is copied and put into evaluation mode, and the caller's own stays as it was") {
    const diamond::eigen::context context{.threads = 1};
    torch::jit::Module module("with_weight");
    module.register_attribute("training", c10::BoolType::get(), true);
    module.register_parameter("weight", torch::ones({1}).requires_grad_(true), false);
    module.define("def forward(self, x, t):\n"
                  "    return x * self.weight + (100.0 if self.training else 0.0)\n");
    const torch_network<batch> network{context, module, {.dimension = 1}};
    torch::NoGradGuard plain;
    module.attr("weight").toTensor().fill_(5.0);
    const batch x = diamond::from_host<float>(context, 1, 1, {2.0f});
    batch out(context, 1, 1);
    auto space = network.make_workspace(context, 1);
    network(x.read(), 0.5, {}, space, out.mutable_view());
    CHECK(out.data()[0] == 2.0f);
    CHECK(module.is_training());
    CHECK(module.attr("weight").toTensor().requires_grad());
}

TEST_CASE("files that are none are refused, whichever bit is wrong") {
    const auto scratch = std::filesystem::temp_directory_path() / "diamond_spoilt_torchscript.pt";
    std::ifstream in(file("velocity.pt"), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    REQUIRE(bytes.size() > 1000);
    const auto written = [&](const std::string& text) {
        std::ofstream(scratch, std::ios::binary) << text;
        return scratch;
    };
    const std::string name = "the TorchScript file '" + scratch.string() + "' ";
    CHECK(refusal("no such file.pt") == "the TorchScript file 'no such file.pt' does not exist");
    CHECK(refusal(std::filesystem::temp_directory_path()) == Contains("' does not exist"));
    for (const std::size_t cut : {std::size_t{0}, std::size_t{10}, bytes.size() / 2, bytes.size() - 1})
        CHECK(refusal(written(bytes.substr(0, cut))) == Contains((name + "cannot be read").c_str()));
    CHECK(refusal(written("solid text of another kind, long enough to be an archive")) ==
          Contains("cannot be read"));

    // A flipped bit is refused, or is where nothing reads.
    const diamond::eigen::context context{.threads = 1};
    const batch x = diamond::from_host<float>(context, 2, 1, {0.3f, -1.0f});
    batch out(context, 2, 1), expected(context, 2, 1);
    torch_network<batch>::workspace_type space;
    torch_network<batch>{context, file("velocity.pt"), {.dimension = 2}}(x.read(), 0.5, {}, space,
                                                                         expected.mutable_view());
    int refused = 0, by_checksum = 0, wrong = 0;
    for (std::size_t k = 0; k < bytes.size(); k += 101) {
        std::string spoilt = bytes;
        spoilt[k] = static_cast<char>(spoilt[k] ^ 1);
        try {
            torch_network<batch>{context, written(spoilt), {.dimension = 2}}(x.read(), 0.5, {}, space,
                                                                             out.mutable_view());
            wrong += diamond::to_host(out) != diamond::to_host(expected);
        } catch (const std::invalid_argument& error) {
            ++refused;
            by_checksum += std::string(error.what()).find("spoilt") != std::string::npos;
        }
    }
    CHECK(wrong == 0);
    CHECK(refused > 40);
    CHECK(by_checksum > 20); // which libtorch itself would have read
    std::filesystem::remove(scratch);
}

TEST_CASE("modules that do not fit are refused when they are loaded") {
    const auto velocity = file("velocity.pt");
    CHECK(refusal(velocity, {}) == Contains("dimension of torch_options is 0: 1 or more is needed"));
    CHECK(
        refusal(velocity, {.dimension = 3}) ==
        Contains("velocity.pt' fails: mat1 and mat2 shapes cannot be multiplied (16x5 and 4x16) (forward(x, "
                 "t) of 16 columns in dimension 3, Float)"));
    CHECK(refusal<labels>(velocity, {.dimension = 2, .classes = 3}) ==
          Contains("velocity.pt' has forward(x, t), and is called by forward(x, t, labels)"));
    CHECK(refusal<labels>(velocity) == Contains("classes of torch_options is 0"));
    CHECK(refusal<vectors>(velocity) == Contains("vector_size of torch_options is 0"));
    CHECK(
        refusal<vectors>(file("vectored.pt"), {.dimension = 2, .vector_size = 3, .no_vector = {1.0, 2.0}}) ==
        Contains("no_vector of torch_options has 2 numbers for vectors of 3"));
    CHECK(refusal<vectors>(file("vectored.pt"), {.dimension = 2, .vector_size = 4}) ==
          Contains("mat1 and mat2 shapes cannot be multiplied (24x4 and 3x2)"));
    CHECK(refusal(file("vectored.pt")) ==
          Contains("has forward(x, t, vectors), and is called by forward(x, t)"));
    CHECK(refusal(file("mean_velocity_double.pt")) ==
          Contains("has forward(xbar, x_t, t, s, r), and is called by forward(x, t)"));
    {
        const diamond::eigen::context context{.threads = 1};
        CHECK_THROWS_WITH_AS(
            torch_diamond_network<batch>(context, file("mean_velocity_double.pt"), {}, {}, {.dimension = 2}),
            Contains("must have the same dtype"), std::invalid_argument);
    }

    CHECK(refusal(torch::jit::Module("empty")) ==
          "the TorchScript module 'empty' has no method forward, by which it is evaluated");
    CHECK(refusal_of("    return x[:, :1]\n") ==
          Contains("gives Float of shape (24, 1) for 24 columns, where Float of shape (24, 2) is needed"));
    CHECK(refusal_of("    return x.t()\n") == Contains("gives Float of shape (2, 24)"));
    CHECK(refusal_of("    return x.double()\n") ==
          Contains("gives Double of shape (24, 2) for 24 columns, where Float"));
    CHECK(refusal_of("    return x, t\n") == Contains("gives a Tuple for 24 columns"));
    CHECK(
        refusal_of("    return x + torch.ones([24, 2])\n") == // a trace that held N fast
        Contains("The size of tensor a (22) must match the size of tensor b (24) at non-singleton dimension "
                 "0 (forward(x, t) of 22 columns"));
    CHECK(refusal_of("    return x - x.mean(0)\n") ==
          Contains("gives a column other numbers when other columns stand beside it"));
    CHECK(refusal_of("    return torch.dropout(x, 0.5, True)\n") == Contains("or at each call"));
    CHECK(refusal_of("    return x.mul_(2.0)\n") == Contains("writes to its argument 1, which is the memory "
                                                             "of a batch"));
    CHECK(refusal_of("    return x / (t - t).unsqueeze(1)\n") == Contains("not finite"));
}

TEST_CASE("a call that does not fit is refused, and a failing module says so") {
    const diamond::eigen::context context{.threads = 1};
    const torch_network<batch> network{context, file("velocity.pt"), {.dimension = 2}};
    auto space = network.make_workspace(context, 4);
    const batch narrow(context, 1, 4), x(context, 2, 4);
    batch out(context, 2, 4), other(context, 2, 3), none(context, 2, 0);
    CHECK_THROWS_WITH_AS(network(narrow.read(), 0.5, {}, space, out.mutable_view()),
                         "the network has dimension 2, the batch has 1 rows", std::invalid_argument);
    CHECK_THROWS_WITH_AS(network(x.read(), 0.5, {}, space, other.mutable_view()),
                         "a TorchScript network: 2 x 4 against 2 x 3", std::invalid_argument);
    network(none.read(), 0.5, {}, space, none.mutable_view()); // nothing to do

    const torch_network<batch> hidden{
        context, module_of("x, t", "    return x.detach() * 2\n"), {.dimension = 2}};
    hidden(x.read(), 0.5, {}, space, out.mutable_view());
    for (const bool forward : {true, false})
        CHECK_THROWS_WITH_AS(forward ? hidden.jvp(x.read(), 0.5, {}, x.read(), space, out.mutable_view())
                                     : hidden.vjp(x.read(), 0.5, {}, x.read(), space, out.mutable_view()),
                             Contains("depends on its state x but hides it from autograd"),
                             std::invalid_argument);

    const torch_network<batch> failing{
        context,
        module_of("x, t", "    assert int(x.size(0)) != 4, 'four are too many'\n    return x\n"),
        {.dimension = 2}};
    CHECK_THROWS_WITH_AS(failing(x.read(), 0.5, {}, space, out.mutable_view()),
                         "the TorchScript module 'written_here' fails: AssertionError: four are too many",
                         std::runtime_error);
}

TEST_CASE("arguments in another order are refused by their names, and unknown names are not") {
    CHECK(refusal(module_of("t, x", "    return t * x.unsqueeze(1)\n")) ==
          Contains("calls its argument 1 't', and is given x: it is called by forward(x, t)"));
    CHECK(refusal<both>(module_of("x, t, vectors, labels", "    return x\n"),
                        {.dimension = 2, .classes = 2, .vector_size = 1}) ==
          Contains("calls its argument 3 'vectors', and is given labels"));
    CHECK(refusal(module_of("y, x", "    return y\n")) ==
          Contains("calls its argument 2 'x', and is given t"));
    CHECK(refusal(module_of("state, time", "    return state\n")) == "nothing was refused");
    const diamond::eigen::context context{.threads = 1};
    CHECK_THROWS_WITH_AS(
        torch_diamond_network<batch>(context, module_of("xbar, x_t, s, r, t", "    return xbar\n"), {}, {},
                                     {.dimension = 2}),
        Contains("calls its argument 3 's', and is given t: it is called by forward(xbar, x_t, t, s, r)"),
        std::invalid_argument);
}

TEST_CASE("a column that the first or the last one decides is refused") {
    for (const char* lines : {"    return x * t[0]\n", "    return x - x[:1]\n", "    return x - x[-1:]\n",
                              "    return x + torch.arange(x.size(0)).unsqueeze(1)\n"})
        CHECK(refusal_of(lines) == Contains("gives a column other numbers when other columns stand beside"));
}

TEST_CASE("a module that writes to its state without another number is refused, at a later call, too") {
    CHECK(refusal_of("    return x.clamp_(-10.0, 10.0) * 2.0\n") == Contains("writes to its argument 1"));
    CHECK(refusal_of("    return x * t.clamp_(0.0, 1.0).unsqueeze(1)\n") == Contains("argument 2"));
    const diamond::eigen::context context{.threads = 1};
    const torch_network<batch> network{
        context,
        module_of("x, t", "    if int(x.size(0)) == 4:\n        x.clamp_(-1.0, 1.0)\n    return x * 1.0\n"),
        {.dimension = 1}};
    const batch x = diamond::from_host<float>(context, 1, 4, {0.1f, 0.2f, 0.3f, 0.4f});
    batch out(context, 1, 4);
    auto space = network.make_workspace(context, 4);
    CHECK_THROWS_WITH_AS(network(x.read(), 0.5, {}, space, out.mutable_view()),
                         Contains("writes to its argument 1"), std::invalid_argument);
    network(x.read().columns(0, 3), 0.5, {}, space, out.mutable_view().columns(0, 3));
}

TEST_CASE("a caller's inference mode leaves the products what they are") {
    const c10::InferenceMode of_caller;
    const diamond::eigen::context context{.threads = 1};
    torch::jit::Module module("weighted");
    module.register_parameter("weight", torch::full({1}, 3.0), false);
    module.define("def forward(self, x, t):\n    return x * x * self.weight\n");
    const torch_network<batch> network{context, module, {.dimension = 1}};
    const batch x = diamond::from_host<float>(context, 1, 2, {1.0f, 2.0f});
    batch out(context, 1, 2);
    auto space = network.make_workspace(context, 2);
    network(x.read(), 0.5, {}, space, out.mutable_view());
    CHECK(diamond::to_host(out) == std::vector<float>{3.0f, 12.0f});
    network.vjp(x.read(), 0.5, {}, x.read(), space, out.mutable_view());
    CHECK(diamond::to_host(out) == std::vector<float>{6.0f, 24.0f});
    network.jvp(x.read(), 0.5, {}, x.read(), space, out.mutable_view());
    CHECK(diamond::to_host(out) == std::vector<float>{6.0f, 24.0f});
    check_reference<diamond::no_condition>("velocity", {.dimension = 2}, {}); // of a file
}

TEST_CASE("tensors of one storage stay what they are in lists, tuples and dictionaries of a copied module") {
    const diamond::eigen::context context{.threads = 1};
    const auto rows = torch::arange(1.0, 5.0, torch::kFloat).unbind(0);
    torch::jit::Module module("tables");
    module.register_attribute("list", c10::ListType::ofTensors(),
                              c10::List<torch::Tensor>({rows[0], rows[1]}));
    const auto pair = c10::ivalue::Tuple::create({rows[1], rows[2]});
    module.register_attribute("pair", pair->type(), pair);
    c10::Dict<std::string, torch::Tensor> named;
    named.insert("a", rows[3]);
    module.register_attribute("named", c10::DictType::create(c10::StringType::get(), c10::TensorType::get()),
                              named);
    module.define("def forward(self, x, t):\n"
                  "    return 0 * x + self.list[0] + 10 * self.list[1] + 100 * self.pair[1] + 1000 * "
                  "self.named['a']\n");
    const torch_network<batch> network{context, module, {.dimension = 1}};
    const batch x(context, 1, 1);
    batch out(context, 1, 1);
    auto space = network.make_workspace(context, 1);
    network(x.read(), 0.5, {}, space, out.mutable_view());
    CHECK(out.data()[0] == 4321.0f);
}

TEST_CASE("a table without a row for no label does not give that of the last class") {
    const diamond::eigen::context context{.threads = 1};
    const auto of_table = [&](index_t rows, index_t classes) {
        torch::jit::Module module("table");
        module.register_parameter("rows", torch::arange(1.0, 1.0 + static_cast<double>(rows)).unsqueeze(1),
                                  false);
        module.define("def forward(self, x, t, labels):\n    return 0 * x + self.rows[labels]\n");
        return torch_network<batch, labels>{context, module, {.dimension = 1, .classes = classes}};
    };
    const batch x(context, 1, 1);
    batch out(context, 1, 1);
    torch_network<batch, labels>::workspace_type space;
    CHECK_THROWS_WITH_AS(of_table(3, 3)(x.read(), 0.5, {}, space, out.mutable_view()),
                         Contains("labels::unconditional in column 0"), std::invalid_argument);
    of_table(3, 3)(x.read(), 0.5, labels(2), space, out.mutable_view());
    CHECK(out.data()[0] == 3.0f);
    of_table(4, 3)(x.read(), 0.5, {}, space, out.mutable_view()); // whose last row is for none
    CHECK(out.data()[0] == 4.0f);
}

TEST_CASE("each state that is hidden from autograd has no product, and the others have") {
    const diamond::eigen::context context{.threads = 1};
    const torch_diamond_network<batch> network{
        context,
        module_of("xbar, x_t, t, s, r", "    return xbar * 2.0 + x_t.detach()\n"),
        {},
        {},
        {.dimension = 1}};
    const batch x = diamond::from_host<float>(context, 1, 1, {1.5f});
    batch out(context, 1, 1), other(context, 1, 1);
    auto space = network.make_workspace(context, 1);
    const diamond::diamond_arguments<batch> at{x.read(), x.read(), 0.5, 0.5, 0.5};
    network.jvp(at, {}, x.read(), space, out.mutable_view());
    CHECK(out.data()[0] == 3.0f);
    CHECK_THROWS_WITH_AS(network.vjp(at, {}, x.read(), space, out.mutable_view(), other.mutable_view()),
                         Contains("depends on its state x_t but hides it from autograd"),
                         std::invalid_argument);
}

} // namespace torch_network_test
