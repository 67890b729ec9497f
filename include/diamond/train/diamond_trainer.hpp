/// Trains a Diamond network: from data alone, or from a teacher through GLASS. [DM], section 5.
#pragma once

#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/train/adam_w.hpp>
#include <diamond/train/diamond_loss.hpp>
#include <diamond/train/loss_curve.hpp>
#include <diamond/train/loss_weight.hpp>
#include <diamond/train/off_diagonal.hpp>
#include <diamond/train/teacher.hpp>
#include <diamond/train/training_set.hpp>

namespace diamond {

template <class Times = uniform_time, class Pairs = triangle_pair, class Weighting = adaptive_weight, class Loss = lagrangian_loss>
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
    Weighting weighting      = {};  ///< adaptive_weight or learned_weight
    learning_rate rate       = {.peak = 5e-3};
    adam_w_options optimiser = {};
    double average           = 0.999; ///< what the moving average keeps a step
    index_t report_every     = 1;     ///< steps between reports to an observer; a device is waited for at each

    /// The steps, the first ones, whose whole batch has r = s.
    [[nodiscard]] index_t diagonal_steps() const { return static_cast<index_t>(std::ceil(diagonal_first * static_cast<double>(steps))); }
};

namespace detail {
/// What steps sum up in the back end's memory.
struct training_numbers {
    double loss = 0.0;                          ///< of the part of the batch under way
    double diagonal = 0.0, off_diagonal = 0.0;  ///< sums of mean losses
    clipped_norm norm;
};
struct add_loss {
    const double* loss;
    double share;
    double *sum, *window; // of the report, of the curve
    index_t step;
    DIAMOND_HD void operator()(index_t) const {
        *sum += *loss * share;
        loss_curve::add(window, step, *loss * share);
    }
};
struct norm_is_not_finite {
    const clipped_norm* of;
    DIAMOND_HD bool operator()(index_t) const { return of->scale != of->scale; }
};
} // namespace detail

/// All that a run needs to go on, bit for bit.
template <class Batch>
struct training_state {
    index_t step = 0;
    Batch theta, average, mean, variance; ///< parameters, their moving average, and AdamW's two moments
    rebind_t<Batch, double> loss_sums; ///< loss_curve's

    [[nodiscard]] loss_curve losses() const { return loss_curve(to_host(loss_sums)); }
};

/// Minimises |v(xbar_s, x_t, t, s, s) - ubar|^2 and a loss off the diagonal (train/off_diagonal.hpp), weighted. A step's randomness depends on
/// the seed and its number only. Cost of a step and column: diagonal one forward and one backward pass; off it as the loss says.
template <class Network, class Teacher = no_teacher, class Times = uniform_time, class Pairs = triangle_pair, class Weighting = adaptive_weight,
          class Loss = lagrangian_loss>
class diamond_trainer {
    static_assert(diagnose_trainable_network<Network>());

public:
    using batch_type   = typename Network::batch_type;
    using real         = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using options_type = diamond_training_options<Times, Pairs, Weighting, Loss>;
    using state_type   = training_state<batch_type>;

    /// `data` must outlive the trainer and, where the network's frame has a basis, lie in the coordinates of the data, too.
    /// @throws std::invalid_argument for options out of range.
    diamond_trainer(Network network, const training_set<batch_type>& data, philox rng, options_type options = {}, Teacher teacher = {})
        : network_(std::move(network)), data_(&data), rng_(rng), options_(options), teacher_(std::move(teacher)), weighting_(options.weighting) {
        require(options.steps > 0 && options.batch > 0, [&] { return "training of " + std::to_string(options.steps) + " steps of " + std::to_string(options.batch) + " columns: both must be positive"; });
        require(options.diagonal >= 0.0 && options.diagonal <= 1.0, [&] { return "a diagonal share of " + std::to_string(options.diagonal) + ": it lies in [0, 1]"; });
        require(options.diagonal_first >= 0.0 && options.diagonal_first <= 1.0, [&] { return "a share of diagonal steps of " + std::to_string(options.diagonal_first) + ": it lies in [0, 1]"; });
        require(data.points().rows() == network_.dimension(), [&] { return "the network has dimension " + std::to_string(network_.dimension()) + ", the training set " + std::to_string(data.points().rows()); });
        require(options.report_every > 0, "a report every 0 steps: at least 1 is needed");
        static_cast<void>(network_.spread()); // refuses a network that cannot be trained in its coordinates
    }

    [[nodiscard]] const Network& network() const { return network_; }
    [[nodiscard]] const options_type& options() const { return options_; }
    /// Of the state: the network's, and behind them what a learned weight owns.
    [[nodiscard]] index_t parameters() const { return network_.parameters() + weighting_.parameters(); }

    /// Before the first step.
    [[nodiscard]] state_type start() const {
        const auto& context = data_->context();
        const index_t p = parameters(), own = network_.parameters();
        state_type state;
        state.theta = batch_type(context, p, 1);
        network_.initialise(rng_, view_t<batch_type>(state.theta.data(), own, 1, &context));
        weighting_.initialise(rng_, view_t<batch_type>(state.theta.data() + own, p - own, 1, &context));
        for (auto* zero : {&state.average, &state.mean, &state.variance}) {
            zero->resize(context, p, 1);
            context.for_each(p, detail::set_to_zero<real>{zero->data()});
        }
        state.loss_sums.resize(context, loss_curve::size, 1);
        context.for_each(loss_curve::size, detail::set_to_zero<double>{state.loss_sums.data()});
        context.copy(state.theta.data(), p, state.average.data());
        return state;
    }

    /// One step. @throws numeric_error where the gradient is not finite, and then the parameters are as before; a device throws when the host
    /// next waits.
    void step(state_type& state) {
        const auto& context = data_->context();
        const index_t n = options_.batch, k = state.step, p = parameters();
        const bool early       = k < options_.diagonal_steps();
        const index_t diagonal = early ? n : static_cast<index_t>(std::lround(options_.diagonal * static_cast<double>(n)));
        gradient_.resize(context, p, 1);
        context.for_each(p, detail::set_to_zero<real>{gradient_.data()});
        states_.draw(*data_, rng_, k, n, diagonal, network_.schedule(), options_.times, options_.pairs, options_.label_dropout);
        if (numbers_.size() == 0) forget_losses();
        if (diagonal > 0) diagonal_loss(state, diagonal);
        if (diagonal < n) off_diagonal_loss(state, diagonal, n - diagonal);
        auto* norm = &numbers_.data()->norm;
        adam_w<batch_type>(options_.optimiser, options_.rate.at(k, options_.steps), k, state.theta.mutable_view(), state.mean.mutable_view(), state.variance.mutable_view(),
                           gradient_.read(), norm);
        context.forbid(1, detail::norm_is_not_finite{norm}, blame{.what = "the gradient of a training step is not finite: lower the rate", .step = k, .samples = 0});
        moving_average<batch_type>(options_.average, k, state.average.mutable_view(), state.theta.read());
        ++state.step;
    }

    /// Of the steps since the last report, one at least. It waits for a device.
    [[nodiscard]] training_report report(const state_type& state) {
        require(numbers_.size() > 0 && state.step > 0, "a training that has taken no step has nothing to report");
        const auto numbers = to_host(numbers_).front();
        const auto mean    = [](double sum, index_t steps) { return steps > 0 ? sum / static_cast<double>(steps) : 0.0; };
        const training_report result{state.step - 1, options_.steps, mean(numbers.diagonal, diagonal_steps_), mean(numbers.off_diagonal, off_diagonal_steps_), numbers.norm.norm,
                                     options_.rate.at(state.step - 1, options_.steps)};
        forget_losses();
        return result;
    }

    /// The moving average of the network's own parameters: what a trained network is made of.
    [[nodiscard]] batch_type averaged(const state_type& state) const {
        batch_type result(data_->context(), network_.parameters(), 1);
        data_->context().copy(state.average.data(), network_.parameters(), result.data());
        return result;
    }

    /// Steps to the end, or until the observer, which sees every `report_every`-th step and the last, returns false.
    void run(state_type& state, const std::function<bool(const training_report&)>& observer = {}) {
        while (state.step < options_.steps) {
            step(state);
            const bool due = state.step % options_.report_every == 0 || state.step == options_.steps;
            if (observer && due && !observer(report(state))) return;
        }
    }

private:
    using weight = detail::posterior_weight<decltype(std::declval<const Network&>().spread())>;
    using square = detail::weighted_square<real, weight>;
    static constexpr bool has_teacher = !std::is_same_v<Teacher, no_teacher>;

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
        const real* target = states_.velocity.data();
        if constexpr (has_teacher) {
            teacher_(at, label, target_.mutable_view());
            target = target_.data();
        }
        pull(state, {weight_at(at, true), v_.data(), nullptr, target, at.s, at.r, v_.rows()}, at, count, 1.0, !has_teacher, &numbers_.data()->diagonal, true);
        ++diagonal_steps_;
    }
    void off_diagonal_loss(state_type& state, index_t first, index_t count) {
        const auto at    = states_.arguments(first, count);
        const auto label = states_.labels_from(first);
        fit(count);
        auto velocity = [&](const diamond_arguments<batch_type>& there, const condition_of_t<Network>& condition, view_t<batch_type> out) {
            if constexpr (has_teacher)
                teacher_(there, condition, out);
            else
                network_(state.average.data(), there, condition, other_space_, out);
        };
        const bool moving = options_.loss(loss_setting<Network, decltype(velocity)>{
            network_, state.theta.data(), state.average.data(), velocity, at, label, states_.velocity.data() + v_.rows() * first, rng_.stream(purpose::data, 4 * state.step + 3), space_,
            other_space_, v_.mutable_view(), v_dot_.mutable_view(), target_.mutable_view(), room_.mutable_view(), time_});
        pull(state, {weight_at(at, Loss::random_target), v_.data(), moving ? v_dot_.data() : nullptr, target_.data(), at.s, at.r, v_.rows()}, at, count, options_.off_diagonal,
             Loss::random_target, &numbers_.data()->off_diagonal, false);
        ++off_diagonal_steps_;
    }
    void fit(index_t count) {
        for (auto* room : {&v_, &v_dot_, &target_, &room_}) room->resize(data_->context(), network_.dimension(), count);
        losses_.resize(data_->context(), 1, count);
    }
    weight weight_at(const diamond_arguments<batch_type>& at, bool diagonal) const {
        return {network_.spread(), at.t, at.s, options_.variance_floor, diagonal};
    }
    /// Adds the loss to *sum and to the curve, and pulls its gradient through what the network recorded.
    void pull(state_type& state, const square& term, const diamond_arguments<batch_type>& at, index_t count, double multiple, bool random, double* sum, bool diagonal) {
        const auto& context = data_->context();
        context.column_sums(term.rows, count, term, losses_.data());
        context.for_each(count, detail::divide_each{losses_.data(), static_cast<double>(term.rows)});
        const double scale = multiple / static_cast<double>(options_.batch);
        multiples_.resize(context, 1, count);
        weighting_(context, state.theta.data() + network_.parameters(), gradient_.data() + network_.parameters(), at.t, at.s, at.r, count, scale, random, losses_.data(), multiples_.data());
        real* v_dot = term.v_dot ? v_dot_.data() : nullptr;
        context.for_each(term.rows, count, detail::loss_cotangent<real, weight>{term, multiples_.data(), scale, v_.data(), v_dot});
        network_.backward(state.theta.data(), space_, v_.read(), v_dot, gradient_.data());
        context.sum(count, detail::sum_of{losses_.data()}, &numbers_.data()->loss);
        double* const window = state.loss_sums.data() + loss_curve::window_of(diagonal, state.step, options_.steps);
        context.for_each(1, detail::add_loss{&numbers_.data()->loss, 1.0 / static_cast<double>(count), sum, window, state.step});
    }

    Network network_;
    const training_set<batch_type>* data_;
    philox rng_;
    options_type options_;
    Teacher teacher_;
    detail::loss_weighting<batch_type, Weighting> weighting_;
    training_states<batch_type> states_;
    typename Network::workspace space_, other_space_;
    scratch<real, context_type> v_, v_dot_, target_, room_, gradient_;
    scratch<double, context_type> losses_, multiples_;
    rebind_t<batch_type, double> time_;
    scratch<detail::training_numbers, context_type> numbers_;
    index_t diagonal_steps_ = 0, off_diagonal_steps_ = 0; ///< since the last report
};

} // namespace diamond
