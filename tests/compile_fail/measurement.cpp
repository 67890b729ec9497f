// What is refused of a measurement, and in which words: see CMakeLists.txt.
#include <diamond/measurement/gaussian_measurement.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // differentiable_measurement_vjp
// expect: a differentiable measurement needs vjp(const_view z, const_view cotangent, view out)
struct broken : archetypes::differentiable_measurement {
    void vjp() = delete;
};

static_assert(diamond::diagnose_differentiable_measurement<broken>());
#endif

#if CASE == 2 // measurement_batch_type
// expect: a measurement needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's
// batch)
struct broken {
    int dimension() const;
    int outputs() const;
    void operator()(archetypes::const_view, archetypes::view);
};

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
#endif

#if CASE == 3 // measurement_call
// expect: a measurement needs operator()(const_view z, view out) that writes A(z) into out
struct broken : archetypes::measurement {
    void operator()(archetypes::view) const; // in place
};

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
#endif

#if CASE == 4 // measurement_copyable
// expect: a measurement must be copyable: share its parameters, keep working space in diamond::scratch
using broken = archetypes::uncopyable<archetypes::measurement>;

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
#endif

#if CASE == 5 // measurement_dimension
// expect: a measurement needs dimension() const, the number of rows d of its samples
struct broken : archetypes::measurement {
    int dimension() const = delete;
};

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
#endif

#if CASE == 6 // measurement_outputs
// expect: a measurement needs outputs() const, the number of rows m of what it writes
struct broken : archetypes::measurement {
    int outputs() const = delete;
};

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
#endif
