/// What libtorch's reverse passes give for a module's v', its gradient with respect to theta, and for each
/// parameter, held against the numbers of the module itself.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/autograd.h>
#include <torch/script.h>

#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/torch/module.hpp>

namespace diamond::detail {

/// Returns n numbers of doubles between -1 and 1 without a pattern.
[[nodiscard]] inline ::torch::Tensor torch_waves(index_t n, double phase) {
    const auto each = ::torch::arange(static_cast<double>(n), ::torch::kDouble);
    return ::torch::sin(each.mul(each.add(1.0)).add(phase));
}

/// A module v(xbar, x_t, t, s, r, ...) of parameters theta, in numbers of one type, at some arguments.
///
/// Its parameters are not the given module's: a last layer of zeros would hide what is behind it.
class torch_probe {
public:
    using tensor = ::torch::Tensor;
    using arguments = std::vector<::torch::jit::IValue>;

    /// Copies the module, in numbers of this type, with about four of the columns.
    torch_probe(const torch_module& module, arguments given, ::torch::ScalarType type)
        : module_(module.copy()), arguments_(std::move(given)), type_(type) {
        module_.to(type);
        for (auto& each : arguments_) {
            const auto columns = each.toTensor().size(0);
            const tensor
                some = each.toTensor().slice(0, 0, columns, std::max<index_t>(1, columns / 4)).contiguous();
            each = some.is_floating_point() ? some.to(type) : some;
        }
        tensor own = ::torch::empty({module.parameters().size()}, type);
        scale_ = ::torch::empty_like(own);
        module_.parameters().for_each(module_.module(), [&](index_t offset, const tensor& each) {
            own.narrow(0, offset, each.numel()).copy_(each.reshape({-1}));
            scale_.narrow(0, offset, each.numel()).fill_(scale_of(each));
        });
        theta_ = own + scale_ * waves(own.numel(), 0.5);
        if (!value().isfinite().all().template item<bool>()) theta_ = own; // as of the root of a parameter
        put(theta_);
    }

    /// The module of other parameters.
    [[nodiscard]] const torch_module& module() const { return module_; }
    /// The number type.
    [[nodiscard]] ::torch::ScalarType type() const { return type_; }

    /// Returns the error of v' along a direction of xbar, s and r, against differences, relative to v'; of
    /// the first differences that are as good as `enough`, or else of the best.
    [[nodiscard]] double error_of_derivative(double enough) const {
        put(theta_);
        const tensor found = derivative().detach();
        const auto moved = [&](double h) {
            auto at = arguments_;
            for (std::size_t k = 0; k < moving.size(); ++k)
                at[moving[k]] = at[moving[k]].toTensor() + h * speed(k);
            return forward(std::move(at));
        };
        const ::torch::NoGradGuard plain;
        return least(enough, [&](double h) {
            const tensor slope = (moved(h) - moved(-h)) / (2 * h);
            return ratio((slope - found).norm(),
                         std::max(number(slope.norm()), number(value().norm()) * floor));
        });
    }
    /// Returns the largest error of d(sum k v')/d theta along three directions of theta, against differences,
    /// relative to the gradient's size; of the first that are as good as `enough`, or else of the best.
    [[nodiscard]] double error_of_gradient(double enough) const {
        const tensor theta = theta_.detach().requires_grad_(true);
        put(theta);
        const tensor v_dot = derivative(), k = waves(v_dot.numel(), 2.5).view(v_dot.sizes());
        tensor gradient = ::torch::zeros_like(theta_);
        if (v_dot.requires_grad()) {
            const auto found = ::torch::autograd::grad({(k * v_dot).sum()}, {theta}, {}, false, false, true);
            if (found.front().defined()) gradient = found.front().detach();
        }
        const double size = std::max(number((gradient * scale_).norm()),
                                     number((k * v_dot).abs().sum()) * floor);
        double most = 0.0;
        for (const double phase : {0.1, 1.1, 2.1}) {
            const tensor direction = scale_ * waves(theta_.numel(), phase);
            const double along = number((gradient * direction).sum());
            const auto moved = [&](double h) {
                put(theta_ + h * direction);
                return number((k * derivative()).sum());
            };
            const double error = least(
                enough, [&](double h) { return std::abs((moved(h) - moved(-h)) / (2 * h) - along) / size; });
            if (!(error <= most)) most = error; // or it is none
        }
        return size > 0.0 ? most : 0.0;
    }
    /// Returns the name of a parameter of which the module's value does not know, or nothing: as one of which
    /// the module has a second list.
    [[nodiscard]] std::string unread() const {
        std::vector<tensor> leaves;
        const torch_module copy = module_.copy();
        copy.parameters().replace(copy.module(), [&](index_t, const tensor& each) {
            return leaves.emplace_back(each.detach().clone().requires_grad_(true));
        });
        const ::torch::AutoGradMode recorded(true);
        const tensor v = copy.forward(arguments_).toTensor();
        const auto found = v.requires_grad()
                             ? ::torch::autograd::grad({v.sum()}, leaves, {}, false, false, true)
                             : std::vector<tensor>(leaves.size());
        for (std::size_t k = 0; k < leaves.size(); ++k)
            if (!found[k].defined())
                for (const auto& [name, parameter] : copy.module().named_parameters())
                    if (parameter.is_same(leaves[k])) return name;
        return "";
    }

private:
    static constexpr double floor = 1e-2; ///< below this part of a value's size a derivative counts as none
    /// xbar, s and r.
    static constexpr std::array<std::size_t, 3> moving{0, 3, 4};

    /// A wave over the parameters of a layer moves what it gives by about 0.1.
    static double scale_of(const tensor& parameter) {
        const double inputs = parameter.dim() > 1 ? static_cast<double>(parameter.numel()) /
                                                        static_cast<double>(parameter.size(0))
                                                  : 1.0;
        return std::min(0.1, 1.0 / std::sqrt(std::max(inputs, 1.0)));
    }
    static double number(const tensor& one) { return one.item().toDouble(); }
    static double ratio(const tensor& error, double size) { return size > 0.0 ? number(error) / size : 0.0; }
    /// The error of differences of the best step: truncation falls with it, as does the number of a ReLU's
    /// kinks between two points, and rounding rises.
    template <class F>
    static double least(double enough, const F& error) {
        double result = infinity;
        for (const double h : {1e-3, 1e-5, 1e-7, 1e-4, 1e-6, 1e-8, 1e-2, 1e-1})
            if (!(result <= enough)) result = std::min(result, error(h));
        return result;
    }
    [[nodiscard]] tensor waves(index_t n, double phase) const { return torch_waves(n, phase).to(type_); }
    [[nodiscard]] tensor speed(std::size_t k) const {
        const tensor& at = arguments_[moving[k]].toTensor();
        return k == 0 ? waves(at.numel(), 1.5).view(at.sizes()) : ::torch::full_like(at, k == 1 ? 0.7 : 1.0);
    }
    void put(const tensor& theta) const { module_.parameters().put(theta, module_.module()); }
    [[nodiscard]] tensor forward(arguments at) const {
        tensor result = module_.forward(std::move(at)).toTensor();
        if (result.scalar_type() != type_) throw std::runtime_error("rounded");
        return result;
    }
    [[nodiscard]] tensor value() const {
        const ::torch::NoGradGuard plain;
        put(theta_);
        return forward(arguments_);
    }
    /// Returns v', by the reverse pass of the reverse pass, with its record.
    [[nodiscard]] tensor derivative() const {
        const ::torch::AutoGradMode recorded(true);
        auto at = arguments_;
        std::vector<tensor> leaves;
        for (const std::size_t k : moving) {
            leaves.push_back(at[k].toTensor().detach().clone().requires_grad_(true));
            at[k] = leaves.back();
        }
        const tensor v = forward(std::move(at));
        if (!v.requires_grad()) return ::torch::zeros_like(v);
        const tensor cotangent = ::torch::zeros_like(v).requires_grad_(true);
        const auto pulled = ::torch::autograd::grad({v}, leaves, {cotangent}, true, true, true);
        std::vector<tensor> values, speeds;
        for (std::size_t k = 0; k < pulled.size(); ++k)
            if (pulled[k].defined() && pulled[k].requires_grad()) {
                values.push_back(pulled[k]);
                speeds.push_back(speed(k));
            }
        if (values.empty()) return ::torch::zeros_like(v);
        const tensor result = ::torch::autograd::grad(values, {cotangent}, speeds, true, true, true).front();
        return result.defined() ? result : ::torch::zeros_like(v);
    }

    torch_module module_;
    arguments arguments_;
    ::torch::ScalarType type_;
    tensor theta_, scale_; ///< (p) parameters, and how far each is moved
};

/// Holds v' and its gradient against differences: in double, or where the module does not work in double, in
/// float with a wider bound. LayerNorm's second reverse pass, which takes the mean and the deviation for
/// constants, errs by 8e-3 or more, and what is right by 1e-8 in double.
/// @throws std::invalid_argument where they differ, or where libtorch has no such derivative.
inline void require_third_derivatives(const torch_module& module, const torch_probe::arguments& at) {
    const auto check = [&](::torch::ScalarType type, double bound) {
        const torch_probe probe(module, at, type);
        require(probe.error_of_derivative(bound) <= bound, [&] {
            return module.name() + " has another derivative in libtorch than that of its numbers, as xbar, s "
                                   "and r move: it hides a part of them from autograd, as by torch.no_grad, "
                                   "detach or rounding";
        });
        require(probe.error_of_gradient(bound) <= bound, [&] {
            return module.name() + " has other third derivatives in libtorch than those of its numbers, as "
                                   "LayerNorm and instance_norm have: train it with GroupNorm(1, width), "
                                   "which gives the same";
        });
    };
    try {
        return check(::torch::kDouble, 1e-4);
    } catch (const std::invalid_argument&) {
        throw;
    } catch (const std::exception&) { // it has numbers of float within
    }
    try {
        check(::torch::kFloat, 2e-3);
    } catch (const std::invalid_argument&) {
        throw;
    } catch (const std::exception& of_torch) {
        throw std::invalid_argument(module.name() + " has no such derivative: " + torch_message(of_torch));
    }
}

} // namespace diamond::detail
