#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/posterior_kernels.hpp>
#include <diamond/map/stepped_flow_map.hpp>

#include "support/any_schedule.hpp"
#include "support/back_ends.hpp"
#include "support/batches.hpp"
#include "support/models.hpp"
#include "support/statistics.hpp"

namespace map_kernels_test {

using diamond::index_t;
using diamond::interval;
using diamond::time_view;
using any_schedule = schedules::any; // any is a function of CUDA's
using statistics::largest_error;

namespace {

constexpr diamond::no_condition none;
using reference_batch = diamond::eigen::batch<double>;

/// sum of c_k a_k in double, element by element.
std::vector<double> sum(std::initializer_list<std::pair<double, std::vector<double>>> terms) {
    std::vector<double> result(terms.begin()->second.size());
    for (const auto& [c, a] : terms)
        for (std::size_t k = 0; k < result.size(); ++k) result[k] += c * a[k];
    return result;
}

} // namespace

TEST_CASE_TEMPLATE("every kernel is its formula in the stream's own noise, on every back end", back_end,
                   BACK_ENDS) {
    using own_batch = typename back_end::batch;
    const auto context = back_end::make();
    const auto double_context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 2, n = 30;
    const auto x = batches::normal<own_batch>(context, d, n, 1);
    const auto stream = diamond::philox{5}.stream(diamond::purpose::transition, 4);
    own_batch noise(context, d, n), end_noise(context, d, n), out(context, d, n);
    diamond::draw_normal(stream, noise.mutable_view());
    diamond::draw_normal(stream.with(diamond::purpose::transition_end), end_noise.mutable_view());
    const auto state = batches::host(x), eps = batches::host(noise), end = batches::host(end_noise);

    const any_schedule schedule{schedules::kind::trigonometric};
    const any_schedule inner{schedules::kind::linear};
    const auto solver = diamond::runge_kutta_4{.steps = 4};
    // The parts of each formula, in double; they are tested elsewhere.
    diamond::glass_diamond_map exact_map(schedule, models::mixture<reference_batch, any_schedule>(schedule),
                                         solver, inner);
    const auto in_double = [&](const std::vector<double>& numbers) {
        return batches::make<reference_batch>(double_context, d, n, numbers);
    };
    const auto mapped = [&](double to, double t) {
        reference_batch result(double_context, d, n);
        exact_map(in_double(eps), {0.0, to}, in_double(state), time_view(t), none, result);
        return batches::host(result);
    };

    diamond::glass_diamond_map map(schedule, models::mixture<own_batch, any_schedule>(schedule), solver,
                                   inner);
    diamond::early_stop_kernel stop(map);
    diamond::ddpm_posterior_kernel ddpm(diamond::diamond_map_posterior{map});
    diamond::ddpm_posterior_kernel constant(diamond::diamond_map_posterior{map},
                                            diamond::constant_correlation(-0.4));
    diamond::renoise_kernel renoise(diamond::diamond_map_posterior{map});
    diamond::glass_kernel glass(schedule, models::mixture<own_batch, any_schedule>(schedule), solver,
                                diamond::constant_correlation(0.7), inner);
    diamond::ancestral_kernel ancestral(schedule, models::mixture<own_batch, any_schedule>(schedule));

    for (const interval span : {interval{0.0, 0.3}, interval{0.4, 0.55}, interval{0.5, 1.0}}) {
        CAPTURE(span.from);
        const auto check = [&](auto& kernel, const std::vector<double>& wanted) {
            kernel(x, span, none, stream, out);
            // Four RK4 steps over a mixture amplify rounding tenfold.
            CHECK(largest_error(batches::host(out), wanted) < 10 * back_end::tolerance);
        };
        const auto from_posterior = [&](const auto& correlation) {
            const auto k = diamond::kernel_at(schedule, span, correlation);
            return sum({{k.abar, mapped(1.0, span.from)}, {k.gamma, state}, {k.sbar, end}});
        };
        const auto at = diamond::early_stop_at(schedule, inner, span);
        check(stop, sum({{at.outer, state}, {at.inner, mapped(at.inner_time, span.from)}}));
        check(ddpm, from_posterior(diamond::ddpm_correlation{}));
        check(constant, from_posterior(diamond::constant_correlation(-0.4)));
        check(renoise, from_posterior(diamond::constant_correlation(0.0)));

        const auto k = diamond::kernel_at(schedule, span, diamond::constant_correlation(0.7));
        diamond::inner_velocity velocity(schedule, models::mixture<reference_batch, any_schedule>(schedule),
                                         inner);
        auto xbar = in_double(sum({{k.gamma, state}, {1.0, eps}}));
        const auto outer = in_double(state);
        diamond::runge_kutta<diamond::runge_kutta_4, reference_batch> integrate(solver);
        integrate([&](auto from, double s,
                      auto to) { velocity(from, time_view(s), outer, time_view(span.from), k, none, to); },
                  {0.0, 1.0}, xbar.mutable_view());
        check(glass, batches::host(xbar));

        diamond::readings model(schedule, models::mixture<reference_batch, any_schedule>(schedule));
        reference_batch denoised(double_context, d, n);
        model.denoiser(outer, time_view(span.from), none, denoised);
        const auto step = diamond::kernel_at(schedule, span, diamond::ddpm_correlation{});
        check(ancestral, sum({{step.abar, batches::host(denoised)}, {step.gamma, state}, {step.sbar, eps}}));
    }
    // The cost of a kernel: three steps each, of one posterior draw (a stage that ends at s = 1 asks
    // nothing), 16 stages, or one evaluation.
    const auto draws = static_cast<std::int64_t>(3 * 15 * n);
    CHECK(ddpm.spent() == diamond::cost{.forward = draws});
    CHECK(renoise.spent() == diamond::cost{.forward = draws});
    CHECK(stop.spent() == diamond::cost{.forward = draws + 2 * n}); // stopped early twice
    CHECK(glass.spent() == diamond::cost{.forward = draws + 2 * n});
    CHECK(ancestral.spent() == diamond::cost{.forward = 3 * n});
    // A copy of a kernel works by itself.
    auto copy = glass;
    own_batch by_copy(context, d, n);
    glass(x, {0.4, 0.55}, none, stream, out);
    copy(x, {0.4, 0.55}, none, stream, by_copy);
    CHECK(diamond::to_host(by_copy) == diamond::to_host(out));
}

TEST_CASE("a kernel's result for a particle depends on its slot, not on its company") {
    const auto context = back_ends::eigen<double>::make();
    constexpr index_t n = 600; // more than a block
    const any_schedule schedule{};
    const auto x = batches::normal<reference_batch>(context, 2, n, 2);
    diamond::glass_kernel kernel(schedule, models::mixture<reference_batch, any_schedule>(schedule),
                                 diamond::heun{.steps = 3});
    const auto stream = diamond::philox{6}.stream(diamond::purpose::transition, 1);
    reference_batch all(context, 2, n), few(context, 2, 7);
    kernel(x, {0.2, 0.6}, none, stream, all);
    kernel(x.read().columns(0, 7), {0.2, 0.6}, none, stream, few);
    CHECK(diamond::to_host(few) == diamond::to_host(all.read().columns(0, 7)));
}

TEST_CASE("no kernel writes where it reads: it is refused, for the draws would be wrong in silence") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 2, n = 6;
    const any_schedule schedule{schedules::kind::linear};
    using field = models::mixture<reference_batch, any_schedule>;
    const auto solver = diamond::explicit_midpoint{.steps = 1};
    const diamond::glass_diamond_map map(schedule, field(schedule), solver,
                                         any_schedule{schedules::kind::linear});
    auto x = batches::normal<reference_batch>(context, d, 2 * n, 1);
    const auto refuses = [&](auto kernel) {
        const auto stream = diamond::philox{5}.stream(diamond::purpose::transition, 1);
        const auto draw = [&](index_t from, index_t to) {
            kernel(x.read().columns(from, n), interval{0.3, 0.6}, none, stream,
                   x.mutable_view().columns(to, n));
        };
        CHECK_THROWS_AS(draw(0, 0), std::invalid_argument);
        CHECK_THROWS_AS(draw(0, 1), std::invalid_argument); // in part
        CHECK_NOTHROW(draw(0, n));                          // neighbours share nothing
    };
    refuses(diamond::early_stop_kernel{map});
    refuses(diamond::ddpm_posterior_kernel{diamond::diamond_map_posterior{map}});
    refuses(diamond::renoise_kernel{diamond::diamond_map_posterior{map}});
    refuses(diamond::glass_kernel{schedule, field(schedule), solver});
    refuses(diamond::ancestral_kernel{schedule, field(schedule)});
    refuses(diamond::euler_maruyama_kernel{schedule, field(schedule)});
    refuses(diamond::ode_kernel{diamond::ode_flow_map{field(schedule), solver}});
}

TEST_CASE("nor does a flow map or a Diamond map") {
    const auto context = back_ends::eigen<double>::make(1);
    constexpr index_t d = 2, n = 6;
    const any_schedule schedule{schedules::kind::linear};
    using field = models::mixture<reference_batch, any_schedule>;
    const auto solver = diamond::explicit_midpoint{.steps = 1};
    auto memory = batches::normal<reference_batch>(context, d, 3 * n, 1);
    const auto part = [&](index_t first) { return memory.mutable_view().columns(first, n); };

    diamond::ode_flow_map flow(field(schedule), solver);
    diamond::stepped_flow_map stepped{flow};
    const auto refuses = [&](auto& map) {
        CHECK_THROWS_AS(map(part(0), interval{0.0, 1.0}, none, part(0)), std::invalid_argument);
        CHECK_THROWS_AS(map(part(0), interval{0.0, 1.0}, none, part(n - 1)), std::invalid_argument);
        CHECK_NOTHROW(map(part(0), interval{0.0, 1.0}, none, part(n)));
    };
    refuses(flow);
    refuses(stepped);

    diamond::glass_diamond_map inner(schedule, field(schedule), solver,
                                     any_schedule{schedules::kind::linear});
    const auto draw = [&](index_t xbar, index_t x_t, index_t out) {
        inner(part(xbar), interval{0.0, 1.0}, part(x_t), time_view(0.4), none, part(out));
    };
    CHECK_THROWS_AS(draw(0, n, 0), std::invalid_argument);
    CHECK_THROWS_AS(draw(0, n, n), std::invalid_argument);
    CHECK_NOTHROW(draw(0, 0, n)); // what is only read may be one batch
    CHECK_NOTHROW(draw(0, n, 2 * n));
}

} // namespace map_kernels_test
