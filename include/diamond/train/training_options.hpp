/// The options of a training.
#pragma once

#include <cmath>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/train/adam_w.hpp>
#include <diamond/train/option_checks.hpp>

namespace diamond {

/// The numbers of a training. What is more than a number, such as its loss, is a policy of diamond_trainer.
struct diamond_training_options {
    index_t steps = 8000, batch = 512; ///< both at least 1
    double diagonal = 0.5;             ///< share of the columns with r = s, in [0, 1]
    /// The share of the steps, the first ones, whose columns all have r = s, in [0, 1]: they learn the
    /// velocity that the Lagrangian loss follows.
    double diagonal_first = 0.4;
    double condition_dropout = 0.15; ///< share of columns that lose their label and vector, in [0, 1]
    double variance_floor = 1e-3;    ///< added to the posterior variance that weighs errors, at least 0
    double off_diagonal = 1.0; ///< weight of the loss off the diagonal, at least 0; the diagonal loss has 1
    double divergence = 1.0;   ///< weight of the losses of m, at least 0; those of v have 1
    learning_rate rate = {.peak = 5e-3}; ///< the learning rate against the step: peak, warm-up and decay
    adam_w_options optimiser = {};       ///< decay of the moments, weight decay and clipping of AdamW
    double average = 0.999;              ///< decay of the moving average for each step, in [0, 1]
    index_t report_every = 1; ///< steps between reports to an observer, at least 1; each waits for a device

    /// Returns the number of the first steps whose columns all have r = s.
    [[nodiscard]] index_t diagonal_steps() const {
        return static_cast<index_t>(std::ceil(diagonal_first * static_cast<double>(steps)));
    }
    /// @throws std::invalid_argument with the name and the number of the first member that is out of range.
    void check() const {
        require(steps > 0 && batch > 0, [&] {
            return "training of " + digits_of(steps) + " steps of " + digits_of(batch) +
                   " columns: both must be positive";
        });
        detail::require_share("diagonal", diagonal);
        detail::require_share("diagonal_first", diagonal_first);
        detail::require_share("condition_dropout", condition_dropout);
        detail::require_not_negative("variance_floor", variance_floor);
        detail::require_not_negative("off_diagonal", off_diagonal);
        detail::require_not_negative("divergence", divergence);
        rate.check();
        optimiser.check();
        detail::require_share("average", average);
        detail::require_count("report_every", report_every, 1);
    }
};

} // namespace diamond
