// expect: a trainable network needs batch_type, e.g. diamond::eigen::batch<float>, and a type `workspace`
#include <diamond/nn/trained_diamond_network.hpp>

#include <support/archetypes.hpp>

struct broken {
    using batch_type = archetypes::batch;
};

static_assert(sizeof(diamond::trained_diamond_network<broken>) > 0);
