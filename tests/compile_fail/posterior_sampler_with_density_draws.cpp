// expect: a posterior sampler with density needs draw_with_density(x_t, t, condition, stream, out, double* log_density); diamond_posterior has it where its map is a joint Diamond map
#include <diamond/map/corrected_posterior.hpp>
#include <diamond/map/diamond_posterior.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::corrected_posterior<diamond::diamond_posterior<archetypes::diamond_map>, archetypes::marginal_density>) > 0);
