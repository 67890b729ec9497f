/// A row is one number for each particle, as values, log weights and densities are.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include <diamond/core/batch.hpp>

namespace diamond {

/// This is a view of N numbers in a context's memory, one for each column of a batch. `row_view<const Value,
/// Context>` is read-only. It does not own what it shows, and is passed by value. A row without data, `{}`,
/// stands for numbers that are not there: that are not asked for, or all zero, as the function that takes it
/// says.
template <class Value, class Context>
class row_view {
public:
    using value_type = std::remove_const_t<Value>;
    using context_type = Context;

    DIAMOND_HD constexpr row_view() : data_(nullptr), columns_(0), context_(nullptr) {}
    /// The row of `columns` numbers at `data` in the memory of the context.
    DIAMOND_HD constexpr row_view(Value* data, index_t columns, const Context* context)
        : data_(data), columns_(columns), context_(context) {}

    /// A read-only view of what the other row shows.
    template <class Other>
        requires(std::is_same_v<const Other, Value>)
    DIAMOND_HD constexpr row_view(const row_view<Other, Context>& other) // NOLINT: it only adds const
        : data_(other.data_), columns_(other.columns_), context_(other.context_) {}

    /// Says whether there are numbers.
    [[nodiscard]] DIAMOND_HD constexpr explicit operator bool() const { return data_ != nullptr; }
    /// A pointer to the first number, in the context's memory; null where there are none.
    [[nodiscard]] DIAMOND_HD constexpr Value* data() const { return data_; }
    [[nodiscard]] DIAMOND_HD constexpr index_t columns() const { return columns_; }
    /// A pointer to the first number.
    [[nodiscard]] DIAMOND_HD constexpr Value* begin() const { return data_; }
    /// A pointer behind the last number.
    [[nodiscard]] DIAMOND_HD constexpr Value* end() const { return data_ + columns_; }
    /// The number of column j; it is not checked, and on a device only device code may read it.
    [[nodiscard]] DIAMOND_HD constexpr Value& operator[](index_t j) const { return data_[j]; }
    /// Returns the number of column j, by value: a row is a functor that a context's sum, max and forbid
    /// take.
    [[nodiscard]] DIAMOND_HD constexpr value_type operator()(index_t j) const { return data_[j]; }

    /// Returns the context whose vocabulary runs on this memory.
    [[nodiscard]] DIAMOND_HD constexpr const Context& context() const { return *context_; }

    /// Returns a view of the numbers first ... first + count - 1; of a row without data it is one, too.
    [[nodiscard]] DIAMOND_HD constexpr row_view columns(index_t first, index_t count) const {
        return data_ ? row_view(data_ + first, count, context_) : row_view();
    }

private:
    template <class, class>
    friend class row_view;

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
/// The row that a batch of one row is. @throws std::invalid_argument for a batch with other than one row.
template <class Real, class Context>
[[nodiscard]] row_view<Real, Context> row(owning_batch<Real, Context>& batch) {
    return row(batch.mutable_view());
}
/// The read-only row that a batch of one row is. @throws std::invalid_argument for a batch with other than
/// one row.
template <class Real, class Context>
[[nodiscard]] row_view<const Real, Context> row(const owning_batch<Real, Context>& batch) {
    return row(batch.read());
}
/// Returns the row of `columns` numbers that begin at `data`, which is in the context's memory.
template <class Value, class Context>
[[nodiscard]] row_view<Value, Context> row(const Context& context, index_t columns, Value* data) {
    return {data, columns, &context};
}

/// Copies the numbers of a row to the host and waits for them.
template <class Value, class Context>
[[nodiscard]] std::vector<std::remove_const_t<Value>> to_host(row_view<Value, Context> source) {
    std::vector<std::remove_const_t<Value>> host(static_cast<std::size_t>(source.columns()));
    if (source) source.context().to_host(source.data(), source.columns(), host.data());
    return host;
}

/// @throws std::invalid_argument with `where` and both numbers unless the row has as many numbers as there
/// are columns: what writes it without `assign`, which compares shapes itself, calls this first.
template <class Value, class Context>
void require_columns(const char* where, row_view<Value, Context> numbers, index_t columns) {
    require(numbers.columns() == columns, [&] {
        return std::string(where) + ": a row of " + digits_of(numbers.columns()) + " numbers for " +
               digits_of(columns) + " columns";
    });
}

} // namespace diamond
