// expect: a Diamond map needs spent() const, the diamond::cost of its calls so far
#include <support/archetypes.hpp>

struct broken : archetypes::diamond_map {
    void spent() const = delete;
};

static_assert(diamond::diagnose_diamond_map<broken>());
