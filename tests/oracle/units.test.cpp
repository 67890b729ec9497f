/// Units: data whose deviations are 1e-17 or 1e17, or of all sizes at once, are as right as data of deviation
/// 1, or refused with the number.
#include <Eigen/Dense>

#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/reward/detail/cholesky.hpp>
#include <diamond/schedule/linear.hpp>
#include <diamond/train/fit_gaussian_frame.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/statistics.hpp"

namespace oracle_units_test {

using namespace diamond;
using reference::spread_points;

namespace {

using numbers_type = std::vector<double>;
// The four coordinates have these correlations.
const Eigen::Matrix4d correlations{{1, .5, -.25, 0}, {.5, 1, .5, .25}, {-.25, .5, 1, .5}, {0, .25, .5, 1}};
const std::vector<numbers_type> all_units{
    {1, 1, 1, 1},         {1e-8, 1e-8, 1e-8, 1e-8}, {1e-17, 1e-17, 1e-17, 1e-17}, {1e17, 1e17, 1e17, 1e17},
    {1e-8, 1, 1e8, 1e16}, {1e16, 1e-8, 3, 1e-12},   {1, 1e-17, 1, 1e-17}};

numbers_type flat(const Eigen::MatrixXd& m) { return {m.data(), m.data() + m.size()}; }
Eigen::Matrix4d covariance_in(const numbers_type& units) {
    const Eigen::Vector4d d(units.data());
    return d.asDiagonal() * correlations * d.asDiagonal();
}
numbers_type times(const numbers_type& x, const numbers_type& units, double power = 1.0) {
    numbers_type result(x);
    for (std::size_t k = 0; k < x.size(); ++k) result[k] *= std::pow(units[k % units.size()], power);
    return result;
}
double logs(const numbers_type& units) {
    double sum = 0.0;
    for (const double u : units) sum += std::log(u);
    return sum;
}

} // namespace

TEST_CASE_TEMPLATE("a Gaussian in any units has the densities and the draws of the one in units of 1",
                   back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const index_t n = 20000;
    const auto points = spread_points(4 * 50);
    for (const auto& units : all_units) {
        CAPTURE(units);
        const gaussian<batch, linear_schedule> model(context, {}, numbers_type(4, 0.0),
                                                     flat(covariance_in(units)));
        auto space = model.make_workspace(context, n);
        const auto x = batches::make<batch>(context, 4, 50, times(points, units));
        auto out = from_host<double>(context, 1, 50, numbers_type(50));
        model.log_density(x.read(), 1.0, {}, space, diamond::row(out));
        const auto densities = to_host(out);
        const auto solve = correlations.llt();
        for (index_t j = 0; j < 50; ++j) {
            const Eigen::Vector4d p(points.data() + 4 * j);
            const double wanted = -0.5 * (p.dot(solve.solve(p)) + std::log(correlations.determinant()) +
                                          4 * std::log(2 * pi)) -
                                  logs(units);
            CHECK(densities[static_cast<std::size_t>(j)] ==
                  doctest::Approx(wanted).epsilon(100 * back_end::tolerance));
        }
        batch z(context, 4, n);
        model.draw(philox{31}.stream(purpose::data), z.mutable_view());
        // in units of 1
        const auto drawn = batches::make<batch>(context, 4, n, times(batches::host(z), units, -1.0));
        const statistics::samples samples(drawn);
        // 4.5 standard errors, 70 comparisons a back end: one seed in 500 fails by chance
        for (index_t i = 0; i < 4; ++i)
            for (index_t k = 0; k <= i; ++k)
                CHECK(
                    statistics::within(statistics::covariance(samples, i, k, 0.0, 0.0), correlations(i, k)));
    }
}

TEST_CASE_TEMPLATE(
    "a data set in any units has a frame that rebuilds its covariance to the digits of each coordinate",
    back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto points = spread_points(4 * 3000, 1.0, 5);
    for (const auto& units : all_units) {
        CAPTURE(units);
        // What the batch holds, in double.
        auto batch_of = batches::make<batch>(context, 4, 3000, times(points, units));
        const auto held = batches::host(batch_of);
        Eigen::MatrixXd x = Eigen::Map<const Eigen::MatrixXd>(held.data(), 4, 3000);
        const Eigen::VectorXd mean = x.rowwise().mean();
        x.colwise() -= mean;
        const Eigen::MatrixXd wanted = x * x.transpose() / 3000.0;
        const auto frame = fit_gaussian_frame(training_set<batch>{std::move(batch_of), 0.0});
        const Eigen::MatrixXd u = Eigen::Map<const Eigen::MatrixXd>(frame.basis.data(), 4, 4);
        const Eigen::VectorXd variance = Eigen::Map<const Eigen::VectorXd>(frame.variance.data(), 4);
        const Eigen::MatrixXd rebuilt = u * variance.asDiagonal() * u.transpose();
        for (index_t i = 0; i < 4; ++i) {
            CHECK(frame.mean[static_cast<std::size_t>(i)] == doctest::Approx(mean(i)).epsilon(1e-9));
            for (index_t k = 0; k < 4; ++k)
                CHECK(std::abs(rebuilt(i, k) - wanted(i, k)) <
                      1e-7 * std::sqrt(wanted(i, i)) * std::sqrt(wanted(k, k)));
        }
        // Which the largest alone would satisfy: the product of all variances is the determinant.
        const Eigen::VectorXd deviations = wanted.diagonal().cwiseSqrt();
        const Eigen::MatrixXd scaled = deviations.cwiseInverse().asDiagonal() * wanted *
                                       deviations.cwiseInverse().asDiagonal();
        double log_det = std::log(scaled.determinant());
        for (index_t i = 0; i < 4; ++i) log_det += 2.0 * std::log(deviations(i)) - std::log(variance(i));
        CHECK(std::abs(log_det) < 1e-6);
    }
}

TEST_CASE_TEMPLATE("a mixture of many parts in any unit has the densities of the one in units of 1", back_end,
                   BACK_ENDS) {
    using batch = typename back_end::batch;
    using model = gaussian_mixture<batch, linear_schedule>;
    const auto context = back_end::make();
    const auto means = spread_points(4 * 30), points = spread_points(4 * 20, 2.0, 3);
    const auto in_units = [&](double unit, bool isotropic) {
        const numbers_type units(4, unit);
        numbers_type variances(isotropic ? 30 : 120, square(unit));
        for (std::size_t k = 0; k < variances.size(); ++k)
            variances[k] *= 0.5 + 0.01 * static_cast<double>(k);
        const model mixture(context, {}, numbers_type(30, 1.0), times(means, units), variances);
        auto space = mixture.make_workspace(context, 20);
        const auto x = batches::make<batch>(context, 4, 20, times(points, units));
        auto out = from_host<double>(context, 1, 20, numbers_type(20));
        mixture.log_density(x.read(), 1.0, {}, space, diamond::row(out));
        numbers_type result = to_host(out);
        for (double& value : result) value += 4.0 * std::log(unit);
        batch denoised(context, 4, 20);
        mixture.denoiser(x.read(), 1.0, {}, space, denoised.mutable_view()); // x itself
        for (const double value : times(batches::host(denoised), units, -1.0)) result.push_back(value);
        return result;
    };
    for (const bool isotropic : {true, false})
        for (const double unit : {1e-8, 1e-17, 1e-25, 1e17, 1e25})
            CHECK(statistics::largest_error(in_units(unit, isotropic), in_units(1.0, isotropic)) <
                  50 * back_end::tolerance);
}

TEST_CASE("what no number of the batch's type can hold is refused with the number") {
    const eigen::context context{.threads = 1};
    const auto refused = [](const auto& make, const char* number) {
        CHECK_THROWS_WITH_AS(make(), doctest::Contains(number), std::invalid_argument);
    };
    using normal = gaussian<eigen::batch<float>, linear_schedule>;
    using mixture = gaussian_mixture<eigen::batch<float>, linear_schedule>;
    refused([&] { normal(context, {}, {1e39}, {1.0}); }, "1e+39");
    refused([&] { normal(context, {}, {0.0}, {1e80}); }, "1e+40");
    refused([&] { normal(context, {}, {0.0}, {1e-80}); }, "1e-40");
    refused(
        [&] {
            normal(context, {}, {0.0, 0.0}, {1e-20, 4e-12, 5e-12, 1.0});
        },
        "4e-12"); // not symmetric, in its units
    refused([&] { normal(context, {}, {0.0, 0.0}, {1e-20, 1e-10, 1e-10, 1.0}); }, "singular");
    refused([&] { normal(context, {}, {0.0}, {0.0}); }, "coordinate 0 is 0");
    refused([&] { mixture(context, {}, {1.0}, {1e39}, {1.0}); }, "1e+39");
    refused([&] { mixture(context, {}, {1.0}, {0.0}, {1e-80}); }, "1e-40");
    CHECK_NOTHROW((gaussian<eigen::batch<double>, linear_schedule>(context, {}, {1e39}, {1e80})));
    auto constant = batches::make<eigen::batch<float>>(context, 2, 3, {1, 5, 2, 5, 3, 5});
    refused(
        [&] {
            static_cast<void>(
                fit_gaussian_frame(training_set<eigen::batch<float>>{std::move(constant), 0.0}));
        },
        "give a bandwidth above 0");
}

TEST_CASE("Cholesky knows a pivot by its own coordinate's unit") {
    const detail::cholesky mixed("a", {1e-20, 5e-7, 5e-7, 1e8}, 2, detail::pivot_unit::own);
    std::vector<double> b{1e-20 * 1e14 + 5e-7, 5e-7 * 1e14 + 1e8};
    mixed.solve(b);
    CHECK(b[0] == doctest::Approx(1e14));
    CHECK(b[1] == doctest::Approx(1.0));
    CHECK_THROWS_WITH_AS(detail::cholesky("a", {1.0, 1.0, 1.0, 1.0}, 2), "a is singular: pivot 1 is 0 of 1",
                         std::invalid_argument);
}

} // namespace oracle_units_test
