// expect: a trainable network needs parameters() and initialise(philox, view theta), const
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::trainable_network {
    void initialise() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
