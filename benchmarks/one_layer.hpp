// One layer of a graph by itself: a block of images as layer_graph would give it, and its two passes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/nn/layer_graph.hpp>

namespace diamond_benchmarks {

/// A layer of one input, with normals as parameters, input and cotangent, on one thread.
template <class Layer>
class one_layer {
public:
    using batch = diamond::eigen::batch<float>;
    using index_t = diamond::index_t;

    one_layer(Layer layer, diamond::feature_shape shape, index_t parts)
        : layer_(std::move(layer)),
          from_{shape},
          to_(layer_.output(from_)),
          images_(std::max<index_t>(numbers / (std::max(shape.size(), to_.size()) * parts), 1)),
          parts_(parts),
          room_size_(std::max(layer_.scratch(from_, images_, parts_), room_numbers)),
          x_(normals(1, parts * shape.part(images_))),
          y_(normals(2, parts * to_.part(images_))),
          k_(normals(3, parts * to_.part(images_))),
          used_(k_),
          to_x_(normals(4, parts * shape.part(images_))),
          room_(normals(5, room_size_)) {
        index_t parameters = 0;
        for (const auto& each : layer_.tensors(from_)) parameters += each.size();
        theta_ = normals(6, parameters);
        gradient_.assign(theta_.size(), 0.0f);
        layer_.products(from_, images_, parts_, room_size_, [&](index_t rows, index_t n, index_t depth) {
            context_.template prepare_product<float>(rows, n, depth);
        });
    }
    [[nodiscard]] index_t images() const { return images_; }
    [[nodiscard]] index_t parts() const { return parts_; }
    [[nodiscard]] const diamond::feature_shape& from() const { return from_[0]; }
    [[nodiscard]] const diamond::feature_shape& to() const { return to_; }
    [[nodiscard]] std::vector<float>& theta() { return theta_; }
    [[nodiscard]] std::vector<float>& x() { return x_; }
    [[nodiscard]] std::vector<float>& y() { return y_; }
    [[nodiscard]] std::vector<float>& k() { return k_; }
    [[nodiscard]] std::vector<float>& to_x() { return to_x_; }
    [[nodiscard]] std::vector<float>& gradient() { return gradient_; }

    void forward() {
        context_.lanes(1, [&](auto& lane, index_t, index_t) {
            using Lane = std::remove_reference_t<decltype(lane)>;
            layer_.forward(diamond::layer_push<Lane, float>{call(lane), y_.data()});
        });
    }
    /// Writes the cotangent of the input, and adds the gradient of the parameters. A layer may use the
    /// cotangent that it is given up: those that do work on a copy, which is timed with them.
    void backward() {
        float* k = k_.data();
        if (uses_cotangent_up) {
            std::copy(k_.begin(), k_.end(), used_.begin());
            k = used_.data();
        }
        context_.lanes(1, [&](auto& lane, index_t, index_t) {
            using Lane = std::remove_reference_t<decltype(lane)>;
            layer_.backward(diamond::layer_pull<Lane, float>{
                call(lane), y_.data(), k, {to_x_.data()}, {false}, gradient_.data()});
        });
    }
    bool uses_cotangent_up = false;

private:
    // Those of layer_graph, on lanes that like 256 columns.
    static constexpr index_t numbers = index_t{1024} * 256, room_numbers = index_t{256} * 256;

    static std::vector<float> normals(std::uint64_t seed, index_t count) {
        const diamond::eigen::context context;
        batch all(context, count, 1);
        diamond::draw_normal(diamond::philox{seed}.stream(diamond::purpose::user, 0), all.mutable_view());
        return {all.data(), all.data() + count};
    }
    template <class Lane>
    diamond::layer_call<Lane, float> call(Lane& lane) {
        return {.lane = lane,
                .theta = theta_.data(),
                .from = from_,
                .shape = to_,
                .images = images_,
                .parts = parts_,
                .in = {x_.data()},
                .scratch = room_.data(),
                .scratch_size = room_size_};
    }

    diamond::eigen::context context_{.threads = 1};
    Layer layer_;
    std::array<diamond::feature_shape, 1> from_;
    diamond::feature_shape to_;
    index_t images_, parts_, room_size_;
    std::vector<float> x_, y_, k_, used_, to_x_, room_, theta_, gradient_;
};

/// A product of rows x depth times depth x columns by bare Eigen, whose operands stay in the cache, so many
/// times.
class products_in_cache {
public:
    products_in_cache(diamond::index_t rows, diamond::index_t depth, diamond::index_t columns, double count)
        : w_(Eigen::MatrixXf::Random(rows, depth)),
          h_(Eigen::MatrixXf::Random(depth, columns)),
          out_(rows, columns),
          count_(static_cast<diamond::index_t>(std::lround(count))) {}
    void operator()() {
        for (diamond::index_t product = 0; product < count_; ++product) {
            out_.noalias() = w_ * h_;
            benchmark::DoNotOptimize(out_.data());
        }
    }

private:
    Eigen::MatrixXf w_, h_, out_;
    diamond::index_t count_;
};

} // namespace diamond_benchmarks
