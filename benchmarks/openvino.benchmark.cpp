// What a network from an ONNX file costs beside OpenVINO itself: calls of the network against a bare loop
// over a request that reads and writes the same memory. The smaller the network, the more it shows: these
// have a velocity of a few operations, and a Diamond network of width 16 with five inputs and a label.
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <openvino/openvino.hpp>

#include <diamond/backend/eigen.hpp>
#include <diamond/openvino/diamond_network.hpp>
#include <diamond/openvino/network.hpp>
#include <diamond/random/draw.hpp>

#include "against.hpp"

namespace {

using namespace diamond_benchmarks;
using diamond::index_t, diamond::linear_schedule;
using batch = diamond::eigen::batch<float>;

constexpr int calls = 100; // an iteration, so that a clock resolves it

/// A request of the file, compiled as the networks compile it, whose inputs are where they are once and for
/// all.
class bare {
public:
    bare(const std::string& file, const std::vector<ov::Tensor>& inputs, const ov::Tensor& output) {
        ov::Core core;
        auto model = core.compile_model(
            file, "CPU", ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY), ov::num_streams(1),
            ov::inference_num_threads(1), ov::hint::enable_cpu_pinning(false),
            ov::hint::inference_precision(ov::element::f32));
        request_ = model.create_infer_request();
        for (std::size_t i = 0; i < inputs.size(); ++i) request_.set_input_tensor(i, inputs[i]);
        request_.set_output_tensor(output);
    }
    void operator()() {
        for (int call = 0; call < calls; ++call) request_.infer();
    }
    /// Evaluates at each of these in turn, and writes to the output beside it.
    void operator()(const std::vector<std::pair<ov::Tensor, ov::Tensor>>& states) {
        for (int call = 0; call < calls; ++call) {
            const auto& [x, out] = states[static_cast<std::size_t>(call) % states.size()];
            request_.set_input_tensor(0, x);
            request_.set_output_tensor(out);
            request_.infer();
        }
    }

private:
    ov::InferRequest request_;
};

/// Batches of normals, and the numbers that a bare request reads of times and labels.
struct columns_of {
    diamond::eigen::context context{.threads = 1};
    batch x, y, out, other_out;
    std::vector<float> t;
    std::vector<std::int32_t> label;

    columns_of(index_t d, index_t n)
        : x(context, d, n),
          y(context, d, n),
          out(context, d, n),
          other_out(context, d, n),
          t(static_cast<std::size_t>(n), 0.5f),
          label(static_cast<std::size_t>(n), 2) {
        diamond::draw_normal(diamond::philox{1}.stream(diamond::purpose::user), x.mutable_view());
        diamond::draw_normal(diamond::philox{2}.stream(diamond::purpose::user), y.mutable_view());
    }
    [[nodiscard]] static ov::Tensor tensor(batch& rows) {
        return {ov::element::f32,
                {static_cast<std::size_t>(rows.columns()), static_cast<std::size_t>(rows.rows())},
                rows.data()};
    }
    [[nodiscard]] ov::Tensor times() { return {ov::element::f32, {t.size()}, t.data()}; }
    [[nodiscard]] ov::Tensor labels() { return {ov::element::i32, {label.size()}, label.data()}; }
};

void openvino_velocity(benchmark::State& state) {
    const std::string file = DIAMOND_ONNX_VELOCITY;
    columns_of at(2, state.range(0));
    const diamond::openvino_network<batch> net(at.context, file);
    auto space = net.make_workspace(at.context, at.x.columns());
    against(
        state, "bare",
        [&] {
            for (int call = 0; call < calls; ++call) net(at.x, 0.5, {}, space, at.out);
        },
        bare(file, {at.tensor(at.x), at.times()}, at.tensor(at.out)));
}
/// The same where two batches take turns, so that both hand over an address at each call.
void openvino_velocity_in_turns(benchmark::State& state) {
    const std::string file = DIAMOND_ONNX_VELOCITY;
    columns_of at(2, state.range(0));
    const diamond::openvino_network<batch> net(at.context, file);
    auto space = net.make_workspace(at.context, at.x.columns());
    bare request(file, {at.tensor(at.x), at.times()}, at.tensor(at.out));
    against(
        state, "bare",
        [&] {
            for (int call = 0; call < calls; ++call) {
                const bool odd = call % 2 == 1;
                net(odd ? at.y : at.x, 0.5, {}, space, odd ? at.other_out : at.out);
            }
        },
        [&] {
            request({{at.tensor(at.x), at.tensor(at.out)}, {at.tensor(at.y), at.tensor(at.other_out)}});
        });
}
void openvino_diamond(benchmark::State& state) {
    const std::string file = DIAMOND_ONNX_DIAMOND;
    columns_of at(3, state.range(0));
    const diamond::openvino_diamond_network<batch, linear_schedule, linear_schedule, diamond::labels> net(
        at.context, file, {}, {}, {.condition = {.classes = 4, .none = -1}});
    auto space = net.make_workspace(at.context, at.x.columns());
    against(
        state, "bare",
        [&] {
            for (int call = 0; call < calls; ++call)
                net({at.x, at.y, 0.5, 0.5, 0.5}, diamond::labels(2), space, at.out);
        },
        bare(file, {at.tensor(at.x), at.tensor(at.y), at.times(), at.times(), at.times(), at.labels()},
             at.tensor(at.out)));
}
BENCHMARK(openvino_velocity)->ArgName("columns")->Arg(64)->Arg(10000)->Apply(in_milliseconds);
BENCHMARK(openvino_velocity_in_turns)->ArgName("columns")->Arg(64)->Arg(10000)->Apply(in_milliseconds);
BENCHMARK(openvino_diamond)->ArgName("columns")->Arg(64)->Arg(10000)->Apply(in_milliseconds);

} // namespace
