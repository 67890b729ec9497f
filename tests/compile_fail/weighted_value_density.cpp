// expect: a weighted value needs a marginal_density for its map's batches (exact_density, joint_density), or what knows it up to a number a particle
#include <diamond/value/weighted.hpp>

#include <support/archetypes.hpp>

struct broken {
    archetypes::schedule schedule() const;
    int dimension() const;
    diamond::cost spent() const;
    double operator()(archetypes::const_view, double) const; // one point, no condition
};

static_assert(sizeof(diamond::weighted_value<broken, archetypes::flow_map, archetypes::batchwise_reward>) > 0);
