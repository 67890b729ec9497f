/// Correlated Gaussians against dense linear algebra written out here, and against mixtures where both know
/// the answer.
#include <Eigen/Dense>

#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace oracle_gaussian_test {

using namespace diamond;
using reference::any_schedule, reference::call, reference::call_numbers, reference::spread_points;
using statistics::largest_error, statistics::within;

namespace {

const std::vector<double> mu{0.75, -0.5, 1.25};
const std::vector<double> c{1.25, 0.5, -0.25, 0.5, 0.75, 0.125, -0.25, 0.125, 0.5};

template <class BackEnd>
auto make_model(const typename BackEnd::context& context, any_schedule schedule) {
    return gaussian<typename BackEnd::batch, any_schedule>(context, schedule, mu, c);
}

Eigen::Matrix3d covariance() { return Eigen::Map<const Eigen::Matrix3d>(c.data()); }
Eigen::Vector3d mean() { return Eigen::Map<const Eigen::Vector3d>(mu.data()); }
std::vector<double> columns(const Eigen::MatrixXd& m) { return {m.data(), m.data() + m.size()}; }

} // namespace

TEST_CASE_TEMPLATE("readings, density, Jacobian and divergence by dense inverses", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const index_t n = 5;
    const auto points = spread_points(3 * n), directions = spread_points(3 * n, 1.0, 4);
    const double near = 10 * back_end::tolerance;
    const Eigen::MatrixXd x = Eigen::Map<const Eigen::MatrixXd>(points.data(), 3, n),
                          w = Eigen::Map<const Eigen::MatrixXd>(directions.data(), 3, n);
    const Eigen::Matrix3d identity = Eigen::Matrix3d::Identity();
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        const auto model = make_model<back_end>(context, schedule);
        auto space = model.make_workspace(context, n);
        for (const double t : {0.0, 0.25, 0.75, 1.0}) {
            CAPTURE(name);
            CAPTURE(t);
            // At the ends from the limits: pure noise at 0 for all but the ODE's own velocity.
            const double alpha = t == 0.0 ? 0.0 : schedule.alpha(t),
                         sigma = t == 0.0 ? 1.0 : schedule.sigma(t);
            const Eigen::Matrix3d inverse = (alpha * alpha * covariance() + sigma * sigma * identity)
                                                .inverse();
            const Eigen::MatrixXd off = x.colwise() - alpha * mean(), whitened = inverse * off;
            const Eigen::MatrixXd denoised = (alpha * covariance() * whitened).colwise() + mean();
            const auto check = [&](const Eigen::MatrixXd& wanted, auto reading) {
                CHECK(largest_error(call<back_end>(context, 3, points, reading), columns(wanted)) < near);
            };
            check(denoised, [&](auto in, auto out) { model.denoiser(in, t, {}, space, out); });
            check(sigma * whitened, [&](auto in, auto out) { model.noise(in, t, {}, space, out); });
            check(-whitened, [&](auto in, auto out) { model.score(in, t, {}, space, out); });
            Eigen::VectorXd density(n);
            for (index_t j = 0; j < n; ++j)
                density(j) = -0.5 * (off.col(j).dot(whitened.col(j)) - std::log(inverse.determinant()) +
                                     3 * std::log(2 * pi));
            CHECK(largest_error(call_numbers<back_end>(
                                    context, 3, points,
                                    [&](auto in, auto out) { model.log_density(in, t, {}, space, out); }),
                                columns(density)) < near);
            // The velocity by its definition with the schedule's own coefficients.
            const double a = schedule.alpha(t), s = schedule.sigma(t);
            const Eigen::Matrix3d jacobian = (a * schedule.d_alpha(t) * covariance() +
                                              sigma_d_sigma(schedule, t) * identity) *
                                             (a * a * covariance() + s * s * identity).inverse();
            check((jacobian * (x.colwise() - a * mean())).colwise() + schedule.d_alpha(t) * mean(),
                  [&](auto in, auto out) { model(in, t, {}, space, out); });
            const auto direction = from_host<typename back_end::real>(
                context, 3, n, std::vector<typename back_end::real>(directions.begin(), directions.end()));
            check(jacobian * w,
                  [&](auto in, auto out) { model.jvp(in, t, {}, direction.read(), space, out); });
            check(jacobian.transpose() * w,
                  [&](auto in, auto out) { model.vjp(in, t, {}, direction.read(), space, out); });
            const auto divergence = call_numbers<back_end>(
                context, 3, points, [&](auto in, auto out) { model.divergence(in, t, {}, space, out); });
            for (const double value : divergence)
                CHECK(value == doctest::Approx(jacobian.trace()).epsilon(near));
        }
    });
}

TEST_CASE_TEMPLATE("a time per column is that column's time", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const auto model = make_model<back_end>(context, reference::cosine);
    auto space = model.make_workspace(context, 4);
    const std::vector<double> when{0.0, 0.375, 0.75, 1.0};
    const auto per_column = from_host<double>(context, 1, 4, when);
    const auto x = spread_points(3 * 4);
    const auto together = call<back_end>(
        context, 3, x, [&](auto in, auto out) { model(in, time_view(per_column.data()), {}, space, out); });
    for (index_t j = 0; j < 4; ++j) {
        const std::vector<double> one(x.begin() + 3 * j, x.begin() + 3 * (j + 1)),
            part(together.begin() + 3 * j, together.begin() + 3 * (j + 1));
        CHECK(largest_error(part, call<back_end>(context, 3, one, [&](auto in, auto out) {
                                model(in, when[static_cast<std::size_t>(j)], {}, space, out);
                            })) < back_end::tolerance);
    }
}

TEST_CASE("a diagonal Gaussian is a mixture of one component") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const gaussian<back_end::batch, any_schedule> normal(context, reference::variance_preserving, {1.0, -2.0},
                                                         {0.5, 0.0, 0.0, 2.0});
    const gaussian_mixture<back_end::batch, any_schedule> mixture(context, reference::variance_preserving,
                                                                  {3.0}, {1.0, -2.0}, {0.5, 2.0});
    auto normal_space = normal.make_workspace(context, 1);
    auto mixture_space = mixture.make_workspace(context, 1);
    const auto x = spread_points(2 * 7);
    const auto tilt = quadratic_form{0.2, {0.5, -1.0}, {0.25, 0.75}};
    for (const double t : {0.0, 0.5, 1.0})
        CHECK(largest_error(call<back_end>(context, 2, x,
                                           [&](auto in, auto out) { normal(in, t, {}, normal_space, out); }),
                            call<back_end>(context, 2, x, [&](auto in, auto out) {
                                mixture(in, t, {}, mixture_space, out);
                            })) < 1e-14);
    CHECK(normal.tilted(tilt).log_z == doctest::Approx(mixture.tilted(tilt).log_z).epsilon(1e-13));
    CHECK(largest_error(normal.tilted(tilt).tilted.mean(), mixture.tilted(tilt).tilted.mean()) < 1e-14);
    CHECK(largest_error(normal.tilted(tilt).tilted.covariance(), mixture.tilted(tilt).tilted.covariance()) <
          1e-14);
}

TEST_CASE("the tilted Gaussian by dense inverses, log Z by determinants") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const diamond::quadratic_form form{0.25, {1.0, -0.5, 0.75}, {0.5, 0.0, 2.0}};
    const auto tilt = make_model<back_end>(context, {}).tilted(form);
    const Eigen::Vector3d linear(form.linear.data()), curvature(form.curvature.data());
    const Eigen::Matrix3d q = curvature.asDiagonal(), precision = covariance().inverse() + q,
                          tilted = precision.inverse();
    const Eigen::Vector3d natural = covariance().inverse() * mean() + linear, centre = tilted * natural;
    const double log_z = form.constant + 0.5 * natural.dot(centre) -
                         0.5 * mean().dot(covariance().inverse() * mean()) -
                         0.5 * std::log((covariance() * precision).determinant());
    CHECK(tilt.log_z == doctest::Approx(log_z).epsilon(1e-12));
    CHECK(largest_error(tilt.tilted.mean(), columns(centre)) < 1e-13);
    CHECK(largest_error(tilt.tilted.covariance(), columns(tilted)) < 1e-13);
}

TEST_CASE_TEMPLATE("the back end's eigenvectors rebuild what they took apart, large, small and degenerate, "
                   "with signs that all agree on",
                   back_end, BACK_ENDS) {
    const auto context = back_end::make();
    for (const index_t d : {1, 2, 5, 40}) {
        const Eigen::MatrixXd root = Eigen::Map<const Eigen::MatrixXd>(spread_points(d * d, 1.0, 7).data(), d,
                                                                       d),
                              a = root * root.transpose();
        const detail::symmetric_eigen eigen(context, columns(a), d);
        CHECK(largest_error(eigen.compose(eigen.values), columns(a)) < 1e-13 * static_cast<double>(d));
        CHECK(largest_error(eigen.compose(std::vector<double>(static_cast<std::size_t>(d), 1.0)),
                            columns(Eigen::MatrixXd::Identity(d, d))) < 1e-13); // U U^T = I
        CHECK(std::is_sorted(eigen.values.begin(), eigen.values.end()));
        for (index_t k = 0; k < d; ++k) { // the first entry near the largest
            const Eigen::VectorXd u = Eigen::Map<const Eigen::MatrixXd>(eigen.vectors.data(), d, d).col(k);
            index_t i = 0;
            while (std::abs(u(i)) < 0.9 * u.cwiseAbs().maxCoeff()) ++i;
            CHECK(u(i) > 0.0);
        }
    }
    // Eigenvalues 1 and 1e-12, 45 degrees apart: the small one keeps its digits to rounding of the large one.
    const detail::symmetric_eigen narrow(context, {0.5 + 5e-13, 0.5 - 5e-13, 0.5 - 5e-13, 0.5 + 5e-13}, 2);
    CHECK(narrow.values[0] == doctest::Approx(1e-12).epsilon(1e-3));
    for (const double entry : narrow.vectors)
        CHECK(std::abs(entry) == doctest::Approx(std::sqrt(0.5)).epsilon(1e-12));
    CHECK(narrow.vectors[0] > 0.0); // entries of one size: the first is the positive one
    CHECK(narrow.vectors[2] > 0.0);
    const detail::symmetric_eigen same(context, {2.0, 0.0, 0.0, 2.0}, 2);
    CHECK(same.values == std::vector<double>{2.0, 2.0});
}

TEST_CASE_TEMPLATE("draws have the Gaussian's moments, posterior draws the posterior's", back_end,
                   BACK_ENDS) {
    // 4.5 standard errors, 27 comparisons a back end: one seed in 1,300 fails by chance on one of four back
    // ends.
    const auto context = back_end::make();
    const auto model = make_model<back_end>(context, reference::trigonometric);
    const index_t n = 40000;
    typename back_end::batch z(context, 3, n);
    model.draw(philox{21}.stream(purpose::data), z.mutable_view());
    const auto check = [&](const Eigen::Vector3d& m, const Eigen::Matrix3d& v) {
        const statistics::samples drawn(z);
        for (index_t i = 0; i < 3; ++i) {
            CHECK(within(statistics::mean(drawn, i), m(i)));
            for (index_t k = 0; k <= i; ++k)
                CHECK(within(statistics::covariance(drawn, i, k, m(i), m(k)), v(i, k)));
        }
    };
    check(mean(), covariance());
    const double t = 0.4, alpha = model.schedule().alpha(t), sigma = model.schedule().sigma(t);
    const Eigen::Vector3d x(0.5, -1.0, 0.25);
    const Eigen::Matrix3d
        posterior = (covariance().inverse() + square(alpha / sigma) * Eigen::Matrix3d::Identity()).inverse();
    typename back_end::batch at = from_host<typename back_end::real>(
        context, 3, 1, std::vector<typename back_end::real>{0.5, -1.0, 0.25});
    exact_posterior sampler(model);
    sampler(at.read(), t, {}, philox{22}.stream(purpose::value, 0, n), z.mutable_view());
    check(posterior * (covariance().inverse() * mean() + alpha / square(sigma) * x), posterior);
    // The pull-back, by differences: draws are affine in x_t.
    typename back_end::batch w(context, 3, n), back(context, 3, 1), moved(context, 3, n);
    context.fill_normal(philox{23}.stream(purpose::user), w.mutable_view());
    sampler.vjp(at.read(), t, {}, philox{22}.stream(purpose::value, 0, n), w.read(), back.mutable_view());
    const auto cotangent = to_host(w), before = to_host(z), gradient = to_host(back);
    for (std::size_t i = 0; i < 3; ++i) {
        std::vector<typename back_end::real> shifted{0.5, -1.0, 0.25};
        shifted[i] += 1;
        const auto other = from_host<typename back_end::real>(context, 3, 1, shifted);
        sampler(other.read(), t, {}, philox{22}.stream(purpose::value, 0, n), moved.mutable_view());
        const auto after = to_host(moved);
        double sum = 0.0;
        for (std::size_t k = 0; k < after.size(); ++k)
            sum += static_cast<double>(cotangent[k]) *
                   (static_cast<double>(after[k]) - static_cast<double>(before[k]));
        CHECK(static_cast<double>(gradient[i]) == doctest::Approx(sum).epsilon(100 * back_end::tolerance));
    }
    sampler(at.read(), 1.0, {}, philox{22}.stream(purpose::value, 0, 4), z.mutable_view().columns(0, 4));
    const auto last = to_host(z);
    for (std::size_t k = 0; k < 12; ++k)
        CHECK(static_cast<double>(last[k]) ==
              doctest::Approx(x(static_cast<index_t>(k % 3))).epsilon(4 * back_end::tolerance));
}

} // namespace oracle_gaussian_test
