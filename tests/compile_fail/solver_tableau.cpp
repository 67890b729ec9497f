// expect: a solver needs `static constexpr butcher_tableau<Stages> tableau`
#include <diamond/map/ode_flow_map.hpp>

#include <support/archetypes.hpp>

struct broken {
    diamond::index_t steps = 4;
};

static_assert(sizeof(diamond::ode_flow_map<archetypes::velocity_field, broken>) > 0);
