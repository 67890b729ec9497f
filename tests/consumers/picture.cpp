// A program that takes pictures alone from the library.
#include <diamond/plot/line_plot.hpp>
#include <diamond/plot/png.hpp>

int main() {
    diamond::plot::write_png(
        "picture.png",
        diamond::plot::line_plot{.title = "a parabola", .curves = {{.x = {0, 1, 2, 3}, .y = {0, 1, 4, 9}}}});
}
