/// What the losses ask for of a velocity: of the data, of a teacher, or of the network's own moving average; and its divergence.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <diamond/train/divergence_target.hpp>
#include <diamond/train/flow_map_losses.hpp>
#include <diamond/train/teacher.hpp>

namespace diamond::detail {

/// A teacher of divergences: teacher.divergence(arguments, condition, stream, double* out), and Teacher::random says whether it draws them.
template <class Teacher, class Network>
concept knows_divergence =
    requires(Teacher& teacher, const diamond_arguments<typename Network::batch_type>& at, const condition_of_t<Network>& c, noise_stream stream,
             double* out) {
        teacher.divergence(at, c, stream, out);
        { Teacher::random } -> std::convertible_to<bool>;
    };
template <class Trace>
inline constexpr bool by_head = requires { Trace::off_diagonal_by_head; };

/// Writes ubar, and for a network with divergence div ubar behind it, at states of the diagonal s = r.
template <class Network, class Teacher, class Trace>
class loss_targets {
public:
    using batch_type = typename Network::batch_type;
    using real       = typename batch_type::value_type;
    using condition  = condition_of_t<Network>;
    using arguments  = diamond_arguments<batch_type>;

    static constexpr bool has_teacher = !std::is_same_v<Teacher, no_teacher>;
    static constexpr bool has_divergence    = trainable_network_with_divergence<Network>;

    static_assert(!has_divergence || !says_random<Teacher> || knows_divergence<Teacher, Network>,
                  "a teacher of networks with divergence that says `random` needs divergence(arguments, condition, stream, double* out)");

    loss_targets(Teacher teacher, Trace trace) : teacher_(std::move(teacher)), trace_(std::move(trace)) {}

    /// Of the diagonal loss; z - eps' where there is no teacher.
    void diagonal(const Network& network, const real* average, const arguments& at, const condition& c, const real* random_velocity, noise_stream stream,
                  typename Network::workspace& space, view_t<batch_type> out) {
        if constexpr (has_teacher)
            teach(at, c, out);
        else
            put(random_velocity, at.xbar.rows(), out);
        if constexpr (has_divergence) put_divergence(network, average, at, c, stream, space, out);
    }
    /// Of a loss off the diagonal.
    void off_diagonal(const Network& network, const real* average, const arguments& at, const condition& c, noise_stream stream, typename Network::workspace& space,
                      view_t<batch_type> out) {
        if constexpr (!has_teacher || by_head<Trace>) network(average, at, c, space, out);
        if constexpr (has_teacher) teach(at, c, out);
        if constexpr (has_divergence && !by_head<Trace>) put_divergence(network, average, at, c, stream, space, out);
    }
    [[nodiscard]] bool random_divergence(index_t d, bool diagonal) const {
        if (!diagonal && by_head<Trace>) return false;
        if constexpr (knows_divergence<Teacher, Network>)
            return Teacher::random;
        else
            return trace_.random(d);
    }

private:
    static void put(const real* velocity, index_t d, view_t<batch_type> out) {
        out.context().for_each(d, out.columns(), copy_rows<real>{velocity, d, out.data(), out.rows()});
    }
    void teach(const arguments& at, const condition& c, view_t<batch_type> out) {
        if constexpr (has_divergence) {
            direction_.resize(out.context(), at.xbar.rows(), out.columns());
            teacher_(at, c, direction_.mutable_view());
            put(direction_.data(), at.xbar.rows(), out);
        } else {
            teacher_(at, c, out);
        }
    }
    void put_divergence(const Network& network, const real* average, const arguments& at, const condition& c, noise_stream stream, typename Network::workspace& space,
                        view_t<batch_type> out) {
        const auto& context = out.context();
        const index_t d = at.xbar.rows(), n = at.xbar.columns();
        if constexpr (knows_divergence<Teacher, Network>) {
            rate_.resize(context, 1, n);
            teacher_.divergence(at, c, stream, rate_.data());
            context.for_each(n, put_last_row<real>{rate_.data(), d, out.data()});
        } else {
            direction_.resize(context, d, n);
            product_.resize(context, d + 1, n);
            for (index_t k = 0; k < trace_.products(d); ++k) {
                trace_.direction(context, stream, k, d, n, direction_.data());
                network.jvp(average, at, c, direction_.read(), space, product_.mutable_view());
                context.for_each(n, add_trace_term<real>{direction_.data(), product_.data(), d, d + 1, trace_.share(d), k == 0, out.data()});
            }
        }
    }

    Teacher teacher_;
    Trace trace_;
    scratch<real, backend_of_t<batch_type>> direction_, product_;
    scratch<double, backend_of_t<batch_type>> rate_;
};

} // namespace diamond::detail
