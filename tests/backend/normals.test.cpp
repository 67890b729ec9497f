/// fill_normal: the addressing and the numbers are those of random/normal.hpp, whatever the shape.
#include <support/back_ends.hpp>
#include <support/numbers.hpp>

namespace backend_normals_test {

using diamond::index_t, diamond::noise_stream, diamond::purpose, numbers::at;

namespace {
/// The definition, a number at a time. Back ends may differ from it by 4 ulp.
template <class Real>
std::vector<Real> defined(const noise_stream& stream, index_t rows, index_t columns) {
    std::vector<Real> result;
    for (index_t j = 0; j < columns; ++j)
        for (index_t i = 0; i < rows; ++i) {
            const diamond::normal_block<Real> block(stream.words(j, i / diamond::normals_per_block<Real>));
            result.push_back(block.value[i % diamond::normals_per_block<Real>]);
        }
    return result;
}
template <class Back>
std::vector<typename Back::real> filled(const noise_stream& stream, index_t rows, index_t columns) {
    const auto context = Back::make();
    typename Back::batch out(context, rows, columns);
    context.template fill_normal<typename Back::real>(stream, out);
    return diamond::to_host(out);
}
template <class Real>
double largest_distance(const std::vector<Real>& a, const std::vector<Real>& b) {
    double result = 0.0;
    for (std::size_t k = 0; k < a.size(); ++k) result = std::max(result, numbers::ulps(a[k], b[k]));
    return result;
}
constexpr double most_ulps = 4.0;
} // namespace

TEST_CASE_TEMPLATE("normals of every shape are those of the definition", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    for (const index_t rows : {0, 1, 2, 3, 4, 5, 7, 8, 64, 127, 192, 255, 256, 257, 511, 513, 1000, 5000})
        for (const index_t columns : {0, 1, 2, 15, 129, 1000}) {
            if (rows * columns > 200'000) continue;
            CAPTURE(rows);
            CAPTURE(columns);
            const noise_stream stream{
                .seed = 0x123456789abcdef0u, .purpose = purpose::transition, .step = 17};
            const auto result = filled<back_end>(stream, rows, columns);
            REQUIRE(result.size() == static_cast<std::size_t>(rows * columns));
            CHECK(largest_distance(result, defined<real>(stream, rows, columns)) <= most_ulps);
        }
}

TEST_CASE_TEMPLATE("column j is value sample j % M of slot j / M", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    for (const index_t samples : {1, 2, 3, 7, 16, 1000})
        for (const index_t rows : {1, 2, 4, 9, 300}) {
            CAPTURE(samples);
            CAPTURE(rows);
            const index_t slots = samples > 16 ? 3 : 50;
            const noise_stream stream{.seed = 5, .purpose = purpose::value, .step = 2, .samples = samples};
            const auto result = filled<back_end>(stream, rows, slots * samples);
            CHECK(largest_distance(result, defined<real>(stream, rows, slots * samples)) <= most_ulps);
            // By the counter's own words: block, slot, step, purpose and sample.
            const index_t j = 2 * samples + samples / 2;
            const diamond::philox_block words = diamond::philox4x32_10(
                {{0, 2, 2, 3u << 24 | static_cast<std::uint32_t>(samples / 2)}}, 5);
            CHECK(numbers::ulps(at(result, j * rows), diamond::normal_block<real>(words).value[0]) <=
                  most_ulps);
        }
}

TEST_CASE_TEMPLATE("far slots and the last sample have counters of their own", back_end, ALL_BACK_ENDS) {
    using real = typename back_end::real;
    // A column far out: the vectorised counters must not round it. fill_normal begins at column 0, so this
    // goes through the definition.
    const noise_stream stream{.seed = 1, .samples = noise_stream::most_samples};
    CHECK(stream.counter(3 * noise_stream::most_samples - 1, 9) ==
          diamond::philox_block{{9, 2, 0, 9u << 24 | 0xffffffu}});
    const auto context = back_end::make();
    typename back_end::batch out(context, 1, 4);
    CHECK_THROWS_WITH_AS(context.template fill_normal<real>(noise_stream{.samples = 0}, out),
                         "fill_normal: 0 value samples a particle, not 1 to 16777216", std::invalid_argument);
    CHECK_THROWS_AS(
        context.template fill_normal<real>(noise_stream{.samples = noise_stream::most_samples + 1}, out),
        std::invalid_argument);
}

TEST_CASE_TEMPLATE("the call is all that counts: no state is kept between calls", back_end, ALL_BACK_ENDS) {
    const noise_stream stream{.seed = 8, .step = 1};
    const auto first = filled<back_end>(stream, 3, 100);
    CHECK(numbers::same_bits(first, filled<back_end>(stream, 3, 100)));
    CHECK(!numbers::same_bits(first, filled<back_end>({.seed = 9, .step = 1}, 3, 100)));
    CHECK(!numbers::same_bits(first, filled<back_end>({.seed = 8, .step = 2}, 3, 100)));
    CHECK(!numbers::same_bits(first,
                              filled<back_end>({.seed = 8, .purpose = purpose::initial, .step = 1}, 3, 100)));
}

} // namespace backend_normals_test
