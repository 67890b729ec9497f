/// What a sample is conditioned on. It travels beside the particles through maps, kernels, values and drivers, is repeated for a
/// particle's value samples and gathered when the particle is.
///
/// A network's condition is what it names `condition_type`: no_condition, labels, or a copyable type of your own, e.g. an embedding. Sampling hands
/// it on as it is; values, SMC and posterior draws need condition_store<your type, Context>, specialised:
///   1. store.repeat(context, from, columns, samples) gives the condition of columns x samples columns, of which j samples + i has that of column j;
///   2. store.gather(context, from, ancestors, columns) gives the condition whose column j is column ancestors[j] of `from`; `ancestors` is in the
///      back end's memory.
/// What they give may point into the store, and is good until the same one is called again. One embedding for the whole batch is the same for
/// whichever columns, so that
///     template <class Context>
///     class diamond::condition_store<prompt, Context> : public diamond::condition_for_all<prompt> {};
/// is all that it takes. One a column, `struct prompts { diamond::const_view_t<batch> rows; };` of d_c x N numbers, is
///     template <class Context>
///     class diamond::condition_store<prompts, Context> {
///     public:
///         prompts repeat(const Context& context, const prompts& from, diamond::index_t columns, diamond::index_t samples) {
///             repeated_.resize(context, from.rows.rows(), columns * samples);
///             diamond::repeat_columns(from.rows, samples, repeated_.mutable_view());
///             return {repeated_};
///         }
///         prompts gather(const Context& context, const prompts& from, const std::int32_t* ancestors, diamond::index_t columns) {
///             gathered_.resize(context, from.rows.rows(), columns);
///             context.gather(from.rows, ancestors, gathered_.mutable_view());
///             return {gathered_};
///         }
///     private:
///         diamond::scratch<float, Context> repeated_, gathered_;
///     };
/// A reward that takes the condition, r(z, condition, values), gets the repeated one.
#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>

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
    DIAMOND_HD constexpr explicit labels(const std::int32_t* per_column) : per_column_(per_column), broadcast_(false) {}

    [[nodiscard]] DIAMOND_HD constexpr bool         broadcast() const { return broadcast_; }
    [[nodiscard]] DIAMOND_HD constexpr std::int32_t operator[](index_t column) const { return broadcast() ? value_ : per_column_[column]; }
    /// Of the columns' labels; null where one stands for all.
    [[nodiscard]] DIAMOND_HD constexpr const std::int32_t* data() const { return per_column_; }

private:
    std::int32_t        value_      = unconditional;
    const std::int32_t* per_column_ = nullptr;
    bool                broadcast_  = true; ///< not told by a null pointer: that is what an empty list of labels has
};

namespace detail {
struct is_no_label {
    labels  given;
    index_t classes;
    DIAMOND_HD bool operator()(index_t j) const { return given[j] < labels::unconditional || given[j] >= classes; }
};
inline void require_list(const labels& given, index_t columns) {
    require(given.broadcast() || given.data() || columns == 0,
            [&] { return "no labels, a null pointer, for " + digits_of(columns) + " columns: labels{} is unconditional"; });
}
/// "0 to 9", of ten.
[[nodiscard]] inline std::string labels_of(index_t classes) {
    return classes > 0 ? "0 to " + digits_of(classes - 1) + ", or labels::unconditional" : "labels::unconditional alone";
}
[[noreturn]] inline void throw_no_label(const deferred_error& why, index_t column) {
    throw std::invalid_argument("the label of column " + digits_of(column) + " for a network of " + digits_of(why.number) +
                                " classes: it takes " + labels_of(why.number));
}
} // namespace detail

/// What a network of labels 0 ... classes - 1 calls before it reads any, one of your own, too: a label that it was not trained with would be
/// taken for something else. labels::unconditional always passes.
/// @throws std::invalid_argument with label, column and number of classes; of labels a column, a device throws it, without the label, when the
/// host next waits.
template <class Context>
void require_labels(const Context& context, const labels& given, index_t columns, index_t classes) {
    const detail::is_no_label bad{given, classes};
    const auto refuse = [&](std::int32_t label, const std::string& where) {
        throw std::invalid_argument("label " + digits_of(label) + where + " for a network of " + digits_of(classes) + " classes: it takes " +
                                    detail::labels_of(classes));
    };
    if (given.broadcast()) {
        if (bad(0)) refuse(given[0], "");
        return;
    }
    detail::require_list(given, columns);
    if constexpr (Context::host_memory) {
        const index_t j = context.find_first(columns, bad);
        if (j < columns) refuse(given[j], " of column " + digits_of(j));
    } else {
        context.forbid(columns, bad, deferred_error{.what = "a label that is none", .raise = detail::throw_no_label, .number = classes});
    }
}

namespace detail {
template <class>
inline constexpr bool is_specialised = false;
}

/// Keeps a condition in step with its particles. `repeat` serves M value samples a particle, `gather` resampling; both return a
/// condition that lives in this object until the next call. To be specialised for conditions of your own: see above.
template <class Condition, class Context>
class condition_store {
    static_assert(detail::is_specialised<Condition>,
                  "a condition of your own needs diamond::condition_store<your condition, Context>, with repeat and gather as core/condition.hpp shows: where "
                  "one stands for the whole batch, `template <class Context> class diamond::condition_store<prompt, Context> : public "
                  "diamond::condition_for_all<prompt> {};`");

public:
    Condition repeat(const Context&, const Condition& from, index_t, index_t) { return from; } // of no use but to say no more than that sentence
    Condition gather(const Context&, const Condition& from, const std::int32_t*, index_t) { return from; }
};

/// The base of a condition_store whose condition stands for the whole batch, whichever columns that has.
template <class Condition>
class condition_for_all {
public:
    template <class Context>
    const Condition& repeat(const Context&, const Condition& from, index_t, index_t) {
        return from;
    }
    template <class Context>
    const Condition& gather(const Context&, const Condition& from, const std::int32_t*, index_t) {
        return from;
    }
};

/// The ladder of conditions that are kept in step: the first clause that Condition breaks says what to write.
template <class Condition, class Context>
consteval bool diagnose_condition() {
    using store = condition_store<Condition, Context>;
    static_assert(std::copyable<Condition>, "a condition must be copyable: let it hold a view, or share its numbers through std::shared_ptr<const ...>");
    static_assert(std::default_initializable<store>, "a condition_store must be default constructible");
    static_assert(requires(store& s, const Context& context, const Condition& from, index_t n) {
        { s.repeat(context, from, n, n) } -> std::convertible_to<Condition>;
    }, "a condition_store needs repeat(context, condition, columns, samples) that gives the condition of columns x samples columns");
    static_assert(requires(store& s, const Context& context, const Condition& from, const std::int32_t* ancestors, index_t n) {
        { s.gather(context, from, ancestors, n) } -> std::convertible_to<Condition>;
    }, "a condition_store needs gather(context, condition, const std::int32_t* ancestors, columns) that gives the condition of the chosen columns");
    return true;
}

template <class Context>
class condition_store<no_condition, Context> : public condition_for_all<no_condition> {};

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
        detail::require_list(from, columns);
        if (from.broadcast() || samples == 1) return from;
        repeated_.resize(context, 1, columns * samples);
        context.for_each(columns * samples, detail::repeat_label{from, samples, repeated_.data()});
        return labels(repeated_.data());
    }
    labels gather(const Context& context, labels from, const std::int32_t* ancestors, index_t columns) {
        detail::require_list(from, columns);
        if (from.broadcast()) return from;
        next_.resize(context, 1, columns);
        context.for_each(columns, detail::gather_label{from, ancestors, next_.data()});
        next_.swap(gathered_);
        next_.resize(context, 1, columns); // the next call allocates nothing
        return labels(gathered_.data());
    }

private:
    scratch<std::int32_t, Context> repeated_, gathered_, next_;
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
