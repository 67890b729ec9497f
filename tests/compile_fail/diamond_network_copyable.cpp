// expect: a Diamond network must be copyable: share its weights through std::shared_ptr<const ...>
#include <diamond/map/posterior_diamond_map.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_network {
    broken(const broken&) = delete;
};

static_assert(sizeof(diamond::posterior_diamond_map<broken>) > 0);
