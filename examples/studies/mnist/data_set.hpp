/// This header reads the digits of MNIST, and makes of them what networks are trained on: shifted images
/// whose 256 levels are spread evenly over [-1, 1].
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <diamond/core/errors.hpp>
#include <diamond/core/image_shape.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/io/npy.hpp>
#include <diamond/random/philox.hpp>

#include "grey_png.hpp"

namespace mnist {

using diamond::index_t;
using real = float; // the type of particles; densities, values and weights are double all the same
using floats = std::vector<real>;

inline constexpr index_t side = 28;
inline constexpr diamond::image_shape shape{1, 28, 28};
inline constexpr index_t pixels = side * side;
inline constexpr int classes = 10;
inline constexpr int levels = 256; // grey levels 0 ... 255

/// This type holds images as the columns of a pixels x count matrix of grey levels.
struct images {
    std::vector<std::uint8_t> grey;
    std::vector<std::int32_t> labels;

    [[nodiscard]] index_t count() const { return static_cast<index_t>(labels.size()); }
    [[nodiscard]] const std::uint8_t* image(index_t j) const { return grey.data() + j * pixels; }
};

struct data_set {
    images train, test;
};

/// This type says how images are made of grey levels.
struct making {
    /// Level k becomes (k + u)/128 - 1 with u uniform in (0, 1), as the bits of a density need; else with
    /// u = 1/2, the middle.
    bool dequantised = true;
    index_t shift = 0; ///< the most pixels by which an image is moved along each axis; black comes after it
};

namespace detail {

/// Returns (level + u)/128 - 1, which float holds exactly if u is an odd multiple of 2^-17.
inline real spread(int level, double u) { return static_cast<real>((level + u) / (levels / 2) - 1.0); }

/// Cuts the tiles of a sheet, of which a row has 250, into images one after the other.
inline std::vector<std::uint8_t> tiles_of(const grey_image& sheet, std::size_t count, std::size_t in_a_row) {
    constexpr auto high = static_cast<std::size_t>(side);
    std::vector<std::uint8_t> result;
    result.reserve(count * high * high);
    for (std::size_t k = 0; k < count; ++k)
        for (std::size_t y = 0; y < high; ++y) {
            const auto* const line = sheet.grey.data() + (k / in_a_row * high + y) * sheet.width +
                                     k % in_a_row * high;
            result.insert(result.end(), line, line + high);
        }
    return result;
}

} // namespace detail

/// Reads one part, `train` or `test`: its labels, and the sheet of as many tiles.
/// @throws diamond::io::file_error if a file is missing, damaged or of another kind or size;
/// std::invalid_argument if a label is no class.
inline images load_part(const std::filesystem::path& folder, const std::string& name) {
    constexpr std::size_t in_a_row = 250;
    const auto sheet_path = folder / (name + "_images.png"), label_path = folder / (name + "_labels.npy");
    for (const auto& path : {sheet_path, label_path})
        if (!std::filesystem::exists(path))
            throw diamond::io::file_error{path, "no such file: --data names a folder of train_images.png, "
                                                "train_labels.npy, test_images.png and test_labels.npy, as "
                                                "examples/studies/mnist/data is"};
    const auto label = diamond::io::read_npy<std::uint8_t>(label_path,
                                                           {.shape = std::vector{diamond::io::any_extent}});
    const std::size_t count = label.data.size();
    diamond::require(count > 0 && count % in_a_row == 0, [&] {
        return label_path.string() + ": " + std::to_string(count) +
               " labels, where a sheet has full rows of 250 images";
    });
    images result;
    for (std::size_t n = 0; n < count; ++n) {
        diamond::require(label.data[n] < classes, [&] {
            return label_path.string() + ": label " + std::to_string(label.data[n]) + " of image " +
                   std::to_string(n) + " is no digit";
        });
        result.labels.push_back(label.data[n]);
    }
    constexpr auto high = static_cast<std::size_t>(side);
    result.grey = detail::tiles_of(read_grey_png(sheet_path, count / in_a_row * high, in_a_row * high), count,
                                   in_a_row);
    return result;
}

/// Reads both parts.
/// @throws as load_part does.
inline data_set load(const std::filesystem::path& folder) {
    return {load_part(folder, "train"), load_part(folder, "test")};
}

/// Writes the image of index j to `to`, `pixels` numbers. What is random is that of column `column` of the
/// seed at this step, whatever images stand beside it.
inline void make_image(const images& of, index_t j, const making& how, diamond::philox rng, index_t step,
                       index_t column, real* to) {
    const auto* const from = of.image(j);
    index_t right = 0, down = 0;
    if (how.shift > 0) {
        const auto choice = rng.stream(diamond::purpose::user, step);
        const auto places = static_cast<double>(2 * how.shift + 1);
        right = static_cast<index_t>(choice.uniform(column, 0) * places) - how.shift;
        down = static_cast<index_t>(choice.uniform(column, 1) * places) - how.shift;
    }
    const auto noise = rng.stream(diamond::purpose::data, step);
    constexpr index_t at_once = 8; // two numbers of 16 bits a word
    for (index_t first = 0; first < pixels; first += at_once) {
        const auto words = how.dequantised ? noise.words(column, first / at_once) : diamond::philox_block{};
        for (index_t i = first; i < first + at_once; ++i) {
            const index_t y = i / side - down, x = i % side - right;
            const int level = y < 0 || y >= side || x < 0 || x >= side ? 0 : from[x + side * y];
            const std::uint32_t bits = words.word[(i - first) / 2] >> 16 * (i % 2) & 0xffff;
            to[i] = detail::spread(level, how.dequantised ? (bits + 0.5) / 65536 : 0.5);
        }
    }
}

/// Returns images j = first, ..., first + count - 1, pixels x count; image j is drawn as column j of step 0.
inline floats made_images(const images& of, index_t first, index_t count, const making& how,
                          diamond::philox rng) {
    floats result(static_cast<std::size_t>(pixels * count));
    for (index_t j = 0; j < count; ++j)
        make_image(of, first + j, how, rng, 0, first + j, result.data() + pixels * j);
    return result;
}

/// Returns mean and standard deviation of all grey levels.
inline std::pair<double, double> mean_and_deviation(const images& of) {
    std::array<index_t, levels> counts{};
    for (const auto level : of.grey) ++counts[level];
    const auto n = static_cast<double>(of.grey.size());
    double mean = 0.0, variance = 0.0;
    for (int k = 0; k < levels; ++k) mean += k * static_cast<double>(counts[static_cast<std::size_t>(k)]) / n;
    for (int k = 0; k < levels; ++k)
        variance += (k - mean) * (k - mean) * static_cast<double>(counts[static_cast<std::size_t>(k)]) / n;
    return {mean, std::sqrt(variance)};
}

/// Returns how many images each class has.
inline std::array<index_t, classes> class_counts(const images& of) {
    std::array<index_t, classes> counts{};
    for (const auto label : of.labels) ++counts[static_cast<std::size_t>(label)];
    return counts;
}

} // namespace mnist
