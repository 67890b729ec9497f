/// The training of a Diamond network, with divergence or without: from data alone, or from a teacher. [DM],
/// (eq. diagonal-loss); [F2], (eq. divergence-loss).
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/finite.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/train/adam_w.hpp>
#include <diamond/train/flow_map_losses.hpp>
#include <diamond/train/gradient_sum.hpp>
#include <diamond/train/loss_weighting.hpp>
#include <diamond/train/training_options.hpp>
#include <diamond/train/training_policies.hpp>
#include <diamond/train/training_set.hpp>
#include <diamond/train/training_state.hpp>

namespace diamond {

namespace detail {
/// The numbers that steps write to the back end's memory.
struct training_numbers {
    double loss = 0.0;          ///< the sum of one loss over the columns
    training_losses here, sums; ///< of the step in progress, and of the steps since the last report
    clipped_norm norm;
};
/// Adds the losses of a step to the sums and to the loss curve. A step whose gradient was not finite does not
/// count: it did not move the parameters and may be tried again.
template <class Context>
struct count_losses {
    row_view<training_numbers, Context> numbers; ///< one
    /// The windows of the curve; null where the step had no such loss.
    row_view<double, Context> diagonal, off_diagonal;
    index_t step;
    DIAMOND_HD void operator()(index_t) const {
        if (is_not_finite(numbers[0].norm.scale)) return;
        const training_losses here = numbers[0].here;
        training_losses& sums = numbers[0].sums;
        if (diagonal.data()) {
            sums.diagonal += here.diagonal;
            sums.diagonal_divergence += here.diagonal_divergence;
            if (!is_not_finite(here.diagonal)) loss_curve::add(diagonal.data(), step, here.diagonal);
        }
        if (off_diagonal.data()) {
            sums.off_diagonal += here.off_diagonal;
            sums.off_diagonal_divergence += here.off_diagonal_divergence;
            if (!is_not_finite(here.off_diagonal))
                loss_curve::add(off_diagonal.data(), step, here.off_diagonal);
        }
    }
};
[[noreturn]] inline void throw_not_finite(const deferred_error& why, index_t k) {
    throw numeric_error("parameter " + digits_of(k) +
                            " of a training state, its average or one of its moments is not finite",
                        static_cast<long>(why.step), -1L);
}
} // namespace detail

/// Trains a Diamond network: minimises |v(xbar_s, x_t, t, s, s) - ubar|^2 and a loss off the diagonal
/// (train/flow_map_losses.hpp), both weighted; for a network with divergence also |m(xbar_s, x_t, t, s, s) -
/// div ubar|^2 and the same loss of m.
///
/// The policies follow the options, in any order and any subset:
///   time_sampler      the outer time t; default uniform_time
///   pair_sampler      the inner times s and r off the diagonal; default triangle_pair
///   loss_weighting    the multiple of each column's loss; default adaptive_weight
///   flow_map_loss     the loss off the diagonal; default lagrangian_loss
///   trace_estimator   the divergences of a network with divergence; default default_trace
///   velocity_teacher  the target velocities; default no_teacher
///   gradient_sum      shards of the batch and who computes them; default whole_batch
/// e.g. diamond_trainer{network, data, rng, {.steps = 3000}, mean_flow_loss{}, exact_trace{}}.
///
/// The random numbers of a step depend on the seed and the step's number only. Cost of a step for each
/// column: on the diagonal one forward and one backward pass, and off it what the loss says; for a network
/// with divergence also the products of the trace, or the teacher's divergence.
template <class Network, class... Policies>
class diamond_trainer {
    static_assert(diagnose_any_trainable_network<Network>());
    static_assert(diagnose_training_policies<Network, Policies...>());

public:
    using batch_type = typename Network::batch_type;
    using real = typename batch_type::value_type;
    using context_type = backend_of_t<batch_type>;
    using state_type = training_state<batch_type>; ///< What a training keeps, and what is saved and resumed.

    /// Takes a network, which gives the schedules and the architecture, and data, which must outlive the
    /// trainer. If the network's frame has a basis, the data are in its coordinates (in_coordinates_of).
    /// @throws std::invalid_argument for options and policies out of range, for schedules that are none, for
    /// an inner schedule that is not the linear one, and for data that do not fit the network or are of a
    /// scale that cannot be trained on.
    diamond_trainer(Network network, const training_set<batch_type>& data, philox rng,
                    diamond_training_options options = {}, Policies... policies)
        : network_(std::move(network)),
          data_(&data),
          rng_(rng),
          options_(checked(options)),
          policies_(policies...),
          targets_(std::move(policies_.velocities), policies_.trace),
          sum_(policies_.sum),
          weighting_(checked(policies_).weighting),
          divergence_weighting_(policies_.weighting) {
        require(data.points().rows() == network_.dimension(), [&] {
            return "the network has dimension " + digits_of(network_.dimension()) + ", the training set " +
                   digits_of(data.points().rows());
        });
        require_scale(data);
        require(options_.batch % sum_.shards() == 0, [&] {
            return "a batch of " + digits_of(options_.batch) + " columns is not cut into " +
                   digits_of(sum_.shards()) + " shards of one size";
        });
        require(diagonal_columns(options_.batch) ==
                    sum_.shards() * diagonal_columns(options_.batch / sum_.shards()),
                [&] {
                    return "a share of " + digits_of(options_.diagonal) +
                           " of the columns on the diagonal is " +
                           digits_of(diagonal_columns(options_.batch)) + " of a batch of " +
                           digits_of(options_.batch) + ", and " +
                           digits_of(diagonal_columns(options_.batch / sum_.shards())) + " of each of " +
                           digits_of(sum_.shards()) +
                           " shards: give a batch of which each shard has as large a share";
                });
        if constexpr (detail::says_classes<Network>) {
            require(data.labels() || network_.classes() == 0, [&] {
                return "a training set without labels for a network of " + digits_of(network_.classes()) +
                       " classes: it would learn none of them";
            });
            require(data.classes() <= network_.classes(), [&] {
                return "a training set with label " + digits_of(data.classes() - 1) + " for a network of " +
                       digits_of(network_.classes()) + " classes: it takes " +
                       detail::labels_of(network_.classes());
            });
        }
        if constexpr (detail::says_vector_size<Network>)
            require(data.vector_size() == network_.vector_size(), [&] {
                return "a training set with vectors of " + digits_of(data.vector_size()) +
                       " numbers for a network that takes " + digits_of(network_.vector_size());
            });
        if constexpr (has_divergence)
            detail::require_probes("the trace of a training with divergence",
                                   policies_.trace.products(network_.dimension()));
        if constexpr (requires { Teacher::knows_no_outer_time; }) {
            static_assert(
                requires { policies_.times.at_zero; },
                "a flow_teacher knows t = 0 alone: its times must be uniform_time{.at_zero = 1}");
            require(policies_.times.at_zero >= 1.0, [&] {
                return "a flow_teacher knows t = 0 alone, and a share of " +
                       digits_of(policies_.times.at_zero) +
                       " is drawn there: it needs uniform_time{.at_zero = 1}";
            });
        }
        check_schedule(network_.schedule());
        check_schedule(network_.inner_schedule());
        require_linear_inner_schedule();
        static_cast<void>(network_.spread()); // refuses a network that cannot be trained in its coordinates
        belongs_to_ = text();
    }

    /// Deleted, because a temporary training set would not outlive the trainer.
    diamond_trainer(Network, training_set<batch_type>&&, philox, diamond_training_options = {},
                    Policies...) = delete;

    /// The network that is trained, as a function of its parameters.
    [[nodiscard]] const Network& network() const { return network_; }
    /// Returns the numbers of the training, as the constructor was given them: steps, batch, rates and
    /// weights.
    [[nodiscard]] const diamond_training_options& options() const { return options_; }
    /// Returns the number of parameters of a state: the network's, and behind them those that learned weights
    /// have.
    [[nodiscard]] index_t parameters() const {
        return network_.parameters() + (has_divergence ? 2 : 1) * weighting_.parameters();
    }

    /// Returns the state before the first step.
    [[nodiscard]] state_type start() const {
        const auto& context = data_->context();
        const index_t p = parameters(), own = network_.parameters(), of_weight = weighting_.parameters();
        state_type state;
        state.theta = batch_type(context, p, 1);
        const auto part = [&](index_t first, index_t count) {
            return view_t<batch_type>(state.theta.data() + first, count, 1, &context);
        };
        network_.initialise(rng_, part(0, own));
        for (index_t at = own; at < p; at += of_weight)
            weighting_.initialise(rng_.split(static_cast<std::uint64_t>(at - own)), part(at, of_weight));
        for (auto* zero : {&state.average, &state.mean, &state.variance}) {
            zero->resize(context, p, 1);
            set_to_zero(zero->mutable_view());
        }
        state.loss_sums.resize(context, loss_curve::size, 1);
        set_to_zero(state.loss_sums.mutable_view());
        context.copy(state.theta.data(), p, state.average.data());
        state.belongs_to = belongs_to_;
        return state;
    }

    /// Takes one step.
    /// @throws std::invalid_argument for the state of another training, or one that has taken its last step;
    /// numeric_error if the gradient or a number of the state is not finite. The state is then as before, and
    /// the step may be tried again. A device throws when the host next waits.
    void step(state_type& state) {
        require_own(state);
        require(state.step < options_.steps, [&] {
            return "this training of " + digits_of(options_.steps) + " steps has taken its last";
        });
        const auto& context = data_->context();
        const index_t n = options_.batch / sum_.shards(), k = state.step, p = parameters();
        const bool early = k < options_.diagonal_steps();
        const index_t diagonal = early ? n : diagonal_columns(n);
        require_finite(state);
        if (numbers_.size() == 0) clear_losses();
        sum_.begin(k, state.theta.read());
        gradient_.resize(context, p, 1);
        const shard_range own = sum_.own();
        for (index_t shard = own.first; shard < own.first + own.count; ++shard) {
            const philox rng = rng_of(shard);
            set_to_zero(gradient_.mutable_view());
            states_.draw(
                *data_, network_.schedule(), policies_.times, policies_.pairs, rng, k,
                {.columns = n, .diagonal = diagonal, .condition_dropout = options_.condition_dropout});
            if (diagonal > 0) diagonal_loss(state, rng, diagonal);
            if (diagonal < n) off_diagonal_loss(state, rng, diagonal, n - diagonal);
            sum_.add(shard, gradient_.read(), &numbers_.data()->here);
        }
        sum_.finish(gradient_.mutable_view(), &numbers_.data()->here);
        clipped_norm* const norm = &numbers_.data()->norm;
        adam_w<batch_type>(options_.optimiser, {.k = k, .rate = options_.rate.at(k, options_.steps)},
                           {state.theta, state.mean, state.variance}, gradient_.read(), norm);
        context.forbid(1, elementwise<detail::is_not_finite>(number_at(&norm->scale)),
                       deferred_error{.what = "the gradient of a training step is not finite: lower the rate",
                                      .step = k,
                                      .samples = 0});
        moving_average<batch_type>(options_.average, k, state.average.mutable_view(), state.theta.read());
        const auto window = [&](bool on_diagonal, bool had) {
            double* const sums = had ? state.loss_sums.data() +
                                           loss_curve::window_of(on_diagonal, k, options_.steps)
                                     : nullptr;
            return row(context, loss_curve::numbers, sums);
        };
        context.for_each(1, detail::count_losses<context_type>{.numbers = row(numbers_),
                                                               .diagonal = window(true, diagonal > 0),
                                                               .off_diagonal = window(false, diagonal < n),
                                                               .step = k});
        diagonal_steps_ += diagonal > 0;
        off_diagonal_steps_ += diagonal < n;
        ++state.step;
    }

    /// Returns the report of the steps since the last one, at least one; the host waits for a device.
    /// @throws std::invalid_argument for the state of another training, and before the first step.
    [[nodiscard]] training_report report(const state_type& state) {
        require_own(state);
        require(numbers_.size() > 0 && state.step > 0,
                "a training that has taken no step has nothing to report");
        const auto numbers = to_host(numbers_).front();
        const auto mean = [](double sum, index_t steps) {
            return steps > 0 ? sum / static_cast<double>(steps) : 0.0;
        };
        const training_report result{
            .step = state.step - 1,
            .steps = options_.steps,
            .diagonal_loss = mean(numbers.sums.diagonal, diagonal_steps_),
            .off_diagonal_loss = mean(numbers.sums.off_diagonal, off_diagonal_steps_),
            .gradient_norm = numbers.norm.norm,
            .rate = options_.rate.at(state.step - 1, options_.steps),
            .diagonal_divergence_loss = mean(numbers.sums.diagonal_divergence, diagonal_steps_),
            .off_diagonal_divergence_loss = mean(numbers.sums.off_diagonal_divergence, off_diagonal_steps_)};
        clear_losses();
        return result;
    }

    /// Returns the moving average of the network's own parameters, of which a trained network is made.
    /// @throws as step() does for a state.
    [[nodiscard]] batch_type averaged(const state_type& state) const {
        require_own(state);
        require_finite(state);
        batch_type result(data_->context(), network_.parameters(), 1);
        data_->context().copy(state.average.data(), network_.parameters(), result.data());
        return result;
    }

    /// Takes steps to the end, or until the observer returns false. It sees every `report_every`-th step and
    /// the last.
    /// @throws as step() does.
    void run(state_type& state, const std::function<bool(const training_report&)>& observer = {}) {
        require_own(state);
        while (state.step < options_.steps) {
            step(state);
            const bool due = state.step % options_.report_every == 0 || state.step == options_.steps;
            if (observer && due && !observer(report(state))) return;
        }
    }

private:
    using policies_type = detail::training_policies<Network, Policies...>;
    using Teacher = decltype(policies_type::velocities);
    using Trace = decltype(policies_type::trace);
    using Loss = decltype(policies_type::loss);
    using weighting_type = typename decltype(policies_type::weighting)::template on<batch_type>;
    using errors = detail::loss_errors<batch_type>;

    static constexpr bool has_divergence = detail::has_divergence_row<Network>;

    // Noise has the deviation 1, and times are drawn as if the data had about that, too. Beyond these bounds
    // there is hardly a time at which neither drowns the other, and a training learns the data's Gaussian and
    // nothing else, without a sign (measured at 0.05 and 50 already, in 1,500 steps).
    static constexpr double least_deviation = 0.01, most_deviation = 100.0;

    /// Where a loss goes: rows first ... first + rows - 1 of the errors.
    struct loss_part {
        index_t first, rows;
        double scale; ///< of the mean losses of columns in what is minimised
        target_kind targets;
        bool stopped;       ///< no gradient goes through v'
        index_t parameters; ///< the place of the weighting's own parameters in theta
        double* mean;       ///< where the mean over columns is written
    };

    /// Training draws xbar = s z + (1 - s) eps' and its teachers follow that path.
    /// @throws std::invalid_argument with the numbers where the network's inner schedule is another one.
    void require_linear_inner_schedule() const {
        const auto inner = network_.inner_schedule();
        for (const double s : {0.25, 0.5, 0.75}) {
            const double alpha = inner.alpha(s), sigma = inner.sigma(s);
            constexpr double rounding = 1e-9;
            require(std::fabs(alpha - s) <= rounding && std::fabs(sigma - (1.0 - s)) <= rounding, [&] {
                return "a training needs the linear inner schedule, alpha = s and sigma = 1 - s, along which "
                       "it draws; at s = " +
                       digits_of(s) + " this network's has alpha = " + digits_of(alpha) +
                       " and sigma = " + digits_of(sigma);
            });
        }
    }
    /// Returns how many of n columns are on the diagonal.
    [[nodiscard]] index_t diagonal_columns(index_t n) const {
        return static_cast<index_t>(std::lround(options_.diagonal * static_cast<double>(n)));
    }
    /// Returns all that a step depends on, as far as it is known as text.
    [[nodiscard]] std::string text() const {
        // "joint" is the word in states that were written before, which must stay to be recognised.
        std::string result = has_divergence ? "a joint network of " : "a network of ";
        result += digits_of(parameters()) + " parameters";
        if constexpr (requires { network_.layers(); }) {
            result += " in layers";
            const auto add_norm = [&result](const column_norm& norm, const char* where) {
                if (norm)
                    result.append(" with a norm ")
                        .append(where)
                        .append(" of kind ")
                        .append(digits_of(static_cast<int>(norm.kind)))
                        .append(" and epsilon ")
                        .append(digits_of(norm.epsilon));
            };
            for (const auto& layer : network_.layers()) {
                result.append(" ")
                    .append(digits_of(layer.outputs) + " x " + digits_of(layer.inputs))
                    .append(layer.residual ? " residual" : "")
                    .append(" of kind ")
                    .append(digits_of(static_cast<int>(layer.kind)));
                add_norm(layer.before, "before");
                add_norm(layer.after, "after");
            }
        } else if constexpr (requires { network_.text_of_layers(); }) {
            result.append(" ").append(network_.text_of_layers());
        }
        std::string labels;
        if (data_->labels()) labels.append(" of ").append(digits_of(data_->classes())).append(" classes");
        if (data_->vector_size() > 0)
            labels.append(" conditioned by ").append(digits_of(data_->vector_size())).append(" numbers");
        if constexpr (requires { network_.vector_frame()->numbers(); })
            if (network_.vector_frame()) labels.append(detail::text_of(network_.vector_frame()->numbers()));
        std::string bandwidth = "bandwidth " + digits_of(data_->bandwidth());
        if (!data_->isotropic()) {
            bandwidth = "bandwidths";
            for (const double h : data_->bandwidths()) bandwidth.append(" ").append(digits_of(h));
        }
        return result + ", " + digits_of(data_->points().columns()) + " points in dimension " +
               digits_of(data_->points().rows()) + labels + " with " + bandwidth + ", seed " +
               digits_of(rng_.seed) + (targets_.has_teacher ? ", a teacher, " : ", no teacher, ") +
               detail::text_of_training(options_, policies_) +
               (sum_.shards() > 1 ? ", " + digits_of(sum_.shards()) + " shards" : "");
    }
    /// @throws std::invalid_argument with both unless the state is of this training.
    void require_own(const state_type& state) const {
        require(data_->points().size() > 0, "the training set of this training has been moved away: it must "
                                            "stay where it is until the training ends");
        const index_t p = parameters();
        for (const auto* part : {&state.theta, &state.average, &state.mean, &state.variance})
            require(part->size() == p, [&] {
                return "a state of " + digits_of(state.theta.size()) + " parameters, " +
                       digits_of(state.average.size()) + " averages and " + digits_of(state.mean.size()) +
                       " and " + digits_of(state.variance.size()) + " moments for a training of " +
                       digits_of(p) + " parameters";
            });
        require(state.loss_sums.size() == loss_curve::size, [&] {
            return "a state with " + digits_of(state.loss_sums.size()) + " sums of losses, not " +
                   digits_of(loss_curve::size);
        });
        require(state.belongs_to.empty() || state.belongs_to == belongs_to_, [&] {
            return "this state belongs to another training: to " + state.belongs_to + "; this one has " +
                   belongs_to_ + "; copy its parameters into start() to go on from them";
        });
        require(state.step >= 0 && state.step <= options_.steps, [&] {
            return "a state of step " + digits_of(state.step) + " for a training of " +
                   digits_of(options_.steps) + " steps";
        });
    }
    /// @throws numeric_error with the parameter unless all numbers of the state are finite; a device throws
    /// it when the host next waits.
    void require_finite(const state_type& state) const {
        const auto& context = data_->context();
        const index_t p = parameters();
        const auto bad = [&](const batch_type& x) {
            return elementwise<detail::is_not_finite>(row(context, p, x.data()));
        };
        context.forbid(p, bad(state.theta) || bad(state.average) || bad(state.mean) || bad(state.variance),
                       deferred_error{.what = "a number of a training state is not finite",
                                      .step = state.step,
                                      .raise = detail::throw_not_finite});
    }
    template <class Options>
    static const Options& checked(const Options& options) {
        options.check();
        return options;
    }
    static void require_scale(const training_set<batch_type>& data) {
        require(data.deviation() >= least_deviation && data.deviation() <= most_deviation, [&] {
            return "a training set of deviation " + digits_of(data.deviation()) +
                   ", the root of the mean variance of its coordinates: noise has 1, and training needs " +
                   digits_of(least_deviation) + " to " + digits_of(most_deviation) +
                   "; scale the points, and what is drawn back";
        });
        require(data.largest_mean() * static_cast<double>(std::numeric_limits<real>::epsilon()) <=
                    detail::digits_kept * data.deviation(),
                [&] {
                    return "a training set of mean " + digits_of(data.largest_mean()) +
                           " in a coordinate and deviation " + digits_of(data.deviation()) +
                           ": rounding drowns it, subtract the mean from the points";
                });
    }

    void clear_losses() {
        numbers_.resize(data_->context(), 1, 1);
        const detail::training_numbers none;
        data_->context().from_host(&none, 1, numbers_.data());
        diagonal_steps_ = off_diagonal_steps_ = 0;
    }
    void resize(index_t count) {
        space_.resize(data_->context(), network_, count);
        losses_.resize(data_->context(), 1, count);
        multiples_.resize(data_->context(), 1, count);
    }
    /// Returns what the network knows of a condition.
    [[nodiscard]] static condition_of_t<Network> own(const label_and_vector<batch_type>& condition) {
        return detail::condition_as<condition_of_t<Network>>(condition);
    }
    /// Returns the network with the moving average's parameters.
    detail::network_with_parameters<Network> average_of(const state_type& state) {
        return {.network = network_, .parameters = state.average.data(), .workspace = space_.other};
    }
    /// Returns the probes of the traces of a step on the diagonal, 0, or off it, 1.
    [[nodiscard]] static noise_stream probes(philox rng, index_t step, index_t which) {
        return rng.split(1).stream(purpose::data, 2 * step + which);
    }
    /// Returns the rng of a shard: that of the training where the batch is one.
    [[nodiscard]] philox rng_of(index_t shard) const {
        constexpr std::uint64_t shards = 0x73686172640000; // a number that nothing else splits by
        return sum_.shards() == 1 ? rng_ : rng_.split(shards + static_cast<std::uint64_t>(shard));
    }

    void diagonal_loss(state_type& state, philox rng, index_t count) {
        const auto at = states_.arguments(0, count);
        const condition_of_t<Network> condition = own(states_.conditions(0, count));
        resize(count);
        network_.record(state.theta.data(), at, condition, space_.recorded, space_.v.mutable_view());
        targets_.diagonal(average_of(state), at, condition, states_.velocity.read().columns(0, count),
                          probes(rng, state.step, 0), space_.target.mutable_view());
        add_gradient(state, at, false, true, !targets_.has_teacher);
    }
    void off_diagonal_loss(state_type& state, philox rng, index_t first, index_t count) {
        const auto at = states_.arguments(first, count);
        const condition_of_t<Network> condition = own(states_.conditions(first, count));
        resize(count);
        auto velocity = [&](const diamond_arguments<batch_type>& there, const condition_of_t<Network>& given,
                            view_t<batch_type> out) {
            targets_.off_diagonal(average_of(state), there, given, probes(rng, state.step, 1), out);
        };
        const loss_input<Network, decltype(velocity)> input{
            .network = network_,
            .theta = state.theta.data(),
            .average = state.average.data(),
            .velocity = velocity,
            .at = at,
            .condition = condition,
            .data_velocity = states_.velocity.read().columns(first, count),
            .uniforms = rng.stream(purpose::data, 4 * state.step + 3)};
        const bool moving = policies_.loss(input, space_);
        add_gradient(state, at, moving, false, Loss::random_target);
    }
    static constexpr target_kind kind(bool diagonal, bool random) {
        return !random  ? target_kind::determined
             : diagonal ? target_kind::random_on_diagonal
                        : target_kind::random_off_diagonal;
    }
    /// Writes the mean losses of the errors in space_, and adds their gradient to gradient_.
    void add_gradient(state_type& state, const diamond_arguments<batch_type>& at, bool moving, bool diagonal,
                      bool random) {
        const index_t d = network_.dimension();
        const double scale = (diagonal ? 1.0 : options_.off_diagonal) / static_cast<double>(options_.batch);
        const errors of{.v = space_.v,
                        .v_dot = space_.v_dot,
                        .target = space_.target,
                        .moving = moving,
                        .from = at.s,
                        .to = at.r};
        training_losses* const here = &numbers_.data()->here;
        const detail::posterior_weight<std::remove_cvref_t<decltype(network_.spread())>> weight{
            .spread = network_.spread(),
            .t = at.t,
            .s = at.s,
            .floor = options_.variance_floor,
            .diagonal = diagonal || random};
        write_cotangents(state, weight, of, at, weighting_,
                         {.first = 0,
                          .rows = d,
                          .scale = scale,
                          .targets = kind(diagonal, random),
                          .stopped = false,
                          .parameters = network_.parameters(),
                          .mean = diagonal ? &here->diagonal : &here->off_diagonal});
        if constexpr (has_divergence) {
            // The error of a moving row is measured where div ubar is taken.
            const detail::divergence_weight<std::remove_cvref_t<decltype(network_.divergence_spread())>> unit{
                .spread = network_.divergence_spread(), .s = moving ? at.r : at.s, .r = at.r};
            bool stopped = false;
            if constexpr (requires { policies_.loss.divergence_tangent; })
                stopped = policies_.loss.divergence_tangent == tangent_gradient::stopped;
            write_cotangents(
                state, unit, of, at, divergence_weighting_,
                {.first = d,
                 .rows = 1,
                 .scale = scale * options_.divergence,
                 .targets = kind(diagonal, (!diagonal && random) || targets_.random_divergence(d, diagonal)),
                 .stopped = stopped,
                 .parameters = network_.parameters() + weighting_.parameters(),
                 .mean = diagonal ? &here->diagonal_divergence : &here->off_diagonal_divergence});
        }
        network_.backward(state.theta.data(), space_.recorded, space_.v.read(),
                          moving ? space_.v_dot.data() : nullptr, gradient_.data());
    }
    /// Writes the mean loss of some rows, and the cotangents of v and v' in their place.
    template <class Weight>
    void write_cotangents(state_type& state, const Weight& weight, const errors& of,
                          const diamond_arguments<batch_type>& at, weighting_type& weighting,
                          const loss_part& part) {
        const auto& context = data_->context();
        const index_t n = of.v.columns();
        const detail::weighted_square<batch_type, Weight> term{
            .weight = weight, .of = of, .first = part.first};
        const auto losses = row(losses_), multiples = row(multiples_);
        context.column_sums(part.rows, n, term, losses.data());
        assign(losses, losses / static_cast<double>(part.rows));
        weighting(
            {.t = at.t, .s = at.s, .r = at.r, .loss = losses, .scale = part.scale, .targets = part.targets},
            state.theta.data() + part.parameters, gradient_.data() + part.parameters, multiples);
        context.for_each(part.rows, n,
                         detail::loss_cotangent<batch_type, Weight>{.term = term,
                                                                    .multiple = multiples,
                                                                    .scale = part.scale,
                                                                    .rows = part.rows,
                                                                    .stopped = part.stopped,
                                                                    .v = space_.v,
                                                                    .v_dot = space_.v_dot});
        double* const sum = &numbers_.data()->loss;
        context.sum(n, losses, sum);
        assign(row(context, 1, part.mean), number_at(sum) * (1.0 / static_cast<double>(n)));
    }

    Network network_;
    const training_set<batch_type>* data_;
    philox rng_;
    diamond_training_options options_;
    policies_type policies_; ///< the teacher is moved to targets_
    detail::loss_targets<Network, Teacher, Trace> targets_;
    typename decltype(policies_type::sum)::template on<batch_type> sum_;
    weighting_type weighting_, divergence_weighting_;
    training_states<batch_type> states_;
    loss_workspace<Network> space_;
    scratch<real, context_type> gradient_;
    scratch<double, context_type> losses_, multiples_;
    scratch<detail::training_numbers, context_type> numbers_;
    index_t diagonal_steps_ = 0, off_diagonal_steps_ = 0; ///< since the last report
    std::string belongs_to_;                              ///< the text that a state of this training has
};

} // namespace diamond
