// expect: flow map and density must have the same noise schedule: rescheduled_density reads a density by another's
#include <diamond/value/weighted.hpp>

#include <support/archetypes.hpp>

struct other_schedule : archetypes::schedule {};
struct elsewhere : archetypes::marginal_density {
    other_schedule schedule() const;
};

static_assert(sizeof(diamond::weighted_value<elsewhere, archetypes::joint_flow_map, archetypes::batchwise_reward>) > 0);
