// What is refused of a solver, and in which words: see CMakeLists.txt.
#include <diamond/map/glass_diamond_map.hpp>
#include <diamond/map/ode_flow_map.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // solver_steps
// expect: a solver needs index_t steps, or relative_tolerance, absolute_tolerance and most_steps where it
// chooses its own
struct broken {
    static constexpr diamond::butcher_tableau<1> tableau = diamond::euler::tableau;
};

static_assert(sizeof(diamond::glass_diamond_map<archetypes::schedule, archetypes::velocity_field, broken>) >
              0);
#endif

#if CASE == 2 // solver_tableau
// expect: a solver needs `static constexpr butcher_tableau<Stages> tableau`
struct broken {
    diamond::index_t steps = 4;
};

static_assert(sizeof(diamond::ode_flow_map<archetypes::velocity_field, broken>) > 0);
#endif
