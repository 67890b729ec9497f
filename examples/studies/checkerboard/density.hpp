/// This header computes log-densities with a few evaluations, and measures how wrong they are.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "../shared/flow_maps.hpp"
#include "../shared/plane.hpp"

namespace checkerboard {

using studies::batch, studies::context, studies::index_t, studies::linear_schedule, studies::network;

inline constexpr index_t all_evaluations[] = {8, 4, 2, 1};

/// This map makes the jumps of a flow map with Hutchinson's estimate of the velocity's divergence at the
/// beginning of each jump, which is what there is without a divergence head. Models flow_map_with_divergence.
template <class Network>
class probed_flow_map {
public:
    using batch_type = typename Network::batch_type;
    using condition_type = diamond::condition_of_t<Network>;

    probed_flow_map(const Network& network, diamond::noise_stream stream)
        : flow_(network), divergence_(diamond::network_velocity<Network>(network)), stream_(stream) {}

    [[nodiscard]] index_t dimension() const { return flow_.dimension(); }
    [[nodiscard]] auto schedule() const { return flow_.schedule(); }
    [[nodiscard]] diamond::cost spent() const { return flow_.spent() + divergence_.spent(); }
    void operator()(diamond::const_view_t<batch_type> x, diamond::interval span,
                    const condition_type& condition, diamond::view_t<batch_type> out) {
        flow_(x, span, condition, out);
    }
    void operator()(diamond::const_view_t<batch_type> x, diamond::interval span,
                    const condition_type& condition, diamond::view_t<batch_type> out,
                    diamond::row_t<batch_type> divergence) {
        flow_(x, span, condition, out);
        divergence_(x, diamond::time_view(span.from), condition, stream_, divergence);
    }

private:
    diamond::network_flow_map<Network> flow_;
    diamond::hutchinson_divergence<diamond::network_velocity<Network>> divergence_;
    diamond::noise_stream stream_;
};
template <class Network> // clang 16 does not deduce an alias of it
probed_flow_map(Network, diamond::noise_stream) -> probed_flow_map<Network>;

template <class Map>
std::vector<double> log_densities(Map map, index_t jumps, const batch& x) {
    std::vector<double> result(static_cast<std::size_t>(x.columns()));
    diamond::log_likelihood{std::move(map), {.steps = jumps}}(
        x.read(), diamond::labels(), diamond::row(x.context(), x.columns(), result.data()));
    return result;
}
/// Returns log p by this many evaluations of the flow map.
inline std::vector<double> by_flow_map(const network& of, index_t evaluations, const batch& x) {
    return log_densities(diamond::network_flow_map{of}, evaluations, x);
}
/// Returns log p by this many Euler steps of the network's velocity, with one probe for all of them, as is
/// usual. Each step also takes a Jacobian-vector product.
template <class Network>
std::vector<double> by_euler_steps(const Network& of, index_t evaluations, const batch& x,
                                   diamond::noise_stream probes) {
    return log_densities(diamond::ode_flow_map{diamond::hutchinson_divergence{diamond::network_velocity{of}},
                                               diamond::euler{.steps = evaluations}, probes},
                         1, x);
}
/// Returns log p by this many jumps of the flow map, with the same probe for all of them.
template <class Network>
std::vector<double> by_probed_map(const Network& of, index_t evaluations, const batch& x,
                                  diamond::noise_stream probes) {
    return log_densities(probed_flow_map{of, probes}, evaluations, x);
}
/// Returns the density of the velocity itself, by many steps of the ODE and the exact trace.
template <class Network>
std::vector<double> by_many_steps(const Network& of, const batch& x) {
    return log_densities(diamond::ode_flow_map{diamond::exact_divergence{diamond::network_velocity{of}},
                                               diamond::dormand_prince{.relative_tolerance = 1e-4,
                                                                       .absolute_tolerance = 1e-4}},
                         1, x);
}

/// This type holds the errors of log p for each sample, in nats.
struct density_errors {
    double mean = 0.0, root_mean_square = 0.0, median = 0.0, worst = 0.0;

    density_errors(const std::vector<double>& found, const std::vector<double>& exact) {
        std::vector<double> sizes;
        const auto n = static_cast<double>(found.size());
        for (std::size_t j = 0; j < found.size(); ++j) {
            const double error = found[j] - exact[j];
            mean += error / n;
            root_mean_square += error * error / n;
            sizes.push_back(std::abs(error));
        }
        root_mean_square = std::sqrt(root_mean_square);
        std::sort(sizes.begin(), sizes.end());
        median = sizes[sizes.size() / 2];
        worst = sizes.back();
    }
};

/// This type measures a claimed density on a plane: all of its mass there, which should be 1, and the mass
/// where the exact density is less than e^-12 of its maximum, which should be 0.
struct density_mass {
    double whole = 0.0, leaked = 0.0;

    density_mass(const std::vector<double>& claimed, const studies::density& truth) {
        constexpr double nowhere = 12.0;
        const double high = *std::max_element(truth.log_values.begin(), truth.log_values.end());
        for (std::size_t k = 0; k < claimed.size(); ++k) {
            const double mass = std::exp(claimed[k]) * diamond::square(studies::plane::cell);
            whole += mass;
            if (!(truth.log_values[k] > high - nowhere)) leaked += mass;
        }
    }
};

/// Returns samples by this many jumps of the flow map, or by as many Euler steps.
template <class Network>
batch samples(const Network& of, index_t evaluations, bool by_euler, index_t count,
              diamond::noise_stream stream) {
    const auto& where = of.parameters().context();
    batch from(where, 2, count), to(where, 2, count);
    diamond::draw_normal(stream, from.mutable_view());
    if (by_euler) {
        diamond::ode_flow_map{diamond::network_velocity{of}, diamond::euler{.steps = evaluations}}(
            from.read(), {0.0, 1.0}, diamond::labels(), to.mutable_view());
        return to;
    }
    diamond::network_flow_map map{of};
    const auto step = 1.0 / static_cast<double>(evaluations);
    for (index_t k = 0; k < evaluations; ++k) {
        map(from.read(),
            {static_cast<double>(k) * step, k + 1 == evaluations ? 1.0 : static_cast<double>(k + 1) * step},
            diamond::labels(), to.mutable_view());
        from.swap(to);
    }
    return from;
}

} // namespace checkerboard
