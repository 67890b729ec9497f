// expect: a velocity field needs `using batch_type = diamond::eigen::batch<float>;` (or another back end's batch)
#include <diamond/schedule/field_evaluator.hpp>

#include <support/archetypes.hpp>

struct broken {
    struct workspace {};
    int dimension() const;
    workspace make_workspace(const archetypes::context&, diamond::index_t) const;
    void operator()(archetypes::const_view, diamond::time_view, diamond::no_condition, workspace&, archetypes::view) const;
};

static_assert(sizeof(diamond::field_evaluator<broken>) > 0);
