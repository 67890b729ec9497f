/// Two results of SMC, bit by bit.
#pragma once

#include <diamond/align/smc_result.hpp>

#include <support/numbers.hpp>

namespace cases {

/// All but the seconds.
template <class Batch>
void check_same(const diamond::smc_result<Batch>& a, const diamond::smc_result<Batch>& b) {
    using numbers::same_bits;
    CHECK(same_bits(diamond::to_host(a.particles), diamond::to_host(b.particles)));
    CHECK(same_bits(a.log_weights, b.log_weights));
    CHECK(same_bits(a.rewards, b.rewards));
    CHECK(same_bits(a.log_densities, b.log_densities));
    CHECK(same_bits<double>({a.log_z, a.log_z_standard_error, a.ess, a.correction_ess, a.log_delta},
                            {b.log_z, b.log_z_standard_error, b.ess, b.correction_ess, b.log_delta}));
    CHECK(a.log_z_method == b.log_z_method);
    CHECK(a.families == b.families);
    CHECK(a.steps == b.steps);
    CHECK(a.ancestors == b.ancestors);
    CHECK(a.warnings == b.warnings);
    CHECK(a.complete == b.complete);
    CHECK(a.exact_for_sampler == b.exact_for_sampler);
    CHECK(a.exact_for_density == b.exact_for_density);
    CHECK(a.exact_for_model == b.exact_for_model);
    CHECK(a.spent == b.spent);
    CHECK(a.plan.draws == b.plan.draws);
    CHECK(same_bits<double>({a.plan.relative_variance}, {b.plan.relative_variance}));
    CHECK(a.plan.reason == b.plan.reason);
}

} // namespace cases
