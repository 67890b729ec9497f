// expect: a trainable network needs spread() const, a functor (i, t) of the variance that errors are measured in
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::trainable_network {
    void spread() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
