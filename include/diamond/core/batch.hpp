/// A batch is d x N, one particle a column, column-major; its bytes are those of NumPy's C-ordered array of
/// shape (N, d).
///
/// Views do not own their memory and are passed by value. Batches own it, are move-only, and know the context
/// that it comes from. Copies are functions with names: copy, to_host, from_host.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// A column_view is a view of one particle, which is a contiguous column of a batch, d numbers.
template <class Value>
class column_view {
public:
    /// The column of `size` numbers that begins at `data`.
    DIAMOND_HD constexpr column_view(Value* data, index_t size) : data_(data), size_(size) {}

    /// The number of rows d.
    [[nodiscard]] DIAMOND_HD constexpr index_t size() const { return size_; }
    /// The number in row i, 0 <= i < d; it is not checked.
    [[nodiscard]] DIAMOND_HD constexpr Value& operator[](index_t i) const { return data_[i]; }
    /// A pointer to the first number.
    [[nodiscard]] DIAMOND_HD constexpr Value* begin() const { return data_; }
    /// A pointer behind the last number.
    [[nodiscard]] DIAMOND_HD constexpr Value* end() const { return data_ + size_; }

private:
    Value* data_;
    index_t size_;
};

/// A batch_view is a view of a d x N batch in a context's memory, which it does not own. `batch_view<const
/// Real, Context>` is read-only.
template <class Value, class Context>
class batch_view {
public:
    using value_type = std::remove_const_t<Value>;
    using context_type = Context;

    /// The batch of rows x columns numbers at `data`, column by column, in the memory of the context.
    DIAMOND_HD constexpr batch_view(Value* data, index_t rows, index_t columns, const Context* context)
        : data_(data), rows_(rows), columns_(columns), context_(context) {}

    /// A read-only view of what the other view shows.
    template <class Other>
        requires(std::is_same_v<const Other, Value>)
    DIAMOND_HD constexpr batch_view(const batch_view<Other, Context>& other) // NOLINT: it only adds const
        : data_(other.data()), rows_(other.rows()), columns_(other.columns()), context_(&other.context()) {}

    /// A pointer to the first number, in the context's memory.
    [[nodiscard]] DIAMOND_HD constexpr Value* data() const { return data_; }
    [[nodiscard]] DIAMOND_HD constexpr index_t rows() const { return rows_; }
    [[nodiscard]] DIAMOND_HD constexpr index_t columns() const { return columns_; }
    /// The number of elements, rows x columns.
    [[nodiscard]] DIAMOND_HD constexpr index_t size() const { return rows_ * columns_; }

    /// The element in row i of column j; it is not checked, and on a device only device code may read it.
    [[nodiscard]] DIAMOND_HD constexpr Value& operator()(index_t i, index_t j) const {
        return data_[i + rows_ * j];
    }
    /// The k-th element, column by column.
    [[nodiscard]] DIAMOND_HD constexpr Value& operator[](index_t k) const { return data_[k]; }

    /// Column j, for a function that reads one particle.
    [[nodiscard]] DIAMOND_HD constexpr column_view<Value> column(index_t j) const {
        return {data_ + rows_ * j, rows_};
    }
    /// Returns a view of the columns first ... first + count - 1.
    [[nodiscard]] DIAMOND_HD constexpr batch_view columns(index_t first, index_t count) const {
        return {data_ + rows_ * first, rows_, count, context_};
    }
    /// Returns a view of this memory as rows x columns, column-major.
    [[nodiscard]] DIAMOND_HD constexpr batch_view reshaped(index_t rows, index_t columns) const {
        return {data_, rows, columns, context_};
    }

    /// Returns the context whose operations run on this memory.
    [[nodiscard]] DIAMOND_HD constexpr const Context& context() const { return *context_; }

private:
    Value* data_;
    index_t rows_, columns_;
    const Context* context_;
};

/// Returns the number of elements, of `bytes` bytes each, of a rows x columns batch. @throws
/// std::invalid_argument for negative extents, and where the elements or their bytes are more than an index
/// counts.
[[nodiscard]] inline index_t require_extents(index_t rows, index_t columns, std::size_t bytes) {
    const auto batch = [&] { return "a batch of " + digits_of(rows) + " x " + digits_of(columns); };
    require(rows >= 0 && columns >= 0, [&] { return batch() + ": extents must not be negative"; });
    index_t count = 0, total = 0;
    require(!__builtin_mul_overflow(rows, columns, &count) &&
                !__builtin_mul_overflow(count, static_cast<index_t>(bytes), &total),
            [&] { return batch() + " numbers of " + digits_of(bytes) + " bytes: more bytes than 2^63 - 1"; });
    return count;
}

/// An owning_batch is a d x N batch that owns its memory, which comes from a context that must outlive it. It
/// allocates only when it grows, and its contents are unspecified after a resize.
template <class Real, class Context>
class owning_batch {
public:
    using value_type = Real;
    using context_type = Context;
    using view = batch_view<Real, Context>;
    using const_view = batch_view<const Real, Context>;

    owning_batch() = default;
    /// A batch of rows x columns numbers, without values. @throws std::invalid_argument for negative extents.
    owning_batch(const Context& context, index_t rows, index_t columns) { resize(context, rows, columns); }

    owning_batch(const owning_batch&) = delete;
    owning_batch& operator=(const owning_batch&) = delete;
    /// Takes over the other's memory, which is then empty.
    owning_batch(owning_batch&& other) noexcept { swap(other); }
    /// Takes over the other's memory, which then has this one's.
    owning_batch& operator=(owning_batch&& other) noexcept {
        swap(other);
        return *this;
    }
    ~owning_batch() {
        if (data_) context_->deallocate(data_, capacity_);
    }

    /// Becomes rows x columns, and allocates only where that is more than ever before, or on another context.
    /// On a device it gives its memory back first, and is empty where the new one cannot be had.
    /// @throws std::invalid_argument as require_extents does.
    void resize(const Context& context, index_t rows, index_t columns) {
        const index_t count = require_extents(rows, columns, sizeof(Real));
        if (count > capacity_ || (context_ && context_ != &context)) {
            if constexpr (!Context::host_memory)
                *this = owning_batch(); // a device has room for one, not both
            owning_batch grown;
            grown.context_ = &context;
            grown.data_ = context.template allocate<Real>(count);
            grown.capacity_ = count;
            swap(grown);
        }
        context_ = &context;
        rows_ = rows;
        columns_ = columns;
    }

    [[nodiscard]] index_t rows() const { return rows_; }
    [[nodiscard]] index_t columns() const { return columns_; }
    /// The number of elements, rows x columns.
    [[nodiscard]] index_t size() const { return rows_ * columns_; }

    /// A pointer to the first number, in the context's memory.
    [[nodiscard]] Real* data() { return data_; }
    /// A pointer to the first number, in the context's memory.
    [[nodiscard]] const Real* data() const { return data_; }

    /// A batch converts to its view.
    operator view() { return {data_, rows_, columns_, context_}; } // NOLINT: a batch is its view
    /// A batch converts to its read-only view.
    operator const_view() const { return {data_, rows_, columns_, context_}; } // NOLINT
    /// Returns a view of the batch, d x N, by which its elements are written.
    [[nodiscard]] view mutable_view() { return *this; }
    /// Returns a view of the batch, d x N, by which its elements are read.
    [[nodiscard]] const_view read() const { return *this; }
    /// Returns a view for work on the context `reader`: contexts may share parameters that never change.
    /// Memory of the host, once it is written, serves all contexts of a back end; memory of a device serves
    /// only its own, since the stream of another context neither waits for it nor holds it back. @throws
    /// std::invalid_argument for a device's memory and another context.
    [[nodiscard]] const_view read_on(const Context& reader) const {
        if constexpr (!Context::host_memory)
            require(&reader == context_,
                    "parameters in a device's memory serve the context that they were made on: the stream of "
                    "another does not wait for them, so make the model or the reward on each context");
        return {data_, rows_, columns_, &reader};
    }

    /// The context in whose memory the batch is.
    [[nodiscard]] const Context& context() const { return *context_; }

    /// Exchanges memory and extents with another batch.
    void swap(owning_batch& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(rows_, other.rows_);
        std::swap(columns_, other.columns_);
        std::swap(capacity_, other.capacity_);
        std::swap(context_, other.context_);
    }

private:
    Real* data_ = nullptr;
    index_t rows_ = 0;
    index_t columns_ = 0;
    index_t capacity_ = 0;
    const Context* context_ = nullptr;
};

/// A scratch is a batch that is working space. Its copy is empty, so that maps and kernels that own one stay
/// copyable.
template <class Real, class Context>
class scratch : public owning_batch<Real, Context> {
public:
    using owning_batch<Real, Context>::owning_batch;
    scratch() = default;
    /// A copy begins empty: working space holds nothing between calls.
    scratch(const scratch&) : owning_batch<Real, Context>() {}
    /// A move takes over the memory and the extents; the other is empty then.
    scratch(scratch&&) noexcept = default;
    /// Assignment leaves the memory as it is.
    scratch& operator=(const scratch&) { return *this; }
    /// Takes over the other's memory and extents, and gives it those of this one.
    scratch& operator=(scratch&&) noexcept = default;
    ~scratch() = default;
};

/// Copies the numbers of a view to the host, column by column, and waits for them.
template <class Value, class Context>
[[nodiscard]] std::vector<std::remove_const_t<Value>> to_host(batch_view<Value, Context> source) {
    std::vector<std::remove_const_t<Value>> host(static_cast<std::size_t>(source.size()));
    source.context().to_host(source.data(), source.size(), host.data());
    return host;
}
/// Copies a batch to the host, as of its view.
template <class Real, class Context>
[[nodiscard]] std::vector<Real> to_host(const owning_batch<Real, Context>& source) {
    return to_host(source.read());
}

/// Makes a rows x columns batch from numbers of the host, column by column. @throws std::invalid_argument
/// unless there are rows * columns of them.
template <class Real, class Context>
[[nodiscard]] owning_batch<Real, Context> from_host(const Context& context, index_t rows, index_t columns,
                                                    std::span<const Real> host) {
    require(static_cast<index_t>(host.size()) == require_extents(rows, columns, sizeof(Real)), [&] {
        return "from_host: " + digits_of(host.size()) + " numbers for a batch of " + digits_of(rows) + " x " +
               digits_of(columns);
    });
    owning_batch<Real, Context> result(context, rows, columns);
    context.from_host(host.data(), rows * columns, result.data());
    return result;
}
/// Makes a batch from a vector of the host, as from its span.
template <class Real, class Context>
[[nodiscard]] owning_batch<Real, Context> from_host(const Context& context, index_t rows, index_t columns,
                                                    const std::vector<Real>& host) {
    return from_host<Real>(context, rows, columns, std::span<const Real>(host));
}

/// @throws std::invalid_argument with `where` and both shapes unless they agree.
template <class Value, class Context, class Other>
void require_same_shape(const char* where, batch_view<Value, Context> a, batch_view<Other, Context> b) {
    require(a.rows() == b.rows() && a.columns() == b.columns(), [&] {
        return std::string(where) + ": " + digits_of(a.rows()) + " x " + digits_of(a.columns()) +
               " against " + digits_of(b.rows()) + " x " + digits_of(b.columns());
    });
}

/// @throws std::invalid_argument with `where` if the two share memory: what writes `out` while it still reads
/// `in` would read its own numbers.
template <class Value, class Context, class Other>
void require_apart(const char* where, batch_view<Value, Context> in, batch_view<Other, Context> out) {
    const std::less<const void*> before{};
    const void *const in_end = in.data() + in.size(), *const out_end = out.data() + out.size();
    require(in.size() == 0 || out.size() == 0 || !before(in.data(), out_end) || !before(out.data(), in_end),
            [&] { return std::string(where) + ": out overlaps what is read: give it a batch of its own"; });
}

} // namespace diamond
