// expect: a Diamond map needs schedule() and inner_schedule() const, its outer and inner noise schedules
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::diamond_map {
    void inner_schedule() const = delete;
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
