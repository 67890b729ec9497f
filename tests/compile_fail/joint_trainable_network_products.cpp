// expect: a joint trainable network needs vjp and jvp, with theta before their arguments, const
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::joint_trainable_network {
    void jvp() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
