/// This file checks that what a program hands back is made of finite numbers.
#pragma once

#include <cmath>

#include <diamond/core/batch.hpp>
#include <diamond/core/errors.hpp>

namespace diamond::detail {

/// Says whether x is NaN or infinite.
DIAMOND_HD inline bool is_not_finite(double x) { return !(std::fabs(x) < infinity); }

/// Says whether column j of x has an entry that is NaN or infinite.
template <class View>
struct not_finite_column {
    View x;
    DIAMOND_HD bool operator()(index_t j) const {
        using real = typename View::value_type;
        bool bad = false; // the loop has no early exit, so that compilers vectorise it
        for (index_t i = 0; i < x.rows(); ++i) bad |= !(std::fabs(x(i, j)) < static_cast<real>(infinity));
        return bad;
    }
};

/// Checks each column of x, d x N, in one pass. @throws what `why` says of the first column with an entry
/// that is NaN or infinite; a device throws it when the host next waits.
template <class Value, class Context>
void require_finite_columns(batch_view<Value, Context> x, const deferred_error& why) {
    using view = batch_view<const std::remove_const_t<Value>, Context>;
    x.context().forbid(x.columns(), not_finite_column<view>{.x = x}, why);
}

} // namespace diamond::detail
