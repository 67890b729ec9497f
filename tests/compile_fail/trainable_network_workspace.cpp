// expect: a trainable network needs batch_type, e.g. diamond::eigen::batch<float>, and a type `workspace`
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

struct broken {
    using batch_type = archetypes::batch;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
