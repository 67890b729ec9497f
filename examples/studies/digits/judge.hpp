/// This header defines a classifier that is never a reward: the k nearest training images.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "data_set.hpp"

namespace digits {

class judge {
public:
    explicit judge(const images& train, int neighbours = 3) : train_(&train), neighbours_(neighbours) {
        diamond::require(neighbours >= 1 && neighbours <= train.count(), [&] {
            return "judge: " + std::to_string(neighbours) + " neighbours among " +
                   std::to_string(train.count()) + " images";
        });
    }

    /// Returns the class of an image by the vote of its nearest training images, where ties go to the
    /// nearest.
    [[nodiscard]] int operator()(const real* image) const {
        std::vector<std::pair<double, std::int32_t>> distances(static_cast<std::size_t>(train_->count()));
        for (std::size_t n = 0; n < distances.size(); ++n) {
            double sum = 0.0;
            for (std::size_t i = 0; i < pixels; ++i)
                sum += diamond::square(static_cast<double>(train_->data[n * pixels + i] - image[i]));
            distances[n] = {sum, train_->labels[n]};
        }
        std::partial_sort(distances.begin(), distances.begin() + neighbours_, distances.end());
        std::array<int, classes> votes{};
        int winner = distances.front().second;
        for (int k = 0; k < neighbours_; ++k) {
            const int label = distances[static_cast<std::size_t>(k)].second;
            if (++votes[static_cast<std::size_t>(label)] > votes[static_cast<std::size_t>(winner)])
                winner = label;
        }
        return winner;
    }

    /// Returns the share of the weight that lies on images of a class.
    [[nodiscard]] double share_of(int label, const floats& images, const std::vector<double>& weights) const {
        double share = 0.0;
        for (std::size_t j = 0; j < weights.size(); ++j)
            if (weights[j] > 0.0 && (*this)(images.data() + j * pixels) == label) share += weights[j];
        return share;
    }

private:
    const images* train_;
    int neighbours_;
};

} // namespace digits
