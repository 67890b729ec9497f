// expect: a Diamond map needs schedule() and inner_schedule() const, its outer and inner noise schedules
#include <support/archetypes.hpp>

struct broken : archetypes::diamond_map {
    void inner_schedule() const = delete;
};

static_assert(diamond::diagnose_diamond_map<broken>());
