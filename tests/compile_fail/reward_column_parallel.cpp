// expect: a pointwise reward that says column_parallel, or runs on a device, must be callable when const
#include <diamond/reward/evaluate.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::pointwise_reward {
    static constexpr bool column_parallel = true; // but its call is not const
};

void evaluate(broken& reward, archetypes::const_view z, double* values) {
    diamond::evaluate_reward(reward, z, diamond::no_condition{}, values);
}
