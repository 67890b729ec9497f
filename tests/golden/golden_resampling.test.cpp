/// Effective sample size, log mean weight and systematic resampling against golden values.
#include <diamond/align/resampling.hpp>
#include <diamond/align/smc_steps.hpp>
#include <diamond/backend/eigen.hpp>

#include "golden/golden.hpp"

namespace golden_golden_resampling_test {

using namespace diamond;
using golden::error, golden::tolerance;

TEST_CASE("golden: effective sample size, log mean weight, systematic ancestors") {
    const eigen::context context{.threads = 1};
    for (const golden::file& file : golden::files()) {
        CAPTURE(file.name);
        const golden::json& wanted = file.content.at("resampling");
        const golden::list log_weight = golden::flat(wanted.at("log_weights"));
        const auto n = static_cast<index_t>(log_weight.size());
        // The weights of a first step whose values are the log weights.
        smc_state<eigen::batch<double>, no_condition> state(
            context, philox{1}, {}, {.dimension = 1, .particles = n, .steps = 1, .record_ancestors = false},
            {});
        detail::begin(state, 0.0, -infinity);
        context.from_host(log_weight.data(), n, state.next_v.data());
        detail::weigh(state, {.k = 1, .time = 0.5, .least_ess = 0.0, .last = false});
        CHECK(error(state.line(1)[0].ess, wanted.at("ess")) < tolerance);
        CHECK(error(state.step_sums.data()->log_mean, wanted.at("log_mean_weight")) < tolerance);

        std::vector<std::uint64_t> cumulative(log_weight.size());
        std::vector<std::int32_t> ancestors(log_weight.size());
        resampling_scratch<eigen::context> space;
        cumulative_weights(context, log_weight.data(), n, space, cumulative.data());
        systematic{}.with_offset(context, cumulative.data(), n, wanted.at("u").get<double>(), space,
                                 ancestors.data());
        CHECK(ancestors == wanted.at("systematic").get<std::vector<std::int32_t>>());
    }
}

} // namespace golden_golden_resampling_test
