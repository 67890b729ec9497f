// denoised_moment_value: V itself of isotropic Gaussian data, for any affine measurement; its guidance by
// differences; what it costs and refuses. tests/align/guided_kernels.test.cpp has runs by it.
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/gaussian_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/value/denoised_moment_value.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/small_matrix.hpp"

namespace value_denoised_moment_test {

using diamond::index_t, diamond::philox, diamond::purpose;
using linear = diamond::linear_schedule;

namespace {

constexpr double variance = 0.7, deviation = 0.4;
const std::vector<double> mean{0.3, -0.2, 0.5};
/// Five outputs of three coordinates, of rank 2: the third row is the sum of the first two, the fourth is 0.
const std::vector<double> weights{1.0, 0.5, 1.5, 0.0, -0.5, 2.0, -1.0, 1.0,
                                  0.0, 1.0, 0.0, 0.7, 0.7,  0.0, -0.35},
    offset{0.1, -0.3, 0.2, 0.4, 0.0}, seen{1.2, 0.4, 0.9, -0.1, 0.3};

template <class Batch>
auto data(const diamond::backend_of_t<Batch>& context) {
    return diamond::gaussian<Batch, linear>(context, {}, mean,
                                            {variance, 0.0, 0.0, 0.0, variance, 0.0, 0.0, 0.0, variance});
}
template <class Batch>
auto observed(const diamond::backend_of_t<Batch>& context) {
    using real = typename Batch::value_type;
    const auto numbers = [](const std::vector<double>& from) {
        return std::vector<real>(from.begin(), from.end());
    };
    return diamond::gaussian_measurement_reward(
        context, diamond::affine_measurement<Batch>(context, numbers(weights), numbers(offset)),
        numbers(seen), deviation);
}
/// V_t(x) by the covariance of what is seen, with no singular vector.
double exact_value(const std::vector<double>& x, double t) {
    const double sigma = 1.0 - t, spread = diamond::square(t) * variance + diamond::square(sigma);
    const small::matrix a(5, 3, weights);
    small::matrix m(3, 1, mean);
    for (std::size_t i = 0; i < 3; ++i) m(i, 0) += t * variance / spread * (x[i] - t * mean[i]);
    const double c = variance * diamond::square(sigma) / spread;
    const small::matrix total = c * (a * a.transposed()) +
                                small::matrix::identity(5, diamond::square(deviation));
    const small::matrix miss = small::matrix(5, 1, seen) - small::matrix(5, 1, offset) - a * m;
    const auto solved = small::solve(total, miss);
    double value = -0.5 * static_cast<double>(solved.log_determinant) + 5.0 * std::log(deviation);
    for (std::size_t i = 0; i < 5; ++i) value -= 0.5 * static_cast<double>(miss(i, 0) * solved.x(i, 0));
    return value;
}
const std::vector<double> points{0.4, -0.1, 0.7, 1.4, -0.9, 0.2, -0.6, 0.5, 0.0};

} // namespace

TEST_CASE_TEMPLATE("of isotropic Gaussian data it is V, for a measurement of lower rank than its outputs",
                   back, BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(2);
    const auto x = batches::make<batch>(context, 3, 3, points);
    diamond::rebind_t<batch, double> out(context, 1, 3);
    const double rounding = std::is_same_v<typename batch::value_type, float> ? 2e-5 : 1e-11;
    diamond::denoised_moment_value value{
        context, linear{}, data<batch>(context), observed<batch>(context), {.variance = variance}};
    for (const double t : {0.0, 0.3, 0.8, 1.0}) {
        value(x.read(), t, {}, philox{3}.stream(purpose::value, 1), {.value = row(out)});
        const auto found = diamond::to_host(out);
        for (std::size_t j = 0; j < 3; ++j) {
            const double exact = exact_value({points.begin() + 3 * static_cast<index_t>(j),
                                              points.begin() + 3 * static_cast<index_t>(j) + 3},
                                             t);
            CHECK(std::abs(found[j] - exact) < rounding * (1.0 + std::abs(exact)));
        }
    }
    CHECK(value.spent() == diamond::cost{.forward = 9, .reward = 12}); // at t = 1 it is the reward
    // Another variance is another value.
    diamond::denoised_moment_value other{context, linear{}, data<batch>(context), observed<batch>(context)};
    other(x.read(), 0.3, {}, philox{3}.stream(purpose::value, 1), {.value = row(out)});
    CHECK(std::abs(diamond::to_host(out)[0] - exact_value({0.4, -0.1, 0.7}, 0.3)) > 0.01);
}

TEST_CASE("small noise in single precision, and singular values far apart") {
    const auto context = back_ends::eigen<double>::make(1);
    const auto of = [&](auto number, double w, double s) {
        using real = decltype(number);
        using batch = diamond::eigen::batch<real>;
        const diamond::gaussian<batch, linear> model{context, {}, {0.0, 0.0}, {1.0, 0.0, 0.0, 1.0}};
        // W = U diag(1, w) V^T, with U and V turned by 0.6 and 1.1
        const double a = std::cos(0.6), b = std::sin(0.6), c = std::cos(1.1), d = std::sin(1.1);
        const std::vector<double> matrix{a * c + b * w * d, b * c - a * w * d, a * d - b * w * c,
                                         b * d + a * w * c};
        const diamond::gaussian_measurement_reward reward{
            context,
            diamond::affine_measurement<batch>{context, std::vector<real>(matrix.begin(), matrix.end()),
                                               std::vector<real>(2)},
            std::vector<real>{real(0.3), real(0.1)}, s};
        diamond::denoised_moment_value value{context, linear{}, model, reward};
        const auto x = batches::make<batch>(context, 2, 1, {0.25, 0.5});
        diamond::rebind_t<batch, double> out(context, 1, 1);
        value(x.read(), 0.5, {}, philox{3}.stream(purpose::value, 1), {.value = row(out)});
        // t = 1/2: D = x, c = 1/2. Along U's columns.
        const double y[2] = {0.3 * a + 0.1 * b, 0.3 * -b + 0.1 * a},
                     wd[2] = {c * 0.25 + d * 0.5, w * (d * 0.25 - c * 0.5)}, values[2] = {1.0, w};
        double exact = 0.0;
        for (int i = 0; i < 2; ++i) {
            const double spread = 0.5 * diamond::square(values[i]);
            exact -= 0.5 * diamond::square(y[i] - wd[i] * (i == 0 ? 1.0 : -1.0)) / (spread + s * s) +
                     0.5 * std::log1p(spread / (s * s));
        }
        return std::pair{out.data()[0], exact};
    };
    for (const double s : {1e-2, 1e-4, 1e-5}) {
        const auto [single, exact] = of(1.0f, 0.5, s);
        CHECK(std::abs(single - exact) < 1e-4 * (1.0 + std::abs(exact)));
    }
    for (const double w : {1e-2, 1e-4, 1e-6}) {
        const auto [found, exact] = of(1.0, w, 0.1 * w);
        CHECK(std::abs(found - exact) < 1e-5 * (1.0 + std::abs(exact)));
    }
}

TEST_CASE("its guidance is b grad V, from after t = 0 on") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    diamond::denoised_moment_value value{
        context, linear{}, data<batch>(context), observed<batch>(context), {.variance = variance}};
    const auto x = batches::make<batch>(context, 3, 3, points);
    batch out(context, 3, 3);
    constexpr double t = 0.6, step = 1e-5;
    value.guidance(x.read(), t, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
    for (std::size_t j = 0; j < 3; ++j)
        for (std::size_t i = 0; i < 3; ++i) {
            std::vector<double> above(points.begin() + 3 * static_cast<index_t>(j),
                                      points.begin() + 3 * static_cast<index_t>(j) + 3),
                below = above;
            above[i] += step;
            below[i] -= step;
            const double slope = (exact_value(above, t) - exact_value(below, t)) / (2.0 * step);
            CHECK(std::abs(out.data()[3 * j + i] - (1.0 - t) / t * slope) < 1e-7);
        }
    value.guidance(x.read(), 1.0, {}, philox{3}.stream(purpose::value, 1), out.mutable_view());
    CHECK(out.data()[0] == 0.0); // b(1) of the linear schedule
    CHECK_THROWS_WITH_AS(
        value.guidance(x.read(), 0.0, {}, philox{3}.stream(purpose::value, 1), out.mutable_view()),
        doctest::Contains("begins after t = 0"), std::invalid_argument);
}

TEST_CASE("what a denoised moment value cannot take is refused") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    for (const double bad : {0.0, -1.0, std::nan(""), diamond::infinity})
        CHECK_THROWS_WITH_AS(
            (diamond::denoised_moment_value{
                context, linear{}, data<batch>(context), observed<batch>(context), {.variance = bad}}),
            doctest::Contains("variance of a coordinate"), std::invalid_argument);
    const diamond::gaussian_measurement_reward other{
        context, diamond::mask_measurement<batch>{context, 4, {1}}, std::vector<double>{0.0}, 0.5};
    CHECK_THROWS_WITH_AS((diamond::denoised_moment_value{context, linear{}, data<batch>(context), other}),
                         doctest::Contains("the field has dimension 3, the measurement 4"),
                         std::invalid_argument);
}

} // namespace value_denoised_moment_test
