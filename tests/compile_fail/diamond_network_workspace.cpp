// expect: a Diamond network needs make_workspace(context, columns) const; an empty struct will do
#include <diamond/map/posterior_diamond_map.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_network {
    void make_workspace() const = delete;
};

static_assert(sizeof(diamond::posterior_diamond_map<broken>) > 0);
