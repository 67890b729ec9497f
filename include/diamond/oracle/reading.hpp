/// What Gaussian data answers at a noise level: velocity, denoiser, noise and score are one family of affine functions.
///
/// For data N(m, v) in a coordinate, x_t has variance V = alpha^2 v + sigma^2, and every reading is ((mean) m + (spread v + state) x) / V
/// with numbers that depend on time alone. They are finite at t = 0 and t = 1: nothing is divided by alpha or sigma. Section 2.
#pragma once

#include <diamond/core/batch.hpp>
#include <diamond/core/interval.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// One reading at one time, as numbers.
struct gaussian_reading {
    double alpha, variance; ///< alpha and sigma^2
    double mean, spread, state;

    /// V = alpha^2 v + sigma^2, the variance of x_t for data of variance v.
    [[nodiscard]] DIAMOND_HD double total(double v) const { return square(alpha) * v + variance; }
    /// The reading is mean_weight(v) m + state_weight(v) x.
    [[nodiscard]] DIAMOND_HD double mean_weight(double v) const { return mean / total(v); }
    [[nodiscard]] DIAMOND_HD double state_weight(double v) const { return (spread * v + state) / total(v); }
    /// The score at the same alpha and sigma.
    [[nodiscard]] DIAMOND_HD gaussian_reading score() const { return {alpha, variance, alpha, 0.0, -1.0}; }
};

enum class reading_kind { velocity, denoiser, noise, score };

/// The reading of a kind at time t.
///
/// The velocity is the ODE's and reads the schedule as it is. Denoiser, noise, score and density speak of the posterior, for which
/// time 0 is pure noise by definition: where alpha(0) > 0 the two differ there by O(alpha(0)), and V_0 = log Z holds exactly.
template <class Schedule>
struct reading_at {
    Schedule     schedule;
    reading_kind kind;

    [[nodiscard]] DIAMOND_HD gaussian_reading operator()(instant t) const {
        if (kind == reading_kind::velocity) {
            const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t), d_alpha = d_alpha_at(schedule, t);
            const double product = sigma_d_sigma(schedule, t);
            return {alpha, square(sigma), d_alpha * square(sigma) - alpha * product, alpha * d_alpha, product};
        }
        const noise_level level    = level_at(schedule, t);
        const double      variance = square(level.sigma);
        if (kind == reading_kind::denoiser) return {level.alpha, variance, variance, level.alpha, 0.0};
        if (kind == reading_kind::noise) return {level.alpha, variance, -level.alpha * level.sigma, 0.0, level.sigma};
        return gaussian_reading{level.alpha, variance, 0.0, 0.0, 0.0}.score();
    }
};

/// A broadcast view of readings, as `time_view` is of times.
class gaussian_readings {
public:
    DIAMOND_HD gaussian_readings(const gaussian_reading& value) : value_(value) {} // NOLINT: one reading for the batch
    DIAMOND_HD explicit gaussian_readings(const gaussian_reading* per_column) : value_{}, per_column_(per_column) {}

    [[nodiscard]] DIAMOND_HD bool                    broadcast() const { return per_column_ == nullptr; }
    [[nodiscard]] DIAMOND_HD const gaussian_reading& operator[](index_t column) const { return broadcast() ? value_ : per_column_[column]; }

    /// The readings of columns `first` and on.
    [[nodiscard]] DIAMOND_HD gaussian_readings from(index_t first) const { return broadcast() ? *this : gaussian_readings(per_column_ + first); }

private:
    gaussian_reading        value_;
    const gaussian_reading* per_column_ = nullptr;
};

namespace detail {

template <class Schedule>
struct fill_gaussian_readings {
    reading_at<Schedule> at;
    time_view                t;
    gaussian_reading*    out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = at(t.at(j)); }
};

/// Readings of a kind at the times of a batch; those of single columns live in `store`.
template <class Schedule, class Context>
[[nodiscard]] gaussian_readings gaussian_readings_of(const Schedule& schedule, reading_kind kind, const Context& context, time_view t, index_t columns,
                                   scratch<gaussian_reading, Context>& store) {
    const reading_at<Schedule> at{schedule, kind};
    if (t.broadcast()) return at(t.at(0));
    store.resize(context, 1, columns);
    context.for_each(columns, fill_gaussian_readings<Schedule>{at, t, store.data()});
    return gaussian_readings(store.data());
}

} // namespace detail
} // namespace diamond
