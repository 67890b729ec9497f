// expect: a Diamond map needs dimension() const, the number of rows d of its batches
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_map {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
