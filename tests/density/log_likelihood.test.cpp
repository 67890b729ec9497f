#include <diamond/density/likelihood_validity.hpp>
#include <diamond/density/log_likelihood.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/densities.hpp"
#include "support/statistics.hpp"

namespace density_log_likelihood_test {

using densities::spoilt, densities::wide_flow_map;
using diamond::index_t;
using statistics::largest_error;

namespace {

constexpr diamond::no_condition none;
constexpr index_t d = 3, n = 40;

template <class BackEnd>
auto flow_map_of(const typename BackEnd::context& context, double deviation) {
    return wide_flow_map<typename BackEnd::batch>(context, deviation);
}
/// The tolerance for log p of an exact map: 1e-6 in double, and in float the rounding of eight jumps, of d
/// terms and of x of some units.
template <class BackEnd>
double density_tolerance() {
    return std::max(1e-6, 50 * BackEnd::tolerance);
}
template <class BackEnd>
double round_trip_tolerance() {
    return std::max(1e-10, 50 * BackEnd::tolerance);
}
template <class Likelihood, class Batch>
std::vector<double> density(Likelihood& likelihood, const Batch& x) {
    diamond::rebind_t<Batch, double> out(x.context(), 1, x.columns());
    likelihood(x, none, row(out));
    return diamond::to_host(out);
}

} // namespace

TEST_CASE_TEMPLATE("n jumps of an exact map give log p exactly, in both directions, for every n and base",
                   back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    for (const double deviation : {1.0, 2.5}) {
        const auto x = batches::normal<batch>(context, d, n, 1, 1.3),
                   x_0 = batches::normal<batch>(context, d, n, 2, deviation);
        std::vector<diamond::likelihood_options> all;
        for (const index_t steps : {1, 2, 4, 8}) all.push_back({.steps = steps, .base_deviation = deviation});
        all.push_back({.times = {0.0, 0.1, 0.75, 1.0}, .base_deviation = deviation});
        for (const auto& options : all) {
            const index_t jumps = options.times.empty() ? options.steps : 3;
            CAPTURE(deviation);
            CAPTURE(jumps);
            diamond::log_likelihood likelihood(flow_map_of<back_end>(context, deviation), options);
            CHECK(largest_error(density(likelihood, x), densities::gaussian(batches::host(x))) <
                  density_tolerance<back_end>());
            CHECK(likelihood.spent() == diamond::cost{.forward = jumps * n});
            batch sample(context, d, n);
            diamond::rebind_t<batch, double> out(context, 1, n);
            likelihood.push_forward(x_0, none, sample, row(out));
            CHECK(largest_error(diamond::to_host(out), densities::gaussian(batches::host(sample))) <
                  density_tolerance<back_end>());
            CHECK(likelihood.spent() == diamond::cost{.forward = 2 * jumps * n});
            // The latent that comes out is the one that went in.
            batch back(context, d, n);
            likelihood.pull_back(sample, none, back, row(out));
            CHECK(largest_error(batches::host(back), batches::host(x_0)) < round_trip_tolerance<back_end>());

            for (const bool from_noise : {true, false}) {
                diamond::likelihood_validity validity(likelihood);
                diamond::rebind_t<batch, double> trip(context, 1, n), gap(context, 1, n);
                from_noise ? validity.from_noise(x_0, none, row(trip), row(gap))
                           : validity.from_data(x, none, row(trip), row(gap));
                CHECK(diamond::summarise(row(trip)).largest < 10 * round_trip_tolerance<back_end>());
                CHECK(diamond::summarise(row(gap)).largest < 10 * round_trip_tolerance<back_end>());
            }
        }
    }
}

TEST_CASE_TEMPLATE("a wrong sign, a wrong divisor or a wrong base shows", back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<batch>(context, d, n, 1, 1.3);
    const auto wanted = densities::gaussian(batches::host(x));
    const auto error = [&](densities::spoil how, double assumed) {
        diamond::log_likelihood likelihood(spoilt(flow_map_of<back_end>(context, 2.5), how),
                                           {.steps = 4, .base_deviation = assumed});
        return largest_error(density(likelihood, x), wanted);
    };
    CHECK(error({}, 2.5) < density_tolerance<back_end>());
    CHECK(error({.way_back = -1.0}, 2.5) > 0.1);
    CHECK(error({.way_back = 10.0}, 2.5) > 0.1);
    CHECK(error({.way_back = 1.01}, 2.5) > 10 * density_tolerance<back_end>());
    CHECK(error({}, 1.0) > 0.1);
    CHECK(error({.position = 1.01}, 2.5) > 10 * density_tolerance<back_end>());
}

TEST_CASE_TEMPLATE("validity measures the round trip and the gap", back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<batch>(context, d, n, 3);
    const auto check = [&](densities::spoil how, auto look) {
        for (const bool from_noise : {true, false}) {
            diamond::likelihood_validity validity(diamond::log_likelihood(
                spoilt(flow_map_of<back_end>(context, 1.0), how), diamond::likelihood_options{.steps = 2}));
            diamond::rebind_t<batch, double> trip(context, 1, n), gap(context, 1, n);
            from_noise ? validity.from_noise(x, none, row(trip), row(gap))
                       : validity.from_data(x, none, row(trip), row(gap));
            CHECK(validity.spent() == diamond::cost{.forward = 4 * n});
            look(diamond::to_host(trip), diamond::to_host(gap), diamond::summarise(row(gap)));
        }
    };
    // m is a number for the whole batch, and so then is the gap: log p forwards - log p backwards = -m ahead
    // + m back.
    auto map = flow_map_of<back_end>(context, 1.0);
    diamond::rebind_t<batch, double> m(context, 1, n);
    batch out(context, d, n);
    map(x, {0.0, 1.0}, none, out, row(m));
    const double whole = diamond::to_host(m)[0];
    check({.divergence = 1.5}, [&](const auto& trip, const auto& gap,
                                   const diamond::column_summary& summary) {
        CHECK(*std::max_element(trip.begin(), trip.end()) < 50 * back_end::tolerance);
        for (const double g : gap)
            CHECK(g == doctest::Approx(-0.5 * whole).epsilon(50 * back_end::tolerance));
        CHECK(summary.mean == doctest::Approx(-0.5 * whole).epsilon(50 * back_end::tolerance));
        CHECK(summary.largest == doctest::Approx(0.5 * std::abs(whole)).epsilon(50 * back_end::tolerance));
        CHECK(summary.root_mean_square ==
              doctest::Approx(0.5 * std::abs(whole)).epsilon(50 * back_end::tolerance));
    });
    check({.position = 1.1}, [&](const auto& trip, const auto&, const auto&) {
        CHECK(*std::min_element(trip.begin(), trip.end()) > 1e-3);
    });
}

TEST_CASE_TEMPLATE("a summary is mean, root mean square and largest size", back_end, BACK_ENDS) {
    const auto context = back_end::make();
    const auto values = diamond::from_host<double>(context, 1, 4, std::vector<double>{1.0, -5.0, 2.0, 4.0});
    const auto summary = diamond::summarise(row(values));
    CHECK(summary.mean == doctest::Approx(0.5));
    CHECK(summary.root_mean_square == doctest::Approx(std::sqrt(46.0 / 4.0)));
    CHECK(summary.largest == 5.0);
    CHECK_THROWS_AS((void)diamond::summarise(row(values).columns(0, 0)), std::invalid_argument);
}

TEST_CASE("a base deviation is x -> x/s0 and log p -> log p - d log s0") {
    // The model of x/2 over noise of deviation 1 is that of x over deviation 2.
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    models::gaussian_numbers halved;
    for (double& m : halved.mean) m /= 2.0;
    for (double& c : halved.covariance) c /= 4.0;
    const diamond::gaussian<back_end::batch, diamond::linear_schedule> plain(context, {}, halved.mean,
                                                                             halved.covariance);
    diamond::log_likelihood first(wide_flow_map<back_end::batch>(context, 2.0),
                                  {.steps = 2, .base_deviation = 2.0});
    diamond::log_likelihood second(diamond::gaussian_flow_map{plain}, {.steps = 2});
    const auto x = batches::normal<back_end::batch>(context, d, n, 4),
               half = batches::normal<back_end::batch>(context, d, n, 4, 0.5);
    auto shifted = density(second, half);
    for (double& p : shifted) p -= static_cast<double>(d) * std::log(2.0);
    CHECK(largest_error(density(first, x), shifted) < 1e-12);
}

TEST_CASE_TEMPLATE("draws have the base's law, are a function of the stream, and know their density; data "
                   "may stand at t < 1",
                   back_end, BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    diamond::log_likelihood likelihood(flow_map_of<back_end>(context, 2.5),
                                       {.times = {0.0, 0.25, 0.6}, .base_deviation = 2.5});
    const index_t many = 4000;
    batch x(context, d, many), x_0(context, d, many);
    diamond::rebind_t<batch, double> out(context, 1, many);
    const auto stream = diamond::philox{7}.stream(diamond::purpose::initial);
    likelihood.draw(stream, none, x, diamond::row(out));
    const auto first = batches::host(x);
    CHECK(largest_error(diamond::to_host(out), densities::gaussian(first, 0.6, 2.5 * 0.4)) <
          density_tolerance<back_end>());
    likelihood.draw(stream, none, x, diamond::row(out));
    CHECK(batches::host(x) == first);
    // Mean log p is minus the entropy, 3/2 (1 + log 2 pi) + 1/2 log det: 4.5 standard errors.
    const std::vector<double> centre{0.6 * 0.7, 0.6 * -1.2, 0.6 * 0.4};
    const double at_mean = densities::gaussian(centre, 0.6, 1.0)[0];
    CHECK(statistics::within(statistics::average(diamond::to_host(out)), at_mean - 1.5));
}

TEST_CASE("bad options and shapes are refused") {
    using back_end = back_ends::eigen<double>;
    const auto context = back_end::make();
    const auto map = flow_map_of<back_end>(context, 1.0);
    using options = diamond::likelihood_options;
    const auto refused = [&](const options& o) {
        CHECK_THROWS_AS(diamond::log_likelihood(map, o), std::invalid_argument);
    };
    refused({.steps = 0});
    refused({.times = {0.0}});
    refused({.times = {0.1, 1.0}});
    refused({.times = {0.0, 1.1}});
    refused({.times = {0.0, 0.5, 0.5, 1.0}});
    refused({.times = {0.0, NAN, 1.0}});
    refused({.base_deviation = 0.0});
    refused({.base_deviation = diamond::infinity});
    diamond::log_likelihood likelihood(map);
    const auto wrong = batches::normal<back_end::batch>(context, d + 1, n, 1);
    CHECK_THROWS_AS(density(likelihood, wrong), std::invalid_argument);
    back_end::batch x(context, d, n), fewer(context, d, n - 1), numbers(context, 1, n);
    CHECK_THROWS_AS(likelihood.push_forward(x, none, fewer, row(numbers)), std::invalid_argument);
}

namespace {
struct put_number {
    index_t at;
    double value;
    double* m;
    DIAMOND_HD void operator()(index_t j) const {
        if (j == at) m[j] = value;
    }
};
template <class View>
struct put_coordinate {
    index_t row, at;
    double value;
    View out;
    DIAMOND_HD void operator()(index_t i, index_t j) const {
        if (i == row && j == at) out(i, j) = static_cast<typename View::value_type>(value);
    }
};
/// A map whose mean divergence, or a coordinate of whose state, is no number for one particle in jump `from`
/// and after it.
template <class Map>
struct breaking : Map {
    using batch_type = typename Map::batch_type;
    using view = diamond::view_t<batch_type>;
    bool in_divergence;
    index_t from;
    double value;
    index_t jumps = 0;
    static constexpr index_t particle = 6;

    breaking(Map map, bool divergence, index_t first, double number)
        : Map(std::move(map)), in_divergence(divergence), from(first), value(number) {}
    void operator()(diamond::const_view_t<batch_type> x, diamond::interval span, diamond::no_condition c,
                    view out) {
        Map::operator()(x, span, c, out);
    }
    void operator()(diamond::const_view_t<batch_type> x, diamond::interval span, diamond::no_condition c,
                    view out, diamond::row_t<batch_type> m) {
        Map::operator()(x, span, c, out, m);
        if (++jumps < from) return;
        if (in_divergence)
            x.context().for_each(x.columns(), put_number{particle, value, m.data()});
        else
            x.context().for_each(d, x.columns(), put_coordinate<view>{1, particle, value, out});
    }
};
} // namespace

TEST_CASE_TEMPLATE("a jump that is no number is named with its particle, in both directions", back_end,
                   BACK_ENDS) {
    using batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto x = batches::normal<batch>(context, d, n, 1, 1.0);
    for (const bool in_divergence : {true, false})
        for (const index_t from : {1, 2, 4, 5}) // the fifth does not happen
            for (const double value : {static_cast<double>(NAN), diamond::infinity, -diamond::infinity})
                for (const bool forward : {false, true}) {
                    CAPTURE(in_divergence);
                    CAPTURE(from);
                    CAPTURE(value);
                    CAPTURE(forward);
                    diamond::log_likelihood likelihood(
                        breaking(flow_map_of<back_end>(context, 1.0), in_divergence, from, value),
                        {.steps = 4});
                    long step = 5, particle = 6; // nothing said
                    try {
                        batch other(context, d, n);
                        diamond::rebind_t<batch, double> out(context, 1, n);
                        if (forward)
                            likelihood.push_forward(x, none, other, diamond::row(out));
                        else
                            likelihood(x, none, diamond::row(out));
                        for (const double log_p : diamond::to_host(out)) CHECK(std::isfinite(log_p));
                    } catch (const diamond::numeric_error& error) {
                        step = error.step();
                        particle = error.particle();
                    }
                    CHECK(step == from);
                    CHECK(particle == 6);
                }
}

} // namespace density_log_likelihood_test
