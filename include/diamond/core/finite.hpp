/// What a program hands back is made of numbers: the check of it, a column at a time.
#pragma once

#include <cmath>

#include <diamond/core/batch.hpp>
#include <diamond/core/errors.hpp>

namespace diamond::detail {

struct not_finite {
    const double* values;
    DIAMOND_HD bool operator()(index_t j) const { return !(std::fabs(values[j]) < infinity); }
};
/// Whether a column has an entry that is no finite number.
template <class Real>
struct not_finite_column {
    const Real* x;
    index_t     rows;
    DIAMOND_HD bool operator()(index_t j) const {
        bool bad = false; // without a way out, which vectorises
        for (index_t i = 0; i < rows; ++i) bad |= !(std::fabs(x[i + rows * j]) < static_cast<Real>(infinity));
        return bad;
    }
};

/// @throws what `why` says of the first column of x with an entry that is NaN or infinite; a device throws when the host next waits. One pass over x.
template <class Value, class Context>
void require_finite_columns(batch_view<Value, Context> x, const deferred_error& why) {
    x.context().forbid(x.columns(), not_finite_column<std::remove_const_t<Value>>{x.data(), x.rows()}, why);
}

} // namespace diamond::detail
