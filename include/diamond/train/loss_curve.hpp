/// The losses of a training against its steps.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <diamond/core/scalar.hpp>

namespace diamond {

/// What an observer sees after each step.
struct training_report {
    index_t step, steps;
    double diagonal_loss, off_diagonal_loss; ///< means over columns of the mean weighted square, before adaptive weights; 0 where a step has none
    double gradient_norm, rate;
};

/// Means of both losses over each hundredth of a training: part of its state, so that a run that goes on has the whole curve, bit for bit.
class loss_curve {
public:
    static constexpr index_t windows = 100; ///< what a plot shows; fewer steps than that are a window each
    static constexpr index_t numbers = 3;   ///< of a loss in a window: how many steps had it, the sum of their numbers, that of their losses
    static constexpr std::size_t size = 2 * windows * numbers;

    /// Losses against steps, each a mean over the steps of its window; windows without that loss are left out.
    struct points {
        std::vector<double> step, loss;
    };

    void add(const training_report& report) {
        const index_t window = report.step * std::min(windows, report.steps) / report.steps;
        put(window, report.step, report.diagonal_loss);
        put(windows + window, report.step, report.off_diagonal_loss);
    }
    [[nodiscard]] points diagonal() const { return means(0); }
    [[nodiscard]] points off_diagonal() const { return means(windows); }

    /// All that a file has to keep.
    [[nodiscard]] const std::array<double, size>& sums() const { return sums_; }
    [[nodiscard]] std::array<double, size>& sums() { return sums_; }

private:
    void put(index_t row, index_t step, double loss) {
        if (loss == 0.0) return;
        double* const at = sums_.data() + numbers * row;
        at[0] += 1.0;
        at[1] += static_cast<double>(step + 1);
        at[2] += loss;
    }
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

    std::array<double, size> sums_{};
};

} // namespace diamond
