/// An MLP as a Diamond network, preconditioned by the data's Gaussian: a function of its parameters, which it does not own.
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

struct diamond_mlp_options {
    mlp_options mlp = {};
    index_t classes = 0; ///< labels 0 ... classes - 1, and one slot for labels::unconditional; 0: no labels at all
};

/// v(xbar, x_t, t, s, r | label) = pm + k e + sqrt(pv) F(e, g, times, label); see nn/diamond_features.hpp. Models trainable_network. With a
/// divergence_head it gives d + 1 rows, v and the mean divergence m (nn/divergence_features.hpp), and models trainable_network_with_divergence.
/// Parameters 0 in the last layer give the Diamond map, with its divergence, of the Gaussian N(mean, U diag(variance) U^T) itself, exactly. The inner schedule
/// is linear. Cost: one evaluation a column; a tangent is one jvp.
template <class Batch, class Schedule, class Head = no_head>
class diamond_mlp {
    static_assert(diagnose_schedule<Schedule>());

public:
    using batch_type     = Batch;
    using real           = typename Batch::value_type;
    using context_type   = backend_of_t<Batch>;
    using condition_type = labels;
    using view           = view_t<Batch>;
    using const_view     = const_view_t<Batch>;
    using arguments      = diamond_arguments<Batch>;
    using speeds         = detail::diamond_speeds<real>;

    struct workspace {
        typename dense_stack<Batch>::workspace layers;
        scratch<real, context_type> inputs, tangents, xbar, x_t, xbar_dot, out, out_dot, value;
        scratch<double, context_type> times;
        detail::diamond_functor<real> recorded{}; ///< where the recorded call stood; its arguments must live until backward
        speeds direction{};
    };

    diamond_mlp(Schedule schedule, gaussian_frame<Batch> frame, diamond_mlp_options options = {}, Head head = {})
        : schedule_(detail::checked_schedule(std::move(schedule))), frame_(std::move(frame)), options_(options), head_(resolved(head)),
          stack_(mlp_layers(inputs(frame_.dimension(), options), outputs(), options.mlp)) {}

    [[nodiscard]] index_t dimension() const { return frame_.dimension(); }
    [[nodiscard]] index_t outputs() const { return dimension() + Head::rows; } ///< rows of what it gives
    [[nodiscard]] const Head& head() const { return head_; }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] linear_schedule inner_schedule() const { return {}; }
    [[nodiscard]] const gaussian_frame<Batch>& frame() const { return frame_; }
    [[nodiscard]] const diamond_mlp_options& options() const { return options_; }
    [[nodiscard]] index_t classes() const { return options_.classes; }
    [[nodiscard]] const std::vector<dense_layer>& layers() const { return stack_.layers(); }
    [[nodiscard]] index_t parameters() const { return stack_.parameters(); }
    [[nodiscard]] workspace make_workspace(const context_type&, index_t) const { return {}; }
    /// @throws std::invalid_argument where the frame has a basis: errors are then not measured coordinate by coordinate.
    [[nodiscard]] detail::posterior_spread<Schedule> spread() const {
        require(!frame_.has_basis(), "training works in the coordinates of the network's frame: rotate the points (in_coordinates_of), and give the network its basis afterwards");
        return {schedule_, frame_.variance()};
    }
    /// The same of m: a functor (s, r) of the variance that errors of m are measured in.
    [[nodiscard]] detail::divergence_spread divergence_spread() const
        requires(Head::rows == 1)
    {
        return {head_.divisor, head_.resolution};
    }
    void initialise(philox rng, view theta) const { diamond::initialise(stack_, rng, theta); }

    /// out = v, or v and m. @throws std::invalid_argument where shapes differ, or a label is none of the network's classes (see require_labels).
    void operator()(const real* theta, const arguments& at, const labels& label, workspace& space, view out) const {
        const auto f = prepare(at, label, nullptr, space, out);
        view F       = frame_.has_basis() ? fitted(space.out, out) : out;
        stack_.forward(out.context(), theta, {space.inputs.data()}, out.columns(), {F.data()}, space.layers);
        finish(f, F, out);
    }
    /// The same, recorded for one `backward`.
    void record(const real* theta, const arguments& at, const labels& label, workspace& space, view out) const {
        space.recorded = prepare(at, label, nullptr, space, out);
        view F         = frame_.has_basis() ? fitted(space.out, out) : out;
        stack_.record(out.context(), theta, {space.inputs.data()}, out.columns(), {F.data()}, space.layers);
        finish(space.recorded, F, out);
    }
    /// out = v and out_dot = dv/d(xbar, s, r) . speeds, recorded.
    void record(const real* theta, const arguments& at, const labels& label, speeds direction, workspace& space, view out, view out_dot) const {
        if (direction.xbar && frame_.has_basis())
            direction.xbar = frame_.into(const_view(direction.xbar, dimension(), out.columns(), &out.context()), space.xbar_dot).data();
        const auto f    = prepare(at, label, &direction, space, out);
        space.recorded  = f;
        space.direction = direction;
        view F         = frame_.has_basis() ? fitted(space.out, out) : out;
        view F_dot     = frame_.has_basis() ? fitted(space.out_dot, out) : out_dot;
        stack_.record(out.context(), theta, {space.inputs.data(), space.tangents.data()}, out.columns(), {F.data(), F_dot.data()}, space.layers);
        out.context().for_each(dimension(), out.columns(), detail::mean_velocity_tangent<real>{f, direction, F_dot.data()});
        finish(f, F, out, direction, F_dot.data());
        if (frame_.has_basis()) frame_.out_of(F_dot, out_dot);
    }
    /// Adds to `gradient` that of sum_ij cotangent v + cotangent_dot v', the second where a tangent was recorded, else null.
    void backward(const real* theta, workspace& space, const_view cotangent, const real* cotangent_dot, real* gradient) const {
        const auto& context = cotangent.context();
        const auto pull     = [&](const real* from, scratch<real, context_type>& buffer) {
            buffer.resize(context, cotangent.rows(), cotangent.columns());
            const const_view inside = frame_.into(const_view(from, cotangent.rows(), cotangent.columns(), &context), space.xbar_dot);
            context.for_each(dimension(), buffer.columns(), detail::pull_to_network<real>{space.recorded, inside.data(), buffer.data()});
            return buffer.data();
        };
        real* k     = pull(cotangent.data(), space.out);
        real* k_dot = cotangent_dot ? pull(cotangent_dot, space.out_dot) : nullptr;
        pull_head(context, cotangent, cotangent_dot, space, k, k_dot);
        stack_.backward(context, theta, space.layers, {k, k_dot}, {nullptr}, gradient);
    }
    /// out = dv/d xbar tangent, or dv and dm.
    void jvp(const real* theta, const arguments& at, const labels& label, const_view tangent, workspace& space, view out) const {
        require_same_shape("diamond_mlp::jvp", tangent, at.xbar);
        space.value.resize(out.context(), out.rows(), out.columns());
        record(theta, at, label, {tangent.data(), 0.0, 0.0}, space, space.value.mutable_view(), out);
    }
    /// out_xbar and out_x_t = cotangent^T dv/d xbar and dv/dx_t, of m, too, where the cotangent has its row.
    void vjp(const real* theta, const arguments& at, const labels& label, const_view cotangent, workspace& space, view out_xbar, view out_x_t) const {
        const auto& context = cotangent.context();
        space.value.resize(context, outputs(), cotangent.columns());
        record(theta, at, label, space, space.value.mutable_view());
        const const_view inside = frame_.into(cotangent, space.xbar_dot);
        space.out.resize(context, cotangent.rows(), cotangent.columns());
        context.for_each(dimension(), cotangent.columns(), detail::pull_to_network<real>{space.recorded, inside.data(), space.out.data()});
        pull_head(context, inside, nullptr, space, space.out.data(), nullptr);
        stack_.backward(context, theta, space.layers, {space.out.data()}, {space.inputs.data()}, nullptr);
        view of_xbar = frame_.has_basis() ? fitted(space.out, out_xbar) : out_xbar;
        view of_x_t  = frame_.has_basis() ? fitted(space.out_dot, out_x_t) : out_x_t;
        context.for_each(dimension(), cotangent.columns(),
                         detail::pull_to_states<real>{space.recorded, inside.data(), space.inputs.data(), stack_.inputs(), of_xbar.data(), of_x_t.data()});
        if (frame_.has_basis()) {
            frame_.out_of(of_xbar, out_xbar);
            frame_.out_of(of_x_t, out_x_t);
        }
    }

    /// Rows of the first layer's inputs in dimension d.
    [[nodiscard]] static index_t inputs(index_t d, const diamond_mlp_options& options) {
        require(options.classes >= 0, [&] { return "a network of " + digits_of(options.classes) + " classes: 0 or more are needed"; });
        return 2 * d + detail::network_times * detail::time_features + (options.classes > 0 ? options.classes + 1 : 0);
    }

private:
    static view fitted(scratch<real, context_type>& buffer, const_view like) {
        buffer.resize(like.context(), like.rows(), like.columns());
        return buffer.mutable_view();
    }
    Head resolved(const Head& head) const {
        if constexpr (Head::rows == 1)
            return head.of(dimension());
        else
            return head;
    }
    void pull_head(const context_type& context, const_view cotangent, const real* cotangent_dot, const workspace& space, real* k, real* k_dot) const {
        if constexpr (Head::rows == 1)
            context.for_each(cotangent.columns(), detail::pull_to_head<real>{space.recorded.table, head_, dimension(), outputs(), space.direction.s, space.direction.r,
                                                                            cotangent.data(), cotangent_dot, k, k_dot});
    }
    void finish(const detail::diamond_functor<real>& f, view F, view out, const speeds& direction = {}, real* F_dot = nullptr) const {
        const auto& context = out.context();
        context.for_each(dimension(), out.columns(), detail::mean_velocity<real>{f, F.data()});
        if constexpr (Head::rows == 1) context.for_each(out.columns(), detail::mean_divergence<real>{f, head_, direction.s, direction.r, F.data(), F_dot});
        if (frame_.has_basis()) frame_.out_of(F, out);
    }
    /// The network's inputs, and their tangents.
    detail::diamond_functor<real> prepare(const arguments& at, const labels& label, const speeds* direction, workspace& space, const_view out) const {
        require(at.xbar.rows() == dimension(), [&] { return "the network has dimension " + digits_of(dimension()) + ", the batch has " + digits_of(at.xbar.rows()) + " rows"; });
        require(out.rows() == outputs() && out.columns() == at.xbar.columns(), [&] {
            return "diamond_mlp: " + digits_of(at.xbar.rows()) + " x " + digits_of(at.xbar.columns()) + " against " + digits_of(out.rows()) + " x " + digits_of(out.columns()) +
                   " of " + digits_of(outputs()) + " rows to write";
        });
        require_labels(out.context(), label, out.columns(), classes());
        require_same_shape("diamond_mlp", at.x_t, at.xbar);
        const auto& context = out.context();
        const index_t n = out.columns(), d = dimension(), inputs = stack_.inputs();
        space.times.resize(context, 4, n);
        context.for_each(n, detail::fill_diamond_times<Schedule>{schedule_, at.t, at.s, at.r, space.times.data()});
        const detail::diamond_functor<real> f{frame_.mean(), frame_.variance(), space.times.data(), frame_.into(at.xbar, space.xbar).data(), frame_.into(at.x_t, space.x_t).data(), d, outputs()};
        space.inputs.resize(context, inputs, n);
        if (direction) space.tangents.resize(context, inputs, n);
        context.for_each(d, n, detail::fill_states<real>{f, space.inputs.data(), inputs});
        if (direction) context.for_each(d, n, detail::fill_state_tangents<real>{f, *direction, space.tangents.data(), inputs});
        context.for_each(n, detail::fill_conditions<real>{at.t, space.times.data(), label, direction ? direction->s : 0.0, direction ? direction->r : 0.0,
                                                          space.inputs.data(), direction ? space.tangents.data() : nullptr, 2 * d, inputs});
        return f;
    }

    Schedule schedule_;
    gaussian_frame<Batch> frame_;
    diamond_mlp_options options_;
    Head head_;
    dense_stack<Batch> stack_;
};

/// A network with divergence: velocity and divergence heads on a shared trunk.
template <class Batch, class Schedule>
using diamond_mlp_with_divergence = diamond_mlp<Batch, Schedule, divergence_head>;

} // namespace diamond
