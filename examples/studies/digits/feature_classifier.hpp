/// This header defines a small classifier of noised digits. Its penultimate features measure samples; it is
/// never a reward.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <diamond/nn/mlp.hpp>
#include <diamond/train/adam_w.hpp>
#include <diamond/train/training_set.hpp>

#include "networks.hpp"

namespace digits {

class feature_classifier {
public:
    static constexpr index_t features = 64;

    struct options {
        index_t steps = 1500, batch = 256, width = 128;
        double rate = 3e-3, bandwidth = 0.2;
        diamond::philox rng{0};
    };

    feature_classifier(const diamond::eigen::context& where, const images& train, const options& o)
        : where_(&where),
          layers_{{pixels, o.width, silu}, {o.width, features, silu}, {features, classes}},
          stack_(layers_),
          penultimate_({layers_[0], layers_[1]}),
          theta_(where, stack_.parameters(), 1) {
        using namespace diamond;
        diamond::initialise(stack_, o.rng, theta_.mutable_view());
        batch mean = zeros(), variance = zeros(), gradient = zeros();
        diamond::owning_batch<clipped_norm, diamond::eigen::context> norm(where, 1, 1);
        for (index_t k = 0; k < o.steps; ++k) {
            auto [z, labels] = noised(train, o, k);
            batch scores(where, classes, o.batch);
            stack_.record(where, theta_.data(), {z.data()}, o.batch, {scores.data()}, space_);
            to_cotangent(scores, labels);
            std::fill_n(gradient.data(), gradient.size(), real{0});
            stack_.backward(where, theta_.data(), space_, {scores.data()}, {nullptr}, gradient.data());
            adam_w<batch>({}, {.k = k, .rate = learning_rate{.peak = o.rate}.at(k, o.steps)},
                          {theta_, mean, variance}, gradient.read(), norm.data());
        }
    }

    /// Returns the activations before the last layer, features x count.
    [[nodiscard]] floats features_of(const floats& z) const { return run(penultimate_, z, features); }
    [[nodiscard]] std::vector<int> classes_of(const floats& z) const {
        const floats scores = run(stack_, z, classes);
        std::vector<int> result(z.size() / pixels);
        for (std::size_t j = 0; j < result.size(); ++j) {
            const auto* first = scores.data() + j * classes;
            result[j] = static_cast<int>(std::max_element(first, first + classes) - first);
        }
        return result;
    }

private:
    static constexpr auto silu = diamond::activation::silu;
    using stack = diamond::dense_stack<batch>;

    batch zeros() const {
        batch result(*where_, stack_.parameters(), 1);
        std::fill_n(result.data(), result.size(), real{0});
        return result;
    }
    /// Returns randomly chosen images with fresh noise, and their labels.
    std::pair<batch, std::vector<int>> noised(const images& train, const options& o, index_t step) const {
        batch z(*where_, pixels, o.batch);
        std::vector<int> labels(static_cast<std::size_t>(o.batch));
        draw_normal(o.rng.stream(diamond::purpose::data, step), z.mutable_view());
        const auto choice = o.rng.stream(diamond::purpose::component, step);
        for (index_t j = 0; j < o.batch; ++j) {
            const auto chosen = static_cast<index_t>(choice.uniform(j) * static_cast<double>(train.count()));
            for (index_t i = 0; i < pixels; ++i)
                z.data()[i + pixels * j] = train.data[static_cast<std::size_t>(i + pixels * chosen)] +
                                           static_cast<real>(o.bandwidth) * z.data()[i + pixels * j];
            labels[static_cast<std::size_t>(j)] = train.labels[static_cast<std::size_t>(chosen)];
        }
        return {std::move(z), std::move(labels)};
    }
    /// Replaces scores by d(mean cross-entropy)/d score = (softmax - one at the label)/batch.
    static void to_cotangent(batch& scores, const std::vector<int>& labels) {
        const auto n = static_cast<index_t>(labels.size());
        for (index_t j = 0; j < n; ++j) {
            real* const score = scores.data() + j * classes;
            const real high = *std::max_element(score, score + classes);
            real sum = 0;
            for (int c = 0; c < classes; ++c) sum += score[c] = std::exp(score[c] - high);
            for (int c = 0; c < classes; ++c)
                score[c] = (score[c] / sum - static_cast<real>(c == labels[static_cast<std::size_t>(j)])) /
                           static_cast<real>(n);
        }
    }
    floats run(const stack& which, const floats& z, index_t rows) const {
        const auto n = static_cast<index_t>(z.size()) / pixels;
        floats out(static_cast<std::size_t>(rows * n));
        typename stack::workspace space;
        which.forward(*where_, theta_.data(), {z.data()}, n, {out.data()}, space);
        return out;
    }

    const diamond::eigen::context* where_;
    std::vector<diamond::dense_layer> layers_;
    // The second stack is the beginning of the first one, and so are its parameters.
    stack stack_, penultimate_;
    batch theta_;
    typename stack::workspace space_;
};

} // namespace digits
