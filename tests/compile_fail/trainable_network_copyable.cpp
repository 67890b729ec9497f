// expect: a trainable network must be copyable: its parameters are not its own
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::trainable_network {
    broken(const broken&) = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
