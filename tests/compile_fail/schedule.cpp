// What is refused of a schedule, and in which words: see CMakeLists.txt.
#include <diamond/io/schedule_name.hpp>
#include <diamond/schedule/readings.hpp>

#include <support/archetypes.hpp>

#if CASE == 1 // schedule_coefficients
// expect: a schedule needs double alpha(double t) const and double sigma(double t) const
struct broken : archetypes::schedule {
    double sigma(double) const = delete;
};

static_assert(sizeof(diamond::readings<broken, archetypes::velocity_field>) > 0);
#endif

#if CASE == 2 // schedule_copyable
// expect: a schedule must be copyable: it travels by value into maps and kernels
using broken = archetypes::uncopyable<archetypes::schedule>;

static_assert(sizeof(diamond::readings<broken, archetypes::velocity_field>) > 0);
#endif

#if CASE == 3 // schedule_derivatives
// expect: a schedule needs the derivatives double d_alpha(double t) const and double d_sigma(double t) const
struct broken : archetypes::schedule {
    double d_alpha(double) const = delete;
};

static_assert(sizeof(diamond::readings<broken, archetypes::velocity_field>) > 0);
#endif

#if CASE == 4 // schedule_name
// expect: a schedule of your own needs `std::string name() const` to be saved in a file, or read from one:
// another must not be taken for it
struct nameless {
    double alpha(double t) const { return t; }
    double sigma(double t) const { return 1.0 - t; }
    double d_alpha(double) const { return 1.0; }
    double d_sigma(double) const { return -1.0; }
};

std::string broken() { return diamond::io::schedule_name(nameless{}); }
#endif
