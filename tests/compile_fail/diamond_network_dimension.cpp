// expect: a Diamond network needs dimension() const, the number of rows d of its batches
#include <diamond/map/posterior_diamond_map.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_network {
    void dimension() const = delete;
};

static_assert(sizeof(diamond::posterior_diamond_map<broken>) > 0);
