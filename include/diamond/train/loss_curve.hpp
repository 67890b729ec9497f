/// The losses of a training against its steps.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// What an observer sees: of the last step, and losses over the steps since the report before.
struct training_report {
    index_t step, steps;
    double diagonal_loss, off_diagonal_loss; ///< means over columns of the mean weighted square, before adaptive weights; 0 where there were none
    double gradient_norm, rate;
    double diagonal_divergence_loss = 0.0, off_diagonal_divergence_loss = 0.0; ///< of a network with divergence
};

/// Means of both losses over each hundredth of a training: part of its state, so that a run that goes on has the whole curve, bit for bit.
class loss_curve {
public:
    static constexpr index_t windows = 100; ///< what a plot shows; fewer steps than that are a window each
    static constexpr index_t numbers = 3;   ///< of a loss in a window: how many steps had it, the sum of their numbers, that of their losses
    static constexpr index_t size    = 2 * windows * numbers;

    /// Losses against steps, each a mean over the steps of its window; windows without that loss are left out.
    struct points {
        std::vector<double> step, loss;
    };

    /// Of no step yet; or of `size` sums. @throws std::invalid_argument for another count.
    loss_curve() : sums_(static_cast<std::size_t>(size)) {}
    explicit loss_curve(std::vector<double> sums) : sums_(std::move(sums)) {
        require(static_cast<index_t>(sums_.size()) == size, [&] { return digits_of(sums_.size()) + " sums of losses, not " + digits_of(size); });
    }

    /// Where among the sums a step's losses are added up.
    [[nodiscard]] static index_t window_of(bool diagonal, index_t step, index_t steps) {
        return numbers * ((diagonal ? 0 : windows) + step * std::min(windows, steps) / steps);
    }
    /// The sums are added up where the training runs.
    DIAMOND_HD static void add(double* window, index_t step, double loss) {
        window[0] += 1.0;
        window[1] += static_cast<double>(step + 1);
        window[2] += loss;
    }

    [[nodiscard]] points diagonal() const { return means(0); }
    [[nodiscard]] points off_diagonal() const { return means(windows); }

    /// All that a file has to keep.
    [[nodiscard]] std::vector<double>& sums() { return sums_; }
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

} // namespace diamond
