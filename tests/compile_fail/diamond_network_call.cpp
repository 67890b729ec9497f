// expect: a Diamond network needs operator()(diamond_arguments, const condition&, workspace&, view out) const that writes v into out
#include <diamond/map/posterior_diamond_map.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_network {
    void operator()() const = delete;
};

static_assert(sizeof(diamond::posterior_diamond_map<broken>) > 0);
