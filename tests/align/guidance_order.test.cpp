/// No solver and no grid leaves t = 0 out: guidance by every estimator begins there, and converges at its
/// solver's order.
///
/// For Gaussian data and a linear reward a . z the guided flow is known path by path: x_1 = X_{0,1}(x_0) + C
/// a, for V is linear in x and the exact value, r(D) and the pathwise gradient of any number of draws have
/// its gradient. So errors are deterministic, and their orders too.
#include <diamond/align/guidance.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>

#include <support/any_schedule.hpp>
#include <support/back_ends.hpp>

#include "cases.hpp"

namespace align_guidance_order_test {

using namespace cases;
using diamond::guidance;

namespace {

using batch = diamond::eigen::batch<double>;
constexpr double slope[3] = {0.5, -0.4, 0.8};

form_reward<double, 3> linear_reward() { return {{slope[0], slope[1], slope[2]}, {0.0, 0.0, 0.0}}; }

using schedules::kind;
using any_schedule = schedules::any; // one type for all schedules: each compiles all solvers
using model_type = diamond::gaussian<batch, any_schedule>;
model_type gaussian_on(const diamond::eigen::context& context, any_schedule schedule) {
    return {context, schedule, {0.7, -1.2, 0.4}, {1.3, 0.5, -0.2, 0.5, 0.6, 0.1, -0.2, 0.1, 0.25}};
}
/// X_{0,1}(x_0) + C a of the particles that a driver starts from.
std::vector<double> truth(const diamond::eigen::context& context, const model_type& model, index_t particles,
                          philox rng) {
    batch x(context, 3, particles), out(context, 3, particles);
    diamond::draw_normal(rng.stream(purpose::initial), x.mutable_view());
    diamond::gaussian_flow_map flow{model};
    flow(x.read(), diamond::interval{0.0, 1.0}, {}, out.mutable_view());
    auto result = diamond::to_host(out);
    const double covariance[9] = {1.3, 0.5, -0.2, 0.5, 0.6, 0.1, -0.2, 0.1, 0.25};
    for (std::size_t j = 0; j < static_cast<std::size_t>(particles); ++j)
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t k = 0; k < 3; ++k) result[3 * j + i] += covariance[3 * i + k] * slope[k];
    return result;
}

constexpr index_t particles = 20;
constexpr philox seed{12};

template <class Value, class Solver>
std::vector<double> guided(const diamond::eigen::context& context, const model_type& model,
                           const Value& value, Solver solver, index_t steps) {
    const auto result = guidance{model, value, {.particles = particles, .steps = steps}, solver}(context,
                                                                                                 seed);
    CHECK(result.complete);
    return diamond::to_host(result.particles);
}
/// Errors with 10, 20, 40 and 80 steps fall as the order says: by at least that of the last doubling, less a
/// tenth, or to what rounding and a tolerance leave.
template <class Value, class Solver>
void check_order(const char* name, const diamond::eigen::context& context, const model_type& model,
                 const Value& value, Solver solver, double order, const std::vector<double>& expected,
                 double floor = 1e-11) {
    double error[4];
    for (int k = 0; k < 4; ++k)
        error[k] = statistics::largest_error(guided(context, model, value, solver, index_t{10} << k),
                                             expected);
    MESSAGE(std::string(name), ": errors ", error[0], " ", error[1], " ", error[2], " ", error[3], ", order ",
            std::log2(error[2] / error[3]));
    CHECK((error[3] < floor || std::log2(error[2] / error[3]) > order - 0.1));
    CHECK(error[0] < 1.0);
    CHECK(error[3] < error[0] + floor);
}
template <class Value>
void check_solvers(const char* name, const diamond::eigen::context& context, const model_type& model,
                   const Value& value, const std::vector<double>& expected) {
    CAPTURE(std::string(name));
    const auto order = [&](const char* solver, auto of, double p, double floor = 1e-11) {
        check_order((std::string(name) + ", " + solver).c_str(), context, model, value, of, p, expected,
                    floor);
    };
    order("Euler", diamond::euler{.steps = 1}, 1.0);
    order("midpoint", diamond::explicit_midpoint{.steps = 1}, 2.0);
    order("midpoint, three inner steps", diamond::explicit_midpoint{.steps = 3}, 2.0);
    order("Heun", diamond::heun{.steps = 1}, 2.0);
    order("Runge-Kutta 4", diamond::runge_kutta_4{.steps = 1}, 4.0);
    // tolerances of 1e-6 a step, 10 and more steps
    order("Dormand-Prince", diamond::dormand_prince{}, 5.0, 2e-5);
}

} // namespace

TEST_CASE(
    "guidance by every estimator with V's gradient converges to the tilted flow at its solver's order") {
    const diamond::eigen::context context{.threads = 1};
    const auto check = [&](any_schedule schedule) {
        const auto model = gaussian_on(context, schedule);
        const auto expected = truth(context, model, particles, seed);
        CAPTURE(std::string(schedule.name()));
        check_solvers("exact value", context, model, diamond::exact_value{model, linear_reward()}, expected);
        check_solvers("denoised value", context, model,
                      diamond::denoised_value{schedule, model, linear_reward()}, expected);
        const diamond::diamond_map_posterior draws{diamond::gaussian_diamond_map{model}};
        for (const index_t samples : {1, 2})
            check_solvers("pathwise value", context, model,
                          diamond::pathwise_posterior_value{draws, linear_reward(), {.samples = samples}},
                          expected);
    };
    check(any_schedule{kind::linear});
    check(any_schedule{kind::trigonometric});
}

TEST_CASE(
    "guidance by point values of a concave reward converges to a limit of its own at its solver's order") {
    // r(D) ignores the posterior's spread and the look-ahead its place: both are biased, and the limit is
    // what 640 steps of Runge and Kutta's give.
    const diamond::eigen::context context{.threads = 1};
    const any_schedule schedule{kind::linear};
    const auto model = gaussian_on(context, schedule);
    const auto check = [&](const char* name, const auto& value) {
        check_solvers(name, context, model, value,
                      guided(context, model, value, diamond::runge_kutta_4{.steps = 1}, 640));
    };
    check("denoised value of a bowl", diamond::denoised_value{schedule, model, bowl_3d<double>()});
    check("look-ahead of a bowl",
          diamond::look_ahead_value{schedule, diamond::gaussian_flow_map{model}, bowl_3d<double>()});
    check("look-ahead of a linear reward",
          diamond::look_ahead_value{schedule, diamond::gaussian_flow_map{model}, linear_reward()});
}

TEST_CASE(
    "the look-ahead's guidance by a linear reward is exact on standard normal data, and begins at t = 0") {
    const diamond::eigen::context context{.threads = 1};
    const auto check = [&](any_schedule schedule, double allowance) {
        const model_type model(context, schedule, {0.0, 0.0, 0.0}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
        const auto start = guided(
            context, model,
            diamond::look_ahead_value{schedule, diamond::gaussian_flow_map{model}, linear_reward()},
            diamond::runge_kutta_4{.steps = 1}, 32);
        batch x(context, 3, particles);
        diamond::draw_normal(seed.stream(purpose::initial), x.mutable_view());
        auto expected = diamond::to_host(x);
        for (std::size_t k = 0; k < expected.size(); ++k) expected[k] += slope[k % 3];
        CAPTURE(std::string(schedule.name()));
        CHECK(statistics::largest_error(start, expected) < allowance);
    };
    check(any_schedule{kind::linear}, 1e-5);
    check(any_schedule{kind::trigonometric}, 1e-5);
    check(any_schedule{kind::variance_preserving}, 1e-2); // alpha(0) = 0.0066
}

TEST_CASE("guidance by point and pathwise values runs on the variance preserving schedule, from any grid") {
    const diamond::eigen::context context{.threads = 1};
    const any_schedule schedule{kind::variance_preserving};
    const auto model = gaussian_on(context, schedule);
    const auto expected = truth(context, model, particles, seed);
    const diamond::diamond_map_posterior draws{diamond::gaussian_diamond_map{model}};
    const auto check = [&](const auto& value) {
        for (const auto& times :
             {std::vector<double>{}, std::vector<double>{0.0, 1e-6, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0},
              std::vector<double>{0.0, 0.3, 0.5, 0.7, 0.9, 1.0}}) {
            const auto result = guidance{model,
                                         value,
                                         {.particles = particles, .steps = 32, .times = times},
                                         diamond::runge_kutta_4{.steps = 4}}(context, seed);
            // alpha(0) = 0.0066 of the data is missing from x_0, as from every flow on this schedule.
            CHECK(statistics::largest_error(diamond::to_host(result.particles), expected) < 3e-2);
        }
    };
    check(diamond::denoised_value{schedule, model, linear_reward()});
    check(diamond::pathwise_posterior_value{draws, linear_reward()});
}

TEST_CASE_TEMPLATE("guidance by the denoised value, the look-ahead and one pathwise draw on every back end",
                   back, BACK_ENDS) {
    using own_batch = typename back::batch;
    using real = typename back::real;
    const auto run = [](auto where, auto tag) {
        using batch_here = typename decltype(tag)::batch;
        const auto context = where(1);
        const auto model = gaussian<batch_here>(context);
        const auto reward = bowl_3d<real>();
        const diamond::ode_flow_map flow{model, diamond::explicit_midpoint{.steps = 2}};
        const diamond::diamond_map_posterior draws{diamond::glass_diamond_map{
            diamond::linear_schedule{}, model, diamond::explicit_midpoint{.steps = 2}}};
        const auto options = diamond::guidance_options{.particles = 30, .steps = 5};
        std::vector<double> all;
        const auto add = [&](const auto& value) {
            for (const double x : diamond::to_host(
                     guidance{model, value, options, diamond::runge_kutta_4{.steps = 1}}(context, seed)
                         .particles))
                all.push_back(x);
        };
        add(diamond::denoised_value{diamond::linear_schedule{}, model, reward});
        add(diamond::look_ahead_value{diamond::linear_schedule{}, flow, reward});
        add(diamond::pathwise_posterior_value{draws, reward});
        return all;
    };
    static_assert(std::is_same_v<own_batch, typename back::batch>);
    // Near t = 0 the Jacobian of D is a difference of numbers of size 1, times b: 20 roundings of the first
    // step's.
    CHECK(statistics::largest_error(run([](int n) { return back::make(n); }, back{}),
                                    run([](int n) { return back_ends::eigen<real>::make(n); },
                                        back_ends::eigen<real>{})) < 50.0 * back::tolerance);
}

TEST_CASE("a chain of Euler-Maruyama begins at t = 0 and converges at order 1 in law") {
    // Moments of 2 10^5 particles of data N(0.7, 1.3): standard errors .0026 and .0041, against errors that
    // halve from .1.
    const diamond::eigen::context context{.threads = 2};
    const auto check = [&](any_schedule schedule) {
        const model_type model(context, schedule, {0.7}, {1.3});
        double error[3];
        for (int k = 0; k < 3; ++k) {
            constexpr index_t n = 200'000;
            const auto result = diamond::chain{diamond::euler_maruyama_kernel{schedule, model},
                                               {.particles = n, .steps = index_t{10} << k}}(context,
                                                                                            philox{5});
            double mean = 0.0, second = 0.0;
            for (index_t j = 0; j < n; ++j) {
                mean += result.particles.data()[j] / static_cast<double>(n);
                second += diamond::square(result.particles.data()[j]) / static_cast<double>(n);
            }
            error[k] = std::abs(mean - 0.7) + std::abs(second - mean * mean - 1.3);
        }
        MESSAGE(std::string(schedule.name()), ": errors ", error[0], " ", error[1], " ", error[2]);
        CHECK(error[2] < 0.65 * error[1] + 0.02);
        CHECK(error[1] < 0.65 * error[0] + 0.02);
        CHECK(error[2] < 0.12);
    };
    check(any_schedule{kind::linear});
    check(any_schedule{kind::trigonometric});
}

} // namespace align_guidance_order_test
