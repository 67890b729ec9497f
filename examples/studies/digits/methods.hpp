/// This header lists the methods of alignment: what each returns, with which budget it runs, and on which
/// models.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "networks.hpp"
#include "tasks.hpp"

namespace digits {

using studies::exactness, studies::outcome, studies::progress;

/// The story shows the last step and others at equal distances before it, at most this many.
inline constexpr index_t longest_story = 16;
inline bool in_story(index_t step, index_t steps) {
    return (steps - step) % ((steps + longest_story - 1) / longest_story) == 0;
}

struct method_options {
    index_t particles = 1024;
    index_t steps = 16;
    index_t samples = 16; ///< posterior draws for one value
    /// Runge-Kutta steps of a GLASS transition, and of the exact model's Diamond map.
    index_t glass_steps = 4;
    index_t look_ahead_steps = 4; ///< midpoint steps of the exact model's flow map
    index_t winners = 64;         ///< samples that search and guidance return
    diamond::philox rng{0};
    bool keep_story = false;
};

struct method_name {
    std::string name, title;
    std::string otherwise = "neither"; ///< what the method does if it is exact for nothing
    bool by_default = true;            ///< whether it runs unless others are asked for
};
/// Returns all methods in the order of the report.
inline const std::vector<method_name>& method_names() {
    static const std::vector<method_name> all{{"prior", "prior", "untilted"},
                                              {"best_of_n", "best of N", "maximises"},
                                              {"beam", "beam", "maximises"},
                                              {"tree_search", "tree search", "maximises"},
                                              {"guidance", "guidance", "approximates"},
                                              {"smc_early_stop", "SMC, early stop"},
                                              {"smc_ddpm", "SMC, DDPM posterior"},
                                              {"smc_glass", "SMC, GLASS by ODE"},
                                              {"weighted_diamond", "weighted Diamond"},
                                              {"corrected", "SMC, corrected", "approximates", false}};
    return all;
}
inline const method_name& corrected_method() { return method_names().back(); }

/// A subject is a model that methods align in the memory where its numbers are. `methods` are in the order of
/// method_names(), without the last one if there are no densities; `denoise` returns E[z | x_t] for one time
/// in each column.
struct subject {
    using method = std::function<outcome(const task&, const method_options&, const progress&)>;
    std::string name, title, device;
    std::vector<method> methods;
    std::function<floats(const floats& x, const std::vector<double>& times)> denoise;
};

/// A density that corrects uses this many jumps of the joint map, with which likelihoods are close to those
/// of many steps.
inline constexpr index_t correcting_jumps = 4;

/// These settings describe a Diamond network and how it is evaluated.
struct learned_settings {
    std::filesystem::path weights;
    /// The names of the two networks; `velocity` is what GLASS, guidance and densities read at t = 0.
    std::string map, velocity;
    diamond::labels condition = {};
    double guidance_weight = 1.0; ///< the weight of classifier-free guidance
    index_t evaluations = 1;      ///< evaluations in one posterior draw
    /// The jumps of the joint map in one log p, if a density is to correct transitions.
    index_t density_jumps = 0;
};

/// Returns the exact model of images with noise of this standard deviation: its own posterior draws, one
/// evaluation each, and its Diamond map and flow map by ODE. It runs on `threads` threads of the CPU.
[[nodiscard]] subject exact_subject(int threads, const images& train, double bandwidth);
[[nodiscard]] subject learned_subject(int threads, const learned_settings& settings);
/// Returns the same subject on the first GPU.
/// @throws diamond::cuda::error if there is none; std::runtime_error if this program was built without CUDA.
[[nodiscard]] subject exact_subject_on_gpu(const images& train, double bandwidth);
[[nodiscard]] subject learned_subject_on_gpu(const learned_settings& settings);

namespace detail {

/// Returns the outcome of independent samples of equal weight.
inline outcome independent(floats samples) { return studies::independent(std::move(samples), pixels); }

} // namespace detail

} // namespace digits
