/// Vectorised counters and Philox against their scalar definitions, also for columns far beyond any batch a
/// test could hold.
#include <algorithm>
#include <random>

#include <doctest/doctest.h>

#include <diamond/backend/detail/normals.hpp>

namespace backend_philox_lanes_test {

using diamond::index_t, diamond::noise_stream, diamond::philox_block;
using diamond::detail::normal_lanes;

TEST_CASE("many Philox counters at once") {
    std::mt19937_64 generator(1);
    alignas(64) std::uint32_t w[4][normal_lanes], counters[4][normal_lanes];
    for (int lanes = 0; lanes <= normal_lanes; ++lanes) {
        const std::uint64_t key = lanes == 0 ? ~std::uint64_t{0} : generator();
        for (auto& row : counters)
            for (auto& word : row) word = static_cast<std::uint32_t>(generator());
        std::copy_n(&counters[0][0], 4 * normal_lanes, &w[0][0]);
        diamond::detail::philox_lanes(w, lanes, key);
        for (int l = 0; l < lanes; ++l)
            REQUIRE(philox_block{{w[0][l], w[1][l], w[2][l], w[3][l]}} ==
                    diamond::philox4x32_10({{counters[0][l], counters[1][l], counters[2][l], counters[3][l]}},
                                           key));
    }
}

TEST_CASE("many counters at once") {
    std::mt19937_64 generator(2);
    alignas(64) std::uint32_t w[4][normal_lanes];
    const index_t most_slots = (index_t{1} << 32) - normal_lanes;
    for (const index_t samples : {index_t{1}, index_t{2}, index_t{3}, index_t{7}, index_t{128}, index_t{1000},
                                  index_t{999'999}, noise_stream::most_samples})
        for (const index_t slot : {index_t{0}, index_t{1}, index_t{12'345'678}, most_slots})
            for (int part = 1; part <= normal_lanes; ++part) {
                const noise_stream stream{
                    .seed = 0, .purpose = diamond::purpose::value, .step = 9, .samples = samples};
                const index_t column = slot * samples +
                                       static_cast<index_t>(generator() %
                                                            static_cast<std::uint64_t>(samples)),
                              block = 77;
                diamond::detail::fill_counters(stream, column, block, part, normal_lanes, w);
                for (int l = 0; l < normal_lanes; ++l)
                    REQUIRE(philox_block{{w[0][l], w[1][l], w[2][l], w[3][l]}} ==
                            stream.counter(column + l / part, block + l % part));
            }
}

} // namespace backend_philox_lanes_test
