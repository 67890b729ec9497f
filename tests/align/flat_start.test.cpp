/// Schedules that leave noise flat, alpha'(0) = 0: there a velocity says nothing of the data, a denoiser
/// does.
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>

#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/powers.hpp"
#include "support/predictions.hpp"
#include "support/statistics.hpp"

namespace align_flat_start_test {

namespace {
using batch = diamond::eigen::batch<double>;
using context = diamond::eigen::context;
using schedule = powers::any_power_schedule;
using model = diamond::gaussian<batch, schedule>;

constexpr double mean = 2.0, variance = 0.25, log_z = 2.125, tilted_mean = 2.25; // of N(2, 1/4), r(z) = z
constexpr diamond::index_t many = 2048;
constexpr diamond::interval whole{0.0, 1.0};

struct identity {
    template <class View>
    void operator()(const View& z, diamond::row_view<double, typename View::context_type> values) const {
        for (diamond::index_t j = 0; j < z.columns(); ++j) values[j] = z(0, j);
    }
    template <class View, class Out>
    void gradient(const View& z, const Out& out) const {
        for (diamond::index_t j = 0; j < z.columns(); ++j) out(0, j) = 1.0;
    }
};

/// Mean and variance within 4.5 standard errors: one false alarm in 147,000 each.
void has_law(const batch& x, double wanted_mean, double wanted_variance, double bias = 0.0) {
    double sum = 0.0, squares = 0.0;
    const auto values = batches::host(x);
    const auto n = static_cast<double>(values.size());
    for (const double value : values) sum += value;
    for (const double value : values) squares += diamond::square(value - sum / n);
    CHECK(std::abs(sum / n - wanted_mean) < 4.5 * std::sqrt(wanted_variance / n) + bias);
    CHECK(std::abs(squares / n - wanted_variance) < (4.5 * std::sqrt(2.0 / n) + bias) * wanted_variance);
}

/// All that a field with a denoiser must do, against closed forms.
template <class Field>
void works(const context& on, schedule plan, const Field& field) {
    const diamond::runge_kutta_4 solver{.steps = 8};
    const diamond::philox rng{7};
    const diamond::chain_options eight{.particles = many, .steps = 8};
    const diamond::glass_diamond_map map{plan, field, solver};
    const diamond::posterior_value value{diamond::diamond_map_posterior{map}, identity{}, {.samples = 4}};
    // SMC, by early stops: exact for its own chain, whose law is the map's.
    const auto result = diamond::smc{diamond::early_stop_kernel{map}, value, {.particles = many, .steps = 8}}(
        on, rng);
    CHECK(std::abs(result.log_z - log_z) < 4.5 * result.log_z_standard_error + 2e-3);
    // Transitions that keep the marginals
    has_law(diamond::chain{diamond::early_stop_kernel{map}, eight}(on, rng).particles, mean, variance, 2e-3);
    has_law(diamond::chain{diamond::glass_kernel{plan, field, solver}, eight}(on, rng).particles, mean,
            variance, 2e-3);
    has_law(
        diamond::chain{diamond::ddpm_posterior_kernel{diamond::diamond_map_posterior{map}}, eight}(on, rng)
            .particles,
        mean, variance, 2e-3);
    // The ODE needs a velocity only, and the last step of a unit norm's is not to be had from a denoiser.
    const diamond::explicit_midpoint fine{.steps = 64};
    has_law(diamond::chain{diamond::ode_kernel{diamond::ode_flow_map{field, fine}},
                           {.particles = many, .steps = 1}}(on, rng)
                .particles,
            mean, variance, 0.02);
    // Ancestral steps: too narrow, by the law's own recursion; their mean is right.
    const auto ancestral = diamond::chain{diamond::ancestral_kernel{plan, field}, eight}(on, rng);
    double sum = 0.0;
    for (const double x : batches::host(ancestral.particles)) sum += x / many;
    CHECK(std::abs(sum - mean) < 4.5 * std::sqrt(variance / many));
    // Euler-Maruyama's errors are those of its step.
    const auto walked = diamond::chain{diamond::euler_maruyama_kernel{plan, field},
                                       {.particles = many, .steps = 64}}(on, rng);
    has_law(walked.particles, mean, variance, 0.05);
    // Guidance by many draws
    const diamond::posterior_value tilting{diamond::diamond_map_posterior{map}, identity{}, {.samples = 16}};
    const auto guided = diamond::guidance{field, tilting, {.particles = 512, .steps = 16}}(on, rng);
    has_law(guided.particles, tilted_mean, variance, 0.04);
}
} // namespace

TEST_CASE("denoiser networks and models with a denoiser work with alpha'(0) = 0") {
    const auto on = back_ends::eigen<double>::make(2);
    for (const schedule plan : powers::flat_starts) {
        CAPTURE(plan.power);
        CAPTURE(plan.unit);
        const model exact(on, plan, {mean}, {variance});
        works(on, plan, diamond::denoiser_network(plan, predictions::denoiser_of<model>(exact)));
        works(on, plan, exact);
    }
}

TEST_CASE("a Diamond map at alpha'(0) = 0: draws of the data at t = 0, of the posterior after it, and "
          "products by differences") {
    const auto on = back_ends::eigen<double>::make(1);
    const diamond::index_t n = 5;
    const auto noise = batches::normal<batch>(on, 1, n, 1), x = batches::normal<batch>(on, 1, n, 2);
    const diamond::no_condition none;
    for (const schedule plan : powers::flat_starts)
        for (const double t : {0.0, 1e-3, 0.4}) {
            CAPTURE(plan.power);
            CAPTURE(plan.unit);
            CAPTURE(t);
            const model exact(on, plan, {mean}, {variance});
            diamond::glass_diamond_map map{
                plan, diamond::denoiser_network(plan, predictions::denoiser_of<model>(exact)),
                diamond::runge_kutta_4{.steps = 64}};
            diamond::gaussian_diamond_map closed(exact);
            batch found(on, 1, n), wanted(on, 1, n), up(on, 1, n), down(on, 1, n), by_noise(on, 1, n),
                by_x(on, 1, n);
            map(noise, whole, x, t, none, found);
            closed(noise, whole, x, t, none, wanted);
            CHECK(statistics::largest_error(batches::host(found), batches::host(wanted)) < 1e-6);
            // At s = 1, t* = 1, nothing has to be asked.
            CHECK(map.spent() == diamond::cost{.forward = (4 * 64 - 1) * n});
            map.vjp(noise, whole, x, t, none, batches::repeat<batch>(on, n, {1.0}), by_noise, by_x);
            closed.vjp(noise, whole, x, t, none, batches::repeat<batch>(on, n, {1.0}), up, down);
            CHECK(statistics::largest_error(batches::host(by_noise), batches::host(up)) < 1e-5);
            CHECK(statistics::largest_error(batches::host(by_x), batches::host(down)) < 1e-5);
        }
}

TEST_CASE(
    "where a network's prediction says nothing of the data a sentence says so, and no reward is blamed") {
    const auto on = back_ends::eigen<double>::make(1);
    const auto x = batches::normal<batch>(on, 1, 4, 3);
    const diamond::no_condition none;
    const auto check = [&](auto plan, const auto& field, const char* sentence) {
        const diamond::explicit_midpoint solver{.steps = 4};
        const diamond::philox rng{7};
        const diamond::chain_options one{.particles = 4, .steps = 2};
        diamond::glass_diamond_map map{plan, field, solver};
        const diamond::posterior_value value{diamond::diamond_map_posterior{map}, identity{}, {.samples = 2}};
        batch out(on, 1, 4);
        const std::vector<std::pair<const char*, std::function<void()>>> all{
            {"smc",
             [&] {
                 (void)diamond::smc{diamond::early_stop_kernel{map}, value, {.particles = 4, .steps = 2}}(
                     on, rng);
             }},
            {"early stop",
             [&] {
                 (void)diamond::chain{diamond::early_stop_kernel{map}, one}(on, rng);
             }},
            {"glass",
             [&] {
                 (void)diamond::chain{diamond::glass_kernel{plan, field, solver}, one}(on, rng);
             }},
            {"ddpm",
             [&] {
                 (void)diamond::chain{diamond::ddpm_posterior_kernel{diamond::diamond_map_posterior{map}},
                                      one}(on, rng);
             }},
            {"Euler-Maruyama",
             [&] {
                 (void)diamond::chain{diamond::euler_maruyama_kernel{plan, field}, one}(on, rng);
             }},
            {"ancestral",
             [&] {
                 (void)diamond::chain{diamond::ancestral_kernel{plan, field}, one}(on, rng);
             }},
            {"best of n",
             [&] {
                 (void)diamond::best_of_n{
                     diamond::early_stop_kernel{map}, identity{}, {.candidates = 4, .steps = 2}}(on, rng);
             }},
            {"denoised value",
             [&] {
                 diamond::denoised_value estimate{plan, field, identity{}};
                 diamond::rebind_t<batch, double> values(on, 1, 4);
                 estimate(x, 0.0, none, rng.stream(diamond::purpose::value), {.value = row(values)});
             }},
            {"map", [&] { map(x, whole, x, 0.0, none, out); }},
            {"map, a time a column",
             [&] {
                 const std::vector<double> own{0.3, 0.0, 0.2, 0.1};
                 map(x, whole, x, diamond::time_view(own.data()), none, out);
             }},
        };
        for (const auto& [name, run] : all) {
            CAPTURE(std::string(name));
            CHECK_THROWS_WITH_AS(run(), doctest::Contains(sentence), std::invalid_argument);
        }
        map(x, whole, x, 1e-3, none, out); // after noise it can be told
        for (const double z : batches::host(out)) CHECK(std::isfinite(z));
    };
    for (const schedule plan : powers::flat_starts)
        check(plan, predictions::velocity_of<model>{model(on, plan, {mean}, {variance})},
              "does not follow from a velocity where alpha(0) = alpha'(0) = 0");
    using straight = diamond::gaussian<batch, diamond::linear_schedule>;
    check(diamond::linear_schedule{},
          diamond::noise_network(diamond::linear_schedule{},
                                 predictions::noise_of<straight>(straight(on, {}, {mean}, {variance}))),
          "does not follow from a noise network where alpha(0) = 0");
}

TEST_CASE_TEMPLATE(
    "readings without the detour: D and N of denoiser and noise networks, at one time or a time a column",
    back_end, BACK_ENDS) {
    using batch_of = typename back_end::batch;
    using exact_of = diamond::gaussian<batch_of, schedule>;
    const auto on = back_end::make();
    const diamond::no_condition none;
    constexpr diamond::index_t n = 4;
    const auto x = batches::normal<batch_of>(on, 1, n, 4);
    for (const schedule plan : powers::flat_starts) {
        const exact_of exact(on, plan, {mean}, {variance});
        auto space = exact.make_workspace(on, n);
        const auto check = [&](auto readings, diamond::time_view t, bool knows_data, double stretch) {
            batch_of found(on, 1, n), wanted(on, 1, n);
            const auto same = [&] {
                return statistics::largest_error(batches::host(found), batches::host(wanted)) <
                       stretch * back_end::tolerance;
            };
            if (knows_data) {
                readings.denoiser(x, t, none, found);
                exact.denoiser(x, t, none, space, wanted);
                CHECK(same());
            }
            readings.noise(x, t, none, found);
            exact.noise(x, t, none, space, wanted);
            CHECK(same());
            readings.score(x, t, none, found);
            exact.score(x, t, none, space, wanted);
            CHECK(same());
        };
        const diamond::readings by_denoiser(
            plan, diamond::denoiser_network(plan, predictions::denoiser_of<exact_of>(exact)));
        const diamond::readings by_noise(
            plan, diamond::noise_network(plan, predictions::noise_of<exact_of>(exact)));
        const diamond::readings by_velocity(plan, predictions::velocity_of<exact_of>{exact});
        const auto own = diamond::from_host(on, 1, n, std::vector<double>{0.0, 1e-3, 0.4, 0.9});
        for (const double t : {0.0, 1e-3, 0.4, 0.9}) check(by_denoiser, t, true, 100);
        for (const double t : {0.0, 0.4, 0.9})
            check(by_noise, t, t > 0.0, 100); // D loses 1/alpha of its digits
        for (const double t : {0.0, 0.4, 0.9}) check(by_velocity, t, t > 0.0, 100);
        check(by_denoiser, diamond::time_view(own.data()), true, 100);
    }
}

} // namespace align_flat_start_test
