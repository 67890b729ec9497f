// A learned Diamond map on a back end: a posterior draw, a transition and a look-ahead are one evaluation each.
#pragma once

#include <memory>
#include <utility>

#include <diamond/map/network_flow.hpp>
#include <diamond/map/posterior_diamond_map.hpp>

#include "families.hpp"
#include "guided_network.hpp"

namespace digits::detail {

template <class Context>
struct learned_family {
    using batch_type = diamond::batch<real, Context>;
    using guided     = guided_network<network_on<Context>>;

    std::shared_ptr<const Context> context;
    guided                         of_map, of_velocity;
    diamond::labels                label;
    index_t                        steps; ///< of a posterior draw

    [[nodiscard]] const Context& where() const { return *context; }
    [[nodiscard]] auto draws() const { return diamond::diamond_posterior{diamond::posterior_diamond_map<guided>{of_map}, {.evaluations = steps}}; }
    [[nodiscard]] auto map(const method_options&) const { return diamond::posterior_diamond_map<guided>{of_map}; }
    [[nodiscard]] auto field() const { return diamond::network_velocity<guided>{of_velocity}; }
    [[nodiscard]] auto flow_map(const method_options&) const { return diamond::network_flow_map<guided>{of_map}; }
    [[nodiscard]] diamond::labels condition() const { return label; }
    [[nodiscard]] index_t evaluations() const { return of_map.evaluations(); }
};

template <class Context>
subject make_learned(std::shared_ptr<const Context> context, const learned_settings& s) {
    const auto map      = load_network(*context, s.weights, s.map);
    const auto velocity = s.velocity == s.map ? map : load_network(*context, s.weights, s.velocity);
    return subject_of("learned", "learned model", learned_family<Context>{std::move(context), {map, s.guidance_weight}, {velocity, s.guidance_weight}, s.condition, s.evaluations});
}

} // namespace digits::detail
