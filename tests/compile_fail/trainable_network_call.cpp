// expect: a trainable network needs operator()(theta, diamond_arguments, condition, workspace&, view out) const
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::trainable_network {
    void operator()() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
