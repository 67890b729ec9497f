/// The exponential that weights are made with.
#include <cmath>
#include <initializer_list>
#include <limits>

#include <doctest/doctest.h>

#include <diamond/core/scalar.hpp>

#include <support/numbers.hpp>

namespace core_scalar_test {

using diamond::exp_nonpositive, diamond::infinity, diamond::index_t;

TEST_CASE("exp_nonpositive is exp to 2 units in the last place") {
    constexpr index_t count = 400'000;
    double worst = 0.0;
    for (index_t k = 0; k <= count; ++k) {
        const double u = static_cast<double>(k) / static_cast<double>(count);
        for (const double x : {-u, -708.0 * u, -std::ldexp(u, -20)}) {
            worst = std::fmax(worst,
                              numbers::ulps(exp_nonpositive(x), std::exp(static_cast<long double>(x))));
        }
    }
    CHECK(worst <= 2.0);
}

TEST_CASE("exp_nonpositive at the ends: 1, 0 and NaN") {
    CHECK(exp_nonpositive(0.0) == 1.0);
    CHECK(exp_nonpositive(-0.0) == 1.0);
    CHECK(exp_nonpositive(-708.0) > 0.0);
    for (const double x : {std::nextafter(-708.0, -infinity), -709.0, -1e6, -1e300,
                           std::numeric_limits<double>::lowest(), -infinity})
        CHECK(exp_nonpositive(x) == 0.0);
    CHECK(std::isnan(exp_nonpositive(std::numeric_limits<double>::quiet_NaN())));
}

TEST_CASE("exp_nonpositive never falls where x rises") {
    for (const double start : {-700.0, -30.0, -1.0, -0.3466, -1e-3})
        for (double x = start; x < start + 1e-3 && x <= 0.0; x += 1e-7)
            REQUIRE(exp_nonpositive(x) <= exp_nonpositive(x + 1e-7));
}

} // namespace core_scalar_test
