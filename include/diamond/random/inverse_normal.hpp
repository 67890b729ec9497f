/// The quantiles of the standard normal distribution, by algorithm AS 241 (M. J. Wichura, Applied Statistics
/// 37, 1988), whose relative error is about 1e-16.
#pragma once

#include <cmath>

#include <diamond/core/host_device.hpp>
#include <diamond/random/normal.hpp>

namespace diamond {

namespace detail {
/// The polynomial c_0 + c_1 x + ... + c_7 x^7.
DIAMOND_HD inline double polynomial(const double (&c)[8], double x) {
    double sum = c[7];
    for (int k = 6; k >= 0; --k) sum = sum * x + c[k];
    return sum;
}
} // namespace detail

/// Returns the number x >= 0 that a standard normal exceeds with the given probability, in (0, 1/2].
[[nodiscard]] DIAMOND_HD inline double normal_exceeded_with(double probability) {
    constexpr double middle[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                 1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                 3.3430575583588128105e+4, 2.5090809287301226727e+3},
                     under_middle[] = {1.0,
                                       4.2313330701600911252e+1,
                                       6.8718700749205790830e+2,
                                       5.3941960214247511077e+3,
                                       2.1213794301586595867e+4,
                                       3.9307895800092710610e+4,
                                       2.8729085735721942674e+4,
                                       5.2264952788528545610e+3},
                     near[] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                               3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                               2.27238449892691845833e-2, 7.74545014278341407640e-4},
                     under_near[] = {1.0,
                                     2.05319162663775882187e0,
                                     1.67638483018380384940e0,
                                     6.89767334985100004550e-1,
                                     1.48103976427480074590e-1,
                                     1.51986665636164571966e-2,
                                     5.47593808499534494600e-4,
                                     1.05075007164441684324e-9},
                     far[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                              2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                              2.71155556874348757815e-5, 2.01033439929228813265e-7},
                     under_far[] = {1.0,
                                    5.99832206555887937690e-1,
                                    1.36929880922735805310e-1,
                                    1.48753612908506148525e-2,
                                    7.86869131145613259100e-4,
                                    1.84631831751005468180e-5,
                                    1.42151175831644588870e-7,
                                    2.04426310338993978564e-15};
    constexpr double end_of_middle = 0.425, squared_end = 0.180625, end_of_near = 5.0, begin_of_near = 1.6;
    const double q = 0.5 - probability;
    if (q <= end_of_middle) {
        const double r = squared_end - q * q;
        return q * detail::polynomial(middle, r) / detail::polynomial(under_middle, r);
    }
    const double r = std::sqrt(-detail::log_unit(probability));
    return r <= end_of_near
             ? detail::polynomial(near, r - begin_of_near) / detail::polynomial(under_near, r - begin_of_near)
             : detail::polynomial(far, r - end_of_near) / detail::polynomial(under_far, r - end_of_near);
}

} // namespace diamond
