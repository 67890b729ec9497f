#include <diamond/density/divergence.hpp>
#include <diamond/density/log_likelihood.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/oracle/gaussian_maps.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/densities.hpp"
#include "support/labelled.hpp"
#include "support/statistics.hpp"

namespace map_ode_flow_map_test {

using diamond::index_t, diamond::interval;
using statistics::largest_error;

namespace {

constexpr diamond::no_condition none;
constexpr index_t n = 30;

template <class BackEnd>
diamond::gaussian_mixture<typename BackEnd::batch, diamond::linear_schedule> mixture(
    const typename BackEnd::context& context) {
    return {
        context, {}, {0.2, 0.5, 0.3}, {-1.5, 0.5, 1.0, -0.75, 0.25, 2.0}, {0.3, 0.1, 0.15, 0.4, 0.2, 0.25}};
}
/// The oracle's log p_1, which is a sum over components and knows no ODE.
template <class Model, class Batch>
std::vector<double> log_density(const Model& model, const Batch& x) {
    auto space = model.make_workspace(x.context(), x.columns());
    diamond::rebind_t<Batch, double> out(x.context(), 1, x.columns());
    model.log_density(x, 1.0, none, space, diamond::row(out));
    return diamond::to_host(out);
}
template <class Map, class Batch>
std::vector<double> log_p(Map map, const Batch& x) {
    diamond::log_likelihood likelihood(std::move(map));
    diamond::rebind_t<Batch, double> out(x.context(), 1, x.columns());
    likelihood(x, none, diamond::row(out));
    return diamond::to_host(out);
}
/// A step's tolerance; what is left of it in log p after some tens of steps, and what float's rounding of the
/// network's arguments allows.
template <class BackEnd>
struct precise {
    static constexpr bool single = sizeof(typename BackEnd::real) == 4;
    static constexpr diamond::dormand_prince solver{.relative_tolerance = single ? 1e-5 : 1e-9,
                                                    .absolute_tolerance = single ? 1e-5 : 1e-9};
    static constexpr double log_density = single ? 2e-3 : 1e-6;
};

} // namespace

TEST_CASE_TEMPLATE("the adaptive reference finds a mixture's exact log p, from data and from noise", back_end,
                   BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto model = mixture<back_end>(context);
    const auto x = batches::normal<batch>(context, 2, n, 1);
    const diamond::ode_flow_map reference{diamond::exact_divergence{model}, precise<back_end>::solver};
    CHECK(largest_error(log_p(reference, x), log_density(model, x)) < precise<back_end>::log_density);

    diamond::log_likelihood likelihood(reference);
    batch sample(context, 2, n);
    diamond::rebind_t<batch, double> out(context, 1, n);
    likelihood.push_forward(x, none, sample, diamond::row(out));
    CHECK(largest_error(diamond::to_host(out), log_density(model, sample)) < precise<back_end>::log_density);
    // Two products for each evaluation, and nothing else.
    CHECK(likelihood.spent().jvp == 2 * likelihood.spent().forward);
    CHECK(likelihood.spent().vjp == 0);
    // Several jumps with a new start of the solver agree.
    diamond::log_likelihood in_parts(reference, {.times = {0.0, 0.3, 0.8, 1.0}});
    in_parts(x, none, diamond::row(out));
    CHECK(largest_error(diamond::to_host(out), log_density(model, x)) < precise<back_end>::log_density);
}

TEST_CASE_TEMPLATE("a reference of fixed steps converges at its order", solver, diamond::euler,
                   diamond::explicit_midpoint, diamond::heun, diamond::runge_kutta_4) {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto model = mixture<back_end>(context);
    const auto x = batches::normal<back_end::batch>(context, 2, n, 2);
    const auto exact = log_density(model, x);
    const auto error = [&](index_t steps) {
        const auto found = log_p(
            diamond::ode_flow_map(diamond::exact_divergence(model), solver{.steps = steps}), x);
        double sum = 0.0;
        for (std::size_t j = 0; j < found.size(); ++j) sum += diamond::square(found[j] - exact[j]);
        return std::sqrt(sum);
    };
    const index_t steps = solver::order == 4 ? 64 : 256;
    CHECK(std::log2(error(steps) / error(2 * steps)) > solver::order - 0.3);
}

TEST_CASE_TEMPLATE("X and m are those of the closed joint map, either way, over parts, and at length 0",
                   back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const models::gaussian_numbers numbers;
    const diamond::gaussian<batch, diamond::linear_schedule> model(context, {}, numbers.mean,
                                                                   numbers.covariance);
    diamond::gaussian_flow_map exact(model);
    diamond::ode_flow_map found{diamond::exact_divergence{model}, precise<back_end>::solver};
    const auto x = batches::normal<batch>(context, 3, n, 3);
    batch to(context, 3, n), wanted_to(context, 3, n);
    diamond::rebind_t<batch, double> m(context, 1, n), wanted_m(context, 1, n);
    for (const interval span : {interval{0.0, 1.0}, interval{1.0, 0.0}, interval{0.2, 0.7},
                                interval{0.9, 0.4}, interval{0.5, 0.5}}) {
        CAPTURE(span.from);
        found(x, span, none, to, diamond::row(m));
        exact(x, span, none, wanted_to, diamond::row(wanted_m));
        CHECK(largest_error(batches::host(to), batches::host(wanted_to)) < precise<back_end>::log_density);
        CHECK(largest_error(diamond::to_host(m), diamond::to_host(wanted_m)) <
              precise<back_end>::log_density);
        found(x, span, none, to);
        CHECK(largest_error(batches::host(to), batches::host(wanted_to)) < precise<back_end>::log_density);
    }
    CHECK_THROWS_AS(found(x, {0.0, 1.5}, none, to, diamond::row(m)), std::invalid_argument);
    batch flat(context, 2, n);
    CHECK_THROWS_AS(found(x, {0.0, 1.0}, none, flat, diamond::row(m)), std::invalid_argument);
}

TEST_CASE("with Hutchinson's probes the reference is unbiased, and the same at every call") {
    // One point in every column, each with its own probes, kept along the path: with steps that do not depend
    // on them log p is linear in the estimates, so its mean is that of the exact trace by the same steps. 4.5
    // standard errors: once in 147,000 each.
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto model = mixture<back_end>(context);
    const auto x = batches::repeat<back_end::batch>(context, 4000, {0.4, -0.3});
    const diamond::heun solver{.steps = 12};
    const double exact = log_p(diamond::ode_flow_map(diamond::exact_divergence(model), solver), x)[0];
    const auto stream = diamond::philox{5}.stream(diamond::purpose::user);
    const auto check = [&](auto divergence) {
        const diamond::ode_flow_map map(std::move(divergence), solver, stream);
        const auto found = log_p(map, x);
        CHECK(statistics::average(found).standard_error > 1e-3);
        CHECK(statistics::within(statistics::average(found), exact));
        CHECK(log_p(map, x) == found);
    };
    check(diamond::hutchinson_divergence(model));
    check(diamond::hutchinson_divergence(model, {.probes = 2}, diamond::normal_probe{}));
}

namespace {
struct scheduled : labelled::field<diamond::eigen::batch<double>, diamond::linear_schedule> {
    using labelled::field<diamond::eigen::batch<double>, diamond::linear_schedule>::field;
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
};
} // namespace

TEST_CASE("a condition stays with its column") {
    using batch = diamond::eigen::batch<double>;
    const auto context = back_ends::eigen<double>::make();
    const auto x = batches::normal<batch>(context, 2, 9, 4);
    diamond::log_likelihood likelihood(
        diamond::ode_flow_map(diamond::exact_divergence(scheduled(diamond::linear_schedule{})),
                              diamond::explicit_midpoint{.steps = 3}),
        {.steps = 2});
    const auto result = labelled::compare(context, 9, 1, [&](const diamond::labels& c) {
        batch out(context, 1, 9);
        likelihood(x, c, diamond::row(out));
        return diamond::to_host(out);
    });
    CHECK(result.mixed == 0.0);
    CHECK(result.apart > 0.01);
}

} // namespace map_ode_flow_map_test
