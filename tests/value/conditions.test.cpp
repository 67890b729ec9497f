// A condition stays with its particle, and with that particle's samples, in every estimator: the network's
// and the reward's.
#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/value/point_values.hpp>
#include <diamond/value/posterior_value.hpp>
#include <diamond/value/weighted_value.hpp>

#include "estimates.hpp"
#include "support/any_schedule.hpp"
#include "support/labelled.hpp"

namespace value_conditions_test {

using diamond::index_t, diamond::labels;
using schedules::any;
using batch = diamond::eigen::batch<double>;

TEST_CASE("every estimator's value and guidance take each particle's own label") {
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t n = 11;
    const labelled::field<batch, any> field{any{}};
    const auto x = batches::normal<batch>(context, 2, n, 1);
    const diamond::heun solver{.steps = 3};
    const auto check = [&](auto estimator, double t) {
        const auto value = labelled::compare(context, n, 1, [&](const labels& c) {
            diamond::owning_batch<double, diamond::eigen::context> out(context, 1, n);
            estimator(x, t, c, estimates::stream(), {.value = row(out)}); // the rest is not asked for
            return batches::host(out);
        });
        const auto guidance = labelled::compare(context, n, 2, [&](const labels& c) {
            batch out(context, 2, n);
            estimator.guidance(x, t, c, estimates::stream(), out);
            return batches::host(out);
        });
        CAPTURE(t);
        CHECK(value.mixed < 1e-12);
        CHECK(value.apart > 0.1);
        CHECK(guidance.mixed < 1e-11);
        if (t < 1.0) CHECK(guidance.apart > 0.01); // on the linear schedule b(1) = 0
    };
    diamond::diamond_map_posterior posterior(diamond::glass_diamond_map(any{}, field, solver));
    diamond::ode_flow_map map(field, solver);
    for (const double t : {0.0, 0.4, 1.0}) {
        check(diamond::posterior_value(posterior, labelled::reward{}, {.samples = 3}), t);
        check(diamond::pathwise_posterior_value(posterior, labelled::reward{}, {.samples = 3}), t);
        check(diamond::weighted_value(diamond::trapezoid_density(any{}, field), map, labelled::reward{},
                                      {.samples = 3}),
              t);
        if (t == 0.0) continue;
        check(diamond::denoised_value(any{}, field, labelled::reward{}), t);
        check(diamond::look_ahead_value(any{}, map, labelled::reward{}), t);
    }
}

} // namespace value_conditions_test
