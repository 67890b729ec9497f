// expect: a Diamond map needs dimension() const, the number of rows d of its batches
#include <support/archetypes.hpp>

struct broken : archetypes::diamond_map {
    int dimension() const = delete;
};

static_assert(diamond::diagnose_diamond_map<broken>());
