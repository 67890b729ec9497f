/// Draws on a device: the same integers as on the host, and normals within 4 ulp.
#include <doctest/doctest.h>

#include <diamond/backend/cuda.cuh>
#include <diamond/random/normal.hpp>

#include <support/numbers.hpp>

namespace cuda_philox_test {

using diamond::index_t, diamond::noise_stream, diamond::normal_block, diamond::philox, diamond::philox_block,
    diamond::purpose;

namespace {
constexpr noise_stream stream = philox{0x123456789abcdef0}.stream(purpose::transition, 17, 3);

struct write_words {
    noise_stream from;
    philox_block* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = from.words(j / 4, j % 4); }
};
template <class Real>
struct write_normals {
    noise_stream from;
    Real* out;
    DIAMOND_HD void operator()(index_t j) const {
        const normal_block<Real> block(from.words(j / 4, j % 4));
        for (index_t k = 0; k < diamond::normals_per_block<Real>; ++k)
            out[j * diamond::normals_per_block<Real> + k] = block.value[k];
    }
};
} // namespace

TEST_CASE("random words on a device are those of the host") {
    const diamond::cuda::context context;
    diamond::owning_batch<philox_block, diamond::cuda::context> words(context, 1, 1 << 16);
    context.for_each(words.size(), write_words{stream, words.data()});
    const auto found = diamond::to_host(words);
    for (index_t j = 0; j < words.size(); ++j) REQUIRE(numbers::at(found, j) == stream.words(j / 4, j % 4));
}

TEST_CASE_TEMPLATE("normals on a device are within 4 ulp of the host's", real, float, double) {
    constexpr index_t count = 1 << 16;
    const diamond::cuda::context context;
    diamond::cuda::batch<real> blocks(context, diamond::normals_per_block<real>, count);
    context.for_each(count, write_normals<real>{stream, blocks.data()});
    const auto found = diamond::to_host(blocks);
    double worst = 0.0;
    for (index_t j = 0; j < count; ++j) {
        const normal_block<real> host(stream.words(j / 4, j % 4));
        for (index_t k = 0; k < diamond::normals_per_block<real>; ++k)
            worst = std::max(
                worst,
                numbers::ulps(numbers::at(found, j * diamond::normals_per_block<real> + k), host.value[k]));
    }
    MESSAGE("worst: " << worst << " ulp");
    CHECK(worst <= 4.0);
}

} // namespace cuda_philox_test
