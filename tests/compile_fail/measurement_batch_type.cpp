// expect: a measurement needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/reward/gaussian_measurement.hpp>

#include <support/archetypes.hpp>

struct broken {
    int dimension() const;
    int outputs() const;
    void operator()(archetypes::const_view, archetypes::view);
};

static_assert(sizeof(diamond::gaussian_measurement_reward<broken>) > 0);
