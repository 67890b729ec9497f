/// The losses off the diagonal and their targets. Each is an exact characterisation of a flow map, zero at
/// the map itself. See (eq. lagrangian-loss) to (eq. semigroup-loss); sg denotes a value held fixed, without
/// a gradient.
///
///   Lagrangian  d_r X_{s,r} = ubar_r(X_{s,r})                                      [FM], [DM]
///               |v + (r - s) d_r v - sg ubar_r(sg X_{s,r})|^2
///   Eulerian    v = ubar_s + (r - s)(d_s v + (grad v) ubar_s)                      [FM]
///               |v - sg(right side)|^2
///   MeanFlow    the Eulerian loss with z - eps', whose mean is ubar_s, for ubar_s  [MF]
///   semigroup   X_{s,r} = X_{k,r} o X_{s,k}                                        [FM]
///               |v - sg [(k - s) v_{s,k} + (r - k) v_{k,r}(X_{s,k})]/(r - s)|^2
/// ubar is the teacher's, or without a teacher the diagonal of the network's moving average.
///
/// The v of a network with divergence has a last row m, and ubar has div ubar there: (x, log p) flows with
/// (ubar, -div ubar), so that the same equations hold for these rows:
///   Lagrangian  m + (r - s) d_r m = div ubar_r(X_{s,r})
///   Eulerian    m = div ubar_s + (r - s)(d_s m + (grad m) ubar_s)
///   semigroup   m is the length-weighted mean of the m of the two parts [F2]
/// LSD-F2D2 is lagrangian_loss with a network with divergence, MeanFlow-F2D2 mean_flow_loss, Shortcut-F2D2
/// semigroup_loss{.midpoint = true}, and Shortcut-Distill-F2D2 that with a flow_teacher.
#pragma once

#include <concepts>
#include <string>
#include <type_traits>
#include <utility>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/nn/rows.hpp>
#include <diamond/random/philox.hpp>
#include <diamond/train/teacher.hpp>

namespace diamond {

/// The parameters that a target is made with, without a gradient: the moving average's or the student's own.
enum class held_fixed { average, student };
/// Says whether the Lagrangian loss's gradient follows d_r m of a network with divergence, as the loss is
/// defined, or stops there, as in the code of [F2].
enum class tangent_gradient { followed, stopped };

namespace detail {
[[nodiscard]] inline std::string text_of(held_fixed who) {
    return who == held_fixed::average ? "the average" : "the student";
}

/// The uniform number of each column that a stream has at `block`, as an operand of expressions.
struct uniform_of_column {
    using is_expression = void;
    noise_stream stream;
    index_t block;
    extents shape() const { return {}; }
    DIAMOND_HD double operator()(index_t j) const { return stream.uniform(j, block); }
    DIAMOND_HD double operator()(index_t, index_t j) const { return stream.uniform(j, block); }
};

/// The mean of the velocities over [s, k] and [k, r], weighted by the lengths; their plain mean where r = s.
DIAMOND_HD constexpr double length_weighted_mean(double s, double k, double r, double first, double second) {
    const double share = r == s ? 0.5 : (k - s) / (r - s);
    return share * first + (1.0 - share) * second;
}
} // namespace detail

/// What a loss reads: the states of a batch, and the networks that its target may be made with.
///
/// `velocity(diamond_arguments, condition, out)` writes ubar at states of the diagonal s = r, with div ubar
/// behind it for networks with divergence.
template <class Network, class Velocity>
struct loss_input {
    using batch_type = typename Network::batch_type;
    using real = typename batch_type::value_type;

    const Network& network; ///< The network that is trained, a function of theta.
    /// The student's parameters theta, p numbers in the back end's memory.
    const real *theta, *average; ///< The moving average of theta, p numbers, likewise.
    Velocity& velocity;          ///< Writes ubar, and div ubar for a network with divergence.
    /// The states xbar and x_t, d x n, and the times t, s and r of each column.
    const diamond_arguments<batch_type>& at;
    const condition_of_t<Network>& condition; ///< The condition of each of the n columns.
    const_view_t<batch_type> data_velocity;   ///< z - eps', d x n, whose mean given xbar and x_t is ubar.
    noise_stream uniforms; ///< for what a loss draws; numbers 0 to 6 of each column have been used

    /// Returns theta for the student and its moving average for the average.
    [[nodiscard]] const real* parameters_of(held_fixed who) const {
        return who == held_fixed::average ? average : theta;
    }
};

/// What a loss writes: v as it was recorded, its derivative v', and the target. The batches of outputs have
/// as many rows as the network gives, d or d + 1.
template <class Network>
struct loss_workspace {
    using batch_type = typename Network::batch_type;
    using context_type = backend_of_t<batch_type>;
    using real = typename batch_type::value_type;

    typename Network::workspace recorded;         ///< What recording v leaves for the backward pass.
    typename Network::workspace other;            ///< The workspace of all other evaluations.
    scratch<real, context_type> v, v_dot, target; ///< v, v' and the target, outputs x n
    scratch<real, context_type> buffer;           ///< one more batch of outputs, outputs x n
    scratch<real, context_type> state;            ///< states that the target moves, d x n
    scratch<double, context_type> time;           ///< times that the loss chooses, 1 x n

    /// Resizes the buffers for so many columns.
    void resize(const context_type& context, const Network& network, index_t columns) {
        for (auto* outputs : {&v, &v_dot, &target, &buffer})
            outputs->resize(context, detail::outputs_of(network), columns);
        state.resize(context, network.dimension(), columns);
    }
    /// Returns the first d rows of the target, d x n: a direction to move states along.
    [[nodiscard]] const real* direction() {
        if (state.rows() == target.rows()) return target.data();
        detail::assign_rows(state.mutable_view(), 0, state.rows(), target);
        return state.data();
    }
};

namespace detail {
/// Stands for any `velocity` of loss_input where a loss is checked.
template <class Network>
struct any_velocity {
    void operator()(const diamond_arguments<typename Network::batch_type>&, const condition_of_t<Network>&,
                    view_t<typename Network::batch_type>) const {}
};
} // namespace detail

/// Flow-map loss: a policy of diamond_trainer that gives the loss off the diagonal.
///
/// A type L models `flow_map_loss` of a network N if
///   1. loss(loss_input, loss_workspace&), const, records v at input.at, writes the target, and returns a
///      bool: true if it also recorded v', and the error is v + (r - s) v' - target; else the error is v
///      - target;
///   2. L::random_target, static constexpr bool, says whether the target of v is random, with the right
///      mean.
/// L may have check() const, which throws std::invalid_argument for members out of range, and text() const,
/// which names it in the identity of a training. It may have a member divergence_tangent, as lagrangian_loss
/// has. Models: lagrangian_loss, eulerian_loss, mean_flow_loss, semigroup_loss.
template <class L, class N>
concept flow_map_loss = std::copy_constructible<L> &&
                        requires(const L& loss, const loss_input<N, detail::any_velocity<N>>& input,
                                 loss_workspace<N>& space) {
                            { L::random_target } -> std::convertible_to<bool>;
                            { loss(input, space) } -> std::convertible_to<bool>;
                        };

/// The Lagrangian loss. Cost for each column: a forward and a backward pass of value and tangent, and one
/// evaluation of ubar.
struct lagrangian_loss {
    static constexpr bool random_target = false;
    /// Whether the gradient follows the tangent of the divergence, too.
    tangent_gradient divergence_tangent = tangent_gradient::followed;
    [[nodiscard]] std::string text() const {
        return divergence_tangent == tangent_gradient::followed ? "lagrangian_loss"
                                                                : "lagrangian_loss with a stopped tangent";
    }
    template <class Network, class Velocity>
    bool operator()(const loss_input<Network, Velocity>& l, loss_workspace<Network>& space) const {
        const auto& at = l.at;
        const auto v = space.v.mutable_view(), state = space.state.mutable_view();
        l.network.record(l.theta, at, l.condition, {nullptr, 0.0, 1.0}, space.recorded, v,
                         space.v_dot.mutable_view());
        detail::assign_rows(state, 0, state.rows(), at.xbar + (at.r - at.s) * v);
        l.velocity({state, at.x_t, at.t, at.r, at.r}, l.condition, space.target.mutable_view());
        return true;
    }
};

namespace detail {
/// Moves along the velocity in space.target: target += (r - s) v', v' the derivative of v as xbar and s move
/// with it. Then records v. Both are what the Eulerian and the MeanFlow loss have in common.
template <class Input, class Space>
void record_eulerian(const Input& l, held_fixed who, Space& space) {
    const auto& at = l.at;
    const auto v_dot = space.v_dot.mutable_view(), target = space.target.mutable_view();
    l.network.record(l.parameters_of(who), at, l.condition, {space.direction(), 1.0, 0.0}, space.other,
                     space.buffer.mutable_view(), v_dot);
    assign(target, target + (at.r - at.s) * v_dot);
    l.network.record(l.theta, at, l.condition, space.recorded, space.v.mutable_view());
}
} // namespace detail

/// The Eulerian loss. Cost for each column: a forward and a backward pass, a forward pass of value and
/// tangent, and one evaluation of ubar.
struct eulerian_loss {
    static constexpr bool random_target = false;
    held_fixed fixed = held_fixed::student; ///< Whether the target is made by the student or by its average.
    [[nodiscard]] std::string text() const { return "eulerian_loss of " + detail::text_of(fixed); }
    template <class Network, class Velocity>
    bool operator()(const loss_input<Network, Velocity>& l, loss_workspace<Network>& space) const {
        const auto& at = l.at;
        l.velocity({at.xbar, at.x_t, at.t, at.s, at.s}, l.condition, space.target.mutable_view());
        detail::record_eulerian(l, fixed, space);
        return false;
    }
};

/// The MeanFlow loss. It asks neither a teacher nor the average, except for the divergence, which the data do
/// not show. Cost for each column: a forward and a backward pass, and a forward pass of value and tangent.
struct mean_flow_loss {
    static constexpr bool random_target = true;
    [[nodiscard]] static std::string text() { return "mean_flow_loss"; }
    template <class Network, class Velocity>
    bool operator()(const loss_input<Network, Velocity>& l, loss_workspace<Network>& space) const {
        const auto& at = l.at;
        const auto target = space.target.mutable_view();
        const index_t d = space.state.rows();
        if (target.rows() > d) l.velocity({at.xbar, at.x_t, at.t, at.s, at.s}, l.condition, target);
        detail::assign_rows(target, 0, d, l.data_velocity);
        detail::record_eulerian(l, held_fixed::student, space);
        return false;
    }
};

/// The semigroup loss, with k uniform between s and r, or their midpoint: the shortcut. Cost for each column:
/// a forward and a backward pass, and two evaluations.
struct semigroup_loss {
    static constexpr bool random_target = false;
    bool midpoint = false; ///< Whether k is the middle of s and r, and not uniform between them.
    held_fixed fixed = held_fixed::average; ///< Whether the target is made by the student or by its average.
    [[nodiscard]] std::string text() const {
        return (midpoint ? "semigroup_loss by midpoints of " : "semigroup_loss of ") + detail::text_of(fixed);
    }
    template <class Network, class Velocity>
    bool operator()(const loss_input<Network, Velocity>& l, loss_workspace<Network>& space) const {
        const auto& at = l.at;
        const auto& context = space.v.context();
        space.time.resize(context, 1, space.v.columns());
        if (midpoint)
            assign(row(space.time), at.s + 0.5 * (at.r - at.s));
        else
            assign(row(space.time),
                   at.s + detail::uniform_of_column{.stream = l.uniforms, .block = 7} * (at.r - at.s));
        const time_view k(static_cast<const double*>(space.time.data()));
        const auto first = space.v_dot.mutable_view(), second = space.target.mutable_view();
        const auto state = space.state.mutable_view();
        const auto* const parameters = l.parameters_of(fixed);
        l.network(parameters, {at.xbar, at.x_t, at.t, at.s, k}, l.condition, space.other, first);
        detail::assign_rows(state, 0, state.rows(), at.xbar + (k - at.s) * first);
        l.network(parameters, {state, at.x_t, at.t, k, at.r}, l.condition, space.other, second);
        assign(second, elementwise<detail::length_weighted_mean>(at.s, k, at.r, first, second));
        l.network.record(l.theta, at, l.condition, space.recorded, space.v.mutable_view());
        return false;
    }
};

namespace detail {
/// A network with parameters and a workspace: a function of arguments and condition.
template <class Network>
struct network_with_parameters {
    using batch_type = typename Network::batch_type;
    const Network& network;
    const typename batch_type::value_type* parameters;
    typename Network::workspace& workspace;
    void operator()(const diamond_arguments<batch_type>& at, const condition_of_t<Network>& c,
                    view_t<batch_type> out) const {
        network(parameters, at, c, workspace, out);
    }
    void jvp(const diamond_arguments<batch_type>& at, const condition_of_t<Network>& c,
             const_view_t<batch_type> tangent, view_t<batch_type> out) const {
        network.jvp(parameters, at, c, tangent, workspace, out);
    }
};
/// trace = share a . b for each column, or trace += share a . b, where trace is the last row of `out`, d + 1
/// rows.
template <class Batch>
struct add_trace_term {
    const_view_t<Batch> direction, product; ///< a, d x n, and b, the first d rows of d + 1
    double share;
    bool first; ///< the term begins the sum
    view_t<Batch> out;
    DIAMOND_HD void operator()(index_t j) const {
        const index_t d = direction.rows();
        double sum = 0.0;
        for (index_t i = 0; i < d; ++i)
            sum += static_cast<double>(direction(i, j)) * static_cast<double>(product(i, j));
        auto& trace = out(d, j);
        trace = static_cast<typename Batch::value_type>((first ? 0.0 : static_cast<double>(trace)) +
                                                        share * sum);
    }
};
template <class Trace>
inline constexpr bool by_head = requires { Trace::off_diagonal_by_head; };

/// Writes the targets ubar at states of the diagonal s = r, and div ubar behind them for a network with
/// divergence: from the data, from a teacher, or from the moving average.
template <class Network, class Teacher, class Trace>
class loss_targets {
public:
    using batch_type = typename Network::batch_type;
    using real = typename batch_type::value_type;
    using condition = condition_of_t<Network>;
    using arguments = diamond_arguments<batch_type>;
    using average_type = network_with_parameters<Network>;

    static constexpr bool has_teacher = !std::is_same_v<Teacher, no_teacher>;
    static constexpr bool has_divergence = trainable_network_with_divergence<Network>;

    static_assert(!has_divergence || !says_random<Teacher> || teaches_divergence<Teacher, Network>,
                  "a teacher of networks with divergence that says `random` needs divergence(arguments, "
                  "condition, stream, row out)");

    loss_targets(Teacher teacher, Trace trace) : teacher_(std::move(teacher)), trace_(std::move(trace)) {}

    /// Writes the target of the diagonal loss: z - eps' if there is no teacher.
    void diagonal(const average_type& average, const arguments& at, const condition& c,
                  const_view_t<batch_type> data_velocity, noise_stream stream, view_t<batch_type> out) {
        if constexpr (has_teacher)
            teach(at, c, out);
        else
            assign_rows(out, 0, data_velocity.rows(), data_velocity);
        if constexpr (has_divergence) write_divergence(average, at, c, stream, out);
    }
    /// Writes what a loss off the diagonal asks for: the average's own velocity if there is no teacher.
    void off_diagonal(const average_type& average, const arguments& at, const condition& c,
                      noise_stream stream, view_t<batch_type> out) {
        if constexpr (!has_teacher || by_head<Trace>) average(at, c, out);
        if constexpr (has_teacher) teach(at, c, out);
        if constexpr (has_divergence && !by_head<Trace>) write_divergence(average, at, c, stream, out);
    }
    /// Says whether the target div ubar is random in dimension d.
    [[nodiscard]] bool random_divergence(index_t d, bool diagonal) const {
        if (!diagonal && by_head<Trace>) return false;
        if constexpr (teaches_divergence<Teacher, Network>)
            return Teacher::random;
        else
            return trace_.random(d);
    }

private:
    void teach(const arguments& at, const condition& c, view_t<batch_type> out) {
        if constexpr (has_divergence) {
            direction_.resize(out.context(), at.xbar.rows(), out.columns());
            teacher_(at, c, direction_.mutable_view());
            assign_rows(out, 0, direction_.rows(), direction_);
        } else {
            teacher_(at, c, out);
        }
    }
    void write_divergence(const average_type& average, const arguments& at, const condition& c,
                          noise_stream stream, view_t<batch_type> out) {
        const auto& context = out.context();
        const index_t d = at.xbar.rows(), n = at.xbar.columns();
        if constexpr (teaches_divergence<Teacher, Network>) {
            divergence_.resize(context, 1, n);
            teacher_.divergence(at, c, stream, row(divergence_));
            assign_rows(out, d, 1, divergence_);
        } else {
            direction_.resize(context, d, n);
            product_.resize(context, d + 1, n);
            for (index_t k = 0; k < trace_.products(d); ++k) {
                trace_.direction(stream, k, direction_.mutable_view());
                average.jvp(at, c, direction_.read(), product_.mutable_view());
                context.for_each(n, add_trace_term<batch_type>{.direction = direction_.read(),
                                                               .product = product_.read(),
                                                               .share = trace_.share(d),
                                                               .first = k == 0,
                                                               .out = out});
            }
        }
    }

    Teacher teacher_;
    Trace trace_;
    scratch<real, backend_of_t<batch_type>> direction_, product_;
    scratch<double, backend_of_t<batch_type>> divergence_;
};
} // namespace detail

} // namespace diamond
