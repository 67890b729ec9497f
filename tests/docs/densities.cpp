// The lines that docs/densities.md shows.
#include <cstdio>

#include <diamond/backend/eigen.hpp>
#include <diamond/density/bits_per_dimension.hpp>
#include <diamond/density/likelihood_validity.hpp>
#include <diamond/diamond.hpp>

namespace {
using batch = diamond::eigen::batch<float>;
using flow_network =
    diamond::trained_network<diamond::diamond_mlp_with_divergence<batch, diamond::linear_schedule>>;
} // namespace

double likelihoods(const diamond::eigen::context& context, const flow_network& network, const batch& x) {
    using namespace diamond;
    const network_flow_map flow{network};
    // [few]
    log_likelihood likelihood{flow, {.steps = 4}}; // four evaluations of the map, with its divergence
    owning_batch<double, eigen::context> log_p(context, 1, x.columns());
    likelihood(x.read(), labels{}, row(log_p));
    // [/few]
    // [many]
    const dormand_prince solver{.relative_tolerance = 1e-4, .absolute_tolerance = 1e-4};
    log_likelihood reference{ode_flow_map{exact_divergence{network_velocity{network}}, solver}};
    // [/many]
    reference(x.read(), labels{}, row(log_p));
    // [validity]
    likelihood_validity validity{log_likelihood{flow, {.steps = 4}}};
    owning_batch<double, eigen::context> round_trip(context, 1, x.columns()), gap(context, 1, x.columns());
    validity.from_data(x.read(), labels{}, row(round_trip), row(gap));
    const auto off = summarise(row(gap.read())); // .mean, .root_mean_square, .largest
    // [/validity]
    return off.largest;
}

double bits(const diamond::eigen::context& context, const flow_network& network, const batch& levels) {
    using namespace diamond;
    log_likelihood likelihood{network_flow_map{network}, {.steps = 4}};
    const index_t count = levels.columns();
    // [bits]
    constexpr int grey_levels = 256;
    batch x(context, levels.rows(), count);
    dequantise(levels.read(), grey_levels, philox{1}.stream(purpose::data), x.mutable_view()); // in [-1, 1]
    owning_batch<double, eigen::context> bits(context, 1, count);
    likelihood(x.read(), labels{}, row(bits));
    bits_per_dimension(row(bits), levels.rows(), grey_levels); // log-densities become bits in place
    // [/bits]
    return to_host(bits).front();
}
