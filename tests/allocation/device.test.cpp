/// On a device a step neither allocates nor waits, results are the CPU's up to rounding and its ancestors the
/// same, and what fails is told when the host waits. The device is emulated: its functors run on the CPU,
/// later, in memory that the host cannot touch.
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include <diamond/diamond.hpp>

#include <support/back_ends.hpp>

namespace allocation_device_test {

using diamond::index_t, diamond::philox;

namespace {
using cpu = diamond::thrust_cpu::context;
using device = emulated::context;

struct target {
    double forbidden_above = diamond::infinity, nan_above = diamond::infinity;
    template <class Column>
    DIAMOND_HD double operator()(const Column& z) const {
        const double x = static_cast<double>(z[0]);
        if (x > nan_above) return NAN;
        return x > forbidden_above ? -diamond::infinity : 1.5 * x - 0.5 * static_cast<double>(z[1]);
    }
};

template <class Context>
auto mixture(const Context& context) {
    return diamond::gaussian_mixture<diamond::owning_batch<double, Context>, diamond::linear_schedule>{
        context, {}, {0.5, 0.3, 0.2}, {-2, 0, 1, 2, 2, -1}, {0.1, 0.2, 0.3}};
}
template <class Context>
auto sampler(const Context& context, const target& reward, const diamond::smc_options& options) {
    const auto model = mixture(context);
    const diamond::glass_diamond_map map{diamond::linear_schedule{}, model,
                                         diamond::explicit_midpoint{.steps = 4}};
    return diamond::smc{diamond::early_stop_kernel{map},
                        diamond::posterior_value{diamond::diamond_map_posterior{map}, reward, {.samples = 2}},
                        options};
}
const diamond::smc_options options{
    .particles = 300, .steps = 6, .plain_ratio = 0.0, .record_ancestors = true};

/// On a device these functors are compiled into other loops, where a multiplication and an addition may be
/// one rounding.
constexpr double rounding = 1e-9;
void check_near(double a, double b) { CHECK((a == b || a == doctest::Approx(b).epsilon(rounding).scale(1))); }
template <class Real>
void check_near(const std::vector<Real>& a, const std::vector<Real>& b) {
    REQUIRE(a.size() == b.size());
    for (std::size_t k = 0; k < a.size(); ++k) check_near(a[k], b[k]);
}

/// Waits and allocations of `step`, called after two calls that may make room.
template <class Step>
emulated::counts of_a_steady_step(const device& context, const Step& step) {
    for (int warm_up = 0; warm_up < 2; ++warm_up) step();
    const auto before = context.counted();
    step();
    const auto after = context.counted();
    return {after.waits - before.waits, after.allocations - before.allocations};
}
} // namespace

TEST_CASE("the emulated device kills a host that touches its memory") {
    const device context;
    const auto x = diamond::from_host<double>(context, 1, 1, {7.0});
    CHECK(diamond::to_host(x).front() == 7.0);
    const pid_t child = fork();
    if (child == 0) {
        std::signal(SIGSEGV, SIG_DFL);
        const volatile double seen = *x.data();
        _exit(seen == 7.0 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
}

TEST_CASE("SMC is the CPU's, whether a step resamples or not") {
    const cpu here;
    const device there;
    for (const double threshold : {0.0, 0.5, 0.9, 2.0}) {
        CAPTURE(threshold);
        auto chosen = options;
        chosen.threshold = threshold;
        const auto a = sampler(here, {}, chosen)(here, philox{1});
        const auto b = sampler(there, {}, chosen)(there, philox{1});
        CHECK(a.ancestors == b.ancestors);
        CHECK(a.families == b.families);
        check_near(a.log_z, b.log_z);
        check_near(a.log_z_standard_error, b.log_z_standard_error);
        check_near(a.log_weights, b.log_weights);
        check_near(a.log_delta, b.log_delta);
        check_near(diamond::to_host(a.particles), diamond::to_host(b.particles));
        REQUIRE(a.steps.size() == b.steps.size());
        for (std::size_t k = 0; k < a.steps.size(); ++k) {
            CHECK(a.steps[k].resampled == b.steps[k].resampled);
            CHECK(a.steps[k].floored == b.steps[k].floored);
            check_near(a.steps[k].ess, b.steps[k].ess);
            check_near(a.steps[k].least_increment, b.steps[k].least_increment);
            check_near(a.steps[k].largest_increment, b.steps[k].largest_increment);
            check_near(a.steps[k].largest_share, b.steps[k].largest_share);
            check_near(a.steps[k].mean_value, b.steps[k].mean_value);
        }
    }
}

TEST_CASE_TEMPLATE("so it is with every resampler", Resampler, diamond::systematic, diamond::stratified,
                   diamond::multinomial, diamond::residual) {
    const cpu here;
    const device there;
    const auto run = [](const auto& context) {
        const diamond::exact_posterior posterior{mixture(context)};
        diamond::smc program{diamond::ddpm_posterior_kernel{posterior},
                             diamond::posterior_value{posterior, target{}, {.samples = 2}}, options,
                             Resampler{}};
        return program(context, philox{2});
    };
    const auto a = run(here);
    const auto b = run(there);
    check_near(a.log_z, b.log_z);
    CHECK(a.ancestors == b.ancestors);
    CHECK(a.families == b.families);
}

TEST_CASE("a step of SMC neither waits nor allocates, and a whole run waits only for its result") {
    const device context;
    auto program = sampler(context, {}, {.particles = 300, .steps = 8, .plain_ratio = 0.0});
    auto state = program.start(context, philox{3});
    const auto spent = of_a_steady_step(context, [&] { program.step(state); });
    CHECK(spent.waits == 0);
    CHECK(spent.allocations == 0);
    const auto before = context.counted().waits;
    while (!state.done()) program.step(state);
    CHECK(context.counted().waits == before);
    CHECK(program.finish(std::move(state)).complete);
    CHECK(context.counted().waits > before); // the count counts
}

TEST_CASE("a snapshot of a run on a device goes on to the same bits") {
    const device context;
    auto program = sampler(context, {}, options);
    const auto whole = program(context, philox{4});
    auto state = program.start(context, philox{4});
    for (int k = 0; k < 3; ++k) program.step(state);
    const auto resumed = program(context, philox{4}, state.snapshot());
    CHECK(whole.log_z == resumed.log_z);
    CHECK(whole.ancestors == resumed.ancestors);
    CHECK(diamond::to_host(whole.particles) == diamond::to_host(resumed.particles));
}

TEST_CASE("a reward that is no number is told with its step and particle, as on the CPU, and the device goes "
          "on working") {
    const cpu here;
    const device there;
    const target broken{.nan_above = 3.0};
    const auto place = [&](const auto& context) {
        try {
            static_cast<void>(sampler(context, broken, options)(context, philox{5}));
        } catch (const diamond::numeric_error& error) {
            return std::pair{error.step(), error.particle()};
        }
        return std::pair{-2L, -2L};
    };
    CHECK(place(here) == place(there));
    CHECK(place(there).first >= 1);
    CHECK(sampler(there, {}, options)(there, philox{5}).complete);
}

TEST_CASE("weights that all die are told by the same exception") {
    const cpu here;
    const device there;
    const target none{.forbidden_above = -100.0};
    CHECK_THROWS_AS(sampler(here, none, options)(here, philox{6}), diamond::dead_weights);
    CHECK_THROWS_AS(sampler(there, none, options)(there, philox{6}), diamond::dead_weights);
}

TEST_CASE("a step of a chain neither waits nor allocates; guidance waits for no step, and once at its end") {
    const device context;
    const auto model = mixture(context);
    const diamond::glass_diamond_map map{diamond::linear_schedule{}, model,
                                         diamond::explicit_midpoint{.steps = 4}};
    diamond::early_stop_kernel kernel{map};
    const auto normals = diamond::from_host<double>(context, 2, 300, std::vector<double>(600, 0.3));
    emulated::batch<double> next(context, 2, 300);
    const auto spent = of_a_steady_step(context, [&] {
        kernel(normals.read(), {0.3, 0.6}, {}, philox{7}.stream(diamond::purpose::transition, 1),
               next.mutable_view());
    });
    CHECK(spent.waits == 0);
    CHECK(spent.allocations == 0);

    diamond::guidance program{model,
                              diamond::posterior_value{diamond::diamond_map_posterior{map},
                                                       diamond::linear_reward<emulated::batch<double>>{
                                                           context, std::vector<double>{1, -1}},
                                                       {.samples = 4}},
                              {.particles = 100, .steps = 6}};
    const auto before = context.counted().waits;
    const auto result = program(context, philox{8});
    CHECK(result.complete);
    CHECK(context.counted().waits == before + 1); // for its warnings, once the run is over
}

TEST_CASE("a training step neither waits nor allocates; its state and report are the CPU's") {
    const auto of = [](const auto& context, auto&& watch) {
        using batch = diamond::owning_batch<double, std::decay_t<decltype(context)>>;
        const diamond::training_set<batch> data{
            diamond::from_host<double>(context, 2, 3, {0, 1, 2, -1, -2, 0.5}), 0.3, {0, 1, 1}};
        const diamond::diamond_mlp<batch, diamond::linear_schedule> network{
            {},
            diamond::gaussian_frame<batch>(context, {{0.0, 0.0}, {2.0, 1.0}, {}}),
            {.mlp = {.width = 24, .blocks = 2}, .classes = 2}};
        diamond::diamond_trainer trainer(network, data, philox{9},
                                         {.steps = 9, .batch = 300, .diagonal_first = 0.0});
        auto state = trainer.start();
        watch([&] { trainer.step(state); });
        const auto report = trainer.report(state);
        auto numbers = diamond::to_host(state.average);
        numbers.insert(numbers.end(), {report.diagonal_loss, report.off_diagonal_loss, report.gradient_norm});
        return numbers;
    };
    const device there;
    const cpu here;
    const auto on_device = of(there, [&](const auto& step) {
        const auto spent = of_a_steady_step(there, step);
        CHECK(spent.waits == 0);
        CHECK(spent.allocations == 0);
    });
    const auto on_cpu = of(here, [](const auto& step) {
        for (int k = 0; k < 3; ++k) step();
    });
    check_near(on_device, on_cpu);
}

} // namespace allocation_device_test
