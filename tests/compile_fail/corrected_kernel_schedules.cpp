// expect: transitions and the density that corrects them must have the same noise schedule: rescheduled_density reads one by another's
#include <diamond/map/corrected_kernel.hpp>
#include <diamond/map/early_stop_kernel.hpp>

#include <support/archetypes.hpp>

struct other_schedule : archetypes::schedule {};
struct elsewhere : archetypes::marginal_density {
    other_schedule schedule() const;
};

static_assert(sizeof(diamond::corrected_kernel<diamond::early_stop_kernel<archetypes::joint_diamond_map>, elsewhere>) > 0);
