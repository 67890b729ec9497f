/// A TorchScript module as a Diamond network.
#pragma once

#include <array>
#include <memory>
#include <utility>

#include <diamond/concepts/diamond_network.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/torch/function.hpp>

namespace diamond {

/// A TorchScript module as a Diamond network, the mean velocity v(xbar, x_t, t, s, r | c), differentiable by
/// autograd.
///
/// The module's forward(xbar, x_t, t, s, r[, labels][, vectors]) is given xbar and x_t as (N, d) tensors, the
/// three times as (N) numbers in [0, 1] of the same type, and the condition as torch_network says; it returns
/// v, (N, d). X_{s,r}(xbar | x_t, t) = xbar + (r - s) v. A flow map of two times is one that does not look at
/// x_t and t (network_flow_map).
///
/// libtorch works with as many threads as the batch's context. Cost of a call: one evaluation; of vjp: an
/// evaluation and a reverse pass; of jvp: an evaluation and two reverse passes, the second of the first.
template <class Batch, class Schedule = linear_schedule, class Inner = linear_schedule,
          class Condition = no_condition>
class torch_diamond_network {
    static_assert(diagnose_schedule<Schedule>() && diagnose_schedule<Inner>());

public:
    using batch_type = Batch;
    using condition_type = Condition;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using arguments = diamond_arguments<Batch>;
    /// A call works in libtorch's own memory.
    struct workspace_type {};

    /// Takes a file, by its name, or a torch::jit::Module, with the schedules that it was trained with, and
    /// calls it with a few columns. @throws std::invalid_argument as the constructor of torch_network does,
    /// and for schedules that are none (check_schedule).
    torch_diamond_network(const context_type& context, torch_module module, Schedule schedule, Inner inner,
                          torch_options options)
        : function_(std::make_shared<const function>(
              context, std::move(module), detail::torch_signature{{"xbar", "x_t"}, {"t", "s", "r"}, {}},
              std::move(options))),
          schedule_(detail::checked_schedule(std::move(schedule))),
          inner_(detail::checked_schedule(std::move(inner))) {}

    [[nodiscard]] index_t dimension() const { return function_->dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] const Inner& inner_schedule() const { return inner_; }
    [[nodiscard]] workspace_type make_workspace(const context_type&, index_t) const { return {}; }

    /// Writes v into out, d x N. @throws std::runtime_error with libtorch's message where the module fails,
    /// and std::invalid_argument where it writes to its arguments.
    void operator()(const arguments& at, const condition_type& c, workspace_type&, view out) const {
        (*function_)(function_->module(), states(at), times(at), c, out);
    }
    /// Writes the cotangents of xbar and x_t, d x N each, given that of v. @throws std::invalid_argument for
    /// a module that hides its state from autograd.
    void vjp(const arguments& at, const condition_type& c, const_view cotangent, workspace_type&,
             view out_xbar, view out_x_t) const {
        function_->vjp(function_->module(), states(at), times(at), c, cotangent,
                       std::array{out_xbar, out_x_t});
    }
    /// Writes dv/d xbar tangent into out, d x N. @throws std::invalid_argument as vjp does.
    void jvp(const arguments& at, const condition_type& c, const_view tangent, workspace_type&,
             view out) const {
        function_->jvp(function_->module(), states(at), times(at), c, tangent, out);
    }

private:
    using function = detail::torch_function<Batch, Condition>;
    static std::array<const_view, 2> states(const arguments& at) { return {at.xbar, at.x_t}; }
    static std::array<time_view, 3> times(const arguments& at) { return {at.t, at.s, at.r}; }

    std::shared_ptr<const function> function_;
    Schedule schedule_;
    Inner inner_;
};

} // namespace diamond
