/// This header holds what the parts of `sample` share: the networks, the exact model on which they were
/// trained, and the data with its noise.
#pragma once

#include <filesystem>
#include <optional>
#include <utility>

#include <diamond/map/network_diamond_map.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/oracle/exact_posterior.hpp>
#include <diamond/oracle/gaussian_mixture.hpp>

#include "networks.hpp"
#include "tasks.hpp"

namespace digits {

struct sample_settings {
    std::filesystem::path data, weights, out = "out/digits_sample";
    index_t samples = 4096;    ///< from each model, for distances
    index_t mean_images = 256; ///< noised images whose posterior means are measured
    index_t mean_draws = 64;
    index_t most_solved = 200;            ///< the most evaluations of GLASS by ODE
    std::optional<double> bandwidth = {}; ///< empty unless the user asks for one
    double guidance_weight = 1.0;
    std::uint64_t seed = 1;
    index_t seeds = 1; ///< the number of seeds, beginning with `seed`
    int threads = 0;
};

struct study {
    const context& where;
    const sample_settings& chosen;
    const data_set& data;
    double bandwidth; ///< the h of the exact model, and of the noise on the images
    const model& exact;
    network teacher, diamond;
    std::optional<network> taught; ///< empty if there is none
    diamond::philox rng;

    /// Returns images plus N(0, h^2 I), one draw each.
    [[nodiscard]] floats noised(const images& part, diamond::index_t which) const {
        batch noise(where, pixels, part.count());
        draw_normal(rng.stream(diamond::purpose::user, which), noise.mutable_view());
        floats result = part.data;
        for (std::size_t i = 0; i < result.size(); ++i)
            result[i] += static_cast<real>(bandwidth) * noise.data()[i];
        return result;
    }
    /// Returns `count` draws of the flow map of a network, with this number of evaluations.
    [[nodiscard]] floats flow(const network& net, index_t evaluations, index_t count, diamond::index_t which,
                              diamond::labels label = {}) const {
        return ended(diamond::network_flow_map<network>{net}, evaluations, count, which, label);
    }
    /// Returns X_{0,1} of a flow map in equal jumps.
    template <class Map>
    [[nodiscard]] floats ended(Map map, index_t jumps, index_t count, diamond::index_t which,
                               const diamond::condition_of_t<Map>& label = {}) const {
        batch x(where, pixels, count), next(where, pixels, count);
        draw_normal(rng.stream(diamond::purpose::initial, which), x.mutable_view());
        for (index_t k = 0; k < jumps; ++k) {
            const auto n = static_cast<double>(jumps);
            map(x.read(), diamond::interval{static_cast<double>(k) / n, static_cast<double>(k + 1) / n},
                label, next.mutable_view());
            std::swap(x, next);
        }
        return diamond::to_host(x);
    }
    /// Returns draws of the teacher's velocity by an ODE.
    [[nodiscard]] floats solved(index_t steps, index_t count, diamond::index_t which) const {
        return ended(diamond::ode_flow_map{diamond::network_velocity<network>{teacher},
                                           diamond::explicit_midpoint{.steps = steps}},
                     1, count, which);
    }
};

} // namespace digits
