// expect: forbid_failures takes a reward of one column: what throws for a whole batch does not say for which particle
#include <diamond/reward/forbid_failures.hpp>

#include <support/archetypes.hpp>

void evaluate(diamond::forbid_failures<archetypes::batchwise_reward>& reward, archetypes::const_view z, double* values) {
    diamond::evaluate_reward(reward, z, diamond::no_condition{}, values);
}
