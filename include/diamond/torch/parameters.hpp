/// The parameters of a TorchScript module as one vector theta.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <torch/script.h>

#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// Where the parameters that require a gradient stand in a vector theta, one behind the other in the order of
/// the module's parts; what is shared by several parts stands there once. The places hold for the copies of
/// the module, too.
class torch_parameters {
public:
    explicit torch_parameters(const ::torch::jit::Module& module) {
        std::map<const void*, index_t> known;
        for_each_part(module._ivalue(), [&](auto& owner, std::size_t slot) {
            const auto tensor = owner.getSlot(slot).toTensor();
            if (!tensor.requires_grad()) {
                offsets_.push_back(frozen);
                return;
            }
            const auto [place, is_new] = known.try_emplace(tensor.unsafeGetTensorImpl(), size_);
            offsets_.push_back(place->second);
            if (!is_new) return;
            size_ += tensor.numel();
        });
    }

    /// The number of parameters.
    [[nodiscard]] index_t size() const { return size_; }
    /// Calls f(offset, tensor) with the parameters that a copy of the module has.
    template <class F>
    void for_each(const ::torch::jit::Module& copy, const F& f) const {
        for_each_place(copy, [&](auto& owner, std::size_t slot, index_t offset) {
            f(offset, owner.getSlot(slot).toTensor());
        });
    }
    /// Puts f(offset, tensor) in place of each parameter of a copy of the module.
    template <class F>
    void replace(const ::torch::jit::Module& copy, const F& f) const {
        for_each_place(copy, [&](auto& owner, std::size_t slot, index_t offset) {
            owner.setSlot(slot, f(offset, owner.getSlot(slot).toTensor()));
        });
    }
    /// Puts the parts of theta, (p) numbers, in place of the parameters of a copy of the module.
    void put(const ::torch::Tensor& theta, const ::torch::jit::Module& copy) const {
        replace(copy, [&](index_t offset, const ::torch::Tensor& before) {
            return theta.narrow(0, offset, before.numel()).view(before.sizes());
        });
    }

private:
    static constexpr index_t frozen = -1;

    /// Calls f(owner, slot) for each slot of a parameter, of the module and then of its parts.
    template <class Object, class F>
    static void for_each_part(const Object& module, const F& f) {
        const auto& type = *module->type();
        for (std::size_t slot = 0; slot < type.numAttributes(); ++slot) {
            if (type.is_parameter(slot) && module->getSlot(slot).isTensor()) f(*module, slot);
            if (type.getAttribute(slot)->is_module()) for_each_part(module->getSlot(slot).toObject(), f);
        }
    }

    /// Calls f(owner, slot, offset) for those of a copy of the module that have a place in theta.
    template <class F>
    void for_each_place(const ::torch::jit::Module& copy, const F& f) const {
        std::size_t k = 0;
        for_each_part(copy._ivalue(), [&](auto& owner, std::size_t slot) {
            const index_t offset = offsets_[k++];
            if (offset != frozen) f(owner, slot, offset);
        });
    }

    std::vector<index_t> offsets_; ///< of each slot
    index_t size_ = 0;
};

} // namespace diamond::detail
