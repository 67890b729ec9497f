// expect: a joint flow map needs schedule() const, the noise schedule of its times
#include <diamond/likelihood/log_likelihood.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::joint_flow_map {
    void schedule() const = delete;
};

static_assert(sizeof(diamond::log_likelihood<broken>) > 0);
