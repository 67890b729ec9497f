// write_step <folder>: for each width a network (network_<width>.safetensors) and one Diamond step of it (step_<width>.safetensors: x, the noise, the
// result), computed on the GPU, for torch_step.py and jax_step.py to do the same and compare.
#include <cstdio>
#include <filesystem>
#include <string>

#include <diamond/backend/cuda.cuh>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/safetensors.hpp>

using diamond::index_t, diamond::philox;
using batch = diamond::cuda::batch<float>;

std::string text(double number) {
    char result[32];
    std::snprintf(result, sizeof result, "%.17g", number);
    return result;
}

int main(int count, char** arguments) {
    if (count != 2) return std::fprintf(stderr, "write_step <folder>\n"), 2;
    const std::filesystem::path folder = arguments[1];
    constexpr index_t dimension = 64, columns = 4096;
    const diamond::interval span{0.3, 0.6};
    const diamond::cuda::context context;
    for (const index_t width : {64, 128, 512}) {
        using architecture = diamond::diamond_mlp<batch, diamond::linear_schedule>;
        const architecture layers{{}, diamond::gaussian_frame<batch>(context, {std::vector<double>(dimension, 0.1), std::vector<double>(dimension, 0.5), {}}), {.mlp = {.width = width, .blocks = 4}}};
        batch theta(context, layers.parameters(), 1);
        layers.initialise(philox{1}, theta.mutable_view());
        // The last layer starts from 0; the peers are to see it at work.
        const auto& last = layers.layers().back();
        diamond::draw_normal(philox{2}.stream(diamond::purpose::user), diamond::view_t<batch>(theta.data() + last.offset, last.outputs, 1, &context));
        const diamond::trained_diamond_network net(layers, std::move(theta));
        diamond::io::save_diamond_network(folder / ("network_" + std::to_string(width) + ".safetensors"), net);

        diamond::early_stop_kernel kernel{diamond::posterior_diamond_map{net}};
        const auto stream = philox{4}.stream(diamond::purpose::transition, 1);
        batch x(context, dimension, columns), noise(context, dimension, columns), out(context, dimension, columns);
        diamond::draw_normal(philox{3}.stream(diamond::purpose::initial), x.mutable_view());
        diamond::draw_normal(stream, noise.mutable_view());
        kernel(x.read(), span, {}, stream, out.mutable_view());
        diamond::io::tensor_file file;
        const auto store = [&](const char* name, const batch& numbers) { file.tensors.emplace(name, diamond::io::make_tensor({columns, dimension}, diamond::to_host(numbers))); };
        store("x", x);
        store("noise", noise);
        store("out", out);
        const auto stop = diamond::early_stop_at(net.schedule(), net.inner_schedule(), span);
        file.metadata   = {{"t", text(span.from)}, {"inner_time", text(stop.inner_time)}, {"outer", text(stop.outer)}, {"inner", text(stop.inner)}};
        diamond::io::write_safetensors(folder / ("step_" + std::to_string(width) + ".safetensors"), file);
    }
}
