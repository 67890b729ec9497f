/// A marginal density of one noise schedule, read at the times of another. See (eq. rescheduled-density).
#pragma once

#include <cmath>
#include <utility>

#include <diamond/concepts/marginal_density.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/schedule.hpp>

namespace diamond {

/// log p_t(x) = log p'_s(x/scale) - d log scale, p' the given density and s its time of the same
/// signal-to-noise ratio: x_t of `Schedule` is scale times x_s of the density's own schedule.
///
/// Models marginal_density, and scored_marginal_density where its density does. It is exact where its density
/// is exact and that one's alpha(0) = 0: below a ratio of alpha(0)/sigma(0) the density's schedule has no
/// time, and only noise is read. Cost: that of the density.
template <class Density, class Schedule>
class rescheduled_density {
    static_assert(diagnose_marginal_density<Density>() && diagnose_schedule<Schedule>());

public:
    using batch_type = typename Density::batch_type;
    using condition_type = condition_of_t<Density>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// Takes the density of one schedule, and the schedule that it is asked in. @throws std::invalid_argument
    /// where one of them is none, see check_schedule.
    rescheduled_density(Density density, Schedule schedule)
        : density_(std::move(density)), schedule_(detail::checked_schedule(std::move(schedule))) {
        check_schedule(density_.schedule());
    }

    [[nodiscard]] index_t dimension() const { return static_cast<index_t>(density_.dimension()); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] cost spent() const { return density_.spent(); }
    [[nodiscard]] bool exact() const { return density_.exact() && density_.schedule().alpha(0.0) == 0.0; }

    /// out[j] = log p_t(x_j). @throws std::invalid_argument if t leaves [0, 1].
    void operator()(const_view x, double t, const condition_type& condition, row_t<batch_type> out) {
        const place at = own(t);
        density_(scaled(x, at), at.time, condition, out);
        assign(out, out - static_cast<double>(x.rows()) * std::log(at.scale));
    }
    /// out = grad log p_t(x), d x N. @throws std::invalid_argument if t leaves [0, 1].
    void score(const_view x, double t, const condition_type& condition, view out)
        requires scored_marginal_density<Density>
    {
        const place at = own(t);
        density_.score(scaled(x, at), at.time, condition, out);
        assign(out, out / at.scale);
    }

private:
    struct place {
        instant time;
        double scale;
    };
    [[nodiscard]] place own(double t) const {
        require_time("rescheduled_density", t);
        const auto theirs = density_.schedule();
        const noise_level here = level_at(schedule_, t);
        const instant s = time_at(theirs, here.alpha, here.sigma);
        const noise_level there = level_at(theirs, s);
        // The two ratios are equal, but one of them may be 0/0 at an end.
        return {s, here.alpha > here.sigma ? here.alpha / there.alpha : here.sigma / there.sigma};
    }
    const_view scaled(const_view x, const place& at) {
        scaled_.resize(x.context(), x.rows(), x.columns());
        assign(scaled_, x / at.scale);
        return scaled_.read();
    }

    Density density_;
    Schedule schedule_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> scaled_;
};

} // namespace diamond
