#include <support/archetypes.hpp>

using diamond::diamond_map, diamond::differentiable_diamond_map;

static_assert(diamond_map<archetypes::diamond_map> &&
              diamond::diagnose_diamond_map<archetypes::diamond_map>());
static_assert(!differentiable_diamond_map<archetypes::diamond_map>);
static_assert(differentiable_diamond_map<archetypes::differentiable_diamond_map>);
static_assert(diamond::diagnose_differentiable_diamond_map<archetypes::differentiable_diamond_map>());

struct without_inner_schedule : archetypes::diamond_map {
    void inner_schedule() const = delete;
};
struct without_dimension : archetypes::diamond_map {
    int dimension() const = delete;
};
struct without_call : archetypes::diamond_map {
    void operator()() = delete;
};
struct without_cost : archetypes::diamond_map {
    void spent() const = delete;
};
static_assert(!diamond_map<without_inner_schedule> && !diamond_map<without_dimension> &&
              !diamond_map<without_call> && !diamond_map<without_cost>);
static_assert(!diamond_map<archetypes::uncopyable<archetypes::diamond_map>> &&
              !diamond_map<archetypes::flow_map> && !diamond_map<int>);
