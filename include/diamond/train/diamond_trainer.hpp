/// Trains a Diamond network, with divergence or without: from data alone, or from a teacher. [DM], section 5; [F2], section 8.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/train/adam_w.hpp>
#include <diamond/train/diamond_loss.hpp>
#include <diamond/train/loss_targets.hpp>
#include <diamond/train/loss_weight.hpp>
#include <diamond/train/training_options.hpp>
#include <diamond/train/training_set.hpp>

namespace diamond {

namespace detail {
/// The losses of a step, or sums of them.
struct training_losses {
    double diagonal = 0.0, off_diagonal = 0.0;
    double diagonal_divergence = 0.0, off_diagonal_divergence = 0.0; ///< of a network with divergence
};
/// What steps sum up in the back end's memory.
struct training_numbers {
    double loss = 0.0;          ///< of the part of the batch under way
    training_losses here, sums; ///< of the step under way, and of the steps since the last report
    clipped_norm norm;
};
struct put_loss {
    const double* loss;
    double share;
    double* out;
    DIAMOND_HD void operator()(index_t) const { *out = *loss * share; }
};
/// A step that has moved the parameters counts: one that is tried again after it threw had not.
struct count_losses {
    training_numbers* numbers;
    double *diagonal, *off_diagonal; // windows of the curve; null where the step had no such loss
    index_t step;
    DIAMOND_HD void operator()(index_t) const {
        if (numbers->norm.scale != numbers->norm.scale) return;
        const training_losses here = numbers->here;
        training_losses& sums      = numbers->sums;
        if (diagonal) {
            sums.diagonal += here.diagonal;
            sums.diagonal_divergence += here.diagonal_divergence;
            if (here.diagonal - here.diagonal == 0.0) loss_curve::add(diagonal, step, here.diagonal);
        }
        if (off_diagonal) {
            sums.off_diagonal += here.off_diagonal;
            sums.off_diagonal_divergence += here.off_diagonal_divergence;
            if (here.off_diagonal - here.off_diagonal == 0.0) loss_curve::add(off_diagonal, step, here.off_diagonal);
        }
    }
};
/// Of all that a state has, some is no number.
template <class Real>
struct state_is_not_finite {
    const Real *theta, *average, *mean, *variance;
    DIAMOND_HD bool operator()(index_t k) const {
        const Real difference = (theta[k] - theta[k]) + (average[k] - average[k]) + (mean[k] - mean[k]) + (variance[k] - variance[k]);
        return !(difference == Real{0});
    }
};
[[noreturn]] inline void throw_not_finite(const deferred_error& why, index_t k) {
    throw numeric_error("parameter " + digits_of(k) + " of a training state, its average or one of its moments is not finite", static_cast<long>(why.step), -1L);
}
struct norm_is_not_finite {
    const clipped_norm* of;
    DIAMOND_HD bool operator()(index_t) const { return of->scale != of->scale; }
};
} // namespace detail

/// Minimises |v(xbar_s, x_t, t, s, s) - ubar|^2 and a loss off the diagonal (train/flow_map_losses.hpp), weighted; of a network with divergence also
/// |m(xbar_s, x_t, t, s, s) - div ubar|^2 and the same loss of m. A step's randomness depends on the seed and its number only. Cost of a step
/// and column: diagonal one forward and one backward pass; off it as the loss says; of a network with divergence the trace's products for each.
template <class Network, class Teacher = no_teacher, class Times = uniform_time, class Pairs = triangle_pair, class Weighting = adaptive_weight,
          class Loss = lagrangian_loss, class Trace = default_trace>
class diamond_trainer {
    static_assert(diagnose_any_trainable_network<Network>());

public:
    using batch_type   = typename Network::batch_type;
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using options_type = diamond_training_options<Times, Pairs, Weighting, Loss, Trace>;
    using state_type   = training_state<batch_type>;

    /// `data` must outlive the trainer and, where the network's frame has a basis, lie in the coordinates of the data, too.
    /// @throws std::invalid_argument for options out of range.
    diamond_trainer(Network network, const training_set<batch_type>& data, philox rng, options_type options = {}, Teacher teacher = {})
        : network_(std::move(network)), data_(&data), rng_(rng), options_(checked(options)), targets_(std::move(teacher), options.trace), weighting_(options.weighting), divergence_weighting_(options.weighting) {
        require(data.points().rows() == network_.dimension(), [&] { return "the network has dimension " + digits_of(network_.dimension()) + ", the training set " + digits_of(data.points().rows()); });
        require_scale(data);
        if constexpr (detail::says_classes<Network>) {
            require(data.labels() || network_.classes() == 0,
                    [&] { return "a training set without labels for a network of " + digits_of(network_.classes()) + " classes: it would learn none of them"; });
            require(data.classes() <= network_.classes(), [&] {
                return "a training set with label " + digits_of(data.classes() - 1) + " for a network of " + digits_of(network_.classes()) + " classes: it takes " + detail::labels_of(network_.classes());
            });
        }
        if constexpr (has_divergence) detail::require_probes("the trace of a training with divergence", options.trace.products(network_.dimension()));
        if constexpr (requires { Teacher::knows_no_outer_time; options.times.at_zero; })
            require(options.times.at_zero >= 1.0, [&] { return "a flow_teacher knows t = 0 alone, and a share of " + digits_of(options.times.at_zero) + " is drawn there: it needs .times = {.at_zero = 1}"; });
        check_schedule(network_.schedule());
        check_schedule(network_.inner_schedule());
        static_cast<void>(network_.spread()); // refuses a network that cannot be trained in its coordinates
        belongs_to_ = text();
    }

    diamond_trainer(Network, training_set<batch_type>&&, philox, options_type = {}, Teacher = {}) = delete; ///< it would not outlive the trainer

    [[nodiscard]] const Network& network() const { return network_; }
    [[nodiscard]] const options_type& options() const { return options_; }
    /// Of the state: the network's, and behind them what learned weights own.
    [[nodiscard]] index_t parameters() const { return network_.parameters() + (has_divergence ? 2 : 1) * weighting_.parameters(); }

    /// Before the first step.
    [[nodiscard]] state_type start() const {
        const auto& context = data_->context();
        const index_t p = parameters(), own = network_.parameters(), of_weight = weighting_.parameters();
        state_type state;
        state.theta = batch_type(context, p, 1);
        network_.initialise(rng_, view_t<batch_type>(state.theta.data(), own, 1, &context));
        for (index_t at = own; at < p; at += of_weight) weighting_.initialise(rng_.split(static_cast<std::uint64_t>(at - own)), view_t<batch_type>(state.theta.data() + at, of_weight, 1, &context));
        for (auto* zero : {&state.average, &state.mean, &state.variance}) {
            zero->resize(context, p, 1);
            context.for_each(p, detail::set_to_zero<real>{zero->data()});
        }
        state.loss_sums.resize(context, loss_curve::size, 1);
        context.for_each(loss_curve::size, detail::set_to_zero<double>{state.loss_sums.data()});
        context.copy(state.theta.data(), p, state.average.data());
        state.belongs_to = belongs_to_;
        return state;
    }

    /// One step. @throws std::invalid_argument for the state of another training, or one that has taken its last step; numeric_error where the
    /// gradient or a number of the state is not finite. The state is then as before, and the step may be tried again; a device throws when the host
    /// next waits.
    void step(state_type& state) {
        require_own(state);
        require(state.step < options_.steps, [&] { return "this training of " + digits_of(options_.steps) + " steps has taken its last"; });
        const auto& context = data_->context();
        const index_t n = options_.batch, k = state.step, p = parameters();
        step_                  = k;
        const bool early       = k < options_.diagonal_steps();
        const index_t diagonal = early ? n : static_cast<index_t>(std::lround(options_.diagonal * static_cast<double>(n)));
        require_finite(state);
        gradient_.resize(context, p, 1);
        context.for_each(p, detail::set_to_zero<real>{gradient_.data()});
        states_.draw(*data_, rng_, k, n, diagonal, network_.schedule(), options_.times, options_.pairs, options_.label_dropout);
        if (numbers_.size() == 0) forget_losses();
        if (diagonal > 0) diagonal_loss(state, diagonal);
        if (diagonal < n) off_diagonal_loss(state, diagonal, n - diagonal);
        auto* norm = &numbers_.data()->norm;
        adam_w<batch_type>(options_.optimiser, options_.rate.at(k, options_.steps), k, state.theta.mutable_view(), state.mean.mutable_view(), state.variance.mutable_view(),
                           gradient_.read(), norm);
        context.forbid(1, detail::norm_is_not_finite{norm}, deferred_error{.what = "the gradient of a training step is not finite: lower the rate", .step = k, .samples = 0});
        moving_average<batch_type>(options_.average, k, state.average.mutable_view(), state.theta.read());
        const auto window = [&](bool on, bool off) { return on ? state.loss_sums.data() + loss_curve::window_of(!off, k, options_.steps) : nullptr; };
        context.for_each(1, detail::count_losses{numbers_.data(), window(diagonal > 0, false), window(diagonal < n, true), k});
        diagonal_steps_ += diagonal > 0;
        off_diagonal_steps_ += diagonal < n;
        ++state.step;
    }

    /// Of the steps since the last report, one at least. It waits for a device.
    [[nodiscard]] training_report report(const state_type& state) {
        require_own(state);
        require(numbers_.size() > 0 && state.step > 0, "a training that has taken no step has nothing to report");
        const auto numbers = to_host(numbers_).front();
        const auto mean    = [](double sum, index_t steps) { return steps > 0 ? sum / static_cast<double>(steps) : 0.0; };
        const training_report result{state.step - 1, options_.steps, mean(numbers.sums.diagonal, diagonal_steps_), mean(numbers.sums.off_diagonal, off_diagonal_steps_), numbers.norm.norm,
                                     options_.rate.at(state.step - 1, options_.steps), mean(numbers.sums.diagonal_divergence, diagonal_steps_),
                                     mean(numbers.sums.off_diagonal_divergence, off_diagonal_steps_)};
        forget_losses();
        return result;
    }

    /// The moving average of the network's own parameters: what a trained network is made of. @throws as step does of a state.
    [[nodiscard]] batch_type averaged(const state_type& state) const {
        require_own(state);
        require_finite(state);
        batch_type result(data_->context(), network_.parameters(), 1);
        data_->context().copy(state.average.data(), network_.parameters(), result.data());
        return result;
    }

    /// Steps to the end, or until the observer, which sees every `report_every`-th step and the last, returns false.
    void run(state_type& state, const std::function<bool(const training_report&)>& observer = {}) {
        require_own(state);
        while (state.step < options_.steps) {
            step(state);
            const bool due = state.step % options_.report_every == 0 || state.step == options_.steps;
            if (observer && due && !observer(report(state))) return;
        }
    }

private:
    static constexpr bool has_divergence = detail::has_divergence_row<Network>;
    using errors                   = detail::loss_errors<real>;

    // Noise has the deviation 1, and times are drawn as if the data had about that, too. Beyond these bounds hardly a time is drawn at which neither
    // drowns the other, and a training learns the data's Gaussian and nothing else, in silence (measured at 0.05 and 50 already, in 1,500 steps).
    static constexpr double least_deviation = 0.01, most_deviation = 100.0;
    static constexpr double digits_kept     = 1.0 / 16.0; ///< of a deviation: rounding that is larger spoils what is learned

    /// What a step depends on, as far as it can be told.
    [[nodiscard]] std::string text() const {
        std::string result = has_divergence ? "a joint network of " : "a network of ";
        result += digits_of(parameters()) + " parameters";
        if constexpr (requires { network_.layers(); }) {
            result += " in layers";
            for (const auto& layer : network_.layers())
                result.append(" ").append(digits_of(layer.outputs) + " x " + digits_of(layer.inputs)).append(layer.residual ? " residual" : "").append(" of kind ").append(digits_of(static_cast<int>(layer.kind)));
        }
        std::string labels;
        if (data_->labels()) labels.append(" of ").append(digits_of(data_->classes())).append(" classes");
        return result + ", " + digits_of(data_->points().columns()) + " points in dimension " + digits_of(data_->points().rows()) + labels + " with bandwidth " +
               digits_of(data_->bandwidth()) + ", seed " + digits_of(rng_.seed) + (targets_.has_teacher ? ", a teacher, " : ", no teacher, ") + options_.text();
    }
    /// @throws std::invalid_argument with both unless the state is of this training.
    void require_own(const state_type& state) const {
        require(data_->points().size() > 0, "the training set of this training has been moved away: it must stay where it is until the training ends");
        const index_t p = parameters();
        for (const auto* part : {&state.theta, &state.average, &state.mean, &state.variance})
            require(part->size() == p, [&] {
                return "a state of " + digits_of(state.theta.size()) + " parameters, " + digits_of(state.average.size()) + " averages and " + digits_of(state.mean.size()) +
                       " and " + digits_of(state.variance.size()) + " moments for a training of " + digits_of(p) + " parameters";
            });
        require(state.loss_sums.size() == loss_curve::size, [&] { return "a state with " + digits_of(state.loss_sums.size()) + " sums of losses, not " + digits_of(loss_curve::size); });
        require(state.belongs_to.empty() || state.belongs_to == belongs_to_, [&] {
            return "this state belongs to another training: to " + state.belongs_to + "; this one has " + belongs_to_ + "; copy its parameters into start() to go on from them";
        });
        require(state.step >= 0 && state.step <= options_.steps, [&] { return "a state of step " + digits_of(state.step) + " for a training of " + digits_of(options_.steps) + " steps"; });
    }
    /// On a device it is told when the host next waits.
    void require_finite(const state_type& state) const {
        data_->context().forbid(parameters(), detail::state_is_not_finite<real>{state.theta.data(), state.average.data(), state.mean.data(), state.variance.data()},
                                deferred_error{.what = "a number of a training state is not finite", .step = state.step, .raise = detail::throw_not_finite});
    }
    static const options_type& checked(const options_type& options) {
        options.check();
        return options;
    }
    static void require_scale(const training_set<batch_type>& data) {
        require(data.deviation() >= least_deviation && data.deviation() <= most_deviation, [&] {
            return "a training set of deviation " + digits_of(data.deviation()) + ", the root of the mean variance of its coordinates: noise has 1, and training needs " +
                   digits_of(least_deviation) + " to " + digits_of(most_deviation) + "; scale the points, and what is drawn back";
        });
        require(data.largest_mean() * static_cast<double>(std::numeric_limits<real>::epsilon()) <= digits_kept * data.deviation(), [&] {
            return "a training set of mean " + digits_of(data.largest_mean()) + " in a coordinate and deviation " + digits_of(data.deviation()) +
                   ": rounding drowns it, subtract the mean from the points";
        });
    }

    void forget_losses() {
        numbers_.resize(data_->context(), 1, 1);
        const detail::training_numbers none;
        data_->context().from_host(&none, 1, numbers_.data());
        diagonal_steps_ = off_diagonal_steps_ = 0;
    }
    void diagonal_loss(state_type& state, index_t count) {
        const auto at    = states_.arguments(0, count);
        const auto label = states_.labels_from(0);
        fit(count);
        network_.record(state.theta.data(), at, label, space_, v_.mutable_view());
        targets_.diagonal(network_, state.average.data(), at, label, states_.velocity.data(), probes(0), other_space_, target_.mutable_view());
        pull(state, {v_.data(), nullptr, target_.data(), at.s, at.r, v_.rows()}, at, 1.0, true, !targets_.has_teacher);
    }
    void off_diagonal_loss(state_type& state, index_t first, index_t count) {
        const auto at    = states_.arguments(first, count);
        const auto label = states_.labels_from(first);
        fit(count);
        auto velocity = [&](const diamond_arguments<batch_type>& there, const condition_of_t<Network>& condition, view_t<batch_type> out) {
            targets_.off_diagonal(network_, state.average.data(), there, condition, probes(1), other_space_, out);
        };
        const bool moving = options_.loss(loss_setting<Network, decltype(velocity)>{
            network_, state.theta.data(), state.average.data(), velocity, at, label, states_.velocity.data() + network_.dimension() * first, rng_.stream(purpose::data, 4 * step_ + 3), space_,
            other_space_, v_.mutable_view(), v_dot_.mutable_view(), target_.mutable_view(), buffer_.mutable_view(), state_.mutable_view(), time_});
        pull(state, {v_.data(), moving ? v_dot_.data() : nullptr, target_.data(), at.s, at.r, v_.rows()}, at, options_.off_diagonal, false, Loss::random_target);
    }
    static constexpr target_kind kind(bool diagonal, bool random) {
        return !random ? target_kind::determined : diagonal ? target_kind::random_on_diagonal : target_kind::random_off_diagonal;
    }
    /// Of the random directions that divergences are estimated by.
    [[nodiscard]] noise_stream probes(index_t which) const { return rng_.split(1).stream(purpose::data, 2 * step_ + which); }
    void fit(index_t count) {
        for (auto* buffer : {&v_, &v_dot_, &target_, &buffer_}) buffer->resize(data_->context(), detail::outputs_of(network_), count);
        state_.resize(data_->context(), network_.dimension(), count);
        losses_.resize(data_->context(), 1, count);
        multiples_.resize(data_->context(), 1, count);
    }
    /// Notes the losses, and pulls their gradient through what the network recorded.
    void pull(state_type& state, const errors& of, const diamond_arguments<batch_type>& at, double multiple, bool diagonal, bool random) {
        const index_t d    = network_.dimension();
        const double scale = multiple / static_cast<double>(options_.batch);
        const detail::posterior_weight weight{network_.spread(), at.t, at.s, options_.variance_floor, diagonal || random};
        auto* const here = &numbers_.data()->here;
        to_cotangents(state, detail::weighted_square<real, decltype(weight)>{weight, of, 0}, d, at, scale, kind(diagonal, random), weighting_, network_.parameters(), false,
             diagonal ? &here->diagonal : &here->off_diagonal);
        if constexpr (has_divergence) {
            const time_view where = of.v_dot ? at.r : at.s; // where div ubar is taken, a moving head's error is measured
            const detail::divergence_weight unit{network_.divergence_spread(), where, at.r};
            bool stopped = false;
            if constexpr (requires { options_.loss.divergence_tangent; }) stopped = options_.loss.divergence_tangent == tangent_gradient::stopped;
            to_cotangents(state, detail::weighted_square<real, decltype(unit)>{unit, of, d}, 1, at, scale * options_.divergence,
                                 kind(diagonal, (!diagonal && random) || targets_.random_divergence(d, diagonal)), divergence_weighting_, network_.parameters() + weighting_.parameters(), stopped,
                 diagonal ? &here->diagonal_divergence : &here->off_diagonal_divergence);
        }
        network_.backward(state.theta.data(), space_, v_.read(), of.v_dot ? v_dot_.data() : nullptr, gradient_.data());
    }
    /// The loss of some rows, which become cotangents; *mean gets its mean.
    template <class Term>
    void to_cotangents(state_type& state, const Term& term, index_t rows, const diamond_arguments<batch_type>& at, double scale, target_kind targets, detail::loss_weighting<batch_type, Weighting>& weighting,
                index_t own, bool stopped, double* mean) {
        const auto& context = data_->context();
        const index_t count = v_.columns();
        context.column_sums(rows, count, term, losses_.data());
        context.for_each(count, detail::divide_each{losses_.data(), static_cast<double>(rows)});
        weighting(context, state.theta.data() + own, gradient_.data() + own, at.t, at.s, at.r, count, scale, targets, losses_.data(), multiples_.data());
        context.for_each(rows, count, detail::loss_cotangent<real, decltype(term.weight)>{term, multiples_.data(), scale, rows, stopped, v_.data(), term.of.v_dot ? v_dot_.data() : nullptr});
        context.sum(count, detail::sum_of{losses_.data()}, &numbers_.data()->loss);
        context.for_each(1, detail::put_loss{&numbers_.data()->loss, 1.0 / static_cast<double>(count), mean});
    }

    Network network_;
    const training_set<batch_type>* data_;
    philox rng_;
    options_type options_;
    detail::loss_targets<Network, Teacher, Trace> targets_;
    detail::loss_weighting<batch_type, Weighting> weighting_, divergence_weighting_;
    training_states<batch_type> states_;
    typename Network::workspace space_, other_space_;
    scratch<real, context_type> v_, v_dot_, target_, buffer_, state_, gradient_;
    scratch<double, context_type> losses_, multiples_;
    rebind_t<batch_type, double> time_;
    scratch<detail::training_numbers, context_type> numbers_;
    index_t diagonal_steps_ = 0, off_diagonal_steps_ = 0; ///< since the last report
    index_t step_ = 0;
    std::string belongs_to_; ///< what a state of this training says
};

} // namespace diamond
