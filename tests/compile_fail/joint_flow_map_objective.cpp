// expect: an objective needs batch_type, dimension(), operator()(const_view x_0, condition, double* out), gradient(const_view x_0, condition, view out) and spent()
#include <diamond/likelihood/self_guidance.hpp>

#include <support/archetypes.hpp>

struct broken { // without a gradient
    using batch_type = archetypes::batch;
    int dimension() const;
    diamond::cost spent() const;
    void operator()(archetypes::const_view, diamond::no_condition, double*);
};

static_assert(sizeof(diamond::self_guidance<broken>) > 0);
