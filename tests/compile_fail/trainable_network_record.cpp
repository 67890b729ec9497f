// expect: a trainable network needs record(theta, arguments, condition, workspace&, out) const, and the same with a direction and its out_dot
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::trainable_network {
    void record() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
