/// The two ways of summing a mixture, by products and elementwise, give the same numbers, whatever the batch
/// and the threads.
#include <diamond/oracle/gaussian_mixture.hpp>

#include "oracle/reference.hpp"
#include "support/back_ends.hpp"
#include "support/statistics.hpp"

namespace oracle_mixture_paths_test {

using namespace diamond;
using reference::call, reference::call_numbers, reference::spread_points;
using statistics::largest_error;

namespace {

enum class spread { shared, isotropic, diagonal };

template <class BackEnd>
auto large_mixture(const typename BackEnd::context& context, spread kind, index_t d, index_t count) {
    const auto size = static_cast<std::size_t>(count);
    std::vector<double> weights(size),
        variances(kind == spread::diagonal ? size * static_cast<std::size_t>(d) : size, 0.25);
    for (std::size_t k = 0; k < size; ++k) weights[k] = 1.0 + static_cast<double>(k % 5);
    if (kind != spread::shared)
        for (std::size_t k = 0; k < variances.size(); ++k)
            variances[k] = 0.125 + 0.125 * static_cast<double>(k % 7);
    return gaussian_mixture<typename BackEnd::batch, reference::any_schedule>(
        context, reference::variance_preserving, weights, spread_points(d * count, 1.0, 5), variances);
}

template <class BackEnd, class Model>
std::vector<std::vector<double>> ask(const typename BackEnd::context& context, const Model& model,
                                     const std::vector<double>& x, const std::vector<double>& w,
                                     time_view t) {
    auto space = model.make_workspace(context, 0);
    const index_t d = model.dimension(), n = static_cast<index_t>(x.size()) / d;
    const auto direction = from_host<typename BackEnd::real>(
        context, d, n, std::vector<typename BackEnd::real>(w.begin(), w.end()));
    return {call<BackEnd>(context, d, x, [&](auto in, auto out) { model(in, t, {}, space, out); }),
            call<BackEnd>(context, d, x, [&](auto in, auto out) { model.denoiser(in, t, {}, space, out); }),
            call<BackEnd>(context, d, x, [&](auto in, auto out) { model.noise(in, t, {}, space, out); }),
            call<BackEnd>(context, d, x, [&](auto in, auto out) { model.score(in, t, {}, space, out); }),
            call<BackEnd>(context, d, x,
                          [&](auto in, auto out) { model.jvp(in, t, {}, direction.read(), space, out); }),
            call_numbers<BackEnd>(context, d, x,
                                  [&](auto in, auto out) { model.log_density(in, t, {}, space, out); }),
            call_numbers<BackEnd>(context, d, x,
                                  [&](auto in, auto out) { model.divergence(in, t, {}, space, out); })};
}

const std::string names[] = {"velocity", "denoiser", "noise", "score", "jvp", "log density", "divergence"};

} // namespace

TEST_CASE_TEMPLATE("by products and elementwise", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const index_t d = 5, n = 67;
    const auto x = spread_points(d * n), w = spread_points(d * n, 1.0, 3);
    // In double the ways agree to 1e-12. In float a logit of 30 is good to 4e-6, and a score multiplies that
    // by distances over variances.
    const double near = sizeof(typename back_end::real) == 4 ? 2e-3 : 1e-12;
    for (const spread kind : {spread::shared, spread::isotropic, spread::diagonal}) {
        const auto model = large_mixture<back_end>(context, kind, d, 41);
        for (const double t : {0.0, 0.3, 0.7, 0.95, 1.0}) {
            const auto products = ask<back_end>(context, model.with_path(mixture_path::products), x, w, t);
            const auto elementwise = ask<back_end>(context, model.with_path(mixture_path::elementwise), x, w,
                                                   t);
            for (std::size_t k = 0; k < products.size(); ++k) {
                CAPTURE(names[k]);
                CAPTURE(static_cast<int>(kind));
                CAPTURE(t);
                CHECK(largest_error(products[k], elementwise[k]) < near);
            }
        }
    }
}

TEST_CASE_TEMPLATE("a shared variance goes by products at a time per column, too", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const index_t d = 5, n = 11;
    const auto x = spread_points(d * n), w = spread_points(d * n, 1.0, 3);
    // large enough to go by products of itself
    const auto model = large_mixture<back_end>(context, spread::shared, d, 130);
    std::vector<double> when(n);
    for (index_t j = 0; j < n; ++j) when[static_cast<std::size_t>(j)] = static_cast<double>(j) / (n - 1);
    const auto per_column = from_host<double>(context, 1, n, when);
    const double near = sizeof(typename back_end::real) == 4 ? 2e-3 : 1e-12;
    const auto products = ask<back_end>(context, model, x, w, time_view(per_column.data()));
    const auto elementwise = ask<back_end>(context, model.with_path(mixture_path::elementwise), x, w,
                                           time_view(per_column.data()));
    for (std::size_t k = 0; k < products.size(); ++k) {
        CAPTURE(names[k]);
        CHECK(largest_error(products[k], elementwise[k]) < near);
    }
}

TEST_CASE_TEMPLATE("where products would lose their digits the elementwise way is taken", back_end,
                   BACK_ENDS) {
    // Means 1000 away and 1e-6 wide: |m|^2/v = 1e18, beyond either type's products. The data's own points
    // must be told apart.
    const auto context = back_end::make();
    const index_t d = 8, count = 100;
    auto points = spread_points(d * count, 1.0);
    for (double& value : points) value = static_cast<double>(static_cast<float>(value + 1000.0));
    const gaussian_mixture<typename back_end::batch, reference::any_schedule> model(
        context, {}, std::vector<double>(count, 1.0), points, std::vector<double>(count, 1e-12));
    auto space = model.make_workspace(context, 0);
    const auto denoised = call<back_end>(
        context, d, points, [&](auto in, auto out) { model.denoiser(in, 1.0 - 1e-7, {}, space, out); });
    for (std::size_t k = 0; k < points.size(); ++k)
        REQUIRE(denoised[k] == doctest::Approx(points[k]).epsilon(1e-6));
}

TEST_CASE_TEMPLATE("a column's bits do not depend on how many there are", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const index_t d = 6, few = 70, many = 1500;
    const auto x = spread_points(d * many), w = spread_points(d * many, 1.0, 3);
    const std::vector<double> x_few(x.begin(), x.begin() + d * few), w_few(w.begin(), w.begin() + d * few);
    // 2,500 components: several chunks even in float.
    const auto model = large_mixture<back_end>(context, spread::shared, d, 2500);
    const auto all = ask<back_end>(context, model, x, w, 0.6),
               some = ask<back_end>(context, model, x_few, w_few, 0.6);
    for (std::size_t k = 0; k < all.size(); ++k) {
        CAPTURE(names[k]);
        CHECK(
            (!back_end::column_free_products || std::equal(some[k].begin(), some[k].end(), all[k].begin())));
    }
}

TEST_CASE("one thread and two give the same bits") {
    using back_end = back_ends::eigen<float>;
    const auto one = back_end::make(1), two = back_end::make(2);
    const index_t d = 6, n = 1500;
    const auto x = spread_points(d * n), w = spread_points(d * n, 1.0, 3);
    for (const spread kind : {spread::shared, spread::diagonal}) {
        const auto first = ask<back_end>(one, large_mixture<back_end>(one, kind, d, 500), x, w, 0.6);
        const auto other = ask<back_end>(two, large_mixture<back_end>(two, kind, d, 500), x, w, 0.6);
        CHECK(first == other);
    }
}

TEST_CASE("a data set with a bandwidth is a mixture of its points") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto points = spread_points(3 * 20);
    const auto batch = from_host<double>(context, 3, 20, points);
    const auto model = data_mixture(context, trigonometric_schedule{}, batch.read(), 0.3);
    const reference::mixture mixture(std::vector<double>(20, 1.0), points, std::vector<double>(20, 0.09));
    auto space = model.make_workspace(context, 0);
    const auto x = spread_points(3 * 4, 2.0, 8);
    const double t = 0.5, alpha = model.schedule().alpha(t), sigma = model.schedule().sigma(t);
    const auto got = call<back_end>(context, 3, x,
                                    [&](auto in, auto out) { model.denoiser(in, t, {}, space, out); });
    for (index_t j = 0; j < 4; ++j) {
        const auto wanted = mixture.denoiser(reference::column(x, 3, j), alpha, sigma);
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(got[i + 3 * static_cast<std::size_t>(j)] ==
                  doctest::Approx(static_cast<double>(wanted[i])).epsilon(1e-12));
    }
}

} // namespace oracle_mixture_paths_test
