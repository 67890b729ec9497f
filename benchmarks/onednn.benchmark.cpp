// Convolutions of feature maps against the same by oneDNN in float32, on one thread in the same run, results
// compared first: `share` is oneDNN's time over ours. oneDNN has its maps and weights in the formats that it
// chose itself, or, as `plain`, its maps as ours are, channel fastest. It makes no copies in what is timed.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include "against.hpp"
#include "one_layer.hpp"

namespace {

using namespace diamond_benchmarks;
using diamond::index_t;
using tag = dnnl::memory::format_tag;
using layer_type = one_layer<diamond::convolution>;

dnnl::memory::desc description(dnnl::memory::dims extents, tag format) {
    return {std::move(extents), dnnl::memory::data_type::f32, format};
}

/// A 3 x 3 convolution of our layer's input and weights by oneDNN, and both passes.
class onednn_convolution {
public:
    onednn_convolution(layer_type& layer, tag of_maps)
        : layer_(&layer),
          map_{layer.images(), layer.from().channels, layer.from().height, layer.from().width},
          out_{layer.images(), layer.to().channels, layer.to().height, layer.to().width},
          kernel_{layer.to().channels, layer.from().channels, 3, 3},
          of_maps_(of_maps) {
        using namespace dnnl;
        const auto x = description(map_, of_maps), y = description(out_, of_maps),
                   w = description(kernel_, tag::any), b = description({out_[1]}, tag::a);
        const memory::dims ones{1, 1};
        const convolution_forward::primitive_desc forward(
            {prop_kind::forward_training, algorithm::convolution_direct, x, w, b, y, ones, ones, ones},
            engine_);
        const convolution_backward_data::primitive_desc to_map(
            {algorithm::convolution_direct, x, w, y, ones, ones, ones}, engine_, forward);
        const convolution_backward_weights::primitive_desc to_weights(
            {algorithm::convolution_direct, x, w, b, y, ones, ones, ones}, engine_, forward);
        const auto plain_x = over(description(map_, tag::nhwc), layer.x());
        const auto plain_k = over(description(out_, tag::nhwc), layer.k());
        const auto plain_w = over(description(kernel_, tag::hwio), layer.theta());
        const auto bias = over(b, layer.theta(), weights());
        const memory result(forward.dst_desc(), engine_), x_result(to_map.diff_src_desc(), engine_),
            w_result(to_weights.diff_weights_desc(), engine_), b_result(b, engine_);
        forward_ = convolution_forward(forward);
        to_map_ = convolution_backward_data(to_map);
        to_weights_ = convolution_backward_weights(to_weights);
        of_forward_ = {{DNNL_ARG_SRC, in_format(plain_x, forward.src_desc())},
                       {DNNL_ARG_WEIGHTS, in_format(plain_w, forward.weights_desc())},
                       {DNNL_ARG_BIAS, bias},
                       {DNNL_ARG_DST, result}};
        of_map_ = {{DNNL_ARG_DIFF_DST, in_format(plain_k, to_map.diff_dst_desc())},
                   {DNNL_ARG_WEIGHTS, in_format(plain_w, to_map.weights_desc())},
                   {DNNL_ARG_DIFF_SRC, x_result}};
        of_weights_ = {{DNNL_ARG_SRC, in_format(plain_x, to_weights.src_desc())},
                       {DNNL_ARG_DIFF_DST, in_format(plain_k, to_weights.diff_dst_desc())},
                       {DNNL_ARG_DIFF_WEIGHTS, w_result},
                       {DNNL_ARG_DIFF_BIAS, b_result}};
        implementation_ = forward.impl_info_str();
    }
    void forward() {
        forward_.execute(stream_, of_forward_);
        stream_.wait();
    }
    void backward() {
        to_weights_.execute(stream_, of_weights_);
        to_map_.execute(stream_, of_map_);
        stream_.wait();
    }
    [[nodiscard]] const std::string& implementation() const { return implementation_; }
    /// @throws std::runtime_error unless our passes give the same numbers.
    void compare() {
        layer_->forward();
        forward();
        compare("value", of_forward_.at(DNNL_ARG_DST), description(out_, tag::nhwc), layer_->y(), 0);
        std::fill(layer_->gradient().begin(), layer_->gradient().end(), 0.0f);
        layer_->backward();
        backward();
        compare("cotangent", of_map_.at(DNNL_ARG_DIFF_SRC), description(map_, tag::nhwc), layer_->to_x(), 0);
        compare("gradient", of_weights_.at(DNNL_ARG_DIFF_WEIGHTS), description(kernel_, tag::hwio),
                layer_->gradient(), 0);
        compare("gradient of biases", of_weights_.at(DNNL_ARG_DIFF_BIAS), description({out_[1]}, tag::a),
                layer_->gradient(), weights());
    }

private:
    [[nodiscard]] std::size_t weights() const {
        return static_cast<std::size_t>(9 * kernel_[0] * kernel_[1]);
    }
    dnnl::memory over(const dnnl::memory::desc& format, std::vector<float>& numbers, std::size_t first = 0) {
        return {format, engine_, numbers.data() + first};
    }
    dnnl::memory in_format(dnnl::memory numbers, const dnnl::memory::desc& format) {
        dnnl::memory result(format, engine_);
        dnnl::reorder(numbers, result).execute(stream_, numbers, result);
        stream_.wait();
        return result;
    }
    void compare(const std::string& what, const dnnl::memory& theirs, const dnnl::memory::desc& format,
                 const std::vector<float>& ours, std::size_t first) {
        const auto plain = in_format(theirs, format);
        const float* const found = static_cast<const float*>(plain.get_data_handle());
        const std::size_t count = format.get_size() / sizeof(float);
        double largest = 0.0, apart = 0.0;
        for (std::size_t i = 0; i < count; ++i) {
            largest = std::max(largest, std::abs(static_cast<double>(found[i])));
            apart = std::max(apart, std::abs(static_cast<double>(found[i]) - ours[first + i]));
        }
        if (!(apart <= 1e-4 * largest))
            throw std::runtime_error(what + ": results differ by " + std::to_string(apart) + " of " +
                                     std::to_string(largest));
    }

    layer_type* layer_;
    dnnl::memory::dims map_, out_, kernel_;
    tag of_maps_;
    dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream_{engine_};
    dnnl::primitive forward_, to_map_, to_weights_;
    std::unordered_map<int, dnnl::memory> of_forward_, of_map_, of_weights_;
    std::string implementation_;
};

template <bool Backward, tag Maps>
void convolution_against_onednn(benchmark::State& state) {
    omp_set_num_threads(1);
    const index_t channels = state.range(0), pixels = state.range(1);
    layer_type layer(diamond::convolution{.outputs = channels}, {channels, pixels, pixels}, 1);
    onednn_convolution peer(layer, Maps);
    peer.compare();
    if constexpr (Backward)
        against(
            state, "onednn", [&] { layer.backward(); }, [&] { peer.backward(); });
    else
        against(
            state, "onednn", [&] { layer.forward(); }, [&] { peer.forward(); });
    shares(state);
    const double operations = 2.0 * static_cast<double>(9 * channels * channels * pixels * pixels *
                                                        layer.images() * (Backward ? 2 : 1));
    state.counters["gflops"] = operations / state.counters["fastest_ms"] * 1e-6;
    state.counters["onednn_gflops"] = operations / state.counters["onednn_ms"] * 1e-6;
    state.SetLabel(peer.implementation());
}
void convolution_forward(benchmark::State& state) { convolution_against_onednn<false, tag::any>(state); }
void convolution_forward_plain(benchmark::State& state) {
    convolution_against_onednn<false, tag::nhwc>(state);
}
void convolution_backward(benchmark::State& state) { convolution_against_onednn<true, tag::any>(state); }
void convolution_backward_plain(benchmark::State& state) {
    convolution_against_onednn<true, tag::nhwc>(state);
}
#define SHAPES ArgNames({"channels", "pixels"})->ArgsProduct({{16, 32, 64}, {28, 14, 7}})
BENCHMARK(convolution_forward)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_forward_plain)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_backward)->SHAPES->Apply(in_milliseconds);
BENCHMARK(convolution_backward_plain)->SHAPES->Apply(in_milliseconds);

} // namespace
