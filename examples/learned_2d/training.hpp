// Trains a Diamond network from draws of a model, and shows how far it is.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/map/network_flow.hpp>
#include <diamond/nn/diamond_mlp.hpp>
#include <diamond/train/diamond_trainer.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

namespace learned {

using diamond::index_t;
using diamond::linear_schedule;
using batch        = diamond::eigen::batch<float>;
using context      = diamond::eigen::context;
using architecture = diamond::diamond_mlp<batch, linear_schedule>;
using network      = diamond::trained_diamond_network<architecture>;

struct training_options {
    index_t steps = 10000, batch = 512, width = 128, blocks = 3;
    double rate = 1e-2;
};

/// The losses over the training, each the mean over a hundredth of it, and how long it took.
struct training_curves {
    std::vector<double> step, diagonal, lagrangian;
    double seconds = 0.0;
};

/// A line of progress on a terminal, rewritten; elsewhere nothing.
class training_progress {
public:
    training_progress(std::string name, double diagonal_share, double diagonal_first)
        : name_(std::move(name)), diagonal_share_(diagonal_share), diagonal_first_(diagonal_first) {}
    void show(const diamond::training_report& report) const {
        const index_t done = report.step + 1;
        if (!terminal_ || (done % 20 != 0 && done != report.steps)) return;
        const double share = work(done, report.steps) / work(report.steps, report.steps);
        std::fprintf(stderr, "\r\033[K%s: step %td of %td, diagonal loss %.4f, Lagrangian %.5f, %.0f s left", name_.c_str(), done,
                     report.steps, report.diagonal_loss, report.off_diagonal_loss, clock_.seconds() * (1.0 - share) / share);
        if (done == report.steps) std::fprintf(stderr, "\r\033[K");
    }
    [[nodiscard]] double seconds() const { return clock_.seconds(); }

private:
    /// Of the first `done` steps: the first ones are diagonal throughout, and cheaper.
    [[nodiscard]] double work(index_t done, index_t steps) const {
        constexpr double diagonal = 3.0, off_diagonal = 7.0; // a forward and a backward pass; two of each, and the target's evaluation
        const double late = std::max(0.0, static_cast<double>(done) - diagonal_first_ * static_cast<double>(steps));
        return diagonal * (static_cast<double>(done) - late) + late * (diagonal_share_ * diagonal + (1.0 - diagonal_share_) * off_diagonal);
    }

    std::string name_;
    double diagonal_share_, diagonal_first_;
    bool terminal_ = isatty(STDERR_FILENO) != 0;
    diamond::detail::stopwatch clock_;
};

/// A Diamond network that has seen draws of the model and nothing else.
template <class Model>
std::pair<network, training_curves> train(const context& where, const std::string& name, const Model& model, const training_options& chosen,
                                          diamond::philox rng) {
    constexpr index_t points = 1 << 20; // as good as fresh draws: 10000 steps of 512 see each five times
    batch drawn(where, 2, points);
    model.draw(rng.split(1).stream(diamond::purpose::data), drawn.mutable_view());
    const diamond::training_set<batch> data(std::move(drawn), 0.0);

    // Training works in the coordinates of the data's Gaussian; the network that leaves takes its basis along.
    const diamond::gaussian_frame<batch> frame(where, diamond::fit_gaussian_frame(data));
    const auto inside = diamond::in_coordinates_of(frame, data);
    const diamond::diamond_mlp_options shape{.mlp = {.width = chosen.width, .blocks = chosen.blocks}};
    diamond::diamond_training_options<> options{
        .steps = chosen.steps, .batch = chosen.batch, .rate = {.peak = chosen.rate}, .average = 0.998};
    options.rate.warm_up = std::min(options.rate.warm_up, chosen.steps / 10);
    diamond::diamond_trainer trainer(
        architecture({}, diamond::gaussian_frame<batch>(where, diamond::in_own_coordinates(frame.numbers())), shape), inside, rng.split(2),
        options);

    const index_t window = std::max<index_t>(1, chosen.steps / 100);
    training_curves curves;
    double diagonal = 0.0, lagrangian = 0.0;
    const training_progress progress(name, options.diagonal, options.diagonal_first);
    auto state = trainer.start();
    trainer.run(state, [&](const diamond::training_report& report) {
        progress.show(report);
        diagonal += report.diagonal_loss / static_cast<double>(window);
        lagrangian += report.off_diagonal_loss / static_cast<double>(window);
        if ((report.step + 1) % window == 0) {
            curves.step.push_back(static_cast<double>(report.step + 1));
            curves.diagonal.push_back(std::exchange(diagonal, 0.0));
            curves.lagrangian.push_back(std::exchange(lagrangian, 0.0));
        }
        return true;
    });
    curves.seconds = progress.seconds();
    return {network(architecture({}, frame, shape), std::move(state.average)), std::move(curves)};
}

} // namespace learned
