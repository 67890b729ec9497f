#include <support/archetypes.hpp>

using diamond::velocity_field, diamond::differentiable_velocity_field, diamond::velocity_field_with_density,
    diamond::scored_velocity_field;

static_assert(velocity_field<archetypes::velocity_field>);
static_assert(diamond::diagnose_velocity_field<archetypes::velocity_field>());
static_assert(!differentiable_velocity_field<archetypes::velocity_field>);
static_assert(!velocity_field_with_density<archetypes::velocity_field>);
static_assert(!scored_velocity_field<archetypes::velocity_field>);

static_assert(differentiable_velocity_field<archetypes::differentiable_velocity_field>);
static_assert(diamond::diagnose_differentiable_velocity_field<archetypes::differentiable_velocity_field>());
static_assert(velocity_field_with_density<archetypes::velocity_field_with_density>);
static_assert(diamond::diagnose_velocity_field_with_density<archetypes::velocity_field_with_density>());
static_assert(scored_velocity_field<archetypes::scored_velocity_field>);

// A condition is what the network names, and then nothing else will do.
struct labelled : archetypes::velocity_field {
    using condition_type = diamond::labels;
    void operator()(archetypes::const_view, diamond::time_view, diamond::labels, workspace&,
                    archetypes::view) const;
};
struct says_labels : archetypes::velocity_field {
    using condition_type = diamond::labels;
};
static_assert(velocity_field<labelled> && !velocity_field<says_labels>);

struct without_batch {
    int dimension() const;
};
struct without_dimension : archetypes::velocity_field {
    int dimension() const = delete;
};
struct without_workspace : archetypes::velocity_field {
    void make_workspace() const = delete;
};
struct without_call : archetypes::velocity_field {
    void operator()() const = delete;
};
struct mutable_call : archetypes::velocity_field {
    void operator()(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&,
                    archetypes::view);
};
struct forward_mode_only : archetypes::differentiable_velocity_field {
    void vjp() const = delete;
};
static_assert(!velocity_field<without_batch> && !velocity_field<without_dimension> &&
              !velocity_field<without_workspace>);
static_assert(!velocity_field<without_call> && !velocity_field<mutable_call>);
static_assert(!velocity_field<archetypes::uncopyable<archetypes::velocity_field>> && !velocity_field<int>);
static_assert(velocity_field<forward_mode_only> && !differentiable_velocity_field<forward_mode_only>);
