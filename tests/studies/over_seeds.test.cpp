// Tables over seeds: means, spreads, and what some seeds lack.
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <shared/table.hpp>

using studies::cell, studies::over_seeds, studies::table;

namespace {

cell over(const std::vector<cell>& of_seed) {
    std::vector<const cell*> all;
    for (const auto& one : of_seed) all.push_back(&one);
    return over_seeds(all);
}

table one_row(const char* name, cell figure) {
    table result{"t", "T", "", {"what", "how much"}};
    result.add({name, std::move(figure)});
    return result;
}

} // namespace

TEST_CASE("a cell shows its figures, and keeps them whole") {
    const cell one("%.2f", 1.0 / 3.0), two("%.1f (%.1f)", 1.25, 2.75),
        percent(std::string("%.0f %%"), {12.3});
    CHECK(one.shown == "0.33");
    CHECK(one.value == 1.0 / 3.0);
    CHECK(two.shown == "1.2 (2.8)");
    CHECK(two.value == nlohmann::ordered_json{1.25, 2.75});
    CHECK(percent.shown == "12 %");
    CHECK_THROWS_AS(cell(std::string("%.0f and %.0f"), {1.0}), std::invalid_argument);
}

TEST_CASE("over seeds: the mean ± the standard deviation, errors of single seeds left out") {
    const auto figure = over(
        {{"%.1f ± %.1f", 1.0, 0.5}, {"%.1f ± %.1f", 2.0, 0.5}, {"%.1f ± %.1f", 6.0, 0.5}});
    CHECK(figure.shown == "3.0 ± 2.6"); // sqrt((4 + 1 + 9)/2)
    CHECK(figure.value.at("mean").get<double>() == doctest::Approx(3.0));
    CHECK(figure.value.at("deviation").get<double>() == doctest::Approx(std::sqrt(7.0)));
    CHECK(figure.value.at("seeds") == 3);
    const auto range = over({{"%.0f to %.0f", 1.0, 10.0}, {"%.0f to %.0f", 3.0, 10.0}});
    CHECK(range.shown == "2.0 ± 1.4 to 10");
    CHECK(range.value.size() == 2);
}

TEST_CASE("over seeds: a figure that some lack says in how many it stands") {
    const auto some = over({{"%.1f errors", 1.0}, "–", {"%.1f errors", 3.0}});
    CHECK(some.shown == "2.0 ± 1.4 errors (2 of 3 seeds)");
    CHECK(some.value.at("seeds") == 2);
    const auto one = over({{"%.1f", 1.5}, {"%.1f", std::numeric_limits<double>::quiet_NaN()}});
    CHECK(one.shown == "1.5 (1 of 2 seeds)");
    CHECK(one.value.at("deviation").is_null());
    CHECK(over({"–", "–"}).shown == "–");
    CHECK(over({"the sampler", "the sampler", "–"}).shown == "the sampler (2 of 3 seeds); – (1 of 3 seeds)");
}

TEST_CASE("tables over seeds have the rows of one; others are refused, and two rows of one name") {
    const auto tables = over_seeds(
        std::vector<std::vector<table>>{{one_row("a", {"%.1f", 1.0})}, {one_row("a", {"%.1f", 2.0})}});
    REQUIRE(tables.size() == 1);
    CHECK(markdown_of(tables[0]) == "| what | how much |\n| --- | --- |\n| a | 1.50 ± 0.71 |\n");
    CHECK(json_of(tables).at("t").at("a").at("how much").at("mean") == 1.5);
    CHECK_THROWS_AS(over_seeds(std::vector<std::vector<table>>{{one_row("a", {"%.1f", 1.0})},
                                                               {one_row("b", {"%.1f", 2.0})}}),
                    std::invalid_argument);
    auto twice = one_row("a", {"%.1f", 1.0});
    CHECK_THROWS_AS(twice.add({"a", {"%.1f", 1.0}}), std::invalid_argument);
    CHECK_THROWS_AS(twice.add({"b"}), std::invalid_argument);
    CHECK_NOTHROW(twice.add({"a", {"%.1f", 1.0}}, "another a"));
}
