// Kernels, with no randomness: what each does to the mean and covariance of correlated Gaussian data,
// exactly.
#include <cstdio>

#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "affine.hpp"
#include "support/any_schedule.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace map_gaussian_kernels_test {

using affine::batch, affine::law;
using diamond::index_t;
using schedules::any;

namespace {

constexpr index_t outer_steps[] = {1, 4, 8, 32};
/// The tolerance for closed maps: rounding of 32 steps and of the regression.
constexpr double exactly = 1e-10;

using model = diamond::gaussian<batch, any>;
using map = diamond::gaussian_diamond_map<batch, any, any>;

/// A correlation chosen at run time: DDPM's, or a constant.
struct chosen_correlation {
    double rho = 2.0; ///< above 1: DDPM's
    template <class Schedule>
    double operator()(const Schedule& schedule, diamond::interval span) const {
        return rho > 1.0 ? diamond::ddpm_correlation{}(schedule, span)
                         : diamond::constant_correlation(rho)(schedule, span);
    }
};
constexpr double every_correlation[] = {2.0, -1.0, -0.6, 0.0, 0.5, 0.9, 1.0};
std::string name_of(double rho) { return rho > 1.0 ? "DDPM's" : std::to_string(rho); }

struct data {
    diamond::eigen::context context{.threads = 1};
    models::gaussian_numbers numbers;
    law truth{small::matrix(3, 1, numbers.mean), small::matrix(3, 3, numbers.covariance)};

    [[nodiscard]] model of(const any& schedule) const {
        return {context, schedule, numbers.mean, numbers.covariance};
    }
};

/// Every number of outer steps ends at the data's mean and covariance.
template <class Kernel>
void check_marginals(const data& d, Kernel kernel, double tolerance) {
    for (const index_t steps : outer_steps) {
        const auto result = affine::run(kernel, d.context, steps);
        CAPTURE(steps);
        CHECK(result.misfit < 1e-9);
        CHECK(affine::distance(result.end, d.truth) < tolerance);
    }
}

} // namespace

TEST_CASE("closed maps keep mean and covariance to rounding, whatever the schedule, the inner schedule and "
          "the correlation") {
    const data d;
    for (const auto kind : schedules::every_kind) {
        const any schedule{kind};
        CAPTURE(std::string(schedule.name()));
        for (const auto inner_kind : schedules::every_kind) {
            const map closed(d.of(schedule), any{inner_kind});
            CAPTURE(std::string(any{inner_kind}.name()));
            check_marginals(d, diamond::early_stop_kernel(closed), exactly);
            check_marginals(
                d, diamond::renoise_kernel(diamond::diamond_map_posterior(closed, {.evaluations = 3})),
                exactly);
        }
        for (const double rho : every_correlation) {
            CAPTURE(name_of(rho));
            check_marginals(
                d,
                diamond::ddpm_posterior_kernel(diamond::diamond_map_posterior(map(d.of(schedule), any{})),
                                               chosen_correlation{rho}),
                exactly);
            check_marginals(d,
                            diamond::ddpm_posterior_kernel(diamond::exact_posterior(d.of(schedule)),
                                                           chosen_correlation{rho}),
                            exactly);
        }
        check_marginals(d, diamond::renoise_kernel(diamond::exact_posterior(d.of(schedule))), exactly);
        CHECK(diamond::early_stop_kernel(map(d.of(schedule), any{})).exact());
        CHECK(diamond::renoise_kernel(diamond::exact_posterior(d.of(schedule))).exact());
    }
}

TEST_CASE("one step is the very transition of (eq. glass-transition), not only its marginals") {
    // Cov(x_t', x_t) = (abar alpha C + gamma V_t): a kernel of the wrong correlation could still keep the
    // marginals.
    const data d;
    for (const auto kind : schedules::every_kind)
        for (const diamond::interval span :
             {diamond::interval{0.0, 0.3}, diamond::interval{0.3, 0.45}, diamond::interval{0.6, 1.0}}) {
            const any schedule{kind};
            const auto level = diamond::level_at(schedule, span.from);
            const auto v = level.alpha * level.alpha * d.truth.covariance +
                           level.sigma * level.sigma * small::matrix::identity(3);
            const auto slope = [&](double rho) { // of E[x_t' | x_t] in x_t: abar alpha C V^-1 + gamma
                const auto k = diamond::kernel_at(schedule, span, chosen_correlation{rho});
                return k.abar * level.alpha * small::solve(v, d.truth.covariance).x.transposed() +
                       small::matrix::identity(3, k.gamma);
            };
            const auto check = [&](auto kernel, double rho, double tolerance) {
                CAPTURE(name_of(rho));
                CHECK(small::size(affine::probe(kernel, d.context, span).state - slope(rho)) < tolerance);
            };
            CAPTURE(std::string(schedule.name()));
            CAPTURE(span.from);
            check(diamond::early_stop_kernel(map(d.of(schedule), any{})), 2.0, exactly);
            check(diamond::renoise_kernel(diamond::exact_posterior(d.of(schedule))), 0.0, exactly);
            for (const double rho : every_correlation) {
                check(diamond::ddpm_posterior_kernel(diamond::exact_posterior(d.of(schedule)),
                                                     chosen_correlation{rho}),
                      rho, exactly);
                check(diamond::glass_kernel(schedule, d.of(schedule), diamond::runge_kutta_4{.steps = 64},
                                            chosen_correlation{rho}),
                      rho, 1e-3);
            }
        }
}

TEST_CASE("early stop takes its noise apart as DDPM does: the same law of x_t' given x_t, from one noise") {
    const data d;
    for (const auto kind : schedules::every_kind) {
        const any schedule{kind};
        diamond::early_stop_kernel stop(map(d.of(schedule), any{}));
        diamond::ddpm_posterior_kernel posterior(diamond::exact_posterior(d.of(schedule)));
        for (const diamond::interval span :
             {diamond::interval{0.0, 0.4}, diamond::interval{0.4, 0.5}, diamond::interval{0.5, 1.0}}) {
            const auto a = affine::probe(stop, d.context, span),
                       b = affine::probe(posterior, d.context, span);
            CHECK(small::size(a.state - b.state) < exactly);
            CHECK(small::size(a.constant - b.constant) < exactly);
            CHECK(small::size(a.noise * a.noise.transposed() - b.noise * b.noise.transposed() -
                              b.end_noise * b.end_noise.transposed()) < exactly);
            CHECK(small::size(a.end_noise) < exactly);
        }
    }
}

TEST_CASE("GLASS keeps mean and covariance to its solver's error, for any correlation") {
    const data d;
    for (const auto kind : schedules::every_kind)
        for (const double rho : every_correlation) {
            const any schedule{kind};
            const std::string label = std::string(schedule.name()) + ", rho " + name_of(rho);
            double runge_kutta = 0.0;
            const auto error = [&](auto solver, index_t steps) {
                CAPTURE(label);
                CAPTURE(steps);
                diamond::glass_kernel kernel(schedule, d.of(schedule), solver, chosen_correlation{rho});
                const auto result = affine::run(kernel, d.context, steps);
                CHECK(result.misfit < 1e-9);
                CHECK_FALSE(kernel.exact());
                return affine::distance(result.end, d.truth);
            };
            for (const index_t steps : outer_steps)
                runge_kutta = std::max(runge_kutta, error(diamond::runge_kutta_4{.steps = 16}, steps));
            CAPTURE(label);
            CHECK(runge_kutta < (rho == 1.0 ? 5e-3 : 2e-3));
            std::printf("GLASS, %s: error with 16 inner steps of RK4 %.1e; of Euler %.3f after 1 outer step, "
                        "%.3f after 32\n",
                        label.c_str(), runge_kutta, error(diamond::euler{.steps = 16}, 1),
                        error(diamond::euler{.steps = 16}, 32));
        }
}

TEST_CASE("the Diamond map by integrating GLASS makes the same kernels, to its solver's error") {
    const data d;
    for (const auto kind : schedules::every_kind) {
        const any schedule{kind};
        diamond::glass_diamond_map by_ode(schedule, d.of(schedule), diamond::runge_kutta_4{.steps = 16},
                                          any{});
        CAPTURE(std::string(schedule.name()));
        check_marginals(d, diamond::early_stop_kernel(by_ode), 2e-3);
        check_marginals(
            d,
            diamond::ddpm_posterior_kernel(diamond::diamond_map_posterior(by_ode), chosen_correlation{-0.6}),
            2e-3);
        CHECK_FALSE(diamond::early_stop_kernel(by_ode).exact());
        CHECK_FALSE(diamond::renoise_kernel(diamond::diamond_map_posterior(by_ode)).exact());
    }
}

TEST_CASE("the ODE's kernel keeps what its map keeps") {
    const data d;
    for (const auto kind : schedules::every_kind) {
        const any schedule{kind};
        // A plain ODE starts from N(0, I) in place of p_0, whose alpha(0) = 0.0066 on the variance preserving
        // schedule shows.
        const double start = schedule.noisy_start() ? 0.02 : 0.0;
        check_marginals(d, diamond::ode_kernel(diamond::gaussian_flow_map(d.of(schedule))), exactly + start);
        check_marginals(
            d,
            diamond::ode_kernel(diamond::ode_flow_map(d.of(schedule), diamond::runge_kutta_4{.steps = 64})),
            1e-5 + start);
        const auto step = [&] {
            diamond::ode_kernel kernel(diamond::gaussian_flow_map(d.of(schedule)));
            return affine::probe(kernel, d.context, {0.2, 0.7});
        }();
        CHECK(small::size(step.noise) < exactly);
    }
}

TEST_CASE("ancestral and DDIM steps are what their formula says, and narrower than the model") {
    const data d;
    for (const auto kind : schedules::every_kind) {
        const any schedule{kind};
        for (const double rho : {2.0, 1.0, 0.3}) {
            diamond::ancestral_kernel kernel(schedule, d.of(schedule), chosen_correlation{rho});
            CAPTURE(std::string(schedule.name()));
            CAPTURE(name_of(rho));
            for (const index_t steps : outer_steps) {
                law predicted = law::standard_normal(3), found = predicted;
                for (index_t k = 0; k < steps; ++k) {
                    const diamond::interval span{static_cast<double>(k) / static_cast<double>(steps),
                                                 static_cast<double>(k + 1) / static_cast<double>(steps)};
                    const auto level = diamond::level_at(schedule, span.from);
                    const auto c = diamond::kernel_at(schedule, span, chosen_correlation{rho});
                    // D = mu + alpha C V^-1 (x - alpha mu)
                    const auto v = level.alpha * level.alpha * d.truth.covariance +
                                   level.sigma * level.sigma * small::matrix::identity(3);
                    const auto pull = level.alpha * small::solve(v, d.truth.covariance).x.transposed();
                    affine::transition formula{c.abar * pull + small::matrix::identity(3, c.gamma),
                                               small::matrix::identity(3, c.sbar), small::matrix(3, 3),
                                               c.abar * (d.truth.mean - level.alpha * (pull * d.truth.mean))};
                    const auto probed = affine::probe(kernel, d.context, span);
                    // D comes from the velocity, which reads the schedule as it is: at t = 0 of the variance
                    // preserving one alpha is 0.0066.
                    const double tolerance = schedule.noisy_start() && k == 0 ? 0.02 : exactly;
                    CHECK(small::size(probed.state - formula.state) < tolerance);
                    CHECK(small::size(probed.noise - formula.noise) < exactly);
                    CHECK(small::size(probed.end_noise) < exactly);
                    CHECK(small::size(probed.constant - formula.constant) < tolerance);
                    predicted = predicted.after(formula);
                    found = found.after(probed);
                }
                CHECK(affine::distance(found, predicted) < (schedule.noisy_start() ? 0.02 : exactly));
                // Narrower in every direction, the mean right: what D lacks of z's spread is lost.
                const auto missing = d.truth.covariance - found.covariance;
                CHECK(small::size(found.mean - d.truth.mean) < (schedule.noisy_start() ? 0.02 : exactly));
                for (std::size_t i = 0; i < 3; ++i) CHECK(missing(i, i) > (steps == 32 ? 1e-4 : 1e-2));
            }
            CHECK_FALSE(kernel.exact());
        }
    }
}

TEST_CASE("Euler-Maruyama converges at order 1 in law, from t = 0 on, where its step is the ancestral one") {
    const data d;
    for (const auto kind : {schedules::kind::linear, schedules::kind::trigonometric}) {
        const any schedule{kind};
        diamond::euler_maruyama_kernel kernel(schedule, d.of(schedule));
        const double start = 0.1;
        const law at_start{schedule.alpha(start) * d.truth.mean,
                           diamond::square(schedule.alpha(start)) * d.truth.covariance +
                               small::matrix::identity(3, diamond::square(schedule.sigma(start)))};
        const auto error = [&](index_t steps) {
            return affine::distance(
                affine::run(kernel, d.context, steps, start, [&] { return at_start; }).end, d.truth);
        };
        const double coarse = error(256), fine = error(512);
        MESSAGE("Euler-Maruyama, " << std::string(schedule.name()) << ": error " << coarse
                                   << " with 256 steps, " << fine << " with 512");
        CHECK(std::abs(std::log2(coarse / fine) - 1.0) < 0.2);
        CHECK_FALSE(kernel.exact());
        const auto x = batches::normal<batch>(d.context, 3, 4, 1);
        batch out(d.context, 3, 4);
        batch ancestral(d.context, 3, 4);
        kernel(x, {0.0, 0.1}, {}, diamond::philox{1}.stream(diamond::purpose::transition), out);
        diamond::ancestral_kernel{schedule, d.of(schedule)}(
            x, {0.0, 0.1}, {}, diamond::philox{1}.stream(diamond::purpose::transition), ancestral);
        CHECK(statistics::largest_error(diamond::to_host(out), diamond::to_host(ancestral)) < 1e-14);
        CHECK_THROWS_WITH_AS(
            kernel(x, {-0.1, 0.1}, {}, diamond::philox{1}.stream(diamond::purpose::transition), out),
            doctest::Contains("from t = -0.1 to 0.1"), std::invalid_argument);
        const auto from_noise = [&](index_t steps) {
            const law noise{small::matrix(3, 1), small::matrix::identity(3, 1.0)};
            return affine::distance(affine::run(kernel, d.context, steps, 0.0, [&] { return noise; }).end,
                                    d.truth);
        };
        const double of_coarse = from_noise(256), of_fine = from_noise(512);
        MESSAGE("from t = 0: " << of_coarse << ", " << of_fine);
        CHECK(std::log2(of_coarse / of_fine) > 0.8); // 2 on the linear schedule
    }
}

} // namespace map_gaussian_kernels_test
