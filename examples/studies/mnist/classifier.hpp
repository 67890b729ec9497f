/// This header defines the classifiers: convolution networks as graphs of layers, of which a file holds all.
#pragma once

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/core/batch.hpp>
#include <diamond/io/layer_graph.hpp>
#include <diamond/nn/layer_graph.hpp>

#include "data_set.hpp"

namespace mnist {

using context = diamond::eigen::context;
using batch = diamond::eigen::batch<real>;
using layers = diamond::layer_graph<batch>;

/// This type is the size of a classifier.
struct classifier_shape {
    index_t width = 16;    ///< channels of 28 x 28 pixels; twice as many of 14 x 14, four times of 7 x 7
    index_t features = 64; ///< of an image, before the last layer
};

/// Returns the graph of a classifier, images to a score for each class: five convolutions by 3 x 3 pixels,
/// the mean over the pixels, a layer of features, and the last layer.
inline layers classifier_graph(const classifier_shape& of) {
    using namespace diamond;
    layer_list<> list;
    const auto with = [&](index_t from, convolution layer) {
        return list.add(activation_layer{activation::silu}, list.add(layer, from));
    };
    const auto pixel = [](index_t outputs) {
        return convolution{.outputs = outputs, .kernel = 1, .stride = 1, .padding = 0};
    };
    const index_t w = of.width;
    index_t at = list.add(input_rows{.first = 0, .shape = {1, side, side}});
    at = with(at, {.outputs = w, .gain = 2.0}); // silu halves what passes
    at = with(at, {.outputs = 2 * w, .stride = 2, .gain = 2.0});
    at = with(at, {.outputs = 2 * w, .gain = 2.0});
    at = with(at, {.outputs = 4 * w, .stride = 2, .gain = 2.0});
    at = with(at, {.outputs = 4 * w, .gain = 2.0});
    at = with(list.add(average_pooling{.size = 0}, at), pixel(of.features));
    list.outputs = {list.add(pixel(classes), at)};
    return {pixels, std::move(list)};
}

/// Replaces scores by d(mean cross-entropy)/d score = (softmax - one at the label)/count. @return the mean
/// cross-entropy, in nats.
inline double to_cotangent(real* scores, const std::vector<std::int32_t>& labels) {
    const auto n = static_cast<double>(labels.size());
    double loss = 0.0;
    for (std::size_t j = 0; j < labels.size(); ++j) {
        real* const score = scores + j * classes;
        const auto label = static_cast<std::size_t>(labels[j]);
        const double high = *std::max_element(score, score + classes);
        double sum = 0.0;
        for (int c = 0; c < classes; ++c) sum += std::exp(score[c] - high);
        loss += (std::log(sum) + high - score[label]) / n;
        for (int c = 0; c < classes; ++c) score[c] = static_cast<real>(std::exp(score[c] - high) / sum / n);
        score[label] -= static_cast<real>(1.0 / n);
    }
    return loss;
}

/// A classifier is a graph from images to scores and its parameters. The map before its last node are the
/// features, by which images are measured.
class classifier {
public:
    /// @throws std::invalid_argument unless the graph takes images to a score for each class.
    classifier(const context& where, diamond::io::stored_graph<batch> stored)
        : where_(&where), stored_(std::move(stored)), before_last_(without_last(stored_.graph)) {
        diamond::require(stored_.graph.inputs() == pixels && stored_.graph.outputs() == classes, [&] {
            return "a graph of " + std::to_string(stored_.graph.inputs()) + " rows to " +
                   std::to_string(stored_.graph.outputs()) + " classifies no digits: 784 rows to 10 do";
        });
    }
    /// Reads a file of `mnist judge`. @throws diamond::io::file_error as load_graph does.
    classifier(const context& where, const std::filesystem::path& file)
        : classifier(where, diamond::io::load_graph<batch>(where, file)) {}

    [[nodiscard]] const layers& graph() const { return stored_.graph; }
    [[nodiscard]] const batch& parameters() const { return stored_.theta; }
    [[nodiscard]] index_t features() const { return before_last_.outputs(); }

    /// Returns scores, classes x count, of images in [-1, 1], pixels x count.
    [[nodiscard]] floats scores_of(const real* images, index_t count) const {
        return run(stored_.graph, images, count);
    }
    /// Returns the features, features() x count.
    [[nodiscard]] floats features_of(const real* images, index_t count) const {
        return run(before_last_, images, count);
    }
    /// Returns the class of the highest score of each image.
    [[nodiscard]] std::vector<int> classes_of(const real* images, index_t count) const {
        const floats scores = scores_of(images, count);
        std::vector<int> result;
        for (const real* score = scores.data(); score != scores.data() + scores.size(); score += classes)
            result.push_back(static_cast<int>(std::max_element(score, score + classes) - score));
        return result;
    }
    /// Returns how many of the first `count` images it classifies right, of each class; each grey level is
    /// the middle of its cell.
    [[nodiscard]] std::array<index_t, classes> right_of(const images& of, index_t count) const {
        constexpr index_t at_once = 1000;
        std::array<index_t, classes> right{};
        for (index_t first = 0; first < count; first += at_once) {
            const index_t n = std::min(at_once, count - first);
            const floats made = made_images(of, first, n, {.dequantised = false}, diamond::philox{0});
            const auto told = classes_of(made.data(), n);
            for (index_t j = 0; j < n; ++j) {
                const auto label = static_cast<std::size_t>(of.labels[static_cast<std::size_t>(first + j)]);
                right[label] += told[static_cast<std::size_t>(j)] == static_cast<int>(label);
            }
        }
        return right;
    }

private:
    /// Returns the graph without its last node, whose parameters are the last, so that those of what is left
    /// are the first.
    static layers without_last(const layers& whole) {
        diamond::layer_list<> list;
        for (const auto& node : whole.nodes()) list.nodes.push_back({node.layer, node.from});
        diamond::require(whole.output_nodes().size() == 1 &&
                             whole.output_nodes()[0] + 1 == static_cast<index_t>(list.nodes.size()) &&
                             list.nodes.back().from.size() == 1,
                         "a classifier's only output is its last node, made of the features");
        list.outputs = list.nodes.back().from;
        list.nodes.pop_back();
        return {whole.inputs(), std::move(list)};
    }
    [[nodiscard]] floats run(const layers& graph, const real* images, index_t count) const {
        constexpr index_t at_once = 1000; // the feature maps of so many fit in memory everywhere
        floats out(static_cast<std::size_t>(graph.outputs() * count));
        typename layers::workspace space;
        for (index_t first = 0; first < count; first += at_once)
            graph.forward(*where_, stored_.theta.data(), {images + pixels * first},
                          std::min(at_once, count - first), {out.data() + graph.outputs() * first}, space);
        return out;
    }

    const context* where_;
    diamond::io::stored_graph<batch> stored_;
    layers before_last_;
};

} // namespace mnist
