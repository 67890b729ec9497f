// expect: a trainable network needs schedule() and inner_schedule() const
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::trainable_network {
    void schedule() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
