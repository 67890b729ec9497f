/// This header holds what the parts of the study share: the data with its noise, the classifiers, the models,
/// and how they are drawn from.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <diamond/core/stopwatch.hpp>
#include <diamond/diamond.hpp>

#include "../shared/progress_line.hpp"
#include "networks.hpp"
#include "results.hpp"
#include "study_settings.hpp"

namespace mnist {

/// A study reads what the parts are made of. Whatever a part draws depends on the seed and on the numbers
/// `which` that it gives, not on the other parts or on the number of threads.
class study {
public:
    /// @throws diamond::io::file_error for files that are missing or damaged.
    explicit study(const study_settings& chosen)
        : settings_(chosen),
          where_{.threads = chosen.threads},
          train_(load_part(chosen.data, "train")),
          test_(load_part(chosen.data, "test")),
          judge_(where_, default_classifiers() / "judge.safetensors"),
          reward_(where_, default_classifiers() / "reward.safetensors"),
          noise_(noise_of(model_file(chosen.weights, "teacher"))) {}
    study(const study&) = delete;
    study& operator=(const study&) = delete;

    [[nodiscard]] const study_settings& settings() const { return settings_; }
    [[nodiscard]] const context& where() const { return where_; }
    [[nodiscard]] const images& train() const { return train_; }
    [[nodiscard]] const images& test() const { return test_; }
    /// The classifier whose features and classes measure samples. It is never a reward.
    [[nodiscard]] const classifier& judge() const { return judge_; }
    /// The classifier that is a reward. It never measures.
    [[nodiscard]] const classifier& reward() const { return reward_; }
    /// Returns the deviation h of the noise of the models' law.
    [[nodiscard]] double noise() const { return noise_; }
    [[nodiscard]] diamond::philox rng() const { return diamond::philox{settings_.seed}; }

    /// Reads a model. @throws diamond::io::file_error as load_network does.
    [[nodiscard]] network model_of(std::string_view name) const {
        return load_network(where_, settings_.weights, name);
    }
    [[nodiscard]] joint_map joint_model_of(std::string_view name) const {
        return load_joint_map(where_, settings_.weights, name);
    }
    [[nodiscard]] bool has(std::string_view name) const {
        return std::filesystem::exists(model_file(settings_.weights, name));
    }

    /// Returns images `first`, ..., `first + count - 1` of a part as the models' law has them: dequantised,
    /// plus N(0, h^2 I).
    [[nodiscard]] batch drawn_images(const images& part, index_t first, index_t count, index_t which) const {
        const auto own = rng().split(static_cast<std::uint64_t>(which));
        batch noise(where_, pixels, count);
        draw_normal(own.stream(diamond::purpose::user), noise.mutable_view());
        const floats made = made_images(part, first, count, {}, own);
        for (index_t i = 0; i < noise.size(); ++i)
            noise.data()[i] = made[static_cast<std::size_t>(i)] + static_cast<real>(noise_) * noise.data()[i];
        return noise;
    }
    /// Returns features of images for the judge, features x count.
    [[nodiscard]] floats features_of(const floats& images) const {
        return judge_.features_of(images.data(), static_cast<index_t>(images.size()) / pixels);
    }

    /// Returns X_{0,1} of a flow map in so many equal jumps, pixels x count; `tell` is told the share done.
    template <class Map>
    [[nodiscard]] floats drawn(Map map, index_t jumps, index_t count, index_t which,
                               const std::function<void(double)>& tell = {}) const {
        constexpr index_t at_once = 500; // the feature maps of so many fit in memory everywhere
        floats result;
        result.reserve(static_cast<std::size_t>(pixels * count));
        const auto own = rng().split(static_cast<std::uint64_t>(which));
        for (index_t first = 0; first < count; first += at_once) {
            const index_t n = std::min(at_once, count - first);
            batch x(where_, pixels, n), next(where_, pixels, n);
            draw_normal(own.stream(diamond::purpose::initial, first), x.mutable_view());
            for (index_t k = 0; k < jumps; ++k) {
                const auto all = static_cast<double>(jumps);
                map(x.read(), {static_cast<double>(k) / all, static_cast<double>(k + 1) / all},
                    diamond::labels(), next.mutable_view());
                std::swap(x, next);
            }
            result.insert(result.end(), x.data(), x.data() + x.size());
            if (tell) tell(static_cast<double>(first + n) / static_cast<double>(count));
        }
        return result;
    }

private:
    /// The classifiers are those that the study has; models may be a user's own.
    static std::filesystem::path default_classifiers() {
        return std::filesystem::path(DIAMOND_EXAMPLE_DATA).parent_path() / "weights";
    }
    /// Returns the noise that the file of a model says. @throws diamond::io::file_error unless it does.
    static double noise_of(const std::filesystem::path& file) {
        const diamond::io::safetensors_reader reader{file};
        const auto& said = reader.header().metadata;
        const auto found = said.find("noise");
        double noise = 0.0;
        if (found == said.end() || !CLI::detail::lexical_cast(found->second, noise) || !(noise > 0.0))
            throw diamond::io::file_error{file, "the metadata state no noise above 0: this is no model that "
                                                "mnist train has made"};
        return noise;
    }

    study_settings settings_;
    context where_;
    images train_, test_;
    classifier judge_, reward_;
    double noise_;
};

} // namespace mnist
