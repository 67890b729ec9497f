/// A TorchScript module as a velocity field.
#pragma once

#include <array>
#include <memory>
#include <utility>

#include <diamond/torch/function.hpp>

namespace diamond {

/// A TorchScript module as a velocity field u(x, t | c), differentiable by autograd.
///
/// The module's forward(x, t[, labels][, vectors]) is given x as an (N, d) tensor in the memory of the batch,
/// t as (N) numbers in [0, 1] of the same type, labels as (N) integers of 64 bits and vectors as (N, d_c), as
/// Condition has them, and returns u, (N, d), of the type of x. It does not write to its arguments, and gives
/// each column numbers that do not depend on the others. A module that predicts the denoiser, the noise or
/// the score is wrapped, as in denoiser_network{schedule, torch_network<batch>{...}}.
///
/// libtorch works with as many threads as the batch's context. Cost of a call: one evaluation; of vjp: an
/// evaluation and a reverse pass; of jvp: an evaluation and two reverse passes, the second of the first.
template <class Batch, class Condition = no_condition>
class torch_network {
public:
    using batch_type = Batch;
    using condition_type = Condition;
    using context_type = backend_of_t<Batch>;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    /// A call works in libtorch's own memory.
    struct workspace_type {};

    /// Takes a file, by its name, or a torch::jit::Module, and calls it with a few columns.
    /// @throws std::invalid_argument where the file cannot be read, for options out of range, and where the
    /// module does not do what is said above; with the name of the file and libtorch's message.
    torch_network(const context_type& context, torch_module module, torch_options options)
        : function_(std::make_shared<const function>(
              context, std::move(module), detail::torch_signature{{"x"}, {"t"}, {}}, std::move(options))) {}

    [[nodiscard]] index_t dimension() const { return function_->dimension(); }
    [[nodiscard]] workspace_type make_workspace(const context_type&, index_t) const { return {}; }

    /// Writes u into out, d x N. @throws std::runtime_error with libtorch's message where the module fails,
    /// and std::invalid_argument where it writes to its arguments.
    void operator()(const_view x, time_view t, const condition_type& c, workspace_type&, view out) const {
        (*function_)(function_->module(), std::array{x}, std::array{t}, c, out);
    }
    /// Writes cotangent^T du/dx into out, d x N. @throws std::invalid_argument for a module that hides its
    /// state from autograd.
    void vjp(const_view x, time_view t, const condition_type& c, const_view cotangent, workspace_type&,
             view out) const {
        function_->vjp(function_->module(), std::array{x}, std::array{t}, c, cotangent, std::array{out});
    }
    /// Writes du/dx tangent into out, d x N. @throws std::invalid_argument as vjp does.
    void jvp(const_view x, time_view t, const condition_type& c, const_view tangent, workspace_type&,
             view out) const {
        function_->jvp(function_->module(), std::array{x}, std::array{t}, c, tangent, out);
    }

private:
    using function = detail::torch_function<Batch, Condition>;
    std::shared_ptr<const function> function_;
};

} // namespace diamond
