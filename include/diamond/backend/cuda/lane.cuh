/// This header does the work on dense layers on a device. One lane takes all columns, a layer and its bias
/// are computed in one pass, and the gradient of a bias is added up as a tree.
#pragma once

#include <type_traits>

#include <diamond/backend/cuda/state.cuh>
#include <diamond/backend/detail/functor_lane.hpp>

namespace diamond::cuda::detail {

/// This is the lane of the CUDA back end; concepts/backend.hpp describes its operations.
template <class Context>
class dense_lane : public diamond::detail::functor_lane<Context> {
public:
    dense_lane(const Context& context, context_state& state)
        : diamond::detail::functor_lane<Context>(context), context_(context), state_(state) {}

    /// Writes out = W h + b for the first `columns` columns and, if there are two parts, W h for as many
    /// more.
    template <class Real>
    void affine(const Real* weights, const Real* bias, const Real* h, Real* out, index_t outputs,
                index_t columns, index_t inputs, index_t parts) {
        if (columns == 0) return;
        if constexpr (std::is_same_v<Real, float>) {
            const device_guard guard(state_.device());
            if (state_.own().products.write_layer(weights, bias, h, out, outputs, columns, inputs)) {
                state_.count_fused_layer();
                if (parts == 2)
                    state_.own().products.write(transpose::no, weights, transpose::no, h + inputs * columns,
                                                Real{0}, out + outputs * columns, outputs, columns, inputs);
                return;
            }
        }
        diamond::detail::functor_lane<Context>::affine(weights, bias, h, out, outputs, columns, inputs,
                                                       parts);
    }
    /// Adds the sum of the columns of a to `out`.
    template <class Real>
    void add_columns(const Real* a, index_t rows, index_t columns, Real* out) {
        constexpr index_t width = 64; // columns that one thread adds up
        const index_t parts = (columns + width - 1) / width;
        // Two levels of the tree lie side by side.
        Real* partial = parts > 1 ? state_.template scratch<Real>(2 * rows * parts) : nullptr;
        Real* next = parts > 1 ? partial + rows * parts : nullptr;
        while (columns > width) {
            const index_t count = (columns + width - 1) / width;
            context_.for_each(rows, count, add_some_columns<Real>{a, partial, rows, columns, width, false});
            a = partial;
            columns = count;
            std::swap(partial, next);
        }
        context_.for_each(rows, index_t{1}, add_some_columns<Real>{a, out, rows, columns, width, true});
    }

private:
    const Context& context_;
    context_state& state_;
};

} // namespace diamond::cuda::detail
