/// Times lie in [0, 1]. They are one value for a batch or one for each column, and pairs of them.
#pragma once

#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

/// Holds a time t with 1 - t beside it, both to full relative precision: t alone says nothing of 1 - t where
/// that is below 2^-53, and little just above. The difference of 1 and a double is exact from 1/2 on; a time
/// that was computed brings its own. A double converts to an instant, and an instant to a double.
struct instant {
    double t = 0.0;    ///< t, in [0, 1] for times of schedules
    double rest = 1.0; ///< 1 - t

    instant() = default;
    /// A time whose distance from 1 is that of the double.
    DIAMOND_HD constexpr instant(double time) : t(time), rest(1.0 - time) {} // NOLINT: a number is a time
    /// A time and 1 - t, where both are known.
    DIAMOND_HD constexpr instant(double time, double left) : t(time), rest(left) {}
    /// The time as a double.
    DIAMOND_HD constexpr operator double() const { return t; } // NOLINT: and a time a number
};

/// Holds a pair of times that travel together: a flow map carries a state from the time `from` to the time
/// `to`.
struct interval {
    double from = 0.0; ///< the time of the state that is carried
    double to = 1.0;   ///< the time it is carried to, which may lie before `from`

    /// Returns to - from, negative for an interval that leads back.
    [[nodiscard]] DIAMOND_HD constexpr double length() const { return to - from; }
};

/// A time_view is a view of times: one for the whole batch, or one for each column, in the memory of the
/// batch and not owned. Computed times may have 1 - t beside them: at(column) gives both, and [column] the
/// time alone.
class time_view {
public:
    /// One time, held by value, which serves all columns; its 1 - t is the difference in double.
    DIAMOND_HD constexpr time_view(double value) : value_(value) {} // NOLINT: a number is a time
    /// One time for the whole batch, with 1 - t to all digits.
    DIAMOND_HD constexpr time_view(instant value) : value_(value) {} // NOLINT
    /// A time for each column, N numbers in the back end's memory; `rest` are 1 - t, where null computed from
    /// t.
    DIAMOND_HD constexpr explicit time_view(const double* per_column, const double* rest = nullptr)
        : per_column_(per_column), rest_(rest) {}

    /// Says whether one time serves all columns.
    [[nodiscard]] DIAMOND_HD constexpr bool broadcast() const { return per_column_ == nullptr; }
    /// Returns the one time of a batch whose times are broadcast.
    [[nodiscard]] DIAMOND_HD constexpr double value() const { return value_.t; }
    /// Returns the time of a column: the one that all columns share, or its own.
    [[nodiscard]] DIAMOND_HD constexpr double operator[](index_t column) const {
        return broadcast() ? value_.t : per_column_[column];
    }
    /// Returns the time of a column with 1 - t.
    [[nodiscard]] DIAMOND_HD constexpr instant at(index_t column) const {
        if (broadcast()) return value_;
        return rest_ ? instant(per_column_[column], rest_[column]) : instant(per_column_[column]);
    }

private:
    instant value_ = 0.0;
    const double* per_column_ = nullptr;
    const double* rest_ = nullptr;
};

/// @throws std::invalid_argument with `where` and the number unless 0 <= t <= 1; NaN is refused, too.
inline void require_time(const char* where, double t) {
    require(t >= 0.0 && t <= 1.0,
            [&] { return std::string(where) + " at t = " + digits_of(t) + ": times lie in [0, 1]"; });
}
/// @throws std::invalid_argument with both numbers unless 0 <= t < t' <= 1, since a transition goes forward.
inline void require_transition(interval span) {
    require(span.from >= 0.0 && span.from < span.to && span.to <= 1.0, [&] {
        return "a transition from t = " + digits_of(span.from) + " to " + digits_of(span.to) +
               ": 0 <= t < t' <= 1 is needed";
    });
}
namespace detail {
/// Says whether t lies in [0, 1]; NaN does not.
[[nodiscard]] DIAMOND_HD constexpr bool is_time(instant t) { return t.t >= 0.0 && t.rest >= 0.0; }
} // namespace detail
/// Does what require_time does for the one time of a batch. Times of single columns are in the memory of the
/// batch, and are not checked.
inline void require_time(const char* where, time_view t) {
    if (t.broadcast()) require_time(where, t.value());
}

} // namespace diamond
