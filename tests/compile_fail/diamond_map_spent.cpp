// expect: a Diamond map needs spent() const, the diamond::cost of its calls so far
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_map {
    void spent() const = delete;
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
