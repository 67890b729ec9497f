/// This header trains a classifier, and goes on where an earlier run was broken off.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/crc32.hpp>
#include <diamond/core/stopwatch.hpp>
#include <diamond/io/training_checkpoint.hpp>
#include <diamond/train/adam_w.hpp>

#include "../shared/is_trained.hpp"
#include "../shared/progress_line.hpp"
#include "classifier.hpp"

namespace mnist {

struct classifier_options {
    std::string name; ///< of the files
    classifier_shape shape = {};
    double epochs = 8.0, share = 1.0; ///< passes over the training part, and the share of them that is made
    index_t batch = 128, shift = 2;
    diamond::learning_rate rate = {.peak = 3e-3};
    diamond::adam_w_options optimiser = {.weight_decay = 0.02};
    double average = 0.995; ///< the decay of the moving average of the parameters, which is what is kept
    index_t test_images = 10'000; ///< of the test part, on which it is measured
    index_t checkpoint = 100;     ///< steps between checkpoints
    std::uint64_t seed = 1;
    bool resume = true;
    std::filesystem::path out = "out/mnist";

    [[nodiscard]] index_t steps(const images& train) const {
        const double all = share * epochs * static_cast<double>(train.count()) / static_cast<double>(batch);
        return std::max<index_t>(10, static_cast<index_t>(all));
    }
    [[nodiscard]] std::filesystem::path file() const { return out / (name + ".safetensors"); }
    /// Returns what the file of a classifier and its checkpoints say about its training, so that those of
    /// others are not mistaken for it.
    [[nodiscard]] std::string setting(const data_set& data) const {
        diamond::crc32<0x82f63b78> sum;
        for (const auto* part : {&data.train, &data.test}) {
            sum.add(std::as_bytes(std::span(part->grey)));
            sum.add(std::as_bytes(std::span(part->labels)));
        }
        return "mnist " + name + ": " + std::to_string(steps(data.train)) + " steps of " +
               std::to_string(batch) + ", width " + std::to_string(shape.width) + ", features " +
               std::to_string(shape.features) + ", shift " + std::to_string(shift) + ", rate " + rate.text() +
               ", optimiser " + optimiser.text() + ", average " + diamond::digits_of(average) +
               ", measured on " + std::to_string(test_images) + ", seed " + std::to_string(seed) + ", data " +
               std::to_string(sum.value());
    }
};

/// This type tells what a training has come to.
struct classifier_report {
    std::string name;
    index_t parameters = 0, steps = 0;
    std::array<index_t, classes> right = {}, of = {}; ///< of the test part, by class; the file's numbers

    [[nodiscard]] index_t all_right() const { return std::accumulate(right.begin(), right.end(), index_t{}); }
    [[nodiscard]] index_t all() const { return std::accumulate(of.begin(), of.end(), index_t{}); }
};

namespace detail {

/// Returns the order in which an epoch takes the images.
inline std::vector<index_t> order_of(index_t count, diamond::philox rng, index_t epoch) {
    std::vector<index_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), index_t{0});
    const auto choice = rng.stream(diamond::purpose::component, epoch);
    for (index_t i = count - 1; i > 0; --i)
        std::swap(order[static_cast<std::size_t>(i)],
                  order[static_cast<std::size_t>(choice.uniform(i) * static_cast<double>(i + 1))]);
    return order;
}

/// Prints the mean loss since the last line and the time left: on a terminal five times a second, elsewhere
/// twenty times in a training.
class loss_line {
public:
    loss_line(std::string name, index_t begin, index_t steps)
        : name_(std::move(name)), begin_(begin), steps_(steps) {}
    void operator()(index_t done, double loss) {
        sum_ += loss;
        ++count_;
        const double now = clock_.seconds();
        const bool last = done == steps_, part = done * 20 / steps_ != (done - 1) * 20 / steps_;
        if (line_.on_terminal() ? !last && now - told_ < 0.2 : !part) return;
        const double left = now / static_cast<double>(done - begin_) * static_cast<double>(steps_ - done);
        char text[160];
        std::snprintf(text, sizeof text, "%s: step %td of %td, loss %.4f, %d:%02d left", name_.c_str(), done,
                      steps_, sum_ / count_, static_cast<int>(left) / 60, static_cast<int>(left) % 60);
        if (line_.on_terminal() && !last)
            line_.show(text);
        else
            line_.finish(text);
        told_ = now;
        sum_ = count_ = 0.0;
    }

private:
    std::string name_;
    index_t begin_, steps_;
    studies::progress_line line_;
    diamond::stopwatch clock_;
    double sum_ = 0.0, count_ = 0.0, told_ = 0.0;
};

/// A classifier's training: what a step does is a function of the seed and the number of the step.
class classifier_training {
public:
    classifier_training(const context& where, const images& train, const classifier_options& o)
        : where_(&where), train_(&train), o_(&o), graph_(classifier_graph(o.shape)) {
        diamond::require(o.batch <= train.count(), [&] {
            return "a batch of " + std::to_string(o.batch) + " of " + std::to_string(train.count()) +
                   " images";
        });
    }
    [[nodiscard]] const layers& graph() const { return graph_; }

    [[nodiscard]] diamond::training_state<batch> start() const {
        const auto zeros = [&] {
            batch result(*where_, graph_.parameters(), 1);
            set_to_zero(result.mutable_view());
            return result;
        };
        diamond::training_state<batch> state{
            .theta = zeros(),
            .average = zeros(),
            .mean = zeros(),
            .variance = zeros(),
            .loss_sums = diamond::from_host<double>(*where_, diamond::loss_curve::size, 1,
                                                    diamond::loss_curve().sums()),
            .belongs_to = {}};
        diamond::initialise(graph_, diamond::philox{o_->seed}, state.theta.mutable_view());
        where_->copy(state.theta.data(), state.theta.size(), state.average.data());
        return state;
    }
    /// Takes one step. @return the mean loss of its images.
    double step(diamond::training_state<batch>& state, index_t steps) {
        const diamond::philox rng{o_->seed};
        batch z(*where_, pixels, o_->batch), scores(*where_, classes, o_->batch),
            gradient(*where_, graph_.parameters(), 1);
        diamond::owning_batch<diamond::clipped_norm, context> norm(*where_, 1, 1);
        std::vector<std::int32_t> labels(static_cast<std::size_t>(o_->batch));
        const index_t in_epoch = train_->count() / o_->batch, epoch = state.step / in_epoch;
        if (epoch != epoch_) order_ = order_of(train_->count(), rng, epoch);
        epoch_ = epoch;
        const making how{.dequantised = true, .shift = o_->shift};
        where_->for_each(o_->batch, [&, from = order_.data() + state.step % in_epoch * o_->batch](index_t j) {
            labels[static_cast<std::size_t>(j)] = train_->labels[static_cast<std::size_t>(from[j])];
            make_image(*train_, from[j], how, rng, state.step, j, z.data() + pixels * j);
        });
        graph_.record(*where_, state.theta.data(), {z.data()}, o_->batch, {scores.data()}, space_);
        const double loss = to_cotangent(scores.data(), labels);
        set_to_zero(gradient.mutable_view());
        graph_.backward(*where_, state.theta.data(), space_, {scores.data()}, {nullptr}, gradient.data());
        diamond::adam_w<batch>(o_->optimiser, {.k = state.step, .rate = o_->rate.at(state.step, steps)},
                               {state.theta, state.mean, state.variance}, gradient.read(), norm.data());
        diamond::moving_average<batch>(o_->average, state.step, state.average.mutable_view(),
                                       state.theta.read());
        diamond::loss_curve::add(state.loss_sums.data() +
                                     diamond::loss_curve::window_of(true, state.step, steps),
                                 state.step, loss);
        ++state.step;
        return loss;
    }

private:
    const context* where_;
    const images* train_;
    const classifier_options* o_;
    layers graph_;
    layers::workspace space_;
    index_t epoch_ = -1;
    std::vector<index_t> order_;
};

} // namespace detail

/// Measures a classifier on the first images of the test part.
inline void measure(const classifier& net, const images& test, index_t count, classifier_report& told) {
    count = std::min(count, test.count());
    told.parameters = net.graph().parameters();
    told.right = net.right_of(test, count);
    told.of = {};
    for (index_t j = 0; j < count; ++j)
        ++told.of[static_cast<std::size_t>(test.labels[static_cast<std::size_t>(j)])];
}

/// Trains a classifier to the end, beginning where an earlier run stopped, and writes the moving average of
/// its parameters to `out` as F16, with what it gets right by these numbers of F16. Nothing is trained that
/// is there already.
inline classifier_report train_classifier(const context& where, const data_set& data,
                                          const classifier_options& o) {
    const std::string setting = o.setting(data);
    classifier_report told{.name = o.name, .steps = o.steps(data.train)};
    if (o.resume && studies::is_trained(o.file(), setting)) {
        std::fprintf(stderr, "%s: already trained in this way; --fresh trains it again\n", o.name.c_str());
        measure(classifier(where, o.file()), data.test, o.test_images, told);
        return told;
    }
    const auto saved = o.out / (o.name + ".training");
    detail::classifier_training training(where, data.train, o);
    auto state = o.resume && std::filesystem::exists(saved)
                   ? diamond::io::load_training<batch>(where, saved, setting, training.graph().parameters())
                   : training.start();
    diamond::io::require_writable(saved); // before it trains
    detail::loss_line line(o.name, state.step, told.steps);
    while (state.step < told.steps) {
        const double loss = training.step(state, told.steps);
        if (state.step % o.checkpoint == 0 || state.step == told.steps)
            diamond::io::save_training(saved, state, setting);
        line(state.step, loss);
    }
    const auto save = [&](const layers& graph, const batch& theta, std::map<std::string, std::string> notes) {
        diamond::io::save_graph(o.file(), graph, theta, std::move(notes), diamond::io::precision::f16);
    };
    // What is measured are the numbers of the file, which says last that all is done.
    save(training.graph(), state.average, {});
    const classifier rounded(where, o.file());
    measure(rounded, data.test, o.test_images, told);
    save(rounded.graph(), rounded.parameters(),
         {{"trained_on", "MNIST, training part"},
          {"right", std::to_string(told.all_right()) + " of " + std::to_string(told.all()) +
                        " images of the test part, by these numbers"},
          {"setting", setting}});
    std::filesystem::remove(saved);
    return told;
}

} // namespace mnist
