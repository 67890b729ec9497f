/// A preconditioned_network is a Diamond network made of layers that are preconditioned by the data's
/// Gaussian: what the layers are is its first template parameter, and everything else is here.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/core/condition.hpp>
#include <diamond/core/crc32.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/nn/diamond_features.hpp>
#include <diamond/nn/divergence_features.hpp>
#include <diamond/nn/gaussian_frame.hpp>
#include <diamond/nn/layer_graph.hpp>
#include <diamond/nn/mlp.hpp>
#include <diamond/nn/rows.hpp>
#include <diamond/nn/shared_times.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// Lays out the rows that the layers of a preconditioned network read: e and g, d rows each
/// (nn/diamond_features.hpp), the features of the five times, a row for each class and one for no class, and
/// those of a vector and one for no vector.
struct network_rows {
    index_t dimension;       ///< d
    index_t classes = 0;     ///< the number of labels; 0: there are no rows of labels
    index_t vector_size = 0; ///< the numbers of a vector; 0: there are no rows of vectors

    /// Returns the first row behind e and g.
    [[nodiscard]] constexpr index_t first_condition() const { return 2 * dimension; }
    /// Returns how many rows are of times, labels and vectors.
    [[nodiscard]] constexpr index_t conditions() const {
        return detail::network_times * detail::time_features + (classes > 0 ? classes + 1 : 0) +
               (vector_size > 0 ? vector_size + 1 : 0);
    }
    /// Returns the number of all rows. @throws std::invalid_argument for less than 0 classes.
    [[nodiscard]] index_t total() const {
        constexpr index_t most = index_t{1} << 31; // labels are 32-bit integers
        require(classes >= 0 && classes < most, [&] {
            return "a network of " + digits_of(classes) + " classes: 0 to " + digits_of(most - 1) +
                   " are needed";
        });
        return first_condition() + conditions();
    }
};

namespace detail {
/// Returns all that is known of a graph's node but its shapes: the layer, its fields, and what it is made of.
template <class Node>
[[nodiscard]] std::string text_of_node(Node node) { // a copy, since fields may be written
    std::string result;
    std::visit(
        [&](auto& layer) {
            result.append(" ").append(layer.name);
            layer.fields([&](const char*, auto& field) {
                if constexpr (std::is_floating_point_v<std::remove_reference_t<decltype(field)>>)
                    result.append(" ").append(digits_of(field));
                else
                    result.append(" ").append(digits_of(static_cast<index_t>(field)));
            });
        },
        node.layer);
    for (const index_t from : node.from) result.append(" ").append(digits_of(from));
    return result;
}
} // namespace detail

/// A preconditioned_network gives v(xbar, x_t, t, s, r | c) = pm + k e + sqrt(pv) F(e, g, times, c), as
/// nn/diamond_features.hpp says, where F is a Stack: a dense_stack, a layer_graph, or what has their
/// batch_type, inputs, outputs, parameters, recorded_rows, workspace, forward, record and backward, and an
/// `initialise`. It models trainable_network. Its condition c is a label where it has classes, a vector where
/// it was given the frame of one, both, or nothing. With a divergence_head it gives d + 1 rows, v and the
/// mean divergence m (nn/divergence_features.hpp), and models trainable_network_with_divergence. Where F is
/// 0, it is exactly the Diamond map, with its divergence, of the Gaussian N(mean, U diag(variance) U^T). The
/// inner schedule is linear.
///
/// A dense_stack works in the coordinates of the frame, and folds times that all columns share into its first
/// layer. Other layers see pixels: where the frame has a basis U they are given U e and U g, which are as
/// white as e and g, and what they return is turned back into the frame. Cost: one evaluation a column; a
/// tangent is one jvp; with a basis and layers that see pixels 3 d^2 more operations.
template <class Stack, class Schedule, class Head = no_head>
class preconditioned_network {
    static_assert(diagnose_schedule<Schedule>());
    using Batch = typename Stack::batch_type;
    static constexpr bool has_first_layer = requires { typename Stack::first_layer; };

public:
    using batch_type = Batch;
    using real = typename Batch::value_type;
    using context_type = backend_of_t<Batch>;
    using condition_type = label_and_vector<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using arguments = diamond_arguments<Batch>;
    /// The speeds at which its arguments move, for derivatives along a direction.
    using speeds = diamond_speeds<real>;

    /// Holds the working space of a call, and what a recorded call leaves for `backward`.
    struct workspace {
        typename Stack::workspace layers; ///< The workspace that calls of the layers are given.
        /// The rows that the stack reads and writes, and states in the frame's coordinates.
        scratch<real, context_type> inputs, tangents, xbar, x_t, xbar_dot, out, out_dot, value;
        scratch<real, context_type> of_xbar, of_x_t; ///< Cotangents in the frame's coordinates.
        /// e and g in the frame and turned, and the outputs of layers that see them turned.
        scratch<real, context_type> states, states_dot, turned, seen, seen_dot;
        /// The times of each column as features are made of them, 4 x n.
        scratch<double, context_type> times;
        /// The coefficients of a call whose columns share their times, see nn/shared_times.hpp.
        scratch<double, context_type> table;
        scratch<real, context_type> first_bias, first_weights; ///< The first layer of such a call.
        scratch<real, context_type> vector; ///< Vector conditions in their frame's coordinates.
        /// The recorded call's, whose arguments must live until `backward`.
        detail::gaussian_coordinates<real, context_type> recorded{};
        speeds direction{}; ///< of the recorded call
    };

    /// A network that takes as conditions one of so many labels, where there are any, and a vector, where the
    /// frame of one is given: it reads it in the coordinates of that frame and in units of its deviations.
    /// @throws std::invalid_argument where the stack does not read and write what the network does, an option
    /// is out of range, or the schedule or the head are none.
    preconditioned_network(Schedule schedule, gaussian_frame<Batch> frame,
                           std::optional<gaussian_frame<Batch>> of_vectors, index_t classes, Stack stack,
                           Head head = {})
        : schedule_(detail::checked_schedule(std::move(schedule))),
          frame_(std::move(frame)),
          vector_frame_(std::move(of_vectors)),
          classes_(classes),
          head_(resolved(head)),
          stack_(std::move(stack)) {
        const index_t rows = input_rows().total();
        require(stack_.inputs() == rows && stack_.outputs() == outputs(), [&] {
            return "a network of dimension " + digits_of(dimension()) + ", " + digits_of(classes_) +
                   " classes and vectors of " + digits_of(vector_size()) + " numbers has layers from " +
                   digits_of(rows) + " rows to " + digits_of(outputs()) + ", and was given some from " +
                   digits_of(stack_.inputs()) + " to " + digits_of(stack_.outputs());
        });
    }

    [[nodiscard]] index_t dimension() const { return frame_.dimension(); }
    /// Returns the number of rows that it writes: d, or d + 1 with a divergence_head.
    [[nodiscard]] index_t outputs() const { return dimension() + Head::rows; }
    /// The head: no_head, or what gives the mean divergence.
    [[nodiscard]] const Head& head() const { return head_; }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] linear_schedule inner_schedule() const { return {}; }
    /// The frame, in whose coordinates the network works.
    [[nodiscard]] const gaussian_frame<Batch>& frame() const { return frame_; }
    /// Returns the layers from the features to the outputs, without their parameters.
    [[nodiscard]] const Stack& stack() const { return stack_; }
    /// Says how the rows of the layers' input are laid out.
    [[nodiscard]] network_rows input_rows() const {
        return {.dimension = dimension(), .classes = classes_, .vector_size = vector_size()};
    }
    /// The number of labels that it takes, without labels::unconditional; 0: none.
    [[nodiscard]] index_t classes() const { return classes_; }
    /// Returns how many numbers the vectors have that it takes as conditions; 0: it takes none.
    [[nodiscard]] index_t vector_size() const { return vector_frame_ ? vector_frame_->dimension() : 0; }
    /// Returns the frame of these vectors, where it takes any.
    [[nodiscard]] const std::optional<gaussian_frame<Batch>>& vector_frame() const { return vector_frame_; }
    /// Returns how many numbers theta has: the parameters of all layers.
    [[nodiscard]] index_t parameters() const { return stack_.parameters(); }
    /// Names the layers of a graph by their number and a checksum of all that is known of them, by which a
    /// training knows its own states.
    [[nodiscard]] std::string text_of_layers() const
        requires requires(const Stack& stack) { stack.output_nodes(); }
    {
        std::string all;
        for (const auto& node : stack_.nodes()) all.append(detail::text_of_node(node));
        for (const index_t output : stack_.output_nodes()) all.append(" ").append(digits_of(output));
        crc32<0x82f63b78> sum;
        sum.add(std::as_bytes(std::span(all)));
        return "in a graph of " + digits_of(stack_.nodes().size()) + " layers with the checksum " +
               digits_of(sum.value());
    }
    [[nodiscard]] workspace make_workspace(const context_type&, index_t) const { return {}; }
    /// Makes this network one in the coordinates U^T x of its frame, in which training works; its layers see
    /// what they saw. It has the same parameters, and the basis is given up. The context must outlive it.
    void leave_basis(const context_type& context) {
        if (!frame_.has_basis()) return;
        gaussian_frame<Batch> own(context, in_own_coordinates(frame_.numbers()));
        if (!has_first_layer) turned_by_ = std::move(frame_);
        frame_ = std::move(own);
    }
    /// Says whether leave_basis gave up a basis by which the layers see pixels: what the network is, is then
    /// not said by its frame alone.
    [[nodiscard]] bool left_basis() const { return turned_by_.has_value(); }
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

    /// Writes v, or v and m, into out. @throws std::invalid_argument where shapes differ, a label is none of
    /// the network's classes (see require_labels), or vectors are not of its size or not one for each column
    /// or one for all. Cost: one evaluation.
    void operator()(const real* theta, const arguments& at, const condition_type& given, workspace& space,
                    view out) const {
        check(at, given, out);
        const view F = frame_.has_basis() ? fitted(space.out, out) : out;
        if (folds_times(at)) {
            if constexpr (has_first_layer) {
                const auto call = share(theta, at, given, space, out);
                stack_.forward(out.context(), theta, out.columns(), 1, load_inputs(call),
                               store_velocity(call, F), space.layers, call.first);
            }
        } else {
            const auto from = prepare(at, given, nullptr, space, out);
            const view seen = seen_outputs(space.seen, F);
            stack_.forward(out.context(), theta, {space.inputs.data()}, out.columns(), {seen.data()},
                           space.layers);
            turn_in(seen, F);
            finish(from, F);
        }
        if (frame_.has_basis()) frame_.out_of(F, out);
    }
    /// Does what operator() does, and leaves in `space` what one `backward` needs.
    void record(const real* theta, const arguments& at, const condition_type& given, workspace& space,
                view out) const {
        check(at, given, out);
        const auto from = prepare(at, given, nullptr, space, out);
        view F = frame_.has_basis() ? fitted(space.out, out) : out;
        space.recorded = from.gaussian;
        const view seen = seen_outputs(space.seen, F);
        stack_.record(out.context(), theta, {space.inputs.data()}, out.columns(), {seen.data()},
                      space.layers);
        turn_in(seen, F);
        finish(from, F);
        if (frame_.has_basis()) frame_.out_of(F, out);
    }
    /// Writes v into out and its derivative dv/d(xbar, s, r) . direction into out_dot, both with m where the
    /// network has it, and leaves in `space` what one `backward` needs. Cost: one jvp.
    void record(const real* theta, const arguments& at, const condition_type& given, speeds direction,
                workspace& space, view out, view out_dot) const {
        check(at, given, out);
        if (direction.xbar && frame_.has_basis())
            direction.xbar = frame_
                                 .into(const_view(direction.xbar, dimension(), out.columns(), &out.context()),
                                       space.xbar_dot)
                                 .data();
        const auto from = prepare(at, given, &direction, space, out);
        space.recorded = from.gaussian;
        space.direction = direction;
        view F = frame_.has_basis() ? fitted(space.out, out) : out;
        view F_dot = frame_.has_basis() ? fitted(space.out_dot, out) : out_dot;
        const view seen = seen_outputs(space.seen, F), seen_dot = seen_outputs(space.seen_dot, F_dot);
        stack_.record(out.context(), theta, {space.inputs.data(), space.tangents.data()}, out.columns(),
                      {seen.data(), seen_dot.data()}, space.layers);
        turn_in(seen, F);
        turn_in(seen_dot, F_dot);
        finish(from, F, direction, F_dot);
        if (!frame_.has_basis()) return;
        frame_.out_of(F, out);
        frame_.out_of(F_dot, out_dot);
    }
    /// Adds to `gradient` the gradient with respect to theta of sum_ij cotangent v + cotangent_dot v', at the
    /// call that `space` recorded; cotangent_dot is null where no direction was recorded.
    void backward(const real* theta, workspace& space, const_view cotangent, const real* cotangent_dot,
                  real* gradient) const {
        const auto& context = cotangent.context();
        const const_view dot(cotangent_dot, cotangent.rows(), cotangent.columns(), &context);
        const view k = fitted(space.out, cotangent),
                   k_dot = cotangent_dot ? fitted(space.out_dot, cotangent) : nothing<view>;
        pull_velocity(space, frame_.into(cotangent, space.xbar_dot),
                      cotangent_dot ? frame_.into(dot, space.value) : dot, k, k_dot);
        pull_head(cotangent, dot, space, k, k_dot);
        const const_view seen = turn_out(k, space.seen),
                         seen_dot = cotangent_dot ? turn_out(k_dot, space.seen_dot) : nothing<const_view>;
        stack_.backward(context, theta, space.layers, {seen.data(), seen_dot.data()}, {nullptr}, gradient);
    }
    /// Writes dv/d xbar tangent into out, with that of m in its last row where the network has it. Cost: one
    /// jvp.
    void jvp(const real* theta, const arguments& at, const condition_type& given, const_view tangent,
             workspace& space, view out) const {
        require_same_shape("network::jvp", tangent, at.xbar);
        check(at, given, out);
        const auto& context = out.context();
        const const_view xbar_dot = frame_.into(tangent, space.xbar_dot);
        const view F_dot = frame_.has_basis() ? fitted(space.out_dot, out) : out;
        if (folds_times(at)) {
            if constexpr (has_first_layer) {
                const auto call = share(theta, at, given, space, out);
                stack_.forward(context, theta, out.columns(), 2, load_inputs(call, xbar_dot),
                               store_velocity_tangent(call, xbar_dot, F_dot), space.layers, call.first);
            }
        } else {
            const speeds direction{xbar_dot.data(), 0.0, 0.0};
            const auto from = prepare(at, given, &direction, space, out);
            const view F = fitted(space.value, out);
            const view seen = seen_outputs(space.seen, F), seen_dot = seen_outputs(space.seen_dot, F_dot);
            stack_.forward(context, theta, {space.inputs.data(), space.tangents.data()}, out.columns(),
                           {seen.data(), seen_dot.data()}, space.layers);
            turn_in(seen, F);
            turn_in(seen_dot, F_dot);
            finish(from, F, direction, F_dot);
        }
        if (frame_.has_basis()) frame_.out_of(F_dot, out);
    }
    /// Writes cotangent^T dv/d xbar into out_xbar and cotangent^T dv/dx_t into out_x_t, both d x N; where the
    /// network gives m, the cotangent has its row, too. Cost: one vjp.
    void vjp(const real* theta, const arguments& at, const condition_type& given, const_view cotangent,
             workspace& space, view out_xbar, view out_x_t) const {
        require_same_shape("network::vjp", out_xbar, at.xbar);
        require_same_shape("network::vjp", out_x_t, at.xbar);
        const view of_xbar = frame_.has_basis() ? fitted(space.of_xbar, out_xbar) : out_xbar,
                   of_x_t = frame_.has_basis() ? fitted(space.of_x_t, out_x_t) : out_x_t;
        const auto& context = cotangent.context();
        check(at, given, cotangent);
        const const_view inside = frame_.into(cotangent, space.xbar_dot);
        if (folds_times(at)) {
            if constexpr (has_first_layer) {
                const auto call = share(theta, at, given, space, cotangent);
                stack_.record(context, theta, cotangent.columns(), 1, load_inputs(call), no_output,
                              space.layers, call.first);
                stack_.backward(context, theta, space.layers, load_cotangent(call, inside),
                                store_state_cotangents{call, inside, of_xbar, of_x_t}, nullptr);
            }
        } else {
            pull_states(theta, at, given, inside, space, of_xbar, of_x_t);
        }
        if (frame_.has_basis()) {
            frame_.out_of(of_xbar, out_xbar);
            frame_.out_of(of_x_t, out_x_t);
        }
    }

private:
    using rows_of = detail::rows_from<view>;
    using const_rows_of = detail::rows_from<const_view>;
    using vectors = condition_vectors<Batch>;
    using rows_of_vectors = detail::vector_rows<vectors>;
    /// How many numbers of a recorded pass a vector-Jacobian product keeps at most, beside those of one
    /// column.
    static constexpr index_t most_recorded = index_t{1} << 26;
    template <class View>
    static constexpr View nothing{nullptr, 0, 0, nullptr}; ///< stands for a batch that is not there

    /// Holds what the elementwise work reads: the coordinates of x_t, and xbar in the frame.
    struct states {
        detail::gaussian_coordinates<real, context_type> gaussian;
        const_view xbar;
    };

    /// Holds a call whose columns share their times: what its blocks of columns read.
    struct shared_call {
        detail::shared_table<context_type> table;
        typename Stack::first_layer first;
        const_view xbar, x_t;   ///< in the frame
        labels label;           ///< of the columns, where each has its own
        rows_of_vectors vector; ///< of the columns
        index_t label_rows;     ///< of them among the inputs: none where all columns share one
        detail::divergence_row divergence;

        [[nodiscard]] index_t dimension() const { return xbar.rows(); }
        [[nodiscard]] view block(real* numbers, index_t rows, index_t n) const {
            return view(numbers, rows, n, &xbar.context());
        }
        [[nodiscard]] const_view block(const real* numbers, index_t rows, index_t n) const {
            return const_view(numbers, rows, n, &xbar.context());
        }
    };
    /// Returns the rows of the vectors of a call, in their frame's coordinates and units: once for a vector
    /// that all columns share.
    rows_of_vectors vector_of(const condition_type& given, const context_type& context,
                              workspace& space) const {
        if (!vector_frame_) return {};
        vectors inside = given.vector;
        if (!inside.none()) {
            // The vectors may be another context's of the same memory: the work is the call's.
            const auto given_rows = inside.rows();
            const const_view turned = vector_frame_->into(
                const_view(given_rows.data(), given_rows.rows(), given_rows.columns(), &context),
                space.vector);
            space.vector.resize(context, turned.rows(), turned.columns());
            context.for_each(
                turned.rows(), turned.columns(),
                detail::write_in_units<const_view, view>{.from = turned,
                                                         .mean = vector_frame_->mean_on(context),
                                                         .variance = vector_frame_->variance_on(context),
                                                         .to = space.vector}); // in place where the frame
                                                                               // turned them
            inside = inside.with(space.vector.read());
        }
        return {.vector = inside, .size = vector_size()};
    }
    /// Makes the table of coefficients and the first layer of a call whose columns share their times.
    shared_call share(const real* theta, const arguments& at, const condition_type& given, workspace& space,
                      const_view out) const {
        constexpr index_t features = detail::network_times * detail::time_features;
        const auto& context = out.context();
        const index_t d = dimension(), both = 2 * d;
        const noise_level level = level_at(schedule_, at.t.value());
        const double s = at.s.value(), r = at.r.value();
        space.table.resize(context, d, detail::coefficient_columns);
        context.for_each(d, detail::fill_shared_table<context_type>{.level = level,
                                                                    .s = s,
                                                                    .r = r,
                                                                    .mean = frame_.mean_on(context),
                                                                    .variance = frame_.variance_on(context),
                                                                    .to = space.table});
        const dense_layer& layer = stack_.layers().front();
        const const_view weights(theta + layer.offset, layer.outputs, layer.inputs, &context);
        const rows_of_vectors vector = vector_of(given, context, space);
        const index_t first_label = both + features, label_rows = classes() > 0 ? classes() + 1 : 0;
        const labels label = given.label;
        const bool one_label = label.broadcast();
        space.first_bias.resize(context, layer.outputs, 1);
        detail::fold_into_bias<view> fold{
            .weights = weights.columns(both, features),
            .label_weights = label_rows > 0 && one_label
                               ? weights.column(first_label + detail::row_of_label(label[0], label_rows))
                                     .begin()
                               : nullptr,
            .bias = theta + layer.bias(),
            .to = space.first_bias,
            .feature = {}};
        detail::write_time_features<double>(at.t.value(), level, {s, 0.0}, {r, 0.0}, fold.feature, nullptr);
        context.for_each(layer.outputs, fold);
        const real* first_weights = weights.data();
        const index_t of_labels = one_label ? 0 : label_rows, changing = both + of_labels + vector.rows();
        if (changing > both) {
            space.first_weights.resize(context, layer.outputs, changing);
            context.for_each(layer.outputs, changing,
                             detail::pack_weights<const_view, view>{
                                 .weights = weights,
                                 .states = both,
                                 .skip = of_labels > 0 ? features : features + label_rows,
                                 .to = space.first_weights});
            first_weights = space.first_weights.data();
        }
        return {.table = {space.table.read()},
                .first = {first_weights, space.first_bias.data(), changing},
                .xbar = frame_.into(at.xbar, space.xbar),
                .x_t = frame_.into(at.x_t, space.x_t),
                .label = label,
                .vector = vector,
                .label_rows = of_labels,
                .divergence = divergence_at(level, s, r)};
    }
    /// Returns how the row of m is read at these times: the Gaussian's own m is a sum over the coordinates.
    detail::divergence_row divergence_at(noise_level level, double s, double r) const {
        detail::divergence_row result;
        if constexpr (Head::rows == 1) {
            const auto& numbers = frame_.numbers();
            for (std::size_t i = 0; i < numbers.variance.size(); ++i)
                result.constant += detail::gaussian_divergence(
                                       detail::diamond_coordinate<>(level, s, r, 0.0, numbers.variance[i],
                                                                    0.0),
                                       0.0, 0.0)
                                       .value;
            result.scale = head_.sign * head_.divisor *
                           detail::divergence_scale(head_.resolution, s, r, 0.0, 0.0).value;
        }
        return result;
    }
    /// Returns what writes the inputs of a block of columns, and their tangents where xbar moves.
    static auto load_inputs(const shared_call& call, const_view xbar_dot = nothing<const_view>) {
        return [&call, xbar_dot](auto& lane, index_t first, index_t n, real* to) {
            const index_t rows = call.first.inputs, d = call.dimension();
            const view block = call.block(to, rows, n);
            detail::write_rows(lane, d,
                               elementwise<detail::shared_inputs>(call.table, call.xbar.columns(first, n),
                                                                  call.x_t.columns(first, n)),
                               rows_of{block}, rows_of{block, d});
            if (call.label_rows > 0)
                lane.for_each(call.label_rows, n,
                              detail::write_label_rows<view>{.label = call.label,
                                                             .first_column = first,
                                                             .first_row = 2 * d,
                                                             .classes = call.label_rows,
                                                             .to = block});
            if (call.vector.rows() > 0)
                lane.for_each(call.vector.rows(), n,
                              detail::write_vector_rows<view, vectors>{.vector = call.vector,
                                                                       .first_column = first,
                                                                       .first_row = 2 * d + call.label_rows,
                                                                       .to = block});
            if (!xbar_dot.data()) return;
            const view tangents = call.block(to + rows * Stack::padded(n), rows, n);
            detail::write_rows(
                lane, d, elementwise<detail::shared_input_tangents>(call.table, xbar_dot.columns(first, n)),
                rows_of{tangents}, rows_of{tangents, d});
            if (rows > 2 * d)
                detail::write_rows(lane, rows - 2 * d, constant_number{0.0}, rows_of{tangents, 2 * d});
        };
    }
    /// Returns what writes v, and m, of a block of columns into `out`.
    static auto store_velocity(const shared_call& call, view out) {
        return [&call, out](auto& lane, const real* from, index_t first, index_t n) {
            const const_view F = call.block(from, out.rows(), n);
            const view to = out.columns(first, n);
            detail::write_rows(lane, call.dimension(),
                               elementwise<detail::shared_velocity>(call.table, call.xbar.columns(first, n),
                                                                    call.x_t.columns(first, n),
                                                                    const_rows_of{F}),
                               rows_of{to});
            if constexpr (Head::rows == 1)
                detail::write_rows(lane, 1,
                                   call.divergence.constant +
                                       call.divergence.scale * const_rows_of{F, call.dimension()},
                                   rows_of{to, call.dimension()});
        };
    }
    /// Returns what writes the derivatives of v, and of m, of a block of columns into `out`.
    static auto store_velocity_tangent(const shared_call& call, const_view xbar_dot, view out) {
        return [&call, xbar_dot, out](auto& lane, const real* from, index_t first, index_t n) {
            const index_t rows = out.rows();
            const const_view F_dot = call.block(from + rows * Stack::padded(n), rows, n);
            const view to = out.columns(first, n);
            detail::write_rows(lane, call.dimension(),
                               elementwise<detail::shared_velocity_tangent>(
                                   call.table, xbar_dot.columns(first, n), const_rows_of{F_dot}),
                               rows_of{to});
            if constexpr (Head::rows == 1)
                detail::write_rows(lane, 1, call.divergence.scale * const_rows_of{F_dot, call.dimension()},
                                   rows_of{to, call.dimension()});
        };
    }
    /// Returns what writes the cotangents of the network's outputs of a block of columns.
    static auto load_cotangent(const shared_call& call, const_view cotangent) {
        return [&call, cotangent](auto& lane, index_t first, index_t n, real* to) {
            const view block = call.block(to, cotangent.rows(), n);
            const const_view from = cotangent.columns(first, n);
            detail::write_rows(lane, call.dimension(),
                               elementwise<detail::shared_cotangent>(call.table, const_rows_of{from}),
                               rows_of{block});
            if constexpr (Head::rows == 1)
                detail::write_rows(lane, 1, call.divergence.scale * const_rows_of{from, call.dimension()},
                                   rows_of{block, call.dimension()});
        };
    }
    /// Writes the cotangents of xbar and x_t of a block of columns, given those of v and of the inputs.
    struct store_state_cotangents {
        static constexpr bool takes_any = true;
        const shared_call& call;
        const_view cotangent;
        view of_xbar, of_x_t;
        template <class Lane>
        void operator()(Lane& lane, const real* from, index_t first, index_t n) const {
            const const_view inputs = call.block(from, call.first.inputs, n);
            const view to_xbar = of_xbar.columns(first, n), to_x_t = of_x_t.columns(first, n);
            detail::write_rows(lane, call.dimension(),
                               elementwise<detail::shared_state_cotangents>(
                                   call.table, const_rows_of{cotangent.columns(first, n)},
                                   const_rows_of{inputs}, const_rows_of{inputs, call.dimension()}),
                               rows_of{to_xbar}, rows_of{to_x_t});
        }
    };
    static constexpr auto no_output = [](auto&, const real*, index_t, index_t) {};

    /// Says whether a call folds its times into the first layer, as it does where its columns share them and
    /// the stack can.
    static bool folds_times(const arguments& at) {
        if constexpr (has_first_layer)
            return detail::shares_times(at);
        else
            return false;
    }
    /// Writes the cotangents of xbar and x_t in the frame, given that of the outputs there, where columns
    /// have their own times. A recorded pass keeps all states of its columns, which are therefore taken in
    /// pieces.
    void pull_states(const real* theta, const arguments& at, const condition_type& given, const_view inside,
                     workspace& space, view of_xbar, view of_x_t) const {
        const auto& context = inside.context();
        const auto from = prepare(at, given, nullptr, space, inside);
        space.recorded = from.gaussian;
        const view k = fitted(space.out_dot, inside), F = fitted(space.value, inside), inputs = space.inputs;
        pull_velocity(space, inside, nothing<const_view>, k, nothing<view>);
        pull_head(inside, nothing<const_view>, space, k, nothing<view>);
        const const_view seen = turn_out(k, space.seen);
        const index_t piece = std::max<index_t>(most_recorded / stack_.recorded_rows(), 1);
        for (index_t first = 0; first < inside.columns(); first += piece) {
            const index_t n = std::min(piece, inside.columns() - first);
            real* const rows = inputs.columns(first, n).data();
            stack_.record(context, theta, {rows}, n, {F.columns(first, n).data()}, space.layers);
            stack_.backward(context, theta, space.layers, {seen.columns(first, n).data()}, {rows}, nullptr);
        }
        context.for_each(dimension(), inside.columns(),
                         detail::packed{detail::write_state_cotangents<const_view, view>{
                             .gaussian = space.recorded,
                             .v = inside,
                             .inputs = turned_cotangents(space),
                             .xbar = of_xbar,
                             .x_t = of_x_t}});
    }

    static view fitted(scratch<real, context_type>& buffer, const_view like) {
        return fitted(buffer, like.rows(), like);
    }
    static view fitted(scratch<real, context_type>& buffer, index_t rows, const_view like) {
        buffer.resize(like.context(), rows, like.columns());
        return buffer.mutable_view();
    }
    /// Returns the frame whose basis turns the frame's coordinates into what the layers see; null where they
    /// see the coordinates.
    const gaussian_frame<Batch>* turning() const {
        if (has_first_layer) return nullptr;
        return turned_by_ ? &*turned_by_ : frame_.has_basis() ? &frame_ : nullptr;
    }
    /// Returns where the layers write their outputs: F itself, or a place of which it is made.
    view seen_outputs(scratch<real, context_type>& buffer, view F) const {
        return turning() ? fitted(buffer, F) : F;
    }
    /// Brings the layers' outputs into the frame.
    void turn_in(const_view seen, view F) const {
        if (const auto* const turn = turning()) turn->into(seen, F);
    }
    /// Returns cotangents of F as those of the layers' outputs.
    const_view turn_out(view k, scratch<real, context_type>& buffer) const {
        const auto* const turn = turning();
        if (!turn) return k;
        const view to = fitted(buffer, k);
        turn->out_of(k, to);
        return to;
    }
    /// Returns e and g of all columns, 2 d rows, as columns of d rows.
    static view as_states(view both) {
        return {both.data(), both.rows() / 2, 2 * both.columns(), &both.context()};
    }
    /// Writes e and g, which are in the frame, as the layers see them.
    static void write_turned(const gaussian_frame<Batch>& turn, view framed, workspace& space, view inputs) {
        const view to = fitted(space.turned, framed);
        turn.out_of(as_states(framed), as_states(to));
        detail::assign_rows(inputs, 0, framed.rows(), const_view(to));
    }
    /// Returns the cotangents of e and g in the frame, given those of the layers' inputs.
    const_view turned_cotangents(workspace& space) const {
        const auto* const turn = turning();
        if (!turn) return space.inputs.read();
        const view inputs = space.inputs, framed = fitted(space.states, 2 * dimension(), inputs),
                   seen = fitted(space.turned, framed);
        detail::assign_rows(seen, 0, framed.rows(), const_view(inputs));
        turn->into(as_states(seen), as_states(framed));
        return framed;
    }
    Head resolved(const Head& head) const {
        if constexpr (Head::rows == 1)
            return head.of(dimension());
        else
            return head;
    }
    void pull_velocity(const workspace& space, const_view cotangent, const_view cotangent_dot, view k,
                       view k_dot) const {
        k.context().for_each(
            dimension(), k.columns(),
            detail::packed{detail::write_network_cotangents<const_view, view>{
                .gaussian = space.recorded, .v = cotangent, .v_dot = cotangent_dot, .F = k, .F_dot = k_dot}});
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
    /// Replaces the stack's output F by v, and m, in the frame; and F_dot, where that has memory, by v' and
    /// m'.
    void finish(const states& from, view F, const speeds& direction = {}, view F_dot = nothing<view>) const {
        F.context().for_each(
            dimension(), F.columns(),
            detail::packed{detail::write_velocity<const_view, view>{
                .gaussian = from.gaussian, .xbar = from.xbar, .speeds = direction, .F = F, .F_dot = F_dot}});
        if constexpr (Head::rows == 1)
            F.context().for_each(F.columns(), detail::mean_divergence<view>{.gaussian = from.gaussian,
                                                                            .head = head_,
                                                                            .s_dot = direction.s,
                                                                            .r_dot = direction.r,
                                                                            .F = F,
                                                                            .F_dot = F_dot});
    }
    /// @throws std::invalid_argument where shapes differ, or the condition is none of the network's.
    void check(const arguments& at, const condition_type& given, const_view out) const {
        require(at.xbar.rows() == dimension(), [&] {
            return "the network has dimension " + digits_of(dimension()) + ", the batch has " +
                   digits_of(at.xbar.rows()) + " rows";
        });
        require(out.rows() == outputs() && out.columns() == at.xbar.columns(), [&] {
            return "a network: " + digits_of(at.xbar.rows()) + " x " + digits_of(at.xbar.columns()) +
                   " against " + digits_of(out.rows()) + " x " + digits_of(out.columns()) + " of " +
                   digits_of(outputs()) + " rows to write";
        });
        require_labels(out.context(), given.label, out.columns(), classes());
        require_vectors(given.vector, out.columns(), vector_size());
        require_same_shape("a network", at.x_t, at.xbar);
    }
    /// Writes the network's inputs and, where there is a direction, their tangents.
    states prepare(const arguments& at, const condition_type& given, const speeds* direction,
                   workspace& space, const_view out) const {
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
        // In the frame, where the layers see what is turned, or at once where they read it.
        const auto* const turn = turning();
        const view framed = turn ? fitted(space.states, 2 * d, inputs) : inputs,
                   framed_dot = turn && direction ? fitted(space.states_dot, 2 * d, inputs) : tangents;
        context.for_each(d, n,
                         detail::packed{detail::write_state_inputs<const_view, view>{
                             .gaussian = from.gaussian,
                             .xbar = from.xbar,
                             .speeds = direction ? *direction : speeds{},
                             .inputs = framed,
                             .tangents = framed_dot}});
        if (turn) {
            write_turned(*turn, framed, space, inputs);
            if (direction) write_turned(*turn, framed_dot, space, tangents);
        }
        context.for_each(n, detail::fill_conditions<view, vectors>{.t = at.t,
                                                                   .times = from.gaussian.times,
                                                                   .label = given.label,
                                                                   .vector = vector_of(given, context, space),
                                                                   .s_dot = direction ? direction->s : 0.0,
                                                                   .r_dot = direction ? direction->r : 0.0,
                                                                   .inputs = inputs,
                                                                   .tangents = tangents,
                                                                   .first = 2 * d});
        return from;
    }

    Schedule schedule_;
    gaussian_frame<Batch> frame_;
    std::optional<gaussian_frame<Batch>> turned_by_; ///< see turning(); none: frame_, where it has a basis
    std::optional<gaussian_frame<Batch>> vector_frame_;
    index_t classes_;
    Head head_;
    Stack stack_;
};

} // namespace diamond
