// expect: a weighted value needs a density for its map's batches
#include <diamond/value/weighted.hpp>

#include <support/archetypes.hpp>

struct broken {
    archetypes::schedule schedule() const;
    int dimension() const;
    diamond::cost spent() const;
    double operator()(archetypes::const_view, double) const; // one point, no condition
};

static_assert(sizeof(diamond::weighted_value<broken, archetypes::flow_map, archetypes::batchwise_reward>) > 0);
