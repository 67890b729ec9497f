// expect: an exact posterior's model needs schedule() const, its noise schedule
#include <diamond/oracle/exact_posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::velocity_field {
    void draw_posterior(archetypes::const_view, double, diamond::no_condition, diamond::noise_stream, workspace&, archetypes::view) const;
};

static_assert(sizeof(diamond::exact_posterior<broken>) > 0);
