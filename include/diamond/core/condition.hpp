/// A condition is what a sample is conditioned on. It travels beside the particles through maps, kernels,
/// values and drivers; it is repeated for the value samples of a particle and gathered when the particles are
/// resampled.
///
/// A network names its condition's type `condition_type`: no_condition, labels, condition_vectors<batch> (an
/// observation, a goal, an embedding), label_and_vector<batch>, or a copyable type of your own. Sampling
/// passes a condition on unchanged. Values, SMC and posterior draws need condition_store<your type, Context>,
/// which you specialise:
///   1. store.repeat(context, from, columns, samples) gives the condition of columns * samples columns, of
///      which column j samples + i has the condition of column j;
///   2. store.gather(context, from, ancestors, columns) gives the condition whose column j is column
///      ancestors[j] of `from`; `ancestors` is in the back end's memory.
/// The result may point into the store, and is valid until the same function is called again. A condition
/// that serves the whole batch does not depend on columns, and needs only
///     template <class Context>
///     class diamond::condition_store<prompt, Context> : public diamond::condition_for_all<prompt> {};
/// and the store of condition_vectors below is the model of one that does.
/// A reward that takes the condition, r(z, condition, values), is given the repeated condition. Where rewards
/// differ by group (grouped_reward), a condition that depends on columns also has columns(first, count)
/// const.
#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>

#include <diamond/core/batch.hpp>
#include <diamond/core/combine.hpp>
#include <diamond/core/expression.hpp>

namespace diamond {

/// Stands for the condition of an unconditional network.
struct no_condition {
    /// Returns what some of the columns have: nothing.
    [[nodiscard]] constexpr no_condition columns(index_t, index_t) const { return {}; }
};

namespace detail {
/// The `condition_type` that a type names; no_condition where it names none.
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
/// The condition that a network, map or kernel takes: its `condition_type`, or no_condition where it names
/// none.
template <class Type>
using condition_of_t = typename detail::condition_of<Type>::type;

/// Holds class labels: one for the whole batch, or one for each column, in the memory of the batch and not
/// owned. The label `unconditional` stands for no class.
class labels {
public:
    static constexpr std::int32_t unconditional = -1; ///< The label that asks for a draw of any class.

    constexpr labels() = default; ///< unconditional; a driver that is given no condition runs with it
    /// One label, a class or `unconditional`, which serves all columns of a batch.
    DIAMOND_HD constexpr explicit labels(std::int32_t label) : value_(label) {}
    /// A label for each column, N integers in the back end's memory, which are not owned.
    DIAMOND_HD constexpr explicit labels(const std::int32_t* per_column)
        : per_column_(per_column), broadcast_(false) {}

    /// Says whether one label serves all columns.
    [[nodiscard]] DIAMOND_HD constexpr bool broadcast() const { return broadcast_; }
    /// Returns the label of a column: the one that all columns share, or its own.
    [[nodiscard]] DIAMOND_HD constexpr std::int32_t operator[](index_t column) const {
        return broadcast() ? value_ : per_column_[column];
    }
    /// Returns the labels of the columns; null where one label serves all columns.
    [[nodiscard]] DIAMOND_HD constexpr const std::int32_t* data() const { return per_column_; }
    /// Returns the labels of columns first, first + 1, ...
    [[nodiscard]] constexpr labels columns(index_t first, index_t) const {
        return broadcast() ? *this : labels(per_column_ + first);
    }

private:
    std::int32_t value_ = unconditional;
    const std::int32_t* per_column_ = nullptr;
    bool broadcast_ = true; ///< a null pointer does not say it, since an empty list of labels has one, too
};

namespace detail {
/// Says whether a label is neither unconditional nor one of 0 ... classes - 1.
DIAMOND_HD constexpr bool is_no_label(std::int32_t label, double classes) {
    return label < labels::unconditional || label >= classes;
}
/// @throws std::invalid_argument with the number of columns where these have no labels.
inline void require_list(const labels& given, index_t columns) {
    require(given.broadcast() || given.data() || columns == 0, [&] {
        return "no labels, a null pointer, for " + digits_of(columns) + " columns: labels{} is unconditional";
    });
}
/// Names the labels that a network of so many classes takes: "0 to 9, or labels::unconditional" for ten.
[[nodiscard]] inline std::string labels_of(index_t classes) {
    return classes > 0 ? "0 to " + digits_of(classes - 1) + ", or labels::unconditional"
                       : "labels::unconditional alone";
}
/// @throws std::invalid_argument with the column and the number of classes.
[[noreturn]] inline void throw_no_label(const deferred_error& why, index_t column) {
    throw std::invalid_argument("the label of column " + digits_of(column) + " for a network of " +
                                digits_of(why.number) + " classes: it takes " + labels_of(why.number));
}
} // namespace detail

/// Refuses labels that are neither in 0 ... classes - 1 nor labels::unconditional. A network that takes
/// labels, one of your own, too, calls this before it reads any: it would otherwise take a label that it was
/// not trained with for something else. @throws std::invalid_argument with label, column and number of
/// classes; for one label a column, a device throws it when the host next waits, and without the label.
template <class Context>
void require_labels(const Context& context, const labels& given, index_t columns, index_t classes) {
    const auto most = static_cast<double>(classes);
    const auto refuse = [&](std::int32_t label, const std::string& where) {
        throw std::invalid_argument("label " + digits_of(label) + where + " for a network of " +
                                    digits_of(classes) + " classes: it takes " + detail::labels_of(classes));
    };
    if (given.broadcast()) {
        if (detail::is_no_label(given[0], most)) refuse(given[0], "");
        return;
    }
    detail::require_list(given, columns);
    const auto bad = elementwise<detail::is_no_label>(row(context, columns, given.data()), most);
    if constexpr (Context::host_memory) {
        const index_t j = context.find_first(columns, bad);
        if (j < columns) refuse(given[j], " of column " + digits_of(j));
    } else {
        context.forbid(columns, bad,
                       deferred_error{.what = "a label that is none",
                                      .raise = detail::throw_no_label,
                                      .number = classes});
    }
}

/// Holds a vector condition, such as an observation, a goal or an embedding: numbers for each column of a
/// batch, or one vector for all columns, in the memory of the batch and not owned. Without numbers, `{}`, it
/// stands for no condition, as labels::unconditional does; a driver that is given no condition runs with it.
/// Columns may also have a vector or none one by one, as a training with dropout has them.
template <class Batch>
class condition_vectors {
public:
    using real = typename Batch::value_type;
    /// A view of vectors, a column each.
    using rows_view = batch_view<const real, typename Batch::context_type>;

    condition_vectors() = default; ///< no condition
    /// A vector for each column: d_c x N numbers.
    explicit condition_vectors(rows_view each) : rows_(each), kind_(kind::each) {}
    /// A vector for each column that has one: column j has one where present[j], of N integers in the
    /// batch's memory, is not 0; the numbers of the others are not read.
    condition_vectors(rows_view each, const std::int32_t* present) : condition_vectors(each) {
        present_ = present;
    }
    /// One vector for all columns: d_c x 1 numbers. @throws std::invalid_argument for another number of
    /// columns.
    [[nodiscard]] static condition_vectors for_all(rows_view one) {
        require(one.columns() == 1, [&] {
            return "one condition for all columns: " + digits_of(one.columns()) + " columns instead of 1";
        });
        condition_vectors result(one);
        result.kind_ = kind::for_all;
        return result;
    }

    /// Says whether there is no condition for any column.
    [[nodiscard]] DIAMOND_HD bool none() const { return kind_ == kind::none; }
    /// Says whether this column has no condition. On a device only device code may ask.
    [[nodiscard]] DIAMOND_HD bool none(index_t column) const {
        return none() || (present_ && present_[column] == 0);
    }
    /// Says whether one vector, or none, serves all columns.
    [[nodiscard]] DIAMOND_HD bool broadcast() const { return kind_ != kind::each; }
    /// Returns d_c, the numbers of a vector; 0 where there is none.
    [[nodiscard]] DIAMOND_HD index_t size() const { return rows_.rows(); }
    /// Returns number i of the vector of a column, which must have one. On a device only device code may
    /// read it.
    [[nodiscard]] DIAMOND_HD real operator()(index_t i, index_t column) const {
        return rows_(i, broadcast() ? 0 : column);
    }
    /// Returns the vectors: d_c x N, or d_c x 1 where one serves all.
    [[nodiscard]] rows_view rows() const { return rows_; }
    /// Returns the integers that say which columns have a vector; null where all that are given do.
    [[nodiscard]] const std::int32_t* present() const { return present_; }

    /// Returns other numbers for the same columns.
    [[nodiscard]] condition_vectors with(rows_view rows) const {
        condition_vectors result = *this;
        result.rows_ = rows;
        return result;
    }
    /// Returns the vectors of columns first ... first + count - 1.
    [[nodiscard]] condition_vectors columns(index_t first, index_t count) const {
        if (broadcast()) return *this;
        condition_vectors result = with(rows_.columns(first, count));
        if (present_) result.present_ += first;
        return result;
    }

private:
    enum class kind { none, for_all, each };
    rows_view rows_{nullptr, 0, 0, nullptr};
    const std::int32_t* present_ = nullptr;
    kind kind_ = kind::none;
};

/// Refuses vectors of another size than a network takes, or of another number of columns; none is taken. A
/// network that takes them calls this before it reads any. @throws std::invalid_argument with the numbers.
template <class Batch>
void require_vectors(const condition_vectors<Batch>& given, index_t columns, index_t size) {
    if (given.none()) return;
    require(given.size() == size, [&] {
        return "a condition of " + digits_of(given.size()) + " numbers for a network that takes " +
               digits_of(size);
    });
    require(given.broadcast() || given.rows().columns() == columns, [&] {
        return "conditions of " + digits_of(given.rows().columns()) + " columns for a batch of " +
               digits_of(columns);
    });
}

/// A label and a vector, of which either may be none: the condition of a network that takes both, or that
/// says at run time which of them it takes. A label or a vector alone is converted to it, and it to the one
/// that a reward of yours takes.
template <class Batch>
struct label_and_vector {
    labels label = {};                    ///< labels::unconditional where there is none
    condition_vectors<Batch> vector = {}; ///< without numbers where there is none

    label_and_vector() = default; ///< no condition
    // NOLINTBEGIN(google-explicit-constructor): a part stands for the whole
    label_and_vector(labels of) : label(of) {}                                 ///< A label, and no vector.
    label_and_vector(const condition_vectors<Batch>& given) : vector(given) {} ///< A vector, and no label.
    /// Both.
    label_and_vector(labels of, const condition_vectors<Batch>& given) : label(of), vector(given) {}

    operator labels() const { return label; }                    ///< The label, for what reads it alone.
    operator condition_vectors<Batch>() const { return vector; } ///< The vector, for what reads it alone.
    // NOLINTEND(google-explicit-constructor)

    /// Says whether one label, or none, and one vector, or none, serve all columns.
    [[nodiscard]] bool broadcast() const { return label.broadcast() && vector.broadcast(); }
    /// Returns the conditions of columns first ... first + count - 1.
    [[nodiscard]] label_and_vector columns(index_t first, index_t count) const {
        return {label.columns(first, count), vector.columns(first, count)};
    }
};

namespace detail {
/// Returns what a type of conditions has of one: the same, the part that it is, or the whole with the other
/// part left out; none where it knows neither.
template <class To, class From>
[[nodiscard]] To condition_as(const From& from) {
    if constexpr (std::convertible_to<const From&, To>)
        return from;
    else
        return {};
}
/// Says whether a condition of type From has one of type To: it is that type, or has it as label or vector.
template <class To, class From>
inline constexpr bool has_condition = std::same_as<To, From>;
template <class Batch>
inline constexpr bool has_condition<labels, label_and_vector<Batch>> = true;
template <class Batch>
inline constexpr bool has_condition<condition_vectors<Batch>, label_and_vector<Batch>> = true;

/// Returns the condition of type To that another has. @throws std::invalid_argument where it has more than
/// that.
template <class To, class From>
    requires has_condition<To, From>
[[nodiscard]] decltype(auto) condition_within(const From& from) {
    if constexpr (std::same_as<To, From>) {
        return (from); // itself, without a copy
    } else {
        const auto refuse = [](const char* part) {
            return [part] {
                return "a condition with a " + std::string(part) + " where that part is not taken";
            };
        };
        if constexpr (std::same_as<To, labels>)
            require(from.vector.none(), refuse("vector"));
        else
            require(from.label.broadcast() && from.label[0] == labels::unconditional, refuse("label"));
        return To(from);
    }
}
/// Returns what a part of a composition, such as a value, takes of the condition of the whole: the part that
/// its condition_type names, of a label_and_vector, and else the condition itself. @throws
/// std::invalid_argument as condition_within does.
template <class Part, class Condition>
[[nodiscard]] decltype(auto) condition_for(const Condition& condition) {
    using own = typename condition_of<Part>::type;
    if constexpr (has_condition<own, Condition>)
        return condition_within<own>(condition);
    else
        return (condition);
}
} // namespace detail

namespace detail {
template <class>
inline constexpr bool is_specialised = false;
}

/// Keeps a condition in step with its particles: `repeat` serves M value samples a particle, and `gather`
/// serves resampling. Both return a condition that this object holds until the next call. It is specialised
/// for conditions of your own, as the top of this file shows.
template <class Condition, class Context>
class condition_store {
    static_assert(
        detail::is_specialised<Condition>,
        "a condition of your own needs diamond::condition_store<your condition, Context>, with repeat and "
        "gather as core/condition.hpp shows: where one stands for the whole batch, `template <class Context> "
        "class diamond::condition_store<prompt, Context> : public diamond::condition_for_all<prompt> {};`");

public:
    // Without these calls other errors would follow the sentence.
    /// Never called: a sentence above says what is missing.
    Condition repeat(const Context&, const Condition& from, index_t, index_t) { return from; }
    /// Never called: a sentence above says what is missing.
    Condition gather(const Context&, const Condition& from, const std::int32_t*, index_t) { return from; }
};

/// The base class of a condition_store whose condition serves the whole batch, whatever its columns are.
template <class Condition>
class condition_for_all {
public:
    /// Returns the condition of columns x samples columns: the same one.
    template <class Context>
    const Condition& repeat(const Context&, const Condition& from, index_t, index_t) {
        return from;
    }
    /// Returns the condition of the chosen columns: the same one.
    template <class Context>
    const Condition& gather(const Context&, const Condition& from, const std::int32_t*, index_t) {
        return from;
    }
};

/// Diagnoses a condition and its condition_store: the first clause that Condition breaks says what to write.
template <class Condition, class Context>
consteval bool diagnose_condition() {
    using store = condition_store<Condition, Context>;
    static_assert(std::copyable<Condition>, "a condition must be copyable: let it hold a view, or share its "
                                            "numbers through std::shared_ptr<const ...>");
    static_assert(std::default_initializable<store>, "a condition_store must be default constructible");
    static_assert(
        requires(store& s, const Context& context, const Condition& from, index_t n) {
            { s.repeat(context, from, n, n) } -> std::convertible_to<Condition>;
        }, "a condition_store needs repeat(context, condition, columns, samples) that gives the condition of "
           "columns x samples columns");
    static_assert(
        requires(store& s, const Context& context, const Condition& from, const std::int32_t* ancestors,
                 index_t n) {
            { s.gather(context, from, ancestors, n) } -> std::convertible_to<Condition>;
        },
        "a condition_store needs gather(context, condition, const std::int32_t* ancestors, columns) that "
        "gives the condition of the chosen columns");
    return true;
}

template <class Context>
class condition_store<no_condition, Context> : public condition_for_all<no_condition> {};

namespace detail {
/// Returns what columns first ... first + count - 1 have of a condition, for what takes them alone.
template <class Context, class Condition>
[[nodiscard]] Condition condition_of_columns(const Condition& condition, index_t first, index_t count) {
    constexpr bool divides = requires {
        { condition.columns(first, count) } -> std::convertible_to<Condition>;
    };
    constexpr bool
        serves_all = std::derived_from<condition_store<Condition, Context>, condition_for_all<Condition>>;
    static_assert(divides || serves_all,
                  "rewards by group take the condition of their columns alone: a condition of your own needs "
                  "columns(first, count) const, which gives that of columns first ... first + count - 1");
    if constexpr (divides)
        return condition.columns(first, count);
    else
        return condition;
}
} // namespace detail

namespace detail {
/// Writes to[j] = from[ancestors[j]].
template <class Context>
struct gather_label {
    labels from;
    row_view<const std::int32_t, Context> ancestors;
    row_view<std::int32_t, Context> to;
    DIAMOND_HD void operator()(index_t j) const { to[j] = from[ancestors[j]]; }
};
} // namespace detail

/// The store of labels: it repeats and gathers a list of them in its context's memory.
template <class Context>
class condition_store<labels, Context> {
public:
    /// Returns the labels of columns x samples columns, each of them samples times in a row. @throws
    /// std::invalid_argument for a list of labels without data.
    labels repeat(const Context& context, labels from, index_t columns, index_t samples) {
        detail::require_list(from, columns);
        if (from.broadcast() || samples == 1) return from;
        repeated_.resize(context, 1, columns * samples);
        repeat_columns(batch_view<const std::int32_t, Context>(from.data(), 1, columns, &context), samples,
                       repeated_.mutable_view());
        return labels(repeated_.data());
    }
    /// Returns the labels of the chosen columns, label ancestors[j] for column j. @throws
    /// std::invalid_argument for a list of labels without data.
    labels gather(const Context& context, labels from, const std::int32_t* ancestors, index_t columns) {
        detail::require_list(from, columns);
        if (from.broadcast()) return from;
        next_.resize(context, 1, columns);
        context.for_each(columns, detail::gather_label<Context>{.from = from,
                                                                .ancestors = row(context, columns, ancestors),
                                                                .to = row(next_)});
        next_.swap(gathered_);
        next_.resize(context, 1, columns); // so that the next call allocates nothing
        return labels(gathered_.data());
    }

private:
    scratch<std::int32_t, Context> repeated_, gathered_, next_;
};

namespace detail {
/// Says whether there is no column of this number among so many.
DIAMOND_HD constexpr bool is_no_column(double column, double columns) { return !(column < columns); }
/// @throws std::invalid_argument with the column and the number of vectors.
[[noreturn]] inline void throw_no_vector(const deferred_error& why, index_t column) {
    throw std::invalid_argument("conditions of " + digits_of(why.number) +
                                " columns for more particles: that of column " + digits_of(column) +
                                " would stand behind them");
}
} // namespace detail

/// The store of vectors: it repeats and gathers them in its context's memory, with what says which columns
/// have one.
template <class Batch, class Context>
class condition_store<condition_vectors<Batch>, Context> {
public:
    using vectors = condition_vectors<Batch>; ///< what it stores
    /// Returns the vectors of columns x samples columns, each of them samples times in a row. @throws
    /// std::invalid_argument where there are not as many as columns.
    vectors repeat(const Context& context, const vectors& from, index_t columns, index_t samples) {
        require_vectors(from, columns, from.size());
        if (from.broadcast() || samples == 1) return from;
        repeated_.resize(context, from.size(), columns * samples);
        repeat_columns(from.rows(), samples, repeated_.mutable_view());
        return vectors(repeated_.read(), present_.repeat(context, presence(from), columns, samples).data());
    }
    /// Returns the vectors of the chosen columns, vector ancestors[j] for column j. @throws
    /// std::invalid_argument for an ancestor behind the last vector; a device throws it when the host next
    /// waits.
    vectors gather(const Context& context, const vectors& from, const std::int32_t* ancestors,
                   index_t columns) {
        if (from.broadcast()) return from;
        const index_t count = from.rows().columns();
        context.forbid(
            columns,
            elementwise<detail::is_no_column>(row(context, columns, ancestors), static_cast<double>(count)),
            deferred_error{.what = "no condition", .raise = detail::throw_no_vector, .number = count});
        next_.resize(context, from.size(), columns);
        context.gather(from.rows(), ancestors, next_.mutable_view());
        next_.swap(gathered_); // `from` may be what was gathered before
        next_.resize(context, from.size(), columns);
        return vectors(gathered_.read(), present_.gather(context, presence(from), ancestors, columns).data());
    }

private:
    /// The integers that say which columns have a vector travel as labels do.
    static labels presence(const vectors& from) { return from.present() ? labels(from.present()) : labels(); }

    scratch<typename Batch::value_type, Context> repeated_, gathered_, next_;
    condition_store<labels, Context> present_;
};

/// The store of a label and a vector is that of each.
template <class Batch, class Context>
class condition_store<label_and_vector<Batch>, Context> {
public:
    using both = label_and_vector<Batch>; ///< what it stores
    /// Returns the conditions of columns x samples columns. @throws as the stores of the parts do.
    both repeat(const Context& context, const both& from, index_t columns, index_t samples) {
        return {labels_.repeat(context, from.label, columns, samples),
                vectors_.repeat(context, from.vector, columns, samples)};
    }
    /// Returns the conditions of the chosen columns. @throws as the stores of the parts do.
    both gather(const Context& context, const both& from, const std::int32_t* ancestors, index_t columns) {
        return {labels_.gather(context, from.label, ancestors, columns),
                vectors_.gather(context, from.vector, ancestors, columns)};
    }

private:
    condition_store<labels, Context> labels_;
    condition_store<condition_vectors<Batch>, Context> vectors_;
};

} // namespace diamond
