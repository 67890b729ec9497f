/// The checkerboard against quadrature over its cells, finite differences and the continuity equation, far
/// away and at both ends of time.
#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/exact_posterior.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace oracle_checkerboard_test {

using namespace diamond;
using reference::any_schedule, reference::call, reference::call_numbers;
using statistics::largest_error, statistics::within;

namespace {

bool black(double x, double y) { return (static_cast<int>(std::floor(x / 2) + std::floor(y / 2)) & 1) == 0; }

// Density at x and moments of p(z | x) by the midpoint rule in long double, which no cell's border crosses.
struct quadrature {
    double log_density, mean[2], covariance[2][2];
    quadrature(double alpha, double sigma, double x, double y) {
        constexpr int n = 1600;
        const double step = 8.0 / n;
        long double mass = 0, first[2] = {}, second[2][2] = {};
        for (int i = 0; i < n; ++i)
            for (int k = 0; k < n; ++k) {
                const double z[2] = {-4 + (i + 0.5) * step, -4 + (k + 0.5) * step};
                if (!black(z[0], z[1])) continue;
                const auto p = static_cast<long double>(
                    std::exp(-0.5 * (square(x - alpha * z[0]) + square(y - alpha * z[1])) / square(sigma)));
                mass += p;
                for (int a = 0; a < 2; ++a) {
                    first[a] += p * static_cast<long double>(z[a]);
                    for (int b = 0; b < 2; ++b) second[a][b] += p * static_cast<long double>(z[a] * z[b]);
                }
            }
        log_density = static_cast<double>(std::log(mass * static_cast<long double>(step * step))) -
                      std::log(32.0) - std::log(2 * pi * square(sigma));
        for (int a = 0; a < 2; ++a) mean[a] = static_cast<double>(first[a] / mass);
        for (int a = 0; a < 2; ++a)
            for (int b = 0; b < 2; ++b)
                covariance[a][b] = static_cast<double>(second[a][b] / mass) - mean[a] * mean[b];
    }
};

template <class BackEnd>
auto make_model(const typename BackEnd::context& context, any_schedule schedule) {
    return checkerboard<typename BackEnd::batch, any_schedule>(context, schedule);
}

const std::vector<double> points{0.25, 0.5, -1.5, 2.25, 3.0, -0.75, -4.5, 1.0};

} // namespace

TEST_CASE_TEMPLATE("density and readings by quadrature over the cells", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        const auto model = make_model<back_end>(context, schedule);
        auto space = model.make_workspace(context, 4);
        const double t = schedule.which == schedules::kind::variance_preserving ? 0.7 : 0.5;
        const double alpha = schedule.alpha(t), sigma = schedule.sigma(t);
        std::vector<double> density, denoiser, noise, velocity, score;
        for (std::size_t j = 0; j < 4; ++j) {
            const quadrature at(alpha, sigma, points[2 * j], points[2 * j + 1]);
            density.push_back(at.log_density);
            for (std::size_t i = 0; i < 2; ++i) {
                denoiser.push_back(at.mean[i]);
                noise.push_back((points[2 * j + i] - alpha * at.mean[i]) / sigma);
                velocity.push_back(schedule.d_alpha(t) * at.mean[i] + schedule.d_sigma(t) * noise.back());
                score.push_back(-noise.back() / sigma);
            }
        }
        // The midpoint rule with steps of 0.005 errs by 1e-5 of the integrand's relative curvature.
        const double near = 2e-5;
        CAPTURE(name);
        CHECK(largest_error(
                  call_numbers<back_end>(context, 2, points,
                                         [&](auto x, auto out) { model.log_density(x, t, {}, space, out); }),
                  density) < near);
        CHECK(largest_error(call<back_end>(context, 2, points,
                                           [&](auto x, auto out) { model.denoiser(x, t, {}, space, out); }),
                            denoiser) < near);
        CHECK(largest_error(call<back_end>(context, 2, points,
                                           [&](auto x, auto out) { model.noise(x, t, {}, space, out); }),
                            noise) < near);
        CHECK(largest_error(
                  call<back_end>(context, 2, points, [&](auto x, auto out) { model(x, t, {}, space, out); }),
                  velocity) < 4 * near);
        CHECK(largest_error(call<back_end>(context, 2, points,
                                           [&](auto x, auto out) { model.score(x, t, {}, space, out); }),
                            score) < 4 * near);
    });
}

TEST_CASE("score, Jacobian products and divergence by differences; the velocity carries the density") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        CAPTURE(name);
        const auto model = make_model<back_end>(context, schedule);
        auto space = model.make_workspace(context, 4);
        const double h = 1e-5;
        for (const double t : {0.15, 0.5, 0.85}) {
            const auto density = [&](const std::vector<double>& at, double when) {
                return call_numbers<back_end>(
                    context, 2, at, [&](auto x, auto out) { model.log_density(x, when, {}, space, out); });
            };
            const auto velocity = [&](const std::vector<double>& at) {
                return call<back_end>(context, 2, at, [&](auto x, auto out) { model(x, t, {}, space, out); });
            };
            const auto score = call<back_end>(context, 2, points,
                                              [&](auto x, auto out) { model.score(x, t, {}, space, out); });
            const auto divergence = call_numbers<back_end>(
                context, 2, points, [&](auto x, auto out) { model.divergence(x, t, {}, space, out); });
            const auto here = velocity(points), after = density(points, t + h),
                       before = density(points, t - h);
            std::vector<double> trace(4), along(4);
            for (std::size_t i = 0; i < 2; ++i) {
                auto high = points, low = points;
                for (std::size_t j = 0; j < 4; ++j) {
                    high[2 * j + i] += h;
                    low[2 * j + i] -= h;
                }
                const auto up = velocity(high), down = velocity(low), p_up = density(high, t),
                           p_down = density(low, t);
                // Column i of the Jacobian, and row i.
                std::vector<double> unit(8);
                for (std::size_t j = 0; j < 4; ++j) unit[2 * j + i] = 1.0;
                const auto direction = from_host<double>(context, 2, 4, unit);
                const auto jvp = call<back_end>(context, 2, points, [&](auto x, auto out) {
                    model.jvp(x, t, {}, direction.read(), space, out);
                });
                const auto vjp = call<back_end>(context, 2, points, [&](auto x, auto out) {
                    model.vjp(x, t, {}, direction.read(), space, out);
                });
                for (std::size_t j = 0; j < 4; ++j) {
                    CHECK((p_up[j] - p_down[j]) / (2 * h) == doctest::Approx(score[2 * j + i]).epsilon(1e-6));
                    for (std::size_t k = 0; k < 2; ++k)
                        CHECK((up[2 * j + k] - down[2 * j + k]) / (2 * h) ==
                              doctest::Approx(jvp[2 * j + k]).epsilon(1e-5));
                    CHECK(vjp[2 * j + i] == doctest::Approx(jvp[2 * j + i]).epsilon(1e-12));
                    trace[j] += jvp[2 * j + i];
                    along[j] += here[2 * j + i] * score[2 * j + i];
                }
            }
            for (std::size_t j = 0; j < 4; ++j) {
                CHECK(divergence[j] == doctest::Approx(trace[j]).epsilon(1e-12));
                CHECK((after[j] - before[j]) / (2 * h) ==
                      doctest::Approx(-divergence[j] - along[j]).epsilon(1e-4));
            }
        }
    });
}

TEST_CASE_TEMPLATE("the ends of time, times per column, and finite numbers anywhere", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    reference::for_each_schedule([&](any_schedule schedule, const std::string& name) {
        CAPTURE(name);
        const auto model = make_model<back_end>(context, schedule);
        auto space = model.make_workspace(context, 4);
        const auto read = [&](auto member, time_view t) {
            return call<back_end>(context, 2, points, [&](auto x, auto out) {
                (model.*member)(x, t, no_condition{}, space, out);
            });
        };
        using model_type = std::remove_cvref_t<decltype(model)>;
        // t = 0: the data's mean is 0; pure noise.
        for (const double value : read(&model_type::denoiser, 0.0))
            CHECK(std::abs(value) < back_end::tolerance);
        CHECK(largest_error(read(&model_type::noise, 0.0), points) < back_end::tolerance);
        const auto first = call_numbers<back_end>(
            context, 2, points, [&](auto x, auto out) { model.log_density(x, 0.0, {}, space, out); });
        for (std::size_t j = 0; j < 4; ++j)
            CHECK(first[j] == doctest::Approx(-0.5 * (square(points[2 * j]) + square(points[2 * j + 1])) -
                                              std::log(2 * pi))
                                  .epsilon(1e-12));
        // t = 1: the sample; density 1/32 on black, nothing on white.
        CHECK(read(&model_type::denoiser, 1.0) == points);
        for (const double value : read(&model_type::noise, 1.0)) CHECK(value == 0.0);
        const auto last = call_numbers<back_end>(
            context, 2, points, [&](auto x, auto out) { model.log_density(x, 1.0, {}, space, out); });
        for (std::size_t j = 0; j < 4; ++j) {
            const bool inside = std::abs(points[2 * j]) < 4 && std::abs(points[2 * j + 1]) < 4 &&
                                black(points[2 * j], points[2 * j + 1]);
            CHECK(last[j] == (inside ? -std::log(32.0) : -infinity));
        }
        const std::vector<double> when{0.0, 0.4, 0.8, 1.0};
        const auto per_column = from_host<double>(context, 1, 4, when);
        const auto together = call<back_end>(context, 2, points, [&](auto x, auto out) {
            model(x, time_view(per_column.data()), {}, space, out);
        });
        for (std::size_t j = 0; j < 4; ++j) {
            const auto alone = call<back_end>(context, 2, points,
                                              [&](auto x, auto out) { model(x, when[j], {}, space, out); });
            for (std::size_t i = 0; i < 2; ++i)
                CHECK(together[2 * j + i] == doctest::Approx(alone[2 * j + i]).epsilon(back_end::tolerance));
        }
        // Far outside, next to t = 1 the answer is the nearest point of the board; every number is finite.
        const std::vector<double> far{1000.0, 1.0, -5.0, -3.0, 4.5, 4.5, 2.0, 2.0},
            nearest{4.0, 2.0, -4.0, -3.0, 4.0, 4.0};
        for (const double t : {1e-12, 0.5, 1.0 - 1e-6, 1.0 - 1e-12}) {
            const auto u = call<back_end>(context, 2, far,
                                          [&](auto x, auto out) { model(x, t, {}, space, out); });
            const auto s = call<back_end>(context, 2, far,
                                          [&](auto x, auto out) { model.score(x, t, {}, space, out); });
            const auto p = call_numbers<back_end>(
                context, 2, far, [&](auto x, auto out) { model.log_density(x, t, {}, space, out); });
            const auto m = call_numbers<back_end>(
                context, 2, far, [&](auto x, auto out) { model.divergence(x, t, {}, space, out); });
            for (const auto& numbers : {u, s, p, m})
                for (const double value : numbers) CHECK(std::isfinite(value));
        }
        const auto close = call<back_end>(
            context, 2, far, [&](auto x, auto out) { model.denoiser(x, 1.0 - 1e-9, {}, space, out); });
        for (std::size_t k = 2; k < 6; ++k) CHECK(close[k] == doctest::Approx(nearest[k]).epsilon(1e-3));
        CHECK(close[0] == doctest::Approx(4.0).epsilon(1e-3));
    });
}

TEST_CASE("truncated normals by quadrature in long double, from the middle to the farthest tail") {
    double worst_mean = 0.0, worst_variance = 0.0, worst_mass = 0.0;
    for (const double first :
         {-30.0, -8.0, -3.0, -1.5, -0.7, -0.1, 0.0, 0.3, 1.0, 2.5, 3.99, 4.01, 6.0, 20.0, 200.0})
        for (const double width : {1e-6, 1e-3, 0.03, 0.3, 0.9, 1.3, 2.0, 4.0, 10.0, 100.0}) {
            using real = long double;
            const real start = first, length = width,
                       mode = start > 0          ? start
                            : start + length < 0 ? start + length
                                                 : real{0};
            // Where the integrand is within e^-50 of its top.
            const real reach = 100 / (std::abs(mode) + std::sqrt(mode * mode + 100));
            const real low = std::max<real>(0, mode - start - reach),
                       high = std::min<real>(length, mode - start + reach);
            real sum = 0, first_moment = 0, second_moment = 0;
            const int n = 3000;
            for (int k = 0; k < n; ++k)
                for (const auto& [node, weight] :
                     {std::pair<real, real>{-std::sqrt(real{3} / 5), real{5} / 18},
                      {0, real{8} / 18},
                      {std::sqrt(real{3} / 5), real{5} / 18}}) {
                    const real w = low + (high - low) * (k + real{1} / 2 + node / 2) / n,
                               off = start + w - mode;
                    const real p = weight * std::exp(-off * (off + 2 * mode) / 2) * (high - low) / n;
                    sum += p;
                    first_moment += p * w / length;
                    second_moment += p * (w / length) * (w / length);
                }
            const real mean = first_moment / sum, variance = second_moment / sum - mean * mean;
            const detail::truncated_normal got(first, width);
            const auto relative = [](double value, real wanted) {
                return static_cast<double>(std::abs(static_cast<real>(value) - wanted) / std::abs(wanted));
            };
            worst_mean = std::max(worst_mean, relative(got.mean_v, mean));
            worst_variance = std::max(worst_variance, relative(got.variance_v, variance));
            const real log_mass = std::log(sum / length) - mode * mode / 2;
            worst_mass = std::max(worst_mass,
                                  static_cast<double>(std::abs(static_cast<real>(got.log_scale) +
                                                               static_cast<real>(got.log_rest) - log_mass) /
                                                      (1 + std::abs(log_mass))));
            // A quantile is where the distribution function says so.
            for (const double p : {1e-12, 0.01, 0.4, 0.77, 0.999}) {
                const double v = detail::truncated_normal_quantile(first, width, p);
                const detail::truncated_normal part(first, width * v);
                CHECK(v * std::exp((part.log_scale - got.log_scale) + (part.log_rest - got.log_rest)) ==
                      doctest::Approx(p).epsilon(1e-9));
            }
        }
    CHECK(worst_mean < 1e-11);
    CHECK(worst_variance < 1e-9); // the reference cancels as well
    CHECK(worst_mass < 1e-13);
}

TEST_CASE_TEMPLATE("draws fill the black cells evenly, posterior draws have the moments of quadrature",
                   back_end, BACK_ENDS) {
    // 4.5 standard errors, 23 comparisons a back end: one seed in 1,600 fails by chance on one of four back
    // ends.
    const auto context = back_end::make();
    const auto model = make_model<back_end>(context, reference::linear);
    const index_t n = 32000;
    typename back_end::batch z(context, 2, n);
    model.draw(philox{41}.stream(purpose::data), z.mutable_view());
    const statistics::samples drawn(z);
    for (double a = -4.0; a < 4.0; a += 2.0)
        for (double b = -4.0; b < 4.0; b += 2.0) {
            const auto share = statistics::average(n, [&](index_t j) {
                return drawn(0, j) >= a && drawn(0, j) < a + 2 && drawn(1, j) >= b && drawn(1, j) < b + 2
                         ? 1.0
                         : 0.0;
            });
            if (black(a, b))
                CHECK(within(share, 0.125));
            else
                CHECK(share.value == 0.0);
        }
    for (index_t i = 0; i < 2; ++i) {
        CHECK(within(statistics::mean(drawn, i), 0.0));
        CHECK(within(statistics::covariance(drawn, i, i, 0.0, 0.0), 16.0 / 3.0));
    }
    CHECK(within(statistics::covariance(drawn, 0, 1, 0.0, 0.0), 1.0)); // on the white cells it would be -1

    exact_posterior sampler(model);
    const double t = 0.6;
    const auto x = from_host<typename back_end::real>(context, 2, 1,
                                                      std::vector<typename back_end::real>{0.25, 1.5});
    sampler(x.read(), t, {}, philox{42}.stream(purpose::value, 1, n), z.mutable_view());
    const statistics::samples posterior(z);
    const quadrature wanted(t, 1 - t, 0.25, 1.5);
    for (index_t i = 0; i < 2; ++i) {
        CHECK(within(statistics::mean(posterior, i), wanted.mean[i], 4.5, 2e-5));
        for (index_t k = 0; k <= i; ++k)
            CHECK(within(statistics::covariance(posterior, i, k, wanted.mean[i], wanted.mean[k]),
                         wanted.covariance[i][k], 4.5, 1e-4));
    }
    for (index_t j = 0; j < 200; ++j) CHECK(black(posterior(0, j), posterior(1, j)));
    // At t = 1 the particle, at t = 0 the board again.
    model.draw(philox{43}.stream(purpose::data), z.mutable_view());
    typename back_end::batch same(context, 2, n);
    sampler(z.read(), 1.0, {}, philox{44}.stream(purpose::transition), same.mutable_view());
    CHECK(to_host(same) == to_host(z));
    sampler(z.read(), 0.0, {}, philox{44}.stream(purpose::transition), same.mutable_view());
    const statistics::samples prior(same), particle(z);
    CHECK(within(statistics::covariance(prior, 0, 0, 0.0, 0.0), 16.0 / 3.0));
    CHECK(within(statistics::average(n, [&](index_t j) { return prior(0, j) * particle(0, j); }), 0.0));
}

} // namespace oracle_checkerboard_test
