/// These operands of expressions are neither batches nor rows: repeated columns, and what is one or the
/// other.
#pragma once

#include <diamond/core/batch.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/row.hpp>

namespace diamond {

/// This is a d x N batch in an expression of N M columns: column j is column j / M of the batch.
template <class Real, class Context>
struct repeated_column {
    using is_expression = void;
    batch_view<const Real, Context> x; ///< The batch whose columns are repeated, d x N.
    index_t times;                     ///< M, how often each column is repeated
    extents shape() const { return {x.rows(), x.columns() * times}; }
    /// The number in row i of column j / M.
    DIAMOND_HD Real operator()(index_t i, index_t j) const { return x(i, j / times); }
};

namespace detail {
/// Calls f(x...), or f(row(x)...) where each x is 1 x N: its row then serves all rows of an expression.
template <class F, class... Views>
void for_every_row(const F& f, const Views&... x) {
    if (((x.rows() == 1) && ...))
        f(row(x)...);
    else
        f(x...);
}
} // namespace detail

} // namespace diamond
