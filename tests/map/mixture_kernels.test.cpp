// A few kernels with randomness: chains on an asymmetric mixture end at its component weights, means and
// covariances.
#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "support/any_schedule.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace map_mixture_kernels_test {

using diamond::index_t;
using schedules::any;
using batch = diamond::eigen::batch<double>;

namespace {

constexpr index_t particles = 20000, steps = 6;

template <class Kernel>
statistics::samples end_of_chain(const diamond::eigen::context& context, Kernel& kernel, std::uint64_t seed) {
    const diamond::philox rng{seed};
    batch x(context, 2, particles), next(context, 2, particles);
    diamond::draw_normal(rng.stream(diamond::purpose::initial), x.mutable_view());
    for (index_t k = 1; k <= steps; ++k) {
        const diamond::interval span{static_cast<double>(k - 1) / steps, static_cast<double>(k) / steps};
        kernel(x, span, diamond::no_condition{}, rng.stream(diamond::purpose::transition, k), next);
        x.swap(next);
    }
    return statistics::samples(x);
}

/// The largest distance from the truth in standard errors, over the components' weights E r_k, first moments
/// E r_k (z - m_k) = 0 and second moments E r_k (z - m_k)(z - m_k)^T = w_k C_k, r_k the component's
/// probability given z: 18 averages of independent terms.
double worst_in_standard_errors(const statistics::samples& z) {
    const models::mixture_numbers n;
    std::vector<models::mixture_point> points;
    for (index_t j = 0; j < z.columns; ++j)
        points.emplace_back(n, 1.0, 0.0, &z.values[static_cast<std::size_t>(2 * j)]);
    double worst = 0.0;
    const auto expect = [&](double truth, const auto& f) {
        const auto found = statistics::average(z.columns, f);
        worst = std::max(worst, std::abs(found.value - truth) / found.standard_error);
    };
    for (index_t k = 0; k < n.count; ++k) {
        const auto share = [&, k](index_t j) { return points[static_cast<std::size_t>(j)].share[k]; };
        expect(n.weight[k], share);
        for (index_t i = 0; i < n.d; ++i) {
            expect(0.0, [&](index_t j) { return share(j) * (z(i, j) - n.mean[k][i]); });
            for (index_t l = 0; l <= i; ++l)
                expect(i == l ? n.weight[k] * n.variance[k][i] : 0.0, [&](index_t j) {
                    return share(j) * (z(i, j) - n.mean[k][i]) * (z(l, j) - n.mean[k][l]);
                });
        }
    }
    return worst;
}

diamond::gaussian_mixture<batch, any> oracle(const diamond::eigen::context& context, const any& schedule) {
    const models::mixture_numbers n;
    return {context,
            schedule,
            {n.weight[0], n.weight[1], n.weight[2]},
            {n.mean[0][0], n.mean[0][1], n.mean[1][0], n.mean[1][1], n.mean[2][0], n.mean[2][1]},
            {n.variance[0][0], n.variance[0][1], n.variance[1][0], n.variance[1][1], n.variance[2][0],
             n.variance[2][1]}};
}

} // namespace

// 8 chains of 18 statistics at 4.5 standard errors: were the seeds free, one run in 1,000 would fail (144
// times 6.8e-6). The solvers' own errors, below 1e-3 on standard errors of 2e-3 and more, are within that.
TEST_CASE("chains of every kernel end at the mixture's weights, means and covariances") {
    const diamond::eigen::context context{.threads = 2};
    const auto check = [&](auto kernel, std::uint64_t seed) {
        CHECK(worst_in_standard_errors(end_of_chain(context, kernel, seed)) < 4.5);
    };
    const any linear{}, vp{schedules::kind::variance_preserving};
    check(diamond::ddpm_posterior_kernel(diamond::exact_posterior(oracle(context, linear))), 101);
    check(diamond::ddpm_posterior_kernel(diamond::exact_posterior(oracle(context, vp))), 102);
    check(diamond::ddpm_posterior_kernel(diamond::exact_posterior(oracle(context, linear)),
                                         diamond::constant_correlation(-0.6)),
          103);
    check(diamond::ddpm_posterior_kernel(diamond::exact_posterior(oracle(context, linear)),
                                         diamond::constant_correlation(0.9)),
          104);
    check(diamond::renoise_kernel(diamond::exact_posterior(oracle(context, linear))), 105);
    const diamond::runge_kutta_4 solver{.steps = 16};
    check(diamond::glass_kernel(linear, models::mixture<batch, any>(linear), solver), 106);
    check(diamond::glass_kernel(linear, models::mixture<batch, any>(linear), solver,
                                diamond::constant_correlation(0.5)),
          107);
    check(diamond::early_stop_kernel(
              diamond::glass_diamond_map(vp, models::mixture<batch, any>(vp), solver, any{})),
          108);
}

TEST_CASE("the same test fails ancestral and DDIM steps, which are narrower") {
    const diamond::eigen::context context{.threads = 2};
    const any linear{};
    diamond::ancestral_kernel ancestral(linear, models::mixture<batch, any>(linear));
    diamond::ancestral_kernel ddim(linear, models::mixture<batch, any>(linear),
                                   diamond::constant_correlation(1.0));
    CHECK(worst_in_standard_errors(end_of_chain(context, ancestral, 101)) > 20.0);
    CHECK(worst_in_standard_errors(end_of_chain(context, ddim, 101)) > 20.0);
}

} // namespace map_mixture_kernels_test
