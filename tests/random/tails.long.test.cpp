/// Exceedances over 1e9 draws against the exact probabilities.
#include <cmath>

#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>

namespace random_tails_long_test {

using diamond::index_t;

TEST_CASE_TEMPLATE("3, 4, 5 and 6 sigma are exceeded as often as they should be", real, float, double) {
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t rows = 64, columns = 1 << 14;
    constexpr int steps = 1000;
    const double draws = double{rows} * columns * steps; // 1.05e9
    diamond::eigen::batch<real> x(context, rows, columns);
    double count[7] = {};
    for (int step = 0; step < steps; ++step) {
        context.fill_normal<real>(diamond::philox{1}.stream(diamond::purpose::user, step), x);
        const real* const p = x.data();
        for (index_t k = 0; k < x.size(); ++k) {
            const real size = std::abs(p[k]);
            if (size > real{3})
                for (int z = 3; z <= 6; ++z) count[z] += size > static_cast<real>(z) ? 1.0 : 0.0;
        }
    }
    for (int z = 3; z <= 6; ++z) {
        const double expected = draws * std::erfc(z / std::sqrt(2.0));
        MESSAGE(z << " sigma: " << count[z] << " of " << expected);
        // A binomial count is within 4.5 standard errors but for 7 seeds in a million; of 6 sigma, 2.1
        // expected, 13 are as rare.
        CHECK(std::abs(count[z] - expected) < (z < 6 ? 4.5 * std::sqrt(expected) : 11.0));
    }
}

} // namespace random_tails_long_test
