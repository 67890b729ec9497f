#include <csignal>
#include <string>

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <diamond/plot/png.hpp>

#include "io/scratch.hpp"
#include "plot/decoded_png.hpp"
#include "plot/ink.hpp"

namespace plot_png_test {

namespace plot = diamond::plot;
namespace colours = diamond::plot::colours;
using diamond_test::contents, diamond_test::decoded_png, diamond_test::reason, diamond_test::scratch;

TEST_CASE("a picture has two pixels a unit, and its PNG has them all") {
    const scratch folder;
    plot::canvas picture{30, 20, colours::palette[1]};
    picture.fill({10, 5, 12, 15}, colours::palette[0]);
    picture.disc({20, 10}, 5, colours::palette[2], 0.5);
    plot::write_png(folder / "a.png", picture);

    const decoded_png png{folder / "a.png"};
    REQUIRE(png.width == 60);
    REQUIRE(png.height == 40);
    CHECK(png.is_rgb());
    CHECK(png.pixel(0, 0) == colours::palette[1]);
    CHECK(png.pixel(59, 39) == colours::palette[1]);
    CHECK(png.pixel(20, 10) == colours::palette[0]);
    CHECK(png.pixel(23, 29) == colours::palette[0]);
    CHECK(png.pixel(24, 29) == colours::palette[1]);
    CHECK(png.pixel(23, 30) == colours::palette[1]);
    diamond_test::for_each_pixel(picture,
                                 [&](int x, int y, auto pixel) { CHECK_UNARY(png.pixel(x, y) == pixel); });
}

TEST_CASE("a PNG that cannot be written says why") {
    const scratch folder;
    const plot::canvas picture{3, 2};
    CHECK(reason([&] { plot::write_png(folder / "none/a.png", picture); }) ==
          doctest::Contains("cannot be written"));
    CHECK(reason([&] { plot::write_png(folder.folder(), picture); }) ==
          doctest::Contains("not a regular file"));
}

TEST_CASE("a PNG takes the place of the one before, whole or not at all") {
    const scratch folder;
    const auto path = folder / "a.png";
    plot::write_png(path, plot::canvas{8, 8, colours::black});
    const auto before = contents(path);
    plot::canvas noise{200, 200};
    noise.shade({0, 0, 200, 200}, [bits = 1u](double, double) mutable {
        bits = bits * 1664525u + 1013904223u;
        return plot::rgb{static_cast<std::uint8_t>(bits >> 24), 0, static_cast<std::uint8_t>(bits >> 16)};
    });
    rlimit unlimited{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    auto tight = unlimited;
    tight.rlim_cur = 1 << 14;
    const auto handler = std::signal(SIGXFSZ, SIG_IGN); // so that write fails, as it does on a full disc
    REQUIRE(setrlimit(RLIMIT_FSIZE, &tight) == 0);
    const auto why = reason([&] { plot::write_png(path, noise); });
    setrlimit(RLIMIT_FSIZE, &unlimited);
    std::signal(SIGXFSZ, handler);
    CHECK(why == doctest::Contains("cannot be written: File too large"));
    CHECK(contents(path) == before);

    plot::write_png(path, noise);
    CHECK(decoded_png{path}.width == 400);
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator{folder.folder()}) files += entry.exists();
    CHECK(files == 1); // no part of a file stays behind
}

} // namespace plot_png_test
