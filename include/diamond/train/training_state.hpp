/// The state of a training, and what can be told of it: the loss curve, reports to an observer, and the time
/// left.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/backend.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/train/training_options.hpp>

namespace diamond {

/// The means of both losses over each hundredth of a training. It is part of the training's state, so that a
/// run that is continued has the whole curve, bit for bit.
class loss_curve {
public:
    static constexpr index_t windows = 100; ///< fewer steps than that are a window each
    /// A loss in a window has three numbers: the steps that had it, the sum of their numbers, the sum of
    /// their losses.
    static constexpr index_t numbers = 3;
    /// How many numbers the curve is stored by: both losses, all windows.
    static constexpr index_t size = 2 * windows * numbers;

    /// The losses against the steps, each a mean over the steps of its window. Windows without the loss are
    /// left out.
    struct points {
        std::vector<double> step, loss; ///< The mean number of the steps of each window, and the mean loss.
    };

    /// Makes the curve of a training before its first step.
    loss_curve() : sums_(static_cast<std::size_t>(size)) {}
    /// Makes a curve from its sums. @throws std::invalid_argument with the count unless there are `size`.
    explicit loss_curve(std::vector<double> sums) : sums_(std::move(sums)) {
        require(static_cast<index_t>(sums_.size()) == size,
                [&] { return digits_of(sums_.size()) + " sums of losses, not " + digits_of(size); });
    }

    /// Returns the place of a step's window among the sums.
    [[nodiscard]] static index_t window_of(bool diagonal, index_t step, index_t steps) {
        return numbers * ((diagonal ? 0 : windows) + step * std::min(windows, steps) / steps);
    }
    /// Adds the loss of a step to the three sums of a window.
    DIAMOND_HD static void add(double* window, index_t step, double loss) {
        window[0] += 1.0;
        window[1] += static_cast<double>(step + 1);
        window[2] += loss;
    }

    /// Returns the mean losses on the diagonal s = r against the steps.
    [[nodiscard]] points diagonal() const { return means(0); }
    /// Returns the mean losses off the diagonal against the steps.
    [[nodiscard]] points off_diagonal() const { return means(windows); }

    /// Returns all that a file has to store.
    [[nodiscard]] std::vector<double>& sums() { return sums_; }
    /// Returns the `size` sums that a saved training keeps.
    [[nodiscard]] const std::vector<double>& sums() const { return sums_; }

private:
    [[nodiscard]] points means(index_t first) const {
        points result;
        for (index_t row = first; row < first + windows; ++row) {
            const double* const at = sums_.data() + numbers * row;
            if (at[0] == 0.0) continue;
            result.step.push_back(at[1] / at[0]);
            result.loss.push_back(at[2] / at[0]);
        }
        return result;
    }

    std::vector<double> sums_;
};

/// All that a run needs to be continued bit for bit.
///
/// A state knows the training that it belongs to, and another training refuses it. To go on from its
/// parameters elsewhere, copy them into the other trainer's start(). A state whose `belongs_to` is cleared
/// fits any training of as many parameters.
template <class Batch>
struct training_state {
    index_t step = 0; ///< the number of steps taken
    /// The parameters, their moving average, and AdamW's two moments; p x 1.
    Batch theta, average, mean, variance;
    rebind_t<Batch, double> loss_sums; ///< the sums of the loss_curve
    std::string belongs_to; ///< network, number of points, seed and options; empty if they are not known

    /// Returns the loss curve; the host waits for a device.
    [[nodiscard]] loss_curve losses() const { return loss_curve(to_host(loss_sums)); }
};

/// What an observer of a training sees: the last step, and the losses over the steps since the last report.
///
/// A loss is the mean over columns of the mean weighted square of the errors, before the weighting of
/// columns; it is 0 if no step had it.
struct training_report {
    index_t step, steps; ///< the number of the last step, from 0, and the number of all steps
    double diagonal_loss, off_diagonal_loss; ///< The losses on and off the diagonal s = r.
    /// The norm before clipping and the learning rate of the last step.
    double gradient_norm, rate;
    /// The losses of m, for a network with divergence.
    double diagonal_divergence_loss = 0.0, off_diagonal_divergence_loss = 0.0;
};

/// Estimates the seconds that a training still takes, from the seconds of the steps so far.
///
/// The first steps, whose columns all lie on the diagonal, and the later ones are timed apart. Before a later
/// step has been seen, a column off the diagonal is taken to cost `off_diagonal_cost` times one on it.
class time_left {
public:
    /// A diagonal column costs a forward and a backward pass, 3 evaluations. A column of the Lagrangian loss
    /// costs a Jacobian-vector product and its backward pass, twice as much, and an evaluation for its
    /// target.
    static constexpr double off_diagonal_cost = 7.0 / 3.0;

    /// Takes the number of steps, the number of the first ones that have diagonal columns only, and the share
    /// of diagonal columns in the others.
    time_left(index_t steps, index_t diagonal_steps, double diagonal)
        : steps_(steps),
          diagonal_steps_(diagonal_steps),
          cost_(diagonal + (1.0 - diagonal) * off_diagonal_cost) {}
    /// Takes steps, diagonal_steps() and the share `diagonal` of a training's options.
    explicit time_left(const diamond_training_options& options)
        : time_left(options.steps, options.diagonal_steps(), options.diagonal) {}

    /// Takes in that step `step`, from 0, has just been done in `seconds`, and returns the seconds left.
    double operator()(index_t step, double seconds) {
        kind& own = step < diagonal_steps_ ? early_ : late_;
        own.seconds += seconds;
        own.count += 1.0;
        const index_t done = step + 1, early = done < diagonal_steps_ ? diagonal_steps_ - done : 0;
        const double of_late = late_.count > 0.0 ? late_.mean() : cost_ * early_.mean();
        return (early > 0 ? static_cast<double>(early) * early_.mean() : 0.0) +
               (steps_ > done + early ? static_cast<double>(steps_ - done - early) * of_late : 0.0);
    }

private:
    struct kind {
        double seconds = 0.0, count = 0.0;
        [[nodiscard]] double mean() const { return seconds / count; }
    };
    index_t steps_, diagonal_steps_;
    double cost_;
    kind early_, late_;
};

} // namespace diamond
