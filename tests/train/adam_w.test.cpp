// AdamW against the textbook's loop in double; the rate at its corners; clipping; the moving average of a
// young run.
#include <cmath>
#include <limits>
#include <vector>

#include <diamond/train/adam_w.hpp>

#include "support/back_ends.hpp"
#include "support/numbers.hpp"

namespace train_adam_w_test {

using diamond::index_t;

TEST_CASE_TEMPLATE("AdamW, step by step", back, ALL_BACK_ENDS) {
    using real = typename back::real;
    using batch = typename back::batch;
    const auto context = back::make(2);
    const index_t n = 37;
    const diamond::adam_w_options options{
        .beta_1 = 0.8, .beta_2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.1, .clip = 4.0};
    auto host = numbers::normals<real>(n, 1);
    std::vector<double> theta(host.begin(), host.end()), m(host.size()), v(host.size());
    const std::vector<real> zeros(host.size());
    batch x = diamond::from_host<real>(context, n, 1, host),
          mean = diamond::from_host<real>(context, n, 1, zeros),
          variance = diamond::from_host<real>(context, n, 1, zeros);
    diamond::owning_batch<diamond::clipped_norm, typename back::context> told(context, 1, 1);
    for (index_t k = 0; k < 5; ++k) {
        const auto g = numbers::normals<real>(n, 10 + static_cast<unsigned>(k)); // of norm 6 or so: clipped
        const double rate = 0.01 * static_cast<double>(k + 1);
        double norm = 0.0;
        for (const real gi : g) norm += static_cast<double>(gi) * static_cast<double>(gi);
        norm = std::sqrt(norm);
        REQUIRE(norm > options.clip);
        const batch gradient = diamond::from_host<real>(context, n, 1, g);
        diamond::adam_w<batch>(options, {.k = k, .rate = rate}, {x, mean, variance}, gradient.read(),
                               told.data());
        CHECK(diamond::to_host(told).front().norm == doctest::Approx(norm).epsilon(back::tolerance));
        for (std::size_t i = 0; i < theta.size(); ++i) {
            const double gi = static_cast<double>(g[i]) * options.clip / norm;
            m[i] = 0.8 * m[i] + 0.2 * gi;
            v[i] = 0.95 * v[i] + 0.05 * gi * gi;
            const double mh = m[i] / (1.0 - std::pow(0.8, static_cast<double>(k + 1))),
                         vh = v[i] / (1.0 - std::pow(0.95, static_cast<double>(k + 1)));
            theta[i] -= rate * (mh / (std::sqrt(vh) + 1e-3) + 0.1 * theta[i]);
        }
    }
    const auto found = diamond::to_host(x);
    for (std::size_t i = 0; i < theta.size(); ++i)
        CHECK(static_cast<double>(found[i]) == doctest::Approx(theta[i]).epsilon(back::tolerance).scale(1));

    // A gradient that is no number changes nothing, and is told.
    std::vector<real> spoilt(host.size());
    spoilt[3] = std::numeric_limits<real>::quiet_NaN();
    const batch gradient = diamond::from_host<real>(context, n, 1, spoilt);
    diamond::adam_w<batch>(options, {.k = 5, .rate = 0.1}, {x, mean, variance}, gradient.read(), told.data());
    CHECK(std::isnan(diamond::to_host(told).front().norm));
    CHECK(diamond::to_host(x) == found);
}

TEST_CASE("the rate warms up, stays, and falls to 0") {
    const diamond::learning_rate rate{.peak = 2.0, .warm_up = 10, .decay = 0.5};
    CHECK(rate.at(0, 100) == doctest::Approx(0.2));
    CHECK(rate.at(9, 100) == doctest::Approx(2.0));
    CHECK(rate.at(50, 100) == doctest::Approx(2.0));
    CHECK(rate.at(75, 100) == doctest::Approx(1.0));
    CHECK(rate.at(100, 100) == doctest::Approx(0.0).scale(1));
    CHECK(diamond::learning_rate{.peak = 3.0, .warm_up = 0, .decay = 0.0}.at(99, 100) ==
          doctest::Approx(3.0));
}

TEST_CASE("a young moving average forgets its start") {
    using batch = diamond::eigen::batch<double>;
    const diamond::eigen::context context{.threads = 1};
    batch average = diamond::from_host<double>(context, 1, 1, std::vector<double>{100.0});
    const batch theta = diamond::from_host<double>(context, 1, 1, std::vector<double>{1.0});
    double expected = 100.0;
    for (index_t k = 0; k < 50; ++k) {
        diamond::moving_average<batch>(0.8, k, average.mutable_view(), theta.read());
        const double keep = std::min(0.8, static_cast<double>(1 + k) / static_cast<double>(10 + k));
        expected = keep * expected + (1.0 - keep);
    }
    CHECK(average.data()[0] == doctest::Approx(expected));
    CHECK(average.data()[0] == doctest::Approx(1.0).epsilon(1e-3));
}

} // namespace train_adam_w_test
