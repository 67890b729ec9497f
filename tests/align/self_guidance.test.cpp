#include <diamond/align/self_guidance.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/reward/linear_reward.hpp>
#include <diamond/reward/quadratic_reward.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/bent_map.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace align_self_guidance_test {

using diamond::index_t;
using statistics::largest_error;

namespace {

constexpr diamond::no_condition none;
constexpr index_t d = 3, n = 20;

template <class Objective, class Batch>
std::vector<double> values(Objective& objective, const Batch& x) {
    diamond::rebind_t<Batch, double> out(x.context(), 1, x.columns());
    objective(x, none, row(out));
    return diamond::to_host(out);
}
template <class Objective, class Batch>
std::vector<double> gradient(Objective& objective, const Batch& x) {
    Batch out(x.context(), x.rows(), x.columns());
    objective.gradient(x, none, out);
    return batches::host(out);
}
/// Central differences of the values.
template <class Objective, class Batch>
std::vector<double> differences(Objective& objective, const Batch& x) {
    constexpr double h = 1e-5;
    const auto numbers = batches::host(x);
    std::vector<double> result(numbers.size());
    for (std::size_t i = 0; i < d; ++i) {
        auto high = numbers, low = numbers;
        for (std::size_t j = 0; j < n; ++j) {
            high[i + d * j] += h;
            low[i + d * j] -= h;
        }
        const auto above = values(objective, batches::make<Batch>(x.context(), d, n, high)),
                   below = values(objective, batches::make<Batch>(x.context(), d, n, low));
        for (std::size_t j = 0; j < n; ++j) result[i + d * j] = (above[j] - below[j]) / (2.0 * h);
    }
    return result;
}
template <class Guidance, class Batch>
std::vector<double> moved(Guidance guidance, const Batch& x) {
    Batch copy(x.context(), x.rows(), x.columns());
    x.context().copy(x.data(), x.size(), copy.data());
    guidance(copy);
    return batches::host(copy);
}
template <class BackEnd>
auto gaussian_map(const typename BackEnd::context& context) {
    const models::gaussian_numbers numbers;
    return diamond::gaussian_flow_map(diamond::gaussian<typename BackEnd::batch, diamond::linear_schedule>(
        context, {}, numbers.mean, numbers.covariance));
}
template <class BackEnd>
auto quadratic(const typename BackEnd::context& context) {
    using real = typename BackEnd::real;
    return diamond::quadratic_reward(context, std::vector<real>{real{1}, real{-2}, real(0.5)},
                                     std::vector<real>{real(0.7), real{2}, real{1}});
}
/// A pointwise reward with a gradient, which heeds its condition no more than the others.
struct saddle {
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        return static_cast<double>(z[0]) * static_cast<double>(z[1]);
    }
    template <class ConstView, class View>
    void gradient(ConstView z, View out) const {
        for (index_t j = 0; j < z.columns(); ++j) {
            out(0, j) = z(1, j);
            out(1, j) = z(0, j);
            out(2, j) = 0;
        }
    }
};

} // namespace

TEST_CASE("gradients are those of the values, and a wrong sign of m shows") {
    const auto check_on = [](auto which) {
        using back_end = decltype(which);
        using batch = typename back_end::batch;
        const auto context = back_end::make();
        const auto x = batches::normal<batch>(context, d, n, 1);
        const auto error = [&](auto objective) {
            return largest_error(gradient(objective, x), differences(objective, x));
        };
        for (const double deviation : {1.0, 2.5}) {
            const diamond::objective_options options{.base_deviation = deviation};
            CHECK(error(diamond::negative_log_prior<batch>(d, options)) < 1e-8);
            CHECK(error(diamond::negative_log_likelihood(bent::map<batch>{d}, options)) < 1e-8);
            CHECK(error(diamond::negative_log_posterior(bent::map<batch>{d}, quadratic<back_end>(context),
                                                        options)) < 1e-8);
            CHECK(error(diamond::negative_log_posterior(bent::map<batch>{d}, saddle{}, options)) < 1e-8);
            CHECK(error(diamond::negative_log_likelihood(bent::map<batch>{d, -1.0}, options)) > 0.1);
            CHECK(error(diamond::negative_log_posterior(bent::map<batch>{d, -1.0}, saddle{}, options)) > 0.1);
        }
    };
    check_on(back_ends::eigen<double>{});
    check_on(back_ends::thrust_cpu<double>{});
}

TEST_CASE_TEMPLATE("l is minus the log-density of the sample, and the posterior's has the reward beside it",
                   back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<batch>(context, d, n, 2);
    auto map = gaussian_map<back_end>(context);
    diamond::negative_log_likelihood likelihood(map);
    diamond::negative_log_posterior posterior(map, quadratic<back_end>(context));
    batch sample(context, d, n);
    map(x, {0.0, 1.0}, none, sample);
    auto space = map.model().make_workspace(context, n);
    diamond::rebind_t<batch, double> log_p(context, 1, n), reward(context, 1, n);
    map.model().log_density(sample, 1.0, none, space, row(log_p));
    quadratic<back_end>(context)(sample, row(reward));
    const auto drawn = diamond::to_host(sample);
    auto wanted = diamond::to_host(log_p), wanted_posterior = wanted, wanted_pointwise = wanted;
    for (std::size_t j = 0; j < wanted.size(); ++j) {
        wanted[j] = -wanted[j];
        wanted_posterior[j] = wanted[j] - diamond::to_host(reward)[j];
        wanted_pointwise[j] = wanted[j] - saddle{}(drawn.data() + d * j);
    }
    CHECK(largest_error(values(likelihood, x), wanted) < 50 * back_end::tolerance);
    CHECK(largest_error(values(posterior, x), wanted_posterior) < 50 * back_end::tolerance);
    diamond::negative_log_posterior pointwise(map, saddle{});
    CHECK(largest_error(values(pointwise, x), wanted_pointwise) < 50 * back_end::tolerance);
}

TEST_CASE_TEMPLATE("on Gaussian data grad m = 0: self-guidance is the control that shrinks the noise",
                   back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<batch>(context, d, n, 3);
    const auto before = batches::host(x);
    const diamond::negative_log_likelihood likelihood(gaussian_map<back_end>(context));
    const diamond::negative_log_prior<batch> control(d);
    const diamond::self_guidance_options options{.steps = 3, .step_size = 0.125};
    const auto signs = moved(diamond::self_guidance(likelihood, options), x),
               slopes = moved(diamond::self_guidance(likelihood, options, diamond::gradient_step{}), x);
    CHECK(signs == moved(diamond::self_guidance(control, options), x));
    CHECK(slopes == moved(diamond::self_guidance(control, options, diamond::gradient_step{}), x));
    for (std::size_t k = 0; k < before.size(); ++k) {
        double by_sign = before[k];
        for (int step = 0; step < 3; ++step) by_sign -= 0.125 * (by_sign > 0.0 ? 1.0 : -1.0);
        CHECK(signs[k] == doctest::Approx(by_sign).epsilon(back_end::tolerance));
        CHECK(slopes[k] == doctest::Approx(before[k] * std::pow(0.875, 3)).epsilon(back_end::tolerance));
    }
    // Where m bends, the control is another thing.
    const diamond::negative_log_likelihood bending(bent::map<batch>{d});
    CHECK(largest_error(moved(diamond::self_guidance(bending, options, diamond::gradient_step{}), x),
                        slopes) > 0.01);
}

TEST_CASE_TEMPLATE("joined with a linear reward on Gaussian data one gradient step of 1 is the mode",
                   back_end, BACK_ENDS) {
    // l - c . (M x_0 + k) = |x_0|^2/2 - (M^T c) . x_0 + constant, whose minimum is M^T c; X of 0 and of the
    // unit vectors gives M.
    using batch = typename back_end::batch;
    using real = typename back_end::real;
    const auto context = back_end::make();
    auto map = gaussian_map<back_end>(context);
    const auto units = batches::make<batch>(context, d, d + 1, {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1});
    batch images(context, d, d + 1);
    map(units, {0.0, 1.0}, none, images);
    const auto image = batches::host(images);
    const std::vector<double> c{0.8, -0.3, 1.1};
    std::vector<double> mode(d);
    for (std::size_t k = 0; k < d; ++k)
        for (std::size_t i = 0; i < d; ++i) mode[k] += c[i] * (image[i + d * (k + 1)] - image[i]);
    const diamond::negative_log_posterior objective(
        gaussian_map<back_end>(context),
        diamond::linear_reward(context, std::vector<real>(c.begin(), c.end())));
    diamond::self_guidance guidance(objective, {.step_size = 1.0}, diamond::gradient_step{});
    auto x = batches::normal<batch>(context, d, n, 4);
    guidance(x);
    const auto found = batches::host(x);
    for (std::size_t k = 0; k < found.size(); ++k)
        CHECK(found[k] == doctest::Approx(mode[k % d]).epsilon(20 * back_end::tolerance));
    // The bill: a sample and a pull-back, and no value without a line search.
    CHECK(guidance.spent() == diamond::cost{.forward = n, .vjp = n});
}

TEST_CASE_TEMPLATE("a line search never goes up, and what finds no step stays", back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<batch>(context, d, n, 5);
    const auto before = batches::host(x);
    const auto check = [&](auto objective, auto step) {
        const auto start = values(objective, x);
        std::vector<double> last;
        for (const index_t steps : {1, 5}) {
            // A first eta that is far too long, so that every particle has to halve it.
            const auto end = moved(
                diamond::self_guidance(objective, {.steps = steps, .step_size = 8.0, .halvings = 20}, step),
                x);
            const auto low = values(objective, batches::make<batch>(context, d, n, end));
            double gained = 0.0;
            for (std::size_t j = 0; j < n; ++j) {
                CHECK(low[j] < start[j]);
                if (!last.empty())
                    CHECK(low[j] <= last[j] + 10 * back_end::tolerance * (1.0 + std::abs(last[j])));
                gained += last.empty() ? 0.0 : last[j] - low[j];
            }
            CHECK((last.empty() || gained > 0.01));
            last = low;
        }
        // Without it the same step goes up.
        const auto wild = values(
            objective,
            batches::make<batch>(context, d, n,
                                 moved(diamond::self_guidance(objective, {.step_size = 8.0}, step), x)));
        CHECK(std::any_of(wild.begin(), wild.end(),
                          [&, j = std::size_t{0}](double v) mutable { return v > start[j++]; }));
        // One halving is not enough for any.
        CHECK(moved(diamond::self_guidance(objective, {.step_size = 1e6, .halvings = 1}, step), x) == before);
    };
    const diamond::negative_log_likelihood likelihood(bent::map<batch>{d});
    const diamond::negative_log_posterior posterior(bent::map<batch>{d}, quadratic<back_end>(context));
    check(likelihood, diamond::sign_step{});
    check(likelihood, diamond::gradient_step{});
    check(posterior, diamond::gradient_step{});
}

TEST_CASE("what a step costs, and what is refused") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make();
    auto x = batches::normal<batch>(context, d, n, 6);
    const diamond::negative_log_likelihood likelihood(bent::map<batch>{d});
    diamond::self_guidance plain(likelihood, {.steps = 2});
    plain(x);
    CHECK(plain.spent() == diamond::cost{.vjp = 2 * n}); // through the divergence head alone
    diamond::self_guidance searching(likelihood, {.step_size = 1e-3, .halvings = 4});
    searching(x);
    CHECK(searching.spent() == diamond::cost{.forward = 2 * n, .vjp = n}); // accepted at once
    diamond::self_guidance rewarded(diamond::negative_log_posterior(bent::map<batch>{d}, saddle{}),
                                    {.step_size = 1e-3, .halvings = 4});
    rewarded(x);
    CHECK(rewarded.spent() == diamond::cost{.forward = 3 * n, .vjp = n, .reward = 2 * n});

    const auto refused = [&](const diamond::self_guidance_options& o) {
        CHECK_THROWS_AS(diamond::self_guidance(likelihood, o), std::invalid_argument);
    };
    refused({.steps = -1});
    refused({.step_size = 0.0});
    refused({.step_size = NAN});
    refused({.halvings = -1});
    CHECK_THROWS_AS(diamond::negative_log_likelihood(bent::map<batch>{d}, {.base_deviation = -1.0}),
                    std::invalid_argument);
    batch taller(context, d + 1, n);
    CHECK_THROWS_AS(plain(taller), std::invalid_argument);

    auto broken = batches::host(x);
    broken[4 * d + 1] = NAN;
    auto bad = batches::make<batch>(context, d, n, broken);
    try {
        plain(bad);
        CHECK(false);
    } catch (const diamond::numeric_error& error) {
        CHECK(error.step() == 1);
        CHECK(error.particle() == 4);
    }
}

namespace {
/// |x|^2/2, whose value or gradient is no number for one particle from call `from` on.
template <class Batch>
struct breaking_objective {
    using batch_type = Batch;
    using const_view = diamond::const_view_t<Batch>;
    using view = diamond::view_t<Batch>;
    struct half_square {
        const typename Batch::value_type* x;
        index_t broken;
        double added;
        double* out;
        DIAMOND_HD void operator()(index_t j) const {
            double sum = j == broken ? added : 0.0;
            for (index_t i = 0; i < d; ++i)
                sum += 0.5 * static_cast<double>(x[i + d * j]) * static_cast<double>(x[i + d * j]);
            out[j] = sum;
        }
    };
    struct itself {
        const typename Batch::value_type* x;
        index_t broken;
        double added;
        typename Batch::value_type* out;
        DIAMOND_HD void operator()(index_t i, index_t j) const {
            out[i + d * j] = static_cast<typename Batch::value_type>(static_cast<double>(x[i + d * j]) +
                                                                     (j == broken && i == 1 ? added : 0.0));
        }
    };
    double value_added, gradient_added;
    index_t from, values = 0, gradients = 0;
    static constexpr index_t broken = 7;

    [[nodiscard]] index_t dimension() const { return d; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    void operator()(const_view x, diamond::no_condition, diamond::row_t<batch_type> out) {
        x.context().for_each(x.columns(),
                             half_square{x.data(), broken, ++values >= from ? value_added : 0.0, out.data()});
    }
    void gradient(const_view x, diamond::no_condition, view out) {
        x.context().for_each(
            d, x.columns(), itself{x.data(), broken, ++gradients >= from ? gradient_added : 0.0, out.data()});
    }
};
} // namespace

TEST_CASE_TEMPLATE(
    "an objective or a gradient that is no number stops the descent, which names step and particle", back_end,
    BACK_ENDS) {
    using batch = typename back_end::batch;
    using breaking = breaking_objective<batch>;
    const auto context = back_end::make();
    const auto said = [&](double value_added, double gradient_added, index_t from,
                          index_t halvings) -> std::pair<long, long> {
        batch x(context, d, n);
        diamond::draw_normal(diamond::philox{1}.stream(diamond::purpose::initial), x.mutable_view());
        try {
            diamond::self_guidance descent(breaking{value_added, gradient_added, from},
                                           {.steps = 4, .step_size = 0.1, .halvings = halvings});
            descent(x);
            for (const auto number : diamond::to_host(x)) CHECK(std::isfinite(number));
        } catch (const diamond::numeric_error& error) {
            return {error.step(), error.particle()};
        }
        return {0, -1};
    };
    for (const index_t halvings : {0, 2}) {
        CHECK(said(0.0, 0.0, 1, halvings) == std::pair{0L, -1L}); // sound
        for (const double added : {static_cast<double>(NAN), diamond::infinity, -diamond::infinity})
            for (const index_t from : {1, 2, 4})
                CHECK(said(0.0, added, from, halvings) == std::pair{static_cast<long>(from), 7L});
    }
    CHECK(said(NAN, 0.0, 1, 2) == std::pair{1L, 7L});
    // it may forbid a place, and all it goes through: the gradient alone leads then
    CHECK(said(diamond::infinity, 0.0, 1, 2) == std::pair{0L, -1L});
}

namespace {
/// A reward of a batch that is no number for one column, with a gradient that is.
struct broken_at {
    index_t column;
    void operator()(diamond::const_view_t<diamond::eigen::batch<double>> z,
                    diamond::row_t<diamond::eigen::batch<double>> values) const {
        for (index_t j = 0; j < z.columns(); ++j) values[j] = j == column ? diamond::not_a_number : 0.0;
    }
    void gradient(diamond::const_view_t<diamond::eigen::batch<double>> z,
                  diamond::view_t<diamond::eigen::batch<double>> out) const {
        for (index_t i = 0; i < z.size(); ++i) out.data()[i] = 0.1;
    }
};
} // namespace

TEST_CASE(
    "a reward that is NaN is refused, by step and particle, and is no trial that a line search halves") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make(1);
    const auto climb = [&](index_t column) {
        auto x = batches::normal<batch>(context, 2, 4, 1);
        diamond::self_guidance{diamond::negative_log_posterior(bent::map<batch>{2}, broken_at{column}),
                               {.steps = 2, .halvings = 3}}(x.mutable_view());
    };
    CHECK_NOTHROW(climb(4)); // of four columns none
    CHECK_THROWS_WITH_AS(climb(2), doctest::Contains("the reward is NaN or +inf"), diamond::numeric_error);
    CHECK_THROWS_WITH_AS(climb(2), doctest::Contains("(step 1, particle 2)"), diamond::numeric_error);
}

} // namespace align_self_guidance_test
