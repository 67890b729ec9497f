/// A diamond_mlp is a Diamond network made of an MLP that is preconditioned by the data's Gaussian. It is a
/// function of its parameters, which it does not own.
#pragma once

#include <string>
#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/nn/diamond_features.hpp>
#include <diamond/nn/divergence_features.hpp>
#include <diamond/nn/gaussian_frame.hpp>
#include <diamond/nn/mlp.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// Describes the shape of a diamond_mlp.
struct diamond_mlp_options {
    mlp_options mlp = {}; ///< width, blocks and activation of the layers between features and velocity
    /// The number of labels 0 ... classes - 1, beside labels::unconditional; with 0 the network takes no
    /// labels.
    index_t classes = 0;
};

/// A diamond_mlp gives v(xbar, x_t, t, s, r | label) = pm + k e + sqrt(pv) F(e, g, times, label), as
/// nn/diamond_features.hpp says, and models trainable_network. With a divergence_head it gives d + 1 rows, v
/// and the mean divergence m (nn/divergence_features.hpp), and models trainable_network_with_divergence.
/// Where the parameters of the last layer are 0, it is exactly the Diamond map, with its divergence, of the
/// Gaussian N(mean, U diag(variance) U^T). The inner schedule is linear. Cost: one evaluation a column; a
/// tangent is one jvp.
template <class Batch, class Schedule, class Head = no_head>
class diamond_mlp {
    static_assert(diagnose_schedule<Schedule>());

public:
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using condition_type = labels;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using arguments = diamond_arguments<Batch>;
    /// The speeds at which its arguments move, for derivatives along a direction.
    using speeds = diamond_speeds<real>;

    /// Holds the working space of a call, and what a recorded call leaves for `backward`.
    struct workspace {
        typename dense_stack<Batch>::workspace layers; ///< The workspace that calls of the layers are given.
        /// The rows that the stack reads and writes, and states in the frame's coordinates.
        scratch<real, context_type> inputs, tangents, xbar, x_t, xbar_dot, out, out_dot, value;
        /// The times of each column as features are made of them, 4 x n.
        scratch<double, context_type> times;
        /// The recorded call's, whose arguments must live until `backward`.
        detail::gaussian_coordinates<real, context_type> recorded{};
        speeds direction{}; ///< of the recorded call
    };

    /// @throws std::invalid_argument where an option is out of range, or schedule or head are none.
    diamond_mlp(Schedule schedule, gaussian_frame<Batch> frame, diamond_mlp_options options = {},
                Head head = {})
        : schedule_(detail::checked_schedule(std::move(schedule))),
          frame_(std::move(frame)),
          options_(options),
          head_(resolved(head)),
          stack_(mlp_layers(inputs(frame_.dimension(), options), outputs(), options.mlp)) {}

    [[nodiscard]] index_t dimension() const { return frame_.dimension(); }
    /// Returns the number of rows that it writes: d, or d + 1 with a divergence_head.
    [[nodiscard]] index_t outputs() const { return dimension() + Head::rows; }
    /// The head: no_head, or what gives the mean divergence.
    [[nodiscard]] const Head& head() const { return head_; }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] linear_schedule inner_schedule() const { return {}; }
    /// The frame, in whose coordinates the network works.
    [[nodiscard]] const gaussian_frame<Batch>& frame() const { return frame_; }
    /// Returns the layers' shape and the number of classes, as the constructor was given them.
    [[nodiscard]] const diamond_mlp_options& options() const { return options_; }
    /// The number of labels that it takes, without labels::unconditional; 0: none.
    [[nodiscard]] index_t classes() const { return options_.classes; }
    /// Returns the layers from the features to the outputs, with the places of their parameters.
    [[nodiscard]] const std::vector<dense_layer>& layers() const { return stack_.layers(); }
    /// Returns how many numbers theta has: the weights and biases of all layers.
    [[nodiscard]] index_t parameters() const { return stack_.parameters(); }
    [[nodiscard]] workspace make_workspace(const context_type&, index_t) const { return {}; }
    /// Returns the posterior variance of the frame's Gaussian, a functor (i, t): the unit of errors of v.
    /// @throws std::invalid_argument where the frame has a basis, since errors are then not measured
    /// coordinate by coordinate.
    [[nodiscard]] auto spread() const {
        require(!frame_.has_basis(), "training works in the coordinates of the network's frame: rotate the "
                                     "points (in_coordinates_of), and give the network its basis afterwards");
        return detail::posterior_spread<Schedule, typename gaussian_frame<Batch>::numbers_view>{
            .schedule = schedule_, .variance = frame_.variance()};
    }
    /// Returns the variance in whose units errors of m count, a functor (s, r).
    [[nodiscard]] detail::divergence_spread divergence_spread() const
        requires(Head::rows == 1)
    {
        return {.divisor = head_.divisor, .resolution = head_.resolution};
    }
    /// Writes the parameters of a network that is its Gaussian's own Diamond map.
    void initialise(philox rng, view theta) const { diamond::initialise(stack_, rng, theta); }

    /// Writes v, or v and m, into out. @throws std::invalid_argument where shapes differ, or a label is none
    /// of the network's classes (see require_labels). Cost: one evaluation.
    void operator()(const real* theta, const arguments& at, const labels& label, workspace& space,
                    view out) const {
        const auto from = prepare(at, label, nullptr, space, out);
        view F = frame_.has_basis() ? fitted(space.out, out) : out;
        stack_.forward(out.context(), theta, {space.inputs.data()}, out.columns(), {F.data()}, space.layers);
        finish(from, F, out);
    }
    /// Does what operator() does, and leaves in `space` what one `backward` needs.
    void record(const real* theta, const arguments& at, const labels& label, workspace& space,
                view out) const {
        const auto from = prepare(at, label, nullptr, space, out);
        view F = frame_.has_basis() ? fitted(space.out, out) : out;
        space.recorded = from.gaussian;
        stack_.record(out.context(), theta, {space.inputs.data()}, out.columns(), {F.data()}, space.layers);
        finish(from, F, out);
    }
    /// Writes v into out and its derivative dv/d(xbar, s, r) . direction into out_dot, both with m where the
    /// network has it, and leaves in `space` what one `backward` needs. Cost: one jvp.
    void record(const real* theta, const arguments& at, const labels& label, speeds direction,
                workspace& space, view out, view out_dot) const {
        if (direction.xbar && frame_.has_basis())
            direction.xbar = frame_
                                 .into(const_view(direction.xbar, dimension(), out.columns(), &out.context()),
                                       space.xbar_dot)
                                 .data();
        const auto from = prepare(at, label, &direction, space, out);
        space.recorded = from.gaussian;
        space.direction = direction;
        view F = frame_.has_basis() ? fitted(space.out, out) : out;
        view F_dot = frame_.has_basis() ? fitted(space.out_dot, out) : out_dot;
        stack_.record(out.context(), theta, {space.inputs.data(), space.tangents.data()}, out.columns(),
                      {F.data(), F_dot.data()}, space.layers);
        const rows_of F_dot_rows{F_dot};
        detail::write_rows(dimension(),
                           elementwise<detail::mean_velocity_tangent>(from.gaussian, from.xbar,
                                                                      speed_of(direction, out), direction.s,
                                                                      direction.r, F_dot_rows),
                           F_dot_rows);
        finish(from, F, out, direction, F_dot);
        if (frame_.has_basis()) frame_.out_of(F_dot, out_dot);
    }
    /// Adds to `gradient` the gradient with respect to theta of sum_ij cotangent v + cotangent_dot v', at the
    /// call that `space` recorded; cotangent_dot is null where no direction was recorded.
    void backward(const real* theta, workspace& space, const_view cotangent, const real* cotangent_dot,
                  real* gradient) const {
        const auto& context = cotangent.context();
        const auto pull = [&](const real* from, scratch<real, context_type>& buffer) {
            const view k = fitted(buffer, cotangent);
            pull_velocity(space,
                          frame_.into(const_view(from, cotangent.rows(), cotangent.columns(), &context),
                                      space.xbar_dot),
                          k);
            return k;
        };
        const view k = pull(cotangent.data(), space.out),
                   k_dot = cotangent_dot ? pull(cotangent_dot, space.out_dot) : nothing<view>;
        pull_head(cotangent, const_view(cotangent_dot, cotangent.rows(), cotangent.columns(), &context),
                  space, k, k_dot);
        stack_.backward(context, theta, space.layers, {k.data(), k_dot.data()}, {nullptr}, gradient);
    }
    /// Writes dv/d xbar tangent into out, with that of m in its last row where the network has it. Cost: one
    /// jvp.
    void jvp(const real* theta, const arguments& at, const labels& label, const_view tangent,
             workspace& space, view out) const {
        require_same_shape("diamond_mlp::jvp", tangent, at.xbar);
        space.value.resize(out.context(), out.rows(), out.columns());
        record(theta, at, label, {tangent.data(), 0.0, 0.0}, space, space.value.mutable_view(), out);
    }
    /// Writes cotangent^T dv/d xbar into out_xbar and cotangent^T dv/dx_t into out_x_t, both d x N; where the
    /// network gives m, the cotangent has its row, too. Cost: one vjp.
    void vjp(const real* theta, const arguments& at, const labels& label, const_view cotangent,
             workspace& space, view out_xbar, view out_x_t) const {
        const auto& context = cotangent.context();
        space.value.resize(context, outputs(), cotangent.columns());
        record(theta, at, label, space, space.value.mutable_view());
        const const_view inside = frame_.into(cotangent, space.xbar_dot);
        const view k = fitted(space.out, cotangent);
        pull_velocity(space, inside, k);
        pull_head(inside, nothing<const_view>, space, k, nothing<view>);
        stack_.backward(context, theta, space.layers, {k.data()}, {space.inputs.data()}, nullptr);
        view of_xbar = frame_.has_basis() ? fitted(space.out, out_xbar) : out_xbar;
        view of_x_t = frame_.has_basis() ? fitted(space.out_dot, out_x_t) : out_x_t;
        const auto inputs = space.inputs.read();
        detail::write_rows(dimension(),
                           elementwise<detail::state_cotangents>(space.recorded, const_rows_of{inside},
                                                                 const_rows_of{inputs},
                                                                 const_rows_of{inputs, dimension()}),
                           rows_of{of_xbar}, rows_of{of_x_t});
        if (frame_.has_basis()) {
            frame_.out_of(of_xbar, out_xbar);
            frame_.out_of(of_x_t, out_x_t);
        }
    }

    /// Returns the number of rows of the first layer's inputs in dimension d. @throws std::invalid_argument
    /// for less than 0 classes.
    [[nodiscard]] static index_t inputs(index_t d, const diamond_mlp_options& options) {
        require(options.classes >= 0, [&] {
            return "a network of " + digits_of(options.classes) + " classes: 0 or more are needed";
        });
        return 2 * d + detail::network_times * detail::time_features +
               (options.classes > 0 ? options.classes + 1 : 0);
    }

private:
    using rows_of = detail::rows_from<view>;
    using const_rows_of = detail::rows_from<const_view>;
    template <class View>
    static constexpr View nothing{nullptr, 0, 0, nullptr}; ///< stands for a batch that is not there

    /// Holds what the elementwise work reads: the coordinates of x_t, and xbar in the frame.
    struct states {
        detail::gaussian_coordinates<real, context_type> gaussian;
        const_view xbar;
    };

    static view fitted(scratch<real, context_type>& buffer, const_view like) {
        buffer.resize(like.context(), like.rows(), like.columns());
        return buffer.mutable_view();
    }
    const_rows_of speed_of(const speeds& direction, const_view out) const {
        return {const_view(direction.xbar, dimension(), out.columns(), &out.context())};
    }
    Head resolved(const Head& head) const {
        if constexpr (Head::rows == 1)
            return head.of(dimension());
        else
            return head;
    }
    void pull_velocity(const workspace& space, const_view cotangent, view k) const {
        detail::write_rows(dimension(),
                           elementwise<detail::network_cotangent>(space.recorded, const_rows_of{cotangent}),
                           rows_of{k});
    }
    void pull_head(const_view cotangent, const_view cotangent_dot, const workspace& space, view k,
                   view k_dot) const {
        if constexpr (Head::rows == 1)
            cotangent.context().for_each(
                cotangent.columns(), detail::pull_to_head<const_view, view>{.times = space.recorded.times,
                                                                            .head = head_,
                                                                            .s_dot = space.direction.s,
                                                                            .r_dot = space.direction.r,
                                                                            .cotangent = cotangent,
                                                                            .cotangent_dot = cotangent_dot,
                                                                            .out = k,
                                                                            .out_dot = k_dot});
    }
    /// Computes v, and m, from the network's output F; F_dot, where it has memory, is already v' but for the
    /// row of m'.
    void finish(const states& from, view F, view out, const speeds& direction = {},
                view F_dot = nothing<view>) const {
        detail::write_rows(dimension(),
                           elementwise<detail::mean_velocity>(from.gaussian, from.xbar, rows_of{F}),
                           rows_of{F});
        if constexpr (Head::rows == 1)
            out.context().for_each(out.columns(), detail::mean_divergence<view>{.gaussian = from.gaussian,
                                                                                .head = head_,
                                                                                .s_dot = direction.s,
                                                                                .r_dot = direction.r,
                                                                                .F = F,
                                                                                .F_dot = F_dot});
        if (frame_.has_basis()) frame_.out_of(F, out);
    }
    /// Checks the arguments and writes the network's inputs and, where there is a direction, their tangents.
    /// @throws std::invalid_argument where shapes differ, or a label is none of the network's.
    states prepare(const arguments& at, const labels& label, const speeds* direction, workspace& space,
                   const_view out) const {
        require(at.xbar.rows() == dimension(), [&] {
            return "the network has dimension " + digits_of(dimension()) + ", the batch has " +
                   digits_of(at.xbar.rows()) + " rows";
        });
        require(out.rows() == outputs() && out.columns() == at.xbar.columns(), [&] {
            return "diamond_mlp: " + digits_of(at.xbar.rows()) + " x " + digits_of(at.xbar.columns()) +
                   " against " + digits_of(out.rows()) + " x " + digits_of(out.columns()) + " of " +
                   digits_of(outputs()) + " rows to write";
        });
        require_labels(out.context(), label, out.columns(), classes());
        require_same_shape("diamond_mlp", at.x_t, at.xbar);
        const auto& context = out.context();
        const index_t n = out.columns(), d = dimension();
        using numbers_view = batch_view<double, context_type>;
        space.times.resize(context, 4, n);
        context.for_each(n, detail::fill_diamond_times<Schedule, numbers_view>{
                                .schedule = schedule_, .t = at.t, .s = at.s, .r = at.r, .to = space.times});
        const states from{.gaussian = {.mean = frame_.mean_on(context),
                                       .variance = frame_.variance_on(context),
                                       .times = space.times.read(),
                                       .x_t = frame_.into(at.x_t, space.x_t)},
                          .xbar = frame_.into(at.xbar, space.xbar)};
        space.inputs.resize(context, stack_.inputs(), n);
        if (direction) space.tangents.resize(context, stack_.inputs(), n);
        const view inputs = space.inputs,
                   tangents = direction ? space.tangents.mutable_view() : nothing<view>;
        detail::write_rows(d, elementwise<detail::state_features>(from.gaussian, from.xbar), rows_of{inputs},
                           rows_of{inputs, d});
        if (direction)
            context.for_each(d, n,
                             detail::fill_state_tangents<const_view, view>{.gaussian = from.gaussian,
                                                                           .xbar = from.xbar,
                                                                           .speeds = *direction,
                                                                           .tangents = tangents});
        context.for_each(n, detail::fill_conditions<view>{.t = at.t,
                                                          .times = from.gaussian.times,
                                                          .label = label,
                                                          .s_dot = direction ? direction->s : 0.0,
                                                          .r_dot = direction ? direction->r : 0.0,
                                                          .inputs = inputs,
                                                          .tangents = tangents,
                                                          .first = 2 * d});
        return from;
    }

    Schedule schedule_;
    gaussian_frame<Batch> frame_;
    diamond_mlp_options options_;
    Head head_;
    dense_stack<Batch> stack_;
};

/// Names a network with divergence: it has velocity and divergence heads on a shared trunk.
template <class Batch, class Schedule>
using diamond_mlp_with_divergence = diamond_mlp<Batch, Schedule, divergence_head>;

} // namespace diamond
