/// The checks that corrected_kernel and corrected_posterior share.
#pragma once

#include <string>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>

namespace diamond::detail {

/// Checks that draws and the density that corrects them have one dimension. @throws std::invalid_argument
/// with both dimensions unless they agree.
template <class Draws, class Density>
void require_density_of(const char* what, const Draws& draws, const Density& density) {
    require(draws.dimension() == density.dimension(), [&] {
        return std::string("the ") + what + " has dimension " + digits_of(draws.dimension()) +
               ", the density that corrects it " + digits_of(density.dimension());
    });
}
/// The message for a weight that is NaN or +inf.
inline constexpr const char*
    bad_correction = "the importance weight of a corrected draw is NaN or +inf: the density of the draw, or "
                     "the one that corrects it, is not to be had there; where a jacobian_network's map folds "
                     "it has none: take more steps, for early-stop transitions fold less than whole draws";

} // namespace diamond::detail
