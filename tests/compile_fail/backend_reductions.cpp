// expect: a back end's context needs column_sums(rows, columns, f, double* out), sum(n, f, out), max(n, f, out), double sum(n, f) and double max(n, f), const
#include <diamond/reward/linear.hpp>

#include <support/archetypes.hpp>

struct broken : archetypes::basic_context<broken> {
    float max(diamond::index_t, const diamond::detail::number_probe&) const; // not in double
};

static_assert(sizeof(diamond::linear_reward<diamond::owning_batch<double, broken>>) > 0);
