/// Networks of DDPM (Ho et al., arXiv 2006.11239) and what came of it: steps 0 ... K - 1 from data to noise,
/// a table of alpha_bar, and eps, x0 or v.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/conventions/translated_network.hpp>
#include <diamond/schedule/time_grid.hpp>

namespace diamond {

/// The options of discrete_time_network.
struct discrete_time_options {
    /// alpha_bar_k, the product of 1 - beta_i up to step k, which diffusers calls alphas_cumprod: it falls
    /// from below 1 to above 0, and step k has y = sqrt(alpha_bar_k) z + sqrt(1 - alpha_bar_k) eps.
    std::vector<double> alpha_bar;
    predicted predicts = predicted::eps; ///< What the network says at (y, k).
    /// The network knows whole steps alone, by a table or an integer input: it is asked at the nearest one.
    bool whole_steps = false;
};

namespace detail {
/// @throws std::invalid_argument with the step and the numbers unless the table has two steps or more, falls
/// strictly within (0, 1), and ends in noise, sqrt(alpha_bar) <= most_initial_signal, but not at once.
inline void require_alpha_bar(const std::vector<double>& alpha_bar) {
    require(alpha_bar.size() >= 2, [&] {
        return "a table alpha_bar of " + digits_of(alpha_bar.size()) +
               " steps: at least 2 are needed, from the cleanest to the noisiest";
    });
    for (std::size_t k = 0; k < alpha_bar.size(); ++k) {
        const double before = k == 0 ? 1.0 : alpha_bar[k - 1];
        require(alpha_bar[k] > 0.0 && alpha_bar[k] < before, [&] {
            return "a table alpha_bar with " + digits_of(alpha_bar[k]) + " at step " + digits_of(k) +
                   " after " + digits_of(before) +
                   ": it must fall strictly from below 1 to above 0; give the products of 1 - beta up to "
                   "each step, the cleanest first";
        });
    }
    require(std::sqrt(alpha_bar.back()) <= most_initial_signal, [&] {
        return "a table alpha_bar that ends at " + digits_of(alpha_bar.back()) +
               ": its last step is noise all but alone, at most " + digits_of(square(most_initial_signal)) +
               "; give the products of 1 - beta up to each step, all steps of the training";
    });
    // The factors 1 - beta of cosine betas end low, since their last is capped, but at once: from 1/4.
    constexpr std::size_t many = 16;
    constexpr double most_before_last = 0.2;
    require(alpha_bar.size() < many || alpha_bar[alpha_bar.size() - 2] <= most_before_last, [&] {
        return "a table alpha_bar whose last step but one has " + digits_of(alpha_bar[alpha_bar.size() - 2]) +
               ": it falls to noise at once, as the factors 1 - beta do; give their products up to each step";
    });
}
/// s/a of a step.
[[nodiscard]] inline double noise_ratio(double alpha_bar) { return std::sqrt((1.0 - alpha_bar) / alpha_bar); }

/// The steps' log s/a, ascending, in the memory of whoever asks.
struct discrete_steps {
    const double* log_ratio;
    index_t count;
    double least, most; // s/a of the first and the last step
    predicted what;
    bool whole_steps;

    /// The step at which s/a is `ratio`, between two steps by a straight line of log s/a where need be.
    [[nodiscard]] DIAMOND_HD double step_of(double ratio) const {
        // Steps that are whole but for rounding are made whole: a network may cut off what is behind the
        // point.
        constexpr double rounding = 1e-6;
        if (ratio <= least) return 0.0;
        if (ratio >= most) return static_cast<double>(count - 1);
        const double wanted = std::log(ratio);
        index_t low = 0, high = count - 1;
        while (high - low > 1) {
            const index_t middle = (low + high) / 2;
            (log_ratio[middle] <= wanted ? low : high) = middle;
        }
        const double step = static_cast<double>(low) +
                            (wanted - log_ratio[low]) / (log_ratio[high] - log_ratio[low]);
        const double whole = std::floor(step + 0.5);
        return std::abs(step - whole) < rounding ? whole : step;
    }
    template <class Schedule>
    [[nodiscard]] DIAMOND_HD translation operator()(const Schedule& schedule, instant t) const {
        asked_ratio level(schedule, t, least, most);
        double step = step_of(level.asked);
        if (whole_steps) {
            step = std::floor(step + 0.5);
            level.asked = std::exp(log_ratio[static_cast<index_t>(step)]);
        }
        return translate_prediction(schedule, t, what, step, level,
                                    1.0 / std::sqrt(1.0 + square(level.asked)));
    }
};

/// The table on the host, for one time of a batch, and in a context's memory, for a time a column.
template <class Context>
class discrete_convention {
public:
    discrete_convention(const Context& context, const discrete_time_options& options)
        : what_(options.predicts), whole_(options.whole_steps) {
        require_alpha_bar(options.alpha_bar);
        std::vector<double> log_ratio;
        for (const double signal : options.alpha_bar) log_ratio.push_back(std::log(noise_ratio(signal)));
        least_ = noise_ratio(options.alpha_bar.front());
        most_ = noise_ratio(options.alpha_bar.back());
        there_ = std::make_shared<owning_batch<double, Context>>(
            from_host<double>(context, 1, static_cast<index_t>(log_ratio.size()), log_ratio));
        here_ = std::make_shared<const std::vector<double>>(std::move(log_ratio));
    }
    [[nodiscard]] discrete_steps on_host() const { return steps(here_->data()); }
    [[nodiscard]] discrete_steps on(const Context& context) const {
        return steps(there_->read_on(context).data());
    }

private:
    [[nodiscard]] discrete_steps steps(const double* log_ratio) const {
        return {log_ratio, static_cast<index_t>(here_->size()), least_, most_, what_, whole_};
    }
    std::shared_ptr<const std::vector<double>> here_;
    std::shared_ptr<const owning_batch<double, Context>> there_;
    double least_, most_;
    predicted what_;
    bool whole_;
};
} // namespace detail

/// A network f(y, k) of steps k = 0 ... K - 1 at y = a z + s eps, a = sqrt(alpha_bar_k), s = sqrt(1 -
/// alpha_bar_k), as a velocity field on any schedule that gives its denoiser: D = (y - s eps)/a, a y - s v,
/// x0, or (y + s^2 score)/a.
///
/// It is asked at the step where s/a = sigma/alpha, as a double; between two steps log s/a is interpolated,
/// which networks that embed the step by sines accept. With whole_steps it is asked at the nearest one, and
/// E[eps] is taken to be the same at the state's own level: exact on discrete_time_grid, elsewhere with an
/// error of first order in half a step. At t = 0 it is asked at step K - 1, at t = 1 at step 0. Models
/// velocity_field_with_denoiser, and differentiable_velocity_field where f is. Batches are d x N. Cost: one
/// evaluation of the network, or one product.
/// @throws std::invalid_argument at a time outside [0, 1], and from a call, vjp or jvp at t = 1 where
/// sigma'(1) is infinite; a column with such a time of its own is NaN.
template <class Schedule, class Network>
class discrete_time_network
    : public detail::translated_network<
          Schedule, Network, detail::discrete_convention<backend_of_t<typename Network::batch_type>>> {
    using convention = detail::discrete_convention<backend_of_t<typename Network::batch_type>>;
    using base = detail::translated_network<Schedule, Network, convention>;

public:
    using typename base::context_type;
    /// Keeps the table in the context's memory. @throws std::invalid_argument unless alpha_bar has two steps
    /// or more, falls strictly within (0, 1) and ends in noise, at most most_initial_signal^2, and where the
    /// schedule is none, see check_schedule.
    discrete_time_network(const context_type& context, Schedule schedule, Network network,
                          const discrete_time_options& options)
        : base(std::move(schedule), std::move(network), convention(context, options)) {}
};

/// The grid 0 = t_0 < ... < t_n = 1 of n `steps` at whose times a discrete_time_network on this schedule is
/// asked at whole steps, equally spaced between K - 1, at t_0, and 0, at t_n.
/// @throws std::invalid_argument as discrete_time_network does for the table and the schedule, unless 1 <=
/// steps < K, and where two times are the same double.
template <class Schedule>
[[nodiscard]] std::vector<double> discrete_time_grid(const Schedule& schedule,
                                                     const std::vector<double>& alpha_bar, index_t steps) {
    check_schedule(schedule);
    detail::require_alpha_bar(alpha_bar);
    const auto last = static_cast<index_t>(alpha_bar.size()) - 1;
    require(steps >= 1 && steps <= last, [&] {
        return "a time grid of " + digits_of(steps) + " whole steps of a table of " + digits_of(last + 1) +
               ": at least 1, and fewer than the table has";
    });
    std::vector<double> grid{0.0};
    for (index_t k = 1; k < steps; ++k) {
        const double whole = std::round(static_cast<double>(last) *
                                        (1.0 - static_cast<double>(k) / static_cast<double>(steps)));
        grid.push_back(
            time_at(schedule, 1.0, detail::noise_ratio(alpha_bar[static_cast<std::size_t>(whole)])).t);
    }
    grid.push_back(1.0);
    require_time_grid(grid);
    return grid;
}

} // namespace diamond
