// expect: a trainable network needs backward(theta, workspace&, cotangent, cotangent_dot, gradient) const
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::trainable_network {
    void backward() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
