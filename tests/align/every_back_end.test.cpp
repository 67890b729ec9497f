/// Every driver on every back end: from the same seed the CPU's result, to rounding.
#include <diamond/align/guidance.hpp>
#include <diamond/align/search.hpp>

#include <support/back_ends.hpp>

#include "cases.hpp"

namespace align_every_back_end_test {

using namespace cases;
using diamond::ddpm_posterior_kernel, diamond::exact_posterior, diamond::posterior_value, diamond::smc,
    diamond::smc_options;

namespace {

/// What the drivers return, on the host, for their contexts end before the results are compared.
struct results {
    // particles of SMC, chain, guidance, best of N and beam; SMC's log weights; rewards
    std::vector<std::vector<double>> numbers;
    double log_z = 0.0, log_z_standard_error = 0.0;
    std::vector<std::int32_t> families;
    std::vector<std::vector<std::int32_t>> ancestors;
    index_t resampled = 0;
    std::vector<diamond::cost> spent;

    template <class Result>
    void add(const Result& result) {
        const auto host = diamond::to_host(result.particles);
        numbers.emplace_back(host.begin(), host.end());
        spent.push_back(result.spent);
    }
};

template <class Back>
results run_all(int threads) {
    using batch = typename Back::batch;
    const auto context = Back::make(threads);
    const auto model = mixture<batch>(context);
    const auto reward = bowl_2d<typename Back::real>(2.0);
    const exact_posterior draws{model};
    const ddpm_posterior_kernel kernel{draws};
    const posterior_value value{draws, reward, {.samples = 2}};
    results all;

    smc sampler{
        kernel, value,
        smc_options{
            .particles = 1000, .steps = 6, .threshold = 0.9, .log_delta = -4.0, .record_ancestors = true}};
    const auto weighted = sampler(context, philox{1});
    all.add(weighted);
    all.numbers.push_back(weighted.log_weights);
    all.log_z = weighted.log_z;
    all.log_z_standard_error = weighted.log_z_standard_error;
    all.families = weighted.families;
    all.ancestors = weighted.ancestors;
    all.resampled = std::count_if(weighted.steps.begin(), weighted.steps.end(),
                                  [](const auto& s) { return s.resampled; });

    all.add(diamond::chain{kernel, {.particles = 100, .steps = 4}}(context, philox{2}));
    all.add(diamond::guidance{model, value, {.particles = 100, .steps = 8}}(context, philox{3}));
    const auto best = diamond::best_of_n{kernel, reward, {.winners = 9, .candidates = 7, .steps = 4}}(
        context, philox{4});
    all.add(best);
    all.numbers.push_back(best.rewards);
    const auto found = diamond::beam{kernel, value, {.beams = 3, .width = 2, .children = 4, .steps = 4}}(
        context, philox{5});
    all.add(found);
    all.numbers.push_back(found.rewards);
    return all;
}

} // namespace

TEST_CASE_TEMPLATE("every driver has the CPU's result: the same ancestors and winners, numbers to rounding",
                   back, ALL_BACK_ENDS) {
    // Weights and scores differ by rounding, so an ancestor or a winner could differ by chance; on these
    // seeds none does.
    const auto expected = run_all<back_ends::eigen<typename back::real>>(2), found = run_all<back>(1);
    CHECK(found.ancestors == expected.ancestors);
    CHECK(found.families == expected.families);
    CHECK(found.resampled == expected.resampled);
    CHECK(found.resampled > 1);
    CHECK(found.spent == expected.spent);
    CHECK(std::abs(found.log_z - expected.log_z) < back::tolerance);
    CHECK(std::abs(found.log_z_standard_error - expected.log_z_standard_error) < back::tolerance);
    REQUIRE(found.numbers.size() == expected.numbers.size());
    for (std::size_t k = 0; k < found.numbers.size(); ++k) {
        CAPTURE(k);
        CHECK(statistics::largest_error(found.numbers[k], expected.numbers[k]) < 10.0 * back::tolerance);
    }
}

} // namespace align_every_back_end_test
