/// A TorchScript module as a network that the library trains.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/concepts/trainable_network.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/schedule/schedule.hpp>
#include <diamond/torch/derivative_check.hpp>
#include <diamond/torch/function.hpp>

namespace diamond {

namespace detail {
/// The variance of a coordinate given x_t, where the data are normal: sigma^2 C/(sigma^2 + alpha^2 C).
template <class Schedule>
struct normal_spread {
    Schedule schedule;
    double variance; ///< C
    DIAMOND_HD double operator()(index_t, double t) const {
        const double alpha = alpha_at(schedule, instant(t)), sigma = sigma_at(schedule, instant(t)),
                     noise = sigma * sigma;
        return noise * variance / (noise + alpha * alpha * variance);
    }
};
} // namespace detail

/// A TorchScript module as a function of its parameters theta, which diamond_trainer trains.
///
/// The module is called as torch_diamond_network says, in evaluation mode: without dropout, and with what a
/// batch normalisation has stored. theta has the parameters of the module that require a gradient, one behind
/// the other in the order of its parts; libtorch reads them where they stand. A training starts with those of
/// the module. Derivatives along a direction, of which a Lagrangian or MeanFlow loss is made, come by two
/// reverse passes, and their gradient by a third: all parts of the module must have them, and so have smooth
/// activations (of a ReLU second derivatives are 0). LayerNorm and instance_norm have wrong ones in libtorch:
/// GroupNorm(1, width) gives the same numbers, and has right ones.
///
/// Cost of a call: one evaluation; of record along a direction: an evaluation and two reverse passes; of
/// backward: a reverse pass of what was recorded.
template <class Batch, class Schedule = linear_schedule, class Inner = linear_schedule,
          class Condition = no_condition>
class torch_trainable_network {
    static_assert(diagnose_schedule<Schedule>() && diagnose_schedule<Inner>());

public:
    using batch_type = Batch;
    using condition_type = Condition;
    using context_type = backend_of_t<Batch>;
    using real = typename Batch::value_type;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using arguments = diamond_arguments<Batch>;

    /// A copy of the module whose parameters are those of the last call, and what that call recorded.
    struct workspace {
        std::optional<torch_module> module;           ///< made by the first call
        ::torch::Tensor theta, value, value_dot = {}; ///< the last two with their record
        workspace() = default;                        ///< empty: the first call fills it
        workspace(const workspace&) : workspace() {}  ///< A copy is empty: it does not share a module.
        workspace(workspace&&) noexcept = default;    ///< A move takes over what was recorded.
        workspace& operator=(workspace&&) noexcept = default; ///< A move takes over what was recorded.
        ~workspace() = default;
        /// Assignment leaves the workspace as it is.
        workspace& operator=(const workspace&) { return *this; }
    };

    /// Takes a file, by its name, or a torch::jit::Module, with the schedules, and calls it with a few
    /// columns, and some ten times, in double, with parameters that are moved, for its derivatives. @throws
    /// std::invalid_argument as the constructor of torch_diamond_network does, for a variance that is not
    /// positive, for a module without parameters that require a gradient, with some of another number type
    /// than the batch's or that its value does not know of, and where v' or its gradient is in libtorch not
    /// that of the module's numbers.
    torch_trainable_network(const context_type& context, torch_module module, Schedule schedule, Inner inner,
                            torch_options options)
        : schedule_(detail::checked_schedule(std::move(schedule))),
          inner_(detail::checked_schedule(std::move(inner))) {
        const auto made = std::make_shared<function>(
            context, std::move(module), detail::torch_signature{{"xbar", "x_t"}, {"t", "s", "r"}, {}},
            std::move(options));
        function_ = made;
        const auto& name = function_->module().name();
        const double variance = function_->options().variance;
        require(variance > 0.0 && variance < infinity, [&] {
            return name + ": variance of torch_options is " + digits_of(variance) +
                   ": it must be positive and finite";
        });
        require(parameters() > 0, [&] {
            return name + " has no parameters that require a gradient: there is nothing to train";
        });
        for_each_parameter([&](index_t, const ::torch::Tensor& tensor) {
            require(tensor.scalar_type() == c10::CppTypeToScalarType<real>::value, [&] {
                return name + " has parameters of type " + c10::toString(tensor.scalar_type()) +
                       ", and the batch's type is " + c10::toString(c10::CppTypeToScalarType<real>::value);
            });
        });
        check_derivatives(context, *made);
    }

    [[nodiscard]] index_t dimension() const { return function_->dimension(); }
    /// The number p of parameters that are trained.
    [[nodiscard]] index_t parameters() const { return function_->module().parameters().size(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] const Inner& inner_schedule() const { return inner_; }
    /// The number of classes that the module takes.
    [[nodiscard]] index_t classes() const
        requires detail::has_labels<Condition>
    {
        return function_->options().classes;
    }
    /// The numbers of a vector that the module takes.
    [[nodiscard]] index_t vector_size() const
        requires detail::has_vectors<Condition>
    {
        return function_->options().vector_size;
    }
    /// Returns the posterior variance in whose units errors count, of normal data of the variance that the
    /// options say.
    [[nodiscard]] detail::normal_spread<Schedule> spread() const {
        return {.schedule = schedule_, .variance = function_->options().variance};
    }
    [[nodiscard]] workspace make_workspace(const context_type&, index_t) const { return {}; }
    /// Writes the module's own parameters, whatever the seed is.
    void initialise(philox, view theta) const {
        const ::torch::NoGradGuard plain;
        for_each_parameter([&](index_t offset, const ::torch::Tensor& tensor) {
            numbers(theta.data() + offset, tensor.numel(), theta.context()).copy_(tensor.reshape({-1}));
        });
    }
    /// Returns a copy of the module with other parameters, theta; its `save` writes a file of TorchScript.
    [[nodiscard]] ::torch::jit::Module with(const_view theta) const {
        const ::torch::NoGradGuard plain;
        const auto copy = function_->module().copy();
        copy.parameters().for_each(copy.module(), [&](index_t offset, const ::torch::Tensor& each) {
            each.copy_(numbers(theta.data() + offset, each.numel(), theta.context()).view(each.sizes()));
            each.set_requires_grad(true);
        });
        return copy.module();
    }

    /// Writes v into out, d x N.
    void operator()(const real* theta, const arguments& at, const condition_type& c, workspace& space,
                    view out) const {
        (*function_)(bound(theta, at, space), states(at), times(at), c, out);
    }
    /// Writes v into out, d x N, and leaves in `space` what one `backward` needs.
    void record(const real* theta, const arguments& at, const condition_type& c, workspace& space,
                view out) const {
        record(theta, at, c, {nullptr, 0.0, 0.0}, space, out, view(nullptr, 0, 0, &out.context()));
    }
    /// Writes v into out and its derivative dv/d(xbar, s, r) . direction into out_dot, d x N each, and leaves
    /// in `space` what one `backward` needs.
    void record(const real* theta, const arguments& at, const condition_type& c,
                diamond_speeds<real> direction, workspace& space, view out, view out_dot) const {
        function_->require_batches(states(at), out);
        const typename function::device::guard guard(out.context());
        const c10::InferenceMode ordinary(false);
        const ::torch::AutoGradMode recorded(true);
        const auto& module = bound(theta, at, space, true);
        if (out.columns() == 0) return;
        auto tensors = function_->inputs(states(at), times(at), c);
        for (auto& each : tensors) each = each.toTensor().clone(); // the caller's may change before backward
        std::vector<::torch::Tensor> moving, speeds;
        const auto move = [&](std::size_t argument, const ::torch::Tensor& speed) {
            moving.push_back(tensors[argument].toTensor().detach().requires_grad_(true));
            tensors[argument] = moving.back();
            speeds.push_back(speed);
        };
        const auto everywhere = [&](double speed) {
            return ::torch::full({out.columns()}, speed, detail::torch_numbers<real>(out.context()));
        };
        if (direction.xbar)
            move(0, detail::tensor_of(const_view(direction.xbar, dimension(), out.columns(), &out.context()))
                        .clone());
        if (direction.s != 0.0) move(3, everywhere(direction.s));
        if (direction.r != 0.0) move(4, everywhere(direction.r));
        space.value = function_->evaluate(module, std::move(tensors));
        if (out_dot.data()) space.value_dot = derivative(space.value, moving, speeds);
        const ::torch::NoGradGuard plain;
        function::write(space.value, out);
        if (out_dot.data()) function::write(space.value_dot, out_dot);
    }
    /// Adds to `gradient` the gradient with respect to theta of sum_ij cotangent v + cotangent_dot v', at the
    /// call that `space` recorded; cotangent_dot is null where no direction was recorded. theta is that of
    /// the call, unchanged. @throws std::invalid_argument where it is another.
    void backward(const real* theta, workspace& space, const_view cotangent, const real* cotangent_dot,
                  real* gradient) const {
        if (!space.value.defined()) return; // no column, or the record is spent
        require(theta == space.theta.template data_ptr<real>(), [&] {
            return function_->module().name() +
                   ": backward is given another theta than the call that the workspace recorded";
        });
        const typename function::device::guard guard(cotangent.context());
        const c10::InferenceMode ordinary(false);
        const auto tensor_of_cotangent = [&](const real* numbers) {
            return detail::tensor_of(
                const_view(numbers, cotangent.rows(), cotangent.columns(), &cotangent.context()));
        };
        std::vector<::torch::Tensor> values{space.value}, cotangents{tensor_of_cotangent(cotangent.data())};
        if (cotangent_dot) {
            values.push_back(space.value_dot);
            cotangents.push_back(tensor_of_cotangent(cotangent_dot));
        }
        const auto of_theta = function_->gradient(values, {space.theta}, cotangents, false).front();
        const ::torch::NoGradGuard plain;
        if (of_theta.defined()) numbers(gradient, parameters(), cotangent.context()).add_(of_theta);
        space.value = space.value_dot = ::torch::Tensor(); // the record is spent
    }
    /// Writes the cotangents of xbar and x_t, d x N each, given that of v.
    void vjp(const real* theta, const arguments& at, const condition_type& c, const_view cotangent,
             workspace& space, view out_xbar, view out_x_t) const {
        function_->vjp(bound(theta, at, space), states(at), times(at), c, cotangent,
                       std::array{out_xbar, out_x_t});
    }
    /// Writes dv/d xbar tangent into out, d x N.
    void jvp(const real* theta, const arguments& at, const condition_type& c, const_view tangent,
             workspace& space, view out) const {
        function_->jvp(bound(theta, at, space), states(at), times(at), c, tangent, out);
    }

private:
    using function = detail::torch_function<Batch, Condition>;
    static std::array<const_view, 2> states(const arguments& at) { return {at.xbar, at.x_t}; }
    static std::array<time_view, 3> times(const arguments& at) { return {at.t, at.s, at.r}; }

    /// Holds what libtorch says of the module's derivatives against its numbers.
    static void check_derivatives(const context_type& context, function& made) {
        const typename function::device::guard guard(context);
        const c10::InferenceMode ordinary(false);
        const auto& name = made.module().name();
        const auto at = made.trial_tensors(context);
        const detail::torch_probe probe(made.module(), at, c10::CppTypeToScalarType<real>::value);
        made.examine(context, probe.module());
        for (const auto& [argument, time] : {std::pair{3, "s"}, std::pair{4, "r"}})
            require(!made.hides(context, probe.module(), static_cast<std::size_t>(argument)), [&] {
                return name + " depends on its time " + time +
                       " but hides it from autograd, as by a table of whole steps: v' would be wrong";
            });
        const std::string unread = probe.unread();
        require(unread.empty(), [&] {
            return name + " has no derivative with respect to its parameter '" + unread +
                   "': freeze it by requires_grad_(False)";
        });
        detail::require_third_derivatives(made.module(), at);
    }
    /// Calls f(offset, tensor) with the module's own parameters.
    template <class F>
    void for_each_parameter(const F& f) const {
        function_->module().parameters().for_each(function_->module().module(), f);
    }
    /// Returns (n) numbers in a context's memory.
    template <class Real>
    static ::torch::Tensor numbers(Real* data, index_t n, const context_type& context) {
        return detail::tensor_of(batch_view<Real, context_type>(data, n, 1, &context)).squeeze(0);
    }
    /// Returns the workspace's module with the parameters theta, whose gradient is asked for or not.
    const torch_module& bound(const real* theta, const arguments& at, workspace& space,
                              bool differentiable = false) const {
        const c10::InferenceMode ordinary(false);
        if (!space.module) space.module = function_->module().copy();
        space.value = space.value_dot = ::torch::Tensor();
        space.theta = numbers(theta, parameters(), at.xbar.context()).requires_grad_(differentiable);
        function_->module().parameters().put(space.theta, space.module->module());
        return *space.module;
    }
    /// Returns the derivative of the value as `moving` moves at these speeds, with its record: the reverse
    /// pass of the reverse pass.
    ::torch::Tensor derivative(const ::torch::Tensor& value, const std::vector<::torch::Tensor>& moving,
                               const std::vector<::torch::Tensor>& speeds) const {
        const auto cotangent = ::torch::zeros_like(value).requires_grad_(true);
        return function_
            ->gradient(function_->gradient(value, moving, cotangent, true), {cotangent}, speeds, true)
            .front();
    }

    std::shared_ptr<const function> function_;
    Schedule schedule_;
    Inner inner_;
};

} // namespace diamond
