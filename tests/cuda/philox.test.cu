/// Draws on a device: the same integers as on the host, and normals within 4 ulp.
#include <cuda/device.cuh>

#include <diamond/random/normal.hpp>
#include <support/numbers.hpp>

using diamond::index_t, diamond::noise_stream, diamond::normal_block, diamond::philox, diamond::philox_block, diamond::purpose;

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
    normal_block<Real>* out;
    DIAMOND_HD void operator()(index_t j) const { out[j] = normal_block<Real>(from.words(j / 4, j % 4)); }
};
} // namespace

TEST_CASE("random words on a device are those of the host") {
    device::shared<philox_block> words(1 << 16);
    device::for_each(words.size(), write_words{stream, words.data()});
    for (index_t j = 0; j < words.size(); ++j) REQUIRE(words[j] == stream.words(j / 4, j % 4));
}

TEST_CASE_TEMPLATE("normals on a device are within 4 ulp of the host's", real, float, double) {
    device::shared<normal_block<real>> blocks(1 << 16);
    device::for_each(blocks.size(), write_normals<real>{stream, blocks.data()});
    double worst = 0.0;
    for (index_t j = 0; j < blocks.size(); ++j) {
        const normal_block<real> host(stream.words(j / 4, j % 4));
        for (index_t k = 0; k < diamond::normals_per_block<real>; ++k)
            worst = std::max(worst, numbers::ulps(blocks[j].value[k], host.value[k]));
    }
    MESSAGE("worst: " << worst << " ulp");
    CHECK(worst <= 4.0);
}
