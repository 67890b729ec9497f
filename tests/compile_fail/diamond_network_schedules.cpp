// expect: a Diamond network needs schedule() and inner_schedule() const, which it was trained with
#include <diamond/map/posterior_diamond_map.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_network {
    void inner_schedule() const = delete;
};

static_assert(sizeof(diamond::posterior_diamond_map<broken>) > 0);
