// expect: a transition kernel with density needs draw_with_density(x, interval, condition, stream, out, double* log_density); early_stop_kernel has it where its map is a joint Diamond map
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::corrected_kernel<diamond::early_stop_kernel<archetypes::diamond_map>, archetypes::marginal_density>) > 0);
