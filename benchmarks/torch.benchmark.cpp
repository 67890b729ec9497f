// A TorchScript network behind the library's adapter against a bare loop over libtorch's own API: four layers
// of width 64 in d = 64, one thread.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/torch/network.hpp>

#include "against.hpp"

namespace {

using diamond::index_t;
using batch = diamond::eigen::batch<float>;
constexpr index_t d = 64, width = 64;

torch::jit::Module perceptron() {
    torch::jit::Module module("perceptron");
    const std::vector<index_t> sizes{d + 1, width, width, width, d};
    std::string lines = "def forward(self, x, t):\n    h = torch.cat([x, t.unsqueeze(1)], 1)\n";
    torch::manual_seed(1);
    for (std::size_t k = 0; k + 1 < sizes.size(); ++k) {
        const std::string weight = "weight_" + std::to_string(k), bias = "bias_" + std::to_string(k);
        module.register_parameter(weight, torch::randn({sizes[k + 1], sizes[k]}).mul(0.1), false);
        module.register_parameter(bias, torch::randn({sizes[k + 1]}).mul(0.1), false);
        lines += "    h = torch.addmm(self." + bias + ", h, self." + weight + ".t())\n";
        if (k + 2 < sizes.size()) lines += "    h = torch.silu(h)\n";
    }
    module.define(lines + "    return h\n");
    module.eval();
    return module;
}

void call(benchmark::State& state) {
    const index_t columns = state.range(0), calls = columns < 1000 ? 300 : 3;
    const diamond::eigen::context context{.threads = 1};
    auto module = perceptron();
    const diamond::torch_network<batch> network{context, module, {.dimension = d}};
    const batch x = diamond::from_host<float>(
        context, d, columns, std::vector<float>(static_cast<std::size_t>(d * columns), 0.5f));
    batch out(context, d, columns);
    auto space = network.make_workspace(context, columns);
    const auto adapter = [&] {
        for (index_t k = 0; k < calls; ++k) network(x.read(), 0.5, {}, space, out.mutable_view());
    };
    at::set_num_threads(1);
    const torch::NoGradGuard plain;
    const std::vector<torch::jit::IValue> inputs{torch::full({columns, d}, 0.5f),
                                                 torch::full({columns}, 0.5f)};
    const auto bare = [&] {
        for (index_t k = 0; k < calls; ++k)
            benchmark::DoNotOptimize(module.forward(inputs).toTensor().data_ptr());
    };
    for (int warm = 0; warm < 3; ++warm) { // libtorch compiles a module anew when it has seen some calls
        adapter();
        bare();
    }
    diamond_benchmarks::against(state, "bare", adapter, bare);
}
BENCHMARK(call)->ArgName("columns")->Arg(64)->Arg(10000)->Apply(diamond_benchmarks::in_milliseconds);

} // namespace
