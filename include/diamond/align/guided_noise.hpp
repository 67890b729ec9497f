/// The last noise of a transition drawn from a proposal, and the ratio by which the draw stands for one of
/// N(0, I).
#pragma once

#include <cmath>

#include <diamond/concepts/transition_kernel.hpp>
#include <diamond/core/digits_of.hpp>
#include <diamond/core/expression.hpp>

namespace diamond::detail {

/// @throws std::invalid_argument unless the variance of a coordinate of the data is positive and finite.
inline void require_data_variance(double variance) {
    require(variance > 0.0 && std::isfinite(variance), [&] {
        return "a guided kernel's variance is " + digits_of(variance) +
               ": that of a coordinate of the data is needed, positive and finite";
    });
}

/// The term of (|eps|^2 - |e|^2)/2 that an element adds.
DIAMOND_HD inline double noise_ratio_term(double drawn, double guided) {
    return 0.5 * (drawn - guided) * (drawn + guided);
}
/// Writes log_ratio[j] = log N(e_j; 0, I) - log q(e_j), where e = e(eps) is affine in eps ~ N(0, I) with the
/// Jacobian's log determinant `log_determinant`: (|eps_j|^2 - |e_j|^2)/2 + log_determinant.
template <class ConstView, class Context>
void write_noise_ratio(ConstView drawn, ConstView guided, double log_determinant,
                       row_view<double, Context> log_ratio) {
    assign(log_ratio, column_sums(elementwise<noise_ratio_term>(drawn, guided)));
    if (log_determinant != 0.0) assign(log_ratio, log_ratio + log_determinant);
}

} // namespace diamond::detail
