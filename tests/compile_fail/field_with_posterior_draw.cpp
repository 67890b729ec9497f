// expect: an exact posterior's model needs draw_posterior(const_view x_t, double t, const condition&, noise_stream, workspace&, view out) const
#include <diamond/oracle/exact_posterior.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::velocity_field {
    archetypes::schedule schedule() const;
};

static_assert(sizeof(diamond::exact_posterior<broken>) > 0);
