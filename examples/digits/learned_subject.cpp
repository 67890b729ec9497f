// The methods on a learned Diamond map: a posterior draw, a transition and a look-ahead are one evaluation each.
#include <diamond/map/network_flow.hpp>
#include <diamond/map/posterior_diamond_map.hpp>

#include "families.hpp"
#include "guided_network.hpp"

namespace digits {

namespace {

struct learned_family {
    using guided = guided_network<network>;
    guided          of_map, of_velocity;
    diamond::labels label;
    index_t         steps; ///< of a posterior draw

    [[nodiscard]] auto draws() const { return diamond::diamond_posterior{diamond::posterior_diamond_map<guided>{of_map}, {.evaluations = steps}}; }
    [[nodiscard]] auto map(const method_options&) const { return diamond::posterior_diamond_map<guided>{of_map}; }
    [[nodiscard]] auto field() const { return diamond::network_velocity<guided>{of_velocity}; }
    [[nodiscard]] auto flow_map(const method_options&) const { return diamond::network_flow_map<guided>{of_map}; }
    [[nodiscard]] diamond::labels condition() const { return label; }
    [[nodiscard]] index_t evaluations() const { return of_map.evaluations(); }
};

} // namespace

subject learned_subject(const learned_model& m) {
    return detail::subject_of("learned", "learned model",
                              learned_family{{m.map, m.guidance_weight}, {m.velocity, m.guidance_weight}, m.condition, m.evaluations});
}

} // namespace digits
