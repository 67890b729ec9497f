#include <algorithm>

#include <diamond/density/divergence.hpp>
#include <diamond/density/hutch_plus_plus.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>
#include <diamond/schedule/linear.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/fields.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace density_divergence_test {

using diamond::index_t, diamond::noise_stream;
using statistics::average, statistics::largest_error, statistics::within;

namespace {

constexpr diamond::no_condition none;
constexpr index_t d = 5;
const noise_stream stream = diamond::philox{11}.stream(diamond::purpose::user, 4);

struct estimates {
    std::vector<double> value, standard_error;
};
template <class Divergence, class Batch>
estimates run(Divergence& divergence, const Batch& x, diamond::time_view t, noise_stream from = stream) {
    const auto& context = x.context();
    diamond::rebind_t<Batch, double> value(context, 1, x.columns()), error(context, 1, x.columns());
    divergence(x, t, none, from, row(value), row(error));
    return {diamond::to_host(value), diamond::to_host(error)};
}
double trace(const std::vector<double>& a, const std::vector<double>& x, double t, double waves = 1.0) {
    const auto rows = static_cast<std::size_t>(std::sqrt(static_cast<double>(a.size())));
    double sum = 0.0;
    for (std::size_t i = 0; i < rows; ++i) sum += (1.0 + t) * a[i + rows * i] + waves * std::cos(x[i]);
    return sum;
}
/// 2 |S|_F^2 of the symmetric part of the Jacobian, its diagonal left out for signs.
double probe_variance(const std::vector<double>& a, const std::vector<double>& x, double t, bool diagonal) {
    const auto rows = static_cast<std::size_t>(d);
    double sum = 0.0;
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t k = 0; k < rows; ++k) {
            const double s = 0.5 * (1.0 + t) * (a[i + rows * k] + a[k + rows * i]) +
                             (i == k ? std::cos(x[i]) : 0.0);
            if (i != k || diagonal) sum += 2.0 * s * s;
        }
    return sum;
}

} // namespace

TEST_CASE_TEMPLATE("the exact divergence is the trace, at d products a column", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const index_t n = 7;
    const auto a = fields::crooked(d);
    const auto x = batches::normal<typename back_end::batch>(context, d, n, 1);
    const auto numbers = batches::host(x);
    std::vector<double> when, wanted;
    for (index_t j = 0; j < n; ++j) {
        when.push_back(0.125 * static_cast<double>(j));
        wanted.push_back(trace(a, {numbers.begin() + d * j, numbers.begin() + d * (j + 1)}, when.back()));
    }
    const auto times = diamond::from_host(context, 1, n, when);
    diamond::exact_divergence exact(fields::waved<typename back_end::batch>(context, d, a));
    const auto found = run(exact, x, diamond::time_view(times.data()));
    CHECK(largest_error(found.value, wanted) < back_end::tolerance);
    CHECK(found.standard_error == std::vector<double>(static_cast<std::size_t>(n), 0.0));
    CHECK(exact.spent() == diamond::cost{.jvp = d * n});
    // A copy starts a bill of its own and finds the same.
    auto copy = exact;
    CHECK(run(copy, x, diamond::time_view(times.data())).value == found.value);
    CHECK(copy.spent() == exact.spent());
}

TEST_CASE("the exact divergence of a mixture is the oracle's closed one") {
    const auto context = back_ends::eigen<double>::make();
    using batch = diamond::eigen::batch<double>;
    const diamond::gaussian_mixture<batch, diamond::linear_schedule> model(
        context, {}, {0.2, 0.5, 0.3}, {-1.5, 0.5, 1.0, -0.75, 0.25, 2.0}, {0.3, 0.1, 0.15, 0.4, 0.2, 0.25});
    const auto x = batches::normal<batch>(context, 2, 9, 2);
    auto space = model.make_workspace(context, 9);
    diamond::exact_divergence exact(model);
    for (const double t : {0.0, 0.4, 1.0}) {
        batch closed(context, 1, 9);
        model.divergence(x, t, none, space, row(closed));
        CHECK(largest_error(run(exact, x, t).value, diamond::to_host(closed)) < 1e-12);
    }
}

TEST_CASE_TEMPLATE(
    "Hutchinson's estimate is unbiased, of the variance theory says, and its standard error is right",
    back_end, BACK_ENDS) {
    // All columns hold one point, each with its own probes. Means of thousands of bounded or light-tailed
    // terms: 4.5 standard errors fail by chance once in 147,000; 24 such checks a back end.
    const auto context = back_end::make();
    const index_t n = 20000;
    const auto a = fields::crooked(d);
    const std::vector<double> point{0.3, -1.2, 2.0, 0.7, -0.4};
    const auto x = batches::repeat<typename back_end::batch>(context, n, point);
    const double t = 0.25, truth = trace(a, point, t);
    const double rounded = 100 * back_end::tolerance;
    const fields::waved<typename back_end::batch> field(context, d, a);
    const auto check = [&](auto divergence, index_t probes, double variance) {
        const auto found = run(divergence, x, t);
        CHECK(divergence.spent() == diamond::cost{.jvp = probes * n});
        CHECK(within(average(found.value), truth, 4.5, rounded));
        const auto count = [&](const auto& f) {
            return average(n, [&](index_t j) { return f(static_cast<std::size_t>(j)); });
        };
        const auto squares = count([&](std::size_t j) { return diamond::square(found.value[j] - truth); });
        CHECK(within(squares, variance, 4.5, rounded));
        if (probes > 1)
            CHECK(within(count([&](std::size_t j) { return diamond::square(found.standard_error[j]); }),
                         variance, 4.5, rounded));
        else
            CHECK(std::isnan(found.standard_error[3]));
        // The checks would see a wrong sign, a sum that is divided by M + 1, and a standard error that
        // divides by M for M - 1.
        CHECK(!within(-average(found.value).value, truth, average(found.value).standard_error));
        CHECK(!within(average(found.value).value * static_cast<double>(probes) /
                          static_cast<double>(probes + 1),
                      truth, average(found.value).standard_error));
        if (probes > 1 && probes < 5)
            CHECK(!within(count([&](std::size_t j) {
                              return diamond::square(found.standard_error[j]) *
                                     static_cast<double>(probes - 1) / static_cast<double>(probes);
                          }),
                          variance, 4.5, rounded));
    };
    for (const index_t probes : {1, 2, 7}) {
        const auto m = static_cast<double>(probes);
        check(diamond::hutchinson_divergence(field, {.probes = probes}), probes,
              probe_variance(a, point, t, false) / m);
        check(diamond::hutchinson_divergence(field, {.probes = probes}, diamond::normal_probe{}), probes,
              probe_variance(a, point, t, true) / m);
    }
}

TEST_CASE_TEMPLATE("Hutch++ is unbiased and its standard error is right", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const index_t n = 20000;
    const auto a = fields::crooked(d);
    const std::vector<double> point{0.3, -1.2, 2.0, 0.7, -0.4};
    const auto x = batches::repeat<typename back_end::batch>(context, n, point);
    const double t = 0.25, truth = trace(a, point, t);
    const fields::waved<typename back_end::batch> field(context, d, a);
    const auto check = [&](auto divergence) {
        const auto found = run(divergence, x, t);
        CHECK(divergence.spent() == diamond::cost{.jvp = (2 * 2 + 3) * n});
        CHECK(within(average(found.value), truth, 4.5, 100 * back_end::tolerance));
        // Given the sketch the squared standard error has the squared error as its mean: their difference has
        // mean 0.
        CHECK(within(average(n,
                             [&](index_t j) {
                                 const auto k = static_cast<std::size_t>(j);
                                 return diamond::square(found.value[k] - truth) -
                                        diamond::square(found.standard_error[k]);
                             }),
                     0.0, 4.5, 100 * back_end::tolerance));
        return average(found.standard_error).value;
    };
    check(diamond::hutch_plus_plus_divergence(field, {.sketch = 2, .probes = 3}));
    check(diamond::hutch_plus_plus_divergence(field, {.sketch = 2, .probes = 3}, diamond::normal_probe{}));
}

TEST_CASE_TEMPLATE("where an estimate has no variance", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const index_t n = 50;
    const double near = 10 * back_end::tolerance;
    const auto x = batches::normal<typename back_end::batch>(context, d, n, 3);
    const auto exact_of = [&](const auto& field) {
        diamond::exact_divergence exact(field);
        return run(exact, x, 0.5).value;
    };
    const auto make = [&](const std::vector<double>& a, double waves) {
        return fields::waved<typename back_end::batch>(context, d, a, waves);
    };

    // Signs: v^T J v sees the diagonal and the symmetric rest; an antisymmetric one is not there.
    std::vector<double> turning(d * d), rank_one(d * d), zero(d * d);
    for (std::size_t i = 0; i < d; ++i)
        for (std::size_t k = 0; k < d; ++k) {
            turning[i + d * k] = i == k ? 1.0 + static_cast<double>(i)
                                        : 0.5 * (static_cast<double>(i) - static_cast<double>(k));
            rank_one[i + d * k] = (1.0 + static_cast<double>(i)) * (0.5 - static_cast<double>(k));
        }
    const auto diagonal = make(turning, 1.0);
    diamond::hutchinson_divergence signs(diagonal, {.probes = 3});
    const auto by_signs = run(signs, x, 0.5);
    CHECK(largest_error(by_signs.value, exact_of(diagonal)) < near);
    CHECK(largest_error(by_signs.standard_error, std::vector<double>(static_cast<std::size_t>(n))) < near);
    diamond::hutchinson_divergence normals(diagonal, {.probes = 3}, diamond::normal_probe{});
    CHECK(largest_error(run(normals, x, 0.5).value, exact_of(diagonal)) > 0.1); // the test would see it

    // Hutch++: rank within the sketch, a whole sketch, and nothing at all.
    for (const auto& field : {make(rank_one, 0.0), make(zero, 0.0)}) {
        diamond::hutch_plus_plus_divergence low(field, {.sketch = 2, .probes = 2});
        CHECK(largest_error(run(low, x, 0.5).value, exact_of(field)) < 10 * near);
        CHECK(largest_error(run(low, x, 0.5).standard_error,
                            std::vector<double>(static_cast<std::size_t>(n))) < 10 * near);
    }
    const auto crooked = make(fields::crooked(d), 1.0);
    diamond::hutch_plus_plus_divergence whole(crooked, {.sketch = d, .probes = 1}, diamond::normal_probe{});
    CHECK(largest_error(run(whole, x, 0.5).value, exact_of(crooked)) < 100 * near);
}

TEST_CASE_TEMPLATE("probes are a function of stream, column and sample", back_end, HOST_BACK_ENDS) {
    const auto context = back_end::make();
    const index_t n = 24;
    const auto x = batches::repeat<typename back_end::batch>(context, n, {0.3, -1.2, 2.0, 0.7, -0.4});
    const fields::waved<typename back_end::batch> field(context, d, fields::crooked(d));
    const auto check = [&](auto divergence) {
        const auto first = run(divergence, x, 0.5).value;
        CHECK(run(divergence, x, 0.5).value == first);
        auto other = stream;
        ++other.step;
        CHECK(run(divergence, x, 0.5, other).value[0] != first[0]);
        // Neither the batch nor the threads matter.
        const auto lone = back_end::make(1);
        const auto part = batches::repeat<typename back_end::batch>(lone, 5, {0.3, -1.2, 2.0, 0.7, -0.4});
        auto again = divergence;
        CHECK(largest_error(run(again, part, 0.5).value,
                            std::vector<double>(first.begin(), first.begin() + 5)) < back_end::tolerance);
        // Six value samples of four particles: none shares its probes with another.
        auto grouped = run(divergence, x, 0.5, stream.with_samples(6)).value;
        std::sort(grouped.begin(), grouped.end());
        CHECK(std::adjacent_find(grouped.begin(), grouped.end()) == grouped.end());
    };
    check(diamond::hutchinson_divergence(field, {.probes = 2}, diamond::normal_probe{}));
    check(diamond::hutch_plus_plus_divergence(field, {.sketch = 1, .probes = 2}, diamond::normal_probe{}));
}

TEST_CASE("a sign for every coordinate, beyond one block of random words") {
    constexpr index_t rows = 300;
    std::vector<double> v(rows), sums(rows);
    for (index_t j = 0; j < 1000; ++j) {
        diamond::rademacher_probe{}(stream, j, v.data(), rows);
        for (std::size_t i = 0; i < rows; ++i) {
            REQUIRE(std::abs(v[i]) == 1.0);
            sums[i] += v[i];
        }
    }
    // Variance 1000 each: 5.5 standard deviations, 300 of them, fail by chance once in 90,000.
    for (const double sum : sums) CHECK(std::abs(sum) < 5.5 * std::sqrt(1000.0));
    CHECK(sums[0] != sums[128]);
}

TEST_CASE("the default is exact up to d = 16, and counts are checked") {
    const auto context = back_ends::eigen<double>::make();
    using batch = diamond::eigen::batch<double>;
    for (const index_t rows : {16, 17}) {
        diamond::divergence chosen(fields::waved<batch>(context, rows, fields::crooked(rows)), {.probes = 4});
        CHECK(chosen.exact() == (rows == 16));
        const auto x = batches::normal<batch>(context, rows, 3, 5);
        CHECK((run(chosen, x, 0.5).standard_error[0] == 0.0) == chosen.exact());
        CHECK(chosen.spent() == diamond::cost{.jvp = (rows == 16 ? 16 : 4) * 3});
    }
    const fields::waved<batch> field(context, d, fields::crooked(d));
    CHECK_THROWS_AS(diamond::hutchinson_divergence(field, {.probes = 0}), std::invalid_argument);
    CHECK_THROWS_AS(diamond::hutch_plus_plus_divergence(field, {.sketch = d + 1}), std::invalid_argument);
    CHECK_THROWS_AS(diamond::hutch_plus_plus_divergence(field, {.sketch = 0}), std::invalid_argument);
    CHECK_THROWS_AS(diamond::hutch_plus_plus_divergence(field, {.probes = 0}), std::invalid_argument);
    diamond::exact_divergence exact(field);
    CHECK_THROWS_AS(run(exact, batches::normal<batch>(context, d + 1, 3, 5), 0.5), std::invalid_argument);
}

} // namespace density_divergence_test
