/// Networks whose state is the data with noise of deviation sigma added, as of score matching by the
/// variance-exploding SDE (Song et al., arXiv 2011.13456) and of EDM's denoisers.
#pragma once

#include <utility>

#include <diamond/schedule/conventions/noise_levels.hpp>
#include <diamond/schedule/conventions/translated_network.hpp>

namespace diamond {

/// The options of variance_exploding_network.
struct variance_exploding_options {
    /// What the network says at (y, sigma_e): grad log p of y, E[eps | y], E[z | y], or v with a = 1.
    predicted predicts = predicted::score;
    /// The levels that it was trained between, 0 < sigma_min < sigma_max, which have to be given: no two
    /// networks share them.
    double sigma_min = 0.0, sigma_max = 0.0;
};

namespace detail {
struct variance_exploding_convention {
    variance_exploding_options options;
    [[nodiscard]] variance_exploding_convention on_host() const { return *this; }
    template <class Context>
    [[nodiscard]] variance_exploding_convention on(const Context&) const {
        return *this;
    }
    template <class Schedule>
    [[nodiscard]] DIAMOND_HD translation operator()(const Schedule& schedule, instant t) const {
        const asked_ratio level(schedule, t, options.sigma_min, options.sigma_max);
        return translate_prediction(schedule, t, options.predicts, level.asked, level, 1.0);
    }
};
} // namespace detail

/// A network f(y, sigma_e) at y = z + sigma_e eps, whose time is the level sigma_e itself, as a velocity
/// field on any schedule that gives its denoiser, D = y + sigma_e^2 score = y - sigma_e eps. It is asked at
/// sigma_e = sigma/alpha.
///
/// Models velocity_field_with_denoiser, and differentiable_velocity_field where f is. Batches are d x N.
/// Cost: one evaluation of the network, or one product.
/// @throws std::invalid_argument at a time outside [0, 1], and from a call, vjp or jvp at t = 1 where
/// sigma'(1) is infinite; a column with such a time of its own is NaN.
template <class Schedule, class Network>
class variance_exploding_network
    : public detail::translated_network<Schedule, Network, detail::variance_exploding_convention> {
    using base = detail::translated_network<Schedule, Network, detail::variance_exploding_convention>;

public:
    /// @throws std::invalid_argument unless 0 < sigma_min < sigma_max, both finite, and where the schedule is
    /// none, see check_schedule.
    variance_exploding_network(Schedule schedule, Network network, variance_exploding_options options)
        : base(std::move(schedule), std::move(network), {options}) {
        detail::require_levels(options.sigma_min, options.sigma_max);
    }
};

} // namespace diamond
