/// Gaussian mixtures against textbook sums in long double, quadrature over the data, finite differences and
/// the continuity equation.
#include <diamond/oracle/gaussian_mixture.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace oracle_gaussian_mixture_test {

using namespace diamond;
using reference::call, reference::call_numbers, reference::spread_points;
using statistics::largest_error;

namespace {

// Asymmetric in every way: three and four components, unequal weights, shifted means, so that a wrong sign
// shows.
reference::mixture isotropic_3d() {
    return {{0.2, 0.5, 0.3}, {-1.0, 0.5, 0.25, 1.5, -0.75, 0.5, 0.25, 1.25, -2.0}, {0.25, 0.5, 0.125}};
}
reference::mixture diagonal_2d() {
    return {{0.4, 0.1, 0.3, 0.2},
            {-1.0, 0.5, 1.5, -0.75, 0.25, 1.25, -0.5, -1.5},
            {0.25, 0.5, 0.125, 1.0, 0.75, 0.25, 0.5, 0.375}};
}
reference::mixture shared_2d() {
    return {{0.4, 0.1, 0.5}, {-1.0, 0.5, 1.5, -0.75, 0.25, 1.25}, {0.25, 0.25, 0.25}};
}

template <class BackEnd, class Schedule>
using model_of = gaussian_mixture<typename BackEnd::batch, Schedule>;

// Readings, density and divergence of the model at (x, t).
struct answers {
    std::vector<double> velocity, denoiser, noise, score, log_density, divergence;
};
template <class BackEnd, class Model>
answers ask(const typename BackEnd::context& context, const Model& model, const std::vector<double>& x,
            time_view t) {
    auto space = model.make_workspace(context, 0);
    const index_t d = model.dimension();
    return {call<BackEnd>(context, d, x, [&](auto in, auto out) { model(in, t, {}, space, out); }),
            call<BackEnd>(context, d, x, [&](auto in, auto out) { model.denoiser(in, t, {}, space, out); }),
            call<BackEnd>(context, d, x, [&](auto in, auto out) { model.noise(in, t, {}, space, out); }),
            call<BackEnd>(context, d, x, [&](auto in, auto out) { model.score(in, t, {}, space, out); }),
            call_numbers<BackEnd>(context, d, x,
                                  [&](auto in, auto out) { model.log_density(in, t, {}, space, out); }),
            call_numbers<BackEnd>(context, d, x,
                                  [&](auto in, auto out) { model.divergence(in, t, {}, space, out); })};
}

// Returns the answers by the definitions, 0 < t < 1; the divergence is computed by differences.
template <class Schedule>
answers expect(const reference::mixture& mixture, const Schedule& schedule, const std::vector<double>& x,
               double t) {
    using reference::real, reference::vector;
    const real alpha = schedule.alpha(t), sigma = schedule.sigma(t), d_alpha = schedule.d_alpha(t),
               d_sigma = schedule.d_sigma(t);
    const auto velocity = [&](const vector& at) {
        vector u = mixture.denoiser(at, alpha, sigma);
        for (std::size_t i = 0; i < u.size(); ++i)
            u[i] = d_alpha * u[i] + d_sigma * (at[i] - alpha * u[i]) / sigma;
        return u;
    };
    answers result;
    const index_t d = mixture.d;
    for (index_t j = 0; j < static_cast<index_t>(x.size()) / d; ++j) {
        const vector at = reference::column(x, d, j), mean = mixture.denoiser(at, alpha, sigma),
                     u = velocity(at);
        real divergence = 0;
        for (std::size_t i = 0; i < mean.size(); ++i) {
            result.denoiser.push_back(static_cast<double>(mean[i]));
            result.noise.push_back(static_cast<double>((at[i] - alpha * mean[i]) / sigma));
            result.velocity.push_back(static_cast<double>(u[i]));
            result.score.push_back(static_cast<double>(reference::difference(
                [&](const vector& y) { return mixture.log_density(y, alpha, sigma); }, at, i)));
            divergence += reference::difference([&](const vector& y) { return velocity(y)[i]; }, at, i);
        }
        result.log_density.push_back(static_cast<double>(mixture.log_density(at, alpha, sigma)));
        result.divergence.push_back(static_cast<double>(divergence));
    }
    return result;
}

} // namespace

TEST_CASE_TEMPLATE("readings, density and divergence are the definitions'", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    // a responsibility's error is its logit's, times the distance between components
    const double near = 40 * back_end::tolerance;
    for (const auto& mixture : {isotropic_3d(), diagonal_2d(), shared_2d()})
        reference::for_each_schedule([&](auto schedule, const std::string& name) {
            const model_of<back_end, decltype(schedule)> model(context, schedule, mixture.weights,
                                                               mixture.means, mixture.variances);
            const auto x = spread_points(7 * mixture.d);
            for (const double t : {0.125, 0.5, 0.875}) {
                CAPTURE(name);
                CAPTURE(t);
                const answers got = ask<back_end>(context, model, x, t),
                              wanted = expect(mixture, schedule, x, t);
                CHECK(largest_error(got.velocity, wanted.velocity) < near);
                CHECK(largest_error(got.denoiser, wanted.denoiser) < near);
                CHECK(largest_error(got.noise, wanted.noise) < near);
                // Differences of fourth order with steps of 1e-3 are good to 1e-11.
                CHECK(largest_error(got.score, wanted.score) < near + 1e-10);
                CHECK(largest_error(got.log_density, wanted.log_density) < near);
                CHECK(largest_error(got.divergence, wanted.divergence) < 4 * near + 1e-9);
            }
        });
}

TEST_CASE("Bayes' rule by quadrature over the data gives the same density and denoiser") {
    // The trapezoid's rule on a grid of steps 0.05 is exact to 1e-14 for Gaussians no narrower than 0.3.
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto mixture = diagonal_2d();
    reference::for_each_schedule([&](auto schedule, const std::string& name) {
        const model_of<back_end, decltype(schedule)> model(context, schedule, mixture.weights, mixture.means,
                                                           mixture.variances);
        const std::vector<double> x{0.75, -0.5, -1.25, 0.375};
        const double t = 0.4, alpha = schedule.alpha(t), sigma = schedule.sigma(t), step = 0.05;
        const answers got = ask<back_end>(context, model, x, t);
        for (std::size_t j = 0; j < 2; ++j) {
            double mass = 0.0, first = 0.0, second = 0.0;
            for (double a = -8.0; a < 8.0; a += step)
                for (double b = -8.0; b < 8.0; b += step) {
                    const double density = static_cast<double>(std::exp(mixture.log_density({a, b}, 1, 0)));
                    const double noise = std::exp(-0.5 *
                                                  (square(x[2 * j] - alpha * a) +
                                                   square(x[2 * j + 1] - alpha * b)) /
                                                  square(sigma)) /
                                         (2 * pi * square(sigma));
                    mass += density * noise * step * step;
                    first += a * density * noise * step * step;
                    second += b * density * noise * step * step;
                }
            CAPTURE(name);
            CHECK(got.log_density[j] == doctest::Approx(std::log(mass)).epsilon(1e-10));
            CHECK(got.denoiser[2 * j] == doctest::Approx(first / mass).epsilon(1e-10));
            CHECK(got.denoiser[2 * j + 1] == doctest::Approx(second / mass).epsilon(1e-10));
        }
    });
}

TEST_CASE("the velocity carries the density: d/dt log p + div u + u . score = 0, and not with the sign of u "
          "turned") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto mixture = isotropic_3d();
    reference::for_each_schedule([&](auto schedule, const std::string& name) {
        const model_of<back_end, decltype(schedule)> model(context, schedule, mixture.weights, mixture.means,
                                                           mixture.variances);
        const auto x = spread_points(5 * 3);
        const double t = 0.55, h = 1e-4;
        const answers now = ask<back_end>(context, model, x, t),
                      after = ask<back_end>(context, model, x, t + h),
                      before = ask<back_end>(context, model, x, t - h);
        double largest = 0.0, turned = 0.0;
        for (std::size_t j = 0; j < 5; ++j) {
            double along = 0.0;
            for (std::size_t i = 0; i < 3; ++i) along += now.velocity[3 * j + i] * now.score[3 * j + i];
            const double rate = (after.log_density[j] - before.log_density[j]) / (2 * h);
            largest = std::max(largest, std::abs(rate + now.divergence[j] + along));
            turned = std::max(turned, std::abs(rate - now.divergence[j] - along));
        }
        CAPTURE(name);
        CHECK(largest < 1e-5); // h^2 times a third derivative
        CHECK(turned > 0.1);
    });
}

TEST_CASE_TEMPLATE("Jacobian products are the velocity's derivative, on either side", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const double near = 200 * back_end::tolerance + 1e-9;
    for (const auto& mixture : {isotropic_3d(), diagonal_2d(), shared_2d()})
        reference::for_each_schedule([&](auto schedule, const std::string& name) {
            using reference::real, reference::vector;
            const model_of<back_end, decltype(schedule)> model(context, schedule, mixture.weights,
                                                               mixture.means, mixture.variances);
            const index_t d = mixture.d, n = 4;
            const auto x = spread_points(d * n), w = spread_points(d * n, 1.5, 9);
            const double t = 0.6;
            const real alpha = schedule.alpha(t), sigma = schedule.sigma(t), d_alpha = schedule.d_alpha(t),
                       d_sigma = schedule.d_sigma(t);
            std::vector<double> forward(x.size()), back(x.size());
            for (index_t j = 0; j < n; ++j)
                for (index_t a = 0; a < d; ++a)
                    for (index_t b = 0; b < d; ++b) {
                        // du_a/dx_b
                        const real entry = reference::difference(
                            [&](const vector& y) {
                                const real mean = mixture.denoiser(y, alpha,
                                                                   sigma)[static_cast<std::size_t>(a)];
                                return d_alpha * mean +
                                       d_sigma * (y[static_cast<std::size_t>(a)] - alpha * mean) / sigma;
                            },
                            reference::column(x, d, j), static_cast<std::size_t>(b));
                        forward[static_cast<std::size_t>(a + d * j)] += static_cast<double>(
                            entry * static_cast<real>(w[static_cast<std::size_t>(b + d * j)]));
                        back[static_cast<std::size_t>(b + d * j)] += static_cast<double>(
                            entry * static_cast<real>(w[static_cast<std::size_t>(a + d * j)]));
                    }
            auto space = model.make_workspace(context, n);
            const auto direction = from_host<typename back_end::real>(
                context, d, n, std::vector<typename back_end::real>(w.begin(), w.end()));
            CAPTURE(name);
            CHECK(largest_error(call<back_end>(context, d, x,
                                               [&](auto in, auto out) {
                                                   model.jvp(in, t, {}, direction.read(), space, out);
                                               }),
                                forward) < near);
            CHECK(largest_error(call<back_end>(context, d, x,
                                               [&](auto in, auto out) {
                                                   model.vjp(in, t, {}, direction.read(), space, out);
                                               }),
                                back) < near);
        });
}

TEST_CASE_TEMPLATE("both ends of time are the limits", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const double near = 40 * back_end::tolerance;
    const auto mixture = diagonal_2d();
    const auto x = spread_points(5 * 2);
    reference::for_each_schedule([&](auto schedule, const std::string& name) {
        CAPTURE(name);
        const model_of<back_end, decltype(schedule)> model(context, schedule, mixture.weights, mixture.means,
                                                           mixture.variances);
        const std::vector<double> mean = model.mean();
        const answers first = ask<back_end>(context, model, x, 0.0),
                      last = ask<back_end>(context, model, x, 1.0);
        answers wanted_first, wanted_last;
        for (std::size_t k = 0; k < x.size(); ++k) {
            wanted_first.denoiser.push_back(mean[k % 2]);
            wanted_first.noise.push_back(x[k]);
            wanted_first.score.push_back(-x[k]);
            wanted_first.velocity.push_back(schedule.d_alpha(0.0) * mean[k % 2] +
                                            schedule.d_sigma(0.0) * x[k]);
            wanted_last.denoiser.push_back(x[k]);
            wanted_last.noise.push_back(0.0);
        }
        for (index_t j = 0; j < 5; ++j) {
            const auto at = reference::column(x, 2, j);
            wanted_first.log_density.push_back(static_cast<double>(-(at[0] * at[0] + at[1] * at[1]) / 2) -
                                               std::log(2 * pi));
            wanted_last.log_density.push_back(static_cast<double>(mixture.log_density(at, 1, 0)));
            for (std::size_t i = 0; i < 2; ++i) {
                const auto density = [&](const reference::vector& y) { return mixture.log_density(y, 1, 0); };
                wanted_last.score.push_back(static_cast<double>(reference::difference(density, at, i)));
                wanted_last.velocity.push_back(schedule.d_alpha(1.0) * static_cast<double>(at[i]) -
                                               sigma_d_sigma(schedule, 1.0) * wanted_last.score.back());
            }
        }
        CHECK(largest_error(first.denoiser, wanted_first.denoiser) < near);
        CHECK(largest_error(first.noise, wanted_first.noise) < near);
        CHECK(largest_error(first.score, wanted_first.score) < near);
        CHECK(largest_error(first.log_density, wanted_first.log_density) < near);
        // The ODE reads the schedule as it is: off by O(alpha(0)) where alpha(0) > 0, and only there.
        const double start = schedule.alpha(0.0);
        CHECK(largest_error(first.velocity, wanted_first.velocity) <
              near + 2 * std::abs(schedule.d_alpha(0.0)) * start + start);
        CHECK(largest_error(last.denoiser, wanted_last.denoiser) < near);
        CHECK(largest_error(last.noise, wanted_last.noise) == 0.0);
        CHECK(largest_error(last.score, wanted_last.score) < 4 * near + 1e-10);
        CHECK(largest_error(last.log_density, wanted_last.log_density) < near);
        CHECK(largest_error(last.velocity, wanted_last.velocity) < 4 * near + 1e-10);
        // And they are limits: next to the ends everything is next to the values there.
        const answers nearly = ask<back_end>(context, model, x, 1.0 - 1e-9);
        // sigma is 1e-4 there for the cosine schedule
        CHECK(largest_error(nearly.velocity, last.velocity) < near + 1e-3);
        CHECK(largest_error(nearly.score, last.score) < near + 1e-6);
    });
}

TEST_CASE_TEMPLATE("a time per column is that column's time", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    for (const auto& mixture : {isotropic_3d(), diagonal_2d(), shared_2d()}) {
        const model_of<back_end, reference::any_schedule> model(
            context, reference::variance_preserving, mixture.weights, mixture.means, mixture.variances);
        const index_t d = mixture.d;
        const std::vector<double> when{0.0, 0.25, 0.5, 0.875, 1.0};
        const auto per_column = from_host<double>(context, 1, 5, when);
        const auto x = spread_points(5 * d);
        const answers together = ask<back_end>(context, model, x, time_view(per_column.data()));
        for (index_t j = 0; j < 5; ++j) {
            const std::vector<double> one(x.begin() + d * j, x.begin() + d * (j + 1));
            const answers alone = ask<back_end>(context, model, one, when[static_cast<std::size_t>(j)]);
            const auto part = [&](const std::vector<double>& all) {
                return std::vector<double>(all.begin() + d * j, all.begin() + d * (j + 1));
            };
            CHECK(largest_error(part(together.velocity), alone.velocity) < back_end::tolerance);
            CHECK(largest_error(part(together.denoiser), alone.denoiser) < back_end::tolerance);
            CHECK(largest_error(part(together.noise), alone.noise) < back_end::tolerance);
            CHECK(largest_error(part(together.score), alone.score) < back_end::tolerance);
            CHECK(together.log_density[static_cast<std::size_t>(j)] ==
                  doctest::Approx(alone.log_density[0]).epsilon(back_end::tolerance));
            CHECK(together.divergence[static_cast<std::size_t>(j)] ==
                  doctest::Approx(alone.divergence[0]).epsilon(back_end::tolerance));
        }
    }
}

TEST_CASE_TEMPLATE("mean, covariance and responsibilities are what they are called", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const auto mixture = diagonal_2d();
    const model_of<back_end, reference::any_schedule> model(context, {}, {4.0, 1.0, 3.0, 2.0}, mixture.means,
                                                            mixture.variances); // weights are normalised
    double mean[2] = {}, second[2][2] = {};
    for (std::size_t k = 0; k < 4; ++k)
        for (std::size_t a = 0; a < 2; ++a) {
            mean[a] += mixture.weights[k] * mixture.means[a + 2 * k];
            second[a][a] += mixture.weights[k] * mixture.variances[a + 2 * k];
            for (std::size_t b = 0; b < 2; ++b)
                second[a][b] += mixture.weights[k] * mixture.means[a + 2 * k] * mixture.means[b + 2 * k];
        }
    for (std::size_t a = 0; a < 2; ++a) {
        CHECK(model.mean()[a] == doctest::Approx(mean[a]).epsilon(1e-14));
        for (std::size_t b = 0; b < 2; ++b)
            CHECK(model.covariance()[a + 2 * b] ==
                  doctest::Approx(second[a][b] - mean[a] * mean[b]).epsilon(1e-13));
    }
    const auto x = spread_points(3 * 2);
    const auto in = from_host<typename back_end::real>(
        context, 2, 3, std::vector<typename back_end::real>(x.begin(), x.end()));
    typename back_end::batch out(context, 4, 3);
    auto space = model.make_workspace(context, 3);
    model.responsibilities(in.read(), 1.0, {}, space, out.mutable_view());
    const auto r = to_host(out);
    for (index_t j = 0; j < 3; ++j)
        for (index_t k = 0; k < 4; ++k) {
            const auto at = reference::column(x, 2, j);
            const auto wanted = static_cast<double>(
                std::exp(mixture.log_part(at, 1, 0, k) - mixture.log_density(at, 1, 0)));
            CHECK(static_cast<double>(r[static_cast<std::size_t>(k + 4 * j)]) ==
                  doctest::Approx(wanted).epsilon(20 * back_end::tolerance));
        }
}

} // namespace oracle_gaussian_mixture_test
