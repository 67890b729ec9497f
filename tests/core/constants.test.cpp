// Constants that are passed by value arrive as they are. g++ 12 for AVX-512 makes all words of 32 or 64 bytes
// equal where all but the last are; the flags that our targets pass on prevent it.
#include <doctest/doctest.h>

namespace core_constants_test {

namespace {

struct four_numbers {
    double a, b, c, d;
};
struct eight_numbers {
    long a, b, c, d, e, f, g, h;
};
// Called through pointers that no optimiser sees through.
double (*volatile last_of_four)(four_numbers) = [](four_numbers x) { return x.d; };
long (*volatile last_of_eight)(eight_numbers) = [](eight_numbers x) { return x.h; };

} // namespace

TEST_CASE("a constant passed by value keeps its last number") {
    CHECK(last_of_four(four_numbers{1.0, 1.0, 1.0, 0.0}) == 0.0);
    CHECK(last_of_four(four_numbers{2.0, 2.0, 0.0, 0.0}) == 0.0);
    CHECK(last_of_eight(eight_numbers{1, 1, 1, 1, 1, 1, 1, 0}) == 0);
}

} // namespace core_constants_test
