/// A TorchScript module as a function of states, times and a condition, whose signature and shapes are
/// checked once, when it is made.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <diamond/concepts/velocity_field.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/torch/module.hpp>
#include <diamond/torch/tensors.hpp>

namespace diamond::detail {

/// Names the arguments that a module is called with: the states, the times, and behind them the condition's.
struct torch_signature {
    std::vector<std::string> states, times, conditions;
    [[nodiscard]] std::size_t size() const { return states.size() + times.size() + conditions.size(); }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> result;
        for (const auto* some : {&states, &times, &conditions})
            result.insert(result.end(), some->begin(), some->end());
        return result;
    }
    [[nodiscard]] std::string text() const {
        std::string result = "forward(";
        for (const auto& name : names()) result += (result.back() == '(' ? "" : ", ") + name;
        return result + ")";
    }
};
template <class Condition>
struct names_of_condition {
    static_assert(sizeof(Condition) == 0, "a TorchScript module takes no_condition, labels, "
                                          "condition_vectors<batch> or label_and_vector<batch>");
};
template <>
struct names_of_condition<no_condition> {
    static std::vector<std::string> get() { return {}; }
};
template <>
struct names_of_condition<labels> {
    static std::vector<std::string> get() { return {"labels"}; }
};
template <class Batch>
struct names_of_condition<condition_vectors<Batch>> {
    static std::vector<std::string> get() { return {"vectors"}; }
};
template <class Batch>
struct names_of_condition<label_and_vector<Batch>> {
    static std::vector<std::string> get() { return {"labels", "vectors"}; }
};
template <class Condition>
inline constexpr bool has_labels = false;
template <>
inline constexpr bool has_labels<labels> = true;
template <class Batch>
inline constexpr bool has_labels<label_and_vector<Batch>> = true;
template <class Condition>
inline constexpr bool has_vectors = false;
template <class Batch>
inline constexpr bool has_vectors<condition_vectors<Batch>> = true;
template <class Batch>
inline constexpr bool has_vectors<label_and_vector<Batch>> = true;

/// A TorchScript module that is called with (N, d) states, (N) times, and (N) labels or (N, d_c) vectors, and
/// gives (N, d) numbers of the states' type.
///
/// Calls are const and re-entrant: evaluation does not change a module. They run without a record for
/// derivatives, but not in libtorch's inference mode: what a module keeps for itself there, such as a table
/// that it makes at its first call, could not be differentiated later.
template <class Batch, class Condition>
class torch_function {
public:
    using context_type = backend_of_t<Batch>;
    using real = typename Batch::value_type;
    using view = view_t<Batch>;
    using const_view = const_view_t<Batch>;
    using device = torch_device<context_type>;
    using tensor = ::torch::Tensor;

    /// Calls the module with a few columns. @throws std::invalid_argument for options out of range, and where
    /// the module does not take such arguments, does not give such numbers, writes to its arguments, or gives
    /// a column other numbers when other columns stand beside it.
    torch_function(const context_type& context, torch_module module, torch_signature signature,
                   torch_options options)
        : module_(std::move(module)), signature_(std::move(signature)), options_(std::move(options)) {
        signature_.conditions = names_of_condition<Condition>::get();
        check_options();
        check_arguments();
        module_.to(device::of(context));
        check_values(context);
        examine(context, module_);
    }

    /// Looks which states autograd does not know of, and whether the module takes the integer for no label,
    /// by the numbers that it gives with the parameters of `probe`.
    void examine(const context_type& context, const torch_module& probe) {
        const typename device::guard guard(context);
        const c10::InferenceMode ordinary(false);
        const ::torch::NoGradGuard plain;
        hidden_.clear();
        for (std::size_t k = 0; k < signature_.states.size(); ++k)
            hidden_.push_back(hides(context, probe, k));
        if constexpr (has_labels<Condition>) takes_unconditional_ = takes_no_label(context, probe);
    }
    /// Says whether the numbers depend on argument k, a state or a time, and autograd does not know of it.
    [[nodiscard]] bool hides(const context_type& context, const torch_module& probe, std::size_t k) const {
        auto tensors = trial_tensors(context);
        const tensor value = tried(probe, tensors).clone();
        auto moved = tensors;
        moved[k] = moved[k].toTensor().mul(0.5).add(0.25);
        if (::torch::equal(tried(probe, moved), value)) return false;
        const ::torch::AutoGradMode recorded(true);
        tensors[k] = tensors[k].toTensor().detach().requires_grad_(true);
        return !tried(probe, tensors).requires_grad();
    }
    /// Returns arguments that no training excludes: states, times, the first label and a vector.
    [[nodiscard]] std::vector<::torch::jit::IValue> trial_tensors(const context_type& context) const {
        return make_trial(context).columns(0, trial_columns());
    }

    [[nodiscard]] index_t dimension() const { return options_.dimension; }
    [[nodiscard]] const torch_options& options() const { return options_; }
    [[nodiscard]] const torch_module& module() const { return module_; }

    /// Writes what a module gives into out, d x N: module(), or one like it with other parameters.
    void operator()(const torch_module& module, std::span<const const_view> states,
                    std::span<const time_view> times, const Condition& condition, view out) const {
        if (out.columns() == 0) return;
        require_batches(states, out);
        const typename device::guard guard(out.context());
        const c10::InferenceMode ordinary(false);
        const ::torch::NoGradGuard plain;
        write(evaluate(module, inputs(states, times, condition)), out);
    }
    /// Writes cotangent^T d out/d state into outs[k], of state k.
    void vjp(const torch_module& module, std::span<const const_view> states, std::span<const time_view> times,
             const Condition& condition, const_view cotangent, std::span<const view> outs) const {
        if (cotangent.columns() == 0) return;
        require_batches(states, cotangent);
        const typename device::guard guard(cotangent.context());
        const c10::InferenceMode ordinary(false);
        const ::torch::AutoGradMode recorded(true);
        auto arguments = inputs(states, times, condition);
        const std::vector<tensor> moving = differentiable(arguments, states.size());
        require_differentiable(states.size());
        const tensor value = evaluate(module, std::move(arguments));
        const auto products = gradient(value, moving, tensor_of(cotangent), false);
        const ::torch::NoGradGuard plain;
        for (std::size_t k = 0; k < outs.size(); ++k) write(products[k], outs[k]);
    }
    /// Writes d out/d state tangent, of state 0, into out. The reverse pass is linear in its cotangent, with
    /// the Jacobian's transpose as its matrix, so that its own reverse pass is the product: libtorch has a
    /// reverse pass of nearly all that modules are made of.
    void jvp(const torch_module& module, std::span<const const_view> states, std::span<const time_view> times,
             const Condition& condition, const_view tangent, view out) const {
        if (tangent.columns() == 0) return;
        require_batches(states, tangent);
        const typename device::guard guard(tangent.context());
        const c10::InferenceMode ordinary(false);
        const ::torch::AutoGradMode recorded(true);
        auto arguments = inputs(states, times, condition);
        const std::vector<tensor> moving = differentiable(arguments, 1);
        require_differentiable(1);
        const tensor value = evaluate(module, std::move(arguments));
        const tensor cotangent = ::torch::zeros_like(value).requires_grad_(true);
        const tensor pulled = gradient(value, moving, cotangent, true).front();
        const tensor product = gradient(pulled, {cotangent}, tensor_of(tangent), false).front();
        const ::torch::NoGradGuard plain;
        write(product, out);
    }

    /// Returns the tensors of a call.
    [[nodiscard]] std::vector<::torch::jit::IValue> inputs(std::span<const const_view> states,
                                                           std::span<const time_view> times,
                                                           const Condition& condition) const {
        const auto& context = states.front().context();
        const index_t columns = states.front().columns();
        std::vector<::torch::jit::IValue> result;
        result.reserve(signature_.size());
        for (const const_view& state : states) result.emplace_back(tensor_of(state));
        for (const time_view& time : times) result.emplace_back(time_tensor<real>(context, time, columns));
        condition_tensors(context, columns, options_, takes_unconditional_).append(condition, result);
        return result;
    }
    /// Returns what the module gives for these tensors, (N, d). @throws std::runtime_error where it is not
    /// that, and std::invalid_argument where it writes to one of them, even if the numbers stay what they
    /// are.
    [[nodiscard]] tensor evaluate(const torch_module& module,
                                  std::vector<::torch::jit::IValue> tensors) const {
        const tensor& first = tensors.front().toTensor();
        const index_t columns = first.size(0);
        const auto device_of_states = first.device();
        std::vector<tensor> given;
        std::vector<std::int64_t> versions;
        for (const auto& each : tensors) {
            given.push_back(each.toTensor());
            versions.push_back(given.back()._version());
        }
        const auto value = module.forward(std::move(tensors));
        for (std::size_t k = 0; k < given.size(); ++k)
            if (given[k]._version() != versions[k]) throw_writes(k);
        const auto refuse = [&](const std::string& what) {
            throw std::runtime_error(module.name() + " gives " + what + " for " + digits_of(columns) +
                                     " columns, where " + type_text() + " of shape (" + digits_of(columns) +
                                     ", " + digits_of(dimension()) + ") is needed");
        };
        if (!value.isTensor()) refuse("a " + value.tagKind());
        tensor result = value.toTensor();
        if (result.scalar_type() != c10::CppTypeToScalarType<real>::value || result.dim() != 2 ||
            result.size(0) != columns || result.size(1) != dimension() ||
            result.device() != device_of_states) {
            std::string shape;
            for (const auto extent : result.sizes()) shape += (shape.empty() ? "" : ", ") + digits_of(extent);
            refuse(std::string(c10::toString(result.scalar_type())) + " of shape (" + shape + ")");
        }
        return result;
    }
    /// Returns the reverse pass from `value`, with this cotangent, to each of `moving`; a tensor that is not
    /// defined where the value does not depend on it. @throws std::runtime_error where libtorch has none.
    [[nodiscard]] std::vector<tensor> gradient(const tensor& value, const std::vector<tensor>& moving,
                                               const tensor& cotangent, bool recorded) const {
        return gradient(std::vector<tensor>{value}, moving, {cotangent}, recorded);
    }
    /// Returns the reverse pass from several values, those that do not depend on anything left out.
    [[nodiscard]] std::vector<tensor> gradient(const std::vector<tensor>& values,
                                               const std::vector<tensor>& moving,
                                               const std::vector<tensor>& cotangents, bool recorded) const {
        std::vector<tensor> from, with;
        for (std::size_t k = 0; k < values.size(); ++k)
            if (values[k].defined() && values[k].requires_grad()) {
                from.push_back(values[k]);
                with.push_back(cotangents[k]);
            }
        if (from.empty() || moving.empty()) return std::vector<tensor>(moving.size());
        try {
            return ::torch::autograd::grad(from, moving, with, recorded, recorded, true);
        } catch (const c10::Error& of_torch) {
            throw std::runtime_error(module_.name() + " has no such derivative: " + torch_message(of_torch));
        }
    }
    /// Copies what libtorch computed, and 0 where it is not defined, into out.
    static void write(const tensor& computed, view out) {
        if (computed.defined())
            out.context().copy(computed.resolve_neg().contiguous().template data_ptr<real>(), out.size(),
                               out.data());
        else
            tensor_of(out).zero_();
    }
    /// @throws std::invalid_argument where the states are not d x N, as the other batch is.
    void require_batches(std::span<const const_view> states, const_view other) const {
        for (const const_view& state : states) {
            require(state.rows() == dimension(), [&] {
                return "the network has dimension " + digits_of(dimension()) + ", the batch has " +
                       digits_of(state.rows()) + " rows";
            });
            require_same_shape("a TorchScript network", state, other);
        }
    }

private:
    static std::string type_text() { return c10::toString(c10::CppTypeToScalarType<real>::value); }

    /// Makes leaves of the first `count` tensors, with respect to which a reverse pass is asked for.
    static std::vector<tensor> differentiable(std::vector<::torch::jit::IValue>& tensors, std::size_t count) {
        std::vector<tensor> moving;
        for (std::size_t k = 0; k < count; ++k) {
            moving.push_back(tensors[k].toTensor().detach().requires_grad_(true));
            tensors[k] = moving.back();
        }
        return moving;
    }
    /// @throws std::invalid_argument where one of the first `count` states is hidden from autograd.
    void require_differentiable(std::size_t count) const {
        for (std::size_t k = 0; k < count; ++k)
            require(!hidden_[k], [&] {
                return module_.name() + " depends on its state " + signature_.states[k] +
                       " but hides it from autograd, as by torch.no_grad or detach: it has no products with "
                       "its Jacobian";
            });
    }
    [[noreturn]] void throw_writes(std::size_t argument) const {
        throw std::invalid_argument(module_.name() + " writes to its argument " + digits_of(argument + 1) +
                                    ", which is the memory of a batch: let it work on a copy");
    }

    void check_options() const {
        const auto at_least_one = [&](const char* name, index_t number) {
            require(number >= 1, [&] {
                return module_.name() + ": " + name + " of torch_options is " + digits_of(number) +
                       ": 1 or more is needed";
            });
        };
        at_least_one("dimension", options_.dimension);
        if constexpr (has_labels<Condition>) at_least_one("classes", options_.classes);
        if constexpr (has_vectors<Condition>) at_least_one("vector_size", options_.vector_size);
        const auto size = static_cast<index_t>(options_.no_vector.size());
        require(size == 0 || size == options_.vector_size, [&] {
            return module_.name() + ": no_vector of torch_options has " + digits_of(size) +
                   " numbers for vectors of " + digits_of(options_.vector_size);
        });
    }
    /// Compares the arguments of forward with those that it will be given.
    void check_arguments() const {
        const auto& schema = module_.module().get_method("forward").function().getSchema();
        const auto& arguments = schema.arguments();
        std::size_t needed = 0;
        for (const auto& argument : arguments) needed += !argument.default_value().has_value();
        const std::size_t given = 1 + signature_.size(); // the module itself is one
        if (needed <= given && given <= arguments.size()) {
            const auto ours = signature_.names();
            for (std::size_t k = 0; k < ours.size(); ++k) {
                const auto& theirs = arguments[k + 1].name();
                require(theirs == ours[k] || std::ranges::find(ours, theirs) == ours.end(), [&] {
                    return module_.name() + " calls its argument " + digits_of(k + 1) + " '" + theirs +
                           "', and is given " + ours[k] + ": it is called by " + signature_.text();
                });
            }
            return;
        }
        std::string names;
        for (std::size_t k = 1; k < arguments.size(); ++k) names += (k > 1 ? ", " : "") + arguments[k].name();
        throw std::invalid_argument(module_.name() + " has forward(" + names + "), and is called by " +
                                    signature_.text());
    }

    /// Columns of a trial: states and times that no training excludes, and the first label and a vector.
    struct trial {
        std::vector<::torch::jit::IValue> tensors;
        [[nodiscard]] std::vector<::torch::jit::IValue> columns(index_t first, index_t count) const {
            std::vector<::torch::jit::IValue> result;
            for (const auto& all : tensors)
                result.emplace_back(all.toTensor().slice(0, first, first + count).clone());
            return result;
        }
    };
    [[nodiscard]] trial make_trial(const context_type& context) const {
        const index_t n = trial_columns();
        const auto numbers = torch_numbers<real>(context);
        const auto waves = [&](index_t size, double phase) { // numbers between -1.5 and 1.5 without a pattern
            const tensor all = ::torch::arange(static_cast<double>(n * size), torch_numbers<double>(context));
            return ::torch::sin(all.mul(all.add(1.0)).add(phase)).mul(1.5).reshape({n, size}).to(numbers);
        };
        trial result;
        for (std::size_t k = 0; k < signature_.states.size(); ++k)
            result.tensors.emplace_back(waves(dimension(), 1.0 + static_cast<double>(k)));
        for (std::size_t k = 0; k < signature_.times.size(); ++k) // t, s and r differ, and s < r
            result.tensors.emplace_back(::torch::arange(static_cast<double>(n), numbers)
                                            .mul(0.6 / static_cast<double>(n))
                                            .add(0.1 * static_cast<double>(k + 1)));
        if constexpr (has_labels<Condition>)
            result.tensors.emplace_back(::torch::zeros({n}, torch_numbers<std::int64_t>(context)));
        if constexpr (has_vectors<Condition>) result.tensors.emplace_back(waves(options_.vector_size, 0.5));
        return result;
    }
    /// Says whether the module takes the integer for no label. A table of as many rows as classes has its
    /// last row for -1, which is none, unless labels do not matter.
    [[nodiscard]] bool takes_no_label(const context_type& context, const torch_module& probe) const
        requires has_labels<Condition>
    {
        const auto value_of = [&](std::int64_t label) {
            auto tensors = trial_tensors(context);
            tensors[signature_.states.size() + signature_.times.size()] = ::torch::full(
                {trial_columns()}, label, torch_numbers<std::int64_t>(context));
            return evaluate(probe, std::move(tensors));
        };
        tensor without;
        try {
            without = value_of(options_.unconditional);
        } catch (const std::runtime_error&) {
            return false;
        }
        if (options_.unconditional >= 0) return true;
        const tensor last = value_of(options_.classes - 1);
        return !::torch::equal(without, last) || (options_.classes > 1 && ::torch::equal(last, value_of(0)));
    }
    /// Returns a value of the trial. @throws std::invalid_argument where there is none.
    [[nodiscard]] tensor tried(const torch_module& module,
                               const std::vector<::torch::jit::IValue>& tensors) const {
        try {
            return evaluate(module, tensors);
        } catch (const std::runtime_error& error) {
            throw std::invalid_argument(std::string(error.what()) + " (" + signature_.text() + " of " +
                                        digits_of(tensors.front().toTensor().size(0)) +
                                        " columns in dimension " + digits_of(dimension()) + ", " +
                                        type_text() + ")");
        }
    }
    void check_values(const context_type& context) {
        const typename device::guard guard(context);
        const c10::InferenceMode ordinary(false);
        const ::torch::NoGradGuard plain;
        const trial all = make_trial(context);
        const auto given = all.columns(0, trial_columns()), before = all.columns(0, trial_columns());
        const tensor value = tried(module_, given).clone();
        for (std::size_t k = 0; k < given.size(); ++k) // as by x.data, which has no version
            if (!::torch::equal(given[k].toTensor(), before[k].toTensor())) throw_writes(k);
        require(value.isfinite().all().template item<bool>(), [&] {
            return module_.name() + " gives numbers that are not finite for states of order 1 at times "
                                    "between 0.1 and 0.9";
        });
        // Without the first column, of which x * t[0] makes all, and without the last.
        const tensor fewer = tried(module_, all.columns(1, trial_columns() - 2)),
                     part = value.slice(0, 1, trial_columns() - 1);
        const double difference = (fewer - part).abs().max().template item<double>(),
                     size = value.abs().max().template item<double>();
        require(difference <= column_tolerance * size, [&] {
            return module_.name() + " gives a column other numbers when other columns stand beside it, or at "
                                    "each call: it must be exported in evaluation mode, by net.eval()";
        });
    }

    /// So many that a dropout of 1 in 10 leaves the numbers of two calls alike once in 10^4 times.
    [[nodiscard]] index_t trial_columns() const { return std::max<index_t>(3, 48 / dimension()); }
    /// Products are added in another order for another number of columns, and a batch normalisation in
    /// training mode changes the first digit.
    static constexpr double column_tolerance = 1e-3;

    torch_module module_;
    torch_signature signature_;
    torch_options options_;
    bool takes_unconditional_ = true;
    std::vector<bool> hidden_; ///< whether a state is hidden from autograd
};

} // namespace diamond::detail
