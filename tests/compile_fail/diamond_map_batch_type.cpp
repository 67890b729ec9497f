// expect: a Diamond map needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

struct broken {
    int dimension() const;
    archetypes::schedule schedule() const;
    archetypes::schedule inner_schedule() const;
    void operator()(archetypes::const_view, diamond::interval, archetypes::const_view, diamond::time_view, diamond::no_condition,
                    archetypes::view);
    diamond::cost spent() const;
};

static_assert(sizeof(diamond::early_stop_kernel<broken>) > 0);
