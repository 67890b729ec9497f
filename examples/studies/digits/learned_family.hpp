/// This header runs a learned Diamond map on a back end. A posterior draw, a transition and a look-ahead are
/// one evaluation each.
#pragma once

#include <memory>
#include <utility>

#include <diamond/density/flow_density.hpp>
#include <diamond/density/jacobian_network.hpp>
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/network_diamond_map.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/map/stepped_flow_map.hpp>

#include "digits_flow_map.hpp"
#include "families.hpp"
#include "guided_network.hpp"

namespace digits::detail {

template <class Context>
struct learned_family {
    using batch_type = diamond::owning_batch<real, Context>;
    using guided = guided_network<network_on<Context>>;

    std::shared_ptr<const Context> context;
    guided of_map, of_velocity;
    diamond::labels label;
    index_t steps; ///< the steps of one posterior draw

    [[nodiscard]] const Context& where() const { return *context; }
    [[nodiscard]] auto draws() const {
        return diamond::diamond_map_posterior{diamond::network_diamond_map<guided>{of_map},
                                              {.evaluations = steps}};
    }
    [[nodiscard]] auto map(const method_options&) const {
        return diamond::network_diamond_map<guided>{of_map};
    }
    [[nodiscard]] auto field() const { return diamond::network_velocity<guided>{of_velocity}; }
    [[nodiscard]] auto flow_map(const method_options&) const {
        return diamond::network_flow_map<guided>{of_map};
    }
    [[nodiscard]] diamond::labels condition() const { return label; }
    [[nodiscard]] index_t evaluations() const { return of_map.evaluations(); }
};

/// Returns early stops of the network with their exact densities by determinants, corrected to the law of the
/// joint map. A divergence head would have to be right to a nat over 64 dimensions for this. A determinant
/// is, at the cost of 64 Jacobian-vector products.
template <class Context>
auto corrected_early_stop(const Context& where, const network_on<Context>& net, const learned_settings& s) {
    using namespace diamond;
    require(s.guidance_weight == 1.0, [&] {
        return "the method 'corrected' with a guidance weight of " + std::to_string(s.guidance_weight) +
               ": it samples the law of the joint map, which is not guided; leave one of the two out";
    });
    return corrected_kernel{
        early_stop_kernel{network_diamond_map{jacobian_network{net}}},
        flow_density{stepped_flow_map{load_joint(where, s.weights), {.steps = s.density_jumps}}}};
}

template <class Context>
subject make_learned(std::shared_ptr<const Context> context, const learned_settings& s) {
    const auto map = load_network(*context, s.weights, s.map);
    const auto velocity = s.velocity == s.map ? map : load_network(*context, s.weights, s.velocity);
    const learned_family<Context> family{
        context, {map, s.guidance_weight}, {velocity, s.guidance_weight}, s.condition, s.evaluations};
    subject result = subject_of("learned", "learned model", family);
    if (s.density_jumps > 0)
        result.methods.push_back(corrected_by(family, [kernel = corrected_early_stop(*context, map, s)](
                                                          const method_options&) { return kernel; }));
    return result;
}

} // namespace digits::detail
