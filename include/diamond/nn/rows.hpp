/// Some rows of a batch are an expression here, and a place to write expressions to: a network's inputs and
/// outputs stand in one batch, one below the other.
#pragma once

#include <diamond/core/expression.hpp>

namespace diamond::detail {

/// Stands for the rows first, first + 1, ... of a batch. As an expression it is 0 where the batch has no
/// memory.
template <class View>
struct rows_from {
    using is_expression = void;
    View batch;
    index_t first = 0;
    extents shape() const { return {-1, batch.columns()}; }
    DIAMOND_HD double operator()(index_t i, index_t j) const {
        return batch.data() ? static_cast<double>(batch(first + i, j)) : 0.0;
    }
};

[[nodiscard]] DIAMOND_HD constexpr numbers<1> as_numbers(double number) { return {{number}}; }
[[nodiscard]] DIAMOND_HD constexpr numbers<2> as_numbers(numbers<2> both) { return both; }

/// Writes the K numbers that an expression gives at (i, j) to (i, j) of K places.
template <int K, index_t Cost, class View, class E>
struct write_numbers {
    static constexpr index_t relative_cost = Cost;
    E value;
    rows_from<View> to[static_cast<std::size_t>(K)];
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        const numbers<K> all = as_numbers(value(i, j));
        for (int k = 0; k < K; ++k)
            to[k].batch(to[k].first + i, j) = static_cast<typename View::value_type>(all.value[k]);
    }
};
/// Writes `rows` rows of an expression whose elements are one number, or two, to as many places, by the
/// for_each of `where`: a context, or a lane for a block of columns. An element costs `Cost` copies of a
/// number: by default a few roots and quotients.
template <index_t Cost = 8, class Where, class E, class View, class... Views>
void write_rows(Where& where, index_t rows, const E& value, rows_from<View> to, rows_from<Views>... others) {
    constexpr int count = 1 + static_cast<int>(sizeof...(Views));
    where.for_each(rows, to.batch.columns(),
                   write_numbers<count, Cost, View, E>{.value = value, .to = {to, others...}});
}

/// out(first + i, j) = x(i, j) for i < rows and all columns. The batches in x and `out` may have further
/// rows.
template <class Real, class Context, is_operand X>
void assign_rows(batch_view<Real, Context> out, index_t first, index_t rows, const X& x) {
    write_rows<1>(out.context(), rows, operand<X>::of(x), rows_from<batch_view<Real, Context>>{out, first});
}

} // namespace diamond::detail
