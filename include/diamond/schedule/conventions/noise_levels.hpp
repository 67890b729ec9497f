/// The levels of noise, sigma/alpha, that a network was trained between.
#pragma once

#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// @throws std::invalid_argument with both levels unless 0 < sigma_min < sigma_max < infinity.
inline void require_levels(double sigma_min, double sigma_max) {
    require(sigma_min > 0.0 && sigma_min < sigma_max && sigma_max < infinity, [&] {
        return "a network of noise levels sigma_min = " + digits_of(sigma_min) +
               " to sigma_max = " + digits_of(sigma_max) +
               ": give those that it was trained between, both positive and finite, sigma_min below "
               "sigma_max";
    });
}

} // namespace diamond::detail
