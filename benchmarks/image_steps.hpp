// Whole steps of a Diamond network of images, 28 x 28 and a U-Net of width 32, as users run them: a
// transition and a training step; and the products that its layers cannot do without.
#pragma once

#include <cmath>
#include <map>
#include <tuple>
#include <variant>
#include <vector>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/nn/unet.hpp>

namespace diamond_benchmarks {

using diamond::index_t, diamond::philox;
using context_type = diamond::eigen::context;
using image_batch = diamond::eigen::batch<float>;
using unet = diamond::diamond_unet<image_batch, diamond::linear_schedule>;

/// A U-Net of 28 x 28 pixels on so many threads: three resolutions of 32, 64 and 64 channels, attention at 7
/// x 7. Layers that begin as 0 are stirred.
struct unet_on_threads {
    static constexpr index_t dimension = 28 * 28;
    context_type context;
    diamond::trained_network<unet> net;

    explicit unet_on_threads(int threads) : context{.threads = threads}, net(stirred(context)) {}
    static diamond::trained_network<unet> stirred(const context_type& context) {
        const std::vector<double> mean(dimension, 0.1), variance(dimension, 0.5);
        const unet architecture({}, diamond::gaussian_frame<image_batch>(context, {mean, variance, {}}),
                                {.shape = {.channels = 1, .height = 28, .width = 28},
                                 .width = 32,
                                 .multipliers = {1, 2, 2},
                                 .attention = {7}});
        image_batch theta(context, architecture.parameters(), 1);
        architecture.initialise(philox{1}, theta.mutable_view());
        index_t draws = 0;
        for (const auto& node : architecture.stack().nodes())
            std::visit(
                [&](const auto& layer) {
                    for (const auto& tensor : layer.tensors(node.shapes)) {
                        if (tensor.deviation > 0.0 || tensor.mean != 0.0) continue;
                        const diamond::view_t<image_batch> to(theta.data() + node.offset + tensor.offset,
                                                              tensor.size(), 1, &context);
                        diamond::draw_normal(philox{2}.stream(diamond::purpose::user, draws++), to);
                        diamond::assign(to, 0.05 * to);
                    }
                },
                node.layer);
        return {architecture, std::move(theta)};
    }
};

/// A transition by early stop: one evaluation an image.
struct unet_step : unet_on_threads {
    diamond::early_stop_kernel<diamond::network_diamond_map<diamond::trained_network<unet>>> kernel;
    image_batch x, next;

    unet_step(int threads, index_t images)
        : unet_on_threads(threads),
          kernel(diamond::network_diamond_map{net}),
          x(context, dimension, images),
          next(context, dimension, images) {
        diamond::draw_normal(philox{2}.stream(diamond::purpose::initial), x.mutable_view());
    }
    static constexpr double passes = 1.0;
    void operator()() {
        kernel(x.read(), {0.3, 0.6}, diamond::labels(), philox{3}.stream(diamond::purpose::transition),
               next.mutable_view());
    }
};
/// A step of the Lagrangian loss off the diagonal, of 1,000 images of noise: value and tangent, four products
/// back for each of one of the value, and one of the target.
struct unet_training_step : unet_on_threads {
    diamond::training_set<image_batch> data;
    diamond::diamond_trainer<unet> trainer;
    diamond::training_state<image_batch> state;

    unet_training_step(int threads, index_t images)
        : unet_on_threads(threads),
          data(points(context), 0.2),
          trainer(net.architecture(), data, philox{1},
                  {.steps = 1 << 30, .batch = images, .diagonal = 0.0, .diagonal_first = 0.0}),
          state(trainer.start()) {
        for (auto* own : {&state.theta, &state.average})
            context.copy(net.parameters().data(), net.parameters().size(), own->data());
    }
    static image_batch points(const context_type& context) {
        image_batch result(context, dimension, 1000);
        diamond::draw_normal(philox{3}.stream(diamond::purpose::data), result.mutable_view());
        return result;
    }
    static constexpr double passes = 7.0;
    void operator()() { trainer.step(state); }
};

/// The products of all layers of a graph by bare Eigen, on 256 columns that stay in the cache, or fewer where
/// a product of an image has fewer: as many times as so many images need, `passes` times.
class products_of_graph {
public:
    template <class Graph>
    products_of_graph(const Graph& graph, index_t images, double passes) {
        std::map<std::tuple<index_t, index_t, index_t>, double> times; // of rows, depth and columns
        const double all = static_cast<double>(images) * passes;
        for (const auto& node : graph.nodes()) {
            if (const auto* layer = std::get_if<diamond::convolution>(&node.layer)) {
                const index_t depth = layer->kernel * layer->kernel * node.shapes[0].channels;
                times[{layer->outputs, depth, 256}] += static_cast<double>(node.shape.pixels()) / 256.0 * all;
            } else if (const auto* attention = std::get_if<diamond::self_attention>(&node.layer)) {
                const index_t tokens = node.shape.pixels(), size = node.shape.channels / attention->heads;
                times[{tokens, size, tokens}] += static_cast<double>(attention->heads) * all;
                times[{size, tokens, tokens}] += static_cast<double>(attention->heads) * all;
            }
        }
        for (const auto& [extents, count] : times) {
            const auto& [rows, depth, columns] = extents;
            each_.push_back({Eigen::MatrixXf::Random(rows, depth), Eigen::MatrixXf::Random(depth, columns),
                             Eigen::MatrixXf(rows, columns), static_cast<index_t>(std::lround(count))});
        }
    }
    void operator()() {
        for (auto& [w, h, out, count] : each_)
            for (index_t product = 0; product < count; ++product) {
                out.noalias() = w * h;
                benchmark::DoNotOptimize(out.data());
            }
    }

private:
    struct product {
        Eigen::MatrixXf w, h, out;
        index_t count;
    };
    std::vector<product> each_;
};

} // namespace diamond_benchmarks
