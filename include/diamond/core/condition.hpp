/// What a sample is conditioned on. It travels beside the particles through maps, kernels, values and drivers, is repeated for a
/// particle's value samples and gathered when the particle is.
#pragma once

#include <cstdint>

#include <diamond/core/batch.hpp>

namespace diamond {

/// Nothing to condition on.
struct no_condition {};

/// Class labels: one for the whole batch, or one per column in the memory of the batch. `unconditional` is the empty label.
class labels {
public:
    static constexpr std::int32_t unconditional = -1;

    constexpr labels() = default; ///< unconditional: what a driver runs with that is given no condition
    DIAMOND_HD constexpr explicit labels(std::int32_t label) : value_(label) {}
    DIAMOND_HD constexpr explicit labels(const std::int32_t* per_column) : per_column_(per_column) {}

    [[nodiscard]] DIAMOND_HD constexpr bool         broadcast() const { return per_column_ == nullptr; }
    [[nodiscard]] DIAMOND_HD constexpr std::int32_t operator[](index_t column) const { return broadcast() ? value_ : per_column_[column]; }

private:
    std::int32_t        value_      = unconditional;
    const std::int32_t* per_column_ = nullptr;
};

/// Keeps a condition in step with its particles. `repeat` serves M value samples a particle, `gather` resampling; both return a
/// condition that lives in this object until the next call.
template <class Condition, class Context>
class condition_store;

template <class Context>
class condition_store<no_condition, Context> {
public:
    no_condition repeat(const Context&, no_condition, index_t, index_t) { return {}; }
    no_condition gather(const Context&, no_condition, const std::int32_t*, index_t) { return {}; }
};

namespace detail {
struct repeat_label {
    labels        from;
    index_t         samples;
    std::int32_t* to;
    DIAMOND_HD void operator()(index_t j) const { to[j] = from[j / samples]; }
};
struct gather_label {
    labels              from;
    const std::int32_t* ancestors;
    std::int32_t*       to;
    DIAMOND_HD void operator()(index_t j) const { to[j] = from[ancestors[j]]; }
};
} // namespace detail

template <class Context>
class condition_store<labels, Context> {
public:
    labels repeat(const Context& context, labels from, index_t columns, index_t samples) {
        if (from.broadcast() || samples == 1) return from;
        repeated_.resize(context, 1, columns * samples);
        context.for_each(columns * samples, detail::repeat_label{from, samples, repeated_.data()});
        return labels(repeated_.data());
    }
    labels gather(const Context& context, labels from, const std::int32_t* ancestors, index_t columns) {
        if (from.broadcast()) return from;
        spare_.resize(context, 1, columns);
        context.for_each(columns, detail::gather_label{from, ancestors, spare_.data()});
        spare_.swap(gathered_);
        spare_.resize(context, 1, columns); // the next call allocates nothing
        return labels(gathered_.data());
    }

private:
    scratch<std::int32_t, Context> repeated_, gathered_, spare_;
};

/// A type's condition: what it names `condition_type`, or nothing.
namespace detail {
template <class Type>
struct condition_of {
    using type = no_condition;
};
template <class Type>
    requires requires { typename Type::condition_type; }
struct condition_of<Type> {
    using type = typename Type::condition_type;
};
} // namespace detail
template <class Type>
using condition_of_t = typename detail::condition_of<Type>::type;

} // namespace diamond
