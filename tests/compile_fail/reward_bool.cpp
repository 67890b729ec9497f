// expect: a reward is no bool, of which 0 and 1 would be taken for log probabilities
#include <diamond/value/posterior.hpp>

#include <support/archetypes.hpp>

struct broken {
    bool operator()(diamond::column_view<const double>) const;
};

static_assert(sizeof(diamond::posterior_value<archetypes::posterior_sampler, broken>) > 0);
