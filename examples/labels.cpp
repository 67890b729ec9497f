// Class-conditional sampling by a shipped network of digits: one label for all samples, one for each, or
// none. labels [FOLDER OF THE DIGITS]
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <diamond/backend/eigen.hpp>
#include <diamond/diamond.hpp>
#include <diamond/io/checkpoint.hpp>
#include <diamond/io/npy.hpp>

#include "run_main.hpp"

using batch = diamond::eigen::batch<float>;
constexpr std::size_t pixels = 64, classes = 10;

/// The class whose mean image is nearest to each of the images, which stand one behind the other.
std::vector<std::int32_t> nearest_classes(const std::vector<float>& images,
                                          const std::array<std::array<float, pixels>, classes>& means) {
    std::vector<std::int32_t> nearest;
    for (std::size_t first = 0; first < images.size(); first += pixels) {
        std::array<float, classes> distance{};
        for (std::size_t c = 0; c < classes; ++c)
            for (std::size_t i = 0; i < pixels; ++i) {
                const float apart = images[first + i] - means[c][i];
                distance[c] += apart * apart;
            }
        nearest.push_back(
            static_cast<std::int32_t>(std::min_element(distance.begin(), distance.end()) - distance.begin()));
    }
    return nearest;
}

int run(const std::filesystem::path& digits) {
    constexpr diamond::index_t count = 500;

    // [program]
    const diamond::eigen::context context{.threads = 2};
    const auto network = diamond::io::load_network<batch>(context, digits / "weights/diamond.safetensors");
    diamond::chain sampler{diamond::early_stop_kernel{diamond::network_diamond_map{network}},
                           {.particles = count, .steps = 4}};
    const diamond::philox rng{.seed = 42};

    const auto sevens = sampler(context, rng, diamond::labels{7}); // one label for all samples

    std::vector<std::int32_t> wanted(count); // one for each, in the memory of the context
    for (std::size_t j = 0; j < wanted.size(); ++j) wanted[j] = static_cast<std::int32_t>(j % classes);
    const auto list = diamond::from_host(context, 1, count, wanted);
    const auto of_each = sampler(context, rng, diamond::labels{list.data()});

    const auto of_any = sampler(context, rng); // no label: whatever is in the data
    // [/program]

    // The data's mean images, by which the samples are judged; grey levels 0 ... 16 are -1 ... 1 here.
    const auto images = diamond::io::read_npy<std::uint8_t>(digits / "data/images.npy").data;
    const auto labels = diamond::io::read_npy<std::uint8_t>(digits / "data/labels.npy").data;
    std::array<std::array<float, pixels>, classes> means{};
    std::array<float, classes> members{};
    for (const auto label : labels) members[label] += 1.0f;
    for (std::size_t k = 0; k < images.size(); ++k)
        means[labels[k / pixels]][k % pixels] += (images[k] / 8.0f - 1.0f) / members[labels[k / pixels]];

    const auto judged_sevens = nearest_classes(to_host(sevens.particles), means);
    const auto judged_each = nearest_classes(to_host(of_each.particles), means);
    const auto judged_any = nearest_classes(to_host(of_any.particles), means);
    const auto right = std::count(judged_sevens.begin(), judged_sevens.end(), 7),
               others = std::count(judged_any.begin(), judged_any.end(), 7);
    diamond::index_t agree = 0;
    for (std::size_t j = 0; j < wanted.size(); ++j) agree += judged_each[j] == wanted[j];
    std::printf("nearest to the mean seven: %td of %td sevens, %td without a label\n", right, count, others);
    std::printf("nearest to the mean of their label: %td of %td\n", agree, count);
    return right > count * 7 / 10 && others < count * 3 / 10 && agree > count * 7 / 10 ? 0 : 1;
}

int main(int argc, char** argv) {
    return examples::run_main("labels", [&] { return run(argc > 1 ? argv[1] : "examples/studies/digits"); });
}
