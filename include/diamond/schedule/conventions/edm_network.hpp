/// Networks preconditioned as those of EDM (Karras et al., arXiv 2206.00364): F, of which the denoiser is
/// made by c_skip, c_out, c_in and c_noise.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <diamond/core/digits_of.hpp>
#include <diamond/schedule/check_schedule.hpp>
#include <diamond/schedule/conventions/noise_levels.hpp>
#include <diamond/schedule/conventions/translated_network.hpp>

namespace diamond {

/// The options of edm_network, which are those of its training; the defaults are the paper's.
struct edm_options {
    double sigma_data = 0.5; ///< the data's deviation in the preconditioning, above 0
    /// The levels that the network was trained between, 0 < sigma_min < sigma_max.
    double sigma_min = 0.002, sigma_max = 80.0;
};

namespace detail {
/// At y = x/alpha and sigma_e = sigma/alpha, c_in y = x/n with n^2 = sigma^2 + sigma_data^2 alpha^2, c_skip y
/// = (sigma_data^2 alpha/n^2) x, c_out = sigma_data sigma/n, and N = (x - alpha D)/sigma
/// = (sigma/n^2) x - (alpha sigma_data/n) F: finite at both ends.
struct edm_convention {
    edm_options options;
    [[nodiscard]] edm_convention on_host() const { return *this; }
    template <class Context>
    [[nodiscard]] edm_convention on(const Context&) const {
        return *this;
    }
    template <class Schedule>
    [[nodiscard]] DIAMOND_HD translation operator()(const Schedule& schedule, instant t) const {
        const double alpha = alpha_at(schedule, t), sigma = sigma_at(schedule, t), data = options.sigma_data;
        const double squares = square(sigma) + square(data * alpha), n = std::sqrt(squares);
        const asked_ratio level(schedule, t, options.sigma_min, options.sigma_max);
        return {.scale = 1.0 / n,
                .time = 0.25 * std::log(level.asked),
                .denoiser = {{data * sigma / n, square(data) * alpha / squares}},
                .noise = {{-alpha * data / n, sigma / squares}}};
    }
};
} // namespace detail

/// A network F(c_in y, c_noise) of EDM's preconditioning at y = z + sigma_e eps, as a velocity field on any
/// schedule that gives its denoiser,
///   D = c_skip y + c_out F(c_in y, c_noise),  c_skip = sigma_data^2/(sigma_e^2 + sigma_data^2),
///   c_out = sigma_e sigma_data/sqrt(sigma_e^2 + sigma_data^2),  c_in = 1/sqrt(sigma_e^2 + sigma_data^2),
///   c_noise = log(sigma_e)/4.
///
/// A network that was exported with its preconditioning, as D(y, sigma_e), is a variance_exploding_network
/// that predicts x0. Models velocity_field_with_denoiser, and differentiable_velocity_field where F is.
/// Batches are d x N. Cost: one evaluation of the network, or one product.
/// @throws std::invalid_argument at a time outside [0, 1], and from a call, vjp or jvp at t = 1 where
/// sigma'(1) is infinite; a column with such a time of its own is NaN.
template <class Schedule, class Network>
class edm_network : public detail::translated_network<Schedule, Network, detail::edm_convention> {
    using base = detail::translated_network<Schedule, Network, detail::edm_convention>;

public:
    /// @throws std::invalid_argument unless 0 < sigma_min < sigma_max and sigma_data > 0, all finite, where
    /// sigma_data/hypot(sigma_max, sigma_data) > most_initial_signal, and where the schedule is none, see
    /// check_schedule.
    edm_network(Schedule schedule, Network network, edm_options options = {})
        : base(std::move(schedule), std::move(network), {options}) {
        detail::require_levels(options.sigma_min, options.sigma_max);
        require(options.sigma_data > 0.0 && options.sigma_data < infinity, [&] {
            return "EDM's preconditioning with sigma_data = " + digits_of(options.sigma_data) +
                   ": give that of the training, positive and finite";
        });
        const double signal = options.sigma_data / std::hypot(options.sigma_max, options.sigma_data);
        require(signal <= most_initial_signal, [&] {
            return "EDM's preconditioning with sigma_max = " + digits_of(options.sigma_max) +
                   " and sigma_data = " + digits_of(options.sigma_data) + ": the data are " +
                   digits_of(signal) + " of the deviation at the noisiest level, and may be at most " +
                   digits_of(most_initial_signal) + "; give all levels of the training";
        });
    }
};

} // namespace diamond
