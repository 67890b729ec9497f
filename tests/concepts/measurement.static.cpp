#include <diamond/measurement/affine_measurement.hpp>
#include <diamond/measurement/any_measurement.hpp>
#include <diamond/measurement/blur_measurement.hpp>
#include <diamond/measurement/down_sampling_measurement.hpp>
#include <diamond/measurement/function_measurement.hpp>
#include <diamond/measurement/mask_measurement.hpp>
#include <diamond/measurement/sparse_measurement.hpp>
#include <diamond/measurement/whitened_measurement.hpp>

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

// Which know their singular vectors, and which are found.
using diamond::measurement_with_singular_vectors;
static_assert(differentiable_measurement<diamond::blur_measurement<batch>> &&
              measurement_with_singular_vectors<diamond::blur_measurement<batch>>);
static_assert(measurement_with_singular_vectors<diamond::mask_measurement<batch>> &&
              measurement_with_singular_vectors<diamond::down_sampling_measurement<batch>>);
static_assert(differentiable_measurement<diamond::sparse_measurement<batch>> &&
              !measurement_with_singular_vectors<diamond::sparse_measurement<batch>>);
static_assert(differentiable_measurement<diamond::operator_measurement<batch>> &&
              differentiable_measurement<diamond::function_measurement<batch>>);
using whitened_mask = diamond::whitened_measurement<diamond::mask_measurement<batch>>;
static_assert(differentiable_measurement<whitened_mask> && measurement_with_singular_vectors<whitened_mask> &&
              !selecting_measurement<whitened_mask>);
using whitened_blur = diamond::whitened_measurement<diamond::blur_measurement<batch>>;
static_assert(differentiable_measurement<whitened_blur> && !measurement_with_singular_vectors<whitened_blur>);
static_assert(!differentiable_measurement<diamond::whitened_measurement<archetypes::measurement>>);
static_assert(differentiable_measurement<diamond::any_measurement<batch>> &&
              measurement_with_singular_vectors<diamond::any_measurement<batch>>);

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
