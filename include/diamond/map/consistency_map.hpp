/// Consistency models (Song et al., arXiv 2303.01469) as look-aheads: from any time to the data in one call.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/concepts/flow_map.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/conventions/noise_levels.hpp>
#include <diamond/schedule/conventions/translated_network.hpp>
#include <diamond/schedule/field_evaluator.hpp>

namespace diamond {

/// The options of consistency_map, which are those of its training; the defaults are the paper's.
struct consistency_options {
    /// The levels that the network was trained between, 0 < sigma_min < sigma_max.
    double sigma_min = 0.002, sigma_max = 80.0;
};

/// X_{t,1}(x) = f(y, sigma_e) of a consistency model f at y = z + sigma_e eps, sigma_e = sigma/alpha and y =
/// x sqrt(1 + sigma_e^2)/sqrt(alpha^2 + sigma^2), on any schedule.
///
/// f has its own c_skip and c_out, so that f(y, sigma_min) = y, and the members of a velocity field, its time
/// the level. It is a look-ahead alone, for look_ahead_value and weighted_value: other intervals are refused,
/// and at t = 1 X is x without an evaluation. Beyond its levels f is asked at the nearest. Models flow_map,
/// and differentiable_flow_map where f is differentiable. Batches are d x N. Cost of a call: one evaluation a
/// column; of a vjp one vjp.
template <class Schedule, class Network>
class consistency_map {
    static_assert(diagnose_schedule<Schedule>() && diagnose_velocity_field<Network>());

public:
    using batch_type = typename Network::batch_type;
    using condition_type = condition_of_t<Network>;
    using view = view_t<batch_type>;
    using const_view = const_view_t<batch_type>;

    /// @throws std::invalid_argument unless 0 < sigma_min < sigma_max, both finite, and where the schedule is
    /// none, see check_schedule.
    consistency_map(Schedule schedule, Network network, consistency_options options = {})
        : schedule_(detail::checked_schedule(std::move(schedule))),
          network_(std::move(network)),
          options_(options) {
        detail::require_levels(options.sigma_min, options.sigma_max);
    }

    [[nodiscard]] index_t dimension() const { return network_.dimension(); }
    [[nodiscard]] const Schedule& schedule() const { return schedule_; }
    [[nodiscard]] const cost& spent() const { return network_.spent(); }

    /// out = X_{from,1}(x | condition), d x N. @throws std::invalid_argument if shapes differ, from leaves
    /// [0, 1], or the interval does not end at 1.
    void operator()(const_view x, interval span, const condition_type& condition, view out) {
        check(x, span, const_view(out));
        if (span.from >= 1.0) return assign(out, x);
        const detail::asked_ratio level = level_of(span.from);
        network_(scaled(x, span.from, level), time_view(level.asked), condition, out);
    }
    /// out = cotangent^T dX/dx, d x N.
    void vjp(const_view x, interval span, const condition_type& condition, const_view cotangent, view out)
        requires differentiable_velocity_field<Network>
    {
        require_same_shape("consistency_map", x, cotangent);
        check(x, span, const_view(out));
        if (span.from >= 1.0) return assign(out, cotangent);
        const detail::asked_ratio level = level_of(span.from);
        network_.vjp(scaled(x, span.from, level), time_view(level.asked), condition, cotangent, out);
        assign(out, scale(span.from, level) * out);
    }

private:
    static void check(const_view x, interval span, const_view out) {
        require_same_shape("consistency_map", x, out);
        require_apart("consistency_map", x, out);
        require_time("consistency_map", span.from);
        require(span.to == 1.0, [&] {
            return "a consistency model from t = " + digits_of(span.from) + " to " + digits_of(span.to) +
                   ": it leads to the data alone, t = 1; a look_ahead_value or a weighted_value asks so";
        });
    }
    [[nodiscard]] detail::asked_ratio level_of(double t) const {
        return {schedule_, t, options_.sigma_min, options_.sigma_max};
    }
    [[nodiscard]] double scale(double t, detail::asked_ratio level) const {
        return std::sqrt(1.0 + square(level.asked)) / detail::norm_at(schedule_, t);
    }
    const_view scaled(const_view x, double t, detail::asked_ratio level) {
        state_.resize(x.context(), x.rows(), x.columns());
        assign(state_, scale(t, level) * x);
        return state_.read();
    }

    Schedule schedule_;
    field_evaluator<Network> network_;
    consistency_options options_;
    scratch<typename batch_type::value_type, backend_of_t<batch_type>> state_;
};

} // namespace diamond
