// The lines that docs/densities.md shows.
#include <vector>

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
    // [drawn]
    constexpr index_t n = 256;
    owning_batch<double, eigen::context> log_q(context, 1, n);
    batch noise(context, flow.dimension(), n), samples(context, flow.dimension(), n);
    // Samples of a noise of yours, with their densities, by one way from noise to data.
    draw_normal(philox{1}.stream(purpose::user), noise.mutable_view());
    likelihood.push_forward(noise.read(), labels{}, samples.mutable_view(), row(log_q));
    // Samples drawn here, with their densities.
    likelihood.draw(philox{2}.stream(purpose::user), labels{}, samples.mutable_view(), row(log_q));
    // Given data, with the noise that each comes from.
    batch latent(context, flow.dimension(), x.columns());
    likelihood.pull_back(x.read(), labels{}, latent.mutable_view(), row(log_p));
    // Particles of a chain, a search or a file: log p_1 by a density, on the host.
    flow_density density{stepped_flow_map{flow, {.steps = 4}}};
    const std::vector<double> of_samples = log_densities_of(density, samples, labels{});
    // [/drawn]
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
    return off.largest + of_samples.front();
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
