// expect: a solver needs index_t steps, or relative_tolerance, absolute_tolerance and most_steps where it chooses its own
#include <diamond/map/glass_diamond_map.hpp>

#include <support/archetypes.hpp>

struct broken {
    static constexpr diamond::butcher_tableau<1> tableau = diamond::euler::tableau;
};

static_assert(sizeof(diamond::glass_diamond_map<archetypes::schedule, archetypes::velocity_field, broken>) > 0);
