// Programs open namespaces: std, diamond, diamond::io, diamond::plot and POSIX's functions in the global one
// must not share a common name. Each line below names a type that had one (midpoint, times, array, extent,
// any), and `batch` is what a program calls its own alias.
#include <any>
#include <array>
#include <numeric>
#include <type_traits>

#include <sys/times.h>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/npy.hpp>
#include <diamond/plot/axis.hpp>

using namespace std;
using namespace diamond;
using namespace diamond::io;
using namespace diamond::plot;

using batch = diamond::eigen::batch<float>;

static_assert(explicit_midpoint{.steps = 4}.steps == 4);
static_assert(midpoint(1, 3) == 2);
static_assert(time_view(0.5).value() == 0.5);
static_assert(is_same_v<decltype(times(nullptr)), clock_t>);
static_assert(is_same_v<decltype(npy_array<float>{}.data), vector<float>>);
static_assert(tuple_size_v<array<int, 3>> == 3);
static_assert(is_same_v<decltype(value_range{0.0, 1.0}.from), double> && extent_v<int[3]> == 3);
static_assert(is_class_v<any> && any_extent > 0);
static_assert(is_same_v<batch::value_type, float>);
