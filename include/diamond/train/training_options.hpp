/// What a training is told, and goes on from.
#pragma once

#include <cmath>
#include <string>

#include <diamond/concepts/backend.hpp>
#include <diamond/train/adam_w.hpp>
#include <diamond/train/divergence_target.hpp>
#include <diamond/train/flow_map_losses.hpp>
#include <diamond/train/loss_curve.hpp>
#include <diamond/train/loss_weight.hpp>
#include <diamond/train/time_sampler.hpp>

namespace diamond {

template <class Times = uniform_time, class Pairs = triangle_pair, class Weighting = adaptive_weight, class Loss = lagrangian_loss, class Trace = default_trace>
struct diamond_training_options {
    index_t steps = 8000, batch = 512;
    double diagonal          = 0.5; ///< share of the batch with r = s
    double diagonal_first    = 0.4; ///< share of the steps, the first ones, in which all of it has: what the Lagrangian loss is to follow
    Times times              = {};
    Pairs pairs              = {};
    double label_dropout     = 0.15; ///< share of the labels that become labels::unconditional
    double variance_floor    = 1e-3; ///< errors are weighted by 1/(pv + this)
    Loss loss                = {};  ///< off the diagonal: lagrangian_loss, eulerian_loss, mean_flow_loss or semigroup_loss
    double off_diagonal      = 1.0; ///< its weight beside the diagonal loss's 1
    double divergence        = 1.0; ///< of a network with divergence: the weight of m's losses beside v's
    Trace trace              = {};  ///< of a network with divergence: default_trace, exact_trace, hutchinson_trace or on_diagonal of one; a flow_teacher has its own
    Weighting weighting      = {};  ///< adaptive_weight or learned_weight
    learning_rate rate       = {.peak = 5e-3};
    adam_w_options optimiser = {};
    double average           = 0.999; ///< what the moving average keeps a step
    index_t report_every     = 1;     ///< steps between reports to an observer; a device is waited for at each

    /// The steps, the first ones, whose whole batch has r = s.
    [[nodiscard]] index_t diagonal_steps() const { return static_cast<index_t>(std::ceil(diagonal_first * static_cast<double>(steps))); }

    /// @throws std::invalid_argument with the name and number of the first that is out of range.
    void check() const {
        require(steps > 0 && batch > 0, [&] { return "training of " + digits_of(steps) + " steps of " + digits_of(batch) + " columns: both must be positive"; });
        detail::require_share("diagonal", diagonal);
        detail::require_share("diagonal_first", diagonal_first);
        detail::check_options(times);
        detail::check_options(pairs);
        detail::require_share("label_dropout", label_dropout);
        detail::require_not_negative("variance_floor", variance_floor);
        detail::check_options(loss);
        detail::require_not_negative("off_diagonal", off_diagonal);
        detail::require_not_negative("divergence", divergence);
        detail::check_options(trace);
        detail::check_options(weighting);
        rate.check();
        optimiser.check();
        detail::require_share("average", average);
        detail::require_count("report_every", report_every, 1);
    }
    /// All of them that a step depends on.
    [[nodiscard]] std::string text() const {
        using detail::text_of;
        return digits_of(steps) + " steps of " + digits_of(batch) + " columns, diagonal " + digits_of(diagonal) + ", diagonal_first " + digits_of(diagonal_first) +
               ", times " + text_of(times) + ", pairs " + text_of(pairs) + ", label_dropout " + digits_of(label_dropout) + ", variance_floor " +
               digits_of(variance_floor) + ", loss " + text_of(loss) + ", off_diagonal " + digits_of(off_diagonal) + ", divergence " + digits_of(divergence) +
               ", trace " + text_of(trace) + ", weighting " + text_of(weighting) + ", rate " + rate.text() + ", optimiser " + optimiser.text() + ", average " +
               digits_of(average);
    }
};

/// All that a run needs to go on, bit for bit. It knows the training that it belongs to, and another one refuses it: to go on from its parameters
/// elsewhere, copy them into the other's start(). Cleared, `belongs_to` lets any training of as many parameters take it.
template <class Batch>
struct training_state {
    index_t step = 0;
    Batch theta, average, mean, variance; ///< parameters, their moving average, and AdamW's two moments
    rebind_t<Batch, double> loss_sums; ///< loss_curve's
    std::string belongs_to; ///< network, points, seed and options; empty: not known

    [[nodiscard]] loss_curve losses() const { return loss_curve(to_host(loss_sums)); }
};

} // namespace diamond
