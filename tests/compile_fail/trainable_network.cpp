// What is refused of a trainable network, and in which words: see CMakeLists.txt.
#include <diamond/nn/trained_network.hpp>
#include <diamond/train/diamond_trainer.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // trainable_network_with_divergence_outputs
// expect: a trainable network with divergence needs outputs() const, d + 1, and divergence_spread() const
static_assert(diamond::diagnose_trainable_network_with_divergence<archetypes::trainable_network>());
#endif

#if CASE == 2 // trainable_network_with_divergence_products
// expect: a trainable network with divergence needs vjp and jvp, with theta before their arguments, const
struct broken : archetypes::trainable_network_with_divergence {
    void jvp() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 3 // trainable_network_backward
// expect: a trainable network needs backward(theta, workspace&, cotangent, cotangent_dot, gradient) const
struct broken : archetypes::trainable_network {
    void backward() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 4 // trainable_network_call
// expect: a trainable network needs operator()(theta, diamond_arguments, condition, workspace&, view out)
// const
struct broken : archetypes::trainable_network {
    void operator()() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 5 // trainable_network_copyable
// expect: a trainable network must be copyable: its parameters are not its own
struct broken : archetypes::trainable_network {
    broken(const broken&) = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 6 // trainable_network_dimension
// expect: a trainable network needs dimension() const, the number of rows d of its batches
struct broken : archetypes::trainable_network {
    void dimension() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 7 // trainable_network_parameters
// expect: a trainable network needs parameters() and initialise(philox, view theta), const
struct broken : archetypes::trainable_network {
    void initialise() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 8 // trainable_network_record
// expect: a trainable network needs record(theta, arguments, condition, workspace&, out) const, and the same
// with a direction and its out_dot
struct broken : archetypes::trainable_network {
    void record() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 9 // trainable_network_schedules
// expect: a trainable network needs schedule() and inner_schedule() const
struct broken : archetypes::trainable_network {
    void schedule() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 10 // trainable_network_spread
// expect: a trainable network needs spread() const, a functor (i, t) of the variance that errors are measured
// in
struct broken : archetypes::trainable_network {
    void spread() const = delete;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif

#if CASE == 11 // trainable_network_workspace
// expect: a trainable network needs batch_type, e.g. diamond::eigen::batch<float>, and a type `workspace`
struct broken {
    using batch_type = archetypes::batch;
};

static_assert(sizeof(diamond::diamond_trainer<broken>) > 0);
#endif
