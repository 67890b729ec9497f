// What peers are held against: for each width a network (network_<width>.safetensors), and what a back end
// makes of it with noise that is written, too: one Diamond step (step_<width>), an SMC run (smc_<width>) and
// a training step (training_<width>), for torch_peer.py and jax_peer.py to do the same and compare.
#pragma once

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/safetensors.hpp>

namespace peers {

using diamond::index_t, diamond::philox, diamond::purpose;
constexpr index_t dimension = 64;

template <class Context>
using batch_of = diamond::owning_batch<float, Context>;
template <class Context>
using architecture_of = diamond::diamond_mlp<batch_of<Context>, diamond::linear_schedule>;
template <class Context>
using network_of = diamond::trained_network<architecture_of<Context>>;

inline std::string text(double number) {
    char result[32];
    std::snprintf(result, sizeof result, "%.17g", number);
    return result;
}

/// Tensors and numbers of one case. A batch is written as the peers have it, a particle a row.
class case_file {
public:
    template <class Batch>
    void add(const std::string& name, const Batch& numbers) {
        file_.tensors.emplace(
            name, diamond::io::make_tensor({numbers.columns(), numbers.rows()}, diamond::to_host(numbers)));
    }
    void add(const std::string& name, const std::vector<double>& numbers) {
        file_.tensors.emplace(name,
                              diamond::io::make_tensor({static_cast<index_t>(numbers.size())}, numbers));
    }
    template <class Real>
    void add(const std::string& name, std::vector<index_t> shape, const std::vector<Real>& numbers) {
        file_.tensors.emplace(name, diamond::io::make_tensor(std::move(shape), numbers));
    }
    void add_text(const std::string& name, std::string words) {
        file_.metadata.emplace(name, std::move(words));
    }
    void add(const std::string& name, double number) { file_.metadata.emplace(name, text(number)); }
    void write(const std::filesystem::path& path) const { diamond::io::write_safetensors(path, file_); }

private:
    diamond::io::tensor_file file_;
};

template <class Context>
batch_of<Context> normals(const Context& context, const diamond::noise_stream& stream, index_t columns,
                          index_t rows = dimension) {
    batch_of<Context> result(context, rows, columns);
    diamond::draw_normal(stream, result.mutable_view());
    return result;
}

template <class Context>
network_of<Context> stirred(const Context& context, index_t width) {
    using batch = batch_of<Context>;
    const architecture_of<Context> layers{
        {},
        diamond::gaussian_frame<batch>(
            context, {std::vector<double>(dimension, 0.1), std::vector<double>(dimension, 0.5), {}}),
        {.mlp = {.width = width, .blocks = 4}}};
    batch theta(context, layers.parameters(), 1);
    layers.initialise(philox{1}, theta.mutable_view());
    // The last layer starts from 0; the peers are to see it at work.
    const auto& last = layers.layers().back();
    diamond::draw_normal(philox{2}.stream(purpose::user),
                         diamond::view_t<batch>(theta.data() + last.offset, last.outputs, 1, &context));
    return {layers, std::move(theta)};
}

template <class Context, class Architecture>
case_file step_case(const Context& context, const diamond::trained_network<Architecture>& net,
                    index_t columns = 4096) {
    using batch = batch_of<Context>;
    const index_t rows = net.dimension();
    const diamond::interval span{0.3, 0.6};
    diamond::early_stop_kernel kernel{diamond::network_diamond_map{net}};
    const auto stream = philox{4}.stream(purpose::transition, 1);
    const batch x = normals(context, philox{3}.stream(purpose::initial), columns, rows);
    batch out(context, rows, columns);
    kernel(x.read(), span, {}, stream, out.mutable_view());
    case_file file;
    file.add("x", x);
    file.add("noise", normals(context, stream, columns, rows));
    file.add("out", out);
    const auto stop = diamond::early_stop_at(net.schedule(), net.inner_schedule(), span);
    file.add("t", span.from);
    file.add("inner_time", stop.inner_time);
    file.add("outer", stop.outer);
    file.add("inner", stop.inner);
    return file;
}

/// SMC of the network's map by early stop, in smc_steps steps with values of smc_samples draws under a linear
/// reward; values count in full and are not raised, as in the published method.
constexpr index_t smc_steps = 8, smc_samples = 2;
constexpr double smc_tilt = 0.3;
template <class Context>
auto smc_of(const Context& context, const network_of<Context>& net, index_t particles) {
    const diamond::network_diamond_map map{net};
    const diamond::linear_reward<batch_of<Context>> reward{
        context, std::vector<float>(dimension, static_cast<float>(smc_tilt))};
    return diamond::smc{
        diamond::early_stop_kernel{map},
        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = smc_samples}},
        {.particles = particles,
         .steps = smc_steps,
         .least_conditional_ess = 0.0,
         .log_delta = -diamond::infinity}};
}

/// cuda.benchmark.cu's smc_run, of few particles: float32 then moves no ancestor.
template <class Context>
case_file smc_case(const Context& context, const network_of<Context>& net) {
    constexpr index_t particles = 512, steps = smc_steps, samples = smc_samples;
    const philox rng{5};
    auto sampler = smc_of(context, net, particles);
    const auto result = sampler(context, rng);
    case_file file;
    file.add("x", normals(context, rng.stream(purpose::initial), particles));
    std::vector<double> offsets, times, inner_times, outer, inner;
    for (index_t k = 1; k <= steps; ++k) {
        const diamond::interval span{static_cast<double>(k - 1) / steps, static_cast<double>(k) / steps};
        const auto stop = diamond::early_stop_at(net.schedule(), net.inner_schedule(), span);
        times.push_back(span.from);
        inner_times.push_back(stop.inner_time);
        outer.push_back(stop.outer);
        inner.push_back(stop.inner);
        offsets.push_back(rng.stream(purpose::resampling, k).uniform(0));
        file.add("transition_" + std::to_string(k),
                 normals(context, rng.stream(purpose::transition, k), particles));
        auto stream = rng.stream(purpose::value, k);
        stream.samples = samples;
        file.add("value_" + std::to_string(k), normals(context, stream, particles * samples));
    }
    file.add("t", times);
    file.add("inner_time", inner_times);
    file.add("outer", outer);
    file.add("inner", inner);
    file.add("offset", offsets);
    file.add("particles", result.particles);
    file.add("log_weights", result.log_weights);
    file.add("tilt", smc_tilt);
    file.add("log_z", result.log_z);
    index_t resampled = 0;
    for (const auto& line : result.steps) resampled += line.resampled;
    file.add("resampled", static_cast<double>(resampled));
    return file;
}

/// One training step off the diagonal: AdamW's first moment after it is a tenth of the clipped gradient, and
/// is written to `moment`, too, unless that is null.
template <class Context, class Architecture>
case_file training_case(const Context& context, const diamond::trained_network<Architecture>& net,
                        index_t columns = 1024, std::vector<float>* moment = nullptr) {
    using batch = batch_of<Context>;
    const philox rng{6};
    batch points(context, net.dimension(), 100);
    diamond::draw_normal(rng.stream(purpose::user), points.mutable_view());
    const diamond::training_set<batch> data(std::move(points), 0.2);
    const diamond::diamond_training_options options{
        .steps = 1000, .batch = columns, .diagonal = 0.0, .diagonal_first = 0.0};
    diamond::diamond_trainer trainer(net.architecture(), data, rng, options);
    auto state = trainer.start();
    for (auto* own : {&state.theta, &state.average})
        context.copy(net.parameters().data(), net.parameters().size(), own->data());
    diamond::training_states<batch> states;
    states.draw(data, net.schedule(), diamond::uniform_time{}, diamond::triangle_pair{}, rng, 0,
                {.columns = columns, .diagonal = 0, .condition_dropout = options.condition_dropout});
    trainer.step(state);
    const auto report = trainer.report(state);
    case_file file;
    file.add("x_t", states.x_t);
    file.add("xbar", states.xbar);
    file.add("t", diamond::to_host(states.t));
    file.add("s", diamond::to_host(states.s));
    file.add("r", diamond::to_host(states.r));
    file.add("moment", state.mean);
    if (moment) *moment = diamond::to_host(state.mean);
    file.add("loss", report.off_diagonal_loss);
    file.add("norm", report.gradient_norm);
    file.add("floor", options.variance_floor);
    file.add("rate", report.rate);
    return file;
}

/// The layers of a network of another kind: four of the width, with SiLU and without residuals; inputs and
/// outputs.
template <class Context>
struct forward_pass {
    using batch = batch_of<Context>;
    static std::vector<diamond::dense_layer> layers_of(index_t width) {
        return std::vector<diamond::dense_layer>(4, {width, width, diamond::activation::silu, false});
    }
    const Context* context;
    diamond::dense_stack<batch> layers;
    batch theta, x, y;
    typename diamond::dense_stack<batch>::workspace space;

    forward_pass(const Context& where, index_t width, index_t columns)
        : context(&where),
          layers(layers_of(width)),
          theta(where, layers.parameters(), 1),
          x(where, width, columns),
          y(where, width, columns) {
        for (std::size_t l = 0; l < layers.layers().size(); ++l) {
            const auto& layer = layers.layers()[l];
            const diamond::view_t<batch> weights(theta.data() + layer.offset, layer.outputs, layer.inputs,
                                                 &where),
                bias(theta.data() + layer.bias(), layer.outputs, 1, &where);
            diamond::draw_normal(philox{1}.stream(purpose::user, static_cast<index_t>(l)), weights);
            diamond::assign(weights, weights / std::sqrt(static_cast<double>(layer.inputs)));
            diamond::draw_normal(philox{2}.stream(purpose::user, static_cast<index_t>(l)), bias);
        }
        diamond::draw_normal(philox{3}.stream(purpose::user), x.mutable_view());
    }
    void operator()() { layers.forward(*context, theta.data(), {x.data()}, x.columns(), {y.data()}, space); }
    case_file written() {
        (*this)();
        case_file file;
        file.add("theta", theta);
        file.add("x", x);
        file.add("out", y);
        return file;
    }
};

/// Writes all cases of a width.
template <class Context>
void write_cases(const Context& context, index_t width, const std::filesystem::path& folder) {
    const auto net = stirred(context, width);
    const auto path_of = [&](const char* name) {
        return folder / (name + ("_" + std::to_string(width)) + ".safetensors");
    };
    diamond::io::save_network(path_of("network"), net);
    step_case(context, net).write(path_of("step"));
    smc_case(context, net).write(path_of("smc"));
    training_case(context, net).write(path_of("training"));
}

} // namespace peers
