/// This header lists the methods of alignment: what each returns, with which budget it runs, and on which
/// models.
#pragma once

#include <algorithm>
#include <filesystem>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "networks.hpp"
#include "tasks.hpp"

namespace digits {

/// This type says for what the weighted samples and log Z of a method are exact as the number of particles
/// grows: the end law of the chain itself, or of the density that corrects it, tilted; and whether that law
/// is the model's.
struct exactness {
    bool sampler = false, density = false, model = false;
};

/// An outcome is what a method made of a task: weighted samples, and what it states about them.
struct outcome {
    floats samples = {};              ///< pixels x count
    std::vector<double> weights = {}; ///< sum to 1
    /// Samples of one family are not independent; outside of SMC each sample is a family of its own.
    std::vector<std::int32_t> families = {};
    std::optional<double> ess = {}, log_z = {}, log_z_se = {}, correction_ess = {};
    std::string log_z_method = {};
    diamond::cost spent = {};
    double seconds = 0.0;
    index_t returned = 0; ///< the number of samples on which the evaluations were spent
    std::vector<std::string> warnings = {};
    exactness exact_for = {};
    std::optional<std::string> failure = {}; ///< why there are no samples: a number that is not finite

    // SMC also tells its story over t.
    std::vector<diamond::smc_step> steps = {};
    std::vector<floats> states = {}; ///< the particles after each step of the story
    std::vector<std::vector<std::int32_t>> ancestors = {};
};

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

/// A progress function is told the share that is done.
using progress = std::function<void(double)>;

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

inline std::vector<double> equal_weights(index_t count) {
    return std::vector<double>(static_cast<std::size_t>(count), 1.0 / static_cast<double>(count));
}

inline std::vector<std::int32_t> own_families(index_t count) {
    std::vector<std::int32_t> families(static_cast<std::size_t>(count));
    std::iota(families.begin(), families.end(), 0);
    return families;
}

/// Returns the outcome of independent samples of equal weight.
inline outcome independent(floats samples) {
    const auto count = static_cast<index_t>(samples.size()) / pixels;
    return {.samples = std::move(samples), .weights = equal_weights(count), .families = own_families(count)};
}

} // namespace detail

} // namespace digits
