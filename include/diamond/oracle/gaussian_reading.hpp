/// Velocity, denoiser, noise and score of Gaussian data at a noise level are one family of affine functions.
///
/// In a coordinate where the data are N(m, v), x_t has the variance V = alpha^2 v + sigma^2, and each of the
/// four is ((mean) m + (spread v + state) x_t) / V with coefficients that depend on time alone. They are
/// finite at t = 0 and t = 1: nothing is divided by alpha or sigma. See (eq. posterior-means) to
/// (eq. score-from-noise).
#pragma once

#include <cmath>

#include <diamond/core/batch.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/core/row.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// These are the coefficients of one of the four functions at one time.
struct gaussian_reading {
    double alpha, variance;     ///< alpha and sigma^2
    double mean, spread, state; ///< The factors of m, of v x and of x, over V.

    /// Returns V = alpha^2 v + sigma^2, the variance of x_t for data of variance v.
    [[nodiscard]] DIAMOND_HD double total(double v) const { return square(alpha) * v + variance; }
    /// The reading is mean_weight(v) m + state_weight(v) x.
    [[nodiscard]] DIAMOND_HD double mean_weight(double v) const { return mean / total(v); }
    /// The factor of x in the reading.
    [[nodiscard]] DIAMOND_HD double state_weight(double v) const { return (spread * v + state) / total(v); }
    /// Returns the score's coefficients at the alpha and sigma of this reading.
    [[nodiscard]] DIAMOND_HD gaussian_reading score() const { return {alpha, variance, alpha, 0.0, -1.0}; }
};

/// The kind says which of the four functions a gaussian_reading stands for.
enum class reading_kind { velocity, denoiser, noise, score };

/// Returns the coefficients of the reading `kind` at time t.
///
/// The velocity is that of the ODE and takes the schedule as it is. Denoiser, noise, score and density belong
/// to the posterior, for which time 0 is pure noise by definition: where alpha(0) > 0 the two differ there by
/// O(alpha(0)), and V_0 = log Z holds exactly.
template <class Schedule>
[[nodiscard]] DIAMOND_HD gaussian_reading reading_at(const Schedule& schedule, reading_kind kind, instant t) {
    if (kind == reading_kind::velocity) {
        const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t),
                     d_alpha = d_alpha_at(schedule, t);
        const double product = sigma_d_sigma(schedule, t);
        return {alpha, square(sigma), d_alpha * square(sigma) - alpha * product, alpha * d_alpha, product};
    }
    const noise_level level = level_at(schedule, t);
    const double variance = square(level.sigma);
    if (kind == reading_kind::denoiser) return {level.alpha, variance, variance, level.alpha, 0.0};
    if (kind == reading_kind::noise)
        return {level.alpha, variance, -level.alpha * level.sigma, 0.0, level.sigma};
    return gaussian_reading{level.alpha, variance, 0.0, 0.0, 0.0}.score();
}

/// This is a broadcast view of readings, as `time_view` is one of times: one for the whole batch, or one per
/// column in the batch's memory. It is an operand of expressions, for functions that take a reading.
class gaussian_readings {
public:
    using is_expression = void;

    /// One reading for all columns.
    DIAMOND_HD gaussian_readings(const gaussian_reading& value) : value_(value) {} // NOLINT: one for all
    /// A reading for each column, N of them in the back end's memory, which are not owned.
    DIAMOND_HD explicit gaussian_readings(const gaussian_reading* per_column)
        : value_{}, per_column_(per_column) {}

    /// Says whether one reading serves all columns.
    [[nodiscard]] DIAMOND_HD bool broadcast() const { return per_column_ == nullptr; }
    /// Returns the coefficients of a column: the ones that all columns share, or its own.
    [[nodiscard]] DIAMOND_HD const gaussian_reading& operator[](index_t column) const {
        return broadcast() ? value_ : per_column_[column];
    }
    /// Returns the reading of a column, as an operand of expressions over batches.
    [[nodiscard]] DIAMOND_HD const gaussian_reading& operator()(index_t, index_t column) const {
        return (*this)[column];
    }
    [[nodiscard]] extents shape() const { return {}; }

    /// Returns the readings of the columns from `first` on.
    [[nodiscard]] DIAMOND_HD gaussian_readings from(index_t first) const {
        return broadcast() ? *this : gaussian_readings(per_column_ + first);
    }

private:
    gaussian_reading value_;
    const gaussian_reading* per_column_ = nullptr;
};

namespace detail {

/// Returns the reading at x of data N(m, v).
DIAMOND_HD inline double affine_reading(const gaussian_reading& at, double m, double v, double x) {
    return at.mean_weight(v) * m + at.state_weight(v) * x;
}
/// Returns the derivative of a reading with respect to x.
DIAMOND_HD inline double reading_slope(const gaussian_reading& at, double v) { return at.state_weight(v); }
/// Returns the factor of m in a reading.
DIAMOND_HD inline double reading_mean_weight(const gaussian_reading& at, double v) {
    return at.mean_weight(v);
}
/// Returns Var[z | x_t] = sigma^2 v/V.
DIAMOND_HD inline double posterior_variance(const gaussian_reading& at, double v) {
    return at.variance * (v / at.total(v));
}
/// Returns log N(x; alpha m, V).
DIAMOND_HD inline double noised_log_density(const gaussian_reading& at, double m, double v, double x) {
    const double total = at.total(v);
    return -0.5 * (square(x - at.alpha * m) / total + std::log(2.0 * pi * total));
}

/// Writes to out[j] the reading `kind` at the time of column j.
template <class Schedule, class Context>
struct fill_gaussian_readings {
    Schedule schedule;
    reading_kind kind;
    time_view t;
    row_view<gaussian_reading, Context> out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = reading_at(schedule, kind, t.at(j)); }
};

/// Returns the readings `kind` at the times of a batch of `columns` columns; `store` holds them where each
/// column has a time of its own.
template <class Schedule, class Context>
[[nodiscard]] gaussian_readings gaussian_readings_of(const Schedule& schedule, reading_kind kind,
                                                     const Context& context, time_view t, index_t columns,
                                                     scratch<gaussian_reading, Context>& store) {
    if (t.broadcast()) return reading_at(schedule, kind, t.at(0));
    store.resize(context, 1, columns);
    context.for_each(columns, fill_gaussian_readings<Schedule, Context>{
                                  .schedule = schedule, .kind = kind, .t = t, .out = row(store)});
    return gaussian_readings(store.data());
}

} // namespace detail
} // namespace diamond
