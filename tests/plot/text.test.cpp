#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <diamond/plot/text.hpp>

#include "io/scratch.hpp"
#include "plot/ink.hpp"

namespace plot_text_test {

namespace plot = diamond::plot;
namespace colours = diamond::plot::colours;
using diamond_test::extent_of_ink, diamond_test::black_area;

/// What fontconfig keeps for the whole run it keeps as distances, where the leak sanitizer looks for
/// pointers.
extern "C" const char* __lsan_default_suppressions() { return "leak:libfontconfig"; }

namespace {

plot::canvas written(const std::string& text, double size = 24) {
    plot::canvas picture{60, 60};
    plot::draw_text(picture, {5, 40}, text, {.size = size, .colour = colours::black});
    return picture;
}
bool same(const std::string& a, const std::string& b) {
    return diamond_test::same_pixels(written(a), written(b));
}

} // namespace

TEST_CASE("text leaves ink, in its colour, above its baseline and as high as capitals are") {
    const auto picture = written("H");
    CHECK(black_area(picture) > 50); // two stems of 17 units, and the bar
    CHECK(diamond_test::count(picture, colours::black) > 150);
    const auto ink = extent_of_ink(picture);
    CHECK(ink.bottom == doctest::Approx(40 * plot::pixels_per_unit).epsilon(0.02));
    CHECK(ink.height() == doctest::Approx(plot::capital_height(24) * plot::pixels_per_unit).epsilon(0.06));
    CHECK(black_area(written(" ")) == 0);
    CHECK(black_area(written("")) == 0);
    CHECK(plot::text_width("", 12) == 0);

    plot::canvas coloured{60, 60};
    plot::draw_text(coloured, {5, 40}, "H", {.size = 24, .colour = colours::palette[0]});
    CHECK(diamond_test::count(coloured, colours::palette[0]) == diamond_test::count(picture, colours::black));
}

TEST_CASE("the font is DejaVu Sans: the widths of its letters are in proportion to its tables") {
    // Advances in 1/2048 of an em; another font, or none, has others. Install fonts-dejavu-core if this
    // fails.
    CHECK(plot::text_width("H", 20.48) == doctest::Approx(15.40).epsilon(0.005));
    CHECK(plot::text_width("m", 20.48) == doctest::Approx(19.95).epsilon(0.005));
    CHECK(plot::text_width("−", 20.48) == doctest::Approx(17.16).epsilon(0.005));
    CHECK(plot::text_width("i", 20.48) == doctest::Approx(5.69).epsilon(0.005));
}

TEST_CASE("text is as wide as it is drawn, wherever it is anchored and whichever way it runs") {
    const std::string text = "HAVING Σ exp(−x²)H"; // H: stems at both ends
    const double size = 20, width = plot::text_width(text, size);
    const double bearing = 0.1 * size; // what an H leaves free at either side
    for (const auto& [align, shift] :
         {std::pair{plot::anchor::start, 0.0}, {plot::anchor::middle, 0.5}, {plot::anchor::end, 1.0}}) {
        plot::canvas across{800, 60};
        plot::draw_text(across, {400, 40}, text, {.size = size, .align = align});
        const auto along = extent_of_ink(across);
        const double left = along.left / 2.0, right = along.right / 2.0;
        CHECK(std::abs(left - (400 - shift * width + bearing)) < 1);
        CHECK(std::abs(right - (400 + (1 - shift) * width - bearing)) < 1);

        plot::canvas up{60, 800};
        plot::draw_text(up, {40, 400}, text, {.size = size, .align = align, .upward = true});
        const auto upward = extent_of_ink(up);
        CHECK(std::abs(upward.height() - along.width()) <= 2);
        CHECK(std::abs(800 - upward.bottom / 2.0 - left) < 1); // it begins below and reads upwards
        CHECK(std::abs(upward.right - along.bottom) <= 2);
    }
}

TEST_CASE("every printable character has a shape of its own, and malformed ones that of U+FFFD") {
    std::vector<std::string> characters;
    for (char c = '!'; c <= '~'; ++c) characters.emplace_back(1, c);
    for (const char* more : {"α", "β", "σ", "Σ", "∇", "−", "·", "²", "³", "⁰", "⁴", "⁻", "ₜ", "₁", "≤", "½"})
        characters.emplace_back(more);
    for (std::size_t i = 0; i < characters.size(); ++i) {
        CAPTURE(characters[i]);
        CHECK(black_area(written(characters[i])) > 1);
        CHECK_FALSE(same(characters[i], "\u6F22")); // the frame that stands for what the font lacks
        for (std::size_t k = 0; k < i; ++k) CHECK_FALSE(same(characters[i], characters[k]));
    }
    // cut off, too long, surrogates, beyond Unicode, and no characters at all
    for (const auto* spoilt : {"\xff", "\xc3", "\xc0\xaf", "\x80", "\xf8"}) {
        CAPTURE(spoilt);
        CHECK(plot::detail::printable(spoilt).starts_with("\uFFFD"));
        CHECK(same(std::string(1, spoilt[0]), "\uFFFD"));
    }
    for (const auto* spoilt :
         {"\xe2\x82", "\xf0\x9f\x92", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xef\xbf\xbf", "\xef\xb7\x90"}) {
        CAPTURE(spoilt);
        CHECK(plot::detail::printable(spoilt).starts_with("\uFFFD"));
        CHECK_NOTHROW(written(spoilt));
    }
    CHECK(plot::detail::printable("a\tb\n\x7f€\U0001F600") == "a b  €\U0001F600");
}

} // namespace plot_text_test
