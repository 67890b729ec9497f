/// Batches, times and conditions as tensors: a batch, d x N and column-major, is an (N, d) tensor in the same
/// memory.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <torch/script.h>

#include <diamond/core/condition.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/torch/device.hpp>
#include <diamond/torch/options.hpp>

namespace diamond::detail {

/// Returns what tensors of numbers of type Real in a context's memory are made with.
template <class Real, class Context>
[[nodiscard]] ::torch::TensorOptions torch_numbers(const Context& context) {
    return ::torch::TensorOptions()
        .dtype(c10::CppTypeToScalarType<Real>::value)
        .device(torch_device<Context>::of(context));
}
/// Returns an (N, d) tensor in the memory of a batch, which it does not own. libtorch knows no read-only
/// memory.
template <class Value, class Context>
[[nodiscard]] ::torch::Tensor tensor_of(batch_view<Value, Context> batch) {
    using real = std::remove_const_t<Value>;
    return at::from_blob(const_cast<real*>(batch.data()), {batch.columns(), batch.rows()},
                         torch_numbers<real>(batch.context()));
}
/// Returns the times of the columns as an (N) tensor, rounded to the particles' number type.
template <class Real, class Context>
[[nodiscard]] ::torch::Tensor time_tensor(const Context& context, time_view t, index_t columns) {
    auto result = at::empty({columns}, torch_numbers<Real>(context));
    auto* const to = result.template data_ptr<Real>();
    if constexpr (Context::host_memory) {
        for (index_t j = 0; j < columns; ++j) to[j] = static_cast<Real>(t[j]);
    } else {
        assign(batch_view<Real, Context>(to, 1, columns, &context), 1.0 * t);
    }
    return result;
}

/// @throws std::invalid_argument for a label that the module refuses.
[[noreturn]] inline void throw_no_unconditional(const deferred_error& why, index_t column) {
    throw std::invalid_argument("labels::unconditional in column " + digits_of(column) +
                                " for a TorchScript module that refuses the integer " +
                                digits_of(why.number) + ", by which torch_options says it");
}
/// @throws std::invalid_argument for a column without a vector.
[[noreturn]] inline void throw_no_vector_for_none(const deferred_error&, index_t column) {
    throw std::invalid_argument("column " + digits_of(column) +
                                " has no vector: give the module one for it by no_vector of torch_options");
}
DIAMOND_HD constexpr bool is_unconditional(std::int32_t label) { return label == labels::unconditional; }
DIAMOND_HD constexpr bool is_absent(std::int32_t present) { return present == 0; }

/// Appends the tensors of conditions to those of a call.
template <class Context>
class condition_tensors {
public:
    using tensors = std::vector<::torch::jit::IValue>;

    condition_tensors(const Context& context, index_t columns, const torch_options& options,
                      bool takes_unconditional)
        : context_(context),
          columns_(columns),
          options_(options),
          takes_unconditional_(takes_unconditional) {}

    void append(no_condition, tensors&) const {}
    /// (N) integers of 64 bits.
    void append(const labels& given, tensors& to) const {
        require_labels(context_, given, columns_, options_.classes);
        if (!takes_unconditional_) forbid_unconditional(given);
        if (given.broadcast()) {
            const std::int64_t label = given[0] == labels::unconditional ? options_.unconditional : given[0];
            to.emplace_back(::torch::full({columns_}, label, torch_numbers<std::int64_t>(context_)));
            return;
        }
        auto each = integers(given.data()).to(::torch::kInt64);
        if (options_.unconditional != labels::unconditional)
            each.masked_fill_(each.eq(labels::unconditional), options_.unconditional);
        to.emplace_back(each);
    }
    /// (N, d_c) numbers.
    template <class Batch>
    void append(const condition_vectors<Batch>& given, tensors& to) const {
        using real = typename Batch::value_type;
        require_vectors(given, columns_, options_.vector_size);
        if (given.none()) {
            if (options_.no_vector.empty() && columns_ > 0) throw_no_vector_for_none({}, 0);
            to.emplace_back(none<real>());
            return;
        }
        auto rows = tensor_of(given.rows()).expand({columns_, options_.vector_size});
        if (given.present()) {
            if (options_.no_vector.empty())
                context_.forbid(columns_, elementwise<is_absent>(row(context_, columns_, given.present())),
                                deferred_error{.what = "no vector", .raise = throw_no_vector_for_none});
            else
                rows = ::torch::where(integers(given.present()).ne(0).unsqueeze(1), rows, none<real>());
        }
        to.emplace_back(rows);
    }
    template <class Batch>
    void append(const label_and_vector<Batch>& given, tensors& to) const {
        append(given.label, to);
        append(given.vector, to);
    }

private:
    [[nodiscard]] ::torch::Tensor integers(const std::int32_t* each) const {
        return tensor_of(batch_view<const std::int32_t, Context>(each, 1, columns_, &context_)).squeeze(1);
    }
    template <class Real>
    [[nodiscard]] ::torch::Tensor none() const {
        return ::torch::tensor(options_.no_vector, torch_numbers<double>(context_))
            .to(c10::CppTypeToScalarType<Real>::value)
            .expand({columns_, options_.vector_size});
    }
    void forbid_unconditional(const labels& given) const {
        const deferred_error why{.what = "labels::unconditional",
                                 .raise = throw_no_unconditional,
                                 .number = options_.unconditional};
        if (given.broadcast() && given[0] == labels::unconditional && columns_ > 0)
            throw_no_unconditional(why, 0);
        if (!given.broadcast())
            context_.forbid(columns_, elementwise<is_unconditional>(row(context_, columns_, given.data())),
                            why);
    }

    const Context& context_;
    index_t columns_;
    const torch_options& options_;
    bool takes_unconditional_;
};

} // namespace diamond::detail
