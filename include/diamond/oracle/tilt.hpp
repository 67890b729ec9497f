/// A model that is tilted by a quadratic reward is p^r(z) = p_data(z) exp(r(z)) / Z,
/// r(z) = constant + c . z - 1/2 sum_i q_i z_i^2.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <diamond/concepts/reward.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond {

/// This is the result of a model's tilted(reward).
template <class Model>
struct tilt {
    Model tilted; ///< the model of p^r
    double log_z; ///< log Z
};

namespace detail {

/// Returns the form with d entries in each vector, where an empty vector stands for zeros.
/// @throws std::invalid_argument on another length and on a number that is not finite.
[[nodiscard]] inline quadratic_form filled_form(quadratic_form form, index_t d) {
    for (std::vector<double>* part : {&form.linear, &form.curvature}) {
        if (part->empty()) part->resize(static_cast<std::size_t>(d), 0.0);
        require(static_cast<index_t>(part->size()) == d, [&] {
            return "a quadratic form of " + digits_of(part->size()) +
                   " coordinates for a model of dimension " + digits_of(d);
        });
        for (const double number : *part)
            require(std::isfinite(number), [&] {
                return "a quadratic form has the coefficient " + digits_of(number) + ": it must be finite";
            });
    }
    require(std::isfinite(form.constant), [&] {
        return "a quadratic form has the constant " + digits_of(form.constant) + ": it must be finite";
    });
    return form;
}

/// This is the Gaussian that one coordinate N(m, v) becomes when its density is multiplied by
/// exp(c z - q z^2/2), and the logarithm of the product's integral.
struct tilted_coordinate {
    double mean, variance, log_integral;

    /// @throws std::invalid_argument unless 1 + q v > 0; else the integral diverges.
    tilted_coordinate(double m, double v, double c, double q) {
        const double shrink = 1.0 + q * v;
        require(shrink > 0.0, [&] {
            return "a curvature of " + digits_of(q) + " against a variance of " + digits_of(v) +
                   ": the tilted density has no integral";
        });
        mean = (m + v * c) / shrink;
        variance = v / shrink;
        log_integral = 0.5 * ((2.0 * m + v * c) * c - q * m * m) / shrink - 0.5 * std::log1p(q * v);
    }
};

} // namespace detail
} // namespace diamond
