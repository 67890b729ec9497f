/// Results have the same bits on one and two threads; and a slot's draws do not depend on how many slots
/// there are.
#include <diamond/align/guidance.hpp>
#include <diamond/align/search.hpp>

#include <support/back_ends.hpp>
#include <support/numbers.hpp>

#include "cases.hpp"
#include "results.hpp"

namespace align_same_bits_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value, diamond::smc,
    diamond::smc_options;

#define REALS float, double

namespace {

/// A mixture of 300 components in 8 dimensions, evaluated as products.
template <class Batch>
mixture_of<Batch> many_parts(const diamond::backend_of_t<Batch>& context) {
    std::vector<double> means = numbers::normals<double>(8 * 300, 3);
    return {context, {}, std::vector<double>(300, 1.0), means, std::vector<double>(300, 0.09)};
}
template <class Real>
form_reward<Real, 8> tilt_8d() {
    return {{0.5, -0.3, 0.8, 0.1, -0.6, 0.2, 0.4, -0.2}, {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}};
}

template <class Back>
auto run_small(int threads, index_t particles) {
    using batch = typename Back::batch;
    const auto context = Back::make(threads);
    const auto model = mixture<batch>(context);
    smc sampler{ddpm_posterior_kernel{exact_posterior{model}},
                posterior_value{exact_posterior{model}, bowl_2d<typename Back::real>(2.0), {.samples = 2}},
                smc_options{.particles = particles,
                            .steps = 6,
                            .threshold = 0.9,
                            .log_delta = -4.0,
                            .record_ancestors = true}};
    auto result = sampler(context, philox{1});
    // What outlives its context: host numbers.
    auto host = diamond::to_host(result.particles);
    result.particles = {};
    return std::pair{std::move(result), std::move(host)};
}

template <class Result>
void check_same_bits(const Result& a, const Result& b) {
    CHECK(numbers::same_bits(a.second, b.second));
    CHECK(numbers::same_bits(a.first.log_weights, b.first.log_weights));
    CHECK(numbers::same_bits<double>({a.first.log_z, a.first.log_z_standard_error, a.first.log_delta},
                                     {b.first.log_z, b.first.log_z_standard_error, b.first.log_delta}));
    CHECK(a.first.families == b.first.families);
    CHECK(a.first.ancestors == b.first.ancestors);
    CHECK(a.first.steps == b.first.steps);
}

} // namespace

TEST_CASE_TEMPLATE("SMC gives the same bits on one thread and on two", real, REALS) {
    using back = back_ends::eigen<real>;
    for (const index_t n : {100, 5003}) check_same_bits(run_small<back>(1, n), run_small<back>(2, n));
}

#if defined(__SSE__)
TEST_CASE_TEMPLATE(
    "and in a process where another library has set flush-to-zero, before the context was made or after",
    real, REALS) {
    using back = back_ends::eigen<real>;
    // The bits flush results to zero, and take subnormal operands for zero.
    const unsigned ieee = _mm_getcsr(), flush = ieee | 0x8040u;
    const auto right = run_small<back>(2, 5003);
    _mm_setcsr(flush);
    check_same_bits(right, run_small<back>(1, 5003));
    check_same_bits(right, run_small<back>(2, 5003));
    _mm_setcsr(ieee);
}
#endif

TEST_CASE_TEMPLATE("so do all drivers on a model that works by products", real, REALS) {
    using back = back_ends::eigen<real>;
    using batch = typename back::batch;
    const auto run = [](int threads) {
        const auto context = back::make(threads);
        const auto model = many_parts<batch>(context);
        const exact_posterior draws{model};
        const ddpm_posterior_kernel kernel{draws};
        const posterior_value value{draws, tilt_8d<real>(), {.samples = 2}};
        std::vector<std::vector<real>> all;
        const auto keep = [&](const auto& result) { all.push_back(diamond::to_host(result.particles)); };
        keep(smc{kernel, value, smc_options{.particles = 1501, .steps = 4},
                 diamond::multinomial{}}(context, philox{2}));
        keep(diamond::guidance{model, value, {.particles = 700, .steps = 4}}(context, philox{2}));
        keep(diamond::best_of_n{kernel, tilt_8d<real>(), {.winners = 20, .candidates = 30, .steps = 3}}(
            context, philox{2}));
        keep(diamond::beam{kernel, value, {.beams = 20, .width = 4, .children = 7, .steps = 3}}(context,
                                                                                                philox{2}));
        keep(smc{diamond::glass_kernel{diamond::linear_schedule{}, model, diamond::heun{.steps = 2}},
                 diamond::exact_value{model, tilt_8d<real>()},
                 smc_options{.particles = 600, .steps = 3, .threshold = 2.0}}(context, philox{2}));
        return all;
    };
    const auto one = run(1), two = run(2);
    for (std::size_t k = 0; k < one.size(); ++k) {
        CAPTURE(k);
        CHECK(numbers::same_bits(one[k], two[k]));
    }
}

TEST_CASE_TEMPLATE("a slot's particles and values do not depend on the number of slots", real, REALS) {
    // Until resampling, which mixes them: threshold 0 puts it off for ever.
    using back = back_ends::eigen<real>;
    using batch = typename back::batch;
    const auto run = [](index_t particles) {
        const auto context = back::make(2);
        const auto model = many_parts<batch>(context);
        std::vector<std::vector<double>> seen;
        smc sampler{ddpm_posterior_kernel{exact_posterior{model}},
                    posterior_value{exact_posterior{model}, tilt_8d<real>(), {.samples = 3}},
                    smc_options{.particles = particles, .steps = 4, .threshold = 0.0, .log_delta = -1.0}};
        sampler(context, philox{4}, {}, [&](const auto& view) {
            seen.emplace_back(view.particles.data(), view.particles.data() + 8 * 37);
            seen.push_back(diamond::to_host(view.values.columns(0, 37)));
            seen.push_back(diamond::to_host(view.log_weights.columns(0, 37)));
        });
        return seen;
    };
    const auto few = run(37);
    for (const index_t n : {38, 300, 1025}) {
        const auto many = run(n);
        REQUIRE(many.size() == few.size());
        for (std::size_t k = 0; k < few.size(); ++k) CHECK(numbers::same_bits(many[k], few[k]));
    }
}

TEST_CASE("the purposes of a run draw different numbers") {
    // x_0, the noise of a transition and that of its values, at one step and slot.
    const philox rng{5};
    const auto context = back_ends::eigen<double>::make(1);
    std::vector<std::vector<double>> drawn;
    for (const auto p : {purpose::initial, purpose::transition, purpose::transition_end, purpose::value,
                         purpose::resampling, purpose::component, purpose::value_component})
        for (const index_t step : {0, 1}) {
            diamond::eigen::batch<double> out(context, 2, 3);
            diamond::draw_normal(rng.stream(p, step), out.mutable_view());
            drawn.push_back(diamond::to_host(out));
        }
    for (std::size_t a = 0; a < drawn.size(); ++a)
        for (std::size_t b = 0; b < a; ++b)
            for (const double x : drawn[a])
                for (const double y : drawn[b]) CHECK(x != y);
}

} // namespace align_same_bits_test
