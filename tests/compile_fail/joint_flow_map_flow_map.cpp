// expect: a flow map needs spent() const, the diamond::cost of its calls so far
#include <diamond/likelihood/log_likelihood.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::joint_flow_map {
    void spent() const = delete;
};

static_assert(sizeof(diamond::log_likelihood<broken>) > 0);
