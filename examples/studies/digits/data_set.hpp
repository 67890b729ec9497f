/// This header reads the digits, which are divided once and for all into a training part and a held-out part.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <diamond/core/errors.hpp>
#include <diamond/core/image_shape.hpp>
#include <diamond/core/scalar.hpp>
#include <diamond/io/npy.hpp>

namespace digits {

using diamond::index_t;
using real = float; // the type of particles; densities, values and weights are double all the same
using floats = std::vector<real>;

inline constexpr diamond::image_shape shape{1, 8, 8};
inline constexpr index_t pixels = 64;
inline constexpr int classes = 10;
inline constexpr int levels = 17; // grey levels 0 ... 16

/// This type holds images as the columns of a pixels x count matrix.
struct images {
    floats data;
    std::vector<std::int32_t> labels;

    [[nodiscard]] index_t count() const { return static_cast<index_t>(labels.size()); }
    [[nodiscard]] floats image(index_t j) const {
        return {data.begin() + j * pixels, data.begin() + (j + 1) * pixels};
    }
};

struct data_set {
    images train, held_out;
};

/// Returns all images, or those of one class if label >= 0.
inline images chosen_images(const images& all, int label) {
    if (label < 0) return all;
    images chosen;
    for (index_t j = 0; j < all.count(); ++j) {
        if (all.labels[static_cast<std::size_t>(j)] != label) continue;
        const auto image = all.image(j);
        chosen.data.insert(chosen.data.end(), image.begin(), image.end());
        chosen.labels.push_back(label);
    }
    return chosen;
}

/// Reads images.npy, labels.npy and held_out.npy, which holds the indices of the held-out part. Grey level k
/// becomes k/8 - 1 in [-1, 1].
/// @throws diamond::io::file_error if a file is damaged; std::invalid_argument if the files do not belong
/// together.
inline data_set load(const std::filesystem::path& folder) {
    using diamond::io::any_extent;
    const auto grey = diamond::io::read_npy<std::uint8_t>(
        folder / "images.npy", {.shape = {{any_extent, static_cast<std::size_t>(pixels)}}});
    const auto label = diamond::io::read_npy<std::uint8_t>(folder / "labels.npy",
                                                           {.shape = std::vector{grey.shape[0]}});
    const auto chosen = diamond::io::read_npy<std::int32_t>(folder / "held_out.npy",
                                                            {.shape = std::vector{any_extent}});

    std::vector<bool> held_out(label.data.size(), false);
    for (const auto i : chosen.data) {
        diamond::require(i >= 0 && static_cast<std::size_t>(i) < held_out.size() &&
                             !held_out[static_cast<std::size_t>(i)],
                         [&] {
                             return "held_out.npy names image " + std::to_string(i) +
                                    ", which is not there or named twice";
                         });
        held_out[static_cast<std::size_t>(i)] = true;
    }
    data_set result;
    for (std::size_t n = 0; n < label.data.size(); ++n) {
        diamond::require(label.data[n] < classes, [&] {
            return "labels.npy: label " + std::to_string(label.data[n]) + " of image " + std::to_string(n);
        });
        images& part = held_out[n] ? result.held_out : result.train;
        part.labels.push_back(label.data[n]);
        for (std::size_t i = n * pixels; i < (n + 1) * pixels; ++i) {
            diamond::require(grey.data[i] < levels, [&] {
                return "images.npy: grey level " + std::to_string(grey.data[i]) + " of image " +
                       std::to_string(n);
            });
            part.data.push_back(static_cast<real>(2.0 * grey.data[i] / (levels - 1) - 1.0));
        }
    }
    diamond::require(result.train.count() > classes && result.held_out.count() > 0,
                     "the split leaves a part without images");
    return result;
}

} // namespace digits
