/// A TorchScript module, from a file or from memory, ready to be evaluated.
#pragma once

#include <cctype>
#include <cstddef>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <torch/script.h>

#include <diamond/core/errors.hpp>
#include <diamond/torch/archive.hpp>
#include <diamond/torch/parameters.hpp>

namespace diamond {

namespace detail {
/// The most bytes of a message of libtorch that are passed on; the rest describes its own source.
inline constexpr std::size_t most_torch_message = 300;

/// Returns what an error of libtorch says, on one line and without its traceback.
[[nodiscard]] inline std::string torch_message(const std::exception& error) {
    const auto* const of_torch = dynamic_cast<const c10::Error*>(&error);
    std::string text = of_torch ? of_torch->what_without_backtrace() : error.what();
    if (const auto end = text.find("\nException raised"); end != std::string::npos) text.erase(end);
    // An error inside of a module follows the lines of the module that led to it.
    const std::string kind = "RuntimeError: ";
    if (const auto begin = text.rfind(kind); begin != std::string::npos) text.erase(0, begin + kind.size());
    std::string line;
    for (const char c : text) {
        const bool blank = std::isspace(static_cast<unsigned char>(c)) != 0;
        if (!blank) line += c;
        if (blank && !line.empty() && line.back() != ' ') line += ' ';
    }
    if (line.size() > most_torch_message) line.replace(most_torch_message, std::string::npos, "...");
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
}
} // namespace detail

/// A TorchScript module in evaluation mode, which copies share. A file's tensors are read to the memory of
/// the CPU; a module of memory is copied, so that what is later done to it does not reach this one.
class torch_module {
public:
    /// Reads a file of torch.jit.save. @throws std::invalid_argument where there is no such file, and with
    /// libtorch's own message where it does not read it.
    torch_module(const std::filesystem::path& file) // NOLINT: a file is a module
        : name_("the TorchScript file '" + file.string() + "'") {
        const c10::InferenceMode ordinary(false); // or its tensors could not be differentiated
        std::error_code error;
        require(std::filesystem::is_regular_file(file, error), [&] { return name_ + " does not exist"; });
        auto module = [&] {
            try {
                detail::check_archive(file);
                return ::torch::jit::load(file.string(), ::torch::kCPU);
            } catch (const std::bad_alloc&) {
                throw;
            } catch (const std::exception& of_torch) {
                throw std::invalid_argument(
                    name_ + " cannot be read as one of torch.jit.save: " + detail::torch_message(of_torch));
            }
        }();
        parameters_ = found(module);
        for (auto parameter : module.parameters()) parameter.set_requires_grad(false);
        own(std::make_shared<::torch::jit::Module>(std::move(module)));
    }
    /// Reads a file, given as text.
    torch_module(const char* file) : torch_module(std::filesystem::path(file)) {} // NOLINT
    /// Reads a file, given as text.
    torch_module(const std::string& file) : torch_module(std::filesystem::path(file)) {} // NOLINT
    /// Copies a module.
    torch_module(const ::torch::jit::Module& module) // NOLINT: a module is one
        : name_("the TorchScript module '" + module.type()->name()->name() + "'") {
        parameters_ = found(module);
        own(copied(module));
    }

    /// What errors call it.
    [[nodiscard]] const std::string& name() const { return name_; }
    /// The module itself, which must not be changed.
    [[nodiscard]] const ::torch::jit::Module& module() const { return *module_; }
    /// Where the parameters that require a gradient in the original stand in one vector. Here none does,
    /// since a derivative with respect to a state would compute theirs, too.
    [[nodiscard]] const detail::torch_parameters& parameters() const { return *parameters_; }
    /// Moves the module's tensors to a device.
    void to(::torch::Device device) { module_->to(device); }
    /// Makes its parameters and buffers numbers of another type, if they are real.
    void to(::torch::ScalarType type) { module_->to(type); }

    /// Returns a module of the same numbers that shares none with this one.
    [[nodiscard]] torch_module copy() const {
        torch_module result = *this;
        result.own(copied(*module_));
        return result;
    }

    /// Returns what forward gives. @throws std::runtime_error with libtorch's own message.
    [[nodiscard]] ::torch::jit::IValue forward(std::vector<::torch::jit::IValue> inputs) const {
        try {
            return (*forward_)(std::move(inputs));
        } catch (const std::bad_alloc&) {
            throw;
        } catch (const std::exception& of_torch) {
            throw std::runtime_error(name_ + " fails: " + detail::torch_message(of_torch));
        }
    }

private:
    [[nodiscard]] std::shared_ptr<const detail::torch_parameters> found(
        const ::torch::jit::Module& module) const {
        require(module.find_method("forward").has_value(),
                [&] { return name_ + " has no method forward, by which it is evaluated"; });
        return std::make_shared<const detail::torch_parameters>(module);
    }
    void own(std::shared_ptr<::torch::jit::Module> module) {
        module_ = std::move(module);
        module_->eval();
        forward_ = module_->get_method("forward");
    }
    /// A copy's parameters require no gradient.
    static std::shared_ptr<::torch::jit::Module> copied(const ::torch::jit::Module& module) {
        const c10::InferenceMode ordinary(false);
        const ::torch::NoGradGuard plain;
        auto copy = module.deepcopy();
        known_clones clones;
        copy_tensors(*module._ivalue(), *copy._ivalue(), clones);
        return std::make_shared<::torch::jit::Module>(std::move(copy));
    }
    using known_clones = std::map<const void*, ::torch::Tensor>;
    /// Gives each tensor of a copy the numbers of the original: of tensors in one storage, as parameters that
    /// are parts of one vector, deepcopy makes one.
    static void copy_tensors(const c10::ivalue::Object& from, c10::ivalue::Object& to, known_clones& clones) {
        for (std::size_t slot = 0; slot < from.slots().size(); ++slot)
            to.setSlot(slot, with_tensors(from.getSlot(slot), to.getSlot(slot), clones));
    }
    /// Returns a value of a copy with the original's tensors, wherever in it they are.
    static c10::IValue with_tensors(const c10::IValue& from, const c10::IValue& to, known_clones& clones) {
        if (from.isTensor() && from.toTensor().defined()) {
            auto& clone = clones[from.toTensor().unsafeGetTensorImpl()];
            if (!clone.defined()) clone = from.toTensor().detach().clone();
            return clone;
        }
        if (from.isObject()) copy_tensors(from.toObjectRef(), *to.toObject(), clones);
        if (from.isList()) {
            const auto original = from.toList();
            auto copy = to.toList();
            for (std::size_t k = 0; k < original.size(); ++k)
                copy.set(k, with_tensors(original.get(k), copy.get(k), clones));
        }
        if (from.isGenericDict()) {
            auto copy = to.toGenericDict();
            for (const auto& entry : from.toGenericDict())
                copy.insert_or_assign(entry.key(), with_tensors(entry.value(), copy.at(entry.key()), clones));
        }
        if (from.isTuple()) {
            const auto original = from.toTuple(), copy = to.toTuple();
            std::vector<c10::IValue> elements;
            for (std::size_t k = 0; k < original->elements().size(); ++k)
                elements.push_back(with_tensors(original->elements()[k], copy->elements()[k], clones));
            return c10::ivalue::Tuple::createNamed(std::move(elements), original->type<c10::TupleType>());
        }
        return to;
    }

    std::string name_;
    std::shared_ptr<::torch::jit::Module> module_;
    std::optional<::torch::jit::Method> forward_; ///< the module's, so that no call looks for it
    std::shared_ptr<const detail::torch_parameters> parameters_;
};

} // namespace diamond
