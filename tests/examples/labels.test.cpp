// Samples of the shipped network are of the class that their label asks for.
#include <support/program.hpp>

TEST_CASE("a label gives samples of its class, no label those of all") {
    const auto [status, output] = diamond_test::run_program(
        "labels", diamond_test::quoted(std::filesystem::path(DIAMOND_DIGITS_DATA).parent_path()));
    INFO(output);
    CHECK(status == 0);
    int sevens = -1, asked = -1, without = -1, agree = -1;
    REQUIRE(std::sscanf(output.c_str(),
                        "nearest to the mean seven: %d of %d sevens, %d without a label\n"
                        "nearest to the mean of their label: %d of",
                        &sevens, &asked, &without, &agree) == 4);
    CHECK(sevens > 0.85 * asked);
    CHECK(agree > 0.75 * asked); // some means of other classes are nearer to odd images
    // A tenth of the data are sevens: 0.2 is 7 standard deviations off.
    CHECK(without < 0.2 * asked);
}
