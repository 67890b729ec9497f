/// Draws that correct themselves: by their weights the draws of a wrong map follow the right law, and without
/// them they do not.
#include <cstdio>
#include <limits>

#include <diamond/density/exact_density.hpp>
#include <diamond/density/flow_density.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/resampled_posterior.hpp>
#include <diamond/oracle/checkerboard.hpp>
#include <diamond/oracle/gaussian_maps.hpp>

#include "corrections.hpp"
#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/densities.hpp"
#include "support/labelled.hpp"
#include "support/numbers.hpp"
#include "support/statistics.hpp"

namespace map_corrected_test {

using diamond::index_t, diamond::interval, diamond::purpose;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error, statistics::within;
using batch = diamond::eigen::batch<double>;
using list = std::vector<double>;

namespace {

constexpr diamond::no_condition none;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
const list point{0.6, -0.7, 0.5};

diamond::noise_stream stream(index_t samples = 1, std::uint64_t seed = 7, purpose why = purpose::value) {
    return diamond::philox{seed}.stream(why, 3, samples);
}

template <class Batch>
auto gaussian_map(const diamond::backend_of_t<Batch>& context, const any_schedule& schedule, bool right,
                  const any_schedule& inner = {}) {
    const models::gaussian_numbers n;
    const corrections::wrong_numbers w;
    return diamond::gaussian_diamond_map(
        diamond::gaussian<Batch, any_schedule>(context, schedule, right ? n.mean : w.mean,
                                               right ? n.covariance : w.covariance),
        inner);
}
template <class Batch>
auto exact_density(const diamond::backend_of_t<Batch>& context, const any_schedule& schedule) {
    const models::gaussian_numbers n;
    return diamond::exact_density(
        schedule, diamond::gaussian<Batch, any_schedule>(context, schedule, n.mean, n.covariance));
}
list log_p(const any_schedule& schedule, const list& x, double t) {
    const auto level = diamond::level_at(schedule, t);
    return densities::gaussian(x, level.alpha, level.sigma);
}

/// The self-normalised mean of f(column) under weights exp(log_weights), and its standard error by the delta
/// method.
template <class F>
statistics::estimate weighted_mean(const list& z, const list& log_weights, std::size_t d, const F& f) {
    double high = -diamond::infinity, total = 0.0, sum = 0.0, squares = 0.0;
    for (const double w : log_weights) high = std::max(high, w);
    for (std::size_t m = 0; m < log_weights.size(); ++m) {
        const double w = std::exp(log_weights[m] - high);
        total += w;
        sum += w * f(&z[d * m]);
    }
    for (std::size_t m = 0; m < log_weights.size(); ++m)
        squares += diamond::square(std::exp(log_weights[m] - high) * (f(&z[d * m]) - sum / total));
    return {sum / total, std::sqrt(squares) / total};
}
/// How many standard errors the weighted mean and second moments, nine numbers, are off at most.
double largest_deviation(const list& z, const list& log_weights, const corrections::conditioned& truth) {
    double worst = 0.0;
    for (std::size_t i = 0; i < 3; ++i) {
        const auto mean = weighted_mean(z, log_weights, 3, [&](const double* x) { return x[i]; });
        worst = std::max(worst,
                         std::abs(mean.value - static_cast<double>(truth.mean(i, 0))) / mean.standard_error);
        for (std::size_t k = 0; k <= i; ++k) {
            const auto second = weighted_mean(z, log_weights, 3, [&](const double* x) {
                return (x[i] - static_cast<double>(truth.mean(i, 0))) *
                       (x[k] - static_cast<double>(truth.mean(k, 0)));
            });
            worst = std::max(worst, std::abs(second.value - static_cast<double>(truth.covariance(i, k))) /
                                        second.standard_error);
        }
    }
    return worst;
}
statistics::estimate mean_weight(const list& log_weights, double log_truth) {
    return statistics::average(static_cast<index_t>(log_weights.size()), [&](index_t m) {
        return std::exp(log_weights[static_cast<std::size_t>(m)] - log_truth);
    });
}

} // namespace

TEST_CASE_TEMPLATE("exact draws all weigh p_t(x_t), exact transitions 1", back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 7, samples = 3;
    // This is the rounding of some ten Gaussian terms, and of z, which costs more where sigma is small.
    const double tolerance = 32 * back_end::tolerance;
    const auto x = batches::normal<own_batch>(context, 3, n, 5, 0.8);
    own_batch drawn(context, 3, n * samples), plain(context, 3, n * samples), next(context, 3, n);
    diamond::rebind_t<own_batch, double> weights(context, 1, n * samples), before(context, 1, n),
        after(context, 1, n), weight(context, 1, n);
    for (const auto kind : schedules::every_kind) {
        const any_schedule schedule{kind};
        CAPTURE(std::string(schedule.name()));
        const diamond::diamond_map_posterior draws(gaussian_map<own_batch>(context, schedule, true),
                                                   {.evaluations = 2});
        diamond::corrected_posterior corrected(draws, exact_density<own_batch>(context, schedule));
        CHECK(corrected.exact());
        for (const double t : {0.0, 0.3, 0.7}) {
            CAPTURE(t);
            const auto from = corrected.spent();
            corrected(x, t, none, stream(samples), drawn, diamond::row(weights));
            // two of the map, one of the density
            CHECK(corrected.spent() == from + diamond::cost{.forward = 3 * n * samples});
            auto alone = corrected.sampler();
            alone(x, t, none, stream(samples), plain);
            CHECK(numbers::same_bits(batches::host(drawn), batches::host(plain)));
            const auto known = log_p(schedule, batches::host(x), t);
            list wanted;
            for (std::size_t m = 0; m < n * samples; ++m) wanted.push_back(known[m / samples]);
            CHECK(largest_error(batches::host(weights), wanted) < tolerance);
        }
        diamond::corrected_kernel kernel(
            diamond::early_stop_kernel(gaussian_map<own_batch>(context, schedule, true)),
            exact_density<own_batch>(context, schedule));
        kernel.begin(x, none, diamond::row(before));
        list base;
        for (index_t j = 0; j < n; ++j) {
            double sum = 0.0;
            for (std::size_t i = 0; i < 3; ++i)
                sum -= 0.5 * (diamond::square(batches::host(x)[i + 3 * static_cast<std::size_t>(j)]) +
                              std::log(2.0 * diamond::pi));
            base.push_back(sum);
        }
        CHECK(largest_error(batches::host(before), base) < tolerance);
        for (const interval span :
             {interval{0.0, 0.3}, interval{0.3, 0.7}, interval{0.7, 1.0}, interval{0.0, 1.0}}) {
            CAPTURE(span.from);
            context.from_host(log_p(schedule, batches::host(x), span.from).data(), n, before.data());
            kernel(x, span, none, stream(), next, diamond::row(before), diamond::row(after),
                   diamond::row(weight));
            CHECK(largest_error(batches::host(weight), list(n, 0.0)) < tolerance);
            CHECK(largest_error(batches::host(after), log_p(schedule, batches::host(next), span.to)) <
                  tolerance);
        }
    }
}

// Below: 4.5 standard errors for a mean of weights (once in 147,000), 5 for the largest of nine moments (once
// in 190,000); a dozen settings.
TEST_CASE("draws of a wrong map: mean weight p_t(x_t), weighted moments the posterior's; unweighted, "
          "measurably off") {
    const auto context = back_ends::eigen<double>::make(2);
    constexpr index_t samples = 40000;
    const auto x = batches::repeat<batch>(context, 1, point);
    batch drawn(context, 3, samples), weights(context, 1, samples);
    std::uint64_t seed = 20;
    for (const auto kind : {schedules::kind::linear, schedules::kind::cosine})
        for (const index_t evaluations : {1, 2})
            for (const double t : {0.0, 0.4, 0.75}) {
                const any_schedule schedule{kind};
                CAPTURE(std::string(schedule.name()));
                CAPTURE(t);
                diamond::corrected_posterior corrected(
                    diamond::diamond_map_posterior(
                        gaussian_map<batch>(context, schedule, false,
                                            any_schedule{schedules::kind::trigonometric}),
                        {.evaluations = evaluations}),
                    exact_density<batch>(context, schedule));
                corrected(x, t, none, stream(samples, ++seed), drawn, diamond::row(weights));
                const list z = batches::host(drawn), w = batches::host(weights);
                const auto truth = corrections::given(point, diamond::level_at(schedule, t), {1.0, 0.0});
                CHECK(within(mean_weight(w, log_p(schedule, point, t)[0]), 1.0));
                CHECK(largest_deviation(z, w, truth) < 5.0);
                CHECK(largest_deviation(z, list(samples, 0.0), truth) > 10.0);
            }
}

TEST_CASE("transitions of a wrong map: mean weight 1 at every x, weighted moments the exact kernel's; "
          "unweighted, measurably off") {
    const auto context = back_ends::eigen<double>::make(2);
    constexpr index_t n = 40000;
    batch next(context, 3, n), before(context, 1, n), after(context, 1, n), weights(context, 1, n);
    std::uint64_t seed = 60;
    for (const auto kind : {schedules::kind::linear, schedules::kind::variance_preserving})
        for (const interval span : {interval{0.0, 0.4}, interval{0.4, 0.7}, interval{0.7, 1.0}})
            for (const list& at : {point, list{-0.9, 1.4, -0.3}}) {
                const any_schedule schedule{kind};
                CAPTURE(std::string(schedule.name()));
                CAPTURE(span.from);
                diamond::corrected_kernel kernel(
                    diamond::early_stop_kernel(gaussian_map<batch>(context, schedule, false)),
                    exact_density<batch>(context, schedule));
                const auto x = batches::repeat<batch>(context, n, at);
                std::fill_n(before.data(), n, log_p(schedule, at, span.from)[0]);
                kernel(x, span, none, stream(1, ++seed), next, diamond::row(before), diamond::row(after),
                       diamond::row(weights));
                const list w = batches::host(weights);
                const auto truth = corrections::given(at, diamond::level_at(schedule, span.from),
                                                      diamond::level_at(schedule, span.to));
                CHECK(within(mean_weight(w, 0.0), 1.0));
                CHECK(largest_deviation(batches::host(next), w, truth) < 5.0);
                CHECK(largest_deviation(batches::host(next), list(n, 0.0), truth) > 10.0);
            }
}

TEST_CASE("a checkerboard from a Gaussian's draws: those outside weigh nothing, and the mean is p_t(x_t)") {
    const auto context = back_ends::eigen<double>::make(2);
    using linear = diamond::linear_schedule;
    const diamond::checkerboard<batch, linear> board(context, linear{});
    diamond::corrected_posterior corrected(
        diamond::diamond_map_posterior(diamond::gaussian_diamond_map(
            diamond::gaussian<batch, linear>(context, {}, {0.0, 0.0}, {9.0, 0.0, 0.0, 9.0}))),
        diamond::exact_density(linear{}, board));
    constexpr index_t samples = 40000;
    const auto x = batches::make<batch>(context, 2, 2, {0.3, -0.4, 0.9, 0.2});
    batch drawn(context, 2, 2 * samples), weights(context, 1, 2 * samples), known(context, 1, 2);
    auto space = board.make_workspace(context, 2);
    for (const double t : {0.1, 0.4}) {
        board.log_density(x, t, none, space, row(known));
        corrected(x, t, none, stream(samples, 90), drawn, diamond::row(weights));
        for (const std::ptrdiff_t j : {0, 1}) {
            const list w(weights.data() + j * samples, weights.data() + (j + 1) * samples);
            const auto dead = std::count(w.begin(), w.end(), -diamond::infinity);
            CHECK((dead > samples / 10 && dead < 9 * samples / 10));
            CHECK(within(mean_weight(w, known.data()[j]), 1.0));
        }
    }
}

TEST_CASE_TEMPLATE(
    "a density of zero weighs nothing, a particle without weight stays so, and no NaN is made of infinities",
    back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 40;
    const auto x = batches::normal<own_batch>(context, 3, n, 31);
    own_batch next(context, 3, n);
    diamond::rebind_t<own_batch, double> before(context, 1, n), after(context, 1, n), weight(context, 1, n);
    diamond::corrected_kernel kernel(
        diamond::early_stop_kernel(gaussian_map<own_batch>(context, {}, false)),
        corrections::altered(exact_density<own_batch>(context, {}), corrections::wall{0.3}));
    CHECK_FALSE(kernel.exact());
    list known = log_p({}, batches::host(x), 0.4);
    known[3] = known[17] = -diamond::infinity; // dead already
    context.from_host(known.data(), n, before.data());
    kernel(x, {0.4, 0.8}, none, stream(), next, diamond::row(before), diamond::row(after),
           diamond::row(weight));
    const list end = batches::host(next), w = batches::host(weight), p = batches::host(after);
    index_t dead = 0, alive = 0;
    for (std::size_t j = 0; j < n; ++j) {
        const bool outside = end[3 * j] < 0.3;
        CHECK((p[j] == -diamond::infinity) == outside);
        CHECK((w[j] == -diamond::infinity) == (outside || j == 3 || j == 17));
        CHECK(w[j] == w[j]);
        outside ? ++dead : ++alive;
    }
    CHECK((dead > 3 && alive > 3));
    // from there every particle whose log p is -inf weighs nothing, wherever it goes
    own_batch last(context, 3, n);
    diamond::rebind_t<own_batch, double> final_density(context, 1, n);
    kernel(next, {0.8, 1.0}, none, stream(1, 8), last, diamond::row(after), diamond::row(final_density),
           diamond::row(weight));
    const list again = batches::host(weight);
    for (std::size_t j = 0; j < n; ++j)
        if (p[j] == -diamond::infinity) CHECK(again[j] == -diamond::infinity);
}

TEST_CASE_TEMPLATE("weights that are NaN or +inf are refused by step and particle, t = 1 and other "
                   "dimensions by their numbers",
                   back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 5, samples = 4;
    const auto x = batches::normal<own_batch>(context, 3, n, 32);
    own_batch drawn(context, 3, n * samples), next(context, 3, n);
    diamond::rebind_t<own_batch, double> weights(context, 1, n * samples), before(context, 1, n),
        after(context, 1, n);
    const diamond::diamond_map_posterior draws(gaussian_map<own_batch>(context, {}, false));
    const diamond::early_stop_kernel moves(gaussian_map<own_batch>(context, {}, false));
    const auto blamed = [&](const auto& call) {
        try {
            call();
            static_cast<void>(diamond::to_host(weights)); // a device throws where the host waits
        } catch (const diamond::numeric_error& error) {
            return std::pair{error.step(), error.particle()};
        }
        return std::pair{-9L, -9L};
    };
    for (const double bad : {not_a_number, diamond::infinity}) {
        diamond::corrected_posterior posterior(
            draws,
            corrections::altered(exact_density<own_batch>(context, {}), corrections::spoil_column{14, bad}));
        CHECK(blamed([&] { posterior(x, 0.5, none, stream(samples), drawn, diamond::row(weights)); }) ==
              std::pair{3L, 3L}); // draw 14 is particle 3's
        diamond::corrected_kernel kernel(moves, corrections::altered(exact_density<own_batch>(context, {}),
                                                                     corrections::spoil_column{2, bad, 0.7}));
        kernel.begin(x, none, diamond::row(before));
        CHECK(blamed([&] {
                  kernel(x, {0.5, 0.7}, none, stream(), next, diamond::row(before), diamond::row(after),
                         diamond::row(weights).columns(0, n));
              }) == std::pair{3L, 2L});
        CHECK(blamed([&] {
                  kernel(x, {0.5, 0.6}, none, stream(), next, diamond::row(before), diamond::row(after),
                         diamond::row(weights).columns(0, n));
              }) == std::pair{-9L, -9L});
    }
    diamond::corrected_posterior posterior(draws, exact_density<own_batch>(context, {}));
    CHECK_THROWS_WITH_AS(posterior(x, 1.0, none, stream(samples), drawn, diamond::row(weights)),
                         doctest::Contains("point"), std::invalid_argument);
    const auto plane = diamond::exact_density(
        any_schedule{},
        diamond::gaussian<own_batch, any_schedule>(context, {}, {0.0, 0.0}, {1.0, 0.0, 0.0, 1.0}));
    CHECK_THROWS_WITH_AS(diamond::corrected_posterior(draws, plane),
                         "the posterior sampler has dimension 3, the density that corrects it 2",
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::corrected_kernel(moves, plane),
                         "the transition kernel has dimension 3, the density that corrects it 2",
                         std::invalid_argument);
}

namespace {
using conditional_field = labelled::field<batch, diamond::linear_schedule>;
struct scheduled : conditional_field {
    using conditional_field::conditional_field;
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
};
} // namespace

TEST_CASE("exact is what both densities say they are: the model's, and the draws' own") {
    const diamond::eigen::context context{.threads = 1};
    const auto map = gaussian_map<batch>(context, {}, true);
    const auto density = exact_density<batch>(context, {});
    using field = diamond::gaussian<batch, any_schedule>;
    const diamond::glass_diamond_map by_solver(any_schedule{}, diamond::exact_divergence{field(map.model())},
                                               diamond::explicit_midpoint{.steps = 2}, any_schedule{});
    const corrections::altered unknown(density, corrections::wall{-9.0});
    const auto posterior = [](const auto& m, const auto& d) {
        return diamond::corrected_posterior{diamond::diamond_map_posterior{m}, d}.exact();
    };
    const auto kernel = [](const auto& m, const auto& d) {
        const diamond::corrected_kernel one{diamond::early_stop_kernel{m}, d};
        return std::pair{one.exact_density(), one.exact()};
    };
    CHECK((posterior(map, density) && !posterior(by_solver, density) && !posterior(map, unknown)));
    CHECK(kernel(map, density) == std::pair{true, true});
    CHECK(kernel(by_solver, density) == std::pair{false, false}); // a solver's m is not quite its X's
    CHECK(kernel(map, unknown) == std::pair{true, false});
}

TEST_CASE("a condition stays with its particle, repeated for its draws") {
    const auto context = back_ends::eigen<double>::make(2);
    constexpr diamond::linear_schedule linear;
    constexpr index_t n = 9, samples = 2;
    const diamond::glass_diamond_map map(linear, diamond::exact_divergence{conditional_field(linear)},
                                         diamond::explicit_midpoint{.steps = 3});
    const diamond::flow_density density(diamond::ode_flow_map(diamond::exact_divergence{scheduled(linear)},
                                                              diamond::explicit_midpoint{.steps = 3}));
    const auto x = batches::normal<batch>(context, 2, n, 33);
    diamond::corrected_posterior posterior(diamond::diamond_map_posterior{map}, density);
    diamond::corrected_kernel kernel(diamond::early_stop_kernel{map}, density);
    diamond::resampled_posterior resampled(posterior, {.proposals = 3});
    const auto check = [&](std::size_t width, const auto& call) {
        const auto result = labelled::compare(context, n, width, call);
        CHECK(result.mixed == 0.0);
        CHECK(result.apart > 0.01);
    };
    check(samples, [&](const diamond::labels& c) {
        batch drawn(context, 2, n * samples), weights(context, 1, n * samples);
        posterior(x, 0.4, c, stream(samples), drawn, diamond::row(weights));
        return diamond::to_host(weights);
    });
    check(2 * samples, [&](const diamond::labels& c) {
        batch drawn(context, 2, n * samples);
        resampled(x, 0.4, c, stream(samples), drawn);
        return diamond::to_host(drawn);
    });
    check(1, [&](const diamond::labels& c) {
        batch next(context, 2, n), before(context, 1, n), after(context, 1, n), weights(context, 1, n);
        kernel.begin(x, c, diamond::row(before));
        kernel(x, {0.0, 0.5}, c, stream(), next, diamond::row(before), diamond::row(after),
               diamond::row(weights));
        return diamond::to_host(weights);
    });
}

namespace {
/// Draw m of a group of four is the number of its place, of weight 1, 2, 0 or 4; what is added, to all places
/// of the groups of particle 3, makes those no numbers.
template <class Batch>
struct numbered {
    using batch_type = Batch;
    using real = typename Batch::value_type;
    struct write {
        real* out;
        diamond::row_t<Batch> log_weights;
        bool dead;
        index_t group;
        double to_draw, to_weight;
        DIAMOND_HD void operator()(index_t m) const {
            const index_t place = m % 4;
            const bool third = m / group == 3;
            out[m] = static_cast<real>(static_cast<double>(place) + (third ? to_draw : 0.0));
            log_weights[m] = third && to_weight != 0.0 ? to_weight
                           : dead || place == 2        ? -diamond::infinity
                                                       : std::log(place == 0   ? 1.0
                                                                  : place == 1 ? 2.0
                                                                               : 4.0) -
                                                      900.0; // exp would be 0
        }
    };
    struct alone { // the sampler that it weighs
        using batch_type = Batch;
        [[nodiscard]] index_t dimension() const { return 1; }
        [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
        [[nodiscard]] diamond::cost spent() const { return {}; }
        [[nodiscard]] bool exact() const { return false; }
        void operator()(diamond::const_view_t<Batch>, double, diamond::no_condition, diamond::noise_stream,
                        diamond::view_t<Batch>) {}
    };
    bool dead = false;
    double to_draw = 0.0, to_weight = 0.0;
    [[nodiscard]] index_t dimension() const { return 1; }
    [[nodiscard]] diamond::linear_schedule schedule() const { return {}; }
    [[nodiscard]] diamond::cost spent() const { return {}; }
    [[nodiscard]] bool exact() const { return false; }
    [[nodiscard]] alone sampler() const { return {}; }
    void operator()(diamond::const_view_t<Batch>, double, diamond::no_condition, diamond::noise_stream noise,
                    diamond::view_t<Batch> out, diamond::row_t<Batch> log_weights) {
        out.context().for_each(out.columns(),
                               write{out.data(), log_weights, dead, noise.samples, to_draw, to_weight});
    }
};
} // namespace

TEST_CASE_TEMPLATE("a resampled posterior takes each proposal by its weight, for values and for transitions",
                   back_end, BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    constexpr index_t n = 10000, samples = 2;
    own_batch x(context, 1, n), drawn(context, 1, n * samples);
    diamond::resampled_posterior chosen(numbered<own_batch>{}, {.proposals = 4});
    CHECK_FALSE(chosen.exact());
    list seen[2];
    for (const auto why : {purpose::value, purpose::transition}) {
        chosen(x, 0.5, none, stream(samples, 7, why), drawn);
        const auto z = batches::host(drawn);
        for (const double place : {0.0, 1.0, 2.0, 3.0}) {
            const double wanted = (place == 0.0   ? 1.0
                                   : place == 1.0 ? 2.0
                                   : place == 2.0 ? 0.0
                                                  : 4.0) /
                                  7.0,
                         found = static_cast<double>(std::count(z.begin(), z.end(), place));
            // binomial: 4.5 standard errors, once in 147,000 each; a place of no weight is never taken
            CHECK(std::abs(found - wanted * n * samples) <=
                  4.5 * std::sqrt(n * samples * wanted * (1.0 - wanted)));
        }
        seen[why == purpose::value ? 0 : 1] = z;
    }
    CHECK(seen[0] != seen[1]); // by other uniforms
    diamond::resampled_posterior dead(numbered<own_batch>{.dead = true}, {.proposals = 4});
    const auto refused = [&] {
        dead(x, 0.5, none, stream(samples), drawn);
        static_cast<void>(diamond::to_host(drawn));
    };
    CHECK_THROWS_WITH_AS(refused(), doctest::Contains("weigh nothing"), diamond::numeric_error);
    for (const bool of_weights : {false, true})
        for (const double added : {not_a_number, diamond::infinity, -diamond::infinity}) {
            diamond::resampled_posterior broken(
                numbered<own_batch>{false, of_weights ? 0.0 : added, of_weights ? added : 0.0},
                {.proposals = 4});
            long step = -1, particle = -1;
            try {
                broken(x, 0.5, none, stream(samples), drawn);
                static_cast<void>(diamond::to_host(drawn));
            } catch (const diamond::numeric_error& error) {
                step = error.step();
                particle = error.particle();
            }
            CHECK(step == 3);
            CHECK(particle == 3);
        }
    for (const index_t proposals : {index_t{0}, index_t{1} << 62}) // 2^62 times 4 draws are 0 by 64 bits
        CHECK_THROWS_WITH_AS(diamond::resampled_posterior(numbered<own_batch>{}, {.proposals = proposals}),
                             doctest::Contains((diamond::digits_of(proposals) + " proposals").c_str()),
                             std::invalid_argument);
    CHECK_THROWS_WITH_AS(diamond::resampled_posterior(numbered<own_batch>{}, {.proposals = index_t{1} << 24})(
                             x, 0.5, none, stream(samples), drawn),
                         doctest::Contains("2^24 a particle"), std::invalid_argument);
}

TEST_CASE("of one proposal it is the plain sampler; its bias falls as 1/K") {
    const auto context = back_ends::eigen<double>::make(2);
    constexpr double t = 0.4;
    const diamond::diamond_map_posterior draws(gaussian_map<batch>(context, {}, false));
    const diamond::corrected_posterior corrected(draws, exact_density<batch>(context, {}));
    const auto x = batches::normal<batch>(context, 3, 6, 34);
    batch plain(context, 3, 12), drawn(context, 3, 12);
    auto alone = draws;
    alone(x, t, none, stream(2), plain);
    diamond::resampled_posterior one(corrected, {.proposals = 1});
    one(x, t, none, stream(2), drawn);
    CHECK(numbers::same_bits(diamond::to_host(plain), diamond::to_host(drawn)));

    // A draw depends on its slot's stream and its particle only: fewer particles, and another call between,
    // change no bit.
    diamond::resampled_posterior five(corrected, {.proposals = 5});
    five(x, t, none, stream(2), drawn);
    const auto all = diamond::to_host(drawn);
    auto pairs = stream(2);
    pairs.antithetic = true; // choices have no opposites
    five(x, t, none, pairs, drawn);
    CHECK(numbers::same_bits(diamond::to_host(drawn), all));
    five(x, t, none, stream(2, 8), drawn);
    CHECK(diamond::to_host(drawn) != all);
    batch few(context, 3, 4);
    five(x.read().columns(0, 2), t, none, stream(2), few);
    CHECK(numbers::same_bits(diamond::to_host(few), list(all.begin(), all.begin() + 12)));

    const auto truth = corrections::given(point, diamond::level_at(any_schedule{}, t), {1.0, 0.0});
    constexpr index_t n = 40000;
    const auto at = batches::repeat<batch>(context, 1, point);
    batch many(context, 3, n);
    double bias[3] = {}, error = 0.0; // of all three coordinates, root mean square
    for (const int which : {0, 1, 2}) {
        diamond::resampled_posterior sampler(corrected, {.proposals = which == 0 ? 1 : which == 1 ? 4 : 32});
        sampler(at, t, none, stream(n, 40), many);
        const statistics::samples z(many);
        error = 0.0;
        for (const index_t i : {0, 1, 2}) {
            const auto mean = statistics::mean(z, i);
            bias[which] += diamond::square(mean.value -
                                           static_cast<double>(truth.mean(static_cast<std::size_t>(i), 0)));
            error += diamond::square(mean.standard_error);
        }
        bias[which] = std::sqrt(bias[which]);
        error = std::sqrt(error);
    }
    std::printf(
        "resampled posterior, bias of the mean: %.4f of 1 proposal, %.4f of 4, %.4f of 32, known to %.4f\n",
        bias[0], bias[1], bias[2], error);
    CHECK(bias[0] > 30.0 * error);
    CHECK(bias[1] < 0.6 * bias[0]);
    // 1/8 up to O(1/K^2); the error of three normal numbers, once in 7,000
    CHECK(bias[2] < 0.2 * bias[1] + 4.5 * error);
}

} // namespace map_corrected_test
