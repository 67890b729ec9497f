/// Effective sample size, log mean weight and systematic resampling against golden values.
#include <diamond/align/resampling.hpp>
#include <diamond/align/smc_weights.hpp>

#include "golden/golden.hpp"

using namespace diamond;
using golden::error, golden::tolerance;

TEST_CASE("golden: effective sample size, log mean weight, systematic ancestors") {
    const eigen::context context{.threads = 1};
    for (const golden::file& file : golden::files()) {
        CAPTURE(file.name);
        const golden::json&   wanted     = file.content.at("resampling");
        const golden::list log_weight = golden::flat(wanted.at("log_weights"));
        const auto            n          = static_cast<index_t>(log_weight.size());
        const golden::list zeros(log_weight.size(), 0.0);
        detail::step_numbers  numbers;
        smc_step              line;
        detail::summarise_weights(context, n, zeros.data(), log_weight.data(), {zeros.data(), zeros.data()}, {.k = 0, .time = 0.5, .least_ess = 0.0, .last = false}, &numbers, &line);
        CHECK(error(line.ess, wanted.at("ess")) < tolerance);
        CHECK(error(numbers.log_mean, wanted.at("log_mean_weight")) < tolerance);

        std::vector<std::uint64_t>         cumulative(log_weight.size());
        std::vector<std::int32_t>          ancestors(log_weight.size());
        resampling_scratch<eigen::context> space;
        cumulative_weights(context, log_weight.data(), n, space, cumulative.data());
        systematic{}.with_offset(context, cumulative.data(), n, wanted.at("u").get<double>(), space, ancestors.data());
        CHECK(ancestors == wanted.at("systematic").get<std::vector<std::int32_t>>());
    }
}
