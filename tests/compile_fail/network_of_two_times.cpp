// What is refused of a network of two times, and in which words: see CMakeLists.txt.
#include <diamond/map/mean_velocity_map.hpp>

#include <support/archetypes.hpp>

static_assert(diamond::flow_map<diamond::mean_flow_map<archetypes::network_of_two_times>>);
static_assert(!diamond::differentiable_flow_map<diamond::mean_flow_map<archetypes::network_of_two_times>>);

#if CASE == 1 // network_of_two_times_batch_type
// expect: a network of two times needs `using batch_type = diamond::eigen::batch<float>;` (or another back
// end's batch)
struct broken {
    int dimension() const;
};

static_assert(sizeof(diamond::mean_velocity_map<broken>) > 0);
#endif

#if CASE == 2 // network_of_two_times_call
// expect: a network of two times needs operator()(const_view x, double, double, const condition&, workspace&,
// view out) const that writes its mean velocity into out
struct broken : archetypes::network_of_two_times {
    void operator()(archetypes::const_view, diamond::interval, diamond::no_condition, workspace&,
                    archetypes::view) const;
};

static_assert(sizeof(diamond::mean_flow_map<broken>) > 0);
#endif

#if CASE == 3 // network_of_two_times_copyable
// expect: a network of two times must be copyable: share its weights through std::shared_ptr<const ...>
using broken = archetypes::uncopyable<archetypes::network_of_two_times>;

static_assert(sizeof(diamond::shortcut_map<broken>) > 0);
#endif

#if CASE == 4 // network_of_two_times_dimension
// expect: a network of two times needs dimension() const, the number of rows d of its batches
struct broken : archetypes::network_of_two_times {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::mean_flow_map<broken>) > 0);
#endif

#if CASE == 5 // network_of_two_times_workspace
// expect: a network of two times needs make_workspace(context, columns) const; an empty struct will do
struct broken : archetypes::network_of_two_times {
    workspace make_workspace(int) const;
};

static_assert(sizeof(diamond::mean_flow_map<broken>) > 0);
#endif
