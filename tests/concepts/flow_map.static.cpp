#include <support/archetypes.hpp>

using diamond::flow_map, diamond::differentiable_flow_map;

static_assert(flow_map<archetypes::flow_map> && diamond::diagnose_flow_map<archetypes::flow_map>());
static_assert(!differentiable_flow_map<archetypes::flow_map>);
static_assert(differentiable_flow_map<archetypes::differentiable_flow_map>);
static_assert(diamond::diagnose_differentiable_flow_map<archetypes::differentiable_flow_map>());

struct without_batch {
    int dimension() const;
};
struct without_dimension : archetypes::flow_map {
    int dimension() const = delete;
};
struct without_call : archetypes::flow_map {
    void operator()() = delete;
};
struct without_cost : archetypes::flow_map {
    void spent() const = delete;
};
static_assert(!flow_map<without_batch> && !flow_map<without_dimension> && !flow_map<without_call> &&
              !flow_map<without_cost>);
static_assert(!flow_map<archetypes::uncopyable<archetypes::flow_map>> && !flow_map<archetypes::diamond_map> &&
              !flow_map<int>);
