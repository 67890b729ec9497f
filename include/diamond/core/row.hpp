/// A row is one number for each particle, as values, log weights and densities are.
#pragma once

#include <type_traits>

#include <diamond/core/batch.hpp>

namespace diamond {

/// This is a view of N numbers in a context's memory, one for each column of a batch. `row_view<const Value,
/// Context>` is read-only. It does not own what it shows, and is passed by value.
template <class Value, class Context>
class row_view {
public:
    using value_type = std::remove_const_t<Value>;
    using context_type = Context;

    DIAMOND_HD constexpr row_view(Value* data, index_t columns, const Context* context)
        : data_(data), columns_(columns), context_(context) {}

    template <class Other>
        requires(std::is_same_v<const Other, Value>)
    DIAMOND_HD constexpr row_view(const row_view<Other, Context>& other) // NOLINT: it only adds const
        : data_(other.data()), columns_(other.columns()), context_(&other.context()) {}

    [[nodiscard]] DIAMOND_HD constexpr Value* data() const { return data_; }
    [[nodiscard]] DIAMOND_HD constexpr index_t columns() const { return columns_; }
    [[nodiscard]] DIAMOND_HD constexpr Value& operator[](index_t j) const { return data_[j]; }
    /// Returns the number of column j, by value: a row is a functor that a context's sum, max and forbid
    /// take.
    [[nodiscard]] DIAMOND_HD constexpr value_type operator()(index_t j) const { return data_[j]; }

    /// Returns the context whose vocabulary runs on this memory.
    [[nodiscard]] DIAMOND_HD constexpr const Context& context() const { return *context_; }

private:
    Value* data_;
    index_t columns_;
    const Context* context_;
};

/// Returns the row of a batch that has one. @throws std::invalid_argument, with the number, for a batch of
/// any other number of rows.
template <class Value, class Context>
[[nodiscard]] row_view<Value, Context> row(batch_view<Value, Context> batch) {
    require(batch.rows() == 1,
            [&] { return "a batch of " + digits_of(batch.rows()) + " rows where one is needed"; });
    return {batch.data(), batch.columns(), &batch.context()};
}
template <class Real, class Context>
[[nodiscard]] row_view<Real, Context> row(owning_batch<Real, Context>& batch) {
    return row(batch.mutable_view());
}
template <class Real, class Context>
[[nodiscard]] row_view<const Real, Context> row(const owning_batch<Real, Context>& batch) {
    return row(batch.read());
}
/// Returns the row of `columns` numbers that begin at `data`, which is in the context's memory.
template <class Value, class Context>
[[nodiscard]] row_view<Value, Context> row(const Context& context, index_t columns, Value* data) {
    return {data, columns, &context};
}

} // namespace diamond
