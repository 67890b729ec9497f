// expect: a trainable network needs dimension() const, the number of rows d of its batches
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::trainable_network {
    void dimension() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
