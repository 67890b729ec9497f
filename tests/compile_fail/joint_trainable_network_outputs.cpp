// expect: a joint trainable network needs outputs() const, d + 1, and divergence_spread() const
#include <diamond/nn/trained_joint_network.hpp>

#include <support/archetypes.hpp>

static_assert(sizeof(diamond::trained_joint_network<archetypes::trainable_network>) > 0);
