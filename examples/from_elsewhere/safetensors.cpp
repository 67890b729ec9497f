// A network that PyTorch trained and saved as safetensors (two_clusters.py), under its own names: safetensors
// [FILE]. Its Diamond map is found by GLASS, and its samples are aligned.
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/dense_stack.hpp>

#include "../run_main.hpp"

using batch = diamond::eigen::batch<float>;
using diamond::activation, diamond::index_t, diamond::normalisation;

// [names]
diamond::io::named_layer block(const std::string& name) { // h + silu(W norm(h) + b)
    return {.weight = name + ".fc.weight",
            .bias = name + ".fc.bias",
            .kind = activation::silu,
            .residual = true,
            .before = {normalisation::layer, name + ".norm.weight", name + ".norm.bias", 1e-5}};
}
const std::vector<diamond::io::named_layer> layers{
    {.weight = "inp.weight", .bias = "inp.bias", .kind = activation::silu},
    block("blocks.0"),
    block("blocks.1"),
    {.weight = "out.weight",
     .bias = "out.bias",
     .before = {normalisation::layer, "norm.weight", "norm.bias", 1e-5}}};
// [/names]

// [network]
/// u(x, t) of a stack whose inputs are x and, below it, t.
struct stack_velocity {
    using batch_type = batch;
    struct workspace {
        diamond::scratch<float, diamond::eigen::context> inputs;
        diamond::dense_stack<batch>::workspace layers;
    };
    std::shared_ptr<const diamond::io::stored_stack<batch>> net; // copies share the weights
    [[nodiscard]] index_t dimension() const { return net->stack.outputs(); }
    [[nodiscard]] workspace make_workspace(const diamond::eigen::context&, index_t) const { return {}; }
    void operator()(diamond::const_view_t<batch> x, diamond::time_view t, diamond::no_condition,
                    workspace& space, diamond::view_t<batch> out) const {
        const index_t d = dimension(), n = x.columns();
        space.inputs.resize(x.context(), d + 1, n);
        x.context().for_each(d + 1, n, [x, t, d, to = space.inputs.mutable_view()](index_t i, index_t j) {
            to(i, j) = i < d ? x(i, j) : static_cast<float>(t[j]);
        });
        net->stack.forward(x.context(), net->theta.data(), {space.inputs.data()}, n, {out.data()},
                           space.layers);
    }
};
// [/network]

int run(const char* file) {
    const diamond::eigen::context context{.threads = 2};
    const stack_velocity network{std::make_shared<const diamond::io::stored_stack<batch>>(
        diamond::io::read_dense_stack<batch>(context, file, diamond::io::weight_layout::out_in, layers))};
    diamond::require(network.net->stack.inputs() == network.dimension() + 1, "the stack takes x and t");
    const diamond::linear_schedule schedule;
    const diamond::glass_diamond_map map{schedule, network, diamond::explicit_midpoint{.steps = 8}};
    const diamond::linear_reward reward{context, std::vector<float>{1.0f, 0.5f}};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, reward, {.samples = 4}};
    diamond::smc sampler{diamond::early_stop_kernel{map}, value, {.particles = 2048, .steps = 8}};
    const auto result = sampler(context, diamond::philox{.seed = 42});
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> data{
        context, schedule, {0.5, 0.5}, {1.5, -0.5, -1.5, 0.5}, {0.2, 0.2}};
    const double exact = data.tilted(reward.quadratic_form()).log_z; // the network is close to the data's law
    std::printf("log Z %.3f +- %.3f, of the data %.3f\n", result.log_z, result.log_z_standard_error, exact);
    return std::abs(result.log_z - exact) < 0.1 ? 0 : 1;
}

int main(int argc, char** argv) {
    const char* const file = argc > 1 ? argv[1] : "examples/from_elsewhere/two_clusters.safetensors";
    return examples::run_main("safetensors", [&] { return run(file); });
}
