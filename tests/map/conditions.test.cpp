// A condition stays with its particle through maps, posterior draws and kernels.
#include <doctest/doctest.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/map/diamond_map_posterior.hpp>
#include <diamond/map/early_stop_kernel.hpp>
#include <diamond/map/flow_kernels.hpp>
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/glass_kernel.hpp>
#include <diamond/map/ode_flow_map.hpp>
#include <diamond/map/posterior_kernels.hpp>

#include "support/any_schedule.hpp"
#include "support/batches.hpp"
#include "support/labelled.hpp"

namespace map_conditions_test {

using diamond::index_t, diamond::labels;
using schedules::any;
using batch = diamond::eigen::batch<double>;

TEST_CASE("every kernel, map and posterior draw takes each particle's own label") {
    const diamond::eigen::context context{.threads = 2};
    constexpr index_t n = 11, samples = 3;
    const labelled::field<batch, any> field{any{}};
    const auto x = batches::normal<batch>(context, 2, n, 1);
    const auto stream = diamond::philox{3}.stream(diamond::purpose::transition, 2);
    const diamond::heun solver{.steps = 3};
    const auto check = [&](std::size_t width, const auto& call) {
        const auto found = labelled::compare(context, n, width, call);
        CHECK(found.mixed < 1e-13);
        CHECK(found.apart > 0.1);
    };
    const auto check_kernel = [&](auto kernel) {
        check(2, [&](const labels& c) {
            batch out(context, 2, n);
            kernel(x, {0.3, 0.6}, c, stream, out);
            return batches::host(out);
        });
    };
    diamond::glass_diamond_map map(any{}, field, solver);
    check_kernel(diamond::glass_kernel(any{}, field, solver));
    check_kernel(diamond::early_stop_kernel(map));
    check_kernel(diamond::ddpm_posterior_kernel(diamond::diamond_map_posterior(map)));
    check_kernel(diamond::renoise_kernel(diamond::diamond_map_posterior(map)));
    check_kernel(diamond::ode_kernel(diamond::ode_flow_map(field, solver)));
    check_kernel(diamond::ancestral_kernel(any{}, field));
    check_kernel(diamond::euler_maruyama_kernel(any{}, field));

    // A particle's label is repeated for its samples.
    diamond::diamond_map_posterior posterior(map, {.evaluations = 2});
    const auto draws = diamond::philox{3}.stream(diamond::purpose::value, 2, samples);
    const auto cotangent = batches::normal<batch>(context, 2, n * samples, 2);
    check(2 * samples, [&](const labels& c) {
        batch out(context, 2, n * samples);
        posterior(x, 0.4, c, draws, out);
        return batches::host(out);
    });
    check(2, [&](const labels& c) {
        batch out(context, 2, n);
        posterior.vjp(x, 0.4, c, draws, cotangent, out);
        return batches::host(out);
    });
}

} // namespace map_conditions_test
