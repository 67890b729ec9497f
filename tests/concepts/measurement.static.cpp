#include <diamond/reward/affine_measurement.hpp>
#include <diamond/reward/down_sampling_measurement.hpp>
#include <diamond/reward/mask_measurement.hpp>

#include <support/archetypes.hpp>

using archetypes::batch;
using diamond::measurement, diamond::differentiable_measurement, diamond::selecting_measurement;

static_assert(measurement<archetypes::measurement> &&
              diamond::diagnose_measurement<archetypes::measurement>());
static_assert(!differentiable_measurement<archetypes::measurement> &&
              !selecting_measurement<archetypes::measurement>);
static_assert(differentiable_measurement<archetypes::differentiable_measurement>);
static_assert(diamond::diagnose_differentiable_measurement<archetypes::differentiable_measurement>());
static_assert(selecting_measurement<archetypes::selecting_measurement>);

static_assert(differentiable_measurement<diamond::mask_measurement<batch>> &&
              selecting_measurement<diamond::mask_measurement<batch>>);
static_assert(differentiable_measurement<diamond::down_sampling_measurement<batch>>);
static_assert(differentiable_measurement<diamond::affine_measurement<batch>>);
static_assert(!selecting_measurement<diamond::down_sampling_measurement<batch>> &&
              !selecting_measurement<diamond::affine_measurement<batch>>);

struct without_batch {
    int dimension() const;
};
struct without_dimension : archetypes::measurement {
    int dimension() const = delete;
};
struct without_outputs : archetypes::measurement {
    int outputs() const = delete;
};
struct without_call : archetypes::measurement {
    void operator()() = delete;
};
static_assert(!measurement<without_batch> && !measurement<without_dimension> &&
              !measurement<without_outputs> && !measurement<without_call>);
static_assert(!measurement<archetypes::uncopyable<archetypes::measurement>> && !measurement<int>);
