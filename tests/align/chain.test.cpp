/// A chain is its kernel, step by step.
#include <diamond/align/chain.hpp>
#include <diamond/align/guidance.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"

namespace align_chain_test {

using namespace cases;
using diamond::chain, diamond::cost, diamond::ddpm_posterior_kernel, diamond::exact_posterior;

TEST_CASE_TEMPLATE("a chain draws x_0 and applies the kernel along its grid", back, TWO_BACK_ENDS) {
    using batch = typename back::batch;
    const auto context = back::make(1);
    const auto model = mixture<batch>(context);
    const std::vector<double> times{0.0, 0.2, 0.5, 1.0};
    ddpm_posterior_kernel kernel{exact_posterior{model}};
    chain sampler(kernel, {.particles = 40, .times = times});
    CHECK(sampler.steps() == 3);
    std::vector<double> seen;
    const auto result = sampler(context, philox{1}, {}, [&](const auto& view) {
        seen.push_back(view.time);
        CHECK(view.step == static_cast<index_t>(seen.size()));
        CHECK(view.steps == 3);
        CHECK(view.particles.columns() == 40);
    });
    batch x(context, 2, 40), next(context, 2, 40);
    diamond::draw_normal(philox{1}.stream(purpose::initial), x.mutable_view());
    for (index_t k = 1; k <= 3; ++k) {
        kernel(x.read(),
               diamond::interval{times[static_cast<std::size_t>(k - 1)], times[static_cast<std::size_t>(k)]},
               {}, philox{1}.stream(purpose::transition, k), next.mutable_view());
        x.swap(next);
    }
    CHECK(diamond::to_host(result.particles) == diamond::to_host(x));
    CHECK(seen == std::vector(times.begin() + 1, times.end()));
    CHECK(result.complete);
    CHECK(result.spent == cost{.forward = 120});
    CHECK(result.seconds >= 0.0);
    CHECK(sampler(context, philox{1}).spent == cost{.forward = 120}); // this run's, not all runs'
}

TEST_CASE("a stopped chain says that it is incomplete, one stopped after the last step is not") {
    const auto context = back_ends::eigen<double>::make(1);
    chain sampler(ddpm_posterior_kernel{exact_posterior{mixture<diamond::eigen::batch<double>>(context)}},
                  {.particles = 5, .steps = 3});
    CHECK_FALSE(sampler(context, philox{1}, {}, [](const auto& view) { return view.step < 2; }).complete);
    CHECK(sampler(context, philox{1}, {}, [](const auto& view) { return view.step < 2; }).spent ==
          cost{.forward = 10});
    CHECK(sampler(context, philox{1}, {}, [](const auto& view) { return view.step < 3; }).complete);
}

} // namespace align_chain_test
