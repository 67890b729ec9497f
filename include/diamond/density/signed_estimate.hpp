/// What importance weights, signed or not, say of the evidence, and whether their tail lets them say it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <diamond/core/digits_of.hpp>
#include <diamond/core/errors.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond {

namespace detail {
/// Returns the shape k of a generalised Pareto law fitted to positive numbers in rising order, by J. Zhang
/// and M. Stephens (Technometrics 51, 2009), drawn towards 1/2 with the weight of ten numbers, as in Pareto
/// smoothed importance sampling. The law has moments of order below 1/k.
[[nodiscard]] inline double pareto_shape(const std::vector<double>& rising) {
    const auto count = static_cast<double>(rising.size());
    const std::size_t candidates = 30 + static_cast<std::size_t>(std::sqrt(count));
    const double quartile = rising[static_cast<std::size_t>(count / 4.0 + 0.5) - 1], largest = rising.back();
    const auto shape_at = [&](double b) {
        double sum = 0.0;
        for (const double x : rising) sum += std::log1p(-b * x);
        return sum / count;
    };
    std::vector<double> b, log_likelihood;
    for (std::size_t i = 0; i < candidates; ++i) {
        const double share = static_cast<double>(candidates) / (static_cast<double>(i) + 0.5),
                     here = 1.0 / largest + (1.0 - std::sqrt(share)) / (3.0 * quartile);
        constexpr double flat = 1e-12; // b = 0, the exponential law, is a limit
        b.push_back(std::abs(here) * largest > flat ? here : flat / largest);
        const double k = shape_at(b.back());
        log_likelihood.push_back(count * (std::log(-b.back() / k) - k - 1.0));
    }
    const double most = *std::max_element(log_likelihood.begin(), log_likelihood.end());
    double sum = 0.0, mean = 0.0;
    for (std::size_t i = 0; i < candidates; ++i) {
        const double weight = std::exp(log_likelihood[i] - most);
        sum += weight;
        mean += weight * b[i];
    }
    constexpr double prior = 10.0;
    const double k = (count * shape_at(mean / sum) + 0.5 * prior) / (count + prior);
    return std::isfinite(k) ? k : infinity; // where numbers differ by more than doubles can say
}
/// Returns the shape k of the tail of n sizes: of the min(n/5, 3 sqrt n) largest, less the next one. NaN for
/// fewer than 25 sizes, and where the largest are equal.
[[nodiscard]] inline double tail_index(std::vector<double> sizes) {
    const auto n = static_cast<double>(sizes.size());
    const auto tail = static_cast<std::ptrdiff_t>(std::min(0.2 * n, 3.0 * std::sqrt(n)));
    constexpr std::size_t least = 5;
    if (tail < static_cast<std::ptrdiff_t>(least)) return not_a_number;
    std::nth_element(sizes.begin(), sizes.end() - tail - 1, sizes.end());
    const double cut = *(sizes.end() - tail - 1);
    std::vector<double> above;
    for (auto at = sizes.end() - tail; at != sizes.end(); ++at)
        if (*at > cut) above.push_back(*at - cut);
    if (above.empty()) return not_a_number;
    if (above.size() < least) return infinity; // a few are all of it, and the others 0 beside them
    std::sort(above.begin(), above.end());
    return pareto_shape(above);
}
} // namespace detail

/// What weights w of draws say of Z, the mean of w, where w may have a sign.
struct signed_estimate {
    double log_z = not_a_number; ///< log of the mean weight; NaN where that is not positive
    /// The deviation of the mean weight over the mean, that of log_z; NaN where tail_index > 0.7, since it
    /// then means nothing.
    double standard_error = not_a_number;
    double effective = 0.0; ///< (sum w)^2/sum w^2
    double negative = 0.0;  ///< the share of negative weights in sum |w|
    /// k of the largest |w|, which have moments of order below 1/k: from 0.5 on no variance, and above 0.7 no
    /// mean that a practical number of draws would find (A. Vehtari et al., arXiv 1507.02646). NaN for fewer
    /// than 25 weights, and where the largest are equal; infinity where fewer than five are all of the sum.
    double tail_index = not_a_number;
};

/// Computes the estimate of log Z from log |w| and the sign of each weight, n numbers each. The standard
/// error says nothing of mass that no draw came near. @throws std::invalid_argument for no weights, lists of
/// different lengths, a log weight that is NaN or +inf, and a sign that is not 1, -1 or 0.
[[nodiscard]] inline signed_estimate estimate_of(const std::vector<double>& log_weights,
                                                 const std::vector<double>& signs) {
    require(!log_weights.empty() && signs.size() == log_weights.size(), [&] {
        return "signed weights: " + digits_of(log_weights.size()) + " weights and " +
               digits_of(signs.size()) + " signs";
    });
    double largest = -infinity;
    for (std::size_t j = 0; j < log_weights.size(); ++j) {
        require(log_weights[j] < infinity, [&] {
            return "signed weights: log |w| of draw " + digits_of(j) + " is " + digits_of(log_weights[j]);
        });
        require(signs[j] == 1.0 || signs[j] == -1.0 || signs[j] == 0.0, [&] {
            return "signed weights: the sign of draw " + digits_of(j) + " is " + digits_of(signs[j]);
        });
        if (signs[j] != 0.0) largest = std::max(largest, log_weights[j]);
    }
    signed_estimate result;
    if (largest == -infinity) return result;
    double sum = 0.0, squares = 0.0, negative = 0.0, all = 0.0;
    std::vector<double> sizes;
    for (std::size_t j = 0; j < log_weights.size(); ++j) {
        // What has no sign weighs nothing, whatever its log |w|.
        const double size = signs[j] == 0.0 ? 0.0 : std::exp(log_weights[j] - largest);
        sizes.push_back(size);
        sum += signs[j] * size;
        squares += square(size);
        all += size;
        if (signs[j] < 0.0) negative += size;
    }
    const auto n = static_cast<double>(log_weights.size());
    result.effective = square(sum) / squares;
    result.negative = negative / all;
    result.tail_index = detail::tail_index(std::move(sizes));
    if (!(sum > 0.0)) return result;
    result.log_z = largest + std::log(sum / n);
    constexpr double heavy = 0.7;
    if (result.tail_index > heavy) return result;
    result.standard_error = std::sqrt(std::max(squares / n - square(sum / n), 0.0) / n) / (sum / n);
    return result;
}

} // namespace diamond
