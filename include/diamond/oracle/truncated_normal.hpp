/// These are moments and quantiles of a truncated normal, accurate however far in the tail and however narrow
/// or wide the interval is. A truncated normal is the posterior of a coordinate that is uniform on an
/// interval and observed through Gaussian noise.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/core/scalar.hpp>

namespace diamond::detail {

/// This is the tail y > a of a standard normal y, a >= 0: Mills' ratio (1 - Phi(a))/phi(a), and the mean and
/// variance of y - a in it.
struct normal_tail {
    double ratio, mean, variance;

    DIAMOND_HD explicit normal_tail(double a) {
        constexpr double near = 4.0; // below it the closed form loses no more than two digits
        // These are the terms of Laplace's continued fraction, which has full double precision above `near`.
        constexpr int terms = 28;
        if (a < near) {
            constexpr double sqrt_half = 0.70710678118654752440;
            ratio = std::sqrt(0.5 * pi) * std::exp(0.5 * a * a) * std::erfc(a * sqrt_half);
            mean = 1.0 / ratio - a;
            variance = 1.0 - (a + mean) * mean;
        } else {
            // 2/(a + 3/(a + ...)), so that neither moment is a difference of large numbers
            double fraction = 0.0;
            for (int n = terms; n >= 2; --n) fraction = n / (a + fraction);
            mean = 1.0 / (a + fraction);
            ratio = 1.0 / (a + mean);
            variance = mean * (fraction - mean);
        }
    }
};

/// This is a standard normal y that is known to lie in [first, first + width], width > 0, and its place
/// v = (y - first)/width in [0, 1].
struct truncated_normal {
    /// Their sum is the logarithm of the mean of exp(-y^2/2) over the interval. The first may be huge.
    double log_scale, log_rest;
    double mean_y;             ///< E[y]
    double mean_v, variance_v; ///< E[v] and Var[v]

    DIAMOND_HD truncated_normal(double first, double width) {
        // Where this holds, -y is computed, whose mode lies at or below the middle.
        const bool reflected = first + 0.5 * width < 0.0;
        if (reflected) first = -(first + width);
        // Where exponents vary by less than this, eight Gauss nodes are exact to rounding.
        constexpr double flat = 1.0;
        if ((std::abs(first) + 0.5 * width) * width <= flat)
            integrate(first, width);
        else if (first >= 0.0)
            cut_tail(first, width);
        else
            cut_middle(first, width);
        if (reflected) {
            mean_v = 1.0 - mean_v;
            mean_y = -mean_y;
        }
    }

private:
    /// Integrates by Gauss-Legendre quadrature with eight nodes.
    DIAMOND_HD void integrate(double first, double width) {
        constexpr double node[4] = {0.1834346424956498049, 0.5255324099163289858, 0.7966664774136267396,
                                    0.9602898564975362317};
        constexpr double weight[4] = {0.3626837833783619830, 0.3137066458778872873, 0.2223810344533744705,
                                      0.1012285362903762591};
        double v[8], p[8], total = 0.0, first_moment = 0.0;
        for (int n = 0; n < 8; ++n) {
            v[n] = 0.5 + (n % 2 ? 0.5 : -0.5) * node[n / 2];
            const double w = width * v[n];
            p[n] = 0.5 * weight[n / 2] * std::exp(-(first + 0.5 * w) * w);
            total += p[n];
            first_moment += p[n] * v[n];
        }
        mean_v = first_moment / total;
        variance_v = 0.0;
        for (int n = 0; n < 8; ++n) variance_v += p[n] / total * square(v[n] - mean_v);
        mean_y = first + width * mean_v;
        log_scale = -0.5 * first * first;
        log_rest = std::log(total);
    }
    /// Computes the tail from `first` >= 0 on less the tail beyond the interval.
    DIAMOND_HD void cut_tail(double first, double width) {
        const normal_tail near(first);
        const double exponent = (first + 0.5 * width) * width;
        double mean = near.mean, variance = near.variance, share = 0.0;
        if (constexpr double nothing = 40.0; exponent < nothing) { // exp(-40) is below rounding
            const normal_tail far(first + width);
            share = std::exp(-exponent) * far.ratio / near.ratio; // of the tail that lies beyond the interval
            mean = (near.mean - share * (width + far.mean)) / (1.0 - share);
            variance = (near.variance - share * far.variance) / (1.0 - share) -
                       share * square(mean - width - far.mean);
        }
        mean_y = first + mean;
        mean_v = mean / width;
        variance_v = variance / square(width);
        log_scale = -0.5 * first * first;
        log_rest = std::log(near.ratio / width) + std::log1p(-share);
    }
    /// Computes the closed form of an interval that has the mode inside.
    DIAMOND_HD void cut_middle(double first, double width) {
        constexpr double sqrt_half = 0.70710678118654752440;
        const double last = first + width, lower = std::exp(-0.5 * first * first),
                     upper = std::exp(-0.5 * last * last);
        const double mass = std::sqrt(0.5 * pi) * (std::erf(last * sqrt_half) - std::erf(first * sqrt_half));
        mean_y = (lower - upper) / mass;
        mean_v = (mean_y - first) / width;
        variance_v = (1.0 + (first * lower - last * upper) / mass - square(mean_y)) / square(width);
        log_scale = 0.0;
        log_rest = std::log(mass / width);
    }
};

/// Returns the p-quantile of v, 0 <= p <= 1: the place below which lies the share p of the interval's mass.
/// Newton's steps on the distribution function are guarded by bisection.
DIAMOND_HD inline double truncated_normal_quantile(double first, double width, double p) {
    const bool reflected = first + 0.5 * width < 0.0;
    if (reflected) {
        first = -(first + width);
        p = 1.0 - p;
    }
    const truncated_normal whole(first, width);
    // Beyond 9 standard deviations, or e^-40 of the tail, lies less than a uniform can tell.
    constexpr double reach = 9.0, nothing = 40.0;
    double low = first < -reach ? (-first - reach) / width : 0.0;
    double high = first >= 0.0 ? 2.0 * nothing / (first + std::sqrt(square(first) + 2.0 * nothing))
                               : reach - first;
    high = high < width ? high / width : 1.0;
    double v = 0.5 * (low + high);
    for (int step = 0; step < 100; ++step) {
        const truncated_normal part(first, width * v);
        const double below = v *
                             std::exp((part.log_scale - whole.log_scale) + (part.log_rest - whole.log_rest));
        const double excess = below - p;
        const double slope = std::exp((-0.5 * first * first - whole.log_scale) -
                                      (first + 0.5 * width * v) * width * v - whole.log_rest);
        (excess > 0.0 ? high : low) = v;
        if (std::abs(excess) < 0x1p-50) break; // as fine as uniforms are
        // A tail is nearly exponential: the logarithm of what lies beyond is nearly straight.
        double next = first >= 0.0 ? v + (1.0 - below) / slope * std::log((1.0 - below) / (1.0 - p))
                                   : v - excess / slope;
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        if (next == v) break;
        v = next;
    }
    return reflected ? 1.0 - v : v;
}

} // namespace diamond::detail
