#include <limits>

#include <doctest/doctest.h>

#include <diamond/plot/colour.hpp>

namespace plot_colour_test {

namespace plot = diamond::plot;
namespace colours = diamond::plot::colours;

TEST_CASE("colour maps run from their first colour to their last") {
    for (const plot::colour_map map :
         {plot::colour_map{colours::viridis}, plot::colour_map{colours::blues}}) {
        CHECK(plot::colour_at(map, 0) == map.front());
        CHECK(plot::colour_at(map, 1) == map.back());
        CHECK(plot::colour_at(map, -3) == map.front());
        CHECK(plot::colour_at(map, std::numeric_limits<double>::infinity()) == map.back());
        CHECK(plot::colour_at(map, std::numeric_limits<double>::quiet_NaN()) == colours::alarm);
    }
    CHECK(plot::colour_at(colours::viridis, 0.5) == colours::viridis[4]);
    CHECK(plot::mix({0, 100, 200}, {100, 0, 200}, 0.25) == plot::rgb{25, 75, 200});
}

} // namespace plot_colour_test
