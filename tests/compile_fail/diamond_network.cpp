// What is refused of a diamond network, and in which words: see CMakeLists.txt.
#include <diamond/density/jacobian_network.hpp>
#include <diamond/map/network_diamond_map.hpp>
#include <diamond/map/network_flow_map.hpp>
#include <diamond/nn/trained_network.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // diamond_network_batch_type
// expect: a Diamond network needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
};

static_assert(sizeof(diamond::network_diamond_map<broken>) > 0);
#endif

#if CASE == 2 // diamond_network_call
// expect: a Diamond network needs operator()(diamond_arguments, const condition&, workspace&, view out) const
// that writes v into out
struct broken : archetypes::diamond_network {
    void operator()() const = delete;
};

static_assert(sizeof(diamond::network_diamond_map<broken>) > 0);
#endif

#if CASE == 3 // diamond_network_copyable
// expect: a Diamond network must be copyable: share its weights through std::shared_ptr<const ...>
struct broken : archetypes::diamond_network {
    broken(const broken&) = delete;
};

static_assert(sizeof(diamond::network_diamond_map<broken>) > 0);
#endif

#if CASE == 4 // diamond_network_dimension
// expect: a Diamond network needs dimension() const, the number of rows d of its batches
struct broken : archetypes::diamond_network {
    void dimension() const = delete;
};

static_assert(sizeof(diamond::network_diamond_map<broken>) > 0);
#endif

#if CASE == 5 // diamond_network_schedules
// expect: a Diamond network needs schedule() and inner_schedule() const, which it was trained with
struct broken : archetypes::diamond_network {
    void inner_schedule() const = delete;
};

static_assert(sizeof(diamond::network_diamond_map<broken>) > 0);
#endif

#if CASE == 6 // diamond_network_workspace
// expect: a Diamond network needs make_workspace(context, columns) const; an empty struct will do
struct broken : archetypes::diamond_network {
    void make_workspace() const = delete;
};

static_assert(sizeof(diamond::network_diamond_map<broken>) > 0);
#endif

#if CASE == 7 // jacobian_network_products
// expect: a jacobian_network needs a differentiable Diamond network: one with vjp and jvp
struct broken : archetypes::differentiable_diamond_network {
    void jvp() const = delete;
};

static_assert(sizeof(diamond::jacobian_network<broken>) > 0);
#endif

#if CASE == 8 // diamond_network_with_divergence_call
// expect: a Diamond network with divergence needs operator()(diamond_arguments, const condition&, workspace&,
// view out, row divergence) const
static_assert(diamond::diagnose_diamond_network_with_divergence<archetypes::diamond_network>());
#endif

#if CASE == 9 // trained_network_workspace
// expect: a trainable network needs batch_type, e.g. diamond::eigen::batch<float>, and a type `workspace`
struct broken {
    using batch_type = archetypes::batch;
};

static_assert(sizeof(diamond::trained_network<broken>) > 0);
#endif
