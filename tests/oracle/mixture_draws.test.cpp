/// Random draws of mixtures. Seeds are fixed; a bound of 4.5 standard errors fails by chance once in 147,000
/// comparisons, so that all the comparisons of this file, some 400, would fail for one seed in 350.
#include <algorithm>

#include <diamond/core/combine.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace oracle_mixture_draws_test {

using namespace diamond;
using statistics::within;

namespace {

const std::vector<double> weights{0.4, 0.1, 0.3, 0.2}, means{-1.0, 0.5, 1.5, -0.75, 0.25, 1.25, -0.5, -1.5},
    variances{0.25, 0.5, 0.125, 1.0, 0.75, 0.25, 0.5, 0.375};

template <class BackEnd>
auto make_model(const typename BackEnd::context& context,
                reference::any_schedule schedule = reference::linear) {
    return gaussian_mixture<typename BackEnd::batch, reference::any_schedule>(context, schedule, weights,
                                                                              means, variances);
}

// Moments of p(z | x) by quadrature over the data's density.
struct posterior_moments {
    double mean[2] = {}, covariance[2][2] = {};
    posterior_moments(double alpha, double sigma, double x, double y) {
        const reference::mixture mixture(weights, means, variances);
        const double step = 0.05;
        double mass = 0.0, second[2][2] = {};
        for (double a = -8.0; a < 8.0; a += step)
            for (double b = -8.0; b < 8.0; b += step) {
                const double p = static_cast<double>(std::exp(mixture.log_density({a, b}, 1, 0))) *
                                 std::exp(-0.5 * (square(x - alpha * a) + square(y - alpha * b)) /
                                          square(sigma));
                const double z[2] = {a, b};
                mass += p;
                for (int i = 0; i < 2; ++i) {
                    mean[i] += p * z[i];
                    for (int k = 0; k < 2; ++k) second[i][k] += p * z[i] * z[k];
                }
            }
        for (double& m : mean) m /= mass;
        for (int i = 0; i < 2; ++i)
            for (int k = 0; k < 2; ++k) covariance[i][k] = second[i][k] / mass - mean[i] * mean[k];
    }
};

} // namespace

TEST_CASE_TEMPLATE("draws from the data have its moments and its components", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const auto model = make_model<back_end>(context);
    const index_t n = 40000;
    typename back_end::batch z(context, 2, n), r(context, 4, n);
    auto space = model.make_workspace(context, n);
    model.draw(philox{11}.stream(purpose::data), z.mutable_view());
    const statistics::samples drawn(z);
    const auto mean = model.mean(), covariance = model.covariance();
    for (index_t i = 0; i < 2; ++i) {
        CHECK(within(statistics::mean(drawn, i), mean[static_cast<std::size_t>(i)]));
        for (index_t k = 0; k <= i; ++k)
            CHECK(within(statistics::covariance(drawn, i, k, mean[static_cast<std::size_t>(i)],
                                                mean[static_cast<std::size_t>(k)]),
                         covariance[static_cast<std::size_t>(i + 2 * k)]));
    }
    // E[r_k(z)] is the weight of component k.
    model.responsibilities(z.read(), 1.0, {}, space, r.mutable_view());
    const statistics::samples shares(r);
    for (index_t k = 0; k < 4; ++k)
        CHECK(within(statistics::mean(shares, k), weights[static_cast<std::size_t>(k)]));
    // Negative control: the weights of another order are told apart.
    CHECK_FALSE(within(statistics::mean(shares, 1), weights[2]));
}

TEST_CASE_TEMPLATE("posterior draws have the moments that quadrature finds", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const index_t samples = 20000;
    for (const reference::any_schedule schedule : {reference::linear, reference::variance_preserving}) {
        const auto model = make_model<back_end>(context, schedule);
        exact_posterior sampler(model);
        for (const double t : {0.3, 0.7}) {
            const std::vector<double> x{0.5, -0.375, -1.25, 0.75};
            const auto at = from_host<typename back_end::real>(
                context, 2, 2, std::vector<typename back_end::real>(x.begin(), x.end()));
            typename back_end::batch z(context, 2, 2 * samples);
            sampler(at.read(), t, {}, philox{12}.stream(purpose::transition, 3, samples), z.mutable_view());
            for (index_t j = 0; j < 2; ++j) {
                const auto all = to_host(z);
                const statistics::samples drawn(
                    2, samples, {all.begin() + 2 * samples * j, all.begin() + 2 * samples * (j + 1)});
                const posterior_moments wanted(model.schedule().alpha(t), model.schedule().sigma(t),
                                               x[static_cast<std::size_t>(2 * j)],
                                               x[static_cast<std::size_t>(2 * j + 1)]);
                for (index_t i = 0; i < 2; ++i) {
                    CHECK(within(statistics::mean(drawn, i), wanted.mean[i]));
                    for (index_t k = 0; k <= i; ++k)
                        CHECK(within(statistics::covariance(drawn, i, k, wanted.mean[i], wanted.mean[k]),
                                     wanted.covariance[i][k]));
                }
            }
        }
        CHECK(sampler.spent().forward == 2 * 2 * samples);
        CHECK(sampler.exact());
    }
}

TEST_CASE_TEMPLATE("posterior draws at the ends of time: the data at 0, the particle at 1", back_end,
                   BACK_ENDS) {
    const auto context = back_end::make();
    // variance preserving: alpha(0) > 0, and still pure noise
    const auto model = make_model<back_end>(context, reference::variance_preserving);
    exact_posterior sampler(model);
    const index_t n = 30000;
    typename back_end::batch x(context, 2, n), z(context, 2, n);
    context.fill_normal(philox{13}.stream(purpose::user), x.mutable_view());
    sampler(x.read(), 1.0, {}, philox{14}.stream(purpose::transition), z.mutable_view());
    CHECK(to_host(z) == to_host(x));
    sampler(x.read(), 0.0, {}, philox{14}.stream(purpose::transition), z.mutable_view());
    const statistics::samples drawn(z), particle(x);
    for (index_t i = 0; i < 2; ++i) {
        const auto k = static_cast<std::size_t>(i);
        CHECK(within(statistics::mean(drawn, i), model.mean()[k]));
        CHECK(within(statistics::covariance(drawn, i, i, model.mean()[k], model.mean()[k]),
                     model.covariance()[k + 2 * k]));
        // Independent of x_0.
        CHECK(within(statistics::average(
                         n, [&](index_t j) { return (drawn(i, j) - model.mean()[k]) * particle(i, j); }),
                     0.0));
    }
}

TEST_CASE_TEMPLATE("noising a posterior draw of x_t gives x_t's own law back", back_end, BACK_ENDS) {
    // z ~ p_data, x_t = alpha z + sigma eps, z' ~ p(. | x_t): the pairs (z, x_t) and (z', x_t) have one law.
    const auto context = back_end::make();
    const auto model = make_model<back_end>(context, reference::trigonometric);
    const index_t n = 40000;
    const double t = 0.45, alpha = model.schedule().alpha(t), sigma = model.schedule().sigma(t);
    typename back_end::batch z(context, 2, n), x(context, 2, n), again(context, 2, n);
    model.draw(philox{15}.stream(purpose::data), z.mutable_view());
    context.fill_normal(philox{15}.stream(purpose::user), x.mutable_view());
    combine(coefficients<2>(diamond::numbers<2>{{alpha, sigma}}), x.mutable_view(), z.read(), x.read());
    // The same seed and step as the data's: draws of other purposes are independent of them all the same.
    exact_posterior sampler(model);
    sampler(x.read(), t, {}, philox{15}.stream(purpose::transition), again.mutable_view());
    const statistics::samples first(z), second(again), noised(x);
    for (index_t i = 0; i < 2; ++i)
        for (index_t k = 0; k < 2; ++k) {
            CHECK(within(
                statistics::average(
                    n, [&](index_t j) { return second(i, j) * noised(k, j) - first(i, j) * noised(k, j); }),
                0.0));
            CHECK(within(statistics::average(n,
                                             [&](index_t j) {
                                                 return second(i, j) * square(second(k, j)) -
                                                        first(i, j) * square(first(k, j));
                                             }),
                         0.0));
        }
}

TEST_CASE_TEMPLATE("a draw is a function of its address alone", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const auto model = make_model<back_end>(context);
    const index_t n = 700, samples = 3;
    typename back_end::batch x(context, 2, n), all(context, 2, n * samples), few(context, 2, 5 * samples),
        other(context, 2, n * samples);
    auto space = model.make_workspace(context, n);
    context.fill_normal(philox{16}.stream(purpose::user), x.mutable_view());
    const auto stream = philox{17}.stream(purpose::value, 2, samples);
    model.draw_posterior(x.read(), 0.5, {}, stream, space, all.mutable_view());
    model.draw_posterior(x.read().columns(0, 5), 0.5, {}, stream, space, few.mutable_view());
    const auto whole = to_host(all), part = to_host(few);
    CHECK(std::equal(part.begin(), part.end(), whole.begin()));
    model.draw_posterior(x.read(), 0.5, {}, philox{17}.stream(purpose::transition, 2, samples), space,
                         other.mutable_view());
    CHECK(to_host(other) != whole);
}

TEST_CASE("draws of two purposes are independent, components and all") {
    // Two components so narrow that a draw is its component: of 20,000 draws at t = 0 the correlation is 0 up
    // to a standard error of 1/141; the bound is 4.5 of them. The same purpose gives the same draws.
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const gaussian_mixture<typename back_end::batch, linear_schedule> model(context, {}, {0.5, 0.5},
                                                                            {-1.0, 1.0}, {1e-6, 1e-6});
    constexpr index_t n = 20'000;
    const auto x = from_host<double>(context, 1, n, std::vector<double>(static_cast<std::size_t>(n), 0.0));
    auto space = model.make_workspace(context, n);
    const auto draws = [&](purpose of) {
        typename back_end::batch z(context, 1, n);
        model.draw_posterior(x.read(), 0.0, {}, philox{23}.stream(of, 1), space, z.mutable_view());
        return to_host(z);
    };
    const purpose all[] = {purpose::transition, purpose::transition_end, purpose::value, purpose::data,
                           purpose::user};
    for (const purpose a : all)
        for (const purpose b : all) {
            const auto first = draws(a), second = draws(b);
            double product = 0.0;
            for (std::size_t j = 0; j < first.size(); ++j) product += first[j] * second[j];
            const double correlation = product / static_cast<double>(n);
            CHECK((a == b ? correlation > 0.99 : std::abs(correlation) < 4.5 / 141.0));
        }
}

TEST_CASE("both ways of summing draw alike, and from thousands of components") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto points = from_host<double>(context, 4, 3000, reference::spread_points(4 * 3000, 1.0));
    const auto model = data_mixture(context, reference::any_schedule{}, points.read(), 0.2);
    typename back_end::batch x(context, 4, 600), first(context, 4, 1200), second(context, 4, 1200);
    auto space = model.make_workspace(context, 600);
    context.fill_normal(philox{18}.stream(purpose::user), x.mutable_view());
    const auto stream = philox{19}.stream(purpose::transition, 0, 2);
    model.with_path(mixture_path::products)
        .draw_posterior(x.read(), 0.6, {}, stream, space, first.mutable_view());
    model.with_path(mixture_path::elementwise)
        .draw_posterior(x.read(), 0.6, {}, stream, space, second.mutable_view());
    CHECK(statistics::largest_error(to_host(first), to_host(second)) < 1e-11);
}

TEST_CASE("an index chosen by weight is the one that running sums of integers give") {
    const diamond::philox rng{17};
    for (const index_t count : {1, 7, 8, 9, 64, 65, 200, 1437, 5000}) {
        CAPTURE(count);
        std::vector<float> weights;
        std::vector<double> sums;
        double total = 0.0;
        for (index_t k = 0; k < count; ++k) {
            // Long runs of zeros, the end among them where there is more than one weight.
            const auto number = std::floor(8.0 * rng.stream(diamond::purpose::user).uniform(k));
            const bool none = k > 0 && ((k / 70) % 3 == 1 || number < 3.0 || k + 3 > count);
            weights.push_back(none ? 0.0F : static_cast<float>(number + 1.0));
            sums.push_back(total += static_cast<double>(weights.back()));
        }
        const diamond::detail::choice_by_weight<float> choice(weights.data(), count);
        for (index_t n = 0; n < 4 * static_cast<index_t>(total); ++n) {
            const double u = (static_cast<double>(n) + 0.5) / (4.0 * total); // never at a boundary
            const auto expected = std::upper_bound(sums.begin(), sums.end(), u * total) - sums.begin();
            REQUIRE(choice(u) == expected);
        }
        CHECK(weights[static_cast<std::size_t>(choice(std::nextafter(1.0, 0.0)))] > 0.0F);
        CHECK(choice(0.0) == std::upper_bound(sums.begin(), sums.end(), 0.0) - sums.begin());
    }
}

} // namespace oracle_mixture_draws_test
